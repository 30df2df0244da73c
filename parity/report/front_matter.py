"""The head of `parity-card.md`, as the hub reads it: whose model it is, under which licence, and its distances as metrics.

The hub's library keeps apart what differs in task, data set, configuration, split or revision, and merges what differs in
arguments alone. So whatever tells two rows apart stands in the configuration or in a metric's own name.
"""

from collections.abc import Iterator

from huggingface_hub import EvalResult, ModelCardData

from parity.measure.policy import Closeness
from parity.measure.verdict import json_number
from parity.report.bundle_verdict import NOT_JUDGED, BundleVerdict
from parity.report.report import Report
from reference.spec.errors import one_line

FENCE = "---"
OURS = "stable-audio-parity"  # what the hub calls our cases and everything measured with them
LICENCE, LICENCE_FILE = "stability-ai-community", "LICENSE"  # none of those that the hub has a name for: "other"


def front_matter(report: Report) -> str:
    """YAML between its fences; without metrics where nothing was judged."""
    rows = [row for found in report.verdicts() if found.verdict != NOT_JUDGED for row in _rows(report, found)]
    data = ModelCardData(
        license="other",
        license_name=LICENCE,
        license_link=LICENCE_FILE,
        base_model=report.base_model,
        pipeline_tag=report.model.task,
        tags=[OURS],
        model_name=one_line(_name(report)),
        eval_results=rows or None,
    )
    return f"{FENCE}\n{data.to_yaml().strip()}\n{FENCE}"


def _name(report: Report) -> str:
    folders = [bundle.folder for bundle in report.bundles]
    return folders[0] if len(folders) == 1 else "converted models"


def _rows(report: Report, found: BundleVerdict) -> Iterator[EvalResult]:
    """How many checks of a bundle failed, and how far it is from the original."""
    yield _row(report, found, "failed_checks", found.failed, {"of": found.checks})
    for one in found.close:
        yield _row(report, found, one.bar.distance.name, json_number(one.told), _arguments(report, one))


def _row(report: Report, found: BundleVerdict, metric: str, value: object, arguments: dict[str, object]) -> EvalResult:
    return EvalResult(
        task_type=report.model.task,
        dataset_type=OURS,
        dataset_name="Distances to the float64 reference",
        dataset_config=one_line(f"{found.bundle.name}, {_where(report)}"),
        dataset_revision=report.model.weights_sha256,
        metric_type=metric,
        metric_name=metric.replace("_", " "),
        metric_value=value,
        metric_args=arguments,
    )


def _where(report: Report) -> str:
    """The device that answered, or the kind of machine that ran it here."""
    return ", ".join(device.name for device in report.devices) or report.environment.cpu_arch


def _arguments(report: Report, one: Closeness) -> dict[str, object]:
    policy = {"policy": report.policy.name} if report.policy else {}
    return {"worst in": one.place, "asked for": str(one.bar), **policy}
