"""Tests of `parity.faults`."""
