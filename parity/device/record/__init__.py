"""What runs on a device: numpy, LiteRT and the standard library, packed into `record.pyz`."""
