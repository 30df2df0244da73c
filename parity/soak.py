"""Gate runs over drawn cases: a gate that refuses a correct model once in a hundred is not believed the other times."""

import random
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from litert_pipeline.build.conversions import Conversions
from parity.bundles.given import chosen_bundles
from parity.judge.judge import Judge
from parity.judge.lineup import chosen
from parity.judge.plan import Plan
from parity.measure.budget import YARDSTICK
from parity.measure.cases import Case
from parity.measure.sweep import Sweep
from parity.measure.verdict import Verdict
from parity.truth.store import Store
from reference.pipeline import Model
from reference.progress import Say
from reference.spec.generation import Request
from reference.spec.model import SECONDS_START, SECONDS_TOTAL
from reference.spec.sampling.guidance import Guidance
from reference.spec.sampling.objective import OBJECTIVES
from reference.spec.sampling.samplers import usual_sampler

WORDS = (
    "warm", "tight", "drum", "loop", "90 BPM", "analog", "pad", "übersteuert", "rain on a roof", "雨", "🥁", "!!", "dry",
    "snare,", "kick", "with", "slow", "filter", "sweep.", "birds", "at dawn", "distant thunder", "piano", "C minor",
)  # fmt: skip
MOST_WORDS, MOST_STEPS, THREADS = 40, 12, (1, 2, 4)
DRAWS = 4  # of each stage in a run
BEYOND = 1.5  # seconds are drawn up to this many times the model's most


@dataclass(frozen=True, kw_only=True)
class SoakOptions:
    """How many runs, from which seed on, of which model and bundles."""

    model: Path
    bundles: list[Path]
    variants: list[str] | None
    drawn: int | None  # variants drawn for each run; all of them where it is None
    runs: int
    seed: int


def soak(options: SoakOptions, say: Say) -> int:
    """Run the gate's checks `runs` times, each on a case and a thread count of its own; returns how many refused.

    Raises InputError for bad input.
    """
    refused = 0
    with TemporaryDirectory() as name:
        folder = Path(name)
        bundles = chosen_bundles(
            options.model, options.bundles, options.variants, folder / "bundles", say, Conversions()
        )
        for run in range(options.seed, options.seed + options.runs):
            rng = random.Random(run)
            threads = rng.choice(THREADS)
            with Judge.of(options.model, bundles, threads, Store(folder=folder / "cache")) as judge:
                case = drawn_case(judge.model, rng, f"run {run}")
                variants = chosen(options.variants, judge.contenders)
                judged = variants if options.drawn is None else drawn_variants(variants, options.drawn, rng)
                plan = Plan.of(judge, judged, [case], Sweep(draws=DRAWS, seed=run))
                failed = [check for check in plan.checks(lambda _: None) if not check.ok]
            told = "; ".join([_told(case, threads, judged, failed), *map(str, failed)])
            say(f"{told}, {run - options.seed + 1} of {options.runs}")
            refused += bool(failed)
    return refused


def drawn_variants(variants: list[str], count: int, rng: random.Random) -> list[str]:
    """`count` of the variants beside the yardstick, which is always there."""
    others = [variant for variant in variants if variant != YARDSTICK]
    return [YARDSTICK, *rng.sample(others, min(count, len(others)))]


def drawn_case(model: Model, rng: random.Random, name: str) -> Case:
    """A case with drawn words, numbers, seed and steps, guided as is usual: away from nothing, or from drawn words."""
    prompt, seconds = _words(rng), _number(model, SECONDS_TOTAL, rng)
    sampler = usual_sampler(OBJECTIVES[model.spec.objective], rng.randint(1, MOST_STEPS))
    seed, told = rng.randrange(2**31), model.spec.number_names
    start = _number(model, SECONDS_START, rng) if SECONDS_START in told else 0.0
    guidance = _guidance(model, sampler.usual.cfg_scale, rng)
    request = Request(prompt=prompt, seconds=seconds, seconds_start=start, sampler=sampler, guidance=guidance)
    return Case(id=name, request=request, seed=seed, free_running=True)


def _words(rng: random.Random) -> str:
    return " ".join(rng.choices(WORDS, k=rng.randint(0, MOST_WORDS)))


def _number(model: Model, name: str, rng: random.Random) -> float:
    number = model.spec.number(name)
    return round(rng.uniform(number.min_s, BEYOND * number.max_s), 3)


def _guidance(model: Model, scale: float, rng: random.Random) -> Guidance:
    """Of models that are guided half are led away from a negative prompt, of which half are told numbers of its own."""
    if scale == 1 or rng.random() < 0.5:
        return Guidance(scale=scale)
    own: dict[str, float] = {}
    if rng.random() < 0.5:
        own = {name: _number(model, name, rng) for name in model.spec.number_names}
    return Guidance(
        scale=scale, negative_prompt=_words(rng), negative_seconds=own.get(SECONDS_TOTAL), negative_start=own.get(SECONDS_START)
    )


def _told(case: Case, threads: int, variants: list[str], failed: list[Verdict]) -> str:
    request = case.request
    verdict = "REFUSE" if failed else "PUBLISH"
    words, negative = len(request.prompt.split()), request.guidance.negative_prompt
    away = "" if negative is None else f" away from {len(negative.split())}"
    return (
        f"{verdict} {case.id}: {words} words{away}, {request.seconds:g} s, seed {case.seed}, {request.sampler.steps} steps, "
        f"threads {threads}, {len(variants)} variants"
    )
