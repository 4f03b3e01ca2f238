"""HTTP/2 clients that mean harm: each flood ends after a bounded number of
frames, is counted and said, and nobody else notices."""
import json
import struct
import threading

from lib import story
from lib.echo import EchoEngine
from lib.gateway import chat, pool
from lib.h2wire import (ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, GOAWAY, HEADERS,
                        INITIAL_WINDOW, PING, PRIORITY, RST_STREAM, SETTINGS, STREAM_CLOSED, WINDOW_UPDATE, Closed, H2Client,
                        block, data, frame, headers, literal, u32)
from lib.process import until
from lib.scripted import ScriptedEngine
from lib.story import equal, true
from lib.wire import Truncated

OPEN = END_HEADERS
ENDLESS = json.dumps(chat(max_tokens=100000, stream=True)).encode()


def fields(*extra, method="POST", path="/v1/chat/completions"):
    return [(":method", method), (":scheme", "http"), (":path", path), (":authority", "a"),
            ("content-type", "application/json"), *extra]


def limit(gateway, label):
    return gateway.metrics()[f'sluice_client_limits_total{{limit="{label}"}}']


# ---- floods: round i of frames, for ever --------------------------------

def on_streams(make):
    """Rounds that each take a stream of their own."""
    return lambda i: make(2 * i + 3)


def rapid_reset(s):
    return headers(s, fields(), OPEN) + frame(RST_STREAM, 0, s, u32(8))


def window_overflow(s):
    return headers(s, fields(), OPEN) + frame(WINDOW_UPDATE, 0, s, u32((1 << 31) - 1))


def after_the_end(s):
    return headers(s, fields(method="GET", path="/v1/models")) + data(s, b"x", 0)


BIG = literal("x", "y" * 3900, 0x40)


def hpack_bomb(s):
    """4 kB put into the table, and named by one byte as often as fits."""
    return headers(s, block(fields()) + BIG + b"\xbe" * 12000)


# name: (the limit that ends it; None: a connection error does, at the first round,
# unless so many are read at once that the budget is used up before; round i)
FLOODS = {
    "pings": ("glitches", lambda _: frame(PING, 0, 0, bytes(8))),
    "settings": ("glitches", lambda _: frame(SETTINGS)),
    "empty DATA": ("glitches", lambda _: data(1, b"", 0)),
    "DATA behind a reset": ("glitches", on_streams(lambda s: data(7, b"x" * 100, 0) if s > 3 else headers(
        7, fields(("content-length", "900000000")), OPEN))),
    "padding only": ("glitches", lambda _: frame(DATA, 8, 1, b"\x03\0\0\0")),
    "window updates": ("glitches", lambda _: frame(WINDOW_UPDATE, 0, 0, u32(1))),
    "priorities": ("glitches", lambda _: frame(PRIORITY, 0, 5, u32(3) + b"\0")),
    "unknown frames": ("glitches", lambda _: frame(0xee, 0, 0, b"x" * 8)),
    "zero-length heads": ("glitches", on_streams(lambda s: headers(s, b"", OPEN))),
    "empty names": ("glitches", on_streams(lambda s: headers(s, fields(("", ""))))),
    "refused heads": ("glitches", on_streams(lambda s: headers(s, fields(("connection", "x"))))),
    "rapid reset": ("resets", on_streams(rapid_reset)),
    "window overflow": ("glitches", on_streams(window_overflow)),
    "DATA behind the end": (None, on_streams(after_the_end)),
    "HPACK bombs": ("glitches", on_streams(hpack_bomb)),
    "many crumbs": ("glitches", on_streams(lambda s: headers(s, block(fields()) + literal("cookie", "a", 0x40)
                                                             + b"\xbe" * 9000))),
    "more streams than allowed": ("glitches", on_streams(lambda s: headers(s, fields(), OPEN))),
    "CONTINUATIONs": ("glitches", lambda i: frame(CONTINUATION, 0, 3, b"") if i else headers(3, fields(), 0)),
}
# Rounds until the GOAWAY must have been seen. A budget lasts 2,000; what the
# sockets' buffers and a slow listener let through before comes on top.
MOST = 1000000


def flood(port, make):
    """Rounds sent, and the code of the GOAWAY (None: none was seen)."""
    code, sent = [None], 0
    with H2Client(port) as client:
        client.send(headers(1, fields(), OPEN))

        def listen():
            try:
                while True:
                    kind, _, _, payload = client.frame()
                    if kind == GOAWAY:
                        code[0] = int.from_bytes(payload[4:8], "big")
            except (Closed, OSError):
                pass
        listener = threading.Thread(target=listen)
        listener.start()
        try:
            while code[0] is None and listener.is_alive() and sent < MOST:
                client.send(*(make(sent + i) for i in range(20)))
                sent += 20
        except OSError:
            pass
        listener.join(60)
    return sent, code[0]


