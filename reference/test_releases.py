"""What is otherwise in another state of stable-audio-tools: levels of flow models, and guidance."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference.spec.errors import InputError
from reference.spec.noise import philox
from reference.spec.sampling.guidance import Guidance
from reference.spec.sampling.objective import FLOW, Objective, State, V
from reference.spec.sampling.releases import RELEASES, SPEC, V0_0_19, V0_0_20, release_called, release_of
from reference.spec.sampling.samplers import SAMPLERS, SamplerSpec, fitting

SHAPE = (2, 3, 5)
FLOWS = fitting(tuple(SAMPLERS), FLOW)
# Eight steps from -6.2.
EIGHT_LEVELS = (1, 0.994375587, 0.984480202, 0.957912266, 0.890903175, 0.745546579, 0.512497365, 0.273885012, 0)
DIGIT = 5e-9  # of the ninth decimal, to which they are written down, and float32's
APART = 1e-3  # the first levels after 1 differ by 1.1e-3 and more
ROUNDING = 1e-12  # of sums of a few float64 products
LEVEL = 0.4
LEAST_OF_RK4 = 1e-5  # where newer upstream clamps


@pytest.mark.parametrize("name", FLOWS)
def test_flow_models_start_further_out_in_newer_upstream(name: str) -> None:
    newer, usual = (SamplerSpec(name=name, release=release) for release in (V0_0_20, V0_0_19))
    assert newer.levels() == pytest.approx(EIGHT_LEVELS, abs=DIGIT)
    assert max(abs(one - other) for one, other in zip(newer.levels(), usual.levels(), strict=True)) > APART
    assert newer.draws == usual.draws


@pytest.mark.parametrize("name", fitting(tuple(SAMPLERS), V))
def test_samplers_of_v_models_are_the_same_in_both(name: str) -> None:
    newer, usual = (SamplerSpec(name=name, release=release) for release in (V0_0_20, V0_0_19))
    assert newer.stops() == usual.stops()


def test_newer_rk4_asks_for_no_level_of_zero() -> None:
    asked: list[float] = []

    def velocity(x: State, level: float) -> State:
        asked.append(level)
        return x

    for release in (V0_0_19, V0_0_20):
        list(SamplerSpec(name="rk4", steps=2, release=release).walk(velocity, iter(()), np.ones(SHAPE, np.float32)))
    assert [min(asked[:8]), min(asked[8:])] == [0, LEAST_OF_RK4]
    assert len(asked) == 16


def test_levels_that_rise_in_newer_upstream_are_refused() -> None:
    spec = SamplerSpec(name="euler", sigma_max=0.1, release=V0_0_20)
    with pytest.raises(InputError, match=r"goes up from sigma_max 0\.1 before it goes down.*follow stable-audio-tools-0\.0\.19"):
        spec.levels()
    assert SamplerSpec(name="euler", sigma_max=0.0, release=V0_0_20).levels() == (0.0,) * 9


@given(steps=st.integers(1, 100))
def test_newer_levels_fall_from_1_to_zero(steps: int) -> None:
    levels = SamplerSpec(steps=steps, release=V0_0_20).levels()
    assert (levels[0], levels[-1], len(levels)) == (1, 0, steps + 1)
    assert (np.diff(levels) < 0).all()


def guided(guidance: Guidance, objective: Objective) -> tuple[State, State, State, State]:
    """State, both velocities, and the guided one; float64."""
    x, one, other = (array.astype(np.float64) for array, _ in zip(philox(SHAPE, 2), range(3), strict=False))
    return x, one, other, guidance.combine(one, other, objective.clean(x, LEVEL, one))


@pytest.mark.parametrize("objective", [FLOW, V], ids=["flow", "v"])
@pytest.mark.parametrize("apg_scale", [0.0, 0.3, 1.0])
def test_projected_guidance_is_upstream_s_over_clean_estimates(objective: Objective, apg_scale: float) -> None:
    """In upstream's own terms: clean estimates, what lies along the conditional one taken off, and back to a velocity."""
    x, one, other, found = guided(Guidance(scale=7.0, apg_scale=apg_scale), objective)
    clean, unconditional = (objective.clean(x, LEVEL, velocity) for velocity in (one, other))
    lead = clean - unconditional
    unit = clean / np.sqrt((clean**2).sum((-2, -1), keepdims=True))
    across = lead - (lead * unit).sum((-2, -1), keepdims=True) * unit
    wanted = clean + 6 * (apg_scale * across + (1 - apg_scale) * lead)
    assert np.abs(objective.clean(x, LEVEL, found) - wanted).max() <= ROUNDING * np.abs(wanted).max()


