"""A kit for devices: `python -m parity pack`. What is asked, what is right, and how far off it may be, beside the files."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from litert_pipeline.bundle import MANIFEST_NAME, Bundle
from litert_pipeline.described import described
from parity.bundles.given import given_bundles
from parity.device.packed import Packing
from parity.device.record.arrays import Arrays
from parity.device.record.kit import ARRAYS, BUNDLES, HALF_ROW, RECORDER
from parity.device.record.open_part import KERNELS
from parity.device.record.plan import Check, Plan, write_plan
from parity.device.rehearse import rehearse
from parity.device.zipped import write_recorder
from parity.judge.judge import LARGE_REPEATS, REPEATS, Judge
from parity.judge.lineup import chosen, labelled
from parity.judge.plan import Plan as GatePlan
from parity.measure.cases import case_ids, load_cases
from parity.measure.sweep import Sweep
from parity.runtimes import REFERENCES
from parity.runtimes.half_compute import HALF_FILE
from parity.truth.store import Store
from reference.progress import Say, numbered
from reference.spec.errors import InputError
from reference.spec.files import new_folder, sha256_of

LITERT = "litert"


@dataclass(frozen=True, kw_only=True)
class PackOptions:
    """What to pack. `models`: whether the bundles' files are packed, too. Limits are measured with the first of `threads`.
    `repeats`: how often equal inputs are asked, as often as the gate does if it is not said. `generations`: whether anything is
    generated from prompt to audio."""

    model: Path
    bundles: list[Path]
    out: Path
    variants: list[str] | None
    cases: list[str] | None
    threads: tuple[int, ...]
    rounds: int
    models: bool
    force: bool
    sweep: Sweep = field(default_factory=Sweep)
    repeats: int | None = None
    generations: bool = True


@dataclass(frozen=True, kw_only=True)
class Packed:
    """What was written."""

    kit_id: str
    plan: Plan
    size_bytes: int
    planted: int  # faults that the limits have caught before

    def __str__(self) -> str:
        plan = self.plan
        calls = sum(len(question.calls) for _, part in plan.own_parts for question in plan.questions_for(part))
        return (
            f"kit {self.kit_id[:12]}: {len(plan.cases)} cases, {len(plan.own_parts)} stages of {len(plan.variants)} variants, "
            f"{calls} calls, {len(plan.checks)} limits, {self.size_bytes / 1e6:.1f} MB; {self.planted} planted faults were caught"
        )


def pack(options: PackOptions, store: Store, say: Say) -> Packed:
    """Write a kit, whole or not at all. Raises InputError for bad input, and where limits would let a fault pass."""
    case_ids(options.cases)  # tells an unknown one, before minutes go into limits
    with new_folder(options.out, "kit", options.force, (options.model, *options.bundles)) as folder:
        bundles = given_bundles(options.bundles, options.model)
        _require_packable(bundles)
        with Judge.of(options.model, bundles, options.threads[0], store) as judge:
            plan = _plan(options, judge, folder, say)
        say("rehearsing it")
        planted = rehearse(plan, Arrays(folder=folder / ARRAYS))
        kit_id = write_plan(plan, folder)
        size_bytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return Packed(kit_id=kit_id, plan=plan, size_bytes=size_bytes, planted=planted)


def _require_packable(bundles: list[Bundle]) -> None:
    """Raise InputError for a bundle that no device runs with LiteRT."""
    if not bundles:
        raise InputError("no bundle to pack; give one with --bundle")
    for bundle in bundles:
        if bundle.manifest.format != LITERT:
            raise InputError(f"{bundle.folder}: is an {bundle.manifest.format} bundle; a kit is run by LiteRT alone")


def _plan(options: PackOptions, judge: Judge, folder: Path, say: Say) -> Plan:
    """Everything the kit says; its arrays and files are written on the way."""
    spec = judge.model.spec
    gate = _asked(options, judge)
    names = _names(judge)
    arrays = Arrays(folder=folder / ARRAYS, squeeze=True)
    packing = Packing(plan=gate, arrays=arrays, bundles=_bundle_of(gate, names), objective=spec.objective)
    say(f"computing the truth of {len(gate.cases)} cases, and of what is drawn")
    variants = packing.variants()
    rights = packing.rights(variants)
    questions = packing.asked(variants)
    checks: list[Check] = []
    for place, variant in numbered(variants):
        say(f"measuring the limits of {variant.name}, {place}")
        checks += packing.checks([variant])
    bundles = {names[id(bundle)]: bundle for bundle in _packed_bundles(gate)}
    return Plan(
        model=judge.model.files.weights_sha256(), objective=spec.objective, threads=options.threads,
        repeats=options.repeats or (LARGE_REPEATS if judge.model.large else REPEATS), rounds=options.rounds,
        draws=options.sweep.draws, seed=options.sweep.seed, cases=[case.id for case in gate.cases],
        variants=variants, questions=questions, rights=rights, checks=checks,
        generations=packing.generations() if options.generations else [],
        hashes={name: _hashes(bundle, judge) for name, bundle in bundles.items()},
        files=_files(options, bundles, folder),
        described={name: described(bundle.manifest) for name, bundle in bundles.items() if bundle.manifest.source is None},
    )  # fmt: skip


def _asked(options: PackOptions, judge: Judge) -> GatePlan:
    """The gate's own plan for what is asked on the device."""
    contenders = chosen(options.variants, judge.contenders)
    own = [name for name in contenders if name not in REFERENCES]
    cases = load_cases(judge.model.tokenizer, judge.model.spec, options.cases)
    if any(case.request.guidance.scale != 1 for case in cases):
        raise InputError(
            f"{judge.model.files.config}: the model is sampled with guidance, whose second call and negative prompt a kit does "
            "not ask for yet; judge its bundles here, with 'python -m parity gate'"
        )
    plan = GatePlan.of(judge, own, cases, options.sweep)
    if plan.refused:
        raise InputError(f"{', '.join(plan.refused)}: its operators are refused, 'python -m parity gate' says which; not packed")
    foreign = [name for name in own if judge.contenders[name].runtime.name not in KERNELS]
    assert not foreign, "only LiteRT's runtimes run a LiteRT bundle"
    return plan


