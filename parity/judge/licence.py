"""What has to lie beside a converted Stability AI model before it is passed on.

Source: Stability AI Community License, IV.a: a copy of the licence, a "Notice" text file with the attribution, and
"Powered by Stability AI" where users see it. A reminder for engineers, not legal advice.
"""

from pathlib import Path

from litert_pipeline.bundle import Bundle
from parity.measure.verdict import ARTIFACT, Verdict

MAKER, DISPLAYED = "stability ai", "powered by stability ai"
REQUIRED = (
    "a copy of the licence (LICENSE or LICENCE, any ending), a NOTICE file with the attribution, and the words "
    '"Powered by Stability AI" in a README'
)
MOST_BYTES = 2**20  # of a text worth reading
REASONS = {
    "no_licence_copy": "a LICENSE file in the bundle must be a copy of Stability AI's licence",
    "no_notice": "a NOTICE file in the bundle must attribute the model to Stability AI",
    "no_attribution": 'a README in the bundle must say "Powered by Stability AI"',
}


def licence_checks(bundle: Bundle, label: str) -> list[Verdict]:
    """One verdict per document that has to be there."""
    faults = {
        "no_licence_copy": not _says(bundle.folder, ("license", "licence"), MAKER),
        "no_notice": not _says(bundle.folder, ("notice",), MAKER),
        "no_attribution": not _says(bundle.folder, ("readme",), DISPLAYED),
    }
    return [
        Verdict(
            stage="bundle", variant=label, case="-", ladder=ARTIFACT, metric=metric,
            value=float(missing), limit=0.0, why=REASONS[metric],
        )
        for metric, missing in faults.items()
    ]  # fmt: skip


def _says(folder: Path, names: tuple[str, ...], words: str) -> bool:
    """Whether a file called like one of `names`, whatever its ending, holds `words`, however they are broken into lines."""
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and path.stem.lower() in names]
    texts = (path.read_bytes()[:MOST_BYTES].decode(errors="replace") for path in files)
    return any(words in " ".join(text.lower().split()) for text in texts)
