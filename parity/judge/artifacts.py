"""Whether a bundle's files are those its manifest and the model dir say. Nothing is run."""

from litert_pipeline.build.convert import declared_sampler, source_of
from litert_pipeline.build.recipes import RECIPES
from litert_pipeline.bundle import Bundle
from parity.bundles.arithmetic import claimed
from parity.bundles.files import Files
from parity.measure.arithmetic import FLOAT32
from parity.measure.verdict import ARTIFACT, Verdict
from reference.model_files import SPIECE_NAME
from reference.pipeline import Model
from reference.spec.files import sha256_of
from reference.spec.stages import CONDITIONER

REASONS = {
    "altered_file": "the file's SHA-256 must be the one in the manifest",
    "other_arithmetic": "the file must store its weights as its recipe says",
    "foreign_tokenizer": "the bundle's SentencePiece model must be the model dir's",
    "foreign_model": "config, weights and T5 the bundle was converted from must be the model dir's",
    "foreign_sampler": "sampler, levels and level shift in the manifest must be those the model is sampled with",
}
NOT_QUANTIZED = "the file is the very one it should have been quantized from: quantize it again"


def artifact_checks(bundle: Bundle, model: Model, label: str, files: Files) -> list[Verdict]:
    """One verdict per file and claim; the bundle is called `label`."""
    manifest = bundle.manifest
    found = [_verdict(label, CONDITIONER, "foreign_tokenizer", _another_tokenizer(bundle, model))]
    if manifest.source is None:  # what a bundle made elsewhere does not claim cannot be wrong
        return found
    declared = (dict(manifest.sampler), manifest.level_shift)
    found += [
        _verdict(label, "bundle", "foreign_model", manifest.source != source_of(model)),
        _verdict(label, "sampler", "foreign_sampler", declared != (declared_sampler(model.spec), model.spec.level_shift)),
    ]
    for stage, entry in manifest.stages.items():
        altered = files.sha256(bundle, stage) != entry.sha256
        found += [_verdict(label, stage, "altered_file", altered), _arithmetic(bundle, stage, label, files)]
    return found


def _another_tokenizer(bundle: Bundle, model: Model) -> bool:
    return sha256_of(bundle.tokenizer_path) != sha256_of(model.t5_folder / SPIECE_NAME)


def _arithmetic(bundle: Bundle, stage: str, label: str, files: Files) -> Verdict:
    """Whether the file stores what its recipe says; of somebody's own recipe only that it was quantized where it says so."""
    recipe, source = RECIPES.get(bundle.manifest.recipe), bundle.manifest.stages[stage].source_sha256
    found = files.arithmetic(bundle, stage)
    if recipe is not None:
        wrong, wanted = found != claimed(recipe, stage), str(claimed(recipe, stage))
    else:
        wrong, wanted = source is not None and found.weights == FLOAT32, "most of them quantized"
    if not wrong:
        return _verdict(label, stage, "other_arithmetic", False)
    same = f"; {NOT_QUANTIZED}" if files.sha256(bundle, stage) == source else ""
    return _verdict(label, stage, "other_arithmetic", True, f"; found {found}, expected {wanted}{same}")


def _verdict(label: str, stage: str, metric: str, fault: bool, cause: str = "") -> Verdict:
    return Verdict(
        stage=stage, variant=label, case="-", ladder=ARTIFACT, metric=metric, value=float(fault), limit=0.0,
        why=REASONS[metric] + cause,
    )  # fmt: skip
