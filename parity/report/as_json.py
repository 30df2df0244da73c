"""`report.json`: everything, for programs. Numbers that are not finite are strings, JSON has none."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from parity.explain.swap_matrix import SwapMatrix
from parity.measure.policy import Closeness, Policy
from parity.measure.verdict import json_number
from parity.report.bundle_verdict import BundleVerdict
from parity.report.opened import SCHEMA
from parity.report.report import Report
from reference.spec.stages import GENERATION


def to_json(report: Report) -> dict[str, Any]:
    """The whole report."""
    evidence = report.evidence
    return {
        "schema": SCHEMA,
        "verdict": report.word.lower(),
        "policy": report.policy and _policy(report.policy),
        "bundles": [_bundle(found) for found in report.verdicts()],
        "checks": [check.to_json() for check in report.checks],
        "blame": [asdict(blame) for blame in report.blame()],
        "dit_steps": [_finite(asdict(step)) for step in evidence.steps],
        "decoders": [_finite(asdict(decoder)) for decoder in evidence.decoders],
        "layers": [
            {"variant": variant, "stage": stage, **_finite(asdict(error)), "ok": error.ok}
            for (variant, stage), errors in evidence.layers.items()
            for error in errors
        ],
        "swap": [_swap(matrix) for matrix in evidence.swaps],
        "t5_activations": [_finite(asdict(found)) for found in evidence.activations],
        "warnings": evidence.warnings(),
        "model": asdict(report.model),
        "environment": asdict(report.environment),
        "artifacts": [asdict(artifact) for artifact in report.artifacts],
        "assignments": [asdict(row) for row in report.assignments],
        "devices": [asdict(device) for device in report.devices],
        "left_out": [asdict(variant) for variant in report.left_out],
        "unseen_graphs": [asdict(unseen) for unseen in report.unseen],
        "covered": dict(report.covered),
        "shared": [asdict(stage) for stage in report.shared],
        "latency": [asdict(one) for one in report.latency],
    }


def _bundle(found: BundleVerdict) -> dict[str, Any]:
    return {
        "path": found.bundle.path,
        "name": found.bundle.name,
        "verdict": found.verdict,
        "faithful": found.faithful,
        "close_enough": found.close_enough,
        "distances": [_distance(one) for one in found.close],
        "loaded": [asdict(one) for one in found.loaded],
        "why": found.why,
        "checks": found.checks,
        "failed": found.failed,
        "contenders": list(found.bundle.variants),
        "arithmetic": [stage.to_json() for stage in found.bundle.arithmetic],
    }


def _policy(policy: Policy) -> dict[str, Any]:
    return {"name": policy.name, "about": policy.about, "sha256": policy.sha256}


def _distance(found: Closeness) -> dict[str, Any]:
    """Bars as text, with the digits of the policy."""
    exempt = found.exempt
    return {
        "name": found.bar.distance.name,
        "value": json_number(found.told),
        "bar": str(found.bar),
        "why": found.bar.why,
        "ok": found.ok,
        "check": found.check.id,
        "exempt": exempt and {"bar": str(exempt.bar), "why": exempt.bar.why, "owner": exempt.owner, "until": str(exempt.until)},
    }


def _swap(matrix: SwapMatrix) -> dict[str, Any]:
    distances = {"+".join(name for name in GENERATION if name in swapped): d for swapped, d in matrix.distance_db.items()}
    return {
        "variant": matrix.variant,
        "case": matrix.case,
        "log_mel_distance_db": _finite(distances),
        "share_db": _finite(matrix.share_db),
    }


def _finite(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: json_number(value) for name, value in fields.items()}
