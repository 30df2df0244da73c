"""Kits for tests: packed once, changed in copies, recorded in processes that see nothing but numpy and LiteRT."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path

from litert_pipeline.bundle import MANIFEST_NAME, read_bundle
from parity.device.record.answers import Answers, read_answers
from parity.device.record.journal import JOURNAL, Entry, Journal
from parity.device.record.kit import ARRAYS, BUNDLES, RECORDER
from parity.device.record.plan import MANIFEST as KIT_MANIFEST
from parity.device.record.plan import read_plan, write_plan
from parity.faults.file_edits import edit_file, scales
from reference.spec.files import sha256_of
from reference.spec.stages import ALL_STAGES

VARIANT, RECIPE, CASE = "litert_int8", "int8", "drums"
GROWN = 1.05  # scales of a damaged DiT
DRAWS = 3  # of a stage: as few as a response is told from
# What LiteRT's wheel needs besides; nothing else is let in.
ALLOWED = ("numpy", "ai_edge_litert", "flatbuffers", "google", "backports", "ml_dtypes", "tqdm", "typing_extensions")
ZIPPED = ("parity", "litert_pipeline", "reference", "fixtures")
RUNNER = f"""
import runpy, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if name != "__main__" and top not in sys.stdlib_module_names and top not in {ALLOWED + ZIPPED}:
            raise ModuleNotFoundError(f"{{name}} is not there", name=name)

sys.meta_path.insert(0, Blocked())
sys.argv = sys.argv[1:]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    ours = [name for name in sys.modules if name.partition(".")[0] in {ZIPPED}]
    outside = [name for name in ours if not (sys.modules[name].__file__ or "").startswith(sys.argv[0])]
    print("not out of the zip:", outside, file=sys.stderr)
"""


@dataclass(frozen=True, kw_only=True)
class Run:
    """How a recording ended, and what it said."""

    code: int
    out: str
    errors: str


def command(kit: Path, out: Path, *options: str) -> list[str]:
    """Run the recorder of a kit where no other package can be imported."""
    return [sys.executable, "-c", RUNNER, str(kit / RECORDER), "--out", str(out), *options]


def run_recorder(kit: Path, out: Path, *options: str) -> Run:
    """The same to its end, far from this project's folder."""
    done = subprocess.run(
        command(kit, out, *options), cwd=kit.parent, env=clean_environment(), capture_output=True, text=True, check=False
    )
    return Run(code=done.returncode, out=done.stdout, errors=done.stderr)


def clean_environment() -> dict[str, str]:
    """Without this project on Python's path."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def changed_kit(kit: Path, folder: Path, change: Callable[[Path], None], stages: Collection[str] = ALL_STAGES) -> Path:
    """A copy of a kit of a bundle whose files `change` has made others, as if that bundle had been packed; where not all stages
    are asked, nothing is generated or timed."""
    folder.parent.mkdir(exist_ok=True)
    shutil.copytree(kit, folder, ignore=shutil.ignore_patterns(ARRAYS))
    (folder / ARRAYS).symlink_to(kit / ARRAYS)
    bundle = folder / BUNDLES / RECIPE
    change(bundle)
    _note_files(bundle)
    _, plan = read_plan(folder / KIT_MANIFEST)
    hashes = {RECIPE: {name: entry.sha256 for name, entry in read_bundle(bundle).manifest.stages.items()}}
    plan = replace(plan, hashes=hashes, files={name: sha256_of(folder / name) for name in plan.files})
    few = plan.only({variant.name: stages for variant in plan.variants})
    write_plan(plan if stages == ALL_STAGES else few, folder)
    return folder


def grown_scales(bundle: Path) -> None:
    """Damage its DiT: all weights are a little too large."""
    edit_file(bundle / "dit.tflite", scales(lambda scale: GROWN * scale))


def rewritten(answers: Path, folder: Path, change: Callable[[Entry], Entry | None]) -> Path:
    """Answers whose journal was always another: each line changed, or never written."""
    recorded = read_answers(answers)
    changed = list(filter(None, map(change, recorded.journal.entries)))
    shutil.copytree(answers, folder, ignore=shutil.ignore_patterns(JOURNAL))
    journal = Journal.resume(folder / JOURNAL, recorded.kit_id)
    for entry in changed:
        journal.append(**entry)
    return folder


def copy_of(answers: Path, folder: Path) -> Path:
    """A copy, in `folder`."""
    shutil.copytree(answers, folder)
    return folder


def given(answers: Answers) -> dict[str, list[object]]:
    """All answers, by stage."""
    parts = [(variant.name, part.stage) for variant, part in answers.plan.own_parts]
    return {f"{variant}/{stage}": list(answers.references(variant, stage)) for variant, stage in parts}


def _note_files(bundle: Path) -> None:
    """Make a manifest true of the files that are there."""
    path = bundle / MANIFEST_NAME
    content = json.loads(path.read_text())
    for entry in content["stages"].values():
        file = bundle / entry["file"]
        entry |= {"sha256": sha256_of(file), "size_bytes": file.stat().st_size}
    path.write_text(json.dumps(content))


def path_of(folder: Path, name: str) -> Path:
    """The file of an array that is kept in a folder."""
    (path,) = folder.glob(f"{name}.*")
    return path
