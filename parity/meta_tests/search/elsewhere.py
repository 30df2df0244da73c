"""A cluster whose head calculates nothing, and whose one node has a cache of its own. Imported by a process of its own: what Ray
is told of a cluster at first it believes of all later ones."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from parity.search.engines import Done
from parity.search.places import Places
from parity.search.ray_engine import RayEngine
from parity.search.trial import Trial
from reference.spec.errors import InputError

SMALL = {"include_dashboard": False, "object_store_memory": 2**27}


def measured_elsewhere(
    places: Places, trials: Sequence[Trial], race: Trial, cache: Path
) -> tuple[list[Done], Sequence[str], str]:
    """What trials found on that node, the kinds of machines that may be raced on, and what is said of a race."""
    with _cluster(cache) as address, RayEngine(places=places, address=address) as engine:
        done = list(engine.map(trials))
        try:
            return done, engine.machines(), str(list(engine.map([race])))
        except InputError as error:
            return done, engine.machines(), str(error)


@contextmanager
def _cluster(cache: Path) -> Iterator[str]:
    """Its address."""
    os.environ.update({"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"})
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, connect=False, head_node_args={**SMALL, "num_cpus": 0})
    try:
        cluster.add_node(**SMALL, num_cpus=1, env_vars={"XDG_CACHE_HOME": str(cache)})
        yield cluster.address
    finally:
        cluster.shutdown()
