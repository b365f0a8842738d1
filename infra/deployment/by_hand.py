"""The engine for work by hand on a stack. Runbooks ask for it again and again, so that it imports little."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from infra import engine
from infra.engine import EngineError
from infra.recovery import checkpoint
from infra.recovery.turns import BusyError


def engine_of(state: Path, stack: str) -> engine.Engine:
    """The engine for a stack of the state, with the stack's own passphrase. Raises EngineError."""
    state = state.resolve()
    try:
        environment = engine.with_secrets(engine.environment(state), state, stack)
        return engine.Engine(engine.project(state), environment, state / "logs")
    except OSError as error:
        raise EngineError(f"状態フォルダーを使えません：{error}") from None


def engine_environment(state: Path, stack: str) -> dict[str, str]:
    """The variables with which `pulumi` works by hand on that stack of the state. Raises EngineError.

    Locks of engines that were killed are removed: those who work by hand would have to find out whose they are.
    """
    variables = dict(engine_of(state, stack).environment)
    files = checkpoint.files_of(variables, stack)
    if files is not None:
        with suppress(BusyError):  # looking is allowed meanwhile, and whoever changes something is told by the engine
            checkpoint.unlock(files)
    return variables
