"""Make `pytest -k STAGE` mean the stage: -k matches parts of words, and names of stages are parts of other words."""

import re

from reference.spec.stages import DECODER, DIT

STAGE_KEYWORD = "stage_is_"  # with a stage's name behind it, a keyword of every test of that stage
SPELLED = {
    DIT: "(dit and not conditioner)",  # con-dit-ioner
    DECODER: f"(decoder and ({STAGE_KEYWORD}decoder or not int8_decoder))",  # a variant's name
}


def spelled_out(expression: str) -> str:
    """A -k expression in which a bare stage name selects that stage alone."""
    return re.sub(r"\b(dit|decoder)\b", lambda match: SPELLED[match[0]], expression)
