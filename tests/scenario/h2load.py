"""A hundred thousand requests over HTTP/2, and none goes wrong."""
import json
import os

from lib import story
from lib.gateway import chat, prefill_decode, pool
from lib.load import h2load
from lib.story import equal, sized, true


def one_kilobyte(t):
    body = chat("", max_tokens=4)
    body["messages"][0]["content"] = "x" * (1024 - len(json.dumps(body)))
    path = os.path.join(t.folder, "body.json")
    with open(path, "w", encoding="utf-8") as f:
        json.dump(body, f)
    equal(os.path.getsize(path), 1024, "the body's size")
    return path


def hammer(t, gateway, requests, path="/v1/chat/completions", scheme="http"):
    port = gateway.tls_port if scheme == "https" else gateway.port
    result = h2load(t, f"{scheme}://127.0.0.1:{port}{path}", requests, 32, 8, one_kilobyte(t))
    equal((result.failed, result.errored, result.timeout, result.ok), (0, 0, 0, requests),
          f"failed, errored, timed out, answered with 2xx:\n{result.text}")


def test_plain(t):
    engines = t.engines(4, options=["--fast"])
    gateway = t.gateway(pool("all", engines), *engines)
    requests = sized(100000, 8000)
    hammer(t, gateway, requests)
    gateway.wait_idle()
    equal(gateway.metric("sluice_requests_total"), requests, "every request is counted")
    equal(sum(e.requests for e in engines), requests, "each reached one engine, once")
    true(min(e.requests for e in engines) > 0, "no engine was left out")
    equal(gateway.metric("sluice_request_bytes_held"), 0, "no body is held any more")


def test_prefill_decode(t):
    p, d = (t.engines(2, role, ["--speed", "1000"]) for role in ("prefill", "decode"))
    gateway = t.gateway(prefill_decode(p, d, policy="cost"), *p, *d)
    hammer(t, gateway, sized(10000, 2000))


def test_tls(t):
    engines = t.engines(2, options=["--fast"])
    gateway = t.gateway(pool("all", engines), *engines, certificate=t.certificate())
    hammer(t, gateway, sized(20000, 2000), scheme="https")


story.run(globals())
