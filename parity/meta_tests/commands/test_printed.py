"""What is printed stays on its line and is not cut: every way to print writes out what ends a line, and folds no path."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from parity.meta_tests.commands.test_exit_codes import ROOT

PARTS = ("fixtures", "litert_pipeline", "parity", "reference")
WRITTEN_OUT = {"one_line", "dumps"}  # calls whose result has no line end and nothing that steers a terminal but its own
# Other uses of `print`: numbers alone, lines that another process of ours reads, a page or a card whole, what was written out.
RAW = {
    "fixtures/plugins/with_model.py": 1,
    "litert_pipeline/build/own_process.py": 1,
    "litert_pipeline/run/probe.py": 2,
    "parity/arm/__main__.py": 2,
    "parity/commands/card.py": 2,
    "parity/device/arm_python.py": 1,
    "parity/device/emulator.py": 1,
    "parity/device/record/main.py": 1,
    "parity/device/record/recorder.py": 1,
    "reference/spec/codec/own_process.py": 2,
    "reference/spec/errors.py": 1,
}
# Lines of a console that may be folded: numbers and sentences.
FOLDED = {
    "parity/commands/contents.py": 3,
    "parity/commands/gate.py": 2,
    "parity/commands/options.py": 1,
    "parity/commands/search.py": 1,
}


def sources() -> Iterator[tuple[str, ast.Module]]:
    for path in (path for part in PARTS for path in (ROOT / part).rglob("*.py")):
        if "meta_tests" not in path.parts and not path.name.startswith("test_"):
            yield path.relative_to(ROOT).as_posix(), ast.parse(Path(path).read_text(encoding="utf-8"))


def name_of(node: ast.AST) -> str:
    return str(getattr(node, "id", getattr(node, "attr", "")))


def written_out(call: ast.Call) -> bool:
    """Whether all that is printed is the result of a call that writes it out."""
    return all(isinstance(one, ast.Call) and name_of(one.func) in WRITTEN_OUT for one in call.args)


def test_a_line_is_printed_by_what_keeps_it_one() -> None:
    found: Counter[str] = Counter()
    for name, module in sources():
        calls = [node for node in ast.walk(module) if isinstance(node, ast.Call)]
        fine = {id(call.func) for call in calls if name_of(call.func) == "print" and written_out(call)}
        prints = [node for node in ast.walk(module) if isinstance(node, ast.Name) and node.id == "print"]
        found[name] += sum(id(node) not in fine for node in prints)
        assert not [call for call in calls if name_of(call.func) == "echo"], f"{name}: 'print_line' writes out what a path holds"
    assert {name: count for name, count in found.items() if count} == RAW


def test_a_path_on_a_console_is_not_folded() -> None:
    found: Counter[str] = Counter()
    for name, module in sources():
        for call in (node for node in ast.walk(module) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            if call.func.attr == "print" and not any(keyword.arg == "soft_wrap" for keyword in call.keywords):
                found[name] += 1
    assert dict(found) == FOLDED
