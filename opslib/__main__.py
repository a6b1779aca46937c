"""``python -m opslib``."""

from opslib.cli import main

if __name__ == "__main__":
    main(prog_name="opslib")
