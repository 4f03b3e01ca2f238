"""HTTP/2 without a library: frames as bytes, header blocks of plain literals,
and a client that reports what it is sent, frame by frame.

It asks for a dynamic table of size 0, so an answer's block holds only what the
static table or the block itself says, and :status, which comes first, can be
read without an HPACK decoder."""
import struct

from .wire import Client, dial

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
(DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE,
 CONTINUATION) = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, WITH_PRIORITY = 1, 1, 4, 8, 32
(NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT, STREAM_CLOSED,
 FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, CONNECT_ERROR, ENHANCE_YOUR_CALM,
 INADEQUATE_SECURITY, HTTP_1_1_REQUIRED) = range(14)
HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_STREAMS, INITIAL_WINDOW, MAX_FRAME, MAX_LIST = range(1, 7)

_STATUS = {8: 200, 9: 204, 10: 206, 11: 304, 12: 400, 13: 404, 14: 500}
_DIGITS = {"00000": "0", "00001": "1", "00010": "2", **{f"{0b011001 + i:06b}": str(3 + i) for i in range(7)}}


def frame(kind, flags=0, stream=0, payload=b"", length=None):
    """length: what the header claims, if not the truth."""
    n = len(payload) if length is None else length
    return struct.pack(">I", n)[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def integer(value, prefix, first=0):
    """RFC 7541 §5.1"""
    top = (1 << prefix) - 1
    if value < top:
        return bytes([first | value])
    out, value = bytearray([first | top]), value - top
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def literal(name, value, first=0):
    """A field without Huffman coding; first 0x40 puts it into the dynamic table."""
    name, value = (x if isinstance(x, bytes) else x.encode() for x in (name, value))
    return bytes([first]) + integer(len(name), 7) + name + integer(len(value), 7) + value


def block(fields):
    return b"".join(f if isinstance(f, bytes) else literal(*f) for f in fields)


def headers(stream, fields, flags=END_HEADERS | END_STREAM):
    return frame(HEADERS, flags, stream, fields if isinstance(fields, bytes) else block(fields))


def data(stream, payload=b"", flags=END_STREAM):
    return frame(DATA, flags, stream, payload)


def settings(*pairs):
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", k, v) for k, v in pairs))


def u32(n):
    return struct.pack(">I", n)


def _huffman_digits(raw):
    bits, out, at = "".join(f"{b:08b}" for b in raw), "", 0
    while at < len(bits):
        for n in (5, 6):
            if bits[at:at + n] in _DIGITS:
                out += _DIGITS[bits[at:at + n]]
                at += n
                break
        else:
            break
    return out


def status_of(payload):
    """:status of a header block; see above."""
    while payload[0] & 0xe0 == 0x20:  # a table size update
        n = 1
        if payload[0] & 31 == 31:
            while payload[n] & 128:
                n += 1
            n += 1
        payload = payload[n:]
    if payload[0] & 0x80:
        return _STATUS[payload[0] & 127]
    skip = 1
    if payload[0] in (0x0f, 0x1f):
        skip = 2
    n, raw = payload[skip] & 127, payload[skip + 1:]
    return int(_huffman_digits(raw[:n]) if payload[skip] & 128 else raw[:n])


class Closed(Exception):
    """The connection is at its end."""


class H2Client(Client):
    """Frames out and frames in; nothing by itself but the preface's SETTINGS."""

    def __init__(self, port, tls=None, timeout=30.0, preface=True, options=(), receive_buffer=None):
        self.socket = dial(port, "h2", timeout, tls, receive_buffer)
        self.buffer = b""
        if preface:
            self.send(PREFACE + settings((HEADER_TABLE_SIZE, 0), *options))

    def send(self, *parts):
        self.socket.sendall(b"".join(parts))

    def _exactly(self, n):
        while len(self.buffer) < n:
            try:
                more = self.socket.recv(65536)
            except ConnectionError as e:
                raise Closed(f"reset: {e}") from None
            if not more:
                raise Closed("closed")
            self.buffer += more
        out, self.buffer = self.buffer[:n], self.buffer[n:]
        return out

    def frame(self):
        """The next frame: (kind, flags, stream, payload); Closed at the end."""
        head = self._exactly(9)
        n = int.from_bytes(head[:3], "big")
        return head[3], head[4], int.from_bytes(head[5:], "big") & 0x7fffffff, self._exactly(n)

    def outcome(self, stream):
        """How a stream ends, or the connection: ("status", n), ("rst", code),
        ("goaway", code), ("closed", None)."""
        status = None
        while True:
            try:
                kind, flags, on, payload = self.frame()
            except Closed:
                return "closed", None
            if kind == GOAWAY:
                code = int.from_bytes(payload[4:8], "big")
                if code != NO_ERROR:
                    return "goaway", code
            elif on == stream and kind == HEADERS:
                status = status_of(payload)
            elif on == stream and kind == RST_STREAM:
                code = int.from_bytes(payload, "big")
                return ("status", status) if status and code == NO_ERROR else ("rst", code)
            if on == stream and kind in (HEADERS, DATA) and flags & END_STREAM:
                return "status", status

    def answer(self, stream):
        """(status, body) of a stream; windows are opened as they are used."""
        status, body = None, b""
        while True:
            kind, flags, on, payload = self.frame()
            if kind == DATA and payload:
                self.send(frame(WINDOW_UPDATE, 0, 0, u32(len(payload))))
                if on == stream and not flags & END_STREAM:
                    self.send(frame(WINDOW_UPDATE, 0, stream, u32(len(payload))))
            if kind == GOAWAY and int.from_bytes(payload[4:8], "big"):
                raise Closed(f"GOAWAY {payload[4:8].hex()}")
            if on != stream:
                continue
            if kind == HEADERS and status is None:
                status = status_of(payload)
            elif kind == DATA:
                body += payload
            elif kind == RST_STREAM:
                raise Closed(f"RST_STREAM {payload.hex()}")
            if kind in (HEADERS, DATA) and flags & END_STREAM:
                return status, body
