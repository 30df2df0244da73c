"""Tests of `parity.report`."""
