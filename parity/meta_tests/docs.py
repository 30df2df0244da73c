"""What the pages for people hold: links, and commands as they are typed."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
COMMAND = re.compile(
    r"(?:\$ )?(?:\.venv/bin/)?"
    r"(?:python -m (?P<module>parity|reference|litert_pipeline|fixtures)|(?P<script>stable-audio-\w+)) "
)
SCRIPTS = {"stable-audio-parity": "parity", "stable-audio-litert": "litert_pipeline", "stable-audio-reference": "reference"}
RUNS = "sh"  # how a block is marked whose commands run as they stand


@dataclass(frozen=True, kw_only=True)
class Typed:
    """A command of ours on a page: which app's, and the words behind its name."""

    page: Path
    app: str
    words: list[str]

    def __str__(self) -> str:
        return f"{self.page.name}: {self.app} {' '.join(self.words)}"


def without_code(text: str) -> str:
    """A page without its blocks of code, in which brackets are no links."""
    return FENCE.sub("", text)


def links(text: str) -> list[str]:
    """Where a page leads to."""
    return LINK.findall(without_code(text))


def anchors(text: str) -> set[str]:
    """The places of a page that a link may name, as its headings give them."""
    titles = re.findall(r"^#+ (.*)$", without_code(text), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def lines(text: str, kind: str | None = None) -> Iterator[str]:
    """The lines of a page's blocks of code, or of those of a kind, continued ones as one."""
    for name, block in FENCE.findall(text):
        if kind in (None, name):
            yield from block.replace("\\\n", " ").splitlines()


def typed(page: Path) -> Iterator[Typed]:
    """Every command of ours in a page's blocks of code."""
    for line in lines(page.read_text(encoding="utf-8")):
        found = COMMAND.match(line)
        if found:
            words = shlex.split(line[found.end() :], comments=True)
            yield Typed(page=page, app=found["module"] or SCRIPTS[found["script"]], words=words)
