"""The pages say what is so: links lead somewhere, commands are commands, sentences are those of the program."""

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.core import TyperGroup

from fixtures import TINY_MODEL_DIR
from parity.meta_tests.commands.test_exit_codes import APPS
from parity.meta_tests.docs import COMMAND, PAGES, ROOT, RUNS, SCRIPTS, Typed, anchors, lines, links, typed
from parity.meta_tests.test_house import is_test, sources

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PAGE_IDS = [page.name for page in PAGES]
TYPED = list({str(command): command for page in PAGES for command in typed(page)}.values())  # a transcript says one again
TROUBLE, FIRST_STEPS = ROOT / "docs" / "troubleshooting.md", ROOT / "docs" / "first-steps.md"


def broken(page: Path, target: str) -> bool:
    """Whether a link of a page leads nowhere: to no file, or to no heading of one."""
    if "://" in target:
        return False
    name, _, anchor = target.partition("#")
    path = (page.parent / name).resolve() if name else page
    return not path.exists() or (anchor != "" and anchor not in anchors(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("page", PAGES, ids=PAGE_IDS)
def test_every_link_leads_somewhere(page: Path) -> None:
    assert [target for target in links(page.read_text(encoding="utf-8")) if broken(page, target)] == []


@pytest.mark.parametrize(("target", "lost"), [
    ("first-steps.md", False), ("#troubleshooting", False), ("recipes.md#which-to-take", False),
    ("nowhere.md", True), ("#nowhere", True), ("recipes.md#nowhere", True),
])  # fmt: skip
def test_a_link_that_leads_nowhere_is_seen(target: str, lost: bool) -> None:
    assert broken(TROUBLE, target) == lost


def leaf(command: Any, words: list[str]) -> tuple[Any, list[str]]:
    """The verb that is meant, and what is said to it."""
    while isinstance(command, TyperGroup):
        command, words = command.commands[words[0]], words[1:]
    return command, words


def unknown_options(command: Typed) -> list[str]:
    """What a command is given that it does not take."""
    verb, words = leaf(typer.main.get_command(APPS[command.app]), command.words)
    known = {name for parameter in verb.params for name in (*parameter.opts, *parameter.secondary_opts)} | {"--help"}
    return [word for word in words if re.match(r"--?[a-z]", word) and word.partition("=")[0] not in known]


@pytest.mark.parametrize("command", [one for one in TYPED if not one.words[0].startswith("-")], ids=str)
def test_every_command_is_one(command: Typed) -> None:
    assert unknown_options(command) == []


def test_commands_of_every_app_are_found() -> None:
    assert {command.app for command in TYPED} == set(APPS)


@pytest.mark.parametrize("words", [["gate", "--bundles", "b"], ["gate", "-b"]], ids=" ".join)
def test_an_option_that_is_none_is_seen(words: list[str]) -> None:
    assert unknown_options(Typed(page=FIRST_STEPS, app="parity", words=words)) == words[1:2]


def said() -> str:
    """Every piece of text of the program, tests aside."""
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in sources() if not is_test(path))
    nodes = chain.from_iterable(map(ast.walk, trees))
    return "\n".join(node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))


def phrases() -> Iterator[str]:
    """What troubleshooting quotes: the code of the first column of its tables."""
    for line in TROUBLE.read_text(encoding="utf-8").splitlines():
        if line.startswith("| `"):
            yield from re.findall(r"`([^`]+)`", line.split(" | ")[0])


def test_what_troubleshooting_quotes_is_what_the_program_says() -> None:
    text, quoted = said(), list(phrases())
    assert quoted
    assert [phrase for phrase in quoted if phrase not in text] == []


def test_every_page_is_on_the_site() -> None:
    nav = str(tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]["nav"])
    assert [page.name for page in (ROOT / "docs").glob("*.md") if page.name not in nav] == []


def test_what_the_site_takes_from_the_readme_is_there() -> None:
    wanted = {name for page in PAGES for name in re.findall(r'--8<-- "README.md:(\w+)"', page.read_text(encoding="utf-8"))}
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert wanted
    assert [name for name in wanted if not 0 < text.find(f"[start:{name}]") < text.find(f"[end:{name}]")] == []


# The hub's command as the first steps use it, with the tiny model posing as the official download.
HF = f"""#!/usr/bin/env bash
case "$2" in
  stabilityai/*) mkdir -p "${{@: -1}}"
    sed 's/t5-tiny/t5-base/' "{TINY_MODEL_DIR}/model_config.json" > "${{@: -1}}/model_config.json"
    cp "{TINY_MODEL_DIR}/model.safetensors" "${{@: -1}}"
    echo "STABILITY AI COMMUNITY LICENSE AGREEMENT" > "${{@: -1}}/LICENSE.md";;
  google-t5/*) cp -r "{TINY_MODEL_DIR}/t5-tiny" "${{@: -1}}";;
esac
"""


def stand_ins(folder: Path) -> Path:
    """A folder with `hf`, and the console scripts as this environment would install them."""
    folder.mkdir()
    (folder / "hf").write_text(HF)
    for name, module in SCRIPTS.items():
        (folder / name).write_text(f'#!/usr/bin/env bash\nexec "{sys.executable}" -m {module} "$@"\n')
    for path in folder.iterdir():
        path.chmod(0o755)
    return folder


@pytest.mark.docs
def test_the_first_steps_lead_to_publish(tmp_path: Path) -> None:
    """As they stand, one after the other, in one folder; the last gate and the card say PUBLISH."""
    path = f"{stand_ins(tmp_path / 'bin')}{os.pathsep}{os.environ['PATH']}"
    work = tmp_path / "work"
    work.mkdir()
    for line in lines(FIRST_STEPS.read_text(encoding="utf-8"), RUNS):
        environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(["bash", "-c", line], cwd=work, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        print(f"$ {line}\n{done.stdout}")
    card = (work / "out" / "int8" / "README.md").read_text()
    assert "## Parity: PUBLISH" in card
    assert "base_model: stabilityai/stable-audio-open-small" in card


def test_the_first_steps_are_commands_that_run_here() -> None:
    """Whatever else they call is there on any machine, or stood in for."""
    names = {line.split()[0] for line in lines(FIRST_STEPS.read_text(encoding="utf-8"), RUNS)}
    assert names <= {"hf", *SCRIPTS, "cp", "echo"}
    assert COMMAND.match("stable-audio-parity gate")
    assert shutil.which("bash")
