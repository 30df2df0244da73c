"""Tests of the gate itself, mirrored by room. They judge nobody's bundle and take no options."""
