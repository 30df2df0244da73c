"""The SAME codec against stable-audio-tools 0.0.20 and diffusers, over the family of configurations it claims to cover."""

from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from fixtures.oracle.same_comparisons import LIMITS, beyond, errors
from fixtures.oracle.same_family import Member, Waveform, job_of, members
from fixtures.oracle.same_jobs import Job, answer_all, write_job
from fixtures.oracle.same_sabotage import SABOTAGE
from fixtures.same_configs import SAME_TINY, SAME_TINY_L

FEW, MANY = 8, 120
DRAWS = {FEW: 14, MANY: 400}  # some are drawn twice
WINDOWS = {"chunked": True, "chunk_size": 8, "overlap": 6}
# In these each sabotaged part has something to do: frames and patches that are no whole groups, and a rate of its own.
SHARED = {
    "seed": 7, "batch": 2, "samples": 272 * 5 + 40, "frames": 5, "long_frames": 20, "encode_windows": WINDOWS,
    "decode_windows": WINDOWS, "waveforms": (Waveform(channels=3, samples=900, rate_hz=48000),),
}  # fmt: skip
SABOTAGED = {"chunks": Member(config=SAME_TINY, **SHARED), "band": Member(config=SAME_TINY_L, **SHARED)}
Asked = list[tuple[Member, Job, Path]]


def drawn(count: int) -> list[Member]:
    """As many different members of the family."""
    found: dict[str, Member] = {}

    @settings(
        max_examples=DRAWS[count], deadline=None, derandomize=True, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(members())
    def each(member: Member) -> None:
        found.setdefault(member.key, member)

    each()
    assert len(found) >= count
    return list(found.values())[:count]


def asked(chosen: list[Member], folder: Path, with_diffusers: bool) -> Asked:
    """Members, their questions, and the folders that hold the oracles' answers."""
    jobs = [(member, job_of(member, with_diffusers), folder / f"{index:03}") for index, member in enumerate(chosen)]
    for _, job, path in jobs:
        write_job(job, path)
    answer_all(folder)
    return jobs


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Asked:
    """The two to be sabotaged, then some of the family."""
    return asked([*SABOTAGED.values(), *drawn(FEW)], tmp_path_factory.mktemp("few"), with_diffusers=False)


@pytest.mark.slow
@pytest.mark.parametrize("index", range(len(SABOTAGED) + FEW))
def test_the_codec_agrees_with_stable_audio_tools(few: Asked, index: int) -> None:
    member, job, folder = few[index]
    assert beyond(member, job, errors(member, job, folder)) == {}


def test_the_few_are_of_both_topologies(few: Asked) -> None:
    assert {member.topology for member, _, _ in few[len(SABOTAGED) :]} == set(SABOTAGED)


@pytest.mark.slow
@pytest.mark.oracle
def test_the_codec_agrees_over_the_family(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    worst: dict[tuple[str, str], float] = defaultdict(float)
    jobs = asked(drawn(MANY), tmp_path, with_diffusers=True)
    apart = {}
    for member, job, folder in jobs:
        found = errors(member, job, folder)
        apart |= {(member.key, name): error for name, error in beyond(member, job, found).items()}
        for name, error in found.items():
            worst[member.topology, name] = max(error, worst[member.topology, name])
    with capsys.disabled():
        print(f"\n{len(jobs)} codecs compared with stable-audio-tools and, where it has such, diffusers; worst relative L2:")
        print(*(f"  {error:.1e}  {topology:6}  {name}" for (topology, name), error in sorted(worst.items())), sep="\n")
    assert apart == {}
    assert any("diffusers" in name for _, name in worst)


@pytest.mark.parametrize("name", SABOTAGE)
def test_a_wrong_codec_is_noticed_where_it_is_wrong(few: Asked, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    owner, attribute, wrong, topology, comparison = SABOTAGE[name]
    monkeypatch.setattr(owner, attribute, wrong)
    member, job, folder = few[list(SABOTAGED).index(topology)]
    assert comparison in beyond(member, job, errors(member, job, folder))


def test_every_kind_of_comparison_has_a_limit() -> None:
    dtypes = {call.dtype for member in SABOTAGED.values() for call in job_of(member, with_diffusers=True).calls}
    assert {(topology, dtype) for topology in SABOTAGED for dtype in dtypes} == LIMITS.keys()
