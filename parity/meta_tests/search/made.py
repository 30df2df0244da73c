"""Trials, results and points without a file, for tests of what is done with them."""

from parity.search.trial import Number, Result, Trial, recipe_text


def trial(stage: str = "s", recipe: str = "", **other: object) -> Trial:
    """One of no model."""
    return Trial(model="m", file="f", code="c", stage=stage, recipe=recipe or recipe_text([]), cases=("one",), **other)  # type: ignore[arg-type]


def result(of: Trial, errors: dict[int, float], size_bytes: int = 1, sha256: str = "") -> Result:
    """One with these denoised errors by step."""
    numbers = [Number(case="one", metric="denoised_error", value=value, step=step) for step, value in errors.items()]
    return Result(address=of.address, numbers=tuple(numbers), size_bytes=size_bytes, sha256=sha256 or of.address)
