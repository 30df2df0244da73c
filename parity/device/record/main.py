"""`python record.pyz --out answers/`: asks every stage of a kit on this device, and judges what it answers on the spot."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from parity.device.record.alone import ALONE, in_own_process
from parity.device.record.answers import Answers, begin_answers
from parity.device.record.journal import JOURNAL, JUDGED, KIT
from parity.device.record.kit import Kit, read_kit
from parity.device.record.plan import MANIFEST
from parity.device.record.recorder import HERE, Respondent, record, to_terminal
from parity.device.record.verdicts import OnTheSpot, worst_rows
from parity.measure.verdict import Verdict
from reference.spec.errors import EXIT_NOT_JUDGED, EXIT_OK, EXIT_REFUSE, exit_with_one_line, one_line
from reference.spec.only_writer import only_writer
from reference.spec.paths import given_path
from reference.spec.whole_output import whole_output

COLUMNS = ("stage", "variant", "ladder", "checks", "worst metric", "case", "value", "limit", "verdict")


def main(arguments: Sequence[str] | None = None) -> None:
    """Record and judge; the exit code is 0 where all is within its limits, 1 where something is not, 2 where it could not."""
    with whole_output():
        sys.exit(_ended(_parser().parse_args(arguments)))


def _ended(options: argparse.Namespace) -> int:
    with exit_with_one_line("the recorder"):
        kit = read_kit(options.kit, options.models)
        if options.alone:
            in_own_process(kit, options.alone)
            return EXIT_OK
        kit.require_intact()
        return recorded(kit, options.out)


def recorded(kit: Kit, out: Path, by: Respondent = HERE) -> int:
    """Record what is left, judge it, print what came of it; the exit code. Raises InputError as `begin_answers` and `record`, and
    where another recorder is at work in `out`."""
    begin_answers(kit, out)
    with only_writer(out / JOURNAL):
        answers = record(kit, out, to_terminal, by)
        checks = list(OnTheSpot(answers=answers, arrays=kit.arrays).verdicts())
        answers.journal.append(JUDGED, checks=[check.to_json() for check in checks])
    missing = answers.unanswered()
    for line in (*_machine(answers), *_table(checks), *answers.unlike_threads()):
        print(one_line(line))
    failed = [check for check in checks if not check.ok]
    bundles = {variant.name: variant.bundle for variant in kit.plan.variants}
    for check in failed:
        print(one_line(f"beyond its limit: bundle {bundles[check.variant]}, {check}"))
    for line in missing:
        print(one_line(f"could not: {line}"))
    print(f"{len(checks)} checks, {len(failed)} beyond their limits, {len(missing)} jobs without an answer")
    print(one_line(f"for the host, generations among it: python -m parity judge --answers {out}"))
    return EXIT_REFUSE if failed else EXIT_NOT_JUDGED if missing or not checks else EXIT_OK


def _machine(answers: Answers) -> Iterator[str]:
    """The device of the last session, and how fast stages are on it."""
    told = list(answers.journal.of(KIT))[-1]["machine"]
    cpu = told["cpu"]
    vectors = "".join(f", {name} vectors of {8 * length} bits" for name, length in cpu["vector_bytes"].items())
    yield f"FP16 compute here: {answers.halves or 'not known, CompiledModel cannot be loaded'}"
    yield f"{cpu['model']} ({told['architecture']}; {' '.join(cpu['features'])}{vectors}), {told['system']}"
    for variant, stage, found in answers.openings():
        took = f"opened in {found['open_s']:.2f} s, first call {found['first_call_s']:.2f} s"
        yield f"{stage}/{variant} alone: {took}, peak {found['peak_bytes'] / 2**20:.0f} MiB"
    for stage, threads, medians, slowed in answers.races():
        told_times = ", ".join(f"{name} {1000 * seconds:.1f} ms" for name, seconds in medians.items())
        noticed = f" (a fixed small job took {slowed:.2f}x as long as at first)" if slowed else ""
        yield f"{stage}, {threads} threads: {told_times}{noticed}"


def _table(checks: list[Verdict]) -> Iterator[str]:
    """The worst check of each stage and variant."""
    cells = [COLUMNS, *(_cells(row) for row in worst_rows(checks))]
    widths = [max(len(row[column]) for row in cells) for column in range(len(COLUMNS))]
    yield from ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells)


def _cells(row: list[Verdict]) -> tuple[str, ...]:
    worst = row[0]
    metric = worst.metric + ("" if worst.step is None else f" step {worst.step}")
    limit = f"{worst.limit:.2e}" if worst.value >= worst.low_limit else f">= {worst.low_limit:.2e}"
    start = (worst.stage, worst.variant, worst.ladder, str(len(row)), metric, worst.case)
    return (*start, f"{worst.value:.2e}", limit, "ok" if worst.ok else "FAIL")


def _parser() -> argparse.ArgumentParser:
    here = own_folder(Path(sys.argv[0]))
    parser = argparse.ArgumentParser(
        prog="python record.pyz", description=__doc__,
        epilog="exit code: 0 all is within its limits, 1 something is not, 2 it could not be recorded or judged",
    )  # fmt: skip
    models = "folder with the kit's bundles by name, where it was packed with --no-models"
    goes_on = "folder for the answers; what was begun there goes on"
    parser.add_argument("--out", type=given_path, default=Path("answers"), help=goes_on)
    parser.add_argument("--kit", type=given_path, default=here, help="the kit; the folder of this file if left out")
    parser.add_argument("--models", type=given_path, help=models)
    parser.add_argument(ALONE, help=argparse.SUPPRESS)
    return parser


def own_folder(recorder: Path) -> Path:
    """The kit a recorder lies in: its folder as it was called, or, where a link outside of any kit was called, the folder the
    link leads to. A kit may itself be made of links to another's files: it is asked its own questions."""
    called, led_to = recorder.absolute().parent, recorder.resolve().parent
    return called if (called / MANIFEST).is_file() else led_to
