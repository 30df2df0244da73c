"""What Arm's audiogen app would do with a bundle: `python -m parity contract`.

The app finds tensors by place and checks next to nothing, so a bundle may be right in every number and still make it play
noise, or write past a buffer. Nothing is run here but what probing needs.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from litert_pipeline.binding import Match
from litert_pipeline.bundle import Bundle
from litert_pipeline.run.probe import require_loadable
from parity.bundles.app import COMPILED, ENCODER_FILE, FILES, REVISIONS, Place, Revision
from parity.bundles.foreign import read_foreign
from parity.bundles.interface import FileTensor, Interface, read_interface
from parity.measure.teacher_forcing import CONDITIONING
from reference.model_files import SPIECE_NAME
from reference.pipeline import read_outline, t5_folder
from reference.progress import coloured
from reference.spec.files import sha256_of
from reference.spec.model import ModelSpec
from reference.spec.stages import CONDITIONER, DECODER, ENCODER, signatures

SCHEMA = 1  # of what programs read


@dataclass(frozen=True, kw_only=True)
class Reached:
    """What the app finds at a place: the tensor there and what it really is, or None past the last one."""

    place: Place
    name: str | None
    holds: str | None
    shape: tuple[int | None, ...]
    dtype: str
    wrong: str | None

    @property
    def ok(self) -> bool:
        return self.wrong is None

    def to_json(self) -> dict[str, Any]:
        """All of it, for programs."""
        return {**asdict(self), "place": self.place._asdict(), "ok": self.ok}


@dataclass(frozen=True, kw_only=True)
class Contract:
    """A bundle seen by every revision of the app, and what does not depend on the revision."""

    reached: dict[str, list[Reached]]
    general: list[str]
    notes: list[str]
    constants: list[str]

    @property
    def fitting(self) -> list[str]:
        """Revisions that run the bundle as it is."""
        return [] if self.general else [name for name, found in self.reached.items() if all(r.ok for r in found)]

    def to_json(self) -> dict[str, Any]:
        """All of it, for programs."""
        return {
            "schema": SCHEMA,
            "fits": self.fitting,
            "wrong_in_all": self.general,
            "notes": self.notes,
            "constants": self.constants,
            "revisions": {name: [one.to_json() for one in found] for name, found in self.reached.items()},
        }


def contract(folder: Path, model_dir: Path) -> Contract:
    """Check a folder with the app's file names. Raises InputError if its files are no stages of the model."""
    require_loadable(folder)
    bundle = read_foreign(folder, model_dir)
    files, spec, _ = read_outline(model_dir)
    interfaces = {stage: read_interface(bundle.path(stage)) for stage in FILES}
    return Contract(
        reached={
            revision.name: [_reached(revision, place, interfaces[place.stage], bundle, spec) for place in revision.places]
            for revision in REVISIONS
        },
        general=list(_general(bundle, t5_folder(files, spec) / SPIECE_NAME)),
        notes=list(_notes(bundle, spec)),
        constants=list(_constants(bundle)),
    )


def contract_table(found: Iterable[Reached], revision: str) -> Table:
    """Place, name and role, and what goes wrong, for a terminal."""
    table = Table(title=f"audiogen {revision}", title_justify="left")
    for title in ("file", "place", "constant", "the app expects", "finds", "called", "what the app would do"):
        table.add_column(title)
    for entry in found:
        place = entry.place
        verdict = coloured("right", "green") if entry.wrong is None else coloured(entry.wrong, "red")
        where = f"{place.kind} {place.position}"
        there = f"{entry.dtype} {list(entry.shape)}" if entry.name is not None else "nothing"
        wanted, finds = f"{place.tensor}, {place.dtype}", f"{entry.holds or '-'}, {there}"
        table.add_row(FILES[place.stage], where, place.constant, wanted, finds, entry.name or "-", verdict)
    return table


def _constants(bundle: Bundle) -> Iterable[str]:
    """The lines of the app's source that find the bundle's tensors."""
    for place in REVISIONS[0].places:
        matches = _matches(bundle, place.stage, place.kind)
        position = next(match.position for match in matches if match.ours.name == place.tensor)
        if place.constant.startswith("k_"):
            yield f"constexpr size_t {place.constant} = {position};"


def _reached(revision: Revision, place: Place, interface: Interface, bundle: Bundle, spec: ModelSpec) -> Reached:
    """What is at a place, and what follows from it."""
    there = sorted(interface.inputs if place.kind == "input" else interface.outputs, key=revision.position)
    if place.position >= len(there):
        wrong = f"reads the index behind the last of {len(there)} {place.kind}s: undefined, most likely a crash"
        return Reached(place=place, name=None, holds=None, shape=(), dtype="-", wrong=wrong)
    tensor = there[place.position]
    matches = _matches(bundle, place.stage, place.kind)
    holds = next((match.ours.name for match in matches if match.position == tensor.position), None)
    consequence = _consequence(revision, place, tensor, holds, spec)
    return Reached(place=place, name=tensor.name, holds=holds, shape=tensor.shape, dtype=tensor.dtype, wrong=consequence)


