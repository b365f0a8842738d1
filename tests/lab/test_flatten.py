"""The guest reads its seed with the awk script that this file runs."""

import subprocess

import pytest

from lab.image import GUEST


def flatten(text):
    command = ["busybox", "awk", "-f", str(GUEST / "flatten.awk")]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout.splitlines()


ADDRESS = "ethernets/eth0/addresses"


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        ("    addresses: [10.1.0.5/24]\n", ["10.1.0.5/24"]),
        ('    addresses: ["10.1.0.5/24", 10.1.0.6/24]\n', ["10.1.0.5/24", "10.1.0.6/24"]),
        ("    addresses:\n    - 10.1.0.5/24\n    - '10.1.0.6/24'\n", ["10.1.0.5/24", "10.1.0.6/24"]),
        ("    addresses:\n      - 10.1.0.5/24  # first\n", ["10.1.0.5/24"]),
        ("    addresses: []\n", []),
    ],
)
def test_addresses_in_flow_and_block_style(addresses, expected):
    lines = flatten("version: 2\nethernets:\n  eth0:\n" + addresses + "    gateway4: 10.1.0.1\n")
    assert [line for line in lines if line.startswith(ADDRESS + " ")] == [f"{ADDRESS} {each}" for each in expected]
    assert "ethernets/eth0/gateway4 10.1.0.1" in lines


@pytest.mark.parametrize(
    "match",
    [
        '    match: {macaddress: "52:54:00:00:00:11"}\n',
        "    match:\n      macaddress: 52:54:00:00:00:11\n",
        "    match:\n        macaddress: '52:54:00:00:00:11'\n",
    ],
)
def test_hardware_address(match):
    assert "ethernets/eth0/match/macaddress 52:54:00:00:00:11" in flatten("ethernets:\n  eth0:\n" + match)


def test_addresses_of_name_servers_and_of_other_interfaces_stay_apart():
    text = (
        "network:\n  ethernets:\n    eth0:\n      nameservers:\n        addresses: [10.9.9.9]\n"
        "      addresses:\n      - 10.1.0.5/24\n    eth1:\n      addresses: [10.2.0.5/24]\n"
    )
    assert flatten(text) == [
        "network/ethernets/eth0/nameservers/addresses 10.9.9.9",
        "network/ethernets/eth0/addresses 10.1.0.5/24",
        "network/ethernets/eth1/addresses 10.2.0.5/24",
    ]


@pytest.mark.parametrize(
    "routes",
    [
        "    routes:\n    - to: default\n      via: 10.1.0.1\n",
        "    routes:\n      - {to: default, via: 10.1.0.1}\n",
        "    routes: [{to: default, via: 10.1.0.1}]\n",
    ],
)
def test_routes(routes):
    assert flatten("ethernets:\n  eth0:\n" + routes) == [
        "ethernets/eth0/routes/to default",
        "ethernets/eth0/routes/via 10.1.0.1",
    ]


def test_meta_data():
    text = "# of a guest\ninstance-id: i-1\nlocal-hostname: hita-resident-tax-ap-01\n"
    assert flatten(text) == ["instance-id i-1", "local-hostname hita-resident-tax-ap-01"]
