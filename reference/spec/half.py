"""Half precision, IEEE 754's binary16, where it is computed in."""

SMALLEST_NORMAL = 2.0**-14  # 6.1e-5: what is smaller and not 0 loses digits or, on CPUs that flush (Arm's FZ16), becomes 0
LARGEST_SUBNORMAL = SMALLEST_NORMAL - 2.0**-24
