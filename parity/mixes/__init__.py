"""Mixes: bundles whose stages are stored in ways of their own, as people who convert models combine them."""
