"""`python -m kumiai`."""

from .main import run

if __name__ == "__main__":
    run()
