"""A client that reads slowly slows its engine down; it does not fill memory."""
from lib import story, text
from lib.gateway import chat
from lib.process import until
from lib.scripted import ScriptedEngine
from lib.gateway import pool
from lib.story import equal, sized, true
from lib.wire import text_of

MEGABYTES = sized(200, 60)
EVENT = b'data: {"choices":[{"index":0,"delta":{"content":"' + b"x" * 900 + b'"}}]}\n\n'


def resident_kb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


def torrent(sent):
    """An engine that sends as fast as it is let; sent[0] counts its bytes."""
    def handler(r):
        r.conn.settimeout(None)
        r.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        block = EVENT * 70
        chunk = b"%x\r\n%s\r\n" % (len(block), block)
        while sent[0] < MEGABYTES << 20:
            r.send(chunk)
            sent[0] += len(block)
        r.send(b"%x\r\ndata: [DONE]\n\n\r\n0\r\n\r\n" % len(b"data: [DONE]\n\n"))
        return True
    return handler


def test_a_reader_that_stops(t):
    sent = [0]
    engine = ScriptedEngine(torrent(sent))
    gateway = t.gateway(pool("all", [engine], metrics_path="off"), engine, main="stream_buffer 64k;\n")
    before = resident_kb(gateway.pid)
    with gateway.connect(receive_buffer=65536) as c:
        c.request("POST", "/v1/chat/completions", chat(stream=True))
        answer = c.head()
        stalled = _stalls(sent)
        true(stalled < 32 << 20, f"the engine was stopped after {stalled >> 20} MB")
        grown = resident_kb(gateway.pid) - before
        true(grown < sized(8 << 10, 64 << 10), f"the gateway grew by {grown} kB")
        received, last = 0, None
        for event in c.events(answer):
            received, last = received + 1, event
        equal(last, "[DONE]", "read on, it goes on to its end")
        equal(received, -(-(MEGABYTES << 20) // (len(EVENT) * 70)) * 70 + 1, "every event arrived")


def _stalls(counter):
    """Waits until the counter stands still, and returns it."""
    seen = [-1, 0]

    def still():
        seen[1] = seen[1] + 1 if counter[0] == seen[0] else 0
        seen[0] = counter[0]
        return seen[1] > 30 and seen[0] > 0
    until(still, "the engine to be paused", interval=0.02)
    return seen[0]


def test_a_reader_that_never_comes_back(t):
    """write_timeout ends it, and the engine with it."""
    sent = [0]
    engine = ScriptedEngine(torrent(sent))
    gateway = t.gateway(pool("all", [engine], metrics_path="off"), engine, main="write_timeout 500ms;\n")
    with gateway.connect(receive_buffer=65536) as c:
        c.request("POST", "/v1/chat/completions", chat(stream=True))
        c.head()
        until(lambda: gateway.metric("sluice_requests_live") == 0, "the request to be given up")


def test_a_reader_one_byte_at_a_time(t):
    gateway, _ = t.plain(1)
    body = chat(max_tokens=300, stream=True)
    with gateway.connect(receive_buffer=2048) as c:
        c.request("POST", "/v1/chat/completions", body)
        data = b""
        while not data.endswith(b"0\r\n\r\n"):
            data += c.socket.recv(97)
        c.buffer = data
        equal(text_of(list(c.events(c.head()))), text.of_chat(body["messages"], 300), "the text")


story.run(globals())
