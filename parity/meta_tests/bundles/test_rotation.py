"""Hadamard rotation: what it is, and files that have it are told from files that have half of it."""

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import flexbuffers
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import hadamard

from fixtures import TINY_MODEL_DIR
from litert_pipeline.bundle import Bundle
from parity.bundles.audit import audit
from parity.bundles.contents import ROTATED, contents_of
from parity.bundles.forms import Form, forms
from parity.bundles.hadamard import is_hadamard
from parity.bundles.rotation import rotated
from parity.bundles.rotation_litert import ROTATING, Rotations
from parity.faults.file_edits import edit_file
from parity.measure.contents import Contents
from parity.mixes.table import MIXES
from parity.mixes.tools import apply
from reference.pipeline import load_model
from reference.spec.stages import DIT
from reference.spec.tensors import Array

ROUNDED = 1e-6  # relative: float32 in sums of up to 64 terms
ROTATING_MIXES = ("int8_rotated", "int4_rotated_by_an_operator")
LAST_OF_A_ROTATION = ("_rotated", "_postrotate_reshaped")  # how the quantizer calls what a layer is then fed
LEAST_ROTATED = 0.9  # of the matrices: a few have an odd number of inputs

sizes = st.sampled_from([1, 2, 4, 16, 64])


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


@settings(deadline=None)
@given(size=sizes, parts=st.integers(1, 3))
def test_it_is_the_product_with_sylvester_s_matrix(size: int, parts: int) -> None:
    x = drawn(5, parts * size)
    matrix = np.kron(np.eye(parts), hadamard(size) / np.sqrt(size))
    np.testing.assert_allclose(rotated(x, size).numpy(), x.numpy() @ matrix, rtol=0, atol=ROUNDED * float(x.abs().max()) * size)


@settings(deadline=None)
@given(size=sizes)
def test_products_stay_what_they_were(size: int) -> None:
    x, weights = drawn(3, 2 * size), drawn(4, 2 * size)
    plain = x @ weights.T
    found = rotated(x, size) @ rotated(weights, size).T
    torch.testing.assert_close(found, plain, rtol=0, atol=ROUNDED * float(plain.abs().max()) * size)


def test_without_a_size_nothing_is_rotated() -> None:
    x = drawn(2, 3)
    assert rotated(x, 0) is x


@settings(deadline=None)
@given(size=sizes)
def test_its_matrix_is_known(size: int) -> None:
    assert is_hadamard((hadamard(size) / np.sqrt(size)).astype(np.float32))


NO_HADAMARD = {
    "a sign turned": lambda matrix: matrix * np.where(np.arange(matrix.size).reshape(matrix.shape) == 5, -1, 1),
    "rows exchanged": lambda matrix: matrix[[0, 2, 1, 3]],
    "larger": lambda matrix: matrix * 1.001,
    "not square": lambda matrix: matrix[:2],
    "of no power of two": lambda matrix: matrix[:3, :3],
    "whole numbers": lambda matrix: np.sign(matrix),
}


@pytest.mark.parametrize("name", NO_HADAMARD)
def test_another_matrix_is_not_taken_for_it(name: str) -> None:
    assert not is_hadamard(NO_HADAMARD[name](hadamard(4) / 2.0))


def operator(**answers: Any) -> SimpleNamespace:
    """What the schema gives of an operator: everything is asked for by a call."""
    return SimpleNamespace(**{name: (lambda *_, found=found: found) for name, found in answers.items()})


def options(size: int, signs: list[int]) -> Array:
    builder = flexbuffers.Builder()
    with builder.Map():
        builder.Int("hadamard_size", size)
        builder.VectorFromElements("random_binary_vector", signs)
    return np.frombuffer(bytes(builder.Finish()), np.uint8)


def rotation_ahead(name: str, made_by: SimpleNamespace, custom: bytes = ROTATING.encode(), matrix: Array | None = None) -> int:
    """Of weights whose layer is fed by one operator."""
    model = operator(OperatorCodes=operator(CustomCode=custom))
    found = Rotations(model=model, takers={}, makers={7: (name, made_by)}, matrix=lambda index: matrix)
    return found.of_weights([("FULLY_CONNECTED", operator(Inputs=7), 1)])