def _consequence(revision: Revision, place: Place, found: FileTensor, holds: str | None, spec: ModelSpec) -> str | None:
    """What the app does wrong at a place, or None."""
    if holds != place.tensor:
        return _wrong_tensor(revision, place, found, holds, spec)
    return _wrong_dtype(revision, place, found) if found.dtype != place.dtype else None


def _wrong_dtype(revision: Revision, place: Place, found: FileTensor) -> str:
    """The Interpreter hands out no pointer of another type; of CompiledModel's buffer nobody asks for the type."""
    if revision.api != COMPILED:
        return f"asks for {place.dtype} and is given no buffer, because the tensor is {found.dtype}: a crash on the first write"
    values = _values(found.shape)
    written, there = (values * np.dtype(dtype).itemsize for dtype in (place.dtype, found.dtype))
    return (
        f"takes a buffer of {found.dtype} for {place.dtype} and writes {written} bytes into {there}, past its end; read as "
        f"{found.dtype}, every other value is 0: another prompt"
    )


def _wrong_tensor(revision: Revision, place: Place, found: FileTensor, holds: str | None, spec: ModelSpec) -> str:
    """It copies as many values as the tensor it takes for the right one has, from or to buffers of the right ones."""
    other = holds or "a tensor that no stage has"
    if place.kind == "output":
        return f"reads {other} as {place.tensor}"
    values, wanted = _values(found.shape), _wanted(place.tensor, spec)
    if revision.counts_values and values != wanted:
        return f"stops: {wanted} values of {place.tensor} are due and {other} has {values}"
    if place.tensor in CONDITIONING and values > wanted:
        return f"copies {values} values of {place.tensor}, which has {wanted}, into {other}: reads past its end"
    if place.tensor == "x" and values > wanted:
        return f"takes {other} for x and updates {values} values of the velocity, which has {wanted}: writes past its end"
    return f"writes {place.tensor} into {other}: noise"


def _wanted(name: str, spec: ModelSpec) -> int:
    tensors = (tensor for signature in signatures(spec).values() for tensor in signature.inputs)
    return next(_values(tensor.shape) for tensor in tensors if tensor.name == name)


def _values(shape: Iterable[int | None]) -> int:
    return int(np.prod([axis or 1 for axis in shape]))


def _general(bundle: Bundle, spiece: Path) -> Iterable[str]:
    """What no revision can do without."""
    for stage, name in FILES.items():
        if bundle.manifest.stages[stage].file != name:
            yield f"opens '{name}' for the {stage}, which is called '{bundle.manifest.stages[stage].file}' here: it stops"
    own = bundle.folder / SPIECE_NAME
    if not own.is_file():
        yield f"opens '{SPIECE_NAME}', which is not in the folder: it stops"
    elif sha256_of(own) != sha256_of(spiece):
        yield f"tokenizes with a '{SPIECE_NAME}' that is not the model's: other tokens, another sound"
    (audio,) = (match.theirs.shape for match in _matches(bundle, DECODER, "output"))
    if 2 not in audio[:-1]:
        yield f"takes the first half of the decoded samples for the left channel; theirs are {list(audio)}, so channels mix"


def _matches(bundle: Bundle, stage: str, kind: str) -> tuple[Match, ...]:
    """What the inputs or outputs of a stage's file stand for."""
    binding = bundle.manifest.stages[stage].binding
    assert binding is not None, "files without a manifest have one"
    return binding.inputs if kind == "input" else binding.outputs


def _notes(bundle: Bundle, spec: ModelSpec) -> Iterable[str]:
    """What the app does whatever the bundle."""
    ids = next(match for match in _matches(bundle, CONDITIONER, "input") if match.ours.name == "input_ids")
    tokens = ids.theirs.shape[-1]
    longest = spec.prompt.max_length
    otherwise = f", so prompts of {longest + 1} to {tokens} sound otherwise" if tokens > longest else ""
    counting, careless = _named(lambda one: one.counts_ids), _named(lambda one: not one.counts_ids)
    yield (
        f"its buffer of ids holds {tokens}: a prompt of more tokens, EOS included, is written past its end ({careless}) "
        f"or stops it ({counting}); the reference cuts at {longest}{otherwise}"
    )
    yield f"an empty prompt stops it ({_named(lambda one: one.takes_options)}) or reads the id before the first: undefined"
    yield (
        f"it asks for 10 s, or for as many whole seconds as -l says ({_named(lambda one: one.takes_options)}), and writes all "
        f"{spec.sample_size} samples ({spec.window_s:.2f} s), unclamped"
    )
    for stage in (DECODER, ENCODER):
        yield f"it computes the {stage} in FP16, whatever is asked for ({_named(partial(_halves, stage))})"
    if ENCODER in bundle.manifest.stages and bundle.manifest.stages[ENCODER].file != ENCODER_FILE:
        yield f"with -i it opens '{ENCODER_FILE}', which is called '{bundle.manifest.stages[ENCODER].file}' here: it stops"


def _halves(stage: str, revision: Revision) -> bool:
    return stage in revision.half


def _named(fitting: Callable[[Revision], bool]) -> str:
    return ", ".join(revision.name for revision in REVISIONS if fitting(revision))
