"""The float64 truth, the reference at a given arithmetic, how far errors may lead, and the cache of it all."""
