"""Options that the commands over trials share."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fixtures import EMBEDDED_MODEL_DIR
from parity.commands.options import ModelDir, split_names, user_store
from reference import command
from reference.spec.errors import InputError
from reference.spec.files import check_filled, check_folder
from reference.spec.kinds import Kind
from reference.spec.noise import MOST_SEED
from reference.spec.stages import ALL_STAGES, STAGE_TABLE

if TYPE_CHECKING:
    from parity.search.session import SessionOptions

OF_THE_SAMPLER = next(name for name, row in STAGE_TABLE.items() if row.per_step)


@dataclass(frozen=True, kw_only=True)
class SearchOptions:
    """What is asked of which stage, where, and where it goes."""

    model: ModelDir = EMBEDDED_MODEL_DIR
    stage: Annotated[str, typer.Option(help=f"{', '.join(ALL_STAGES)}.")] = OF_THE_SAMPLER
    bundle: Annotated[
        Path | None, typer.Option(help="Float LiteRT bundle of the model to start from; converted if left out.")
    ] = None
    cases: Annotated[str, typer.Option(help="Cases whose truth the stage is fed, comma-separated; few will do.")] = "drums,pad"
    steps: Annotated[
        str | None, typer.Option(help="Sampler steps it is fed at, comma-separated, such as 0,3,6; all if left out.")
    ] = None
    draws: Annotated[int, typer.Option(min=0, help="Also feed it so many places drawn over what its inputs may be.")] = 0
    seed: Annotated[int, typer.Option(min=0, max=MOST_SEED, help="Seed of what is drawn, and of what is proposed.")] = 0
    by: Annotated[str, typer.Option(help="What is stored in one way: each layer, each block, or the stage.")] = "block"
    schemes: Annotated[
        str | None, typer.Option(help="Schemes to try, comma-separated; all if left out. docs/search.md lists them.")
    ] = None
    workers: Annotated[int, typer.Option(min=1, help="Processes that measure; each takes the memory of a stage.")] = 1
    threads: Annotated[
        int, typer.Option(min=1, max=command.MOST_THREADS, help="CPU threads of the runtime in each of them.")
    ] = 1
    ray: Annotated[
        str | None,
        typer.Option(help="Measure on a Ray cluster: 'auto' starts one here, HOST:PORT joins one (extra 'search')."),
    ] = None
    results: Annotated[
        Path | None, typer.Option(help="Folder where each trial's result is kept and looked for; the user's cache if left out.")
    ] = None
    out: Annotated[Path | None, typer.Option(help="Folder for the page and the tables.")] = None
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Make what the cache would hold again, results, too; keep nothing.")
    ] = False
    force: command.Force = False

    @property
    def reads(self) -> list[Path | None]:
        """What `out` may have no part in."""
        return [self.model, self.bundle, self.results]

    def checked(self, rounds: int, kind: Kind) -> "SessionOptions":
        """What a session needs; `rounds` of each race, `kind` of what it writes. Raises InputError for what can be told before
        any work."""
        from parity.search.session import FOLDER, SessionOptions

        if self.out is not None:
            check_folder(self.out, kind, self.force, self.reads)
        if self.results is not None:
            check_filled(self.results, [self.model, self.bundle])
        if self.stage not in ALL_STAGES:
            raise InputError(f"stage '{self.stage}' is unknown; valid stages: {', '.join(ALL_STAGES)}")
        cache = user_store(self.no_cache).folder
        return SessionOptions(
            model=self.model, bundle=self.bundle, stage=self.stage, cases=split_names(self.cases) or [], steps=self._steps(),
            draws=self.draws, seed=self.seed, by=self.by, schemes=split_names(self.schemes), rounds=rounds,
            workers=self.workers, threads=self.threads, ray=self.ray, cache=cache,
            results=self.results or (None if cache is None else cache / FOLDER),
        )  # fmt: skip

    def _steps(self) -> list[int]:
        try:
            steps = [int(one) for one in self.steps.split(",")] if self.steps else []
        except ValueError:
            steps = [-1]
        if any(step < 0 for step in steps):
            raise InputError(f"steps are '{self.steps}', expected numbers from 0 with commas between them, such as 0,3,6")
        return steps
