"""Making bundles: may import torch and the converters."""
