"""Tests of `parity.runtimes`."""
