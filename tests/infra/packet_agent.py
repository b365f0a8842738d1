"""Lives in a network namespace of its own as one VM would, and tries what it is told, one JSON line each.

Run as a program (standard library only). Everything of one order happens at once; the answer says what came back.
"""

from __future__ import annotations

import contextlib
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
IP_MTU_DISCOVER, IP_PMTUDISC_DO = 10, 2  # the DF bit; Python has no names for them


def key(target):
    return json.dumps(target)


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


class Attempt:
    """ARP, pings and TCP connections to many addresses at once, while this endpoint's own ports go on answering."""

    def __init__(self, identity, listeners, serve):
        self.identity, self.listeners, self.serve = identity, listeners, serve
        self.found = {"arp": set(), "ping": set(), "tcp": set()}
        self.raw = self.icmp = None
        self.connecting = {}

    def run(self, arp=(), ping=(), tcp=(), size=0, timeout=1.0, wanted=None):
        """What answers within `timeout` seconds; those in `wanted` are waited for up to ten times as long."""
        self.arp, self.ping, self.size = arp, ping, size
        self.wanted = {kind: {key(each) for each in (wanted or {}).get(kind, ())} for kind in self.found}
        self.open_sockets()
        self.dial(tcp)
        started = asked = time.monotonic()
        self.ask(arp, ping)
        while time.monotonic() - started <= timeout * (10 if self.missing() else 1):
            if self.missing() and time.monotonic() - asked > 0.5:
                asked = time.monotonic()
                self.ask(self.lost("arp", arp), self.lost("ping", ping))
            self.listen()
        for each, _ in self.connecting.values():
            each.close()
        for each in (self.raw, self.icmp):
            if each is not None:
                each.close()
        return {kind: sorted(json.loads(each) for each in found) for kind, found in self.found.items()}

    def missing(self):
        return any(self.wanted[kind] - self.found[kind] for kind in self.found)

    def lost(self, kind, addresses):
        return [each for each in addresses if key(each) in self.wanted[kind] - self.found[kind]]

    def open_sockets(self):
        if self.arp:
            self.raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ARP))
            self.raw.bind(("eth0", ARP))
        if self.ping:
            self.icmp = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
            self.icmp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            if self.size:
                self.icmp.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO)

    def dial(self, targets):
        for address, port in targets:
            each = socket.socket()
            each.setblocking(False)
            if each.connect_ex((address, port)) in (0, errno.EINPROGRESS):
                self.connecting[each.fileno()] = (each, [address, port])
            else:
                each.close()

    def ask(self, arp, ping):
        mac, own = self.identity
        for address in arp:
            self.raw.send(arp_frame(mac, 1, mac, own, address))
        body = b"ku" + b"\0\1" + b"x" * max(0, self.size - 28)
        head = struct.pack("!BBH", 8, 0, checksum(struct.pack("!BBH", 8, 0, 0) + body))
        for address in ping:
            try:
                self.icmp.sendto(head + body, (address, 0))
            except OSError as error:
                if error.errno not in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EMSGSIZE):
                    raise

    def listen(self):
        """Takes what comes in within 50 ms."""
        poller = select.poll()
        for each in (self.raw, self.icmp, *self.listeners):
            if each is not None:
                poller.register(each, select.POLLIN)
        for number in self.connecting:
            poller.register(number, select.POLLIN | select.POLLHUP | select.POLLERR)
        for number, _event in poller.poll(50):
            if self.raw is not None and number == self.raw.fileno():
                frame = self.raw.recv(2048)
                answering = socket.inet_ntoa(frame[28:32])
                if frame[20:22] == b"\0\2" and answering in self.arp:
                    self.found["arp"].add(key(answering))
            elif self.icmp is not None and number == self.icmp.fileno():
                packet, peer = self.icmp.recvfrom(65535)
                if packet[20] == 0 and packet[24:26] == b"ku":
                    self.found["ping"].add(key(peer[0]))
            elif number in self.connecting:
                self.finish(*self.connecting.pop(number))
        self.serve()

    def finish(self, each, target):
        """Connected is not enough: the name must come back. What was refused is not found."""
        with each, contextlib.suppress(OSError):
            if each.recv(64):
                self.found["tcp"].add(key(target))


class Agent:
    def __init__(self):
        self.listeners = []
        self.sniffer = self.echoing = self.talk = None

    def configure(self, commands):
        for command in commands:
            subprocess.run(command, check=True, capture_output=True)

    def listen(self, ports, name):
        for port in ports:
            heard = socket.socket()
            heard.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            heard.bind(("", port))
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
                with peer, contextlib.suppress(OSError):  # the caller may have gone
                    peer.send(self.name.encode())

    def attempt(self, **order):
        """Which addresses answer; see `Attempt`."""
        return Attempt(self.identity, self.listeners, self.serve).run(**order)

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

    def echo(self, port):
        """From now on whoever connects here hears what he says."""
        program = (
            f"import socket;s=socket.create_server(('',{port}));c=s.accept()[0]\nwhile d:=c.recv(64): c.sendall(d)"
        )
        self.echoing = subprocess.Popen([sys.executable, "-I", "-S", "-c", program])
        time.sleep(0.3)

    def dial(self, address, port):
        self.talk = socket.create_connection((address, port), timeout=5)
        return True

    def say(self, text):
        """What comes back within two seconds."""
        self.talk.sendall(text.encode())
        self.talk.settimeout(2)
        try:
            return self.talk.recv(64).decode()
        except TimeoutError:
            return None

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
                if self.echoing:
                    self.echoing.kill()
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
