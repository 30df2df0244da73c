"""Sounds that came from a device: whether they are the model's, and if not, what was different."""
