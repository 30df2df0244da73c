"""The options of these tests, which live in the package: `pytest --pyargs parity` has them outside of this repository, too."""

from contextlib import suppress

pytest_plugins = ("parity.commands.pytest_options",)


def pytest_configure() -> None:
    with suppress(ImportError):  # a device has none; what is drawn is of the gate's own tests
        from hypothesis import settings

        settings.register_profile("untimed", settings.default, deadline=None)  # on a busy machine a slow example is no fault
        settings.load_profile("untimed")
