"""Answers as they come back: whose, to which kit, of which files. What does not belong together is refused."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from litert_pipeline.bundle import MANIFEST_NAME, Bundle
from parity.bundles.files import Files
from parity.device.record.answers import Answers, read_answers
from parity.device.record.arrays import Arrays, Reference
from parity.device.record.kit import BUNDLES
from parity.device.record.plan import Plan, Variant
from parity.judge.recorded import Recorded
from parity.measure.asked import Digest
from parity.runtimes import RUNTIMES, Contender
from reference.spec.errors import InputError
from reference.spec.files import sha256_of
from reference.spec.tensors import Tensors

NAMED = 3  # that a sentence lists


@dataclass(frozen=True, kw_only=True)
class Stored(Mapping[Digest, Tensors]):
    """Answers by digest, read when they are asked for."""

    references: Mapping[Digest, Mapping[str, Reference]]
    arrays: Arrays

    def __getitem__(self, digest: Digest) -> Tensors:
        return {name: self.arrays.of(reference) for name, reference in self.references[digest].items()}

    def __iter__(self) -> Iterator[Digest]:
        return iter(self.references)

    def __len__(self) -> int:
        return len(self.references)


@dataclass(frozen=True, kw_only=True)
class Received:
    """The answers of one device, called `name`, and the bundles they are about by what the kit calls them. `suffix` is behind the
    names of its variants where there are several devices."""

    name: str
    suffix: str
    answers: Answers
    bundles: Mapping[str, Bundle]

    @property
    def called(self) -> Mapping[str, str]:
        """What its variants are called here, by their names in the kit."""
        return {variant.name: f"{variant.name}{self.suffix}" for variant in self.answers.plan.variants}

    def contenders(self) -> dict[str, Contender]:
        """Its variants, to be judged."""
        runtimes = {row.runtime.name: row.runtime for row in RUNTIMES}
        return {
            self.called[one.name]: Contender(
                name=self.called[one.name], runtime=runtimes[one.kernels], bundle=self.bundles[one.bundle], compute=one.compute
            )
            for one in self.answers.plan.variants
        }

    def sources(self, contenders: Mapping[str, Contender], files: Files) -> dict[str, Recorded]:
        """Who answers for them."""
        variants = self.answers.plan.variants
        return {self.called[one.name]: self._source(one, contenders[self.called[one.name]], files) for one in variants}

    def unanswered(self) -> dict[str, str]:
        """Why variants cannot be judged, by what they are called here: what the device did not answer."""
        missing, told = self.answers.missing(), self.answers.journal.faults
        found = {}
        for one in self.answers.plan.variants:
            needed = (f"generation/{one.name}/", *(f"{part.judged_as}/{part.stage}/" for part in one.parts))
            own = [job for job in missing if any(part in job for part in needed)]
            if own:
                why = "; ".join(f"{job}{f' ({told[job]})' if job in told else ''}" for job in own[:NAMED])
                found[self.called[one.name]] = f"{self.name} left {len(own)} jobs without an answer: {why}"
        return found

    def _source(self, variant: Variant, contender: Contender, files: Files) -> Recorded:
        bundle, stages = self.bundles[variant.bundle], {part.stage: part.judged_as for part in variant.parts}
        first = self.answers.plan.threads[0]
        counted = {stage: self.answers.unequal(judged_as, stage, first) for stage, judged_as in stages.items()}
        return Recorded(
            bundle=bundle,
            arithmetics={
                stage: files.arithmetic(bundle, stage, contender.computed_in(stage)).on(self.answers.halves) for stage in stages
            },
            answers={
                stage: Stored(references=dict(self.answers.references(judged_as, stage)), arrays=self.answers.arrays)
                for stage, judged_as in stages.items()
            },
            unequal={stage: unequal for stage, unequal in counted.items() if unequal is not None},
            files={stage: (self.name, judged_as, stage) for stage, judged_as in stages.items()},
        )


def receive(folders: Sequence[Path], bundles: Sequence[Bundle], files: Files) -> list[Received]:
    """The answers in `folders`, one device each.

    Raises InputError for answers that were edited, to several kits or given twice, or of files that are in none of `bundles`.
    """
    for number, folder in enumerate(folders):
        if any(folder.resolve() == other.resolve() for other in folders[:number]):
            raise InputError(f"{folder}: is given twice; give each recording once")
    found = [read_answers(folder) for folder in folders]
    for folder, answers in zip(folders, found, strict=True):
        if answers.kit_id != found[0].kit_id:
            raise InputError(
                f"{folder}: answers kit {answers.kit_id[:12]}, {folders[0]} answers {found[0].kit_id[:12]}; "
                "devices stand side by side with answers to one kit"
            )
        answers.require_intact()
    own = _bundles(folders[0], found[0], bundles, files)
    names = _names(folders)
    return [
        Received(name=name, suffix=f"@{name}" if len(found) > 1 else "", answers=answers, bundles=own)
        for name, answers in zip(names, found, strict=True)
    ]


def _bundles(folder: Path, answers: Answers, bundles: Sequence[Bundle], files: Files) -> dict[str, Bundle]:
    """The bundles of a kit, by its names: those whose files have the hashes it was packed with, the manifest among them."""
    found: dict[str, Bundle] = {}
    for name in answers.plan.hashes:
        hashes = _packed(answers.plan, name)
        fitting = [bundle for bundle in bundles if _hashes(bundle, files) == hashes]
        if not fitting:
            raise InputError(f"{folder}: answers are to bundle '{name}', {_unlike(hashes, bundles, files)}")
        unused = [bundle for bundle in fitting if not any(bundle is used for used in found.values())]
        found[name] = (unused or fitting)[0]  # of two with the same files each has its own
    idle = [bundle for bundle in bundles if not any(bundle is used for used in found.values())]
    if idle:
        raise InputError(f"{idle[0].folder}: {folder} has no answers of it; give the bundles that were packed alone")
    return found


def _packed(plan: Plan, name: str) -> dict[str, str]:
    """The hashes of a bundle of the kit, by stage, and of its manifest, by that file's name."""
    told = plan.files.get(f"{BUNDLES}/{name}/{MANIFEST_NAME}")
    return {**plan.hashes[name], **({} if told is None else {MANIFEST_NAME: told})}


