"""No command writes onto, around or into what it works from: each refuses before any work, whatever it writes and reads."""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import pytest
import typer
from typer.models import ArgumentInfo
from typer.testing import CliRunner

from litert_pipeline.bundle import Bundle
from parity.meta_tests.commands.test_exit_codes import APPS
from reference.spec.paths import EMPTY_PATH

# Every option and argument that is a path, by name. A new one has to be put into one of the two.
WRITES = {"out", "trace", "output_path", "record", "embed", "log", "results"}
READS = {
    "model", "bundle", "report", "base", "described", "init_audio", "kit", "tool", "models", "answers", "files", "baseline",
    "latency", "beside", "wav", "data_dir", "sound", "sounds", "latents", "path",
}  # fmt: skip
WRITE_A_REPORT = {"gate", "judge"}  # which others read
NOT_TOGETHER = {"soak"}  # its log is of mixes, which it makes of nothing that is given
WORDS = {"prompt": "p", "recipe": "int8", "stage": "dit", "seed": "0"}  # for what a verb cannot be called without
RELATIONS = {
    "onto": ("{read}", "is {read} itself, which is needed to write it; choose another path"),
    "around": ("{around}", "holds {read}, which is needed to write it; choose another path"),
    "into": ("{read}/inner.md", "lies in {read}, which would hold what is no part of it; choose a path outside"),
}


@dataclass(frozen=True)
class Verb:
    """A verb of an app: the words it is called by, and its parameters."""

    app: str
    words: tuple[str, ...]
    parameters: dict[str, inspect.Parameter]

    @property
    def paths(self) -> list[str]:
        """Those that are paths, one or several."""
        return [name for name, one in self.parameters.items() if "Path" in str(get_args(one.annotation)[0])]

    def writes(self, name: str) -> bool:
        return name in WRITES or (name == "report" and self.words[-1] in WRITE_A_REPORT)

    def typed(self, given: dict[str, str], elsewhere: Path) -> list[str]:
        """The verb, what is given, and what it does not go without."""
        words = list(self.words)
        for name, one in self.parameters.items():
            if name in given or one.default is inspect.Parameter.empty:
                value = given.get(name) or WORDS.get(name) or str(elsewhere / name)
                words += [value] if isinstance(one.annotation.__metadata__[0], ArgumentInfo) else [_option(name), value]
        return [*words, *(["--force"] if "force" in self.parameters else [])]


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def verbs(app: typer.Typer, name: str, words: tuple[str, ...] = ()) -> Iterator[Verb]:
    """All of an app, and of the apps in it."""
    for command in app.registered_commands:
        assert command.callback is not None
        yield Verb(name, (*words, str(command.name)), dict(inspect.signature(command.callback).parameters))
    for group in app.registered_groups:
        assert group.typer_instance is not None
        yield from verbs(group.typer_instance, name, (*words, str(group.name)))


VERBS = [verb for name, app in APPS.items() for verb in verbs(app, name)]
PAIRS = {  # what any verb writes, with what it reads
    f"{verb.app} {' '.join(verb.words)}: {written} from {read}": (verb, written, read)
    for verb in VERBS
    for written in verb.paths
    for read in verb.paths
    if verb.writes(written) and not verb.writes(read) and verb.words[-1] not in NOT_TOGETHER
}


def test_every_path_is_known_as_written_or_read() -> None:
    found = {name for verb in VERBS for name in verb.paths}
    assert (found - WRITES - READS, (WRITES | READS) - found) == (set(), set())


@pytest.mark.parametrize("relation", RELATIONS)
@pytest.mark.parametrize("name", PAIRS)
def test_what_a_command_needs_is_neither_replaced_nor_added_to(tmp_path: Path, name: str, relation: str) -> None:
    verb, written, read = PAIRS[name]
    needed = tmp_path / "around" / "needed"
    needed.mkdir(parents=True)
    (needed / "kept").write_text("kept")
    before = sorted(tmp_path.rglob("*"))
    place, told = (text.format(read=needed, around=needed.parent) for text in RELATIONS[relation])
    typed = verb.typed({written: place, read: str(needed)}, tmp_path / "elsewhere")
    result = CliRunner().invoke(APPS[verb.app], typed)
    assert (result.exit_code, result.stderr) == (2, f"error: {place}: {told}\n"), (typed, result.output)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(("verb", "name"), [(verb, name) for verb in VERBS for name in verb.paths])
def test_an_empty_path_is_not_the_folder_one_is_in(verb: Verb, name: str) -> None:
    """As scripts pass of a variable that is not set."""
    given = {name: " "}  # which is a path; the verb's words would have one of their own where it is nothing
    typed = ["" if word == " " else word for word in verb.typed(given, Path("elsewhere"))]
    result = CliRunner().invoke(APPS[verb.app], typed, terminal_width=200)
    assert (result.exit_code, EMPTY_PATH in result.stderr) == (2, True), (typed, result.output)


# What a verb writes twice, or reads by a word that may be a path.
OTHERS = {
    "reference, sound and trace": ("reference", "generate p --out {out} --trace {out}", "is {out} itself"),
    "litert_pipeline, sound and trace": ("litert_pipeline", "generate p --bundle b --out {out} --trace {out}", "is {out} itself"),
    "noise": ("reference", "generate p --noise {out} --out {out}", "is {out} itself"),
    "both of headline": ("parity", "headline --bundle b --report r --out {out}", "is {out} itself"),
    "results of a search": ("parity", "search --results {out} --out {out}", "is {out} itself"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_nothing_is_written_twice(tmp_path: Path, name: str) -> None:
    app, line, words = OTHERS[name]
    out = str(tmp_path / "out.json")
    result = CliRunner().invoke(APPS[app], [*line.format(out=out).split(), "--force"])
    assert (result.exit_code, f"{out}: {words.format(out=out)}" in result.stderr) == (2, True), result.output
    assert list(tmp_path.iterdir()) == []


WHOLE = {  # verbs of each way to write: a file, a folder whole, a folder that is filled
    "generate": ("reference", "generate p --out {whole}/a.wav"),
    "describe": ("parity", "describe --bundle b --out {whole}/described.json"),
    "gate": ("parity", "gate --report {whole}/report"),
    "localize, beside the files": ("parity", "localize --bundle b --stage dit --out {whole}"),
    "localize, below them": ("parity", "localize --bundle b --stage dit --out {whole}/overlays"),
    "sensitivity": ("parity", "sensitivity --results {whole}"),
    "train": ("fixtures", "train --out {whole} --resume"),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_bundle_that_is_not_read_is_not_added_to_either(bundles: dict[str, Bundle], tmp_path: Path, name: str) -> None:
    app, line = WHOLE[name]
    whole = bundles["fp32"].folder
    before = sorted(whole.rglob("*"))
    result = CliRunner().invoke(APPS[app], line.format(whole=whole).split())
    told = "a bundle that was written whole, which would hold what is no part of it; choose a path outside\n"
    assert (result.exit_code, result.stderr.endswith(told)) == (2, True), result.output
    assert sorted(whole.rglob("*")) == before
