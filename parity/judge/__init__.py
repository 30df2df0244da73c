"""Runs the checks: answers against the truth, files against what is claimed of them."""
