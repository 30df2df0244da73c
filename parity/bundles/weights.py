"""The contents of a run's files, each read once: many bundles share files, and one verdict needs what another one did."""

from dataclasses import dataclass, field

from litert_pipeline.bundle import Bundle
from parity.bundles.audit import Audit, audit
from parity.bundles.contents import contents_of
from parity.bundles.files import Files
from parity.bundles.forms import Form, forms
from parity.bundles.rebuilt import Rebuilt, rebuilt
from parity.bundles.requantized import requantized
from parity.measure.contents import Contents
from reference.pipeline import StageModel


@dataclass
class Weights:
    """What the files of bundles of one model hold. Of a large model the contents are kept, and the stage of one file at a
    time whose weights are stored as it stores them."""

    model: StageModel
    files: Files
    _forms: dict[str, tuple[Form, ...]] = field(default_factory=dict)
    _found: dict[tuple[str, str], Contents] = field(default_factory=dict)
    _rebuilt: dict[tuple[str, str], Rebuilt] = field(default_factory=dict)
    _requantized: dict[tuple[str, str], Rebuilt] = field(default_factory=dict)

    def contents(self, bundle: Bundle, stage: str) -> Contents:
        """Of a stage's file. Raises InputError if it is damaged."""
        key = self._key(bundle, stage)
        if key not in self._found:
            found = self._audit(bundle, stage)
            self._found[key] = contents_of(found, stage)
            if not self.model.large:
                self._rebuilt[key] = rebuilt(found, keep=True)
        return self._found[key]

    def rebuilt(self, bundle: Bundle, stage: str) -> Rebuilt:
        """The reference with what a stage's file holds. Raises InputError if the file is damaged."""
        key = self._key(bundle, stage)
        return self._rebuilt.get(key) or rebuilt(self._audit(bundle, stage), keep=not self.model.large)

    def _audit(self, bundle: Bundle, stage: str) -> Audit:
        return audit(bundle.path(stage), self._forms_of(stage), self.files.of_others(bundle, stage))

    def requantized(self, bundle: Bundle, stage: str) -> Rebuilt:
        """The reference with the checkpoint's weights stored as a stage's file stores them. Raises InputError as `rebuilt`."""
        key = self._key(bundle, stage)
        if key not in self._requantized:
            if self.model.large:
                self._requantized.clear()  # first, so that never two are there
            self._requantized[key] = rebuilt(self._audit(bundle, stage), keep=not self.model.large, constant=requantized)
        return self._requantized[key]

    def _key(self, bundle: Bundle, stage: str) -> tuple[str, str]:
        return stage, self.files.sha256(bundle, stage)

    def _forms_of(self, stage: str) -> tuple[Form, ...]:
        if self.model.large:
            return forms(self.model, stage)
        return self._forms.setdefault(stage, forms(self.model, stage))
