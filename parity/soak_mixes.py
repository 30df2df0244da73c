"""Gate runs over drawn mixes of drawn models: whatever is stored how, the right file is faithful and the wrong one is not."""

import json
import random
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

from fixtures.make_model import make_model
from fixtures.rough import ROUGH
from litert_pipeline.build.conversions import Conversions
from litert_pipeline.bundle import Bundle
from parity.bundles.given import make_bundles
from parity.explain.suspects import suspects
from parity.judge.judge import Judge
from parity.measure.cases import load_cases
from parity.measure.policy import Policy
from parity.measure.sweep import Sweep
from parity.mixes.calibration import calibrated_with
from parity.mixes.judged import JudgedMix, judged
from parity.mixes.make import Kitchen
from parity.mixes.spoil import exchange_rows
from parity.mixes.table import MIXES, Mix
from parity.soak import DRAWS, THREADS, drawn_case
from parity.truth.store import Store
from parity.truth.traces import Truth
from reference.pipeline import load_model
from reference.progress import Say
from reference.spec.errors import InputError
from reference.spec.sources import hash_of, imported

PACKAGES = ("reference", "litert_pipeline", "parity", "fixtures")
SHOWN = 12  # characters of a hash
CONFIG, SMOOTH = "tiny", "smooth"
MODELS = (SMOOTH, *ROUGH)  # seeded weights as they are drawn, and as rough as trained ones
CALIBRATED = "drums"  # the case whose truth static quantization sees


@dataclass(frozen=True, kw_only=True)
class MixSoakOptions:
    """How many runs, from which number on; `spoiled`: one run in so many has a file made wrong, none where it is 0. `log` keeps
    what is done: runs that stand there are not done again by the same code under the same policy."""

    runs: int
    seed: int
    spoiled: int
    log: Path | None


@dataclass(frozen=True, kw_only=True)
class DrawnMix:
    """What a run judges; it follows from its number alone. `spoiled` is the stage whose file is made wrong, if any."""

    number: int
    mix: str
    model: str
    threads: int
    spoiled: str = ""


@dataclass(frozen=True, kw_only=True)
class Ran:
    """A run that is done: `right` if it ended as it had to. `why`: what was refused, `by`: which code and policy judged."""

    drawn: DrawnMix
    by: str
    arithmetic: str
    right: bool
    answers: str
    why: str
    seconds: float

    def __str__(self) -> str:
        spoiled = f", {self.drawn.spoiled} spoiled" if self.drawn.spoiled else ""
        right = "right" if self.right else f"WRONG: {self.why or 'nothing was refused'}"
        return f"run {self.drawn.number}: {self.drawn.mix} of a {self.drawn.model} model{spoiled}: {self.answers}; {right}"


def draw(number: int, spoiled: int) -> DrawnMix:
    """The run of a number. Mixes are dealt like cards: none comes again before all have been."""
    deck, place = divmod(number, len(MIXES))
    mix = random.Random(f"deck {deck}").sample(list(MIXES), len(MIXES))[place]
    rng = random.Random(f"run {number}")
    model, threads = rng.choice(MODELS), rng.choice(THREADS)
    stages = list(MIXES[mix].parts) or sorted(MIXES[mix].compute)
    wrong = bool(spoiled) and number % spoiled == spoiled - 1
    return DrawnMix(number=number, mix=mix, model=model, threads=threads, spoiled=rng.choice(stages) if wrong else "")


def soak_mixes(options: MixSoakOptions, policy: Policy, store: Store, folder: Path, say: Say) -> list[Ran]:
    """Make and judge what is drawn, in `folder`; runs that the log has are taken from it. Raises InputError for a log that is
    none."""
    by = judged_by(policy)
    done = read_log(options.log, options.spoiled, by)
    models = _Models(folder=folder, conversions=Conversions.inside(store.folder), say=say)
    for number in range(options.seed, options.seed + options.runs):
        if number not in done:
            done[number] = _run(draw(number, options.spoiled), models, policy, by)
            _note(options.log, done[number])
            say(str(done[number]))
    return [done[number] for number in range(options.seed, options.seed + options.runs)]


def judged_by(policy: Policy) -> str:
    """A hash of all that a verdict on a mix follows from, but for the mix: this code, and the policy."""
    code = hash_of(imported([__name__], PACKAGES).values())
    return f"code {code[:SHOWN]}, policy {policy.sha256[:SHOWN]}"


