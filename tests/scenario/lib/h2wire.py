"""An HTTP/2 client that hides nothing: frames out, frames in, and streams that
say how they ended. One thread at a time; nothing is read but in step(), so a
caller that does not call it is a client that does not read.

It asks for a header table of size 0, so that every answer's head can be read
without a dynamic table, and reads of a head the status alone."""
import json
import socket
import ssl
import struct

from .wire import Truncated, split_events

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20
CANCEL = 8
# RFC 7541, appendix A and B: what a status can be written with.
STATUSES = {0x88: 200, 0x89: 204, 0x8A: 206, 0x8B: 304, 0x8C: 400, 0x8D: 404, 0x8E: 500}
DIGITS = {"00000": "0", "00001": "1", "00010": "2", "011001": "3", "011010": "4",
          "011011": "5", "011100": "6", "011101": "7", "011110": "8", "011111": "9"}


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _integer(n, bits):
    top = (1 << bits) - 1
    if n < top:
        return bytes([n])
    out, n = [top], n - top
    while n >= 128:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes(out + [n])


def field(name, value):
    """A literal field without indexing."""
    name, value = name.encode(), value.encode()
    return b"\0" + _integer(len(name), 7) + name + _integer(len(value), 7) + value


def _status(block):
    """The first field of an answer is its status."""
    while block[0] & 0xE0 == 0x20:  # a change of the table's size
        at = 1
        if block[0] & 0x1F == 0x1F:
            while block[at] & 0x80:
                at += 1
            at += 1
        block = block[at:]
    if block[0] in STATUSES:
        return STATUSES[block[0]]
    assert block[0] & 0x0F in range(8, 15) or block[0] & 0x3F in range(8, 15), block[:8]
    length = block[1] & 0x7F
    text = block[2:2 + length]
    if not block[1] & 0x80:
        return int(text)
    digits, code = "", ""
    for bit in "".join(f"{b:08b}" for b in text):
        code += bit
        if code in DIGITS:
            digits, code = digits + DIGITS[code], ""
    return int(digits)


class Stream:
    def __init__(self, number, window):
        self.number, self.window = number, window  # window: what may be sent
        self.status, self.body = None, b""
        self.ended = False   # END_STREAM was seen
        self.reset = None    # the code of its RST_STREAM

    @property
    def over(self):
        return self.ended or self.reset is not None

    @property
    def events(self):
        return list(split_events(self.body))

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<h2 {self.status} ended={self.ended} reset={self.reset} {self.body[-200:]!r}>"


class H2:
    """window: what a stream may be sent before it is given more. grant: give
    more as it is read; without it the client's windows close for ever."""

    def __init__(self, port, tls=None, timeout=60.0, window=65535, grant=True, receive_buffer=None):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            context = ssl.create_default_context(cafile=tls)
            context.set_alpn_protocols(["h2"])
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        self.grant, self.streams, self.goaway = grant, {}, None
        self._buffer, self._next, self._window, self._initial, self._largest = b"", 1, 65535, 65535, 16384
        settings = struct.pack(">HIHI", 1, 0, 4, window)  # header table 0, stream window
        self.send(PREFACE + frame(SETTINGS, 0, 0, settings))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def reset(self):
        """Ends the connection with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    # -- asking --------------------------------------------------------------

    def begin(self, method, path, headers=(), end=False):
        """Opens a stream with its head."""
        stream = Stream(self._next, self._initial)
        self._next += 2
        self.streams[stream.number] = stream
        block = b"".join(field(n, v) for n, v in [
            (":method", method), (":scheme", "http"), (":path", path), (":authority", "gateway"),
            *[(n.lower(), v) for n, v in dict(headers).items()]])
        self.send(frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream.number, block))
        return stream

    def request(self, method, path, body=None, headers=()):
        """Sends a request as its windows allow; returns its Stream."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        given = {"content-type": "application/json", **dict(headers)} if body is not None else headers
        stream = self.begin(method, path, given, end=body is None)
        at, end = 0, len(body or b"")
        while at < end and not stream.over:
            room = min(end - at, self._largest, self._window, stream.window)
            if room <= 0:
                self.step()
                continue
            self._window -= room
            stream.window -= room
            last = at + room == end
            self.send(frame(DATA, END_STREAM if last else 0, stream.number, body[at:at + room]))
            at += room
        return stream

    def cancel(self, stream):
        self.send(frame(RST_STREAM, 0, stream.number, struct.pack(">I", CANCEL)))
        stream.reset = CANCEL

    def say_goaway(self):
        self.send(frame(GOAWAY, 0, 0, struct.pack(">II", 0, 0)))

    # -- reading -------------------------------------------------------------

    def _take(self, n):
        while len(self._buffer) < n:
            data = self.socket.recv(262144)
            if not data:
                raise Truncated("the connection ended")
            self._buffer += data
        data, self._buffer = self._buffer[:n], self._buffer[n:]
        return data

    def step(self):
        """Reads one frame and does what it says; returns its kind."""
        head = self._take(9)
        kind, flags, number = struct.unpack(">BBI", head[3:])
        payload = self._take(int.from_bytes(head[:3], "big"))
        stream = self.streams.get(number & 0x7FFFFFFF)
        handler = {DATA: self._on_data, HEADERS: self._on_headers, SETTINGS: self._on_settings,
                   RST_STREAM: self._on_reset, WINDOW_UPDATE: self._on_window, PING: self._on_ping,
                   GOAWAY: self._on_goaway}.get(kind)
        if handler:
            handler(stream, flags, payload)
        return kind

    def wait(self, stream):
        """Until the stream is over, whichever way."""
        while not stream.over:
            self.step()
        return stream

    def read_events(self, stream, n):
        """Until n events are there or the stream is over."""
        while not stream.over and stream.body.count(b"\n\n") < n:
            self.step()
        return stream.events

    def _on_data(self, stream, flags, payload):
        if self.grant and payload:
            self.send(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", len(payload))))
        if not stream:
            return
        if self.grant and payload and not flags & END_STREAM and not stream.over:
            self.send(frame(WINDOW_UPDATE, 0, stream.number, struct.pack(">I", len(payload))))
        stream.body += payload
        stream.ended |= bool(flags & END_STREAM)

    def _on_headers(self, stream, flags, payload):
        if stream and stream.status is None:
            stream.status = _status(payload)
        if stream:
            stream.ended |= bool(flags & END_STREAM)

    def _on_settings(self, _stream, flags, payload):
        if flags & ACK:
            return
        for at in range(0, len(payload), 6):
            name, value = struct.unpack(">HI", payload[at:at + 6])
            if name == 4:
                for s in self.streams.values():
                    s.window += value - self._initial
                self._initial = value
            elif name == 5:
                self._largest = value
        self.send(frame(SETTINGS, ACK, 0))

    def _on_reset(self, stream, _flags, payload):
        if stream:
            stream.reset = struct.unpack(">I", payload)[0]

    def _on_window(self, stream, _flags, payload):
        more = struct.unpack(">I", payload)[0]
        if stream:
            stream.window += more
        else:
            self._window += more

    def _on_ping(self, _stream, flags, payload):
        if not flags & ACK:
            self.send(frame(PING, ACK, 0, payload))

    def _on_goaway(self, _stream, _flags, payload):
        self.goaway = struct.unpack(">I", payload[4:8])[0]
