"""A card put into the README of a repository: what others wrote there stays as it is, byte for byte."""

import re
from collections import Counter
from typing import Any

import yaml

from parity.report.front_matter import FENCE, OURS
from reference.spec.errors import InputError

BEGIN = f"<!-- {OURS}: begin. The command 'card' replaces what stands from here to the end -->"
END = f"<!-- {OURS}: end -->"
MARK = re.compile(rf"<!-- {OURS}: (begin|end)\b[^>]*-->")
TITLE = re.compile(r"(?m)^# Parity: ")  # of every card
KEY = re.compile(r"(?m)^(?=[^\s#-])")  # where a key of the outermost level begins
COMMENTS = re.compile(r"(?m)(^#[^\n]*\n|^\s*\n)*\Z")  # from the margin on, at the end of what belongs to a key
INDEX, BASE, TAGS = "model-index", "base_model", "tags"
BOM = "\ufeff"
MOST_DEEP = 50  # values within values; what the hub reads has six


def embedded(readme: str, card: str) -> str:
    """A README with the card in its marked block, and with what the hub reads of the card in its front matter.

    Keys that the README has stay; of its `model-index` those results that are not ours do. The card is one that `require_card`
    lets pass. Raises InputError where it cannot, about the README.
    """
    mark, end = BOM if readme.startswith(BOM) else "", "\r\n" if re.match(r"[^\n]*\r\n", readme) else "\n"
    ours, card_body = parted(card)
    theirs, body = parted(readme.removeprefix(mark))
    front = _merged(theirs, _keys(ours), end)
    return f"{mark}{FENCE}{end}{front}{FENCE}{end}{_with_block(body, _deeper(card_body), end)}"


def require_card(text: str) -> None:
    """Raise InputError for what is no card of a report, or one that was damaged since."""
    front, body = parted(text)
    _index(_keys(front).get(INDEX), None)
    if not TITLE.search(body):
        raise InputError("is no card: it holds no verdict ('# Parity: ...'); judge again")


def with_base_model(card: str, base_model: str) -> str:
    """The card, saying of which model on the hub this is a conversion."""
    front, body = parted(card)
    others = {name: value for name, value in _keys(front).items() if name != BASE}
    return f"{FENCE}\n{_yaml({BASE: base_model, **others})}{FENCE}\n{body}"


def says_base_model(card: str) -> bool:
    """Whether a card names the original."""
    return bool(_keys(parted(card)[0]).get(BASE))


def parted(text: str) -> tuple[str, str]:
    """The front matter of a Markdown text, without its fences, and all behind it; "" where it has none."""
    lines = re.split(r"(?<=\n)", text)
    fences = [number for number, line in enumerate(lines) if line.rstrip() == FENCE][:2]
    if len(fences) < 2 or fences[0] != 0:
        return "", text
    return "".join(lines[1 : fences[1]]), "".join(lines[fences[1] + 1 :])


def _merged(theirs: str, ours: dict[str, Any], end: str) -> str:
    """Their front matter as it stands, but for our results; what it lacks of ours is added at its end, in lines that `end` so."""
    there = _keys(theirs)
    _require_tags(there.get(TAGS, []))
    _require_one_original(there.get(BASE), ours.get(BASE))
    index = _index(there.get(INDEX), ours.get(INDEX))
    added = {name: value for name, value in ours.items() if name not in there and name != INDEX}
    added |= {INDEX: index} if index else {}
    kept = _without_index(theirs)
    more = _yaml(added).replace("\n", end) if added else ""
    text = kept + ("" if kept.endswith("\n") or not kept else end) + more
    if not _reads_as(text, {name: value for name, value in there.items() if name != INDEX} | added):
        raise InputError("its front matter cannot be added to as it is written; expected one key a line, each from the margin on")
    return text


def _without_index(front: str) -> str:
    """All of it but the `model-index`, however that key is written; a comment behind it stays."""
    starts = [(key.start_mark.index, key.value) for key in _key_nodes(front)]
    kept, here, name = "", 0, None
    for part in KEY.split(front):
        name = next((value for at, value in starts if here <= at < here + len(part)), name)
        kept += part if name != INDEX else _comments_behind(part)
        here += len(part)
    return kept


