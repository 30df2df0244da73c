"""Where shapes leave a choice: feed the file distinct data in every possible way and see which answer is the reference's."""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from litert_pipeline.binding import Binding
from parity.measure.metrics import relative_l2
from reference.spec.errors import InputError
from reference.spec.generation import Stage, conditioner_feed
from reference.spec.model import SECONDS_START, SECONDS_TOTAL
from reference.spec.prompt import Tokenizer
from reference.spec.tensors import Array, Signature, Tensors

PROMPT, NUMBERS = "warm pad and a tight drum loop", {SECONDS_TOTAL: 7.0, SECONDS_START: 3.0}
CLEAR = 0.5  # of the next best error: an assignment that is wrong errs by about 1, a right one in INT8 by a tenth
RIGHT = 0.5  # relative L2 of a right one at most: INT4 was measured up to 0.3. What errs more is no better for being best


def probe_feed(signature: Signature, tokenizer: Tokenizer) -> Tensors:
    """Inputs no two of which are alike: a prompt's tokens, numbers, and noise."""
    rng = np.random.Generator(np.random.Philox(0))
    feed = conditioner_feed(tokenizer, PROMPT, NUMBERS)
    drawn = {t.name: rng.standard_normal(t.shape, dtype=np.float32) for t in signature.inputs if t.dtype == "float32"}
    return {**drawn, **feed, "t": np.array([0.7], np.float32)}


def probed(
    ways: list[Binding], run: Stage, reference: Stage, signature: Signature, feed: Mapping[str, Array]
) -> Binding:
    """The way to feed the file `run` that answers like the reference, of stage `signature`.

    Where none does clearly, or the best one is wrong as well, the first: judging it will say what is wrong.
    """
    expected = reference(feed)
    errors = [_error(way.around(run, signature), expected, feed) for way in ways]
    order = sorted(range(len(ways)), key=lambda index: errors[index])
    clear = errors[order[0]] <= min(RIGHT, CLEAR * errors[order[1]])
    return replace(ways[order[0]], probed=True) if clear else ways[0]


def _error(run: Stage, expected: Tensors, feed: Mapping[str, Array]) -> float:
    """The worst output's relative L2; infinite where the file cannot be run so."""
    try:
        answer = run(feed)
    except (InputError, ValueError):
        return math.inf
    errors = [relative_l2(array, answer[name]) for name, array in expected.items()]
    return max((math.inf if math.isnan(error) else error) for error in errors)
