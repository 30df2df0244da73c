"""Sigmas, update rules and the tree of noise against k-diffusion and torchsde, both fed the same noise and velocity."""

from collections.abc import Callable
from itertools import islice, pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from fixtures.known_gaps import known_gaps
from fixtures.oracle import k_diffusion, upstream
from parity.measure import metrics
from reference.spec.errors import InputError
from reference.spec.noise import open_noise
from reference.spec.sampling.objective import V
from reference.spec.sampling.samplers import SAMPLERS, SamplerSpec, fitting
from reference.spec.sampling.scale import Sigmas
from reference.spec.torch_noise import torch_tree

SHAPE = (1, 4, 24)
# Relative L2. In float64 upstream is given float64 sigmas, so that its scalars are float64, too; measured up to 1e-13. In
# float32 they are not: up to 1.2e-6 over 100 and 250 steps.
LIMITS = {torch.float64: 1e-12, torch.float32: 5e-6}
RULES: dict[str, str] = {
    "dpmpp-3m-sde": "sample_dpmpp_3m_sde",
    "dpmpp-2m-sde": "sample_dpmpp_2m_sde",
    "dpmpp-2m": "sample_dpmpp_2m",
    "k-heun": "sample_heun",
    "k-dpm-2": "sample_dpm_2",
    "k-dpmpp-2s-ancestral": "sample_dpmpp_2s_ancestral",
}
GAPS = {gap.name: gap for gap in known_gaps("sigmas")}
RANGES = [(0.3, 500.0), (0.01, 100.0), (0.03, 1000.0), (0.3, 7.0)]


def test_every_rule_over_sigmas_is_compared() -> None:
    assert set(RULES) == {name for name in fitting(tuple(SAMPLERS), V) if isinstance(SAMPLERS[name].scale, Sigmas)}


def answer(x: Tensor, level: float) -> Tensor:
    return torch.tanh(x) * 0.7 - float(np.float32(level)) * 0.1


def draws(count: int, dtype: torch.dtype) -> list[Tensor]:
    generator = torch.Generator().manual_seed(5)
    return [torch.randn(SHAPE, generator=generator, dtype=dtype) for _ in range(count)]


def theirs(spec: SamplerSpec, noise: list[Tensor], dtype: torch.dtype) -> Tensor:
    """k-diffusion's latents; the steps' noise is handed to it where it would draw."""
    package, sigmas, left = k_diffusion.package(), torch.tensor(spec.stops(), dtype=dtype), iter(noise[1:])
    denoiser = package.external.VDenoiser(lambda x, t: answer(x, float(t)))
    own = {"noise_sampler": lambda now, after: next(left)} if spec.draws > 1 else {}
    with upstream.silence():
        found: Tensor = getattr(package.sampling, RULES[spec.name])(denoiser, noise[0] * sigmas[0], sigmas, **own)
    return found


def ours(spec: SamplerSpec, noise: list[Tensor]) -> Tensor:
    *_, last = spec.walk(answer, iter(noise[1:]), spec.start(noise[0]))  # type: ignore[arg-type]
    found: Tensor = last.following  # type: ignore[assignment]
    return found


@pytest.mark.parametrize("dtype", LIMITS, ids=["float64", "float32"])
@pytest.mark.parametrize("bounds", [(0.3, 500.0), (0.01, 100.0)], ids=["card", "default"])
@pytest.mark.parametrize("steps", [8, 100, 250])
@pytest.mark.parametrize("name", RULES)
def test_trajectories_are_k_diffusion_s(name: str, steps: int, bounds: tuple[float, float], dtype: torch.dtype) -> None:
    spec = SamplerSpec(name=name, steps=steps, sigma_min=bounds[0], sigma_max=bounds[1])
    noise = draws(steps, dtype)
    found = ours(spec, noise)
    assert found.dtype == dtype
    assert metrics.relative_l2(theirs(spec, noise, dtype).numpy(), found.numpy()) <= LIMITS[dtype]


@pytest.mark.parametrize("steps", [2, 3, 4])
@pytest.mark.parametrize("name", RULES)
def test_few_long_steps_are_k_diffusion_s_in_float64(name: str, steps: int) -> None:
    spec, noise = SamplerSpec(name=name, steps=steps, sigma_max=50.0), draws(steps, torch.float64)
    expected = theirs(spec, noise, torch.float64)
    assert metrics.relative_l2(expected.numpy(), ours(spec, noise).numpy()) <= LIMITS[torch.float64]


@pytest.mark.parametrize(("name", "steps"), GAPS["float32_scalars"].examples)
def test_where_upstream_s_float32_cancels_is_known(name: str, steps: int) -> None:
    spec, noise = SamplerSpec(name=name, steps=steps), draws(steps, torch.float32)
    assert metrics.relative_l2(theirs(spec, noise, torch.float32).numpy(), ours(spec, noise).numpy()) > LIMITS[torch.float32]


def sigmas_of_torch(low: float, high: float, steps: int) -> np.ndarray:
    found: Tensor = k_diffusion.package().sampling.get_sigmas_polyexponential(steps, low, high)
    return found.numpy()


