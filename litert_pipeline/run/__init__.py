"""Running a bundle: numpy and LiteRT only, where torch does not exist."""
