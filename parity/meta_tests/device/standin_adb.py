"""Stand-ins for `adb` and for LiteRT's `benchmark_model`: a folder is the phone, this machine's Interpreter its runtime.

They take what the real ones take, by the rules of the tool's source, and end with 1 where those would. Run as programs.
"""

import re
import shlex
import shutil
import stat
import subprocess
import sys
from pathlib import Path

CPUINFO = "".join(
    f"processor\t: {core}\nFeatures\t: fp asimd atomics fphp asimdhp asimddp {extra}i8mm bf16\nCPU implementer\t: 0x41\n"
    f"CPU part\t: {part}\n\n"
    for core, part, extra in ((0, "0xd80", ""), (1, "0xd82", "sve "))
)
ANSWERS = {
    "cat /proc/cpuinfo": CPUINFO,
    "getprop ro.product.model": "Stand-in\n",
    "getprop ro.build.version.release": "15\n",
    "uname -m": "aarch64\n",
    "cat /sys/class/thermal/thermal_zone*/temp": "31000\n45500\n",
}
SERIAL = "stand-in"
PHONE_C = 45.5  # of its hottest zone
LOG = "log"  # what the tool was asked, a line a call
GONE_AFTER = "gone_after"  # a file that says how many commands the phone still takes


def program(folder: Path, name: str, root: Path) -> Path:
    """A file that runs one of the two below on the phone in `root`."""
    path = folder / name
    home = Path(__file__).parents[3]
    path.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(home)!r})\n"
        "from pathlib import Path\nfrom parity.meta_tests.device import standin_adb\n"
        f"standin_adb.{name}(Path({str(root)!r}), sys.argv[1:])\n"
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def adb(root: Path, words: list[str]) -> None:
    """`push`, `pull` and `shell`, of the one phone there is."""
    if words[0] == "-s":
        if words[1] != SERIAL:
            sys.exit(f"adb: device '{words[1]}' not found")
        words = words[2:]
    _count(root / GONE_AFTER)
    verb, *rest = words
    if verb == "push":
        shutil.copyfile(rest[0], _there(root, rest[1]))
    elif verb == "pull":
        shutil.copyfile(_there(root, rest[0]), rest[1])
    elif verb == "shell":
        _shell(root, " ".join(rest))
    elif verb == "get-state":
        print("device")
    else:
        sys.exit(f"adb: unknown command {verb}")


def _count(left: Path) -> None:
    """One command less, if they are counted."""
    if left.exists():
        if not int(left.read_text()):
            sys.exit("adb: no devices/emulators found")
        left.write_text(str(int(left.read_text()) - 1))


def _shell(root: Path, line: str) -> None:
    """One line, as adb hands it on: quotes are the phone's to read, and what is not quoted may mean something there."""
    words = shlex.split(line, comments=True)
    if ";" in shlex.shlex(line, posix=True, punctuation_chars=True):
        sys.exit(f"/system/bin/sh: {line}: several commands")
    if words[0] == "mkdir":
        _there(root, words[-1]).mkdir(parents=True, exist_ok=True)
    elif words[0] == "rm":
        _there(root, words[-1]).unlink(missing_ok=True)
    elif words[0] == "chmod":
        _there(root, words[-1]).chmod(int(words[1], 8))
    elif words[0].endswith("benchmark_model"):
        sys.exit(subprocess.run([_there(root, words[0]), *words[1:]], check=False).returncode)
    elif line in ANSWERS:
        print(ANSWERS[line], end="")
    else:
        sys.exit(f"/system/bin/sh: {line}: inaccessible or not found")


def _there(root: Path, path: str) -> Path:
    return root / path.lstrip("/")


def benchmark_model(root: Path, words: list[str]) -> None:
    """One call of a graph with the values of files; the tool's own names, order and escapes."""
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter

    given = dict(word.lstrip("-").split("=", 1) for word in words)
    with (root / LOG).open("a") as log:
        log.write(" ".join(words) + "\n")
    if given["xnnpack_force_fp16"] == "true":
        sys.exit("this phone computes nothing in FP16")
    graph = Interpreter(model_path=str(_there(root, given["graph"])), num_threads=int(given["num_threads"]))
    graph.allocate_tensors()
    names, shapes = given["input_layer"].split(","), given["input_layer_shape"].split(":")
    files = dict(_split(pair) for pair in given["input_layer_value_files"].split(","))
    for detail, name, shape in zip(graph.get_input_details(), names, shapes, strict=True):
        if detail["name"] != name or list(detail["shape"]) != [int(axis) for axis in shape.split(",")]:
            sys.exit(f"Tensor {detail['name']} {detail['shape']} is told as {name} {shape}")
        values = np.fromfile(_there(root, files[name]), detail["dtype"]).reshape(detail["shape"])
        graph.set_tensor(detail["index"], values)
    graph.invoke()
    found = [graph.get_tensor(detail["index"]).tobytes() for detail in graph.get_output_details()]
    _there(root, given["output_filepath"]).write_bytes(b"".join(found))
    print("INFO: Inference timings in us: Init: 1, First inference: 2, Warmup (avg): 2, Inference (avg): 2")


def _split(pair: str) -> tuple[str, str]:
    """At the only ':' that is not doubled."""
    at = [match.start() for match in re.finditer(r"::|:", pair) if match.group() == ":"]
    if len(at) != 1:
        sys.exit(f"{pair} contains {len(at)} delimiters")
    return pair[: at[0]].replace("::", ":"), pair[at[0] + 1 :].replace("::", ":")
