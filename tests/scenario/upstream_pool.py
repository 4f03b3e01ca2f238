"""Connections to engines are kept, and an engine that closes one at the wrong
moment costs no request."""
import threading

from lib import story
from lib.gateway import pool
from lib.scripted import ScriptedEngine, completion
from lib.story import equal, true

# Without a metrics page, and probed rarely: a probe has its own connection.
QUIET = {"metrics_path": "off", "probe_interval": "1s"}


def serve(t, handler, **directives):
    engine = ScriptedEngine(handler)
    return t.gateway(pool("all", [engine], **{**QUIET, **directives}), engine, workers=1), engine


def answered(gateway, n, what):
    for i in range(n):
        answer = gateway.chat(f"{what} {i}")
        equal(answer.status, 200, f"{what}: {answer}")


def test_kept_and_used_again(t):
    def handler(r):
        r.send(completion())
        return True
    gateway, engine = serve(t, handler)
    answered(gateway, 50, "one after the other")
    equal(engine.connections, [50], "requests on each connection")
    true(gateway.metric("sluice_upstream_reuses_total") >= 49, "reuse is counted")


def test_parallel_requests_get_their_own(t):
    together = threading.Barrier(5)

    def handler(r):
        together.wait(60)
        r.send(completion())
        return True
    gateway, engine = serve(t, handler)
    clients = [threading.Thread(target=answered, args=(gateway, 1, f"client {i}")) for i in range(5)]
    for c in clients:
        c.start()
    for c in clients:
        c.join(60)
    equal(engine.connections, [1] * 5, "HTTP/1.1 carries one request at a time")


def test_connection_close_is_heeded(t):
    def handler(r):
        r.send(completion().replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
        return False
    gateway, engine = serve(t, handler)
    answered(gateway, 8, "Connection: close")
    equal(engine.connections, [1] * 8, "no second request on a connection that ends")


def test_reset_on_reuse_is_sent_again(t):
    """The race of every keep-alive: the engine's idle limit and our request
    cross on the wire. Nothing was answered, so nothing is lost."""
    def handler(r):
        if r.nth > 1:
            return r.reset()
        r.send(completion())
        return True
    gateway, engine = serve(t, handler)
    answered(gateway, 8, "reset on reuse")
    true(sum(engine.connections) > 8, f"requests were sent again: {engine.connections}")


def test_close_on_reuse_is_sent_again(t):
    def handler(r):
        if r.nth > 2:
            return False
        r.send(completion())
        return True
    gateway, _ = serve(t, handler)
    answered(gateway, 12, "close on reuse")


def test_idle_connections_are_left_before_the_engine_does(t):
    """An idle connection is not used past idle_timeout."""
    def handler(r):
        r.send(completion())
        return True
    gateway, engine = serve(t, handler, idle_timeout="1ms")
    answered(gateway, 1, "first")
    from lib.process import until
    until(lambda: gateway.chat("later").status == 200 and len(engine.connections) > 1,
          "a request to get a new connection")


def test_engine_of_five_seconds(t):
    """vLLM closes after 5.0 s; the simulated engine too. Requests go out
    around that moment and none is lost."""
    gateway, engines = t.plain(1)
    for pause in (4.96, 5.0, 5.04):
        answered(gateway, 1, "before")
        threading.Event().wait(pause)  # the moment of the race, not a proof
        answered(gateway, 1, f"after {pause} s")
    equal(engines[0].requests, 6, "each was served once")


def test_bytes_nobody_asked_for(t):
    """A connection that spoke out of turn is not used again."""
    def handler(r):
        r.send(completion() + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        return True
    gateway, _ = serve(t, handler)
    for i in range(4):
        answer = gateway.chat(f"number {i}")
        true(answer.status == 200 and b"evil" not in answer.body, f"no foreign answer: {answer}")


def test_answers_that_are_not_http(t):
    for what, said in {"garbage": b"\0\1\2\3 what\r\n\r\n", "two lengths":
                       b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}x"}.items():
        def handler(r, said=said):
            r.send(said)
            return False
        gateway, engine = serve(t, handler)
        answer = gateway.chat()
        equal(answer.status, 502, f"{what}: {answer}")
        equal(answer.json()["error"]["code"], "upstream_protocol", what)
        t.end_early(gateway)
        engine.close()


story.run(globals())
