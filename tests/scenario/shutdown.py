"""SIGTERM: what runs may end, what is new goes elsewhere, and then it is gone."""
import signal

from lib import story, text
from lib.gateway import chat
from lib.process import until
from lib.story import equal, true
from lib.wire import Truncated, text_of


def test_streams_end_in_peace(t):
    gateway, p, d = t.pair(1, 1)
    body = chat("last words", max_tokens=300, stream=True)
    with gateway.connect() as c:
        c.request("POST", "/v1/chat/completions", body)
        events = c.events(c.head())
        seen = [next(events)]
        gateway.signal(signal.SIGTERM)
        seen += events
        equal(seen[-1], "[DONE]", "the stream's end")
        equal(text_of(seen), text.of_chat(body["messages"], 300), "all of its text")
    equal(gateway.wait(), 0, "the gateway's status")


def test_idle_connections_do_not_hold_it(t):
    gateway, _ = t.plain(1)
    with gateway.connect() as idle:
        idle.request("POST", "/v1/chat/completions", chat())
        equal(idle.answer().status, 200, "a kept connection")
        gateway.signal(signal.SIGTERM)
        equal(gateway.wait(), 0, "the gateway's status")


def test_not_ready_while_draining(t):
    gateway, _ = t.plain(1, main="shutdown_notice 2s;\n")
    with gateway.connect() as c:
        c.request("POST", "/v1/chat/completions", chat(max_tokens=100000, stream=True))
        next(c.events(c.head()))
        gateway.signal(signal.SIGTERM)
        until(lambda: gateway.admin("/readyz").status == 503, "/readyz to say no")
        equal(gateway.admin("/livez").status, 200, "alive until the end")


def test_the_timeout_ends_the_rest(t):
    gateway, engines = t.plain(1, main="shutdown_timeout 500ms;\nshutdown_notice 0s;\n")
    with gateway.connect() as c:
        c.request("POST", "/v1/chat/completions", chat(max_tokens=100000, stream=True))
        events = c.events(c.head())
        next(events)
        gateway.signal(signal.SIGTERM)
        seen = []
        try:
            seen += events
        except (Truncated, ConnectionError):
            pass
        true("[DONE]" not in seen, "no faked end")
        equal(gateway.wait(), 0, "the gateway's status")
    until(lambda: engines[0].state()["running"] == 0, "the engine to be let go")


def test_http2_clients_are_told(t):
    """curl over HTTP/2 gets its whole answer though the gateway is stopping."""
    import json
    import subprocess
    gateway, engines = t.plain(1)
    body = json.dumps(chat("last words over h2", max_tokens=300, stream=True))
    curl = subprocess.Popen(["curl", "-sSN", "--http2-prior-knowledge", "-H", "Content-Type: application/json",
                             "--data-binary", body, f"http://127.0.0.1:{gateway.port}/v1/chat/completions"],
                            stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    until(lambda: engines[0].state()["running"] == 1, "the engine to run")
    gateway.signal(signal.SIGTERM)
    out, _ = curl.communicate(timeout=120)
    equal(curl.returncode, 0, "curl's status")
    true(out.endswith(b"data: [DONE]\n\n"), "the whole stream")
    equal(gateway.wait(), 0, "the gateway's status")


story.run(globals())