def test_floods(t):
    gateway, engines = t.plain(1)
    for name, (label, make) in FLOODS.items():
        before = limit(gateway, label or "glitches")
        sent, code = flood(gateway.port, make)
        true(sent < MOST, f"{name}: {sent} rounds, GOAWAY {code}")
        true(code == ENHANCE_YOUR_CALM or not label and code == STREAM_CLOSED, f"{name} ended with {code}")
        if label:
            until(lambda: limit(gateway, label) == before + 1, f"{name} to be counted once as {label}")
        equal(gateway.chat("still here", max_tokens=1).status, 200, f"an honest request behind {name}")
    gateway.wait_idle()
    until(lambda: engines[0].state()["open_requests"] == 0, "no work to be left at the engine")
    for label in ("glitches", "resets"):
        true(f"limit {label}: client 127.0.0.1:" in gateway.text(), f"{label} are in the log")


def test_reset_and_reopen(t):
    """Streams reset as soon as the engine has them: what one connection keeps
    busy there never exceeds max_streams."""
    lock, live, peak = threading.Lock(), set(), [0]

    def handler(r):
        with lock:
            live.add(id(r))
            peak[0] = max(peak[0], len(live))
        r.conn.settimeout(None)
        gone = r.conn.recv(1) == b""
        with lock:
            live.discard(id(r))
        return not gone
    engine = ScriptedEngine(handler)
    gateway = t.gateway(pool("all", [engine], metrics_path="off"), engine, main="max_streams 10;\n", workers=1)
    body = json.dumps(chat()).encode()
    with H2Client(gateway.port) as client:
        stream, refused = 1, 0
        for _ in range(30):
            first = stream
            for stream in range(first, first + 20, 2):
                client.send(headers(stream, fields(), OPEN), data(stream, body))
            # or to be refused: resets that were read together with the next requests have not ended yet
            until(lambda: len(live) >= 10 or len(live) and peak[0] >= 10 or limit(gateway, "streams") > refused,
                  "the engine to be busy")
            refused = limit(gateway, "streams")
            client.send(*(frame(RST_STREAM, 0, s, u32(8)) for s in range(first, first + 20, 2)))
            stream += 2
        true(gateway.metric("sluice_requests_live") <= 10, "no more than 10 are live")
        true(peak[0] >= 10, "all that are allowed were at the engine at once")
        # a request that is given up is closed before the next one is sent
        true(peak[0] <= 20, f"{peak[0]} at once at the engine, of which 10 were being closed")
        until(lambda: not live, "the engine to be free")


# ---- who is slow ---------------------------------------------------------

def ends(client):
    """Reads to the end of the connection: the last GOAWAY's code, or None."""
    code = None
    try:
        while True:
            kind, _, _, payload = client.frame()
            if kind == GOAWAY:
                code = int.from_bytes(payload[4:8], "big")
    except Closed:
        return code


def test_a_head_without_end(t):
    """It blocks the connection for its other streams too, so it ends them."""
    gateway, engines = t.plain(1, main="header_timeout 300ms;\n")
    for begun in (headers(3, fields(), 0), headers(3, fields(), 0) + frame(CONTINUATION, 0, 3, b"\x82")[:9],
                  b"\0\0\x08\x06", frame(PING, 0, 0, bytes(8))[:12]):
        before = limit(gateway, "header_timeout")
        with H2Client(gateway.port) as client:
            client.send(headers(1, fields(), OPEN), data(1, ENDLESS))
            until(lambda: engines[0].state()["open_requests"] == 1, "the other stream to run")
            client.send(begun)
            ends(client)
        until(lambda: limit(gateway, "header_timeout") == before + 1, "it to be counted")
        until(lambda: engines[0].state()["open_requests"] == 0, "the engine's work to end")


