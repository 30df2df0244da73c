"""One file per model family: how its config is read, and what it is made of."""
