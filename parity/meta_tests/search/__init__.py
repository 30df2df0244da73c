"""Tests of `parity.search`."""
