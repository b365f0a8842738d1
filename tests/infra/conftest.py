"""Keys of the tenants of the plans of these tests, as the environment for a stack names them."""

from __future__ import annotations

import pytest

from tests.infra import plans


@pytest.fixture(autouse=True)
def tenants_keys(tmp_path_factory, monkeypatch):
    """Public keys for every tenant; no test writes into the user's folders."""
    folder = tmp_path_factory.mktemp("secrets")
    for tenant in ("t00", "t01", "common"):
        (folder / tenant).mkdir()
        (folder / tenant / "id_ed25519.pub").write_text(plans.public_key(tenant) + "\n", encoding="ascii")
    monkeypatch.setenv("KUMIAI_SECRETS", str(folder))
    return folder
