"""How wrong one module of a converted stage is; `localize` measures it."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ModuleError:
    """How wrong one module of a converted stage is. Errors are relative L2; SNR, peak and ratio are accumulated."""

    path: str
    tensor: str  # the graph tensor that holds its output
    isolated: float
    accumulated: float
    expected: float
    snr_db: float
    max_abs: float
    median_ratio: float

    @property
    def ok(self) -> bool:
        """Whether the module itself adds no more than expected; NaN does not compare."""
        return self.isolated <= self.expected

    @property
    def excess(self) -> float:
        """How many times what it may add it adds."""
        return self.isolated / self.expected


def first_fault(errors: list[ModuleError]) -> ModuleError | None:
    """The first module that adds more than it may, inner ones before those around them; None if there is none."""
    bad = [error for error in errors if not error.ok]
    return bad[0] if bad else None


Layers = dict[tuple[str, str], list[ModuleError]]  # by (variant, stage)
