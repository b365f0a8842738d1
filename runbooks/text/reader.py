"""A runbook file -> its record. Every mistake comes back as `file:line:column: path: what is wrong`."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from estate import yaml_reader
from estate.file_bytes import read_text
from estate.problems import EstateErrors, Problem
from estate.validation import Document, validate
from runbooks.text import templates
from runbooks.text.markdown import Fenced, split
from runbooks.text.names import BUILT_IN
from runbooks.text.records import Fact, Header, Precondition, Reading, Runbook, RunbookRecord, Step

M = TypeVar("M", bound=RunbookRecord)
_MODELS: dict[str, type[Fact | Precondition | Step]] = {"fact": Fact, "precondition": Precondition, "step": Step}
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_COMMANDS = ("run", "check", "apply", "verify", "rollback", "rollback_verify", "input_from")
_EXPRESSIONS = ("on", "when", "wanted", "default")
_TEXTS = ("input", "secret", "confirm")


def read(path: Path) -> Runbook:
    """The runbook at `path`; its name is the file's. Raises EstateErrors with every mistake and its place."""
    return parse(read_text(path), path.stem, str(path))


def parse(text: str, name: str, file: str) -> Runbook:
    """As `read`, for text in memory; `file` is the name for messages."""
    if not _NAME.fullmatch(name):
        raise EstateErrors([Problem(file, 1, 1, "", "ファイル名は英小文字、数字、ハイフンにしてください")])
    front, fenced = split(text, file)
    problems: list[Problem] = []
    header = _document(front, file, Header, problems)
    documents = [(block, _document(block, file, _MODELS[block.kind], problems)) for block in fenced]
    if header is not None and header.record is not None:
        checks = _Checks(header.record, documents)
        checks.header(header)
        checks.blocks()
        problems += [found for _, document in documents if document for found in document.problems]
        problems += header.problems
    if problems:
        raise EstateErrors(problems)
    assert header is not None and header.record is not None  # noqa: S101, PT018 - otherwise there was a problem
    records = [document.record for _, document in documents if document is not None]
    steps = tuple(record for record in records if isinstance(record, Step))
    if not steps:
        raise EstateErrors([Problem(file, 1, 1, "", "手順（```yaml step）が一つもありません")])
    return Runbook(
        name=name,
        header=header.record,
        readings=tuple(record for record in records if isinstance(record, (Fact, Precondition))),
        steps=steps,
        digest=hashlib.sha256(text.encode()).hexdigest(),
        text=text,
    )


def _document(block: Fenced, file: str, model: type[M], problems: list[Problem]) -> Document[M] | None:
    """The record of a block. Empty lines before it give every node its line in the whole file."""
    try:
        root, found = yaml_reader.parse("\n" * block.lines_before + block.text, file)
    except EstateErrors as errors:
        problems += errors.problems
        return None
    document = validate(root, found, model)
    if document.record is None or document.problems:
        problems += document.problems
        document.problems = []
    return document


