"""The XSLT, applied by the program that the provider applies it with."""

from __future__ import annotations

import subprocess
from xml.etree import ElementTree

import pytest

from infra import domain_xml

# The shape of what the provider hands to xsltproc.
DOMAIN = """\
<domain type="qemu">
  <name>a-01</name>
  <memory unit="MiB">128</memory>
  <vcpu>8</vcpu>
  <os><type>hvm</type></os>
  <features><pae></pae><acpi></acpi></features>
  <devices>
    <disk type="volume" device="disk"><target dev="vda" bus="virtio"></target></disk>
    <interface type="bridge"><mac address="52:54:00:00:01:2f"></mac><source bridge="br-a"></source></interface>
    <console type="pty"><target type="serial" port="0"></target></console>
    <console type="pty"><target type="virtio" port="1"></target></console>
  </devices>
</domain>
"""


def applied(tmp_path, document=DOMAIN, **options):
    chosen = {"vcpu": 4, "vcpu_max": 8, "weight": 1.0, "emulated": False, "port": "kv00012f"} | options
    (tmp_path / "sheet.xsl").write_text(domain_xml.stylesheet("a-01", **chosen))
    (tmp_path / "domain.xml").write_text(document)
    command = ["xsltproc", str(tmp_path / "sheet.xsl"), str(tmp_path / "domain.xml")]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def canonical(text):
    return ElementTree.canonicalize(text, strip_text=True)


CONSOLE = '<console type="pty"><target type="serial" port="0"></target>'
LOG = '<log file="/var/log/libvirt/a-01-console.log" append="on"/>'
SOURCE = '<source bridge="br-a"></source>'
LOGGED = DOMAIN.replace(CONSOLE, CONSOLE + LOG).replace(SOURCE, SOURCE + '<target dev="kv00012f"></target>')


def test_all_vcpus_at_the_start(tmp_path):
    assert canonical(applied(tmp_path, vcpu=8)) == canonical(LOGGED)


def test_fewer_vcpus_than_the_maximum(tmp_path):
    expected = LOGGED.replace("<vcpu>8</vcpu>", '<vcpu current="4">8</vcpu>')
    assert canonical(applied(tmp_path)) == canonical(expected)


def test_weight_becomes_shares(tmp_path):
    expected = LOGGED.replace("</domain>", "<cputune><shares>2048</shares></cputune></domain>")
    assert canonical(applied(tmp_path, vcpu=8, weight=2.0)) == canonical(expected)


@pytest.mark.parametrize("features", [True, False])
def test_emulated_guests_get_a_small_translation_cache(tmp_path, features):
    cache = '<tcg><tb-cache unit="MiB">32</tb-cache></tcg>'
    document, expected = DOMAIN, LOGGED.replace("</features>", cache + "</features>")
    if not features:
        line = "<features><pae></pae><acpi></acpi></features>"
        document = DOMAIN.replace(line, "")
        expected = LOGGED.replace(line, "").replace("</domain>", f"<features>{cache}</features></domain>")
    assert canonical(applied(tmp_path, document, vcpu=8, emulated=True)) == canonical(expected)


def test_the_text_depends_on_the_plan_alone():
    options = {"vcpu": 4, "vcpu_max": 8, "weight": 1.0, "emulated": True, "port": "kv00012f"}
    assert domain_xml.stylesheet("a-01", **options) == domain_xml.stylesheet("a-01", **options)
    assert domain_xml.stylesheet("a-01", **options) != domain_xml.stylesheet("a-01", **{**options, "vcpu": 5})
