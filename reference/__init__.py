"""The reference: Stable Audio in pure PyTorch, and the specification both pipelines share."""
