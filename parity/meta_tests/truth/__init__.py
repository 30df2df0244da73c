"""Tests of `parity.truth`."""
