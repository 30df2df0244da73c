"""Tests of `parity.latency`."""
