"""What readers may do with bytes that nobody wrote with good intentions."""

from capacity.simulation.traces import TraceError


def read_or_refuse(read):
    """What `read()` answers: a record, or the list of mistakes; any other exception is a bug."""
    try:
        return read()
    except TraceError as error:
        return error.problems
