"""A small name server, in this process: what a story wants names to mean, and the
ways in which name servers fail."""
import ipaddress
import socket
import struct
import threading

from .ports import free_port

A, AAAA, SRV = 1, 28, 33
TRUNCATED, SERVFAIL, NXDOMAIN = 0x0200, 2, 3


def _name(text):
    return b"".join(bytes([len(p)]) + p.encode() for p in text.rstrip(".").split(".")) + b"\0"


class DnsServer:
    """Records by name; a name without any is NXDOMAIN. mode: what goes wrong:
    "silent", "servfail", "garbage", "truncated" (over UDP, so that TCP is needed)."""

    def __init__(self):
        self.port, self.mode, self.asked = free_port(), None, []
        self.over_tcp = 0
        self._records, self._lock = {}, threading.Lock()
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", self.port))
        self._tcp = socket.create_server(("127.0.0.1", self.port))
        for serve in (self._serve_udp, self._serve_tcp):
            threading.Thread(target=serve, daemon=True).start()

    @property
    def conf(self):
        """The directive for a gateway's main block."""
        return f"resolver 127.0.0.1:{self.port};\n"

    # -- what names mean -----------------------------------------------------

    def set(self, name, *addresses, ttl=1):
        """All addresses of a name, of both kinds; none: the name has no data."""
        parsed = [ipaddress.ip_address(a) for a in addresses]
        with self._lock:
            self._records[name] = [(A if a.version == 4 else AAAA, ttl, a.packed) for a in parsed]

    def set_srv(self, name, *services, ttl=1):
        """All services of a name: (priority, weight, port, target)."""
        with self._lock:
            self._records[name] = [(SRV, ttl, struct.pack(">HHH", *s[:3]) + _name(s[3])) for s in services]

    def remove(self, name):
        with self._lock:
            del self._records[name]

    # -- answers -------------------------------------------------------------

    def _answer(self, query, udp):
        number, = struct.unpack_from(">H", query)
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        kind, = struct.unpack_from(">H", query, at + 1)
        name, question = ".".join(labels).lower(), query[12:at + 5]
        with self._lock:
            self.asked.append(name)
            known = self._records.get(name)
        if self.mode == "silent":
            return None
        if self.mode == "garbage":
            return struct.pack(">HHHHHH", number, 0x8180, 1, 9, 0, 0) + question + b"\xc0\xff" * 3
        if self.mode == "servfail":
            return struct.pack(">HHHHHH", number, 0x8180 | SERVFAIL, 1, 0, 0, 0) + question
        if known is None:
            return struct.pack(">HHHHHH", number, 0x8180 | NXDOMAIN, 1, 0, 0, 0) + question
        if self.mode == "truncated" and udp:
            return struct.pack(">HHHHHH", number, 0x8180 | TRUNCATED, 1, 0, 0, 0) + question
        found = [(ttl, data) for k, ttl, data in known if k == kind]
        return (struct.pack(">HHHHHH", number, 0x8180, 1, len(found), 0, 0) + question
                + b"".join(b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, ttl, len(data)) + data
                           for ttl, data in found))

    def _serve_udp(self):
        while True:
            query, peer = self._udp.recvfrom(4096)
            answer = self._answer(query, True)
            if answer:
                self._udp.sendto(answer, peer)

    def _serve_tcp(self):
        while True:
            conn, _ = self._tcp.accept()
            with conn:
                size = conn.recv(2, socket.MSG_WAITALL)
                if len(size) < 2:
                    continue
                query = conn.recv(struct.unpack(">H", size)[0], socket.MSG_WAITALL)
                self.over_tcp += 1
                answer = self._answer(query, False)
                if answer:
                    conn.sendall(struct.pack(">H", len(answer)) + answer)