class _Checks:
    """What types cannot say: names that are known, templates that are sound, steps that are complete."""

    def __init__(
        self, header: Header, documents: Sequence[tuple[Fenced, Document[Fact | Precondition | Step] | None]]
    ) -> None:
        self.head = header
        self.documents = [document for _, document in documents if document is not None and document.record is not None]
        self.names = [*BUILT_IN, *header.parameters, *header.let]

    def header(self, document: Document[Header]) -> None:
        known = list(BUILT_IN)
        for name, parameter in self.head.parameters.items():
            if name in ("facts", "resumed"):
                document.report(("parameters", name), "この名前は使えません", key=True)
            if parameter.default is not None:
                _report(
                    document, ("parameters", name, "default"), templates.expression_problems, parameter.default, known
                )
            if parameter.pattern is not None and not _is_pattern(parameter.pattern):
                document.report(("parameters", name, "pattern"), "正規表現として読めません")
            known.append(name)
        for name, expression in self.head.let.items():
            if name in self.head.parameters:
                document.report(("let", name), "同じ名前の引数があります", key=True)
            _report(document, ("let", name), templates.expression_problems, expression, known)
            known.append(name)
        for key in ("hosts", "vms", "tenants"):
            for index, expression in enumerate(getattr(self.head, key)):
                _report(document, (key, index), templates.expression_problems, expression, known)
        if self.head.target is not None:
            _report(document, ("target",), templates.expression_problems, self.head.target, known)

    def blocks(self) -> None:
        ids: set[str] = set()
        facts: set[str] = set()
        stepping = False
        for document in self.documents:
            record = document.record
            assert record is not None  # noqa: S101 - selected above
            if record.id in ids:
                document.report(("id",), f"id「{record.id}」が重複しています")
            ids.add(record.id)
            if isinstance(record, Step):
                stepping = True
                for path, message in _step_problems(record):
                    document.report(path, message)
            elif stepping:
                document.report(("id",), "事実と前提条件は、最初の手順より前に書いてください（先にすべて調べます）")
            self._templates(document, record, facts)
            if isinstance(record, Fact):
                facts.add(record.id)

    def _templates(
        self, document: Document[Fact | Precondition | Step], record: Fact | Precondition | Step, facts: set[str]
    ) -> None:
        known = [*self.names, "facts", "resumed", *record.each]
        for name, expression in record.each.items():
            if name in self.names:
                document.report(("each", name), "この名前はもう使われています", key=True)
            self._one(document, ("each", name), templates.expression_problems, expression, self.names, facts)
        plans = (
            (_COMMANDS, templates.command_problems),
            (_EXPRESSIONS, templates.expression_problems),
            (_TEXTS, templates.text_problems),
        )
        for keys, check in plans:
            for key in keys:
                given = getattr(record, key, None)
                if isinstance(given, str):
                    self._one(document, (key,), check, given, known, facts)
        if isinstance(record, Step):
            for name, expression in record.with_.items():
                self._one(document, ("with", name), templates.expression_problems, expression, known, facts)

    def _one(
        self,
        document: Document[Fact | Precondition | Step],
        path: tuple[str, ...],
        check: Callable[[str, Sequence[str]], Iterator[str]],
        given: str,
        known: Sequence[str],
        facts: set[str],
    ) -> None:
        _report(document, path, check, given, [*known, "facts", "resumed"])
        used = templates.fact_names(given, expression=check is templates.expression_problems)
        for name in sorted(used - facts):
            document.report(path, f"事実「{name}」は、ここより前に調べていません")


def _report(
    document: Document[M],
    path: tuple[str | int, ...],
    check: Callable[[str, Sequence[str]], Iterator[str]],
    given: str,
    known: Sequence[str],
) -> None:
    for message in check(given, known):
        document.report(path, message)


def _step_problems(step: Step) -> Iterator[tuple[tuple[str, ...], str]]:
    if step.runbook is not None:
        for key in (*_COMMANDS[1:], *_TEXTS[:2], "no_rollback"):
            if getattr(step, key) is not None:
                yield (key,), f"runbook の手順に {key} は書けません（呼び出す手順書にあります）"
        return
    if step.with_:
        yield ("with",), "with は runbook と一緒に使います"
    for key in ("check", "apply", "verify"):
        if getattr(step, key) is None:
            yield (key,), f"「{key}」がありません。手順には check、apply、verify が要ります"
    if (step.rollback is None) == (step.no_rollback is None):
        yield ("rollback",), "rollback（戻し方）か no_rollback（戻せない理由）の、どちらか一つが要ります"
    if step.rollback_verify is not None and step.rollback is None:
        yield ("rollback_verify",), "rollback_verify は rollback と一緒に使います"
    if sum(each is not None for each in (step.input, step.input_from, step.secret)) > 1:
        yield ("input",), "input、input_from、secret は一つだけ使えます（どれも標準入力です）"


def _is_pattern(text: str) -> bool:
    try:
        re.compile(text)
    except re.error:
        return False
    return True


__all__ = ["Reading", "parse", "read"]
