"""What stages answer when fed the truth, and the numbers about it, each computed once.

Answers are kept by what gave them, whatever a contender is called: files that several bundles share are asked once.
"""

from collections import ChainMap
from collections.abc import Callable, Hashable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from parity.measure.cases import Case, Drawn
from parity.measure.sweep import response
from parity.measure.teacher_forcing import Measurement, measure, teacher_forced
from parity.runtimes.environment import cpu_model
from parity.truth.traces import Truth
from reference.spec.generation import Stage
from reference.spec.tensors import Tensors

Key = tuple[str, Hashable, str]  # stage, identity of what answers, case


@dataclass
class Answers:
    """Answers of all contenders. Those of the reference itself are also kept on disk where the model is large."""

    truths: Truth
    threads: int
    _answers: MutableMapping[Key, list[Tensors]] = field(default_factory=dict)
    _measured: MutableMapping[Key, list[Measurement]] = field(default_factory=dict)
    _unequal: MutableMapping[Key, int] = field(default_factory=dict)

    def of(self, key: Key, case: Case | Drawn, open_stage: Callable[[], Stage], *, keep: bool) -> list[Tensors]:
        """One dict a call of the stage. `keep`: they follow from the model, this code and this machine alone."""
        if key not in self._answers:

            def compute() -> list[Tensors]:
                return teacher_forced(key[0], open_stage(), self.truths.trace(case))

            self._answers[key] = self._kept(key, case, compute) if keep and self.truths.model.large else compute()
        return self._answers[key]

    def measured(self, key: Key, case: Case | Drawn, loading: str, answers: Callable[[], list[Tensors]]) -> list[Measurement]:
        """Every judged number about the answers, beside those of weights loaded so."""
        stage, identity, name = key
        loaded = (stage, (identity, loading), name)
        if loaded not in self._measured:
            truth = self.truths.as_loaded(case, stage, loading)
            found = measure(stage, truth, answers(), self.truths.objective)
            self._measured[loaded] = found + (response(case, truth, answers()) if isinstance(case, Drawn) else [])
        return self._measured[loaded]

    def unequal(self, key: Key, count: Callable[[], int]) -> int:
        """How many values differ when the stage is asked again."""
        if key not in self._unequal:
            self._unequal[key] = count()
        return self._unequal[key]

    def beside(self) -> "Answers":
        """All that is known here, to which what is learned there does not add."""
        return Answers(
            truths=self.truths,
            threads=self.threads,
            _answers=ChainMap({}, self._answers),
            _measured=ChainMap({}, self._measured),
            _unequal=ChainMap({}, self._unequal),
        )

    @property
    def known(self) -> tuple[MutableMapping[Any, Any], ...]:
        """All that has been asked: answers, what was measured of them, how many values differed when asked again."""
        return self._answers, self._measured, self._unequal

    def _kept(self, key: Key, case: Case | Drawn, compute: Callable[[], list[Tensors]]) -> list[Tensors]:
        machine = {"cpu": cpu_model(), "threads": self.threads}
        described = {**self.truths.described(case), **machine, "kind": "answers", "of": repr(key)}
        return list(_unpacked(self.truths.store.kept(described, lambda: _packed(compute()))))


def _packed(answers: list[Tensors]) -> Tensors:
    return {f"{index}.{name}": array for index, answer in enumerate(answers) for name, array in answer.items()}


def _unpacked(arrays: Mapping[str, object]) -> Iterator[Tensors]:
    found: dict[int, Tensors] = {}
    for label, array in arrays.items():
        index, _, name = label.partition(".")
        found.setdefault(int(index), {})[name] = array  # type: ignore[assignment]
    yield from (found[index] for index in sorted(found))
