"""What a file is made of, as a value that needs neither the file nor the model: for verdicts, the report and a terminal."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from parity.measure.arithmetic import AS_SAVED, FLOAT, FLOAT32, FP32_COMPUTE
from parity.measure.file_limits import HALF_STEP

INTEGERS, FLOATS = "integers", "floats"  # what products are made of


@dataclass(frozen=True, kw_only=True)
class Stored:
    """How tensors are stored and computed.

    `granularity`: what shares a scale. `fed`: how what the layer is fed is rounded. `scheme`: what moved the weights on purpose.
    """

    storage: str
    granularity: str
    symmetric: bool
    fed: str
    products: str
    scheme: str = ""

    def __str__(self) -> str:
        scale = "" if self.granularity == "-" else f" per {self.granularity}{'' if self.symmetric else ', asymmetric'}"
        fed = "" if self.fed == FLOAT else f", layers fed {self.fed}"
        return f"{self.storage}{scale}{fed}{f', {self.scheme}' if self.scheme else ''}"


@dataclass(frozen=True, kw_only=True)
class Part:
    """Tensors of the model that are stored and computed alike. `tensors`: their name, a star for the numbers of layers.

    `gain`: the gain of the norm before the layer is multiplied in.
    """

    tensors: str
    count: int
    values: int
    stored: Stored
    gain: bool = False

    def to_json(self) -> dict[str, Any]:
        """Flat."""
        fields = asdict(self)
        return {**fields, **fields.pop("stored")}


@dataclass(frozen=True, kw_only=True)
class Portion:
    """All that one file stores and computes alike: so many tensors and values; `share` is that of all values of the file."""

    stored: Stored
    tensors: int
    values: int
    share: float

    def to_json(self) -> dict[str, Any]:
        """Flat."""
        fields = asdict(self)
        return {**fields.pop("stored"), **fields}

    def __str__(self) -> str:
        return f"{100 * self.share:.3g} % {self.stored}"


@dataclass(frozen=True, kw_only=True)
class Contents:
    """A stage's file. `steps`: the worst distance of a constant from the checkpoint's, in steps of its own grid; `wrong`,
    `missing` and `unexplained` are sentences, the worst first. `numbers`: constants that are the graph's own. `loaded`: what a
    loader did to the weights before they were converted."""

    stage: str
    file: str
    parts: tuple[Part, ...]
    steps: float
    wrong: tuple[str, ...]
    missing: tuple[str, ...]
    unexplained: tuple[str, ...]
    numbers: int
    loaded: str = AS_SAVED

    @property
    def beyond_rounding(self) -> float:
        """How much farther than rounding to the nearest the worst constant is, in steps; NaN stays NaN."""
        return 0.0 if self.steps <= HALF_STEP else self.steps - HALF_STEP

    @property
    def reduced(self) -> bool:
        """Whether it holds the checkpoint's tensors, all of them and nothing else, and any in less than float32."""
        return any(part.stored.storage != FLOAT32 for part in self.parts) and not (self.wrong or self.missing or self.unexplained)

    @property
    def schemes(self) -> dict[str, int]:
        """How many tensors each scheme has moved."""
        found: Counter[str] = Counter()
        for part in self.parts:
            found[part.stored.scheme] += part.count
        return {scheme: count for scheme, count in found.items() if scheme}

    @property
    def portions(self) -> tuple[Portion, ...]:
        """All of it by how it is stored and computed, the largest portion first."""
        tensors: Counter[Stored] = Counter()
        values: Counter[Stored] = Counter()
        for part in self.parts:
            tensors[part.stored] += part.count
            values[part.stored] += part.values
        return tuple(
            Portion(stored=stored, tensors=tensors[stored], values=count, share=count / values.total())
            for stored, count in values.most_common()
        )

    def to_json(self) -> dict[str, Any]:
        """As `python -m parity contents --json` prints it."""
        return {**asdict(self), "parts": [part.to_json() for part in self.parts]}


@dataclass(frozen=True, kw_only=True)
class StageArithmetic:
    """What a stage's file stores, read from the file, and what each variant that runs it computes in. `loaded`: what a loader
    did to the weights before they were converted."""

    stage: str
    file: str
    portions: tuple[Portion, ...]
    compute: Mapping[str, str]
    loaded: str = AS_SAVED

    @property
    def computed(self) -> str:
        """In words; variants are named where they differ."""
        if len(set(self.compute.values())) <= 1:
            return next(iter(self.compute.values()), FP32_COMPUTE)
        return ", ".join(f"{compute} by {variant}" for variant, compute in self.compute.items())

    def to_json(self) -> dict[str, Any]:
        """As it stands in `report.json`."""
        return {
            "stage": self.stage,
            "file": self.file,
            "stored": [portion.to_json() for portion in self.portions],
            "compute": dict(self.compute),
            "loaded": self.loaded,
        }
