"""An engine that answers with the head it was sent, and reads strictly: whatever
two readers could understand in two ways is noted as a fault."""
import json
import re
import socket
import threading

from .ports import free_port
from .scripted import MODELS, reply

_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ /[\x21-\x7e]* HTTP/1\.1")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9a-z-]+): ([\x21-\x7e\x80-\xff]([\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?")
# `connection: keep-alive` would say nothing to an engine, and may not be needed.
_HOP_BY_HOP = {b"connection", b"transfer-encoding", b"upgrade", b"keep-alive", b"proxy-connection", b"te",
               b"trailer", b"http2-settings"}


class Seen:
    def __init__(self, line, fields, body):
        self.line, self.fields, self.body = line, fields, body

    def values(self, name):
        return [v for n, v in self.fields if n == name]


class EchoEngine:
    """requests: what it was sent, but for probes. faults: what was ambiguous."""

    def __init__(self):
        self.port, self.requests, self.faults = free_port(), [], []
        self._server = socket.create_server(("127.0.0.1", self.port), backlog=256)
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def _accept(self):
        while True:
            conn, _ = self._server.accept()
            threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _serve(self, conn):
        buffer = b""
        with conn:
            while True:
                while b"\r\n\r\n" not in buffer:
                    try:
                        more = conn.recv(65536)
                    except OSError:
                        return
                    if not more:
                        if buffer:
                            self.faults.append(("half a head", buffer))
                        return
                    buffer += more
                head, _, buffer = buffer.partition(b"\r\n\r\n")
                line, fields = self._read(head)
                length = next((int(v) for n, v in fields if n == b"content-length"), 0)
                while len(buffer) < length:
                    more = conn.recv(65536)
                    if not more:
                        return
                    buffer += more
                seen, buffer = Seen(line, fields, buffer[:length]), buffer[length:]
                conn.sendall(self._answer(seen))

    def _answer(self, seen):
        if seen.line.startswith((b"GET /health ", b"GET /metrics ")):
            return reply(b"")
        if seen.line.startswith(b"GET /v1/models "):
            return reply(MODELS)
        self.requests.append(seen)
        return reply(json.dumps({"line": seen.line.decode(), "length": len(seen.body),
                                 "fields": [[n.decode(), v.decode("latin-1")] for n, v in seen.fields]}).encode())

    def _read(self, head):
        line, *rest = head.split(b"\r\n")
        if not _LINE.fullmatch(line):
            self.faults.append(("request line", line))
        fields = []
        for field in rest:
            match = _FIELD.fullmatch(field)
            if not match:
                self.faults.append(("field", field))
                continue
            fields.append((match[1], match[2] or b""))
        names = [n for n, _ in fields]
        for name in (b"host", b"content-length"):
            if names.count(name) > 1:
                self.faults.append((f"{names.count(name)} times {name.decode()}", head))
        if b"host" not in names:
            self.faults.append(("no host", head))
        for name, value in fields:
            if name in _HOP_BY_HOP or name == b"content-length" and not value.isdigit():
                self.faults.append(("hop by hop, or no number", name + b": " + value))
        return line, fields
