"""`kumiai new`: an example that checks, all of it or nothing."""

import re
from pathlib import Path

import pytest

from estate import check, example


@pytest.mark.parametrize("template", example.templates())
def test_every_template_is_written_and_checks(tmp_path, template):
    path = example.write(tmp_path / "a" / "new", template)
    assert path == tmp_path / "a" / "new" / "estate.yaml"
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first == "# yaml-language-server: $schema=estate.schema.json"
    assert (path.parent / "estate.schema.json").is_file()
    outcome = check(path)
    assert [str(problem) for problem in outcome.problems] == []
    assert [entry.name for entry in (tmp_path / "a").iterdir()] == ["new"]


def test_the_examples_of_the_guide_are_one_estate_that_checks():
    docs = Path(__file__).parents[2] / "docs"
    outcome = check(docs / "examples" / "estate.yaml")
    assert ([str(problem) for problem in outcome.problems], outcome.warnings) == ([], ())
    blocks = re.findall(r"^```yaml\n(.*?)^```$", (docs / "estate-file.md").read_text(encoding="utf-8"), re.S | re.M)
    written = "\n\n".join(block.strip() for block in blocks)
    assert (docs / "examples" / "estate.yaml").read_text(encoding="utf-8").split("\n", 1)[1].strip() == written


def test_the_starter_has_no_warnings(tmp_path):
    assert check(example.write(tmp_path / "new")).warnings == ()


def test_an_empty_folder_is_filled_and_a_used_one_refused(tmp_path):
    (tmp_path / "new").mkdir()
    path = example.write(tmp_path / "new")
    before = path.read_bytes()
    path.write_bytes(before + b"# mine\n")
    with pytest.raises(example.ExampleError, match="空ではありません"):
        example.write(tmp_path / "new")
    assert path.read_bytes() == before + b"# mine\n"


def test_what_is_no_folder_or_no_template_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path)
    for name, template, words in (
        ("file", "starter", "フォルダーではありません"),
        ("link", "starter", "フォルダーではありません"),
        ("file/below", "starter", "書き込めません"),
        ("new", "pilott", "使えるもの"),
        ("new", "../tests", "使えるもの"),
    ):
        with pytest.raises(example.ExampleError, match=words):
            example.write(tmp_path / name, template)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "link"]


def test_a_failure_in_between_leaves_nothing(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(example.shutil, "copyfile", fail)
    with pytest.raises(example.ExampleError, match="No space left"):
        example.write(tmp_path / "new")
    assert list(tmp_path.iterdir()) == []
