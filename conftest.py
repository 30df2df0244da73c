"""The options of these tests, which live in the package: `pytest --pyargs parity` has them outside of this repository, too."""

pytest_plugins = ("parity.commands.pytest_options",)
