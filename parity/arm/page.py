"""`docs/arm.md`: what Arm CPUs answer, as a page that is written from a report and answers and nothing else."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from parity.arm.asked import Asked, Found, groups
from parity.arm.cell import cell
from parity.arm.claims import CPUS, OFF, POINTS, V1, claims, same_told
from parity.arm.refused import FORCED, halves_told, not_finite_told

INTRODUCTION = """# What LiteRT answers on Arm CPUs

Written by `make arm`, which asks one kit ([field-kit.md](field-kit.md)) on emulated Arm CPUs and on the x86 machine it runs
on, and judges all of it like the gate. Emulated arithmetic is the architecture's, instruction by instruction, so answers and
bits are those of the CPU's kernels; how fast they are is not seen here. The model is the seeded tiny one, the case {case}.
Of variants that run a stage's very file in the same way the first one is asked."""

CLAIMS = f"""What was said of these CPUs before a program wrote this page (2026-11-25), and what it finds. Shares are those of
{" / ".join(CPUS)}; within {POINTS} points they are confirmed. They were shares of that
day's limits: those of FP32 follow how the reference itself rounds on the machine that judges; since then errors are pooled over
all steps, limits of FP16 compute follow the arithmetic of the machine, and the DiT's norms are converted so that half precision
keeps their eps. {V1} and {OFF} were asked a part of the kit."""

ARMV8_0 = """LiteRT's wheel as it is cannot be loaded on a CPU without LSE atomics (Cortex-A53, A72; Raspberry Pi 3 and 4). What
is said there before a model is opened:

> {says}

Its column was recorded without that file."""


def page(found: Found) -> str:
    """The whole page."""
    plan, names, everyone = found.whole[0].answers.plan, [one.name for one in found.whole], [*found.whole, *found.twins]
    parts = [
        INTRODUCTION.format(case=", ".join(plan.cases)),
        _part("The CPUs", _table(("CPU", "features", "vectors", "FP16 compute is", "recorder"), map(_cpu, everyone))),
        _part(
            "Worst value in parts of its limit",
            "All teacher-forced checks; above 100 % a stage is refused. In brackets the error itself (relative L2, of the DiT "
            "its worst step).\n\n" + _table(("stage, variant", *names), _worst(found)),
        ),
        _part(
            "Which bits agree",
            "CPUs in one pair of brackets answer every question of the stage with the same bits.\n\n"
            + _table(("stage, variant", "bits"), _bits(found)) + "\n\nA part of the questions, asked again on two threads:\n\n"
            + _table(("CPU", "beside its answers on one"), _on_two_threads(found)),
        ),
        _part("What was said before", f"{CLAIMS}\n\n" + _table(("said", "found", ""), _claims(found))),
        _part(
            "Which kernels ran",
            "Names of LiteRT's symbol table, without what they share; beside each the CPUs.\n\n"
            + _table(("kernel", "CPUs"), _kernels(found.whole)),
        ),
        _part("What is refused, and why", f"{_listed(_refused(found))}\n\n{_why(found)}"),
        _part("Armv8.0", ARMV8_0.format(says=_told(found.without_atomics))),
    ]
    return "\n\n".join(parts) + "\n"


def _part(title: str, text: str) -> str:
    return f"## {title}\n\n{text}"


def _cpu(one: Asked) -> tuple[str, ...]:
    cpu = one.machine["cpu"]
    assert isinstance(cpu, Mapping)
    vectors = ", ".join(f"{name} {8 * length}" for name, length in cpu["vector_bytes"].items()) or "-"
    return one.name, " ".join(cpu["features"]) or "-", vectors, one.answers.halves or "not known", f"exit {one.code}"


def _worst(found: Found) -> Iterator[tuple[str, ...]]:
    for variant, stage in found.own_parts:
        yield f"{stage}, {variant}", *(cell(found.checks(variant, stage, one.name)) for one in found.whole)


def _bits(found: Found) -> Iterator[tuple[str, str]]:
    """Those of twins where they were asked."""
    for variant, stage in found.own_parts:
        asked = [one for one in found.twins if dict(one.answers.references(variant, stage))]
        named = groups([*found.whole, *asked], variant, stage)
        yield f"{stage}, {variant}", " ".join(f"({', '.join(names)})" for names in named)


def _on_two_threads(found: Found) -> Iterator[tuple[str, str]]:
    first = {one.name: one for one in found.whole}
    return ((one.name, same_told(one, first[one.name])) for one in found.again)


def _claims(found: Found) -> Iterator[tuple[str, str, str]]:
    return ((claim.said, claim.found, claim.verdict) for claim in claims(found))


def _kernels(asked: Sequence[Asked]) -> Iterator[tuple[str, str]]:
    """Kernels by name, and who runs them."""
    for kernel in sorted({kernel for one in asked for kernel in one.kernels}):
        yield f"`{kernel}`", ", ".join(one.name for one in asked if kernel in one.kernels)


def _refused(found: Found) -> Iterator[str]:
    """Of each stage and CPU the worst check that failed."""
    for one in found.whole:
        for variant, stage in found.own_parts:
            of = f"{variant}@{one.name}", stage
            failed = [check for check in found.report.failed if (check.variant, check.stage) == of]
            if failed:
                yield str(max(failed, key=lambda check: check.share_of_limit))


def _why(found: Found) -> str:
    """What is known of values that are no numbers, and which recipes have none."""
    return "\n\n".join((*not_finite_told(found), f"{FORCED} {halves_told(found)}"))


def _told(sentence: str) -> str:
    """Without the folder of this machine."""
    path, colon, rest = sentence.partition(": ")
    return f"{path.rpartition('/')[2]}{colon}{rest}"


def _listed(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines) or "Nothing."


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
