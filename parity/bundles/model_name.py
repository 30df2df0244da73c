"""How a model is called in a sentence about files that are not its own."""

from pathlib import Path

from fixtures import EMBEDDED_MODEL_DIR


def named(model_dir: Path) -> str:
    """Its folder; most often none was named, and then that is what is wrong."""
    if model_dir == EMBEDDED_MODEL_DIR:
        return f"{model_dir} (the embedded model, as --model was left out; give the model dir they were converted from)"
    return str(model_dir)
