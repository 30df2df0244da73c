"""What a file is made of, as a value that needs neither the file nor the model: for verdicts, the report and a terminal."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from parity.bundles.audit import Audit, Finding
from parity.bundles.constants import Constant
from parity.measure.arithmetic import FLOAT
from parity.measure.file_limits import HALF_STEP

NUMBER = re.compile(r"(?<=\.)\d+(?=\.)|^\d+(?=\.)")
INTEGERS, FLOATS = "integers", "floats"  # what products are made of


@dataclass(frozen=True, kw_only=True)
class Part:
    """Tensors of the model that are stored and computed alike. `tensors`: their name, a star for the numbers of layers.

    `granularity`: what shares a scale. `fed`: how what the layer is fed is rounded. `scheme`: what moved the weights on purpose.
    `gain`: the gain of the norm before the layer is multiplied in.
    """

    tensors: str
    count: int
    values: int
    storage: str
    granularity: str
    symmetric: bool
    fed: str
    products: str
    scheme: str = ""
    gain: bool = False


@dataclass(frozen=True, kw_only=True)
class Contents:
    """A stage's file. `steps`: the worst distance of a constant from the checkpoint's, in steps of its own grid; `wrong`,
    `missing` and `unexplained` are sentences, the worst first. `numbers`: constants that are the graph's own."""

    stage: str
    file: str
    parts: tuple[Part, ...]
    steps: float
    wrong: tuple[str, ...]
    missing: tuple[str, ...]
    unexplained: tuple[str, ...]
    numbers: int

    @property
    def beyond_rounding(self) -> float:
        """How much farther than rounding to the nearest the worst constant is, in steps; NaN stays NaN."""
        return 0.0 if self.steps <= HALF_STEP else self.steps - HALF_STEP

    @property
    def schemes(self) -> dict[str, int]:
        """How many tensors each scheme has moved."""
        found: Counter[str] = Counter()
        for part in self.parts:
            found[part.scheme] += part.count
        return {scheme: count for scheme, count in found.items() if scheme}

    def to_json(self) -> dict[str, Any]:
        """As it stands in `report.json`."""
        return asdict(self)


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
    )


def _parts(findings: Iterable[Finding]) -> list[Part]:
    groups: dict[Part, list[Constant]] = {}
    for finding in findings:
        groups.setdefault(_part(finding), []).append(finding.match.constant)
    return [
        Part(**{**asdict(part), "count": len(constants), "values": sum(constant.count for constant in constants)})
        for part, constants in groups.items()
    ]


def _part(finding: Finding) -> Part:
    constant = finding.match.constant
    return Part(
        tensors=NUMBER.sub("*", finding.match.use.name.partition(",")[0]),
        count=0,
        values=0,
        storage=constant.storage,
        granularity=constant.granularity,
        symmetric=constant.symmetric,
        fed=constant.fed,
        products=FLOATS if constant.fed == FLOAT else INTEGERS,
        scheme=finding.scheme,
        gain=finding.match.folded,
    )


def _unexplained(constant: Constant) -> str:
    return f"{constant.name} ({constant.storage}{list(constant.shape)})"