@pytest.mark.parametrize(("low", "high"), RANGES)
def test_sigmas_are_k_diffusion_s_bit_for_bit(low: float, high: float) -> None:
    """But where torch's exponential is not correctly rounded: there ours are, and that is all that is between them."""
    for steps in (*range(1, 101), 250):
        found = np.array(SamplerSpec(name="dpmpp-2m", steps=steps, sigma_min=low, sigma_max=high).stops(), np.float32)
        expected = sigmas_of_torch(low, high, steps)
        rounded = rightly_rounded(low, high, steps)
        assert np.array_equal(found[:-1], rounded)
        apart = found.view(np.int32).astype(int) - expected.view(np.int32)
        assert np.abs(apart).max() <= 1


def rightly_rounded(low: float, high: float, steps: int) -> np.ndarray:
    """The exponential, in float64 and then rounded, of the very float32 arguments torch takes it of."""
    ramp = torch.linspace(1, 0, steps)
    argument = ramp * (np.log(high) - np.log(low)) + np.log(low)
    return argument.double().exp().float().numpy()


@pytest.mark.parametrize(("low", "high", "steps"), GAPS["vector_exponential"].examples)
def test_where_torch_s_exponential_is_not_rightly_rounded_is_known(low: float, high: float, steps: int) -> None:
    assert not np.array_equal(sigmas_of_torch(low, high, steps)[:-1], rightly_rounded(low, high, steps))


@pytest.mark.parametrize(("bounds", "steps"), [
    *((bounds, 8) for bounds in RANGES), ((0.3, 500.0), 100), ((0.01, 100.0), 100), ((0.3, 500.0), 250),
])  # fmt: skip
def test_the_tree_is_torchsde_s_bit_for_bit(bounds: tuple[float, float], steps: int) -> None:
    spec = SamplerSpec(name="dpmpp-3m-sde", steps=steps, sigma_min=bounds[0], sigma_max=bounds[1])
    sigmas = torch.tensor(spec.stops())
    with torch.random.fork_rng(), upstream.silence():
        torch.manual_seed(42)
        start = torch.randn(SHAPE)
        sampler = k_diffusion.package().sampling.BrownianTreeNoiseSampler(start, sigmas[-2], sigmas[0])
        expected = [start, *(sampler(now, after) for now, after in pairwise(sigmas[:-1]))]
    found = list(open_noise("torch-tree", SHAPE, 42, sampler=spec))
    assert len(found) == len(expected) == spec.draws
    assert all(np.array_equal(array, tensor.numpy()) for array, tensor in zip(found, expected, strict=True))


@pytest.mark.parametrize(("before", "frames", "entropy"), [
    (1, 1024, 7259600199338176423), (1, 256, 6179817353678210257),
])  # fmt: skip
def test_the_tree_s_entropy_is_drawn_after_the_start(
    monkeypatch: pytest.MonkeyPatch, before: int, frames: int, entropy: int
) -> None:
    """Of seed 42, as upstream draws it on a CPU."""
    found: list[int] = []

    class Noted:
        def __init__(self, torch: object, shape: object, entropy: int, start: float, end: float) -> None:
            found.append(entropy)

        def increment(self, now: float, after: float) -> None: ...

    monkeypatch.setattr("reference.spec.torch_noise.BrownianTree", Noted)
    list(torch_tree((1, 64, frames), 42, (500.0, 0.3, 0.0), before=before))
    assert found == [entropy]


def test_the_tree_is_another_where_there_is_init_audio() -> None:
    spec = SamplerSpec(name="dpmpp-2m-sde", steps=3)
    plain, init = (list(open_noise("torch-tree", SHAPE, 1, init_audio=init, sampler=spec)) for init in (False, True))
    assert len(init) == len(plain) + 1  # the encoder's
    assert np.array_equal(plain[0], init[0])
    assert not np.array_equal(plain[1], init[2])


def test_increments_of_the_tree_are_standard_normal_and_independent() -> None:
    """Mean, variance and correlation of 20,000 values each, to six standard errors."""
    shape = (20_000,)
    one, two = islice(torch_tree(shape, 3, (10.0, 5.0, 2.5, 0.0), before=0), 2)
    for values in (one.mean(), two.mean(), (one * two).mean(), (one**2 - 1).mean() / np.sqrt(2)):
        assert abs(values) <= 6 / np.sqrt(shape[0])


REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "a sampler without a tree": (
        lambda: open_noise("torch-tree", SHAPE, 0, sampler=SamplerSpec(name="k-heun")),
        "'torch-tree' is upstream's of dpmpp-3m-sde, dpmpp-2m-sde, not of 'k-heun'",
    ),
    "no sampler": (lambda: open_noise("torch-tree", SHAPE, 0), "no sampler was given"),
    "a seed out of range": (
        lambda: open_noise("torch-tree", SHAPE, -1, sampler=SamplerSpec(name="dpmpp-3m-sde")), "seed is -1",
    ),
    "sigmas the tree rounds together": (
        lambda: list(torch_tree(SHAPE, 0, (1.0000002, 1.0000001, 0.5, 0.0), before=1)), "cannot tell sigmas 1.0",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_tree_is_refused(name: str) -> None:
    wrong, words = REFUSED[name]
    with pytest.raises(InputError, match=words):
        wrong()