def _names(judge: Judge) -> Mapping[int, str]:
    """What each bundle's folder in the kit is called: its label or, where that is a path, its recipe and a number."""
    found = {}
    for number, (label, bundle) in enumerate(labelled(judge.contenders)):
        found[id(bundle)] = f"{bundle.manifest.recipe}-{number}" if set(label) & set("/\\") else label
    return found


def _packed_bundles(gate: GatePlan) -> list[Bundle]:
    """The bundles that are run, each once."""
    run = [gate.judge.contenders[name].bundle for name in gate.variants]
    return list({id(bundle): bundle for bundle in run if bundle is not None}.values())


def _bundle_of(gate: GatePlan, names: Mapping[int, str]) -> Mapping[str, str]:
    return {name: names[id(gate.judge.contenders[name].bundle)] for name in gate.variants}


def _hashes(bundle: Bundle, judge: Judge) -> Mapping[str, str]:
    return {stage: judge.files.sha256(bundle, stage) for stage in bundle.manifest.stages}


def _files_of(bundle: Bundle) -> list[str]:
    """The files of a bundle that lie in its folder: of one made elsewhere no manifest, and no tokenizer that is the model's."""
    manifest = bundle.manifest
    files = dict.fromkeys(entry.file for entry in manifest.stages.values())
    told = (MANIFEST_NAME, manifest.tokenizer_file, *files)
    return [name for name in told if Path(name).name == name and (bundle.folder / name).is_file()]


def _files(options: PackOptions, bundles: Mapping[str, Bundle], folder: Path) -> Mapping[str, str]:
    """Write the recorder and copy the bundles; SHA-256 by path."""
    write_recorder(folder / RECORDER)
    shutil.copyfile(HALF_FILE, folder / HALF_ROW)
    found = {name: sha256_of(folder / name) for name in (RECORDER, HALF_ROW)}
    for name, bundle in bundles.items():
        for file in _files_of(bundle):
            place = f"{BUNDLES}/{name}/{file}"
            found[place] = sha256_of(bundle.folder / file)
            if options.models:
                (folder / place).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(bundle.folder / file, folder / place)
    return found
