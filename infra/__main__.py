"""Entry of the Pulumi program. Pulumi runs this folder, not the package."""

import sys
from pathlib import Path


def start() -> None:
    """Makes the project's rooms importable by name, installed or not, and runs the program.

    Not this folder itself: a module in it must not stand in for one of the same name elsewhere.
    """
    here = Path(__file__).resolve().parent
    sys.path[:] = [str(here.parent), *(entry for entry in sys.path if Path(entry or ".").resolve() != here)]
    from infra import program

    program.main()


if __name__ == "__main__":
    start()
