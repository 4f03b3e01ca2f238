"""An engine breaks off in the middle of an answer: what its client has got never
looks like a whole answer, on HTTP/1.1 and on HTTP/2, through one gateway and
through two."""
import json

from lib import story
from lib.gateway import chat, pool
from lib.h2client import H2
from lib.scripted import ScriptedEngine
from lib.story import equal, true
from lib.wire import Connection, Truncated

PATH = "/v1/chat/completions"
EVENT = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":" half"}}]}\n\n'
DONE = b"data: [DONE]\n\n"
TEXT = "half of it " * 30000  # far above stream_buffer, so that it is passed on before its end
WHOLE = json.dumps({"id": "c", "object": "chat.completion", "choices": [
    {"index": 0, "message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"}]}).encode()
SSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


# name: (streamed, what the engine sends before it dies, with a reset or not)
DEATHS = {
    "a stream, FIN between events": (True, SSE + CHUNKED + chunk(EVENT) * 3, False),
    "a stream, RST between events": (True, SSE + CHUNKED + chunk(EVENT) * 3, True),
    "a stream, FIN inside an event": (True, SSE + CHUNKED + chunk(EVENT) * 3 + chunk(EVENT[:20]), False),
    "a stream, FIN inside a chunk": (True, SSE + CHUNKED + chunk(EVENT) * 3 + chunk(EVENT)[:30], False),
    "a stream, FIN inside [DONE]": (True, SSE + CHUNKED + chunk(EVENT) * 3 + chunk(DONE[:9]), False),
    "a stream of known length, FIN": (True, SSE + b"Content-Length: 9000\r\n\r\n" + EVENT * 3, False),
    "a stream up to the connection's end, RST": (True, SSE + b"Connection: close\r\n\r\n" + EVENT * 3, True),
    "garbage for a chunk": (True, SSE + CHUNKED + chunk(EVENT) * 3 + b"xyz\r\n", False),
    "an answer of known length, FIN": (
        False, JSON + b"Content-Length: %d\r\n\r\n" % len(WHOLE) + WHOLE[:200000], False),
    "an answer of known length, RST": (
        False, JSON + b"Content-Length: %d\r\n\r\n" % len(WHOLE) + WHOLE[:200000], True),
    "an answer in chunks, FIN": (False, JSON + CHUNKED + chunk(WHOLE[:100000]) * 2, False),
    "an answer in chunks, RST": (False, JSON + CHUNKED + chunk(WHOLE[:100000]) * 2, True),
    "an answer, one byte short": (
        False, JSON + b"Content-Length: %d\r\n\r\n" % len(WHOLE) + WHOLE[:-1], False),
    "a short answer, FIN": (False, JSON + b"Content-Length: 500\r\n\r\n" + WHOLE[:100], False),
}


# Ended well by their framing.
UNSAID = {
    "in chunks": (True, SSE + CHUNKED + chunk(EVENT) * 3 + b"0\r\n\r\n", False),
    "up to the connection's end": (True, SSE + b"Connection: close\r\n\r\n" + EVENT * 3, False),
}


class Dying(ScriptedEngine):
    """Sends what `death` says, once; healthy() otherwise."""

    def __init__(self):
        self.death = None
        super().__init__(self._die)

    def _die(self, r):
        _, data, rst = self.death
        r.send(data)
        if rst:
            r.reset()
        return False


def http1(port, streamed):
    """(status, the answer is framed as complete, body)"""
    with Connection(port) as c:
        c.request("POST", PATH, chat(stream=streamed))
        try:
            answer = c.head()
        except (Truncated, ConnectionError):
            return None, False, b""
        body = b""
        try:
            for piece in c.pieces(answer):
                body += piece
            until_close = not (answer.header("transfer-encoding") or answer.header("content-length"))
            return answer.status, not until_close, body
        except (Truncated, ConnectionError):
            return answer.status, False, body


def http2(port, streamed):
    with H2(port) as c:
        s = c.request("POST", PATH, chat(stream=streamed))
        try:
            c.wait(s)
        except (Truncated, ConnectionError):
            return s.status, False, s.body
        return s.status, s.ended and s.reset is None, s.body


def events_of(body):
    return [b.removeprefix(b"data: ").decode() for b in body.split(b"\n\n") if b.strip()]


def check(what, streamed, seen):
    status, complete, body = seen
    if status != 200:  # nothing had been passed on: a clean error
        true(status is None or (status >= 500 and "error" in json.loads(body)), f"{what}: {status} {body[:200]!r}")
        return
    if not streamed:
        true(not complete, f"{what}: {len(body)} of {len(WHOLE)} bytes look whole")
        return
    events = events_of(body)
    true("[DONE]" not in events, f"{what}: a [DONE] that no engine said")
    for event in events:
        json.loads(event)  # never half an event
    if complete:
        true("error" in json.loads(events[-1]), f"{what}: it ends well: {events[-1]}")
    equal(body.count(b"half"), 3, f"{what}: events that had come")


def play(engine, gateways):
    for name, death in DEATHS.items():
        engine.death = death
        for where, gateway in gateways.items():
            for client in (http1, http2):
                check(f"{name}; {client.__name__} {where}", death[0], client(gateway.port, death[0]))


def front(t, gateway, protocol):
    """A second gateway whose only engine is the first."""
    body = pool("first", [f"127.0.0.1:{gateway.port}"], engine="generic", protocol=protocol,
                health_path="/v1/models", metrics_path="off", passive_fall=1000)
    return t.gateway(body, name="front-" + protocol.replace("/", ""), main=MAIN)


MAIN = "stream_buffer 16k;\nretry_attempts 1;\n"


def first(t):
    engine = Dying()
    body = pool("all", [engine], metrics_path="off", passive_fall=1000)
    return engine, t.gateway(body, engine, main=MAIN)


def test_one_gateway(t):
    engine, gateway = first(t)
    play(engine, {"direct": gateway})


def test_two_gateways(t):
    engine, gateway = first(t)
    fronts = {f"through a second gateway, {p} between them": front(t, gateway, p) for p in ("http/1.1", "h2c")}
    play(engine, fronts)


def test_a_stream_without_its_done(t):
    """It goes out as it came, and nobody adds the [DONE]. Where only the
    connection's end could say that it was all, the client is told of a break."""
    engine, gateway = first(t)
    gateways = [gateway, front(t, gateway, "h2c")]
    for name, engine.death in UNSAID.items():
        for g in gateways:
            for client in (http1, http2):
                status, _, body = client(g.port, True)
                equal((status, body[:len(EVENT) * 3]), (200, EVENT * 3), f"{name}, {client.__name__}")
                rest = body[len(EVENT) * 3:]
                if "connection's end" in name:
                    true(rest.startswith(b'data: {"error"'), f"{name}, {client.__name__}: {rest}")
                else:
                    equal(rest, b"", f"{name}, {client.__name__}")


story.run(globals())
