"""Whether a bundle's files are those its manifest and the model dir say. Nothing is run."""

from collections.abc import Iterable

from litert_pipeline.build.recipes import recipe_called
from litert_pipeline.bundle import Bundle
from parity.bundles.arithmetic import claimed
from parity.bundles.files import Files
from parity.judge.claims import Claim, bundle_claims, sampler_claims, source_claims, stage_claims
from parity.measure.verdict import ARTIFACT, Verdict
from reference.pipeline import Model, StageModel
from reference.spec.files import sha256_of
from reference.spec.stages import CONDITIONER

REASONS = {
    "altered_file": "the file's SHA-256, with its external data, must be the one in the manifest",
    "false_claims": "every field of the manifest must be true",
    "impure_operators": "the answer must follow from the inputs alone, in every call, by operators that the runtime has",
    "other_arithmetic": "the file must store its weights as its recipe says",
    "foreign_tokenizer": "the bundle's SentencePiece model must be the model dir's",
    "foreign_model": "config, weights and T5 the bundle was converted from must be the model dir's",
    "foreign_sampler": "sampler, levels and level shift in the manifest must be those the model is sampled with",
}


def artifact_checks(bundle: Bundle, model: StageModel, label: str, files: Files) -> list[Verdict]:
    """One verdict per file and claim; the bundle is called `label`."""
    manifest = bundle.manifest
    found = [_tokenizer(bundle, model, label)] if isinstance(model, Model) else []
    found += [_purity(bundle, stage, label, files) for stage in manifest.stages]
    if manifest.source is None:  # what a bundle made elsewhere does not claim cannot be wrong
        return found
    found += [
        _claims(label, "bundle", "foreign_model", source_claims(bundle, model)),
        _claims(label, "bundle", "false_claims", bundle_claims(bundle, model)),
    ]
    if isinstance(model, Model):
        found.append(_claims(label, "sampler", "foreign_sampler", sampler_claims(bundle, model)))
    for stage, entry in manifest.stages.items():
        altered = files.sha256(bundle, stage) != entry.sha256
        found += [
            _verdict(label, stage, "altered_file", altered),
            _claims(label, stage, "false_claims", stage_claims(bundle, stage, model)),
            _arithmetic(bundle, stage, label, files),
        ]
    return found


def _claims(label: str, stage: str, metric: str, claims: Iterable[Claim]) -> Verdict:
    """How many of the claims are false; each is told."""
    false = [claim for claim in claims if claim.false]
    return _verdict(label, stage, metric, len(false), "".join(f"; {claim}" for claim in false))


def _purity(bundle: Bundle, stage: str, label: str, files: Files) -> Verdict:
    """Whether the file's graph is a function. One of its draws may be handed in, where the stage takes noise."""
    operators = files.impure(bundle, stage)
    told = f"; {bundle.manifest.stages[stage].file} {operators}" if operators.count else ""
    return _verdict(label, stage, "impure_operators", operators.count, told)


def _tokenizer(bundle: Bundle, model: Model, label: str) -> Verdict:
    another = sha256_of(bundle.tokenizer_path) != sha256_of(model.text_files()["tokenizer"])
    told = f"; tokenizer.file is {bundle.manifest.tokenizer_file}" if another else ""
    return _verdict(label, CONDITIONER, "foreign_tokenizer", another, told)


def _arithmetic(bundle: Bundle, stage: str, label: str, files: Files) -> Verdict:
    """Whether the file stores what its recipe says; the name of somebody's own recipe says nothing."""
    recipe, found = recipe_called(bundle.manifest.recipe), files.arithmetic(bundle, stage)
    if recipe is None or found == claimed(recipe, stage):
        return _verdict(label, stage, "other_arithmetic", 0)
    told = f"; found {found}, expected {claimed(recipe, stage)} of recipe {recipe.name}"
    return _verdict(label, stage, "other_arithmetic", 1, told)


def _verdict(label: str, stage: str, metric: str, faults: int, cause: str = "") -> Verdict:
    return Verdict(
        stage=stage, variant=label, case="-", ladder=ARTIFACT, metric=metric, value=float(faults), limit=0.0,
        why=REASONS[metric] + cause,
    )  # fmt: skip
