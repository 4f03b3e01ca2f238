"""An HTTP/1.1 client that hides nothing: raw bytes out, and an answer that says
how it ended. It decodes chunks itself, because a story must be able to tell a
complete answer from one that was cut."""
import json
import socket
import ssl
import struct


class Truncated(Exception):
    """The connection ended before the message did."""


class Answer:
    def __init__(self, status, headers):
        self.status, self.headers = status, headers
        self.body = b""

    def header(self, name):
        """The value of a field that occurs at most once, or None."""
        values = [v for n, v in self.headers if n == name.lower()]
        assert len(values) <= 1, f"{name} occurs {len(values)} times"
        return values[0] if values else None

    def json(self):
        return json.loads(self.body)

    @property
    def events(self):
        return list(split_events(self.body))

    def __repr__(self):
        return f"<{self.status} {self.body[:400]!r}>"


def split_events(body):
    """The data of each complete event."""
    for block in body.replace(b"\r\n", b"\n").split(b"\n\n")[:-1]:
        data = [line[5:].removeprefix(b" ") for line in block.split(b"\n") if line.startswith(b"data:")]
        if data:
            yield b"\n".join(data).decode()


def text_of(events):
    """The text that a stream of chat or completion events carries."""
    out = []
    for event in events:
        if event == "[DONE]":
            continue
        for choice in json.loads(event).get("choices", []):
            out.append(choice.get("text") or choice.get("delta", {}).get("content") or "")
    return "".join(out)


def dial(port, protocol, timeout, tls=None, receive_buffer=None, source=None):
    """A connected socket, over TLS if tls is the authorities' file; protocol is
    what ALPN then asks for. source: the client's own address."""
    raw = socket.socket()
    if source:
        raw.bind((source, 0))
    if receive_buffer:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    raw.settimeout(timeout)
    raw.connect(("127.0.0.1", port))
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not tls:
        return raw
    context = ssl.create_default_context(cafile=tls)
    context.set_alpn_protocols([protocol])
    return context.wrap_socket(raw, server_hostname="localhost")


class Client:
    """What every client's end of a connection can do."""

    socket = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def reset(self):
        """Ends the connection with RST, as a killed client's kernel does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


class Connection(Client):
    """One client connection. Requests and answers are explicit, one at a time
    or pipelined."""

    def __init__(self, port, timeout=60.0, tls=None, receive_buffer=None, source=None):
        self.socket = dial(port, "http/1.1", timeout, tls, receive_buffer, source)
        self.buffer = b""

    def send(self, data):
        self.socket.sendall(data)

    def request(self, method, path, body=None, headers=()):
        """Sends a request; a body that is not bytes goes as JSON."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        given = dict(headers)
        lines = [f"{method} {path} HTTP/1.1", f"Host: {given.pop('Host', 'gateway')}"]
        if body is not None:
            given.setdefault("Content-Type", "application/json")
            given.setdefault("Content-Length", str(len(body)))
        lines += [f"{n}: {v}" for n, v in given.items()]
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b""))

    def _fill(self):
        data = self.socket.recv(65536)
        if not data:
            raise Truncated(f"connection ended; {len(self.buffer)} bytes were left over")
        self.buffer += data

    def _line(self):
        while b"\r\n" not in self.buffer:
            self._fill()
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line

    def _exactly(self, n):
        while len(self.buffer) < n:
            self._fill()
        data, self.buffer = self.buffer[:n], self.buffer[n:]
        return data

    def head(self):
        """The next final answer's head; interim ones are passed over."""
        while True:
            version, status, *_ = self._line().split(b" ", 2)
            assert version == b"HTTP/1.1", version
            headers = []
            while line := self._line():
                name, _, value = line.partition(b":")
                headers.append((name.decode().lower(), value.strip().decode("latin-1")))
            if int(status) >= 200:
                return Answer(int(status), headers)

    def pieces(self, answer, method="POST"):
        """The body as it arrives; raises Truncated if it does not end well."""
        if method == "HEAD" or answer.status in (204, 304):
            return
        if (answer.header("transfer-encoding") or "").lower() == "chunked":
            while size := int(self._line().split(b";")[0], 16):
                yield self._exactly(size)
                assert self._exactly(2) == b"\r\n"
            while self._line():
                pass
        elif (length := answer.header("content-length")) is not None:
            yield self._exactly(int(length))
        else:
            try:
                while True:
                    self._fill()
            except Truncated:
                data, self.buffer = self.buffer, b""
                yield data

    def answer(self, method="POST"):
        answer = self.head()
        for piece in self.pieces(answer, method):
            answer.body += piece
        return answer

    def events(self, answer):
        """The data of each event as it arrives."""
        pending = b""
        for piece in self.pieces(answer):
            pending += piece
            while b"\n\n" in pending:
                block, _, pending = pending.partition(b"\n\n")
                yield from split_events(block + b"\n\n")


def ask(port, method, path, body=None, headers=(), **options):
    """One request on a connection of its own."""
    with Connection(port, **options) as c:
        c.request(method, path, body, headers)
        return c.answer(method)
