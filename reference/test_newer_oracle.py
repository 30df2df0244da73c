"""Levels and guidance of newer stable-audio-tools, against the package itself."""


import numpy as np
import pytest

from fixtures.oracle.newer import Guided, answered
from reference.spec.noise import philox
from reference.spec.sampling.guidance import Guidance
from reference.spec.sampling.objective import FLOW, V
from reference.spec.sampling.releases import V0_0_20
from reference.spec.sampling.samplers import SamplerSpec
from reference.spec.tensors import Tensors

STEPS = (*range(1, 33), 50, 100)
LAST_PLACES = 1  # torch's vectors round two of these sigmoids otherwise than the correctly rounded exponential does
SHAPE, LEVEL = (1, 3, 50), 0.4
AS_UPSTREAM = 5e-7  # upstream guides clean estimates and divides by the level after; measured 1.2e-7
GUIDANCES = {
    f"{name}, scale {scale}, projected {apg}, rescaled {phi}": Guided(
        guidance=Guidance(scale=scale, apg_scale=apg, phi=phi), objective=objective
    )
    for name, objective in (("flow", FLOW), ("v", V))
    for scale, apg, phi in ((7.0, 0.0, 0.0), (7.0, 1.0, 0.0), (3.0, 0.3, 0.0), (7.0, 1.0, 0.5))
}


@pytest.fixture(scope="module")
def state() -> tuple[np.ndarray, ...]:
    """A state and two velocities."""
    return tuple(array for array, _ in zip(philox(SHAPE, 2), range(3), strict=False))


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory, state: tuple[np.ndarray, ...]) -> Tensors:
    x, *velocities = state
    return answered(tmp_path_factory.mktemp("newer"), STEPS, list(GUIDANCES.values()), x, LEVEL, *velocities)


@pytest.mark.parametrize("steps", STEPS)
def test_levels_are_the_package_s(answers: Tensors, steps: int) -> None:
    ours = np.array(SamplerSpec(steps=steps, release=V0_0_20).levels(), np.float32)
    theirs = answers[f"levels_{steps}"]
    assert (ours[0], ours[-1]) == (theirs[0], theirs[-1])
    assert (np.abs(ours - theirs) <= LAST_PLACES * np.spacing(theirs)).all()


@pytest.mark.parametrize("name", GUIDANCES)
def test_guidance_is_the_package_s(answers: Tensors, state: tuple[np.ndarray, ...], name: str) -> None:
    (x, one, other), asked = state, GUIDANCES[name]
    ours = asked.guidance.combine(one, other, asked.objective.clean(x, LEVEL, one))
    theirs = answers[f"guided_{list(GUIDANCES).index(name)}"]
    assert np.linalg.norm(ours - theirs) <= AS_UPSTREAM * np.linalg.norm(theirs)


def test_that_is_not_what_older_upstream_does(answers: Tensors, state: tuple[np.ndarray, ...]) -> None:
    """So that the tests above would see one taken for the other."""
    assert np.abs(np.array(SamplerSpec(steps=8).levels()) - answers["levels_8"]).max() > AS_UPSTREAM
    plain, projected = (answers[f"guided_{index}"] for index in (0, 1))
    assert np.linalg.norm(plain - projected) > AS_UPSTREAM * np.linalg.norm(plain)
