"""Tests of `parity.judge`."""
