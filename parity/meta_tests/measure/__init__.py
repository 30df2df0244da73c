"""Tests of `parity.measure`."""
