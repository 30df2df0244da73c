"""Where the emulator comes from, and that it is said in one sentence why it cannot be had."""

from pathlib import Path

import pytest

from parity.device.apt import EmulatorError, mirror
from parity.device.emulator import PROGRAMS, install, installed

SOURCES = {
    "one line": ("sources.list", "deb http://one.example/debian bookworm main\n"),
    "one line with options": ("sources.list.d/a.list", "deb [arch=amd64] https://one.example/debian/ bookworm main\n"),
    "deb822": ("sources.list.d/debian.sources", "Types: deb\nURIs: http://one.example/debian\nSuites: bookworm\n"),
}


def written(apt: Path, name: str, text: str) -> Path:
    (apt / name).parent.mkdir(parents=True, exist_ok=True)
    (apt / name).write_text(text)
    return apt


@pytest.mark.parametrize("form", SOURCES)
def test_the_mirror_is_the_machine_s_own(tmp_path: Path, form: str) -> None:
    assert mirror(written(tmp_path, *SOURCES[form])).rstrip("/").endswith("://one.example/debian")


OTHERS = {
    "no sources": ("other.txt", "deb http://one.example/debian bookworm main\n"),
    "security only": ("sources.list", "deb http://one.example/debian-security bookworm-security main\n"),
    "another system": ("sources.list", "deb http://one.example/ubuntu noble main\n"),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_without_a_debian_mirror_it_is_said(tmp_path: Path, kind: str) -> None:
    with pytest.raises(EmulatorError, match="name no Debian mirror"):
        mirror(written(tmp_path, *OTHERS[kind]))


def test_what_is_there_is_not_fetched_again(tmp_path: Path) -> None:
    for program in PROGRAMS:
        (tmp_path / program).touch()
    install(tmp_path, apt=tmp_path / "missing")
    assert installed(tmp_path)


def test_one_missing_program_is_noticed(tmp_path: Path) -> None:
    (tmp_path / PROGRAMS[0]).touch()
    assert not installed(tmp_path)


@pytest.mark.parametrize("tool", ["apt-get", "dpkg-deb", "tar"])
def test_a_system_without_the_tools_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tool: str) -> None:
    for other in {"apt-get", "dpkg-deb", "tar"} - {tool}:
        (tmp_path / other).write_text("#!/bin/sh\n")
        (tmp_path / other).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EmulatorError, match=f"this system has no {tool}"):
        install(tmp_path / "emulator")


def test_a_mirror_that_is_not_reached_is_told(tmp_path: Path) -> None:
    apt = written(tmp_path / "apt", "sources.list", f"deb http://127.0.0.1:9{tmp_path}/debian bookworm main\n")
    with pytest.raises(EmulatorError, match="apt-get cannot fetch or unpack qemu-user of trixie-backports: "):
        install(tmp_path / "emulator", apt)
    assert not (tmp_path / "emulator").exists()