def _comments_behind(part: str) -> str:
    found = COMMENTS.search(part)
    return found[0].lstrip() if found else ""


def _key_nodes(front: str) -> list[yaml.Node]:
    """The keys of the outermost level, as they are written."""
    top = yaml.compose(front, yaml.SafeLoader)
    return [key for key, _ in top.value] if isinstance(top, yaml.MappingNode) else []


def _reads_as(text: str, wanted: dict[str, Any]) -> bool:
    try:
        return _keys(text) == wanted
    except InputError:
        return False


def _require_tags(theirs: Any) -> None:
    if not isinstance(theirs, list) or not all(isinstance(tag, str) for tag in theirs):
        raise InputError(f"its {TAGS} are {theirs!r}, expected a list of words; correct it")


def _require_one_original(theirs: Any, ours: Any) -> None:
    """Raise InputError for a README that is of another model's conversion; it may name several originals."""
    if theirs and ours and ours not in (theirs if isinstance(theirs, list) else [theirs]):
        raise InputError(f"says {BASE} {theirs}, the card says {ours}; correct the README or what --base-model names")


def _index(theirs: Any, ours: list[dict[str, Any]] | None) -> list[dict[str, Any]]:
    """Their entries with our results in the place of those we put there before."""
    try:
        others = [{**entry, "results": [one for one in entry["results"] if not _is_ours(one)]} for entry in theirs or []]
    except (TypeError, KeyError, AttributeError):
        raise InputError(f"its {INDEX} is of another shape than the hub's; expected a list of a name and results") from None
    left = [entry for entry in others if entry["results"]]  # an entry without results says nothing
    if left and ours:
        left[0]["results"] += ours[0]["results"]
    return left or ours or []


def _is_ours(result: dict[str, Any]) -> bool:
    return bool(result.get("dataset", {}).get("type") == OURS)


def _with_block(body: str, block: str, end: str) -> str:
    """The text with the block in the place of the one that is marked, or behind everything."""
    marks = list(MARK.finditer(body))
    whole = f"{BEGIN}\n\n{block.strip()}\n\n{END}".replace("\n", end)
    if not marks:
        return f"{body.rstrip()}{end}{end}{whole}{end}" if body.strip() else f"{end}{whole}{end}"
    found = [mark[1] for mark in marks]
    if found != ["begin", "end"]:
        raise InputError(f"marks of {OURS} do not belong together ({', '.join(found)}); leave one of each, or none")
    return body[: marks[0].start()] + whole + body[marks[1].end() :]


def _deeper(text: str) -> str:
    """Every heading a level down: the page has a title of its own."""
    return re.sub(r"(?m)^#", "##", text)


def _keys(front: str) -> dict[str, Any]:
    try:
        _require_shallow(front)
        found = yaml.safe_load(front) or {}
        keys = Counter((key.tag, str(key.value)) for key in _key_nodes(front))
    except (yaml.YAMLError, ValueError) as error:  # also of a 13th month
        raise InputError(f"its front matter is no YAML ({' '.join(str(error).split())}); correct it") from None
    if not isinstance(found, dict):
        raise InputError(f"its front matter holds {type(found).__name__}, expected keys and values")
    if twice := [key for (_, key), count in keys.items() if count > 1]:
        raise InputError(f"its front matter has the key '{twice[0]}' twice; leave one")
    return found


def _require_shallow(front: str) -> None:
    """Raise InputError for values within values without end, and for one that holds itself: reading and comparing them descends
    into each, and how far this process may is for whatever it has imported to say."""
    around: list[str | None] = []
    for event in yaml.parse(front, yaml.SafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            around.append(event.anchor)
        elif isinstance(event, yaml.CollectionEndEvent):
            around.pop()
        elif isinstance(event, yaml.AliasEvent) and event.anchor in around:
            raise InputError(f"its front matter has a value that holds itself (*{event.anchor}); write it out")
        if len(around) > MOST_DEEP:
            raise InputError(f"its front matter has values within values, more than {MOST_DEEP} deep; correct it")


def _yaml(content: dict[str, Any]) -> str:
    return str(yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=1000))
