"""What stages answer when fed the truth, and the numbers about it, each computed once."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from parity.measure.cases import Case
from parity.measure.teacher_forcing import Measurement, measure, teacher_forced
from parity.runtimes.environment import cpu_model
from parity.truth.traces import Truth
from reference.spec.generation import Stage
from reference.spec.tensors import Tensors

Key = tuple[str, str, str]  # stage, variant, case


@dataclass
class Answers:
    """Answers of all variants. Those of the reference itself are also kept on disk where the model is large."""

    truths: Truth
    threads: int
    _answers: dict[Key, list[Tensors]] = field(default_factory=dict)
    _measured: dict[Key, list[Measurement]] = field(default_factory=dict)
    _unequal: dict[Key, int] = field(default_factory=dict)

    def of(self, stage: str, variant: str, case: Case, open_stage: Callable[[], Stage], *, keep: bool) -> list[Tensors]:
        """One dict, or one per step for the DiT. `keep`: they follow from the model, this code and this machine alone."""
        key = (stage, variant, case.id)
        if key not in self._answers:

            def compute() -> list[Tensors]:
                return teacher_forced(stage, open_stage(), self.truths.trace(case))

            self._answers[key] = self._kept(key, case, compute) if keep and self.truths.model.large else compute()
        return self._answers[key]

    def measured(self, stage: str, variant: str, case: Case, answers: Callable[[], list[Tensors]]) -> list[Measurement]:
        """Every judged number about the answers."""
        key = (stage, variant, case.id)
        if key not in self._measured:
            self._measured[key] = measure(stage, self.truths.trace(case), answers())
        return self._measured[key]

    def unequal(self, stage: str, variant: str, case: Case, count: Callable[[], int]) -> int:
        """How many values differ when the stage is asked again."""
        key = (stage, variant, case.id)
        if key not in self._unequal:
            self._unequal[key] = count()
        return self._unequal[key]

    def without(self, variant: str, stages: tuple[str, ...]) -> "Answers":
        """A copy that knows nothing yet of `stages` of `variant`."""
        return Answers(
            truths=self.truths,
            threads=self.threads,
            _answers={key: found for key, found in self._answers.items() if key[1] != variant or key[0] not in stages},
            _measured={key: found for key, found in self._measured.items() if key[1] != variant or key[0] not in stages},
        )

    def _kept(self, key: Key, case: Case, compute: Callable[[], list[Tensors]]) -> list[Tensors]:
        stage, variant, _ = key
        machine = {"cpu": cpu_model(), "threads": self.threads}
        described = {**self.truths.described(case), **machine, "kind": "answers", "stage": stage, "variant": variant}
        return list(_unpacked(self.truths.store.kept(described, lambda: _packed(compute()))))


def _packed(answers: list[Tensors]) -> Tensors:
    return {f"{index}.{name}": array for index, answer in enumerate(answers) for name, array in answer.items()}


def _unpacked(arrays: Mapping[str, object]) -> Iterator[Tensors]:
    found: dict[int, Tensors] = {}
    for label, array in arrays.items():
        index, _, name = label.partition(".")
        found.setdefault(int(index), {})[name] = array  # type: ignore[assignment]
    yield from (found[index] for index in sorted(found))
