"""Latents checked: floats (item, latent channel, frame), finite, as many channels as the codec has."""

from typing import Any

import numpy as np

from reference.spec.codec.shape import CodecShape
from reference.spec.errors import InputError
from reference.spec.tensors import Array, finite_in_float32


def checked_latents(latents: Any, shape: CodecShape) -> Array:
    """Latents as (item, latent channel, frame), from that or from (latent channel, frame). Raises InputError if they are not."""
    if not isinstance(latents, np.ndarray):
        raise InputError(f"latents are {type(latents).__name__}, expected a numpy array")
    check_form(latents.dtype, latents.shape, shape)
    check_finite(latents)
    return latents if latents.ndim == 3 else latents[None]


def check_form(dtype: np.dtype[Any], axes: tuple[int, ...], shape: CodecShape) -> None:
    """Raise InputError for what is of another type, or arranged otherwise."""
    channels = shape.latent_channels
    expected = f"expected (item, {channels}, frame) or ({channels}, frame)"
    if dtype.kind != "f":
        raise InputError(f"latents are {dtype}, expected floats")
    if len(axes) not in (2, 3) or axes[-2] != channels:
        turned = len(axes) in (2, 3) and axes[-1] == channels
        raise InputError(f"latents have shape {list(axes)}, {expected}{'; transpose them' if turned else ''}")
    if min(axes) < 1:
        raise InputError(f"latents have shape {list(axes)} and hold nothing; {expected}")


def check_finite(latents: Array) -> None:
    """Raise InputError for NaN, infinity, and what is infinite in float32, which codecs compute in."""
    if not finite_in_float32(latents):
        raise InputError("latents hold NaN or infinity, expected finite values")
