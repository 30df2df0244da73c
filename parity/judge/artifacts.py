"""Whether a bundle's files are those its manifest and the model dir say. Nothing is run."""

from litert_pipeline.build.convert import declared_sampler, source_of
from litert_pipeline.bundle import Bundle
from parity.measure.verdict import ARTIFACT, Verdict
from reference.model_files import SPIECE_NAME
from reference.pipeline import Model
from reference.spec.files import sha256_of

REASONS = {
    "altered_file": "the file's SHA-256 must be the one in the manifest",
    "foreign_tokenizer": "the bundle's SentencePiece model must be the model dir's",
    "foreign_model": "config, weights and T5 the bundle was converted from must be the model dir's",
    "foreign_sampler": "sampler, levels and level shift in the manifest must be those the model is sampled with",
}


def artifact_checks(bundle: Bundle, model: Model) -> list[Verdict]:
    """One verdict per file and claim."""
    manifest = bundle.manifest
    declared = (dict(manifest.sampler), manifest.level_shift)
    faults = {
        ("conditioner", "foreign_tokenizer"): sha256_of(bundle.tokenizer_path)
        != sha256_of(model.t5_folder / SPIECE_NAME),
    }
    if manifest.source is not None:  # what a bundle made elsewhere does not claim cannot be wrong
        faults["bundle", "foreign_model"] = manifest.source != source_of(model)
        faults["sampler", "foreign_sampler"] = declared != (declared_sampler(), model.spec.level_shift)
        faults |= {(stage, "altered_file"): bundle.altered(stage) for stage in manifest.stages}
    return [
        Verdict(
            stage=stage, variant=manifest.recipe, case="-", ladder=ARTIFACT, metric=metric,
            value=float(fault), limit=0.0, why=REASONS[metric],
        )
        for (stage, metric), fault in faults.items()
    ]  # fmt: skip
