"""A client that reads slowly slows its engine down; it does not fill memory."""
import itertools
import json
import time

from lib import story, text
from lib.gateway import chat
from lib.h2wire import (DATA, END_HEADERS, END_STREAM, INITIAL_WINDOW, RST_STREAM, WINDOW_UPDATE,
                        H2Client, data, frame, headers, settings, u32)
from lib.process import until
from lib.scripted import ScriptedEngine
from lib.gateway import pool
from lib.story import equal, sized, true
from lib.wire import split_events, text_of

MEGABYTES = sized(200, 60)
EVENT = b'data: {"choices":[{"index":0,"delta":{"content":"' + b"x" * 900 + b'"}}]}\n\n'


POST = [(":method", "POST"), (":scheme", "http"), (":path", "/v1/chat/completions"),
        (":authority", "x"), ("content-type", "application/json")]


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


def _stands_still(value):
    """What value() is when it has not changed for a while."""
    seen = [None, 0]

    def still():
        now = value()
        seen[1] = seen[1] + 1 if now == seen[0] else 0
        seen[0] = now
        return seen[1] > 10
    until(still, "a figure to stand still", interval=0.05)
    return seen[0]


def _stalls(counter):
    """Waits until the counter stands still, and returns it."""
    seen = [-1, 0]

    def still():
        seen[1] = seen[1] + 1 if counter[0] == seen[0] else 0
        seen[0] = counter[0]
        return seen[1] > 30 and seen[0] > 0
    until(still, "the engine to be paused", interval=0.02)
    return seen[0]


