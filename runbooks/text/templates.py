"""Jinja as runbooks use it: expressions over the plan, and commands in which every value is one quoted word.

No template can reach the program: the environment is the sandbox, only the filters below exist, and a name that is
not defined is an error instead of an empty text.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, Undefined, nodes
from jinja2 import meta as jinja_meta
from jinja2.sandbox import SandboxedEnvironment
from pydantic import BaseModel

from runbooks.errors import RunbookError, Value
from runbooks.text.shell_places import Insertion, problem

FILTERS = (
    "abs", "default", "first", "float", "int", "items", "join", "last", "length", "list", "lower", "map", "max", "min",
    "reject", "rejectattr", "replace", "round", "select", "selectattr", "sort", "string", "sum", "trim", "unique",
    "upper",
)  # fmt: skip


def quoted(value: Value) -> str:
    """A value as words for the shell: a record by its id, a list as several words, everything else as one."""
    if isinstance(value, Undefined):
        return str(value)  # raises: it is strict
    if isinstance(value, (list, tuple)):
        return " ".join(quoted(item) for item in value)
    return shlex.quote(plain(value))


def plain(value: Value) -> str:
    """A value as text, for people and for standard input."""
    if isinstance(value, BaseModel):
        return str(getattr(value, "id", value))
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        raise RunbookError("値がありません（None）。テンプレートの式を確かめてください")
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, Mapping):
        return json.dumps(value, ensure_ascii=False, default=plain)
    return str(value)


def _environment(finalize: Callable[[Value], str]) -> SandboxedEnvironment:
    made = SandboxedEnvironment(undefined=StrictUndefined, finalize=finalize, keep_trailing_newline=True)
    made.filters = {name: made.filters[name] for name in FILTERS} | {"quoted": quoted, "tojson": _json}
    made.globals = {}
    return made


def _json(value: Value) -> str:
    return json.dumps(value, ensure_ascii=False, default=plain)


_COMMANDS = _environment(quoted)
_TEXTS = _environment(plain)


def command(text: str, names: Mapping[str, Any]) -> str:
    """The shell command of a template: every inserted value is quoted. Raises RunbookError."""
    return _rendered(_COMMANDS, text, names).strip()


def text(template: str, names: Mapping[str, Any]) -> str:
    """The text of a template, for standard input, names of secrets and people. Raises RunbookError."""
    return _rendered(_TEXTS, template, names)


def value(expression: str, names: Mapping[str, Any]) -> Value:
    """The value of an expression. Raises RunbookError."""
    try:
        found = _expression(expression)(**names)
    except RunbookError:
        raise
    except Exception as error:
        raise RunbookError(f"式「{expression}」を計算できません（{_reason(error)}）") from None
    if isinstance(found, Undefined):
        raise RunbookError(f"式「{expression}」の名前が定義されていません")
    return found


@lru_cache(maxsize=4096)
def _expression(expression: str) -> Callable[..., Value]:
    return _TEXTS.compile_expression(expression, undefined_to_none=False)


@lru_cache(maxsize=4096)
def _template(environment: SandboxedEnvironment, template: str) -> Template:
    return environment.from_string(template)


def _rendered(environment: SandboxedEnvironment, template: str, names: Mapping[str, Any]) -> str:
    try:
        return _template(environment, template).render(**names)
    except RunbookError:
        raise
    except Exception as error:
        raise RunbookError(f"テンプレート「{template.strip()[:80]}」を展開できません（{_reason(error)}）") from None


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:200]


def command_problems(template: str, known: Sequence[str]) -> Iterator[str]:
    """What is wrong with a command template before it is ever used."""
    yield from _problems(template, known)
    try:
        found = problem(list(_pieces(template)))
    except TemplateError:
        return  # told above
    if found:
        yield found


def text_problems(template: str, known: Sequence[str]) -> Iterator[str]:
    """What is wrong with a template of text."""
    yield from _problems(template, known)


def expression_problems(expression: str, known: Sequence[str]) -> Iterator[str]:
    """What is wrong with an expression."""
    yield from _problems("{{ " + expression + " }}", known, shown=expression)


def fact_names(template: str, *, expression: bool = False) -> set[str]:
    """The ids of the facts that a template or an expression uses (`facts.ID`, `facts['ID']`)."""
    source = "{{ " + template + " }}" if expression else template
    try:
        tree = _TEXTS.parse(source)
    except TemplateError:
        return set()
    found = set()
    for dotted in tree.find_all(nodes.Getattr):
        if isinstance(dotted.node, nodes.Name) and dotted.node.name == "facts":
            found.add(dotted.attr)
    for item in tree.find_all(nodes.Getitem):
        if isinstance(item.node, nodes.Name) and item.node.name == "facts" and isinstance(item.arg, nodes.Const):
            found.add(str(item.arg.value))
    return found


def _problems(template: str, known: Sequence[str], shown: str | None = None) -> Iterator[str]:
    try:
        tree = _TEXTS.parse(template)
        # Filters are looked up when the template is compiled.
        _TEXTS.compile(tree)
    except TemplateError as error:
        yield f"テンプレートの誤り（{error}）" if shown is None else f"式「{shown}」の誤り（{error}）"
        return
    unknown = sorted(jinja_meta.find_undeclared_variables(_TEXTS.parse(template)) - set(known))
    if unknown:
        yield f"知らない名前です（{'、'.join(unknown)}）。使える名前：{'、'.join(sorted(known))}"


def _pieces(template: str) -> Iterator[str | Insertion]:
    """Literal text and insertions in the order of the file. Control blocks are looked through."""
    inside: list[str] | None = None
    for _, kind, value_ in _COMMANDS.lex(template):
        if kind == "variable_begin":
            inside = []
        elif kind == "variable_end":
            yield Insertion(quoted=(inside or [])[-2:] == ["|", "quoted"])
            inside = None
        elif inside is not None:
            if kind != "whitespace":
                inside.append(value_)
        elif kind == "data":
            yield value_
