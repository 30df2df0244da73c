"""The LiteRT pipeline: convert, quantize and run the model with numpy and LiteRT."""
