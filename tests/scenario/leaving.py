"""A client leaves, in every way there is and at every moment: the engines' work
ends, blocks are given back, and the gateway's books are closed."""
import ssl

from lib import story
from lib.gateway import chat, pool, prefill_decode
from lib.h2client import H2
from lib.process import until
from lib.story import equal
from lib.wire import Connection

PROMPT = "word " * 600
ENDLESS = 100000
PATH = "/v1/chat/completions"


# -- clients: how one asks, and how it leaves ---------------------------------

class Client:
    """asks(stream) sends a request; heard() is there when the first event has come."""

    def __init__(self, gateway, h2=False, tls=False, **options):
        port = gateway.tls_port if tls else gateway.port
        options["tls"] = gateway.certificate if tls else None
        self.h2 = h2
        self.c = H2(port, **options) if h2 else Connection(port, **options)
        self.stream = None

    def ask(self, body):
        self.stream = self.c.request("POST", PATH, body)

    def first_event(self):
        if self.h2:
            self.c.read_events(self.stream, 1)
        else:
            next(self.c.events(self.c.head()))


def half_close(client):
    client.c.socket.shutdown(1)


def close(client):
    client.c.close()


def reset(client):
    client.c.reset()


def rst_stream(client):
    client.c.cancel(client.stream)


def goaway(client):
    client.c.say_goaway()
    client.c.close()


def close_notify(client):
    """TLS's own word of leaving; the TCP connection stays as it is."""
    client.c.socket.setblocking(False)
    try:
        client.c.socket.unwrap()
    except (ssl.SSLError, OSError):
        pass


WAYS = {
    "HTTP/1.1 FIN of one side": (half_close, {}),
    "HTTP/1.1 FIN": (close, {}),
    "HTTP/1.1 RST": (reset, {}),
    "TLS FIN": (close, {"tls": True}),
    "TLS close_notify": (close_notify, {"tls": True}),
    "TLS RST": (reset, {"tls": True}),
    "HTTP/2 RST_STREAM": (rst_stream, {"h2": True}),
    "HTTP/2 GOAWAY and FIN": (goaway, {"h2": True}),
    "HTTP/2 FIN": (close, {"h2": True}),
    "HTTP/2 RST": (reset, {"h2": True}),
    "HTTP/2 over TLS, RST_STREAM": (rst_stream, {"h2": True, "tls": True}),
    "HTTP/2 over TLS, close_notify": (close_notify, {"h2": True, "tls": True}),
}


# -- what must hold when it is gone -------------------------------------------

def at_rest(gateway, engines, what):
    for e in engines:
        def still(e=e):
            s = e.state()
            return not (s["running"] or s["waiting"] or s["open_requests"] or s["held_blocks"]
                        or s["pinned_blocks"])
        until(still, f"{what}: {e.name} to have no work and no block")
    until(lambda: gateway.metric("sluice_requests_live") == 0, f"{what}: no live request")
    until(lambda: gateway.metric("sluice_request_bytes_held") == 0, f"{what}: no body held")


def every_way(t, gateway, engines, reached, before=lambda: None, after=lambda: None):
    """reached(client, stream): waits until the request is where it should be."""
    for name, (leave, options) in WAYS.items():
        for stream in (True, False):
            what = f"{name}, {'streamed' if stream else 'whole'}"
            aborts = gateway.metric("sluice_client_aborts_total")
            before()
            client = Client(gateway, **options)
            client.ask(chat(f"{what} {PROMPT}", stream=stream, max_tokens=ENDLESS))
            reached(client, stream)
            leave(client)
            until(lambda: gateway.metric("sluice_client_aborts_total") == aborts + 1,
                  f"{what}: the gateway to notice")
            after()
            at_rest(gateway, engines, what)
            client.c.close()


def test_while_decoding(t):
    p, d = t.engines(1, "prefill"), t.engines(1, "decode")
    gateway = t.gateway(prefill_decode(p, d), *p, *d, certificate=t.certificate())

    def reached(client, stream):
        if stream:
            client.first_event()
        until(lambda: d[0].state()["running"] == 1, "the engine to decode")
    every_way(t, gateway, p + d, reached)


