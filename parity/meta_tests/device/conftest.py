"""A kit and its recording, shared by all tests about them."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from fixtures import TINY_MODEL_DIR
from litert_pipeline.bundle import Bundle
from parity.device.pack import Packed, PackOptions, pack
from parity.measure.sweep import Sweep
from parity.meta_tests.device.kits import CASE, DRAWS, RECIPE, VARIANT, Run, changed_kit, grown_scales, run_recorder
from parity.truth.store import Store


@pytest.fixture(scope="session")
def sweep_of_kit() -> Sweep:
    return Sweep(draws=DRAWS)


@pytest.fixture(scope="session")
def packed(
    bundles: Mapping[str, Bundle], sweep_of_kit: Sweep, tmp_path_factory: pytest.TempPathFactory,
    one_at_a_time: Callable[[str], AbstractContextManager[None]],
) -> tuple[Path, Packed]:  # fmt: skip
    """A kit's folder, and what packing it said."""
    folder = tmp_path_factory.mktemp("device") / "kit"
    options = PackOptions(
        model=TINY_MODEL_DIR, bundles=[bundles[RECIPE].folder], out=folder, variants=[VARIANT], cases=[CASE], threads=(1, 2),
        rounds=1, models=True, force=False, sweep=sweep_of_kit,
    )  # fmt: skip
    with one_at_a_time("kit"):
        return folder, pack(options, Store.of_user(), lambda _: None)


@pytest.fixture(scope="session")
def kit(packed: tuple[Path, Packed]) -> Path:
    return packed[0]


@pytest.fixture(scope="session")
def recording(kit: Path) -> tuple[Path, Run]:
    """The folder of answers, and how recording them ended."""
    folder = kit.parent / "answers"
    return folder, run_recorder(kit, folder)


@pytest.fixture(scope="session")
def damaged(kit: Path) -> tuple[Path, Run]:
    """The same of a kit of a bundle whose DiT has scales that are all too large; `kit` beside it."""
    folder = changed_kit(kit, kit.parent / "damaged" / "kit", grown_scales)
    return folder.parent / "answers", run_recorder(folder, folder.parent / "answers")


@pytest.fixture(scope="session")
def answers(recording: tuple[Path, Run]) -> Path:
    return recording[0]
