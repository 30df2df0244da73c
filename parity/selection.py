"""Make `pytest -k dit` mean the stage: the word "conditioner" contains "dit", and -k matches parts of words."""

import re


def spelled_out(expression: str) -> str:
    """A -k expression in which `dit` alone no longer selects the conditioner."""
    return re.sub(r"\bdit\b", "(dit and not conditioner)", expression)
