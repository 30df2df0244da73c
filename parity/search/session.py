"""What both commands begin with: a float bundle, an engine, the question, and what of the stage it is about."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from litert_pipeline.build.conversions import Conversions
from litert_pipeline.bundle import Bundle
from parity.bundles.given import make_bundles
from parity.search.asking import Asker, Question
from parity.search.engines import Engine, LocalEngine
from parity.search.measured import machine_kind
from parity.search.places import Places, node
from parity.search.ray_engine import RACES_ON, RayEngine
from parity.search.schemes import Scheme, schemes_called
from parity.search.space import LEVELS, Group, groups_of, layers_of
from parity.search.store import Results
from parity.search.trial import Race
from reference.progress import Say
from reference.spec.errors import InputError

FLOAT_RECIPE = "fp32"
FOLDER = "search"  # of results, inside a user's cache
Open = Callable[[Places, int], AbstractContextManager[Engine]]


@dataclass(frozen=True, kw_only=True)
class SessionOptions:
    """What is asked, and where. Without a `bundle` the model is converted. `rounds`: of each race; 0 asks no speed.

    `ray` is the address of a cluster, or "auto"; without one, processes of this machine measure. `cache` is where truths and
    conversions are kept, `results` what trials found; None keeps nothing.
    """

    model: Path
    bundle: Path | None
    stage: str
    cases: Sequence[str]
    steps: Sequence[int] = ()
    draws: int = 0
    seed: int = 0
    by: str = LEVELS[0]
    schemes: Sequence[str] | None = None
    rounds: int = 0
    workers: int = 1
    threads: int = 1
    ray: str | None = None
    cache: Path | None = None
    results: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Session:
    """All that is open while trials are asked."""

    asker: Asker
    question: Question
    bundle: Bundle
    groups: Sequence[Group]
    schemes: Sequence[Scheme]


@contextmanager
def session(options: SessionOptions, say: Say, opened: Open | None = None) -> Iterator[Session]:
    """`opened` makes the engine, of places and a number of workers; processes of this machine if left out.

    Raises InputError for a bad model, bundle, case, step, stage, scheme or level.
    """
    if options.by not in LEVELS:
        raise InputError(f"groups are by '{options.by}', expected one of {', '.join(LEVELS)}")
    schemes = schemes_called(options.schemes)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        places = Places(
            model=options.model, bundle=options.bundle or _converted(options, folder, say), cache=options.cache,
            threads=options.threads,
        )  # fmt: skip
        say("reading the model")
        question = Question.of(
            places, options.stage, cases=options.cases, steps=options.steps, draws=options.draws, seed=options.seed
        )
        say("what the original answers")
        node(places).fed(question.about)  # before any worker asks: it may take minutes, and is kept
        bundle = node(places).bundle
        engine = stack.enter_context((opened or _engine(options))(places, options.workers))
        race = _race(options, engine.machines()) if options.rounds else None
        yield Session(
            asker=Asker(engine=engine, results=Results(folder=options.results or folder / FOLDER), say=say),
            question=replace(question, race=race),
            bundle=bundle,
            groups=groups_of(layers_of(bundle.path(options.stage)), options.by),
            schemes=schemes,
        )


def _engine(options: SessionOptions) -> Open:
    address = options.ray
    if address is None:
        return lambda places, workers: LocalEngine(places=places, workers=workers)
    return lambda places, workers: RayEngine(places=places, address=address, workers=workers)


def _race(options: SessionOptions, machines: Sequence[str]) -> Race:
    """On this machine's kind, or else on the first there is. Raises InputError where there is none."""
    if not machines:
        told = f"no node of Ray at '{options.ray}' may be raced on"
        raise InputError(f"{told}; start one with: ray start --resources='{{\"{RACES_ON}\": 1}}'")
    here = machine_kind()
    return Race(machine=here if here in machines else machines[0], threads=options.threads, rounds=options.rounds)


def _converted(options: SessionOptions, folder: Path, say: Say) -> Path:
    made = make_bundles(options.model, folder / "bundles", {FLOAT_RECIPE}, say, Conversions.inside(options.cache))
    return made[FLOAT_RECIPE].folder
