"""Tests of `parity.commands`."""