def _hashes(bundle: Bundle, files: Files) -> dict[str, str]:
    """The same of a bundle that is here."""
    manifest = bundle.folder / MANIFEST_NAME
    own = {MANIFEST_NAME: sha256_of(manifest)} if manifest.is_file() else {}
    return {**{stage: files.sha256(bundle, stage) for stage in bundle.manifest.stages}, **own}


def _unlike(hashes: Mapping[str, str], bundles: Sequence[Bundle], files: Files) -> str:
    """How the bundle that is most like one differs from it, and what to do."""
    if not bundles:
        return "which was not given; give it with --bundle, as 'kit/bundles' has it"
    shared = [sum(_hashes(bundle, files).get(stage) == sha256 for stage, sha256 in hashes.items()) for bundle in bundles]
    nearest = bundles[shared.index(max(shared))]
    own = _hashes(nearest, files)
    unlike = next(one for one in {**hashes, **own} if own.get(one) != hashes.get(one))
    packed, there = (found.get(unlike, "none")[:12] for found in (hashes, own))
    return (
        f"whose {unlike} has SHA-256 {packed}, {nearest.folder} has {there}; "
        "give the bundle that was packed, as 'kit/bundles' has it"
    )


def _names(folders: Sequence[Path]) -> list[str]:
    """What devices are called: their folders' names or, where two are the same, paths."""
    names = [folder.absolute().name for folder in folders]
    return [name if names.count(name) == 1 else str(folder) for name, folder in zip(names, folders, strict=True)]
