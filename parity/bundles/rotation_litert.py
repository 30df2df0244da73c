"""Which weights of a `.tflite` file stand rotated: those whose layer is fed by a rotation (`parity/bundles/rotation.py`).

Source: litert-quantizer, transformations/insert_hadamard_rotation.py (one operator of its own) and
insert_decomposed_hadamard_rotation.py (a reshape, a product with the matrix, a reshape).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flatbuffers import flexbuffers

from parity.bundles.hadamard import is_hadamard
from reference.spec.tensors import Array

ROTATING = "aeq.hadamard_rotation"
WEIGHTS = 1  # which input of a dense layer, or of a lookup, is a constant
LONGEST = 3  # operators that a rotation is made of
NOTHING: tuple[str, Any] = ("", None)


@dataclass(frozen=True, kw_only=True)
class Rotations:
    """Of a subgraph. `takers`: of a tensor (operator's name, operator, which input it is); `makers`: (name, operator);
    `matrix`: a square matrix of floats that is a constant, or None."""

    model: Any
    takers: Mapping[int, Sequence[tuple[str, Any, int]]]
    makers: Mapping[int, tuple[str, Any]]
    matrix: Callable[[int], Array | None]

    def of_weights(self, takers: Sequence[tuple[str, Any, int]]) -> int:
        """How many values of its rows are rotated together, by who takes a constant: as many as of what a layer is fed or, of a
        table, of what is looked up; 0 for none."""
        for name, operator, place in takers:
            if (name, place) == ("FULLY_CONNECTED", WEIGHTS):
                return self._of(operator.Inputs(0))
            if (name, place) == ("EMBEDDING_LOOKUP", WEIGHTS):
                return self._ahead(operator.Outputs(0))
        return 0

    def _of(self, index: int) -> int:
        """How many values of a tensor were rotated together by what made it."""
        name, operator = self.makers.get(index, NOTHING)
        if name == "CUSTOM":
            return self._of_custom(operator)
        if name == "RESHAPE":
            name, operator = self.makers.get(operator.Inputs(0), NOTHING)
        if name != "FULLY_CONNECTED":
            return 0
        matrix = self.matrix(operator.Inputs(WEIGHTS))
        return len(matrix) if matrix is not None and is_hadamard(matrix) else 0

    def _of_custom(self, operator: Any) -> int:
        """The size that the quantizer's own operator is given. One that turns signs, too, is none that is known here."""
        if self.model.OperatorCodes(operator.OpcodeIndex()).CustomCode().decode() != ROTATING:
            return 0
        options = flexbuffers.Loads(operator.CustomOptionsAsNumpy().tobytes())
        return int(options["hadamard_size"]) if all(sign == 1 for sign in options["random_binary_vector"]) else 0

    def _ahead(self, index: int) -> int:
        """How many values of a tensor are rotated together by what is made of it."""
        for _ in range(LONGEST):
            if len(takers := self.takers.get(index, ())) != 1:
                return 0
            index = takers[0][1].Outputs(0)
            if size := self._of(index):
                return size
        return 0
