"""What a family of codecs is: how the config of one is recognised and read. Codecs generate nothing and need no prompt."""

from collections.abc import Callable
from dataclasses import dataclass

from reference.spec.codec.same import SameSpec
from reference.spec.section import Section


@dataclass(frozen=True, kw_only=True)
class CodecFamily:
    """One family of autoencoders that stand alone, or as the `pretransform` of a model that generates.

    `kinds` are the types of an encoder and decoder in the config that are this family's; `read` takes the `model` part of a
    config and the sample rate beside it.
    """

    name: str
    kinds: tuple[str, ...]
    read: Callable[[Section, int], SameSpec]
