"""What there is to do on a device, job by job. Each answers with plain values for the journal."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from parity.device.record.alone import alone
from parity.device.record.answers import Given, alone_job, answers_job, generation_job, race_job, repeat_job
from parity.device.record.arrays import Arrays, Reference
from parity.device.record.generations import draws_of, pipeline_of, request_of
from parity.device.record.kit import Kit
from parity.device.record.machine import Throttling, temperature_c
from parity.device.record.open_part import OpenParts
from parity.device.record.plan import Generation, Part, Question, Variant
from parity.measure.asked import digest_of
from parity.measure.race import race
from parity.measure.teacher_forcing import unequal_values
from reference.spec.errors import InputError
from reference.spec.generation import Pipeline, Stage, generate
from reference.spec.stages import DIT, GENERATION
from reference.spec.tensors import Array, Tensors


@dataclass(frozen=True, kw_only=True)
class Job:
    """One thing to do. `calls`: how often which parts are asked, which says how long it takes."""

    name: str
    run: Callable[[], Mapping[str, Any]]
    calls: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Jobs:
    """All jobs of a kit, whose answers are kept in `answers`."""

    kit: Kit
    answers: Arrays
    open_parts: OpenParts
    throttling: Throttling
    seen: dict[str, dict[str, Mapping[str, Reference]]] = field(default_factory=dict)  # answers by part and digest

    def all(self) -> Iterator[Job]:
        """In the order they are done: figures of speed before long work heats the device."""
        plan = self.kit.plan
        if plan.rounds:
            yield from (self._alone(variant, part) for variant, part in plan.own_parts)
            yield from (self._race(stage, threads) for stage in self._stages for threads in plan.threads)
        for variant, part in plan.own_parts:
            yield from (self._answers(variant, part, question) for question in plan.questions_for(part))
            yield from (self._repeat(variant, part, threads) for threads in plan.repeated_on)
        yield from (self._generation(variant, one) for variant in plan.variants for one in plan.generations)

    @property
    def _stages(self) -> list[str]:
        return list(dict.fromkeys(part.stage for _, part in self.kit.plan.own_parts))

    def _alone(self, variant: Variant, part: Part) -> Job:
        run = partial(alone, self.kit, variant.name, part.stage)
        return Job(name=alone_job(variant.name, part.stage), run=run, calls={_of(variant.name, part.stage): 1})

    def _answers(self, variant: Variant, part: Part, question: Question) -> Job:
        def run() -> Mapping[str, Any]:
            stage = self._kept(variant, part.stage)
            found = [stage(feed) for feed in self.kit.feeds(question)]
            return {"answers": [given for given, _ in found], "seconds": [seconds for _, seconds in found]}

        name = answers_job(variant.name, part.stage, question.id)
        return Job(name=name, run=run, calls={_of(variant.name, part.stage): len(question.calls)})

    def _repeat(self, variant: Variant, part: Part, threads: int) -> Job:
        """The first case once more, on another number of threads, or as often as it takes on the first."""
        question = self.kit.plan.first_case(part.stage)
        times = self.kit.plan.repeats - 1 if threads == self.kit.plan.threads[0] else 1

        def run() -> Mapping[str, Any]:
            stage = self.open_parts.stage(variant, part.stage, threads)
            unequal = 0
            for _ in range(times):
                for feed in self.kit.feeds(question):
                    unequal += self._unlike(_of(variant.name, part.stage), digest_of(feed), stage(feed))
            return {"unequal": unequal, "times": times, "threads": threads}

        calls = {_of(variant.name, part.stage): times * len(question.calls)}
        return Job(name=repeat_job(variant.name, part.stage, threads), run=run, calls=calls)

    def _generation(self, variant: Variant, one: Generation) -> Job:
        def run() -> Mapping[str, Any]:
            asked: dict[str, list[Given]] = {}
            unequal: dict[str, int] = {}
            started = time.perf_counter()
            pipeline = self._pipeline(variant, one, asked, unequal)
            generate(pipeline, request_of(one), draws_of(one, pipeline.latent_shape))
            return {"asked": asked, "unequal": unequal, "seconds": time.perf_counter() - started}

        calls = {_of(variant.part(stage).judged_as, stage): one.steps if stage == DIT else 1 for stage in GENERATION}
        return Job(name=generation_job(variant.name, one.case), run=run, calls=calls)

    def _race(self, stage: str, threads: int) -> Job:
        """All variants of a stage in turns where they fit into memory together."""
        entrants = [variant for variant, part in self.kit.plan.own_parts if part.stage == stage]
        question = self.kit.plan.first_case(stage)
        groups = self.open_parts.in_turns(entrants, stage)

        def run() -> Mapping[str, Any]:
            self.open_parts.held.close()
            feed = next(self.kit.feeds(question))
            before = temperature_c()
            times = {name: seconds for group in groups for name, seconds in self._raced(group, stage, threads, feed).items()}
            return {
                "median_s": {name: float(np.median(seconds)) for name, seconds in times.items()},
                "seconds": times, "in_turns": len(groups) == 1, "threads": threads, "slowed": self.throttling.slowed(),
                "temperature_before_c": before, "temperature_after_c": temperature_c(),
            }  # fmt: skip

        calls = {_of(variant.name, stage): self.kit.plan.rounds + 1 for variant in entrants}
        return Job(name=race_job(stage, threads), run=run, calls=calls)

    def _raced(self, entrants: list[Variant], stage: str, threads: int, feed: Tensors) -> dict[str, list[float]]:
        with ExitStack() as stack:
            runs = {one.name: stack.enter_context(self.open_parts.opened(self.kit, one, stage, threads)) for one in entrants}
            calls = {name: (lambda _, run=run: run(feed)) for name, run in runs.items()}
            return {name: list(times.seconds) for name, times in race(calls, self.kit.plan.rounds).items()}

    def _kept(self, variant: Variant, stage: str) -> Callable[[Mapping[str, Array]], tuple[Given, float]]:
        """A stage whose answers are kept, and timed."""
        run, name = self.open_parts.stage(variant, stage, self.kit.plan.threads[0]), _of(variant.name, stage)

        def kept(feed: Mapping[str, Array]) -> tuple[Given, float]:
            started = time.perf_counter()
            answer = run(feed)
            seconds = time.perf_counter() - started
            return self._note(name, digest_of(feed), answer), seconds

        return kept

    def _note(self, part: str, digest: str, answer: Tensors) -> Given:
        references = {name: self.answers.keep(array) for name, array in answer.items()}
        self.seen.setdefault(part, {}).setdefault(digest, references)
        return [digest, references]

    def _unlike(self, part: str, digest: str, answer: Tensors) -> int:
        """How many values differ from what was answered before. Raises InputError if nothing was."""
        before = self.seen.get(part, {}).get(digest)
        if before is None:
            raise InputError(f"{part}: was not asked before, so that nothing can be compared")
        return unequal_values([{name: self.answers.of(reference) for name, reference in before.items()}], [answer])

    def _pipeline(self, variant: Variant, one: Generation, asked: dict[str, list[Given]], unequal: dict[str, int]) -> Pipeline:
        """A variant that feeds itself; what is asked is noted, and what was asked before is compared."""
        manifest = self.kit.bundles[variant.bundle].manifest

        def noting(stage: str) -> Stage:
            part, inputs = _of(variant.part(stage).judged_as, stage), manifest.stages[stage].signature

            def run(feed: Mapping[str, Array]) -> Tensors:
                own = inputs.bind(feed)
                answer, digest = self.open_parts.stage(variant, stage, self.kit.plan.threads[0])(own), digest_of(own)
                if digest in self.seen.get(part, {}):
                    unequal[part] = unequal.get(part, 0) + self._unlike(part, digest, answer)
                asked.setdefault(part, []).append(self._note(part, digest, answer))
                return answer

            return run

        return pipeline_of(self.kit, variant, one, {stage: noting(stage) for stage in GENERATION})


def _of(variant: str, stage: str) -> str:
    return f"{variant}/{stage}"
