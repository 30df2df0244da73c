"""What is measured, by which metric, on which case, and what it may be: numpy, never torch."""
