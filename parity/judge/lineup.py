"""The line-up of a run: which contenders there are, what they are called, and which of them are judged."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from litert_pipeline.bundle import Bundle, folder_name
from parity.measure.budget import YARDSTICK
from parity.runtimes import Contender, names_of, reference_contenders
from reference.spec.errors import InputError
from reference.spec.stages import ALL_STAGES


def contenders_of(bundles: Iterable[Bundle], stages: Collection[str] = ALL_STAGES) -> dict[str, Contender]:
    """Everything that can be judged, by name: the model dir itself, which has `stages`, and each bundle under every runtime that
    runs it.

    Where two bundles would be called the same, their folders are part of the name.
    """
    found = [
        Contender(name=name, runtime=row.runtime, bundle=bundle, compute=row.compute)
        for bundle in bundles
        for name, row in names_of(bundle.manifest.format, bundle.manifest.recipe)
    ]
    names = _told_apart([contender.name for contender in found], [_folder(contender) for contender in found])
    named = {name: replace(contender, name=name) for name, contender in zip(names, found, strict=True)}
    return reference_contenders(stages) | named


def labelled(contenders: Mapping[str, Contender]) -> list[tuple[str, Bundle]]:
    """The bundles of a line-up, each with what it is called: its recipe or, where two have the same, its folder as well."""
    bundles = list({id(c.bundle): c.bundle for c in contenders.values() if c.bundle is not None}.values())
    labels = _told_apart([bundle.manifest.recipe for bundle in bundles], [bundle.folder for bundle in bundles])
    return list(zip(labels, bundles, strict=True))


def _told_apart(names: list[str], folders: list[Path]) -> list[str]:
    """The names, behind those that occur twice the name of their folder or, where that does not do, its path."""
    called = [(name, folder_name(folder)) for name, folder in zip(names, folders, strict=True)]
    shared, pairs = Counter(names), Counter(called)
    return [
        name if shared[name] == 1 else f"{name}@{own if pairs[name, own] == 1 else folder}"
        for (name, own), folder in zip(called, folders, strict=True)
    ]


def _folder(contender: Contender) -> Path:
    assert contender.bundle is not None, "only bundles can share a name"
    return contender.bundle.folder


def chosen(names: list[str] | None, contenders: Mapping[str, Contender]) -> list[str]:
    """The contenders called `names`, or all; the yardstick is always first.

    Raises InputError for a name that is nobody's, and for a bundle that none of `names` runs.
    """
    if names is None:
        return list(contenders)
    for name in names:
        if name not in contenders:
            raise InputError(f"variant '{name}' is none of what can be judged here; valid variants: {', '.join(contenders)}")
    _require_all_run(names, contenders)
    return [YARDSTICK, *(name for name in names if name != YARDSTICK)]


def _require_all_run(names: list[str], contenders: Mapping[str, Contender]) -> None:
    """Raise InputError for a bundle that nothing chosen runs: nobody would have judged it."""
    run = [contenders[name].bundle for name in names]
    for _, bundle in labelled(contenders):
        if not any(bundle is other for other in run):
            own = [name for name, contender in contenders.items() if contender.bundle is bundle]
            raise InputError(
                f"{bundle.folder}: none of the variants asked for runs it, so it would not be judged; "
                f"ask for {' or '.join(own)}, too, or do not give the bundle"
            )
