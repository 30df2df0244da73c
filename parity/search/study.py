"""Who proposes mixes: Optuna's, several objectives at once, asked in batches and told in the order they were asked.

Of a study it matters that two heads cannot spoil it, and that one seed always leads the same way: so its storage is a
database, each batch is drawn from a seed of its own, and a batch is as large whoever measures it.
"""

import hashlib
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from parity.search.front import Values
from reference.spec.errors import InputError

if TYPE_CHECKING:
    from optuna import Study, Trial

BATCH = 8  # proposals at a time, however many workers there are: the next ones follow from what these found
STARTING = 10  # proposals before the sampler models what it was told
OPENINGS, WAITED_S = 4, 0.5  # two heads that begin at once make the same tables, and one of them fails; then they are there


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A mix to be measured: by group, the scheme."""

    chosen: Mapping[str, str]
    handle: "Trial | None" = None  # of one that was measured before there is none


@dataclass(frozen=True, kw_only=True)
class Proposer:
    """A study of one search. `options` are the schemes of each group that are worth a trial."""

    study: "Study"
    options: Mapping[str, Sequence[str]]
    seed: int

    @classmethod
    def opened(cls, url: str | None, name: str, options: Mapping[str, Sequence[str]], seed: int) -> "Proposer":
        """Made, or taken up again where it was left; `url` is of a database, None keeps it in memory.

        Raises InputError where Optuna is missing or the storage cannot be opened.
        """
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        for left in reversed(range(OPENINGS)):
            try:
                study = optuna.create_study(
                    storage=url, study_name=name, directions=["minimize", "minimize"], load_if_exists=True
                )
                break
            except Exception as error:  # whatever a database's driver raises
                if not left:
                    told = f"cannot be opened as a study ({_first_line(error)}); expected a file, or a database's URL"
                    raise InputError(f"{url}: {told}") from None
                time.sleep(WAITED_S)
        return cls(study=study, options=options, seed=seed)

    def suggest(self, mixes: Sequence[Mapping[str, str]]) -> None:
        """Have these measured first."""
        for chosen in mixes:
            self.study.enqueue_trial(dict(chosen), skip_if_exists=True)

    def batch(self, count: int = BATCH) -> list[Proposal]:
        """The next proposals."""
        from optuna.samplers import TPESampler

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Optuna still calls experimental
            told = len(self.study.get_trials(deepcopy=False))
            self.study.sampler = TPESampler(seed=_seed(self.seed, told), n_startup_trials=STARTING)
            asked = [self.study.ask() for _ in range(count)]
            return [Proposal(chosen=self._chosen(one), handle=one) for one in asked]

    def tell(self, proposal: Proposal, values: Values | None) -> None:
        """What it came to; None where that is nothing: it counts as failed, and is not proposed again for being good."""
        from optuna.trial import TrialState

        assert proposal.handle is not None, "asked of this study"
        state = TrialState.FAIL if values is None else TrialState.COMPLETE
        self.study.tell(proposal.handle, values, state=state)

    def finished(self) -> Iterator[dict[str, str]]:
        """The mixes that were measured, in the order they were asked, those of an earlier run among them."""
        from optuna.trial import TrialState

        for one in self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
            yield {group: str(scheme) for group, scheme in one.params.items()}

    def _chosen(self, trial: Any) -> dict[str, str]:
        return {group: str(trial.suggest_categorical(group, list(schemes))) for group, schemes in self.options.items()}


def _seed(seed: int, told: int) -> int:
    """Another one for each batch, the same in every run."""
    return int.from_bytes(hashlib.sha256(f"{seed} {told}".encode()).digest()[:4], "big")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