def test_while_prefilling(t):
    """The prefill engine has the request; none was sent to a decode engine."""
    p, d = t.engines(1, "prefill"), t.engines(1, "decode")
    gateway = t.gateway(prefill_decode(p, d), *p, *d, certificate=t.certificate())

    def reached(client, stream):
        until(lambda: p[0].state()["open_requests"] == 1, "the prefill leg to arrive")

    def gone():
        until(lambda: p[0].state()["open_requests"] == 0, "the prefill leg to be given up")
        p[0].heal()
    every_way(t, gateway, p + d, reached, lambda: p[0].fault(hang=True), gone)
    equal(d[0].requests, 0, "requests that the decode engine saw")


def test_while_the_decode_engine_holds_back(t):
    """Between the legs: the blocks on the prefill engine are given back as well."""
    p, d = t.engines(1, "prefill"), t.engines(1, "decode")
    gateway = t.gateway(prefill_decode(p, d), *p, *d, certificate=t.certificate())

    def reached(client, stream):
        until(lambda: d[0].state()["open_requests"] == 1, "the decode leg to arrive")

    def gone():
        until(lambda: d[0].state()["open_requests"] == 0, "the decode leg to be given up")
        d[0].heal()
    every_way(t, gateway, p + d, reached, lambda: d[0].fault(hang=True), gone)


def test_while_waiting(t):
    """In the queue of a fleet that is full: the engine never sees it."""
    engines = t.engines(1)
    gateway = t.gateway(pool("all", engines, max_concurrent=1), *engines,
                        certificate=t.certificate(), main="queue_timeout 1h;\n")
    with gateway.connect() as first:
        first.request("POST", PATH, chat(stream=True, max_tokens=ENDLESS))
        next(first.events(first.head()))
        for name, (leave, options) in WAYS.items():
            for stream in (True, False):
                client = Client(gateway, **options)
                client.ask(chat(PROMPT, stream=stream, max_tokens=ENDLESS))
                until(lambda: gateway.metric("sluice_requests_waiting") == 1, f"{name}: it to wait")
                leave(client)
                until(lambda: gateway.metric("sluice_requests_waiting") == 0,
                      f"{name}, stream {stream}: it to leave the queue")
                client.c.close()
        equal(engines[0].requests, 1, "requests that the engine saw")
    at_rest(gateway, engines, "at the end")


# -- clients that stay and read nothing ---------------------------------------

SILENT = {
    "HTTP/1.1, reads nothing": {"receive_buffer": 4096},
    "TLS, reads nothing": {"receive_buffer": 4096, "tls": True},
    "HTTP/2, reads nothing": {"receive_buffer": 4096, "h2": True, "window": 1 << 30},
    "HTTP/2, a window that closes": {"h2": True, "grant": False},
    "HTTP/2, a window of nothing": {"h2": True, "grant": False, "window": 0},
    "HTTP/2 over TLS, a window that closes": {"h2": True, "tls": True, "grant": False},
}


def test_silence_while_decoding(t):
    """write_timeout ends it, and its engine's work with it. The engine is fast
    enough to fill every buffer on the way, and would go on for long."""
    engines = t.engines(1, options=("--speed", "200"))
    gateway = t.gateway(pool("all", engines), *engines, certificate=t.certificate(),
                        main="write_timeout 300ms;\nstream_buffer 16k;\n")
    for name, options in SILENT.items():
        client = Client(gateway, **options)
        client.ask(chat(f"{name} {PROMPT}", stream=True, max_tokens=ENDLESS))
        until(lambda: engines[0].state()["running"] == 1, f"{name}: the engine to decode")
        at_rest(gateway, engines, name)
        client.c.close()
    equal(engines[0].state()["aborted"], len(SILENT), "answers that the engine did not write to their end")


def test_silence_before_a_whole_answer(t):
    """Nothing is kept for a client that does not take its answer."""
    engines = t.engines(1, options=("--speed", "1000"))
    gateway = t.gateway(pool("all", engines), *engines, certificate=t.certificate(),
                        main="write_timeout 300ms;\nkeepalive_timeout 500ms;\n")
    for name, options in SILENT.items():
        client = Client(gateway, **options)
        client.ask(chat(name, max_tokens=30000))
        at_rest(gateway, engines, name)
        until(lambda: gateway.metric("sluice_connections_open") == 0, f"{name}: its connection to end")
        client.c.close()


story.run(globals())
