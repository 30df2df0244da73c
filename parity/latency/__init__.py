"""How fast the variants are, side by side on the machine at hand, each with its answer checked."""
