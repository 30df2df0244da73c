"""What a level and a model's output mean."""

from typing import Any

from numpy.typing import NDArray

State = NDArray[Any]  # float32; a torch tensor will do as well
