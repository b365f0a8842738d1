"""The part of the compiled engine that is compiled: plain loops over records. Read `loop.py` first."""
