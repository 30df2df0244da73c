"""Tests of the gate on Stable Audio Open 1.0: the v objective, guidance, two numbers."""
