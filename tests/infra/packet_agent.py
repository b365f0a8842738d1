"""Lives in a network namespace of its own as one VM would, and tries what it is told, one JSON line each.

Run as a program (standard library only). Everything of one order happens at once; the answer says what came back.
"""

from __future__ import annotations

import errno
import json
import select
import socket
import struct
import subprocess
import sys
import time

ETH_ALL = 0x0003
ARP, IPV4 = 0x0806, 0x0800


def mac_bytes(text):
    return bytes.fromhex(text.replace(":", ""))


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def arp_frame(mac, operation, sender_mac, sender_ip, target_ip, target_mac="00:00:00:00:00:00", to="ff:ff:ff:ff:ff:ff"):
    head = mac_bytes(to) + mac_bytes(mac) + struct.pack("!H", ARP)
    body = struct.pack("!HHBBH", 1, IPV4, 6, 4, operation)
    body += mac_bytes(sender_mac) + socket.inet_aton(sender_ip) + mac_bytes(target_mac) + socket.inet_aton(target_ip)
    return head + body + b"\0" * 18


def ip_frame(mac, to, source, destination, payload=b"spoof", protocol=253):
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 7, 0, 64, protocol, 0,
                       socket.inet_aton(source), socket.inet_aton(destination))  # fmt: skip
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    return mac_bytes(to) + mac_bytes(mac) + struct.pack("!H", IPV4) + head + payload


class Agent:
    def __init__(self):
        self.listeners = []
        self.sniffer = None

    def configure(self, commands):
        for command in commands:
            subprocess.run(command, check=True, capture_output=True)

    def listen(self, ports, name):
        for port in ports:
            heard = socket.socket()
            heard.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            heard.bind(("0.0.0.0", port))
            heard.listen(512)
            heard.setblocking(False)
            self.listeners.append(heard)
        self.name = name

    def serve(self):
        """Every waiting connection hears our name and is closed."""
        for each in self.listeners:
            while True:
                try:
                    peer, _ = each.accept()
                except OSError as error:
                    if error.errno in (errno.EAGAIN, errno.ECONNABORTED):
                        break
                    raise
                with peer:
                    try:
                        peer.send(self.name.encode())
                    except OSError:
                        pass  # the caller has gone

    def attempt(self, arp=(), ping=(), tcp=(), size=0, timeout=1.0, wanted=None):
        """Which of these addresses answer; waits `timeout`, and for those in `wanted` up to ten times as long."""
        found = {"arp": set(), "ping": set(), "tcp": set()}
        wanted = {kind: {json.dumps(each) for each in (wanted or {}).get(kind, ())} for kind in found}
        started = time.monotonic()
        sockets, connecting = [], {}
        raw = icmp = None
        if arp:
            raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ARP))
            raw.bind(("eth0", ARP))
            self.ask_arp(raw, arp)
            sockets.append(raw)
        if ping:
            icmp = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
            icmp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            if size:
                icmp.setsockopt(socket.IPPROTO_IP, 10, 2)  # IP_MTU_DISCOVER: IP_PMTUDISC_DO, the DF bit
            self.ask_ping(icmp, ping, size)
            sockets.append(icmp)
        for address, port in tcp:
            each = socket.socket()
            each.setblocking(False)
            code = each.connect_ex((address, port))
            if code in (0, errno.EINPROGRESS):
                connecting[each.fileno()] = (each, [address, port])
            else:
                each.close()
        asked = time.monotonic()
        while True:
            now = time.monotonic()
            missing = any(wanted[kind] - {json.dumps(e) for e in found[kind]} for kind in ("arp", "ping"))
            missing = missing or bool(wanted["tcp"] - found["tcp"])
            if now - started > timeout * (10 if missing else 1):
                break
            if missing and now - asked > 0.5:
                asked = now
                if raw is not None:
                    self.ask_arp(raw, [a for a in arp if json.dumps(a) in wanted["arp"] and a not in found["arp"]])
                if icmp is not None:
                    lost = [a for a in ping if json.dumps(a) in wanted["ping"] and a not in found["ping"]]
                    self.ask_ping(icmp, lost, size)
            poller = select.poll()
            for each in (*sockets, *self.listeners):
                poller.register(each, select.POLLIN)
            for number in connecting:
                poller.register(number, select.POLLIN | select.POLLHUP | select.POLLERR)
            for number, _event in poller.poll(50):
                if raw is not None and number == raw.fileno():
                    frame = raw.recv(2048)
                    answering = socket.inet_ntoa(frame[28:32])
                    if frame[20:22] == b"\0\2" and answering in arp:
                        found["arp"].add(answering)
                elif icmp is not None and number == icmp.fileno():
                    packet, peer = icmp.recvfrom(65535)
                    if packet[20] == 0 and packet[24:26] == b"ku":
                        found["ping"].add(peer[0])
                elif number in connecting:
                    each, target = connecting.pop(number)
                    try:
                        # Connected is not enough: the name must come back.
                        if each.recv(64):
                            found["tcp"].add(json.dumps(target))
                    except OSError:
                        pass  # refused or unreachable: not found
                    each.close()
            self.serve()
        for each, _ in connecting.values():
            each.close()
        for each in sockets:
            each.close()
        return {"arp": sorted(found["arp"]), "ping": sorted(found["ping"]),
                "tcp": sorted(json.loads(each) for each in found["tcp"])}  # fmt: skip

    def ask_arp(self, raw, addresses):
        mac, own = self.identity
        for address in addresses:
            raw.send(arp_frame(mac, 1, mac, own, address))

    def ask_ping(self, icmp, addresses, size):
        body = b"ku" + b"\0\1" + b"x" * max(0, size - 28)
        head = struct.pack("!BBH", 8, 0, checksum(struct.pack("!BBH", 8, 0, 0) + body))
        for address in addresses:
            try:
                icmp.sendto(head + body, (address, 0))
            except OSError as error:
                if error.errno not in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EMSGSIZE):
                    raise

    def send(self, frames):
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
            raw.bind(("eth0", 0))
            for frame in frames:
                raw.send(bytes.fromhex(frame))

    def sniff(self):
        self.sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_ALL))
        self.sniffer.bind(("eth0", ETH_ALL))
        self.sniffer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)

    def heard(self, wait):
        """The frames since `sniff`, without what this agent sent itself."""
        until, frames = time.monotonic() + wait, []
        while (left := until - time.monotonic()) > 0:
            if select.select([self.sniffer], [], [], left)[0]:
                frame, origin = self.sniffer.recvfrom(2048)
                if origin[2] != 4:  # PACKET_OUTGOING
                    frames.append(frame.hex())
        self.sniffer.close()
        return frames

    def run(self):
        buffer = b""
        while True:
            poller = select.poll()
            for each in (sys.stdin, *self.listeners):
                poller.register(each, select.POLLIN)
            ready = {number for number, _ in poller.poll()}
            self.serve()
            if sys.stdin.fileno() not in ready:
                continue
            piece = sys.stdin.buffer.raw.read(1 << 20)
            if not piece:
                return
            buffer += piece
            while b"\n" in buffer:
                line, buffer = buffer.split(b"\n", 1)
                order = json.loads(line)
                what = order.pop("do")
                if what == "be":
                    self.identity = (order["mac"], order["address"])
                    answer = None
                else:
                    answer = getattr(self, what)(**order)
                sys.stdout.write(json.dumps(answer) + "\n")
                sys.stdout.flush()


if __name__ == "__main__":
    Agent().run()
