"""Tests of `parity.device`."""
