"""Inside one stage: its graph's own tensors against the reference's modules."""
