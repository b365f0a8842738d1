"""How the tests run commands, and the estates and plans that they share."""

import json
import shutil
import signal
from pathlib import Path
from typing import NamedTuple

import pytest

import estate
import planning
from kumiai import main
from tests.planning.random_estate import estate as random_estate

ROOT = Path(__file__).parents[2]
LAB = ROOT / "examples" / "lab" / "estate.yaml"


class Answer(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def document(self):
        """Stdout as the one JSON document of `--json`."""
        return json.loads(self.out)


@pytest.fixture
def ask(monkeypatch, capsys):
    """Runs `kumiai` with these arguments in this process."""

    def command(*arguments):
        monkeypatch.setattr("sys.argv", ["kumiai", *map(str, arguments)])
        capsys.readouterr()
        before = signal.getsignal(signal.SIGINT)
        try:
            code = main.guarded()
        finally:
            signal.signal(signal.SIGINT, before)
        answer = Answer(code, *capsys.readouterr())
        assert "Traceback" not in answer.err
        return answer

    return command


@pytest.fixture
def write_estate(tmp_path):
    """Writes the small random estate 3, changed by `change(document, catalogue)`; returns its path."""

    def write(change=lambda document, catalogue: None):
        document, catalogue = random_estate(3)
        change(document, catalogue)
        (tmp_path / "estate.yaml").write_text(json.dumps(document), encoding="utf-8")
        (tmp_path / "catalogue.yaml").write_text(json.dumps(catalogue), encoding="utf-8")
        return tmp_path / "estate.yaml"

    return write


@pytest.fixture(scope="session")
def lab_planned(tmp_path_factory):
    destination = tmp_path_factory.mktemp("lab") / "plan"
    planning.plan(estate.load(LAB), destination)
    return destination


@pytest.fixture
def lab_plan(lab_planned, tmp_path):
    """A plan folder of examples/lab that the test may change."""
    return Path(shutil.copytree(lab_planned, tmp_path / "plan"))


def all_files(folder):
    """Path and bytes of everything below a folder, hidden files too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
