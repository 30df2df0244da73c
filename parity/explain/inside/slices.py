"""Values that do not all fit into memory: fetched a slice at a time, in the order they are asked for."""

from collections.abc import Callable, Iterator, Mapping

from reference.spec.tensors import Array

SLICE_BYTES = 2**28  # the largest tensor of a decoder of full size
VALUE_BYTES = 4  # what is fetched is float32


class Sliced(Mapping[str, Array]):
    """Arrays by name. Asking for one fetches all of its slice and lets go of the slice before.

    `sizes` (name: number of values) are in the order they will be asked for, so that each slice is fetched once.
    """

    def __init__(
        self,
        sizes: Mapping[str, int],
        fetch: Callable[[list[str]], Mapping[str, Array]],
        slice_bytes: int = SLICE_BYTES,
    ) -> None:
        self._fetch = fetch
        self._slices: dict[str, list[str]] = {}  # the slice each name is in
        self._held: Mapping[str, Array] = {}
        names: list[str] = []
        total = 0
        for name, size in sizes.items():
            total += VALUE_BYTES * size
            if names and total > slice_bytes:
                names, total = [], VALUE_BYTES * size
            names.append(name)
            self._slices[name] = names

    def __getitem__(self, name: str) -> Array:
        if name not in self._held:
            names = self._slices[name]
            self._held = {}  # first, so that never two slices are there
            self._held = self._fetch(names)
        return self._held[name]

    def __contains__(self, name: object) -> bool:
        return name in self._slices

    def __iter__(self) -> Iterator[str]:
        return iter(self._slices)

    def __len__(self) -> int:
        return len(self._slices)
