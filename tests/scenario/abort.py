"""A client leaves, at any moment: its engines stop, and nothing is left over."""
from lib import story
from lib.gateway import chat
from lib.process import until
from lib.story import equal, true

LONG = "word " * 600
ENDLESS = {"max_tokens": 100000}


def all_still(gateway, engines):
    """Engines idle, blocks given back, the gateway's books closed."""
    for e in engines:
        until(lambda e=e: e.state()["running"] == 0 and e.state()["waiting"] == 0, f"{e.name} to be idle")
        until(lambda e=e: e.state()["held_blocks"] == 0, f"{e.name} to hold no block")
    gateway.wait_idle()
    until(lambda: gateway.metric("sluice_request_bytes_held") == 0, "no body held")


def leave(c, how):
    c.reset() if how == "reset" else c.close()


def test_while_decoding(t):
    gateway, p, d = t.pair(1, 1)
    for how in ("close", "reset"):
        before = gateway.metric("sluice_client_aborts_total")
        c = gateway.connect()
        c.request("POST", "/v1/chat/completions", chat(LONG, stream=True, **ENDLESS))
        events = c.events(c.head())
        for _ in range(3):
            next(events)
        until(lambda: d[0].state()["running"] == 1, "the engine to decode")
        leave(c, how)
        all_still(gateway, p + d)
        equal(gateway.metric("sluice_client_aborts_total"), before + 1, f"{how}: it is counted")


def test_while_decoding_unstreamed(t):
    gateway, p, d = t.pair(1, 1)
    c = gateway.connect()
    c.request("POST", "/v1/chat/completions", chat(LONG, **ENDLESS))
    until(lambda: d[0].state()["running"] == 1, "the engine to decode")
    c.close()
    all_still(gateway, p + d)


def test_while_prefilling(t):
    gateway, p, d = t.pair(1, 1)
    p[0].fault(hang=True)
    c = gateway.connect()
    c.request("POST", "/v1/chat/completions", chat(LONG, **ENDLESS))
    until(lambda: p[0].state()["open_requests"] == 1, "the prefill leg to arrive")
    c.close()
    until(lambda: p[0].state()["open_requests"] == 0, "the prefill leg to be given up")
    p[0].heal()
    all_still(gateway, p + d)
    equal(d[0].requests, 0, "no decode leg was sent")


def test_between_the_legs(t):
    """The decode engine holds back; the prefill's blocks are given back all the same."""
    gateway, p, d = t.pair(1, 1)
    d[0].fault(hang=True)
    c = gateway.connect()
    c.request("POST", "/v1/chat/completions", chat(LONG, stream=True, **ENDLESS))
    until(lambda: d[0].state()["open_requests"] >= 1, "the decode leg to arrive")
    c.close()
    until(lambda: d[0].state()["open_requests"] == 0, "the decode leg to be given up")
    d[0].heal()
    all_still(gateway, d)


def test_while_sending(t):
    """In the head, in the middle of the body."""
    gateway, p, d = t.pair(1, 1)
    for part in (b"POST /v1/chat/comp", b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\n"
                 b"Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n{\"model\":"):
        c = gateway.connect()
        c.send(part)
        c.close()
    until(lambda: gateway.metric("sluice_connections_open") == 0, "no connection open")
    all_still(gateway, p + d)
    equal(sum(e.requests for e in p + d), 0, "no engine was asked")


def test_while_waiting(t):
    """Out of the queue of a fleet that is full."""
    gateway, engines = t.plain(1, max_concurrent=1)
    first = gateway.connect()
    first.request("POST", "/v1/chat/completions", chat(stream=True, **ENDLESS))
    next(first.events(first.head()))
    second = gateway.connect()
    second.request("POST", "/v1/chat/completions", chat("second", stream=True, **ENDLESS))
    until(lambda: gateway.metric("sluice_requests_waiting") == 1, "the second to wait")
    second.close()
    until(lambda: gateway.metric("sluice_requests_waiting") == 0, "it to leave the queue")
    equal(engines[0].requests, 1, "its request was never sent")
    first.close()
    all_still(gateway, engines)


def test_many_at_once(t):
    gateway, p, d = t.pair(2, 2)
    connections = []
    for i in range(24):
        c = gateway.connect()
        c.request("POST", "/v1/chat/completions", chat(f"{i} {LONG}", stream=bool(i % 2), **ENDLESS))
        connections.append(c)
    until(lambda: sum(e.state()["running"] for e in d) >= 12, "many to run")
    for c in connections:
        leave(c, "reset")
    all_still(gateway, p + d)


story.run(globals())