def _run(drawn: DrawnMix, models: "_Models", policy: Policy, by: str) -> Ran:
    started = time.monotonic()
    mix, rng = MIXES[drawn.mix], random.Random(f"case of run {drawn.number}")
    spoiled = {drawn.spoiled: partial(exchange_rows, rng=rng)} if drawn.spoiled else {}
    bundle = models.kitchen(drawn.model, mix).bundle(mix, spoiled)
    with Judge.of(models.folder_of(drawn.model), [], drawn.threads, Store()) as judge:
        case = drawn_case(judge.model, rng, f"run {drawn.number}")
        found = judged(judge, bundle, [case], Sweep(draws=DRAWS, seed=drawn.number), policy)
    return Ran(
        drawn=drawn, by=by, arithmetic=_told(mix, found), right=ends_right(drawn, found), answers=found.verdict.answers,
        why=found.failed[0] if found.failed else "", seconds=time.monotonic() - started,
    )  # fmt: skip


def ends_right(drawn: DrawnMix, found: JudgedMix) -> bool:
    """Whether the sound one is faithful, and of the other one the very stage that was made wrong is at fault and no other."""
    at_fault = {check.stage for check in suspects(found.checks)}
    return at_fault == ({drawn.spoiled} - {""}) and bool(found.verdict.close)


def _told(mix: Mix, found: JudgedMix) -> str:
    """What is not plain float32 in it."""
    reduced = [stage for stage in found.arithmetic if stage in mix.parts or stage in mix.compute]
    return "; ".join(sorted({f"{stage}: {found.arithmetic[stage]}" for stage in reduced}))


@dataclass
class _Models:
    """Models, their bundles and what mixes are made of them, each made when it is first drawn."""

    folder: Path
    conversions: Conversions
    say: Say
    _kitchens: dict[str, Kitchen] = field(default_factory=dict)

    def folder_of(self, name: str) -> Path:
        path = self.folder / name / "model"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            make_model(path, CONFIG, seed=0, rough=None if name == SMOOTH else name)
        return path

    def kitchen(self, name: str, mix: Mix) -> Kitchen:
        """With all bundles that a mix is made of."""
        model = self.folder_of(name)
        if name not in self._kitchens:
            truths = Truth(model=load_model(model), store=Store())
            case = load_cases(truths.generator.tokenizer, truths.generator.spec, [CALIBRATED])[0]
            self._kitchens[name] = Kitchen(
                model=model, sources={}, folder=self.folder / name / "mixes", fed=calibrated_with(truths, case)
            )
        kitchen = self._kitchens[name]
        for source in mix.sources - kitchen.sources.keys():
            kitchen.sources = {**kitchen.sources, source: self._bundle(name, model, source)}
        return kitchen

    def _bundle(self, name: str, model: Path, recipe: str) -> Bundle:
        folder = self.folder / name / f"for {recipe}"
        return make_bundles(model, folder, {recipe}, self.say, self.conversions)[recipe]


def read_log(log: Path | None, spoiled: int, by: str) -> dict[int, Ran]:
    """The runs that stand in a log, were judged `by` this, and would be drawn again as they were. Raises InputError if it is
    none."""
    lines = log.read_text(encoding="utf-8").splitlines() if log is not None and log.exists() else []
    try:
        found = [json.loads(line) for line in lines]
        runs = [Ran(**{**entry, "drawn": DrawnMix(**entry["drawn"])}) for entry in found]
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{log}: is no log of a soak ({error}); expected one JSON object a line, give a new file") from None
    return {run.drawn.number: run for run in runs if run.by == by and run.drawn == draw(run.drawn.number, spoiled)}


def _note(log: Path | None, run: Ran) -> None:
    if log is not None:
        with log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(run)) + "\n")


def by_arithmetic(runs: Iterable[Ran]) -> Iterator[tuple[str, str, int, int]]:
    """(mix, arithmetic, runs, right), in the order of the table of mixes."""
    groups: Mapping[str, list[Ran]] = defaultdict(list)
    for run in runs:
        groups[run.drawn.mix].append(run)
    for mix in MIXES:
        if own := groups.get(mix):
            yield mix, own[0].arithmetic, len(own), sum(run.right for run in own)
