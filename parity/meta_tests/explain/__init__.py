"""Tests of `parity.explain`."""
