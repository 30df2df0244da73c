"""Which quantization of a stage is safe, and what it buys: trials, what they measure, where that is kept, and who runs them."""
