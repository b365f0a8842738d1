"""`kumiai new` and `kumiai check`."""

import pytest

from tests.kumiai.conftest import LAB


@pytest.mark.parametrize("template", ["starter", "lab", "pilot"])
def test_new_writes_an_estate_that_check_accepts(ask, tmp_path, template):
    made = ask("new", tmp_path / "mine", "--from", template)
    assert (made.code, made.err) == (0, "")
    assert made.out.splitlines()[0] == f"作成しました：{tmp_path / 'mine' / 'estate.yaml'}"
    checked = ask("check", tmp_path / "mine" / "estate.yaml")
    assert (checked.code, checked.out) == (0, "判定：誤りはありません\n")


def test_new_as_json(ask, tmp_path):
    answer = ask("new", tmp_path / "mine", "--json")
    assert answer.document["format_version"] == "1.0"
    assert answer.document["estate"] == str(tmp_path / "mine" / "estate.yaml")
    assert answer.document["verdict"]


@pytest.mark.parametrize("template", ["nope", "", "../lab", "."])
def test_new_refuses_an_unknown_template(ask, tmp_path, template):
    answer = ask("new", tmp_path / "mine", "--from", template)
    assert (answer.code, answer.out) == (2, "")
    assert "starter、centre、lab、pilot" in answer.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["full", "file", "file/below", "dangling"])
def test_new_leaves_what_is_there(ask, tmp_path, name):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    answer = ask("new", tmp_path / name)
    assert (answer.code, answer.out) == (2, "")
    assert len(answer.err.splitlines()) == 1
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["dangling", "file", "full", "mine.txt"]


def test_check_says_every_mistake_and_how_many(ask, write_estate):
    def change(document, _):
        document["tenants"][0]["code"] = "442047"
        document["policy"]["spare_hosts"] = -1

    path = write_estate(change)
    answer = ask("check", path)
    assert (answer.code, answer.out) == (2, "判定：誤り 2 件\n")
    mistakes = [line for line in answer.err.splitlines() if "km しか離れて" not in line]
    assert len(mistakes) == 2
    assert all(line.startswith(f"{path}:1:") for line in mistakes)


def test_check_as_json_says_the_same(ask, write_estate):
    answer = ask("check", write_estate(lambda document, _: document.update(hosts=[])), "--json")
    assert answer.code == 3
    assert answer.err == ""
    assert answer.document["format_version"] == "1.0"
    assert answer.document["verdict"] == "判定：誤り 1 件"
    (problem,) = answer.document["problems"]
    assert (problem["path"], problem["exit_code"]) == ("hosts", 3)


def test_check_as_json_of_a_sound_estate(ask):
    answer = ask("check", LAB, "--json")
    assert answer.code == 0
    assert answer.document["problems"] == []
    assert len(answer.document["warnings"]) == 1


@pytest.mark.parametrize("what", ["missing.yaml", ".", "catalogue.yaml", "binary"])
def test_check_refuses_what_is_no_estate(ask, write_estate, tmp_path, monkeypatch, what):
    write_estate()
    (tmp_path / "binary").write_bytes(bytes(range(256)))
    monkeypatch.chdir(tmp_path)
    answer = ask("check", what)
    assert answer.code == 2
    assert answer.out.startswith("判定：誤り ")
    assert answer.err.startswith(f"{what}:")
