"""`docs/arm.md`: what Arm CPUs answer, as a page that is written from a report and nothing else."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from parity.device.record.answers import Answers
from parity.device.record.journal import KIT
from parity.measure.verdict import TEACHER_FORCED, Verdict
from parity.report.report import Report

ERRORS = ("relative_l2", "relative_l2.prompt_rows", "denoised_error")  # of a stage as a whole

INTRODUCTION = """# What LiteRT answers on Arm CPUs

Written by `make arm`, which asks one kit ([field-kit.md](field-kit.md)) on emulated Arm CPUs and on the x86 machine it runs
on, and judges all of it like the gate. Emulated arithmetic is the architecture's, instruction by instruction, so answers and
bits are those of the CPU's kernels; how fast they are is not seen here. The model is the embedded tiny one, the case {case}."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A CPU that was asked: the recorder's exit code there, its answers and, where code was watched, the kernels that ran."""

    name: str
    code: int
    answers: Answers
    kernels: Sequence[str] = ()

    @property
    def machine(self) -> Mapping[str, object]:
        """What the recorder saw of it."""
        found: Mapping[str, object] = list(self.answers.journal.of(KIT))[-1]["machine"]
        return found


def page(report: Report, asked: Sequence[Asked], without_atomics: str) -> str:
    """The whole page; `without_atomics` is what is said on a CPU of Armv8.0 before anything is opened."""
    plan, names = asked[0].answers.plan, [one.name for one in asked]
    parts = [
        INTRODUCTION.format(case=", ".join(plan.cases)),
        "## The CPUs\n\n" + _table(("CPU", "features", "vectors", "FP16 compute is", "recorder"), map(_cpu, asked)),
        "## Worst value in parts of its limit\n\nAll teacher-forced checks; above 100 % a stage is refused. In brackets the "
        "error itself (relative L2, of the DiT its worst step).\n\n" + _table(("stage, variant", *names), _worst(report, asked)),
        "## Which bits agree\n\nCPUs in one pair of brackets answer every question of the stage with the same bits.\n\n"
        + _table(("stage, variant", "bits"), _bits(asked)),
        "## Which kernels ran\n\nNames of LiteRT's symbol table, without what they share; beside each the CPUs.\n\n"
        + _table(("kernel", "CPUs"), _kernels(asked)),
        "## What is refused, and why\n\n" + _listed(_refused(report, asked)),
        "## Armv8.0\n\nLiteRT's wheel as it is cannot be loaded on a CPU without LSE atomics (Cortex-A53, A72; Raspberry Pi 3 "
        f"and 4). What is said there before a model is opened:\n\n> {_told(without_atomics)}\n\nIts column was recorded "
        "without that file.",
    ]
    return "\n\n".join(parts) + "\n"


def _cpu(one: Asked) -> tuple[str, ...]:
    cpu = one.machine["cpu"]
    assert isinstance(cpu, Mapping)
    vectors = ", ".join(f"{name} {8 * length}" for name, length in cpu["vector_bytes"].items()) or "-"
    return one.name, " ".join(cpu["features"]) or "-", vectors, one.answers.halves or "not known", f"exit {one.code}"


def _worst(report: Report, asked: Sequence[Asked]) -> Iterator[tuple[str, ...]]:
    for variant, part in asked[0].answers.plan.own_parts:
        cells = [_cell(_of(report, f"{variant.name}@{one.name}", part.stage, TEACHER_FORCED)) for one in asked]
        yield (f"{part.stage}, {variant.name}", *cells)


def _of(report: Report, variant: str, stage: str, ladder: str) -> list[Verdict]:
    return [check for check in report.checks if (check.variant, check.stage, check.ladder) == (variant, stage, ladder)]


def _cell(checks: Sequence[Verdict]) -> str:
    """The worst check, and the largest error of the stage as a whole."""
    errors = [check.value for check in checks if check.metric in ERRORS]
    bad = [check for check in checks if check.metric == "nonfinite_values" and check.value]
    if bad:
        return f"**{bad[0].value:.0f} NaN**"
    return f"{_share(checks)} ({max(errors):.1e})" if errors else _share(checks)


def _share(checks: Sequence[Verdict]) -> str:
    if not checks:
        return "-"
    worst = max(checks, key=lambda check: check.share_of_limit)
    if worst.value < worst.low_limit:
        return f"**{worst.value / worst.low_limit:.2f}x of the low limit**"
    text = f"{worst.share_of_limit:.0%}".replace("%", " %")
    return text if all(check.ok for check in checks) else f"**{text}**"


def _bits(asked: Sequence[Asked]) -> Iterator[tuple[str, str]]:
    for variant, part in asked[0].answers.plan.own_parts:
        groups: dict[str, list[str]] = {}
        for one in asked:
            found = dict(one.answers.references(variant.name, part.stage))
            common = set.intersection(*(set(dict(other.answers.references(variant.name, part.stage))) for other in asked))
            groups.setdefault(repr(sorted((digest, found[digest]) for digest in common)), []).append(one.name)
        yield f"{part.stage}, {variant.name}", " ".join(f"({', '.join(names)})" for names in groups.values())


def _kernels(asked: Sequence[Asked]) -> Iterator[tuple[str, str]]:
    """Kernels by name, and who runs them."""
    for kernel in sorted({kernel for one in asked for kernel in one.kernels}):
        yield f"`{kernel}`", ", ".join(one.name for one in asked if kernel in one.kernels)


def _refused(report: Report, asked: Sequence[Asked]) -> Iterator[str]:
    """Of each stage and CPU the worst check that failed."""
    for one in asked:
        for variant, part in one.answers.plan.own_parts:
            of = f"{variant.name}@{one.name}", part.stage
            failed = [check for check in report.failed if (check.variant, check.stage) == of]
            if failed:
                yield str(max(failed, key=lambda check: check.share_of_limit))


def _told(sentence: str) -> str:
    """Without the folder of this machine."""
    path, colon, rest = sentence.partition(": ")
    return f"{path.rpartition('/')[2]}{colon}{rest}"


def _listed(lines: Iterator[str]) -> str:
    return "\n".join(f"- {line}" for line in lines) or "Nothing."


def _table(titles: Sequence[str], rows: Iterator[Sequence[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
