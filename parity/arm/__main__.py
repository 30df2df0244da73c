"""`python -m parity.arm --page docs/arm.md`: asks one kit on emulated Arm CPUs, judges the answers and writes the page."""

import argparse
import sys
import time
from pathlib import Path

from parity.arm.asked import Found
from parity.arm.matrix import MATRIX, TWINS, Matrix, without_atomics
from parity.arm.page import page
from parity.device.apt import EmulatorError
from parity.device.arm_python import arm_folder, install_arm
from parity.truth.store import Store
from reference.spec.errors import InputError, exit_with_one_line
from reference.spec.files import check_file, new_file


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m parity.arm", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out/arm"), help="folder for the kits and the answers")
    parser.add_argument("--page", type=Path, help="file to write the page to, such as docs/arm.md")
    parser.add_argument("--cpus", default=",".join((*MATRIX, *TWINS)), help="which CPUs, comma-separated")
    options = parser.parse_args()
    with exit_with_one_line("the Arm matrix"):
        _run(_matrix(options.out.absolute(), options.cpus.split(",")), options.page)


def _matrix(folder: Path, names: list[str]) -> Matrix:
    unknown = [name for name in names if name not in (*MATRIX, *TWINS)]
    if unknown:
        raise InputError(f"CPU '{unknown[0]}' is unknown; valid CPUs: {', '.join((*MATRIX, *TWINS))}")
    chosen = [[name for name in own if name in names] for own in (MATRIX, TWINS)]
    return Matrix(folder=folder, cpus=chosen[0], twins=chosen[1])


def _run(matrix: Matrix, where: Path | None) -> None:
    begun = time.perf_counter()

    def say(text: str) -> None:
        print(f"{time.perf_counter() - begun:6.0f} s  {text}", flush=True)

    if where is not None:
        check_file(where, force=True, reads=())
    try:
        install_arm(arm_folder())
    except EmulatorError as error:
        sys.exit(f"no Arm emulator: {error}")
    say("the emulator and its Python are there")
    matrix.folder.mkdir(parents=True, exist_ok=True)
    store = Store.of_user()
    matrix.make_kits(store, say)
    whole, again, twins = matrix.record(say)
    report = matrix.judge(store, say)
    said = without_atomics(matrix.kit)
    text = page(Found(report=report, whole=whole, again=again, twins=twins, without_atomics=said))
    if where is None:
        print(text)
    else:
        with new_file(where, force=True) as file:
            file.write_text(text, encoding="utf-8")
        say(f"wrote {where}")


if __name__ == "__main__":
    main()
