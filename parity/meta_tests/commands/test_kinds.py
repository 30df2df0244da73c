"""Each verb replaces a folder of what it writes itself and no other kind; what it notes is what it found out first."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from typer.testing import CliRunner

from parity.meta_tests.commands.test_exit_codes import APPS, ROOT
from parity.meta_tests.commands.test_needed import VERBS, Verb
from reference.spec.files import new_folder
from reference.spec.kinds import Kind

KINDS = get_args(Kind)
WHOLE: dict[str, tuple[str, Kind]] = {  # verbs that write a folder whole: the option that names it, and its kind
    "fixtures make-model": ("out", "model"),
    "fixtures make-peer": ("out", "bundle"),
    "fixtures make-sounds": ("out", "set of sounds"),
    "litert_pipeline convert": ("out", "bundle"),
    "litert_pipeline quantize": ("out", "bundle"),
    "parity gate": ("report", "report"),
    "parity goldens": ("out", "set of goldens"),
    "parity judge": ("report", "report"),
    "parity pack": ("out", "kit"),
    "parity search": ("out", "search"),
    "parity sensitivity": ("out", "table of sensitivities"),
}
# Modules that check or write folders of a kind that stands in them: the kinds, each in every such call of that module.
CALLS = {"new_folder", "check_folder", "note_written"}
MODULES: dict[str, set[Kind]] = {
    "fixtures/__main__.py": {"set of sounds"},
    "fixtures/make_codec.py": {"model"},
    "fixtures/make_model.py": {"model"},
    "fixtures/peers/mlx_audiogen.py": {"bundle"},
    "fixtures/train/run.py": {"model"},
    "litert_pipeline/__main__.py": {"bundle"},
    "litert_pipeline/build/conversions.py": {"bundle"},
    "litert_pipeline/build/convert.py": {"bundle"},
    "litert_pipeline/build/quantize.py": {"bundle"},
    "parity/arm/matrix.py": {"kit", "set of bundles"},
    "parity/commands/gate.py": {"report"},
    "parity/device/arm_python.py": {"Python for Arm"},
    "parity/device/emulator.py": {"set of emulators"},
    "parity/device/pack.py": {"kit"},
    "parity/gate.py": {"report"},
    "parity/judge_answers.py": {"report"},
    "parity/truth/goldens.py": {"set of goldens"},
}
BY_NAME = {f"{verb.app} {' '.join(verb.words)}": verb for verb in VERBS}


@pytest.mark.parametrize("name", WHOLE)
def test_a_verb_replaces_only_what_it_writes(tmp_path: Path, name: str) -> None:
    verb, (option, kind) = BY_NAME[name], WHOLE[name]
    out = tmp_path / "out"
    for other in KINDS:
        if other != kind:
            with new_folder(out, other, force=False) as folder:
                (folder / "theirs").touch()
            assert_refused(verb, option, out, f"{out}: is a {other}; a {kind} replaces only a {kind}; choose another path")
            out.rename(tmp_path / other)


def assert_refused(verb: Verb, option: str, out: Path, told: str) -> None:
    typed = verb.typed({option: str(out)}, out.parent / "elsewhere")
    result = CliRunner().invoke(APPS[verb.app], typed)
    assert (result.exit_code, result.stderr.startswith(f"error: {told}")) == (2, True), (typed, result.output)
    assert (out / "theirs").exists()


def kinds_in(path: Path) -> Iterator[str]:
    """The kinds in the calls of a module."""
    for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in CALLS:
            yield from (one.value for one in call.args if isinstance(one, ast.Constant) and isinstance(one.value, str))


def test_every_module_writes_its_own_kinds() -> None:
    sources = (path for part in ("fixtures", "litert_pipeline", "parity") for path in (ROOT / part).rglob("*.py"))
    own = {path.relative_to(ROOT).as_posix(): set(kinds_in(path)) for path in sources if not is_test(path)}
    assert {name: kinds for name, kinds in own.items() if kinds} == MODULES
    assert set(KINDS) == {kind for _, kind in WHOLE.values()}.union(*MODULES.values())


def is_test(path: Path) -> bool:
    return "meta_tests" in path.parts or path.name.startswith("test_")
