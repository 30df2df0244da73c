"""One generation, or one stage, in a process of its own: what memory it takes, and what opening costs.

`python -m litert_pipeline.run.own_process BUNDLE [--stage NAME] [--threads N]` prints a line of JSON; needs no torch.
"""

import argparse
import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from litert_pipeline.bundle import Bundle, read_bundle
from litert_pipeline.run.pipeline import open_pipeline, open_stage
from reference.spec.errors import exit_with_one_line, raise_process_error
from reference.spec.generation import Request, generate
from reference.spec.memory import peak_resident_bytes
from reference.spec.noise import philox
from reference.spec.sampling.samplers import SamplerSpec
from reference.spec.stages import ALL_STAGES
from reference.spec.tensors import Array, Tensor

PROMPT, SECONDS = "lofi hip hop beat with soft piano, 90 bpm", 11.0


def run_in_own_process(folder: Path, *, stage: str | None = None, threads: int = 1) -> dict[str, Any]:
    """`peak_bytes` (resident) and `total_s` of a whole generation, or of a stage, whose `open_s` it also has.

    Raises InputError with the last error of the process if it failed.
    """
    command = [sys.executable, "-m", "litert_pipeline.run.own_process", str(folder), "--threads", str(threads)]
    done = subprocess.run([*command, *(["--stage", stage] if stage else [])], capture_output=True, text=True, check=False)
    raise_process_error(done.returncode, done.stderr, f"running {folder} alone")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _stage(bundle: Bundle, name: str, threads: int) -> dict[str, float]:
    feed = {tensor.name: _filled(tensor) for tensor in bundle.manifest.stages[name].signature.inputs}
    start = time.perf_counter()
    with open_stage(bundle, name, threads=threads) as run:
        opened = time.perf_counter()
        run(feed)
        return {"open_s": opened - start, "total_s": time.perf_counter() - start}


def _generation(bundle: Bundle, threads: int) -> dict[str, float]:
    start = time.perf_counter()
    with open_pipeline(bundle, threads=threads) as pipeline:
        sampler = SamplerSpec(name=pipeline.samplers[0])
        request = Request(prompt=PROMPT, seconds=SECONDS, sampler=replace(sampler, steps=sampler.usual.few_steps))
        generate(pipeline, request, philox(pipeline.latent_shape, 0))
    return {"total_s": time.perf_counter() - start}


def _filled(tensor: Tensor) -> Array:
    """Numbers as good as any for memory and time."""
    if tensor.dtype != "float32":
        return np.ones(tensor.shape, tensor.dtype)
    return np.random.Generator(np.random.Philox(0)).standard_normal(tensor.shape, np.float32)


def main() -> None:
    """Run, then print what it took."""
    parser = argparse.ArgumentParser(prog="python -m litert_pipeline.run.own_process", description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--stage", choices=ALL_STAGES)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    with exit_with_one_line():
        bundle = read_bundle(options.bundle)
        found = _stage(bundle, options.stage, options.threads) if options.stage else _generation(bundle, options.threads)
    print(json.dumps({**found, "peak_bytes": peak_resident_bytes()}))


if __name__ == "__main__":
    main()
