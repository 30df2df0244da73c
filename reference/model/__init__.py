"""The torch modules, one box of the paper per file, with the parameter names of the official checkpoint."""
