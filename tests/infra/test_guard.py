"""What the guard says of previews that the real engine made."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from infra.guarding import guard, preview
from infra.guarding.preview import PreviewError
from infra.observing.observed import Disk, Domain, HostObservation, Pool, Shape, Unreachable, Volume
from tests.infra import plans, previews

CASES = {case["name"]: case for case in previews.cases()}
DOCUMENTS = sorted(path.name for path in previews.CASES.iterdir() if path.name != "cases.json")
GIB = 2**30


@pytest.fixture(scope="module")
def plan_of(tmp_path_factory):
    made = {}

    def make(name):
        if name not in made:
            made[name] = previews.edited_plan(tmp_path_factory.mktemp(name) / "plan", CASES[name])
        return made[name]

    return make


@pytest.fixture(scope="module")
def read(plan_of):
    return lambda name: preview.read(previews.document(name, plan_of(name.rpartition(".")[0])))


def test_every_document_belongs_to_a_case_and_every_case_has_one():
    assert {name.rpartition(".")[0] for name in DOCUMENTS} == set(CASES)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_refusals_of_a_real_preview(document, plan_of, read):
    name, _, form = document.rpartition(".")
    case = CASES[name]
    wanted = case.get("wanted_streaming", case["wanted"]) if form == "ndjson" else case["wanted"]
    judged = guard.judge(read(document), plan_of(name))
    assert sorted(map(asdict, judged.refusals), key=lambda each: each["resource"]) == wanted
    for refusal in judged.refusals:
        assert refusal.vm == "" or refusal.vm in refusal.line
        assert refusal.consequence in refusal.line
        assert "\n" not in refusal.line


def test_the_verdict_says_it_in_one_line(plan_of, read):
    assert guard.judge(read("same.json"), plan_of("same")).verdict == (
        "判定：実行してよい — スタック「t00」（変更なし、拒否すべき変更なし）"
    )
    assert guard.judge(read("nic-bridge.json"), plan_of("nic-bridge")).verdict == (
        "判定：拒否 — スタック「t00」に 3 件、仮想サーバ 3 台"
    )


def test_no_replacement_or_deletion_of_a_vm_a_volume_or_a_pool_is_ever_let_through(plan_of, read):
    for document in DOCUMENTS:
        given_ = read(document)
        gone = {
            change.name for change in given_.changes
            if change.kind in guard.PRECIOUS and ("delete" in change.op or "replace" in change.op)
        }  # fmt: skip
        judged = guard.judge(given_, plan_of(document.rpartition(".")[0]))
        assert gone <= {refusal.resource for refusal in judged.refusals}, document


def test_an_operation_that_nobody_knows_is_refused(plan_of, read):
    given_ = read("same.json")
    strange = preview.Change("evaporate", "urn:x", "Volume", "t00-s00-ap-01-data", owner="t00-s00-ap-01")
    judged = guard.judge(replace(given_, changes=(*given_.changes, strange)), plan_of("same"))
    assert [refusal.resource for refusal in judged.refusals] == ["t00-s00-ap-01-data"]
    assert "未知の操作（evaporate）" in judged.refusals[0].what


def test_an_older_folder_and_one_of_another_line(plan_of, read, tmp_path):
    given_ = read("create-vm.json")
    newer = replace(given_, deployed={**given_.deployed, "generation": 3})
    (refusal,) = guard.judge(newer, plan_of("create-vm")).refusals
    assert "世代 2 の計画は、構築済みの世代 3 より古い" in refusal.what
    stranger = replace(given_, deployed={**given_.deployed, "layout_digest": "f" * 64})
    (refusal,) = guard.judge(stranger, plan_of("create-vm")).refusals
    assert "引き継いでいません" in refusal.what
    assert "--keep" in refusal.what


def test_a_preview_of_another_plan(plan_of, read, tmp_path):
    (refusal,) = guard.judge(read("same.ndjson"), plan_of("memory")).refusals
    assert "別の計画" in refusal.what
    other = plans.write(tmp_path / "plan", tenants=1, generation=3)
    (refusal,) = guard.judge(replace(read("same.json"), plan=str(other.path)), plan_of("same")).refusals
    assert "別の計画" in refusal.what


def test_a_stack_that_the_plan_does_not_have(plan_of, read):
    (refusal,) = guard.judge(replace(read("same.json"), stack="t77"), plan_of("same")).refusals
    assert refusal.runbook == "remove-tenant"


# What hosts say


def domain(name, state="running"):
    shape = Shape(8, 4, 128, 128, (), (Disk("vda", "default", f"{name}-system"),))
    return Domain(f"uuid-of-{name}", name, state, True, shape, shape)


def host(name, *vms, active=True, sizes=None):
    volumes = [
        Volume(f"{vm}-{disk}", f"/p/{vm}-{disk}", (sizes or {}).get(disk, GIB), 0) for vm in vms
        for disk in ("system", "data")
    ]  # fmt: skip
    pool = Pool("default", f"pool-of-{name}", active, "/p", 100 * GIB, 50 * GIB, tuple(volumes) if active else ())
    return HostObservation(name, f"qemu+ssh://{name}/system", "", 4096, tuple(map(domain, vms)), (pool,), {})


AP1, AP2, DB = "t00-s00-ap-01", "t00-s00-ap-02", "t00-s00-db-01"


def test_a_migrated_vm_is_accepted_where_it_runs_and_nowhere_else(plan_of, read):
    given_, plan = read("host.json"), plan_of("host")
    arrived = {"kvm01": host("kvm01"), "kvm02": host("kvm02", AP1, AP2, DB)}
    assert guard.judge(given_, plan, arrived).refusals == ()
    for seen, said in (
        ({"kvm01": host("kvm01", AP1), "kvm02": host("kvm02", AP2, DB)}, "kvm01 にあり"),
        ({"kvm01": host("kvm01", AP1), "kvm02": host("kvm02", AP1, AP2, DB)}, "両方に"),
        ({"kvm01": host("kvm01"), "kvm02": host("kvm02", AP2, DB)}, "見当たりません"),
        ({"kvm01": Unreachable("kvm01", "答えません"), "kvm02": host("kvm02", AP1, AP2, DB)}, "まだ kvm01 にある"),
        ({"kvm01": host("kvm01"), "kvm02": Unreachable("kvm02", "答えません")}, "問い合わせできない"),
    ):
        judged = guard.judge(given_, plan, seen)
        assert [(each.vm, each.runbook) for each in judged.refusals] == [(AP1, "migrate-vm")]
        assert said in judged.refusals[0].what


def test_a_change_on_a_host_whose_pool_is_inactive(plan_of, read):
    seen = {"kvm01": host("kvm01", AP1), "kvm02": host("kvm02", AP2, DB, active=False)}
    (refusal,) = guard.judge(read("create-vm.json"), plan_of("create-vm"), seen).refusals
    assert "プール「default」が停止" in refusal.what
    assert guard.judge(read("same.json"), plan_of("same"), seen).refusals == ()


def test_a_vm_that_would_be_made_twice(plan_of, read):
    new = "t00-s00-ap-03"
    seen = {"kvm01": host("kvm01", AP1, new), "kvm02": host("kvm02", AP2, DB)}
    (refusal,) = guard.judge(read("create-vm.json"), plan_of("create-vm"), seen).refusals
    assert (refusal.vm, refusal.runbook) == (new, "migrate-vm")
    seen = {"kvm01": host("kvm01", AP1), "kvm02": host("kvm02", AP2, DB, new)}
    (refusal,) = guard.judge(read("create-vm.json"), plan_of("create-vm"), seen).refusals
    assert "--adopt" in refusal.consequence


def test_a_disk_that_the_plan_has_larger_is_seen_only_on_its_host(plan_of, read):
    given_, plan = read("disk-size-ignored.json"), plan_of("disk-size-ignored")
    offline = guard.judge(given_, plan)
    assert offline.refusals == ()
    assert any("--offline" in note for note in offline.notes)
    small = {"kvm01": host("kvm01", AP1, sizes={"data": GIB // 2}), "kvm02": host("kvm02", AP2, DB)}
    (refusal,) = guard.judge(given_, plan, small).refusals
    assert (refusal.vm, refusal.resource, refusal.runbook) == (AP1, f"{AP1}-data", "grow-disk")
    assert "0.5 GiB → 1 GiB" in refusal.what
    grown = {"kvm01": host("kvm01", AP1), "kvm02": host("kvm02", AP2, DB)}
    assert guard.judge(given_, plan, grown).refusals == ()


def test_another_address_of_the_same_host(plan_of, read):
    given_, plan = read("uri.json"), plan_of("uri")
    new = next(change.new["uri"] for change in given_.changes if change.kind == "libvirt")
    there = replace(host("kvm02", AP2, DB), uri=new)
    assert guard.judge(given_, plan, {"kvm01": host("kvm01", AP1), "kvm02": there}).refusals == ()
    elsewhere = replace(host("kvm02", AP1), uri=new)
    assert guard.judge(given_, plan, {"kvm01": host("kvm01", AP1), "kvm02": elsewhere}).refusals
    assert guard.judge(given_, plan, {"kvm01": host("kvm01", AP1), "kvm02": host("kvm02", AP2, DB)}).refusals


def test_a_host_that_does_not_answer_is_said(plan_of, read):
    judged = guard.judge(read("same.json"), plan_of("same"), {"kvm01": Unreachable("kvm01", "接続できません")})
    assert judged.refusals == ()
    assert judged.notes == ("ホスト「kvm01」：接続できません",)


def test_hosts_to_ask_are_those_planned_and_those_deployed(plan_of, read):
    assert guard.hosts_to_ask(read("host.json"), plan_of("host")) == {"kvm01", "kvm02"}
    assert guard.hosts_to_ask(replace(read("host.json"), stack="t99"), plan_of("host")) == frozenset()


# Input that is none


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "空です"),
        (b"  \n\n", "空です"),
        (b"\xff\xfe{}", "UTF-8"),
        (b"{", "途中で切れて"),
        (b"[]", "steps がありません"),
        (b'{"steps": 3, "config": {}}', "オブジェクトの列"),
        (b'{"steps": [3]}', "オブジェクトの列"),
        (b'{"steps": [{}]}', "op がありません"),
        (b'{"steps": [{"op": "same"}]}', "urn がありません"),
        (b'{"steps": [{"op": "same", "urn": "nonsense"}]}', "URN が読めません"),
        (b'{"steps": []}', "途中で切れて"),
        (b'{"steps": [], "steps": []}', "二度"),
        (b'{"steps": [], "changeSummary": {"delete": 2}}', "途中で切れて|合いません"),
        (b'{"steps": null, "diagnostics": [], "changeSummary": {"delete": 2}}', "合いません"),
        (b'{"hello": "world"}', "steps がありません"),
        (b'{"steps": ' + b"[" * 100_000, "深すぎます|読めません"),
        (b'{"steps": [], "duration": ' + b"9" * 5000 + b"}", "数が大きすぎ"),
        (b'{"sequence": 1}\n{"sequence":', "2 行目"),
        (b'{"sequence": 1}\n[1]', "オブジェクト"),
        (b'{"sequence": 1}\n', "summaryEvent"),
        (b'{"sequence": 1, "resourcePreEvent": {"metadata": 4}}\n', "違います"),
    ],
)
def test_what_is_no_preview(data, said):
    with pytest.raises(PreviewError, match=said) as caught:
        preview.read(data)
    assert "\n" not in str(caught.value)


def test_what_is_too_large(monkeypatch):
    monkeypatch.setattr(preview, "MOST_BYTES", 100)
    with pytest.raises(PreviewError, match="大きすぎます"):
        preview.read(b" " * 101)


@pytest.mark.parametrize("document", ["delete-vm-unprotected.json", "memory-replaced.ndjson", "memory.json"])
def test_a_preview_that_is_cut_off_anywhere_is_never_judged(document):
    whole = (previews.CASES / document).read_bytes().rstrip()
    # The last line of a stream says nothing that counts.
    end = len(whole) - 1 if document.endswith(".json") else whole.index(b'"summaryEvent"')
    for cut in [*range(0, end, max(1, end // 200)), end]:
        with pytest.raises(PreviewError):
            preview.read(whole[:cut])


def test_another_project_and_two_stacks_at_once():
    text = (previews.CASES / "same.json").read_text(encoding="utf-8")
    with pytest.raises(PreviewError, match="一つのスタック"):
        preview.read(text.replace("::kumiai::", "::other::").encode())
    document = json.loads(text)
    second = json.loads(text.replace("urn:pulumi:t00", "urn:pulumi:t01"))["steps"]
    document["steps"] += second
    document["changeSummary"]["same"] *= 2
    with pytest.raises(PreviewError, match="一つのスタック"):
        preview.read(json.dumps(document).encode())


def test_a_step_that_was_taken_out_is_missed():
    document = json.loads((previews.CASES / "delete-vm-unprotected.json").read_text(encoding="utf-8"))
    document["steps"] = [step for step in document["steps"] if not step["urn"].endswith("ap-01-data")]
    with pytest.raises(PreviewError, match="合いません"):
        preview.read(json.dumps(document).encode())


JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=20),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
SMALL = [name for name in DOCUMENTS if (previews.CASES / name).stat().st_size < 60_000]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=some.data())
def test_whatever_somebody_writes_into_a_preview_is_judged_or_refused(data, plan_of):
    name = data.draw(some.sampled_from([each for each in SMALL if each.endswith(".json")]))
    document = json.loads((previews.CASES / name).read_text(encoding="utf-8"))
    for _ in range(data.draw(some.integers(1, 3))):
        place = document
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = data.draw(some.sampled_from(keys))
            inner = place[key]
            if isinstance(inner, dict | list) and inner and data.draw(some.booleans()):
                place = inner
                continue
            place[key] = data.draw(JSON)
            break
    try:
        read_ = preview.read(json.dumps(document).encode())
    except PreviewError as error:
        said = str(error)
        assert "\n" not in said
        return
    judged = guard.judge(read_, plan_of("same"))
    assert not [refusal.line for refusal in judged.refusals if "\n" in refusal.line]
    assert judged.verdict.startswith("判定：")
