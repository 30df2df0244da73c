"""Asking for what trials find: what is known is not measured again, and what is measured is kept at once."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from litert_pipeline.build.recipes import QuantizerRecipe
from parity.search.engines import Engine
from parity.search.places import Places, measuring_code, node
from parity.search.store import Results
from parity.search.trial import Race, Result, Trial, recipe_text
from reference.progress import Say
from reference.spec.errors import InputError

SAID_EVERY_S = 10.0  # what is left is told so often


@dataclass(frozen=True, kw_only=True)
class Question:
    """What all trials of a search have in common; `race` where speed is asked as well."""

    about: Trial
    race: Race | None = None

    @classmethod
    def of(
        cls, places: Places, stage: str, *, cases: Sequence[str], steps: Sequence[int] = (), draws: int = 0, seed: int = 0,
        compute: str = "fp32",
    ) -> "Question":  # fmt: skip
        """About a stage of the model and the bundle that are here. Raises InputError where the bundle lacks it."""
        here = node(places)
        entry = here.bundle.manifest.stages.get(stage)
        if entry is None or here.bundle.manifest.format != "litert":
            found = f"{here.bundle.manifest.format}: {', '.join(here.bundle.manifest.stages)}"
            raise InputError(f"{places.bundle}: is to hold a LiteRT file of {stage}, found {found}; give the float bundle")
        about = Trial(
            model=here.model, file=entry.sha256, code=measuring_code(), stage=stage, recipe=recipe_text([]), compute=compute,
            cases=tuple(cases), steps=tuple(sorted(set(steps))), draws=draws, seed=seed,
        )  # fmt: skip
        return cls(about=about)

    def trial(self, rules: QuantizerRecipe) -> Trial:
        """What is asked of one recipe: how far it is."""
        return replace(self.about, recipe=recipe_text(rules))

    def raced(self, rules: QuantizerRecipe) -> Trial:
        """And how fast."""
        assert self.race is not None, "asked only where speed is"
        return replace(self.trial(rules), race=self.race, draws=0, seed=0)


@dataclass(kw_only=True)
class Asker:
    """Trials, asked of an engine once each. `lost` are those that never came back."""

    engine: Engine
    results: Results
    say: Say
    measured: int = 0
    lost: list[str] = field(default_factory=list)

    def ask(self, trials: Iterable[Trial], what: str) -> dict[str, Result]:
        """What the trials found, by address; those that were lost are missing. Raises InputError as `Engine.map`."""
        asked = {trial.address: trial for trial in trials}
        found = {address: known for address, trial in asked.items() if (known := self.results.get(trial)) is not None}
        left = [trial for address, trial in asked.items() if address not in found]
        if left and found:
            self.say(f"{what}: {len(found)} of {len(asked)} are known from before")
        start_s = told_s = time.monotonic()
        for count, done in enumerate(self.engine.map(left), 1):
            if done.result is None:
                self.lost.append(f"{done.trial.address[:12]}: {done.why}")
                self.say(f"{what}: trial {done.trial.address[:12]} is lost, {done.why}")
                continue
            self.measured += 1
            self.results.put(done.trial, done.result)
            found[done.trial.address] = done.result
            now_s = time.monotonic()
            if count == len(left) or now_s - told_s >= SAID_EVERY_S:
                told_s = now_s
                self.say(f"{what}: {count} of {len(left)} measured, {_left(now_s - start_s, count, len(left))}")
        return found


def _left(taken_s: float, done: int, of: int) -> str:
    return f"about {taken_s / done * (of - done):.0f} s left" if done < of else f"{taken_s:.0f} s"
