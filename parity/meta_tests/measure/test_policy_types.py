"""A policy in which something is of another kind than it can be is told: no table where one is expected, no text, no list."""

from collections.abc import Callable
from pathlib import Path

import pytest

from parity.meta_tests.measure.test_policy import EXEMPTION, OURS, policy
from reference.spec.errors import InputError

ABOVE, NO_DISTANCE = OURS.partition("[loading]")[0], "which is no distance"
WRONG: dict[str, tuple[Callable[[], str], str]] = {
    "loading": (lambda: f"loading = 3\n{ABOVE}", "a policy has loading = 3, expected a dict"),
    "exemptions": (lambda: f"exemptions = 3\n{OURS}", "a policy has exemptions = 3, expected a list"),
    "an exemption": (lambda: f"exemptions = [3]\n{OURS}", f"exemption 1 is about 'None', {NO_DISTANCE}"),
    "a distance": (lambda: OURS + EXEMPTION.replace('"dit_denoised_error"', "[]"), f"exemption 1 is about '[]', {NO_DISTANCE}"),
    "a bundle": (lambda: OURS + EXEMPTION.replace('"int4"', "4"), "exemption 1 has bundle = 4, expected text"),
    "a reason": (lambda: OURS.replace("why =", 'why = "" #', 1), "bar 'conditioner_error' has why = '', expected text"),
    "a reason of a loading": (lambda: "why = 3 #".join(OURS.rsplit("why =", 1)), "'loading' has why = 3, expected text"),
    "what it is about": (lambda: OURS.replace("about =", "about = 3 #", 1), "a policy has about = 3, expected text"),
}


@pytest.mark.parametrize("name", WRONG)
def test_it_is_told(tmp_path: Path, name: str) -> None:
    text, words = WRONG[name]
    with pytest.raises(InputError, match=r"mine\.toml: ") as error:
        policy(tmp_path, text())
    assert words in str(error.value)
