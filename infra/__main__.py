"""Entry of the Pulumi program. Pulumi runs this folder, not the package."""

import sys
from pathlib import Path


def start() -> None:
    """Makes the project's rooms importable by name, installed or not, and runs the program."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from infra import program

    program.main()


if __name__ == "__main__":
    start()
