"""The study of a search: named after all that its proposals follow from, so that no other search's are taken for its own."""

from pathlib import Path

from parity.search.search import Wanted, options_of
from parity.search.sensitivity import Sensitivity
from parity.search.study import Proposer
from parity.search.trial import digest

SQLITE = "sqlite:///"


def proposer_for(alone: Sensitivity, wanted: Wanted, study: str | None) -> Proposer:
    """A study for a search: a new one, or what is left of it in `study`, a file or a database's URL. Raises InputError where that
    cannot be opened."""
    options = options_of(alone, wanted.objective)
    signature = {
        "about": alone.question.about.to_json(), "objective": wanted.objective, "seed": wanted.seed, "options": options,
        "race": None if alone.question.race is None else alone.question.race.machine, "policy": wanted.policy.sha256,
    }  # fmt: skip
    url = study if study is None or "://" in study else f"{SQLITE}{Path(study).absolute()}"
    return Proposer.opened(url, f"search {digest(signature)[:16]}", options, wanted.seed)
