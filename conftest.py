"""Command-line options, the run header and the session's fixtures."""

import argparse
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import date
from functools import partial
from pathlib import Path

import pytest

from fixtures import TINY_MODEL_DIR
from fixtures.oracle.positional import (
    NAMES,
    described_positional,
    write_drawing_encoder,
    write_positional,
    write_rounded,
)
from litert_pipeline.build.conversions import FOLDER, Conversions
from litert_pipeline.build.recipes import RECIPES
from litert_pipeline.bundle import Bundle
from parity.bundles.given import make_bundles, makeable
from parity.commands.collection import Collection
from parity.commands.selection import STAGE_KEYWORD, spelled_out
from parity.device.emulator import emulator_folder
from parity.faults.arithmetics import STRICT
from parity.faults.as_loaded import rewrite_as_loaded
from parity.faults.bench import Bench
from parity.faults.catalogue import CATALOGUE
from parity.faults.job import warmed
from parity.faults.mutation import cases_for
from parity.judge.judge import Judge
from parity.latency.suite import Suite
from parity.measure.arithmetic import ALL_AT_LOAD
from parity.measure.limits import check_complete
from parity.measure.policy import Policy
from parity.measure.policy_file import chosen_policy
from parity.measure.sweep import Sweep
from parity.runtimes import REFERENCES
from parity.runtimes.environment import environment
from parity.truth.store import Store
from reference import command
from reference.spec.errors import InputError
from reference.spec.stages import CONDITIONER, ENCODER

pytest_plugins = ["fixtures.processes", "fixtures.codec_bundles"]
OneAtATime = Callable[[str], AbstractContextManager[None]]
COLLECTION = pytest.StashKey[Collection]()
POLICY = pytest.StashKey[Policy]()
META_TESTS = Path(__file__).parent / "parity" / "meta_tests"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("parity")
    group.addoption("--model", type=Path, default=TINY_MODEL_DIR, help="model dir; the embedded tiny model by default")
    group.addoption("--bundle", type=Path, action="append", default=[], help="bundle to judge; repeatable")
    group.addoption("--variants", help="variants to judge, comma-separated; all by default")
    group.addoption("--draws", type=int, help="inputs drawn for each stage over all they may be, as for the gate")
    group.addoption("--seed", type=int, default=0, help="seed of what is drawn")
    group.addoption("--policy", help="how close is close enough: a name or a TOML file, as for the gate")
    group.addoption(
        "--threads", type=thread_counts, default=(1,), help="CPU threads of every runtime; latency takes several: 1,2,4"
    )


