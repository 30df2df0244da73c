"""What the mutation run found, and whether the gate came out of it well."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from parity.faults.arithmetics import STRICT, TARGETS, Target
from parity.faults.catalogue import CATALOGUE
from parity.faults.job import Part
from parity.faults.mutation import Pair, Row
from parity.measure.verdict import Verdict

# Of the faults at an arithmetic.
LEAST_CAUGHT = dict.fromkeys(TARGETS, 0.99) | {STRICT.name: 1.0}
GRAPH = "graph"  # wrong wiring inside a file, caught at every arithmetic


@dataclass(kw_only=True)
class Outcome:
    """What the run found."""

    rows: list[Row] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    clean: list[Verdict] | None = None  # None: not looked at

    @classmethod
    def of(cls, parts: Iterable[Part]) -> "Outcome":
        """All parts together, in the order of the catalogue and of the arithmetics, whichever process was faster."""
        parts, variants = list(parts), [target.variant for target in TARGETS.values()]
        names = {name: place for place, name in enumerate(CATALOGUE)}
        looked_at = [part.clean for part in parts if part.clean is not None]
        return cls(
            rows=sorted(
                (row for part in parts for row in part.rows),
                key=lambda row: (names[row.fault.name], variants.index(row.variant)),
            ),
            pairs=sorted((pair for part in parts for pair in part.pairs), key=lambda pair: variants.index(pair.variant)),
            clean=sorted((check for found in looked_at for check in found), key=lambda check: check.id) if looked_at else None,
        )

    @property
    def targets(self) -> list[Target]:
        """The arithmetics at which anything was injected."""
        there = {row.variant for row in self.rows}
        return [target for target in TARGETS.values() if target.variant in there]

    def own(self, target: Target) -> list[Row]:
        """What was injected at an arithmetic itself."""
        return [row for row in self.rows if row.variant == target.variant]

    def whole(self, target: Target) -> list[Row]:
        """What was injected into any stage of the bundle, be it where another arithmetic has the very same file."""
        found = {(row.fault.name, row.variant): row for row in self.rows}
        rows = []
        for fault in {row.fault.name: row.fault for row in self.rows}.values():
            for name in (target.name, target.owner_of(fault)):
                if (row := found.get((fault.name, TARGETS[name].variant))) is not None:
                    rows.append(row)
                    break
        return rows

    def complaints(self) -> list[str]:
        """Why the gate is not proven; empty if it is."""
        lines = (
            [] if self.rows or self.clean is not None else ["nothing was injected: no such arithmetic can have the fault"]
        )
        lines += [f"refused without a fault: {check}" for check in self.clean or []]
        for target in self.targets:
            rows = self.whole(target)
            seen = [row for row in rows if not row.hidden]
            if blamed(seen) < LEAST_CAUGHT[target.name] * len(seen):
                lines.append(f"{target.name}: {blamed(rows)} of {len(rows)} faults caught and blamed on the right stage")
        lines += [f"{row.variant}: wrong graph missed: {row.fault.name}" for row in self.graphs_missed()]
        return lines + [f"not blamed: {pair}" for pair in self.pairs if not pair.blamed and not self.hidden(pair)]

    def graphs_missed(self) -> list[Row]:
        """Wrong graphs that were not caught; none may be missed anywhere but where it is known why."""
        return [row for row in self.rows if row.fault.site == GRAPH and not row.blamed and not row.hidden]

    def hidden(self, pair: Pair) -> bool:
        """Whether each of the two is missed alone, too: then the variant's precision hides both."""
        missed = {(row.fault.name, row.variant) for row in self.rows if not row.caught}
        return all((fault.name, pair.variant) in missed for fault in pair.faults)


def blamed(rows: Iterable[Row]) -> int:
    """Faults caught and blamed on the right stage."""
    return sum(row.blamed for row in rows)
