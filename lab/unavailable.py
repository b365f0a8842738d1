"""Why the laboratory cannot run or go on here, in one line for the user."""


class LabUnavailable(Exception):  # noqa: N818 - the public name says what is the case, as FileNotFoundError does
    """Something the laboratory needs is missing or refused; the message is one Japanese line for the user."""
