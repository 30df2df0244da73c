"""Tables in Markdown, of which no name makes anything else: names of files, bundles and machines may hold anything."""

from collections.abc import Iterable, Sequence

from reference.spec.errors import one_line


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Its lines, without an end of the last."""
    return "\n".join(f"| {' | '.join(map(cell, line))} |" for line in (titles, ["---"] * len(titles), *rows))


def cell(text: str) -> str:
    """Text that can end neither its cell nor its line, nor begin a comment."""
    return one_line(" ".join(text.splitlines())).replace("|", "\\|").replace("<!--", "&lt;!--")