@pytest.mark.parametrize(("signs", "custom", "size"), [
    ([1] * 4, ROTATING, 4), ([1, -1, 1, 1], ROTATING, 0), ([1] * 4, "another.rotation", 0),
], ids=["as known", "with signs turned", "another operator"])  # fmt: skip
def test_an_operator_that_does_more_is_not_taken_for_it(signs: list[int], custom: str, size: int) -> None:
    made_by = operator(OpcodeIndex=0, CustomOptionsAsNumpy=options(4, signs))
    assert rotation_ahead("CUSTOM", made_by, custom.encode()) == size


@pytest.mark.parametrize(("matrix", "size"), [
    (hadamard(4) / 2.0, 4), (np.eye(4), 0), (np.linalg.qr(np.vander(np.arange(1.0, 5.0)))[0], 0), (None, 0),
], ids=["as known", "one", "orthogonal", "no constant"])  # fmt: skip
def test_a_product_with_another_matrix_is_not_taken_for_it(matrix: Array | None, size: int) -> None:
    assert rotation_ahead("FULLY_CONNECTED", operator(Inputs=3), matrix=matrix) == size


@pytest.fixture(scope="module")
def known() -> tuple[Form, ...]:
    return forms(load_model(TINY_MODEL_DIR), DIT)


@pytest.fixture(scope="module", params=ROTATING_MIXES)
def file(request: pytest.FixtureRequest, bundles: Mapping[str, Bundle], tmp_path_factory: pytest.TempPathFactory) -> Path:
    part, target = MIXES[request.param].parts[DIT], tmp_path_factory.mktemp("rotated") / "dit.tflite"
    apply(part.tool, bundles["fp32"].path(DIT), target, part.options, list)
    return target


def read(file: Path, known: tuple[Form, ...]) -> Contents:
    return contents_of(audit(file, known), DIT)


def test_rotated_weights_are_the_checkpoint_s(file: Path, known: tuple[Form, ...]) -> None:
    contents = read(file, known)
    assert (contents.wrong, contents.missing, contents.unexplained) == ((), (), ())
    matrices = [part for part in contents.parts if part.stored.storage in ("int8", "int4")]
    found = sum(part.count for part in matrices if part.stored.scheme.startswith(ROTATED))
    assert found >= LEAST_ROTATED * sum(part.count for part in matrices)


def unrotated_feeds(model: Any) -> None:
    """Layers are fed what would be rotated; the rotation's operators stand there unused."""
    graph = model.subgraphs[0]
    made = {int(output): operator for operator in graph.operators for output in operator.outputs}
    for operator in graph.operators:
        feed = graph.tensors[operator.inputs[0]].name.decode()
        if _code(model, operator) == schema.BuiltinOperator.FULLY_CONNECTED and feed.endswith(LAST_OF_A_ROTATION):
            operator.inputs[0] = _before(model, made, int(operator.inputs[0]))


def _code(model: Any, operator: Any) -> int:
    code = model.operatorCodes[operator.opcodeIndex]
    return max(int(code.builtinCode), int(code.deprecatedBuiltinCode))


def _before(model: Any, made: Mapping[int, Any], tensor: int) -> int:
    """The tensor that was rotated into this one."""
    operator = made[tensor]
    steps = 1 if _code(model, operator) == schema.BuiltinOperator.CUSTOM else 3
    for _ in range(steps):
        tensor = int(made[tensor].inputs[0])
    return tensor


def test_a_feed_that_is_not_rotated_is_seen(file: Path, known: tuple[Form, ...], tmp_path: Path) -> None:
    changed = tmp_path / file.name
    changed.write_bytes(file.read_bytes())
    edit_file(changed, unrotated_feeds)
    contents = read(changed, known)
    assert contents.missing
    assert contents.unexplained
