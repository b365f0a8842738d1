"""The XSLT that gives a domain what the provider has no field for.

It runs when the domain is created and is never read back. Its text is an input of the resource: every change of it,
white space included, would replace the domain. So it holds only what the plan says about this VM.
"""

from __future__ import annotations

from xml.sax.saxutils import quoteattr

LOG_FOLDER = "/var/log/libvirt"  # the packages make it; `qemu/` in it is made only after the first guest
SHARES_OF_WEIGHT_ONE = 1024  # libvirt's own default
TRANSLATION_CACHE_MIB = 32  # QEMU's default grows to 1 GiB per emulated guest

_HEAD = """\
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
<xsl:output omit-xml-declaration="yes"/>
<xsl:template match="@*|node()"><xsl:copy><xsl:apply-templates select="@*|node()"/></xsl:copy></xsl:template>
"""
_TAIL = "</xsl:stylesheet>\n"


def stylesheet(name: str, *, vcpu: int, vcpu_max: int, weight: float, emulated: bool, port: str) -> str:
    """The stylesheet of a VM.

    `vcpu` of the domain's maximum are there at its start, the others can be added while it runs. The serial console
    is also written to a log on the host. `weight` other than 1 becomes CPU shares. `emulated` guests (without KVM)
    get a small translation cache. `port` is the name of the device on the host's bridge, which the packet rules know;
    libvirt keeps a name that it did not invent, also on the host to which the VM moves.
    """
    rules = [_console(name), _port(port)]
    if vcpu != vcpu_max:
        rules.append(_current_vcpu(vcpu))
    additions = ""
    if weight != 1.0:
        additions += f"<cputune><shares>{round(SHARES_OF_WEIGHT_ONE * weight)}</shares></cputune>"
    if emulated:
        cache = f'<tcg><tb-cache unit="MiB">{TRANSLATION_CACHE_MIB}</tb-cache></tcg>'
        rules.append(_appended("/domain/features", cache))
        additions += f'<xsl:if test="not(features)"><features>{cache}</features></xsl:if>'
    if additions:
        rules.append(_appended("/domain", additions))
    return _HEAD + "\n".join(rules) + "\n" + _TAIL


def _current_vcpu(vcpu: int) -> str:
    return (
        '<xsl:template match="/domain/vcpu"><xsl:copy><xsl:apply-templates select="@*"/>'
        f'<xsl:attribute name="current">{vcpu}</xsl:attribute>'
        '<xsl:apply-templates select="node()"/></xsl:copy></xsl:template>'
    )


def _console(name: str) -> str:
    path = quoteattr(f"{LOG_FOLDER}/{name}-console.log")
    return _appended('/domain/devices/console[target/@type="serial"]', f'<log file={path} append="on"/>')


def _port(name: str) -> str:
    return _appended("/domain/devices/interface[1]", f"<target dev={quoteattr(name)}/>")


def _appended(where: str, what: str) -> str:
    match = quoteattr(where)
    copied = '<xsl:apply-templates select="@*|node()"/>'
    return f"<xsl:template match={match}><xsl:copy>{copied}{what}</xsl:copy></xsl:template>"
