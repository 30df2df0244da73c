"""`python -m parity`: judge converted models."""

from parity.commands.app import app

if __name__ == "__main__":
    app(prog_name="python -m parity")
