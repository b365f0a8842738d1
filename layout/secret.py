"""Text that nobody may see: it hides itself wherever it is printed, logged, formatted or compared in a test."""

from __future__ import annotations

HIDDEN = "＊＊＊"


class Secret:
    """Holds a secret text. Only `reveal()` gives it away; everything else shows `＊＊＊`."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself, for the one place that needs it: standard input of a program, or a file of mode 0600."""
        return self._text

    def hide(self, output: str) -> str:
        """The output with every occurrence of the secret replaced."""
        return output.replace(self._text, HIDDEN) if self._text else output

    def __str__(self) -> str:
        return HIDDEN

    def __repr__(self) -> str:
        return f"Secret({HIDDEN})"

    def __format__(self, spec: str) -> str:
        return format(HIDDEN, spec)

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a secret is not written anywhere")
