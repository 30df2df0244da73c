"""Heat maps as tables: numbers that are coloured, so that whoever sees no colours, or hears the page, has the numbers."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from parity.search.sensitivity import Cell, Sensitivity
from parity.search.space import Layer

SHADES = 6  # classes of colour, h0 the least
DECADES_PER_SHADE = 0.5
WORST = 0.01  # from here on the last class


@dataclass(frozen=True, kw_only=True)
class Shaded:
    """A cell: what is read, and in which of the `SHADES` it stands; `about` says it in full."""

    text: str
    shade: int
    about: str


@dataclass(frozen=True, kw_only=True)
class Heat:
    """A table with a heading for each row and column; None where nothing was measured."""

    title: str
    corner: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Shaded | None]]]


def by_scheme(found: Sensitivity) -> Heat:
    """Each group in each scheme."""
    names = [scheme.name for scheme in found.schemes if any(key[1] == scheme.name for key in found.cells)]
    rows = [(group.name, [_shaded(found, found.cells.get((group.name, name))) for name in names]) for group in found.groups]
    return Heat(title="Each group alone, in each scheme", corner="group", columns=names, rows=rows)


def bytes_by_scheme(found: Sensitivity) -> Heat:
    """The same, what each saves: without colours, for more of them is not worse."""
    heat = by_scheme(found)
    rows = [
        (group.name, [_saved(found, found.cells.get((group.name, name))) for name in heat.columns]) for group in found.groups
    ]
    return Heat(title="Bytes that each saves", corner="group", columns=heat.columns, rows=rows)


def by_block(found: Sensitivity) -> list[Heat]:
    """For each scheme a table of blocks and the layers in them; nothing where groups are not layers, or blocks are all alone."""
    layers = [group.layers[0] for group in found.groups if len(group.layers) == 1]
    if len(layers) < len(found.groups):
        return []
    places = list(dict.fromkeys(map(_in_block, layers)))
    blocks = list(dict.fromkeys(layer.block for layer in layers))
    at = {(layer.block, _in_block(layer)): layer.name for layer in layers}
    return [
        Heat(
            title=f"Layers by block, {scheme.name}: {scheme.about}", corner="block", columns=places,
            rows=[(block, [_shaded(found, _cell(found, at, block, place, scheme.name)) for place in places]) for block in blocks],
        )
        for scheme in found.schemes if any(key[1] == scheme.name for key in found.cells)
    ]  # fmt: skip


def _cell(found: Sensitivity, at: Mapping[tuple[str, str], str], block: str, place: str, scheme: str) -> Cell | None:
    return found.cells.get((at.get((block, place), ""), scheme))


def _in_block(layer: Layer) -> str:
    """What a layer is called in its block."""
    return layer.name.removeprefix(layer.block).strip(".") or layer.name


def _shaded(found: Sensitivity, cell: Cell | None) -> Shaded | None:
    """A measured cell: how far it makes the stage, and what it saves."""
    if cell is None:
        return None
    if cell.result.fault:
        return Shaded(text="refused", shade=0, about=cell.result.fault)
    saved = found.saved_bytes(cell)
    if saved == 0:
        return Shaded(text="as it was", shade=0, about="the quantizer leaves the file as it is")
    told = f"{cell.distance:.1e}"
    time = "" if cell.seconds is None else f", {cell.seconds:.2f} of float's time"
    return Shaded(text=told, shade=shade(cell.distance), about=f"distance {told}, {saved:,} bytes less{time}")


def _saved(found: Sensitivity, cell: Cell | None) -> Shaded | None:
    if cell is None or cell.result.fault:
        return _shaded(found, cell)
    text = f"{found.saved_bytes(cell):,}"
    return Shaded(text=text, shade=0, about=f"{text} of {found.floor.size_bytes:,} bytes")


def shade(distance: float) -> int:
    """Half a decade each, the last one from 1 % on; the last for what is no number."""
    if not math.isfinite(distance):
        return SHADES - 1
    if distance <= 0:
        return 0
    return min(SHADES - 1, max(0, math.floor(math.log10(distance / WORST) / DECADES_PER_SHADE) + SHADES - 1))
