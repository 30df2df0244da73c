"""The reference generating many times at once, what its stages put out disturbed differently in every draw."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count

import numpy as np

from parity.measure.cases import Case
from reference.pipeline import Model, TorchStage
from reference.spec.generation import Stage, generate
from reference.spec.noise import ENCODER_NOISE
from reference.spec.stages import CONDITIONER, DECODER, DIT, ENCODER, STAGE_TABLE
from reference.spec.tensors import Array, Tensors


@dataclass(frozen=True, kw_only=True)
class OwnErrors:
    """What a variant adds to each output when fed the truth: by output name, one array or one per DiT step.

    `sizes` are their relative L2 norms, capped by the budgets, so that a fault does not widen its own envelope.
    """

    arrays: Mapping[str, list[Array]]
    sizes: Mapping[str, list[float]]


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """(draw, call): whether an output's error is added or taken away, -1 or 1, and of which call it is."""

    signs: Array
    calls: Array


class Disturbed:
    """Generations of the float32 reference, each with errors of its own signs, drawn for every output and step.

    In every second one they have changed places, too: of a number such as loudness one error may happen to move nothing.

    All are sampled at once, then decoded one by one: so at full size no two stages are held, and what a decoder works on
    stays in a processor's cache.
    """

    def __init__(self, model: Model, case: Case, errors: OwnErrors, draws: Sequence[int]) -> None:
        """`draws` are their numbers, which their signs follow from."""
        self._model, self._errors, self._drawn = model, errors, _drawn(case, errors, draws)
        pipeline = model.pipeline()
        stages = {
            CONDITIONER: _moved_by(pipeline.stages[CONDITIONER], errors, self._drawn),
            DIT: _moved_by(batched(model, DIT, len(draws)), errors, self._drawn),
            DECODER: lambda feed: {"audio": feed["latents"]},
        }
        if case.request.init_audio is not None:
            encode = _encodings(pipeline.stages[ENCODER], case, draws) if case.encoder_draws_unseen else pipeline.stages[ENCODER]
            stages[ENCODER] = _moved_by(encode, errors, self._drawn)
        trace = generate(replace(pipeline, stages=stages), case.request, case.draws(pipeline.latent_shape))
        self._latents = trace["latents"]

    def __call__(self, place: int) -> Tensors:
        """`latents` and `audio` of the one at a place among them."""
        one = slice(place, place + 1)
        drawn = {name: Drawn(signs=found.signs[one], calls=found.calls[one]) for name, found in self._drawn.items()}
        feed = {"latents": self._latents[one]}
        return feed | _moved_by(self._model.stage(DECODER), self._errors, drawn)(feed)


def batched(model: Model, name: str, size: int) -> Stage:
    """A stage of the float32 reference over `size` items at once; an input of one item serves all."""
    signature = STAGE_TABLE[name].signature(model.spec)
    inputs = tuple(replace(tensor, axes={**tensor.axes, "batch": size}) for tensor in signature.inputs)

    def run(feed: Mapping[str, Array]) -> Tensors:
        spread = {tensor.name: np.broadcast_to(feed[tensor.name], tensor.shape).copy() for tensor in inputs}
        return TorchStage(model.modules[name], replace(signature, inputs=inputs))(spread)

    return run


def _encodings(encode: Stage, case: Case, draws: Sequence[int]) -> Stage:
    """The encoder, with noise of its own for every draw."""

    def run(feed: Mapping[str, Array]) -> Tensors:
        streams = (np.random.Generator(np.random.Philox(np.random.SeedSequence([case.seed, draw]))) for draw in draws)
        shape = feed[ENCODER_NOISE].shape
        found = [encode({**feed, ENCODER_NOISE: stream.standard_normal(shape, np.float32)}) for stream in streams]
        return {name: np.concatenate([one[name] for one in found]) for name in found[0]}

    return run


def _drawn(case: Case, errors: OwnErrors, draws: Sequence[int]) -> dict[str, Drawn]:
    """Of each output, from a stream of the draw's own."""
    streams = {draw: np.random.Generator(np.random.Philox(key=[case.seed, draw])) for draw in draws}
    return {
        name: Drawn(
            signs=np.array([[stream.choice((-1.0, 1.0)) for _ in arrays] for stream in streams.values()]),
            calls=np.array([
                stream.permutation(len(arrays)) if draw % 2 else np.arange(len(arrays)) for draw, stream in streams.items()
            ]),
        )
        for name, arrays in errors.arrays.items()
    }  # fmt: skip


def _moved_by(run: Stage, errors: OwnErrors, drawn: Mapping[str, Drawn]) -> Stage:
    """The stage, each of its outputs moved by an error as large as that of the call it is at."""
    calls = count()

    def moved(feed: Mapping[str, Array]) -> Tensors:
        outputs, call = run(feed), next(calls)
        return {
            name: _moved(
                array,
                [errors.arrays[name][other] for other in drawn[name].calls[:, call]],
                errors.sizes[name][call] * drawn[name].signs[:, call],
            )
            for name, array in outputs.items()
        }

    return moved


def _moved(array: Array, shapes: Sequence[Array], sizes: Array) -> Array:
    """`array`, one item or one a draw, plus in every draw an error of a shape and a relative L2 norm of its own, which may be
    negative; nothing where the error is zero."""
    lengths = np.array([np.linalg.norm(shape) for shape in shapes])
    norms = np.linalg.norm(array.astype(np.float64).reshape(len(array), -1), axis=1)
    scales = np.divide(sizes * norms, lengths, out=np.zeros(len(sizes)), where=lengths > 0)
    errors = np.concatenate([scale * shape for scale, shape in zip(scales, shapes, strict=True)])
    moved: Array = (array + errors).astype(np.float32)
    return moved
