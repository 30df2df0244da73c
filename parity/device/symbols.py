"""Which of a library's functions ran: names of its symbol table, addresses of the emulator's log.

Source: the ELF-64 layout of System V's ABI (`Elf64_Ehdr`, `Elf64_Shdr`, `Elf64_Sym`); qemu's `-d in_asm`, which writes every
block of code that it translates, that is to say all that ran and nothing else.
"""

import bisect
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

SECTION, SYMBOL = struct.Struct("<IIQQQQIIQQ"), struct.Struct("<IBBHQQ")
SYMBOL_TABLES, FUNCTION = (2, 11), 2  # SHT_SYMTAB, SHT_DYNSYM; STT_FUNC
BLOCK = re.compile(rb"^0x([0-9a-f]+):", re.MULTILINE)
MAPPED = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) \S+ ([0-9a-f]+) \S+ \d+\s+(\S+)$", re.MULTILINE)
# What multiplies: XNNPACK's and KleidiAI's kernels of matrices and convolutions; not what packs weights for them, nor what
# tells their sizes.
KERNEL = re.compile(r"^(xnn_(?!\w*(?:pack|_get_))\w*(?:gemm|igemm|dwconv)\w*ukernel\w*|kai_run_matmul\w+)$")


@dataclass(frozen=True, kw_only=True)
class Functions:
    """Functions of one file, by where they begin in it."""

    starts: Sequence[int]
    ends: Sequence[int]
    names: Sequence[str]

    @classmethod
    def of(cls, path: Path) -> "Functions":
        """Of an ELF file; of one without symbols there are none."""
        data = path.read_bytes()
        offset, size, count = (*struct.unpack_from("<Q", data, 40), *struct.unpack_from("<HH", data, 58))
        sections = [SECTION.unpack_from(data, offset + size * at) for at in range(count)]
        tables = [section for section in sections if section[1] in SYMBOL_TABLES]
        found = sorted({entry for table in tables for entry in _symbols(data, table, sections)})
        return cls(
            starts=[start for start, _, _ in found], ends=[end for _, end, _ in found], names=[name for _, _, name in found]
        )  # fmt: skip

    def at(self, address: int) -> str | None:
        """The function an address is in."""
        place = bisect.bisect_right(self.starts, address) - 1
        return self.names[place] if place >= 0 and address < self.ends[place] else None


def _symbols(data: bytes, section: tuple[int, ...], sections: Sequence[tuple[int, ...]]) -> Iterator[tuple[int, int, str]]:
    """Start, end and name of a table's functions."""
    strings = sections[section[6]][4]
    for at in range(section[4], section[4] + section[5], SYMBOL.size):
        name, info, _, index, value, length = SYMBOL.unpack_from(data, at)
        if info & 15 == FUNCTION and index and length:
            begin = strings + name
            yield value, value + length, data[begin : data.index(b"\0", begin)].decode()


def kernels(log: bytes, maps: str, library: Path) -> list[str]:
    """The kernels of a library that ran, by name; `maps` is `/proc/self/maps` of the process, after it was loaded."""
    places = [int(low, 16) - int(at, 16) for low, _, at, path in MAPPED.findall(maps) if path.endswith(library.name)]
    if not places:
        return []
    functions, base = Functions.of(library), min(places)
    ran = {functions.at(int(address, 16) - base) for address in BLOCK.findall(log)}
    return sorted(name for name in ran if name and KERNEL.match(name))
