"""Read the codec of a `model_config.json`: of one that stands alone, or of a model that generates with it."""

from pathlib import Path

from reference.spec.codec.same import SameSpec
from reference.spec.config import CODEC_ALONE
from reference.spec.errors import InputError
from reference.spec.families.table import CODEC_FAMILIES
from reference.spec.model import MOST_RATE_HZ
from reference.spec.section import Section, read_json
from reference.spec.stages import ENCODER


def read_codec_spec(config: Path) -> SameSpec:
    """The codec's spec; what else a config says, of a model that generates, is left aside.

    Raises InputError for a missing file or key, a wrong type, an unsupported value, an unknown key, numbers that
    contradict each other, and a codec of no family.
    """
    top = read_json(config)
    alone = top.take("model_type", str) == CODEC_ALONE
    sample_rate_hz, model = top.positive("sample_rate", most=MOST_RATE_HZ), top.section("model")
    if alone:
        top.ignore("sample_size", "audio_channels", "training")
        top.done()
    else:
        model = _nested(model)
    kind = model.peek(ENCODER, "type")
    for family in CODEC_FAMILIES.values():
        if kind in family.kinds:
            return family.read(model, sample_rate_hz)
    kinds = ", ".join(kind for family in CODEC_FAMILIES.values() for kind in family.kinds)
    raise InputError(
        f"{config}: '{model.path(ENCODER)}.type' is {kind!r}; expected a codec of one of these types: {kinds}"
    )


def _nested(model: Section) -> Section:
    pretransform = model.section("pretransform")
    pretransform.choice("type", (CODEC_ALONE,))
    if pretransform.take("scale", float, 1.0) != 1.0:
        raise InputError(f"{pretransform.file}: '{pretransform.path('scale')}' other than 1.0 is not supported")
    # How upstream runs it when it generates: the numbers are those of a codec that stands alone.
    pretransform.ignore("model_half", "iterate_batch", "chunked", "enable_grad")
    config = pretransform.section("config")
    pretransform.done()
    return config
