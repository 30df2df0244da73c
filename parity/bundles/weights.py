"""The contents of a run's files, each read once: many bundles share files, and one verdict needs what another one did."""

from dataclasses import dataclass, field

from litert_pipeline.bundle import Bundle
from parity.bundles.audit import READERS, audit
from parity.bundles.contents import Contents, contents_of
from parity.bundles.files import Files
from parity.bundles.forms import Form, forms
from reference.pipeline import Model


@dataclass
class Weights:
    """What the files of bundles of one model hold. Of a large model nothing but the contents is kept."""

    model: Model
    files: Files
    _forms: dict[str, tuple[Form, ...]] = field(default_factory=dict)
    _found: dict[tuple[str, str], Contents] = field(default_factory=dict)

    def contents(self, bundle: Bundle, stage: str) -> Contents | None:
        """Of a stage's file; None for a format whose constants cannot be read. Raises InputError if it is damaged."""
        path = bundle.path(stage)
        if path.suffix not in READERS:
            return None
        key = (stage, self.files.sha256(bundle, stage))
        if key not in self._found:
            self._found[key] = contents_of(audit(path, self._forms_of(stage)), stage)
        return self._found[key]

    def _forms_of(self, stage: str) -> tuple[Form, ...]:
        if self.model.large:
            return forms(self.model, stage)
        return self._forms.setdefault(stage, forms(self.model, stage))
