"""Tests of `parity.bundles`."""
