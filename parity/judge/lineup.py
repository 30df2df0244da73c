"""The line-up of a run: which contenders there are, what they are called, and which of them are judged."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

from litert_pipeline.bundle import Bundle
from parity.measure.budget import YARDSTICK
from parity.runtimes import Contender, names_of, reference_contenders
from reference.spec.errors import InputError


def contenders_of(bundles: Iterable[Bundle]) -> dict[str, Contender]:
    """Everything that can be judged, by name: the model dir itself, and each bundle under every runtime that runs it.

    Where two bundles would be called the same, their folders are part of the name.
    """
    found = [
        Contender(name=name, runtime=row.runtime, bundle=bundle, compute=row.compute)
        for bundle in bundles
        for name, row in names_of(bundle.manifest.format, bundle.manifest.recipe)
    ]
    return reference_contenders() | {contender.name: contender for contender in _told_apart(found)}


def _told_apart(contenders: list[Contender]) -> Iterable[Contender]:
    """The same contenders, those that share a name with the name of their bundle's folder or, if need be, its path behind it."""
    shared = Counter(contender.name for contender in contenders)
    folders = Counter((c.name, c.bundle.folder.name) for c in contenders if c.bundle is not None)
    for contender in contenders:
        assert contender.bundle is not None, "only bundles can share a name"
        place = _place(contender.bundle, folders[contender.name, contender.bundle.folder.name] == 1)
        yield contender if shared[contender.name] == 1 else replace(contender, name=f"{contender.name}@{place}")


def _place(bundle: Bundle, unique: bool) -> str:
    return bundle.folder.name if unique else str(bundle.folder)


def labelled(contenders: Mapping[str, Contender]) -> list[tuple[str, Bundle]]:
    """The bundles of a line-up, each with what it is called: its recipe or, where two have the same, its folder as well."""
    bundles = list({id(c.bundle): c.bundle for c in contenders.values() if c.bundle is not None}.values())
    recipes = Counter(bundle.manifest.recipe for bundle in bundles)
    folders = Counter(bundle.folder.name for bundle in bundles)
    return [
        (recipe if recipes[recipe] == 1 else f"{recipe}@{_place(bundle, folders[bundle.folder.name] == 1)}", bundle)
        for bundle in bundles
        for recipe in (bundle.manifest.recipe,)
    ]


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
    for name, contender in contenders.items():
        if contender.bundle is not None and not any(contender.bundle is bundle for bundle in run):
            own = [other for other, one in contenders.items() if one.bundle is contender.bundle]
            raise InputError(
                f"{contender.bundle.folder}: none of the variants asked for runs it, so it would not be judged; "
                f"add {' or '.join(own)}, or leave '{name.partition('@')[0]}' out by not giving the bundle"
            )
