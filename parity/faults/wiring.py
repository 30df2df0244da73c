"""Wrong ways to connect: stages fed or answering wrongly, and tokens, noise, requests that are not what was asked for."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, replace

import numpy as np

from parity.faults.wrong_sampler import WrongSampler
from parity.measure.replay import Generate
from reference.spec.generation import Pipeline, Request, Stage
from reference.spec.prompt import Tokenizer
from reference.spec.sampling.objective import State
from reference.spec.stages import DIT
from reference.spec.tensors import Array, Tensors

Change = Callable[[Array], Array]


def fed(name: str, change: Change) -> Callable[[Stage], Stage]:
    """A stage whose input `name` is changed."""
    return lambda run: lambda feed: run({**feed, name: change(feed[name])})


def answering(name: str, change: Change) -> Callable[[Stage], Stage]:
    """A stage whose output `name` is changed."""

    def wrap(run: Stage) -> Stage:
        def faulty(feed: Mapping[str, Array]) -> Tensors:
            answers = run(feed)
            return {**answers, name: change(answers[name])}

        return faulty

    return wrap


def fed_where(name: str, holds: Callable[[Array], bool], wrong: Callable[[Stage], Stage]) -> Callable[[Stage], Stage]:
    """A stage that is wrong only where its input `name` is as told."""

    def wrap(run: Stage) -> Stage:
        spoiled = wrong(run)
        return lambda feed: (spoiled if holds(feed[name]) else run)(feed)

    return wrap


def fed_by_position(written: tuple[str, ...], read: tuple[str, ...]) -> Callable[[Stage], Stage]:
    """Buffers filled in one order of inputs and read in another, as many values as fit; the rest stays zero."""

    def wrap(run: Stage) -> Stage:
        def faulty(feed: Mapping[str, Array]) -> Tensors:
            mixed = dict(feed)
            for source, target in zip(written, read, strict=True):
                buffer = np.zeros(feed[target].size, feed[target].dtype)
                count = min(buffer.size, feed[source].size)
                buffer[:count] = feed[source].ravel()[:count]
                mixed[target] = buffer.reshape(feed[target].shape)
            return run(mixed)

        return faulty

    return wrap


def first_input_kept(name: str) -> Callable[[Stage], Stage]:
    """A stage that goes on using the first `name` it was ever given."""

    def wrap(run: Stage) -> Stage:
        kept: dict[str, Array] = {}

        def faulty(feed: Mapping[str, Array]) -> Tensors:
            return run({**feed, name: kept.setdefault(name, feed[name])})

        return faulty

    return wrap


class WrongTokenizer(Tokenizer):
    """A tokenizer whose ids are changed. `change(ids, text, tokenizer)` gets and gives ids without padding."""

    def __init__(
        self, right: Tokenizer, change: Callable[[list[int], str, Tokenizer], list[int]], share: float, longer: int = 1
    ) -> None:
        self._right, self._change, self._share = right, change, share
        self.max_length = right.max_length * longer
        self._pieces = right._pieces  # it counts as the right one does

    def __call__(self, text: str) -> tuple[Array, Array]:
        ids, mask = self._right(text)
        right = [int(token) for token in ids[0, : int(mask.sum())]]
        wrong = self._change(right, text, self._right)
        return self._padded(self._mixed(right, wrong))

    def _mixed(self, right: list[int], wrong: list[int]) -> list[int]:
        """The wrong ids at the first `share` of the places where they differ, at one at least."""
        if self._share == 1 or len(right) != len(wrong):
            return wrong
        places = [place for place, (one, two) in enumerate(zip(right, wrong, strict=True)) if one != two]
        chosen = set(places[: max(1, round(self._share * len(places)))])
        return [wrong[place] if place in chosen else token for place, token in enumerate(right)]

    def _padded(self, tokens: list[int]) -> tuple[Array, Array]:
        ids, mask = np.zeros((2, 1, self.max_length), np.int32)
        ids[0, : len(tokens)], mask[0, : len(tokens)] = tokens, 1
        return ids, mask


def tokens(
    change: Callable[[list[int], str, Tokenizer], list[int]], longer: int = 1
) -> Callable[[Generate, float], Generate]:
    """A pipeline with a wrong tokenizer, its buffer `longer` times the model's."""

    def wrong(generate: Generate, share: float) -> Generate:
        def run(pipeline: Pipeline, request: Request, noise: Iterator[State]) -> Tensors:
            tokenizer = WrongTokenizer(pipeline.tokenizer, change, share, longer)
            return generate(replace(pipeline, tokenizer=tokenizer), request, noise)

        return run

    return wrong


def noise(change: Callable[[Iterator[State]], Iterator[State]]) -> Callable[[Generate, float], Generate]:
    """A pipeline whose noise is `share` of the way to what `change` makes of it."""

    def wrong(generate: Generate, share: float) -> Generate:
        def run(pipeline: Pipeline, request: Request, noise: Iterator[State]) -> Tensors:
            return generate(pipeline, request, _mixed_noise(noise, change, share))

        return run

    return wrong


def _mixed_noise(
    right: Iterator[State], change: Callable[[Iterator[State]], Iterator[State]], share: float
) -> Iterator[State]:
    drawn: list[State] = []

    def remembered() -> Iterator[State]:
        for array in right:
            drawn.append(array)
            yield array

    for index, array in enumerate(change(remembered())):
        while len(drawn) <= index:
            drawn.append(next(right))
        yield (drawn[index] + share * (array - drawn[index])).astype(np.float32)


def handed(name: str, change: Change) -> Callable[[Generate, float], Generate]:
    """A pipeline whose DiT is handed a `name` that is `share` of the way to what `change` makes of it."""

    def wrong(generate: Generate, share: float) -> Generate:
        def mixed(array: Array) -> Array:
            moved: Array = (array + share * (change(array) - array)).astype(array.dtype)
            return moved

        def run(pipeline: Pipeline, request: Request, noise: Iterator[State]) -> Tensors:
            stages = {**pipeline.stages, DIT: fed(name, mixed)(pipeline.stages[DIT])}
            return generate(replace(pipeline, stages=stages), request, noise)

        return run

    return wrong


def asked_for(change: Callable[[Request, float], Request]) -> Callable[[Generate, float], Generate]:
    """A pipeline that does something else than was asked for."""

    def wrong(generate: Generate, share: float) -> Generate:
        return lambda pipeline, request, noise: generate(pipeline, change(request, share), noise)

    return wrong


def sampled_by(**changes: Callable[..., object]) -> Callable[[Generate, float], Generate]:
    """A pipeline whose sampler differs by `changes`, which are fields of `WrongSampler`, beside what differs already."""

    def change(request: Request, share: float) -> Request:
        had = {field.name: getattr(request.sampler, field.name) for field in fields(request.sampler)}
        return replace(request, sampler=WrongSampler(**had | changes | {"share": share}))

    return asked_for(change)
