"""What a trial finds: the float file is quantized by the official quantizer, looked into, run, and held to the truth."""

import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

from litert_pipeline.build.convert import stage_file
from litert_pipeline.build.quantize import QUANTIZERS
from litert_pipeline.bundle import Bundle
from litert_pipeline.model_file import sha256_of_model, size_of_model
from litert_pipeline.run.pipeline import open_stage
from parity.bundles.constants import Constant
from parity.bundles.constants_litert import litert_constants
from parity.measure.arithmetic import FLOAT as FED_FLOAT
from parity.measure.contents import FLOATS, INTEGERS, Part, Stored
from parity.measure.race import race
from parity.measure.teacher_forcing import measure as measure_answers
from parity.measure.teacher_forcing import stage_feed, teacher_forced
from parity.runtimes.environment import cpu_features, cpu_model
from parity.search.places import Asked, Node, Places, node
from parity.search.trial import FLOAT, QUANTIZED, Number, Race, Result, Trial
from reference.spec.errors import InputError
from reference.spec.stages import STAGE_TABLE
from reference.threads import process_threads


def measure(trial: Trial, places: Places) -> Result:
    """The answer to a trial. What the quantizer or the runtime refuses is an answer, too: its `fault`.

    Raises InputError where this machine has not what the trial names.
    """
    here = node(places)
    here.require(trial)
    with tempfile.TemporaryDirectory() as folder, process_threads(places.threads):
        fed = here.fed(trial)
        try:
            file = _quantized(here, trial, Path(folder))
            found = _raced(here, file, trial, trial.race, fed) if trial.race else _distant(here, file, trial, fed)
        except InputError as error:
            return Result(address=trial.address, fault=str(error))
        path = file.path(trial.stage)
        return replace(
            found, size_bytes=size_of_model(path), sha256=sha256_of_model(path), stored=tuple(stored_parts(path))
        )


def machine_kind() -> str:
    """What stands for all machines of this one's kind: what its CPU calls itself, and what of that kernels care about."""
    return f"{cpu_model()} ({' '.join(cpu_features())})"


def _quantized(here: Node, trial: Trial, folder: Path) -> Bundle:
    """A bundle of the stage alone, quantized. Raises InputError where the quantizer refuses."""
    entry = here.bundle.manifest.stages[trial.stage]
    alone = replace(here.bundle.manifest, stages={trial.stage: replace(entry, compute=trial.compute)})
    if not trial.rules:
        return replace(here.bundle, manifest=alone)
    path = folder / entry.file
    QUANTIZERS[here.bundle.manifest.format](here.bundle.path(trial.stage), path, trial.rules, trial.address[:8])
    made = {trial.stage: stage_file(path, entry.signature, trial.compute)}
    return Bundle(folder=folder, manifest=replace(alone, stages=made))


def _distant(here: Node, file: Bundle, trial: Trial, fed: Mapping[str, Asked]) -> Result:
    """Teacher-forced errors, case by case."""
    numbers: list[Number] = []
    with open_stage(file, trial.stage, threads=here.places.threads) as run:
        for case, asked in fed.items():
            answers = teacher_forced(trial.stage, run, asked.trace)
            for one in measure_answers(trial.stage, asked.trace, answers, here.truths.objective):
                numbers.append(Number(case=case, metric=one.metric, value=one.value, step=asked.step(one.step)))
    return Result(address=trial.address, numbers=tuple(numbers))


def _raced(here: Node, file: Bundle, trial: Trial, asked: Race, fed: Mapping[str, Asked]) -> Result:
    """Seconds of a call beside the float file's, in turns. Raises InputError on another kind of machine than was asked for."""
    if asked.machine != machine_kind():
        raise InputError(f"a race is asked for on '{asked.machine}', this machine is '{machine_kind()}'; run it there")
    row = STAGE_TABLE[trial.stage]
    feeds = [stage_feed(trial.stage, one.trace, call) for one in fed.values() for call in range(row.calls(one.trace))]
    with ExitStack() as stack:
        opened = {
            name: stack.enter_context(open_stage(bundle, trial.stage, threads=asked.threads))
            for name, bundle in ((FLOAT, here.bundle), (QUANTIZED, file))
        }
        entrants: dict[str, Callable[[int], object]] = {
            name: partial(lambda run, number: run(feeds[number % len(feeds)]), run) for name, run in opened.items()
        }
        times = race(entrants, max(asked.rounds, len(feeds)))
    return Result(address=trial.address, seconds={name: found.seconds for name, found in times.items()})


def stored_parts(path: Path) -> list[Part]:
    """What the constants of a file's operators are stored as and fed with, by operator; names are the operators'."""
    count: Counter[tuple[str, Stored]] = Counter()
    values: Counter[tuple[str, Stored]] = Counter()
    for constant in litert_constants(path):
        if constant.is_number and constant.consumers:
            key = (constant.consumers[0].operator, _stored(constant))
            count[key] += 1
            values[key] += constant.count
    return [Part(tensors=key[0], count=count[key], values=values[key], stored=key[1]) for key in count]


def _stored(constant: Constant) -> Stored:
    return Stored(
        storage=constant.storage, granularity=constant.granularity, symmetric=constant.symmetric, fed=constant.fed,
        products=FLOATS if constant.fed == FED_FLOAT else INTEGERS,
        scheme=f"rotated by {constant.rotated}" if constant.rotated else "",
    )  # fmt: skip