def thread_counts(text: str) -> tuple[int, ...]:
    """Numbers of threads, comma-separated, as argparse wants them."""
    try:
        return command.thread_counts(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def pytest_configure(config: pytest.Config) -> None:
    check_complete()
    option, names = config.getoption, config.getoption("--variants")
    config.stash[COLLECTION] = Collection(
        model=option("--model"), folders=option("--bundle"), names=names.split(",") if names else None
    )
    with one_line():
        config.stash[POLICY] = chosen_policy(option("--policy"), date.today(), made_here=not option("--bundle"))
    config.option.keyword = spelled_out(config.option.keyword)
    if option("--bundle") or names:
        with one_line():
            config.stash[COLLECTION].pairs()


@contextmanager
def one_line() -> Iterator[None]:
    """Say in one line what is wrong with the options, before anything is collected."""
    try:
        yield
    except InputError as error:
        raise pytest.UsageError(str(error)) from None


def pytest_report_header(config: pytest.Config) -> str:
    here = environment(config.getoption("--threads")[0])
    machine = f"{here.cpu_model} ({' '.join(here.cpu_features)}), {here.threads} threads"
    left_out = [] if config.getoption("--bundle") else config.stash[COLLECTION].left_out
    asked = f"model {config.getoption('--model')}, policy {config.stash[POLICY].name}"
    return "\n".join([f"parity: {machine}, {asked}", *(f"parity: {line}" for line in left_out)])


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Tests of the gate itself are collected where they are asked for; `pytest parity/` means the product's."""
    asked = [Path(config.invocation_params.dir, argument.partition("::")[0]).resolve() for argument in config.args]
    wanted = any(path == META_TESTS or META_TESTS in path.parents for path in asked)
    return True if collection_path == META_TESTS and not wanted else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests of the gate itself judge nobody's bundle."""
    given = [name for name in ("--bundle", "--variants") if config.getoption(name)]
    if given and any(META_TESTS in item.path.parents for item in items):
        raise pytest.UsageError(f"{given[0]} is for the product's tests; run parity/meta_tests without it")


def pytest_itemcollected(item: pytest.Item) -> None:
    stage = item.callspec.params.get("stage") if isinstance(item, pytest.Function) and hasattr(item, "callspec") else None
    if stage is not None:
        item.extra_keyword_matches.add(f"{STAGE_KEYWORD}{stage}")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`variant` is every variant there is to test, with `stage` every stage it has; `threads` every number asked for."""
    collection = metafunc.config.stash[COLLECTION]
    if {"variant", "stage"} <= set(metafunc.fixturenames):
        metafunc.parametrize(("variant", "stage"), collection.pairs())
    elif "variant" in metafunc.fixturenames:
        # A policy is for what is to be published.
        left_out = REFERENCES if "policy" in metafunc.fixturenames else ()
        metafunc.parametrize("variant", [variant for variant in collection.stages if variant not in left_out])
    if "threads" in metafunc.fixturenames:
        metafunc.parametrize("threads", metafunc.config.getoption("--threads"))


@pytest.fixture(scope="session")
def conversions(own_cache: None) -> Conversions:
    """What was converted before, by this run or another."""
    return Conversions.inside(Store.of_user().folder)


@pytest.fixture(scope="session")
def bundles(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, conversions: Conversions, one_at_a_time: OneAtATime
) -> Mapping[str, Bundle]:
    """Bundles of every recipe: what the tests of the gate itself work on."""
    folder = tmp_path_factory.mktemp("converted") / "bundles"
    say = partial(print, file=sys.stderr)
    with one_at_a_time("bundles"):
        return make_bundles(request.config.getoption("--model"), folder, makeable(set(RECIPES), say), say, conversions)


@pytest.fixture(scope="session")
def positional(tmp_path_factory: pytest.TempPathFactory, conversions: Conversions, one_at_a_time: OneAtATime) -> Path:
    """A bundle made elsewhere: upstream's modules, litert-torch, positional arguments, Arm's file names."""
    folder = tmp_path_factory.mktemp("elsewhere") / "positional"
    with one_at_a_time("positional"):
        conversions.made(described_positional(TINY_MODEL_DIR), folder, partial(write_positional, TINY_MODEL_DIR))
    return folder


@pytest.fixture(scope="session")
def drawing(
    positional: Path, tmp_path_factory: pytest.TempPathFactory, conversions: Conversions, one_at_a_time: OneAtATime
) -> Path:
    """The same with what Arm's current script adds: an encoder that draws its noise itself."""
    made, folder = (tmp_path_factory.mktemp("drawing") / name for name in ("alone", "drawing"))
    described = {**described_positional(TINY_MODEL_DIR), "alone": NAMES[ENCODER]}
    with one_at_a_time("drawing"):
        conversions.made(described, made, partial(write_drawing_encoder, TINY_MODEL_DIR))
    shutil.copytree(positional, folder)
    shutil.copyfile(made / NAMES[ENCODER], folder / NAMES[ENCODER])
    return folder


@pytest.fixture(scope="session")
def rounded(
    drawing: Path, tmp_path_factory: pytest.TempPathFactory, conversions: Conversions, one_at_a_time: OneAtATime
) -> Path:
    """A bundle as Arm's script makes it with `model_half`: upstream's loader has rounded all weights before. The conditioner is
    converted so; the others' constants are rewritten, which gives the very same files (`test_upstream_rounded.py`)."""
    made, folder = (tmp_path_factory.mktemp("rounded") / name for name in ("alone", "rounded"))
    described = {**described_positional(TINY_MODEL_DIR), "alone": f"rounded {CONDITIONER}"}
    with one_at_a_time("rounded"):
        conversions.made(described, made, partial(write_rounded, TINY_MODEL_DIR, stages=(CONDITIONER,)))
    shutil.copytree(drawing, folder)
    shutil.copyfile(made / NAMES[CONDITIONER], folder / NAMES[CONDITIONER])
    files = {stage: folder / name for stage, name in NAMES.items() if stage != CONDITIONER}
    rewrite_as_loaded(files, ALL_AT_LOAD, TINY_MODEL_DIR)
    return folder


@pytest.fixture(scope="session", autouse=True)
def own_cache(run_folder: Path, one_at_a_time: OneAtATime) -> Iterator[None]:
    """Tests, and the commands they start, neither read nor fill the user's cache, but for conversions and the emulator.

    Conversions follow from content alone and take minutes, so one run leaves them to the next.
    """
    kept, emulator = Store.of_user().folder / FOLDER, emulator_folder()
    with suppress(OSError):  # then none is kept
        kept.mkdir(parents=True, exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(run_folder / "cache"))
        with one_at_a_time("cache"):
            for link, target in ((Store.of_user().folder / FOLDER, kept), (emulator_folder(), emulator)):
                link.parent.mkdir(parents=True, exist_ok=True)
                if not link.is_symlink():
                    link.symlink_to(target, target_is_directory=True)
        yield


@pytest.fixture(scope="session")
def policy(request: pytest.FixtureRequest) -> Policy:
    """How close is close enough."""
    return request.config.stash[POLICY]


@pytest.fixture(scope="session")
def judge(request: pytest.FixtureRequest) -> Iterator[Judge]:
    """One judge for the session: truths and opened stages are shared by all tests."""
    option, given = request.config.getoption, request.config.stash[COLLECTION].given
    bundles = given or list(request.getfixturevalue("bundles").values())
    with Judge.of(option("--model"), bundles, option("--threads")[0], Store.of_user()) as judge:
        yield judge


@pytest.fixture(scope="session")
def sweep(request: pytest.FixtureRequest) -> Sweep:
    """How much is drawn for each stage, and from which seed."""
    return Sweep(draws=request.config.getoption("--draws"), seed=request.config.getoption("--seed"))


@pytest.fixture(scope="session")
def suite(request: pytest.FixtureRequest, judge: Judge, tmp_path_factory: pytest.TempPathFactory) -> Suite:
    """The races of the session; without benchmarking, a round of each for the answers."""
    variants = list(request.config.stash[COLLECTION].stages)
    disabled = request.config.getoption("--benchmark-disable")
    return Suite(judge=judge, variants=variants, folder=tmp_path_factory.mktemp("dense"), quick=disabled)


@pytest.fixture(scope="session")
def bench(request: pytest.FixtureRequest, judge: Judge, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """The session's judge, ready for faults to be injected."""
    made = Bench(judge=judge, model=request.config.getoption("--model"), folder=tmp_path_factory.mktemp("faults"))
    return warmed(made, STRICT.variant, cases_for(made, CATALOGUE.values()))
