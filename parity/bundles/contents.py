"""What a file is made of, from its audit."""

import re
from collections.abc import Iterable

from parity.bundles.audit import Audit, Finding
from parity.bundles.constants import Constant
from parity.measure.arithmetic import FLOAT
from parity.measure.contents import FLOATS, INTEGERS, Contents, Part, Stored

ROTATED = "rotated (Hadamard)"
NUMBER = re.compile(r"(?<=\.)\d+(?=\.)|^\d+(?=\.)")


def contents_of(audit: Audit, stage: str) -> Contents:
    """What an audit found of a stage's file."""
    matched = audit.matched
    return Contents(
        stage=stage,
        file=audit.path.name,
        parts=tuple(_parts(audit.findings)),
        steps=audit.steps,
        wrong=tuple(map(str, audit.wrong)),
        missing=tuple(use.name for use in matched.missing),
        unexplained=tuple(_unexplained(constant) for constant in matched.unexplained),
        numbers=len(matched.numbers),
        loaded=audit.form.loading,
    )


def _parts(findings: Iterable[Finding]) -> Iterable[Part]:
    groups: dict[tuple[str, Stored, bool], list[Constant]] = {}
    for finding in findings:
        groups.setdefault(_alike(finding), []).append(finding.match.constant)
    for (tensors, stored, gain), constants in groups.items():
        values = sum(constant.count for constant in constants)
        yield Part(tensors=tensors, count=len(constants), values=values, stored=stored, gain=gain)


def _alike(finding: Finding) -> tuple[str, Stored, bool]:
    """What tensors of one part have in common: their name but for numbers, how they are stored, whether a gain is in them."""
    constant = finding.match.constant
    stored = Stored(
        storage=constant.storage,
        granularity=constant.granularity,
        symmetric=constant.symmetric,
        fed=constant.fed,
        products=FLOATS if constant.fed == FLOAT else INTEGERS,
        scheme=", ".join(scheme for scheme in (ROTATED if constant.rotated else "", finding.scheme) if scheme),
    )
    return NUMBER.sub("*", finding.match.use.name.partition(",")[0]), stored, finding.match.folded


def _unexplained(constant: Constant) -> str:
    return f"{constant.name} ({constant.storage}{list(constant.shape)})"
