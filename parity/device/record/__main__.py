"""`python -m parity.device.record --kit kit --out answers`: the same as `record.pyz`, from this folder's sources."""

from parity.device.record.start import start

if __name__ == "__main__":
    start()