def test_no_preface(t):
    gateway, _ = t.plain(1, main="header_timeout 300ms;\n")
    for sent in (b"", b"PRI * HTTP", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0"):
        with H2Client(gateway.port, preface=False) as client:
            client.send(sent)
            equal(ends(client) or 0, 0, f"closed behind {sent}")
    true(limit(gateway, "header_timeout") >= 4, "all are counted")


def test_a_closed_window(t):
    """Nothing of the answer is taken: the stream ends, the engine's work with
    it, and the connection serves on."""
    gateway, engines = t.plain(1, main="write_timeout 300ms;\n")
    with H2Client(gateway.port, options=[(INITIAL_WINDOW, 0)]) as client:
        client.send(headers(1, fields(), OPEN), data(1, ENDLESS))
        equal(client.outcome(1), ("rst", 8), "the stream")
        until(lambda: engines[0].state()["open_requests"] == 0, "the engine's work to end")
        equal(limit(gateway, "write_timeout"), 1, "it is counted")
        client.send(headers(3, fields(method="GET", path="/v1/models")), frame(WINDOW_UPDATE, 0, 3, u32(10000)))
        equal(client.answer(3)[0], 200, "the next request on the connection")


def test_a_dripping_window(t):
    """A byte now and then is progress, but not enough of it."""
    gateway, engines = t.plain(1, main="write_timeout 500ms;\n")
    with H2Client(gateway.port, options=[(INITIAL_WINDOW, 0)]) as client:
        client.send(headers(1, fields(), OPEN), data(1, ENDLESS))
        over = threading.Event()

        def drip():
            while not over.wait(0.05):
                client.send(frame(WINDOW_UPDATE, 0, 1, u32(1)))
        dripping = threading.Thread(target=drip)
        dripping.start()
        equal(client.outcome(1), ("rst", 8), "the stream")
        over.set()
        dripping.join()
    equal(limit(gateway, "write_rate"), 1, "it is counted")
    until(lambda: engines[0].state()["open_requests"] == 0, "the engine's work to end")


def test_a_dripping_body(t):
    gateway, _ = t.plain(1, main="body_timeout 300ms;\nmin_rate 10000;\n")
    with H2Client(gateway.port) as client:
        client.send(headers(1, fields(("content-length", "10000000")), OPEN))
        over = threading.Event()

        def drip():
            while not over.wait(0.02):
                client.send(data(1, b" ", 0))
        dripping = threading.Thread(target=drip)
        dripping.start()
        seen = client.outcome(1)
        over.set()
        dripping.join()
    equal(seen, ("status", 408), "HTTP/2")
    with gateway.connect() as c:
        c.send(b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
               b"Content-Length: 100000\r\n\r\n")
        c.socket.settimeout(0.02)
        answered = False
        while not answered:
            c.send(b" ")
            try:
                answered = bool(c.socket.recv(1, 2))  # MSG_PEEK
            except TimeoutError:
                pass
        c.socket.settimeout(60)
        equal(c.answer().status, 408, "HTTP/1.1")
    equal(limit(gateway, "body_rate"), 2, "both are counted")


# ---- who wants too much --------------------------------------------------

def test_sizes(t):
    engine = EchoEngine()
    gateway = t.gateway(pool("all", [engine], metrics_path="off"), engine, main="body_limit 24M;\n")
    prompt = chat("word " * (4 << 20), max_tokens=1)  # 20 MB
    answer = gateway.post("/v1/chat/completions", prompt)
    equal(answer.status, 200, "20 MB are accepted over HTTP/1.1")
    body = json.dumps(prompt).encode()
    with H2Client(gateway.port) as client:
        client.send(headers(1, fields(), OPEN))
        equal(upload(client, 1, body)[0], 200, "20 MB are accepted over HTTP/2")
    true([m.body == body for m in engine.messages] == [True, True], "byte for byte")
    equal(gateway.post("/v1/chat/completions", b" " * (25 << 20)).status, 413, "above the cap")
    with H2Client(gateway.port) as client:
        client.send(headers(1, fields(("content-length", str(25 << 20))), OPEN))
        equal(client.outcome(1), ("status", 413), "above the cap over HTTP/2, before the body")
    for name, extra in (("bytes", [("x", "y" * 15000)] * 5), ("fields", [("x", "y")] * 120),
                        ("crumbs", [("cookie", "a=b")] * 120)):
        first, *rest = _pieces(block(fields(*extra)), 16384)
        with H2Client(gateway.port) as client:
            client.send(frame(HEADERS, END_STREAM | (0 if rest else END_HEADERS), 1, first),
                        *(frame(CONTINUATION, END_HEADERS if p is rest[-1] else 0, 1, p) for p in rest))
            equal(client.outcome(1), ("status", 431), f"too many {name}")
    equal((limit(gateway, "body"), limit(gateway, "headers")), (2, 3), "all are counted")


def upload(client, stream, body):
    """A body as fast as the windows allow, and its answer."""
    windows = {0: 65535, stream: 65535}
    at = 0
    while at < len(body):
        n = min(16384, len(body) - at, *windows.values())
        if n:
            client.send(data(stream, body[at:at + n], END_STREAM if at + n == len(body) else 0))
            at += n
            for w in windows:
                windows[w] -= n
            continue
        kind, flags, on, payload = client.frame()
        if kind == SETTINGS and not flags & ACK:  # it holds from here on
            client.send(frame(SETTINGS, ACK))
            values = dict(struct.unpack_from(">HI", payload, i) for i in range(0, len(payload), 6))
            windows[stream] += values[INITIAL_WINDOW] - 65535
        elif kind == WINDOW_UPDATE:
            windows[on] += int.from_bytes(payload, "big")
    return client.answer(stream)


def _pieces(text, n):
    return [text[i:i + n] for i in range(0, len(text), n)]


def test_connections_of_one_client(t):
    gateway, _ = t.plain(1, main="max_connections_per_client 5;\n")
    held = [gateway.connect() for _ in range(5)]
    for c in held:
        c.request("GET", "/v1/models")
        equal(c.answer("GET").status, 200, "within the limit")
    try:
        with gateway.connect() as c:
            c.request("GET", "/v1/models")
            true(c.answer("GET") is None, "one too many is not answered")
    except (OSError, Truncated):
        pass
    until(lambda: limit(gateway, "client_connections") >= 1, "it to be counted")
    held.pop().close()

    def served():
        try:
            return gateway.ask("GET", "/v1/models").status == 200
        except Truncated:
            return False
    until(served, "room for another")


def test_requests_of_one_client(t):
    """More at once than one client may have are refused; another's are not."""
    gateway, _ = t.plain(1, main="max_requests_per_client 3;\n")
    held = [gateway.connect() for _ in range(3)]
    for c in held:
        c.request("POST", "/v1/chat/completions", chat(stream=True, max_tokens=10000))
        equal(c.head().status, 200, "within the limit")
    for _ in range(2):
        answer = gateway.chat("one too many")
        equal((answer.status, answer.json()["error"]["code"]), (429, "too_many_requests"), "one too many")
    equal(limit(gateway, "client_requests"), 2, "counted")
    with gateway.connect(source="127.0.0.2") as c:
        c.request("POST", "/v1/chat/completions", chat())
        equal(c.answer().status, 200, "another client's")
    held.pop().close()
    until(lambda: gateway.chat("again").status == 200, "room for another")
    for c in held:
        c.close()


def test_connections_that_come_too_fast(t):
    gateway, _ = t.plain(1, main="connection_rate_per_client 2;\n")

    def answers(n, source):
        answered = 0
        for _ in range(n):
            try:
                with gateway.connect(source=source) as c:
                    c.request("GET", "/v1/models")
                    answered += c.answer("GET").status == 200
            except (OSError, Truncated):
                pass
        return answered
    served = answers(60, "127.0.0.2")
    true(2 <= served < 60, f"a second's worth and what time gives back, not all: {served}")
    until(lambda: limit(gateway, "connection_rate") >= 60 - served, "the rest to be counted")
    equal(answers(2, "127.0.0.3"), 2, "another client's are served")
    until(lambda: answers(1, "127.0.0.2") == 1, "the first one's again")


def test_the_rest_is_counted(t):
    gateway, _ = t.plain(1, workers=1, main="tls_handshake_timeout 300ms;\nkeepalive_timeout 300ms;\n"
                         "request_memory 1M;\nbody_limit 1M;\nmax_streams 2;\nmax_connections 3;\n")
    with gateway.connect() as c:
        c.request("GET", "/v1/models")
        equal(c.answer("GET").status, 200, "an answer")
        equal(c.socket.recv(1), b"", "closed when it has been idle")
    equal(limit(gateway, "keepalive"), 1, "idle connections")
    with gateway.connect() as c:
        c.send(b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
               b"Content-Length: 900000\r\n\r\n ")
        until(lambda: gateway.metric("sluice_request_bytes_held") >= 900000, "a body to be held")
        equal(gateway.post("/v1/chat/completions", b" " * 900000).status, 503, "one past the budget")
    equal(limit(gateway, "memory"), 1, "bodies past the budget")
    with H2Client(gateway.port) as client:
        client.send(*(headers(s, fields(), OPEN) for s in (1, 3, 5)))
        equal(client.outcome(5), ("rst", 7), "a stream too many")
    equal(limit(gateway, "streams"), 1, "streams")
    until(lambda: gateway.metric("sluice_connections_open") == 0, "all to be closed")
    held = [gateway.connect() for _ in range(8)]
    until(lambda: limit(gateway, "connections") >= 1, "connections too many to be counted")
    for c in held:
        c.close()


def test_a_handshake_that_stalls(t):
    engine = t.engine()
    gateway = t.gateway(pool("all", [engine]), engine, certificate=t.certificate(),
                        main="tls_handshake_timeout 300ms;\n")
    with H2Client(gateway.tls_port, preface=False) as client:
        client.send(b"\x16\x03\x01\x02\x00\x01")
        equal(ends(client), None, "closed without a word")
    equal(limit(gateway, "tls_handshake"), 1, "it is counted")


story.run(globals())
