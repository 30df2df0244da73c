"""pytest plugin that an installation registers: wherever pytest runs, it brings our options if our tests are asked for.

A run of anybody else's tests sees nothing of it: other plugins have options of the same names. Imports nothing heavy.
"""

from collections.abc import Sequence

import pytest

OPTIONS = "parity.commands.pytest_options"  # by this name conftest.py has it, too, so it is registered once
PACKAGE = __name__.partition(".")[0]


def asks_for_us(arguments: Sequence[str]) -> bool:
    """Whether a command line names the package, or a module in it, for pytest to import."""
    names = (argument.partition("::")[0].partition(".")[0] for argument in arguments)
    return "--pyargs" in arguments and PACKAGE in names


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config, args: list[str]) -> None:
    if asks_for_us(args):
        early_config.pluginmanager.import_plugin(OPTIONS)
