"""Nothing that is used here may report on anybody's models."""

import os

NO_TELEMETRY = "ORT_DISABLE_TELEMETRY"


def forbid_telemetry() -> None:
    """For this process and those it starts; to be called before onnxruntime is imported.

    Its builds from 1.31 on keep an id of the device and a queue of events in the user's cache: the CPU, paths, and errors with
    names of nodes and tensors.
    """
    os.environ.setdefault(NO_TELEMETRY, "1")
