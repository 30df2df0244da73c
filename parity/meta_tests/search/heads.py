"""A head of a search, for whoever lets two of them loose on one study. Imported by the processes."""

from pathlib import Path

from parity.meta_tests.search.made import result, trial
from parity.search.store import Results
from parity.search.study import Proposer

OPTIONS = {"a": ["float", "int8", "int4"], "b": ["float", "int8"], "c": ["float", "int8", "int4"]}
BATCHES, EACH = 4, 3


def values_of(chosen: dict[str, str]) -> tuple[float, float]:
    """What a mix comes to, which follows from it alone."""
    far = float(sum(len(scheme) * (place + 1) for place, scheme in enumerate(chosen.values())))
    return far, 1 / far


def searched(url: str, folder: Path, seed: int) -> list[dict[str, str]]:
    """Propose, measure, keep and tell, a few times; the mixes in the order they were asked."""
    proposer, results, found = Proposer.opened(url, "shared", OPTIONS, seed), Results(folder=folder), []
    for _ in range(BATCHES):
        for one in proposer.batch(EACH):
            mix = trial(recipe=str(sorted(one.chosen.items())))
            results.put(mix, result(mix, {0: 1 / values_of(dict(one.chosen))[0]}))
            proposer.tell(one, values_of(dict(one.chosen)))
            found.append(dict(one.chosen))
    return found