@pytest.mark.parametrize("objective", [FLOW, V], ids=["flow", "v"])
def test_what_full_projection_adds_is_across_the_clean_estimate(objective: Objective) -> None:
    x, one, _, found = guided(Guidance(scale=7.0, apg_scale=1.0), objective)
    clean = objective.clean(x, LEVEL, one)
    added = objective.clean(x, LEVEL, found) - clean
    assert np.abs((added * clean).sum((-2, -1))).max() <= ROUNDING * np.linalg.norm(added) * np.linalg.norm(clean)


def test_no_projection_is_plain_guidance_bit_for_bit() -> None:
    _, one, other, found = guided(Guidance(scale=7.0), V)
    assert np.array_equal(found, other + (one - other) * 7.0)


def test_nothing_is_along_silence() -> None:
    one, other = np.ones(SHAPE), np.zeros(SHAPE)
    assert np.array_equal(Guidance(scale=2.0, apg_scale=1.0).combine(one, other, np.zeros(SHAPE)), 2 * one)


def test_releases_say_what_they_rest_on() -> None:
    assert list(RELEASES) == ["stable-audio-tools-0.0.19", "stable-audio-tools-0.0.20"]
    assert SamplerSpec().release is RELEASES["stable-audio-tools-0.0.19"]
    assert "levels and its guidance" in V0_0_20.rests_on
    with pytest.raises(InputError, match=r"spec '0\.0\.18' is unknown; valid specs: stable-audio-tools-0\.0\.19, stable"):
        release_called("0.0.18")


@pytest.mark.parametrize(("options", "words"), [
    ({"scale": math.nan}, "cfg_scale is nan, expected a finite number"),
    ({"scale": math.inf}, "cfg_scale is inf"),
    ({"scale": -1e39}, r"cfg_scale is -1e\+39, expected a finite number in the range of float32"),
    ({"interval": (0.1, 1.1)}, r"cfg_interval is \(0\.1, 1\.1\), expected two levels from 0 to 1 in rising order"),
    ({"interval": (-0.1, 1.0)}, "cfg_interval is"),
    ({"interval": (0.8, 0.2)}, "cfg_interval is"),
    ({"interval": (math.nan, 1.0)}, "cfg_interval is"),
    ({"phi": 1.1}, "scale_phi is 1.1, expected 0 to 1"),
    ({"phi": -0.1}, "scale_phi is -0.1"),
    ({"phi": math.nan}, "scale_phi is nan"),
    ({"apg_scale": 1.1}, "apg_scale is 1.1, expected 0 to 1"),
    ({"apg_scale": -0.1}, "apg_scale is -0.1"),
    ({"apg_scale": math.nan}, "apg_scale is nan"),
    ({"negative_prompt": "x"}, "a negative prompt has no effect at cfg_scale 1"),
    ({"negative_seconds": 3.0}, "negative_seconds has no effect without a negative prompt"),
    ({"negative_start": 3.0}, "negative_start has no effect without a negative prompt"),
    ({"scale": 7.0, "negative_prompt": "x", "negative_seconds": -1.0}, "negative_seconds is -1.0"),
    ({"scale": 7.0, "negative_prompt": "x", "negative_start": math.inf}, "negative_start is inf"),
    ({"scale": 7.0, "negative_prompt": "x", "negative_seconds": 1e39}, r"negative_seconds is 1e\+39, .* in the range of float32"),
])  # fmt: skip
def test_nonsense_of_guidance_is_refused(options: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        Guidance(**options)


def test_guidance_is_at_work_within_its_interval_ends_included() -> None:
    asked = Guidance(scale=3.0, interval=(0.25, 0.75))
    assert [asked.active(share) for share in (0.2, 0.25, 0.5, 0.75, 0.8)] == [False, True, True, True, False]
    assert not Guidance(scale=1.0).active(0.5)


def test_a_manifest_that_names_no_release_was_written_before_there_were_two() -> None:
    assert release_of({}) is V0_0_19
    assert release_of({SPEC: V0_0_20.name}) is V0_0_20
