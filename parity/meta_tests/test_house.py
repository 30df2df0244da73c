"""The house's rules, read off the source: imports run one way and never in circles, files stay short, a stage's name stands
in the stage table."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from reference.spec.stages import ALL_STAGES

ROOT = Path(__file__).parents[2]
PACKAGES = ("reference", "litert_pipeline", "parity", "fixtures")

# Rooms from the top down: a room imports itself and what stands below it, never its neighbours in a row nor above.
ROOMS = (
    ("conftest",),
    ("parity.__main__",),
    ("parity.commands",),
    ("parity.soak_mixes",),
    ("parity.arm",),
    ("parity.judge_answers",),
    ("parity.gate", "parity.soak", "parity.latency", "parity.faults"),
    ("parity.subject",),
    ("parity.mixes",),
    ("parity.search",),
    ("parity.report",),
    ("parity.explain", "parity.device"),
    ("parity.judge",),
    ("parity.bundles",),
    ("parity.runtimes",),
    ("parity.truth",),
    ("parity.device.record",),
    ("parity.measure",),
    ("litert_pipeline.__main__",),
    ("litert_pipeline.codec_command",),
    ("litert_pipeline.build",),
    ("litert_pipeline.run", "reference.__main__"),
    ("litert_pipeline",),
    ("reference",),
    ("reference.model",),
    ("reference.model_files",),
    ("reference.hub",),
    ("reference.spec",),
)

# Rooms that know a few others only: they work where torch does not exist.
KNOWN = {
    "litert_pipeline.run": {"litert_pipeline", "reference.spec"},
    "parity.measure": {"litert_pipeline", "reference.spec"},
    "parity.device.record": {"litert_pipeline", "litert_pipeline.run", "parity.measure", "reference.spec"},
}

MOST_LINES = 250
LONGER = {  # and why
    "reference/test_loading.py": "one table of all that can be wrong with a model dir",
    "parity/meta_tests/device/test_device.py": "one table of what a device may have done otherwise",
}

# Where the name of a stage may stand as a string.
NAMES_STAGES = {
    "reference/spec/stages.py": "the stage table",
    "parity/faults/catalogue/": "a fault is of one stage",
    "reference/spec/families/": "keys and values of the official config, which happen to be the same words",
    "fixtures/configs.py": "the same, of the committed models",
    "fixtures/same_configs.py": "the same, of the codecs",
    "fixtures/oracle/family.py": "the same, of drawn models",
    "fixtures/peers/": "names of files that somebody else's converter writes",
}


def sources() -> list[Path]:
    """Every Python file of the project."""
    return [ROOT / "conftest.py", *(path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))]


def module_name(path: Path) -> str:
    """The module a file is, as it is imported."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_test(path: Path) -> bool:
    """Tests may import anything."""
    return path.name.startswith("test_") or "meta_tests" in path.parts


def imports(tree: ast.AST) -> Iterator[str]:
    """Every name a file imports when it runs, inside functions too; `from a import b` gives `a` and `a.b`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield from (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))
        yield from imports(node)


def import_graph() -> dict[str, set[str]]:
    """The modules of the project that each of them imports."""
    trees = {module_name(path): ast.parse(path.read_text(encoding="utf-8")) for path in sources()}
    return {name: set(imports(tree)) & trees.keys() - {name, *PACKAGES} for name, tree in trees.items()}


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Paths that lead back to where they start, one for each module that is on one."""
    return [path for start in sorted(graph) if (path := _way(graph, start, start))]


def _way(graph: dict[str, set[str]], start: str, end: str) -> list[str]:
    """A way of at least one import from `start` to `end`, empty if there is none."""
    came_from: dict[str, str] = {}
    waiting = [start]
    while waiting:
        here = waiting.pop()
        for there in sorted(graph[here] - came_from.keys()):
            came_from[there] = here
            waiting.append(there)
    path = [end]
    while end in came_from and (len(path) == 1 or path[-1] != start):
        path.append(came_from[path[-1]])
    return path[::-1] if len(path) > 1 else []


def room(module: str) -> tuple[int, str]:
    """Where a module stands: the row from the top, and the room; the longest name that fits."""
    fitting = [(row, name) for row, names in enumerate(ROOMS) for name in names if f"{module}.".startswith(f"{name}.")]
    return max(fitting, key=lambda place: len(place[1]))


def allowed(importer: str, imported: str) -> bool:
    """Whether one module may import another."""
    (row, own), (other_row, other) = room(importer), room(imported)
    return own == other or (row < other_row and other in KNOWN.get(own, {other}))


def test_no_module_imports_itself_in_a_circle() -> None:
    assert circles(import_graph()) == []


def test_a_circle_is_told() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}
    assert circles(graph) == [["b", "c", "b"], ["c", "b", "c"]]


def test_imports_in_functions_count_and_those_for_types_do_not() -> None:
    tree = ast.parse("def f():\n    import a\nif TYPE_CHECKING:\n    import b\nfrom c import d")
    assert list(imports(tree)) == ["a", "c", "c.d"]


def test_imports_run_one_way() -> None:
    graph = import_graph()
    housed = [name for path in sources() if not is_test(path) and not (name := module_name(path)).startswith("fixtures")]
    wrong = [
        f"{importer} imports {imported}"
        for importer in housed
        for imported in sorted(graph[importer] & set(housed))
        if not allowed(importer, imported)
    ]
    assert wrong == []


@pytest.mark.parametrize(("importer", "imported", "fine"), [
    ("parity.judge.judge", "parity.measure.metrics", True),
    ("parity.measure.metrics", "parity.judge.judge", False),
    ("parity.explain.blame", "parity.device.verify", False),
    ("litert_pipeline.run.litert", "litert_pipeline.build.convert", False),
    ("litert_pipeline.build.convert", "litert_pipeline.run.litert", True),
    ("reference.spec.stages", "reference.pipeline", False),
    ("reference.pipeline", "reference.spec.stages", True),
])  # fmt: skip
def test_what_may_import_what(importer: str, imported: str, fine: bool) -> None:
    assert allowed(importer, imported) == fine


def test_files_are_short_but_for_those_listed() -> None:
    lines = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in sources()}
    assert {name for name, count in lines.items() if count > MOST_LINES} == LONGER.keys()


def stage_names(tree: ast.AST) -> list[int]:
    """Lines on which a string is the name of a stage."""
    return [
        node.lineno for node in ast.walk(tree) if isinstance(node, ast.Constant) and node.value in ALL_STAGES
    ]


def test_stages_are_named_in_their_table_only() -> None:
    named = {
        str(path.relative_to(ROOT)): lines
        for path in sources()
        if not is_test(path) and (lines := stage_names(ast.parse(path.read_text(encoding="utf-8"))))
    }
    unexpected = {name: lines for name, lines in named.items() if not _may_name(name)}
    assert unexpected == {}
    assert [place for place in NAMES_STAGES if not any(name.startswith(place) for name in named)] == []


def _may_name(file: str) -> bool:
    return any(file.startswith(place) for place in NAMES_STAGES)


def test_a_stage_s_name_is_seen() -> None:
    assert stage_names(ast.parse('x = 1\nif stage == "dit":\n    y = "dit_mask"')) == [2]
