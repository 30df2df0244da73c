"""Module errors gathered by block: the blocks of T5, the DiT's layers, the decoder's and encoder's stages."""

import math
import re
from dataclasses import dataclass

from rich.table import Table

from parity.explain.inside.module_error import ModuleError
from reference.progress import coloured

BLOCK = re.compile(r"(t5\.encoder\.block|transformer\.layers|layers)\.\d+")


@dataclass(frozen=True, kw_only=True)
class Block:
    """One block and the errors of its modules, in the order the reference computes them."""

    name: str
    errors: list[ModuleError]

    @property
    def worst(self) -> ModuleError:
        """The module that most exceeds what it may add; one that adds NaN exceeds all."""
        return max(self.errors, key=lambda error: math.inf if math.isnan(error.excess) else error.excess)

    @property
    def accumulated(self) -> float:
        """What has piled up when the block is left."""
        return self.errors[-1].accumulated


def by_block(errors: list[ModuleError]) -> list[Block]:
    """Neighbours of the same block together; a module outside the blocks is one of its own."""
    blocks: list[Block] = []
    for error in errors:
        match = BLOCK.match(error.path)
        name = match[0] if match else error.path
        if not blocks or blocks[-1].name != name:
            blocks.append(Block(name=name, errors=[]))
        blocks[-1].errors.append(error)
    return blocks


def block_table(errors: list[ModuleError], title: str) -> Table:
    """One row per block, for a terminal."""
    table = Table(title=title, title_justify="left")
    for name in ("block", "modules", "its worst module", "own error", "expected", "accumulated", "SNR dB", "verdict"):
        table.add_column(name, justify="left" if name in ("block", "its worst module", "verdict") else "right")
    for block in by_block(errors):
        worst = block.worst
        table.add_row(
            block.name,
            str(len(block.errors)),
            worst.path.removeprefix(f"{block.name}."),
            f"{worst.isolated:.1e}",
            f"{worst.expected:.1e}",
            f"{block.accumulated:.1e}",
            f"{block.errors[-1].snr_db:.0f}",
            coloured("ok", "green") if worst.ok else coloured("FAULT", "red"),
        )
    return table