def long_answer(megabytes):
    """An engine whose every answer is so long, with its number in every event."""
    numbers = itertools.count()

    def handler(r):
        r.conn.settimeout(None)
        event = EVENT.replace(b"xxxxxxxx", b"%08d" % next(numbers), 1)
        block = event * 70
        chunk = b"%x\r\n%s\r\n" % (len(block), block)
        r.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(megabytes * (1 << 20) // len(block)):
            r.send(chunk)
        r.send(b"%x\r\ndata: [DONE]\n\n\r\n0\r\n\r\n" % len(b"data: [DONE]\n\n"))
        return True
    return handler


def check_whole(events, megabytes):
    """All of one answer's events, and of no other's."""
    first, n = None, 0
    for event in events:
        if event != "[DONE]":
            first = first or event
            true(event == first, "every event is of this answer")
        n += 1
    equal(event, "[DONE]", "the last event")
    equal(n, megabytes * (1 << 20) // (len(EVENT) * 70) * 70 + 1, "events")


def ask_often(gateway, n):
    for i in range(n):
        answer = gateway.chat(f"quick {i}")
        equal(answer.status, 200, "status of somebody else's request")


def grown_kb(gateway, before):
    return resident_kb(gateway.pid) - before


def test_a_hundred_readers_that_stop(t):
    """Clients that stop in the middle of 10 MB answers cost bounded memory and
    nobody else's time, and get the rest when they read on."""
    megabytes, clients = 10, sized(100, 30)
    engine, quick = ScriptedEngine(long_answer(megabytes)), t.engine()
    body = (pool("long", [engine], metrics_path="off", model="long")
            + pool("quick", [quick], model="sim"))
    gateway = t.gateway(body, engine, quick)
    ask_often(gateway, 20)
    before = resident_kb(gateway.pid)
    stalled = [gateway.connect(receive_buffer=65536) for _ in range(clients)]
    for c in stalled:
        c.request("POST", "/v1/chat/completions", chat(model="long", stream=True))
    heads = [c.head() for c in stalled]
    until(lambda: gateway.metric("sluice_answer_bytes_held") > 0, "something to wait for them")
    waiting = _stands_still(lambda: gateway.metric("sluice_answer_bytes_held"))
    ask_often(gateway, 50)
    grown = grown_kb(gateway, before)
    print(f"       {clients} stalled clients: {grown} kB more, {waiting / 1024:.0f} kB of answers held")
    true(grown < sized(64 << 10, 200 << 10), f"the gateway grew by {grown} kB")
    for c, head in zip(stalled, heads):
        check_whole(c.events(head), megabytes)
        c.close()
    gateway.wait_idle()
    equal(gateway.metric("sluice_answer_bytes_held"), 0, "bytes held at the end")


def test_stalled_streams_beside_one_that_reads(t):
    """One HTTP/2 connection: streams whose windows stay closed, and one that reads."""
    megabytes, streams = 10, sized(100, 50)
    engine = ScriptedEngine(long_answer(megabytes))
    gateway = t.gateway(pool("long", [engine], metrics_path="off"), engine)
    before = resident_kb(gateway.pid)
    with H2Client(gateway.port) as c:
        c.send(settings((INITIAL_WINDOW, 65535)), frame(WINDOW_UPDATE, 0, 0, u32((1 << 31) - 65536)))
        body = json.dumps(chat(stream=True)).encode()
        ids = [2 * i + 1 for i in range(streams + 1)]
        for number in ids:
            c.send(headers(number, POST + [("content-length", str(len(body)))], END_HEADERS),
                   data(number, body))
        seen = {number: bytearray() for number in ids}
        reader = ids[-1]
        taken = 0
        while b"data: [DONE]" not in seen[reader][-64:]:
            kind, _, on, payload = c.frame()
            if kind == DATA:
                seen[on] += payload
                if on == reader:
                    taken += len(payload)
                    if taken > 32768:
                        c.send(frame(WINDOW_UPDATE, 0, reader, u32(taken)))
                        taken = 0
        check_whole(split_events(bytes(seen[reader])), megabytes)
        grown = grown_kb(gateway, before)
        held = gateway.metric("sluice_answer_bytes_held")
        print(f"       {streams} stalled streams: {grown} kB more, {held / 1024:.0f} kB of answers held")
        true(grown < sized(64 << 10, 200 << 10), f"the gateway grew by {grown} kB")
        for number in ids[:-1]:
            equal(len(seen[number]), 65535, f"stream {number} got its window and no more")
            c.send(frame(WINDOW_UPDATE, 0, number, u32((1 << 30))))
        open_streams = set(ids[:-1])
        while open_streams:
            kind, flags, on, payload = c.frame()
            true(kind != RST_STREAM, f"stream {on} is not reset")
            if kind == DATA:
                seen[on] += payload
                if flags & END_STREAM:
                    open_streams.discard(on)
        for number in ids[:-1]:
            check_whole(split_events(bytes(seen[number])), megabytes)
    gateway.wait_idle()
    until(lambda: gateway.metric("sluice_answer_bytes_held") == 0, "nothing held at the end")


def test_the_newest_pays(t):
    """Past answer_memory, the answer that would add is given up, not the others'."""
    engine, quick = ScriptedEngine(long_answer(4)), t.engine()
    body = (pool("long", [engine], metrics_path="off", model="long")
            + pool("quick", [quick], model="sim"))
    gateway = t.gateway(body, engine, quick, main="answer_memory 1M;\n")
    stalled = []
    for _ in range(60):
        c = gateway.connect(receive_buffer=4096)
        c.request("POST", "/v1/chat/completions", chat(model="long", stream=True))
        stalled.append(c)
        if len(stalled) == 1:  # the neighbour: what it is granted, it keeps
            until(lambda: gateway.metric("sluice_answer_bytes_held") > 0, "the first one to stall")
        if gateway.metric('sluice_client_limits_total{limit="answer_memory"}'):
            break
    until(lambda: gateway.metric('sluice_client_limits_total{limit="answer_memory"}') > 0,
          "an answer to be given up")
    until(lambda: gateway.metric("sluice_answer_bytes_held") <= 1 << 20, "held bytes to be within the budget")
    ask_often(gateway, 20)
    check_whole(stalled[0].events(stalled[0].head()), 4)
    for c in stalled:
        c.close()
    gateway.wait_idle()
    until(lambda: gateway.metric("sluice_answer_bytes_held") == 0, "nothing held at the end")


def test_engines_that_never_come_to_an_end(t):
    """What engines say before it can be passed on is charged, too."""
    def endless(r):
        r.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n{"
               + b" " * 200000)
        while r.conn.recv(1000):
            pass
    engine = ScriptedEngine(endless)
    gateway = t.gateway(pool("all", [engine], metrics_path="off"), engine, main="answer_memory 1M;\n")
    waiting = []
    while not gateway.metric('sluice_client_limits_total{limit="answer_memory"}'):
        c = gateway.connect()
        c.request("POST", "/v1/chat/completions", chat())
        waiting.append(c)
        true(len(waiting) < 50, "the budget holds")
        until(lambda: gateway.metric("sluice_answer_bytes_held") > 200000 * len(waiting)
              or gateway.metric('sluice_client_limits_total{limit="answer_memory"}'), "the engine's bytes")
    equal(waiting[-1].answer().status, 503, "the status of the last one")
    equal(len(waiting) - 1, 5, "how many times 200 KB fit into 1 MB")
    for c in waiting:
        c.close()
    gateway.wait_idle()
    equal(gateway.metric("sluice_answer_bytes_held"), 0, "bytes held at the end")


def test_a_reader_that_never_comes_back(t):
    """write_timeout ends it, and the engine with it."""
    sent = [0]
    engine = ScriptedEngine(torrent(sent))
    gateway = t.gateway(pool("all", [engine], metrics_path="off"), engine, main="write_timeout 500ms;\n")
    with gateway.connect(receive_buffer=65536) as c:
        c.request("POST", "/v1/chat/completions", chat(stream=True))
        c.head()
        until(lambda: gateway.metric("sluice_requests_live") == 0, "the request to be given up")


def test_a_slow_reader(t):
    """Slow, but above min_rate: it may take all the time it needs, though its
    engine is paused for longer than write_timeout."""
    gateway = t.gateway(pool("all", [engine := ScriptedEngine(long_answer(40))], metrics_path="off"), engine,
                        main="write_timeout 2s;\n")
    with gateway.connect(receive_buffer=4096) as c:
        c.request("POST", "/v1/chat/completions", chat(stream=True))
        c.head()
        until(lambda: gateway.metric("sluice_answer_bytes_held") > 0, "its engine to be paused")
        for _ in range(100):  # 5 s at least, 80 KB a second
            true(len(c.socket.recv(4096)) > 0, "more of the answer")
            time.sleep(0.05)
        equal(gateway.metric("sluice_requests_live"), 1, "requests that go on")


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
