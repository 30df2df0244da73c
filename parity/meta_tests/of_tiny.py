"""What tests add to a command that is to work on the seeded model: the bundles that they share are of it."""

from fixtures import TINY_MODEL_DIR

OF_TINY = ("--model", str(TINY_MODEL_DIR))
