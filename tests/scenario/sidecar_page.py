"""AIBrix's runtime stands beside an engine, on a port of its own, and tells the
engine's load there: /metrics is a redirect, and the page behind it is chunked. A
replayer says what the real one (0.8.0, beside a vLLM 0.32.0) said, byte by byte."""
import os

from lib import story
from lib.gateway import pool
from lib.load import Load
from lib.process import until
from lib.scripted import ScriptedEngine, reply
from lib.story import equal, true

CAPTURED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden", "engines", "aibrix-runtime-0.8.0")
# Of the page: what its engine had done, and its cache of blocks of 32 tokens.
SAID = {"running": 0, "waiting": 0, "kv_usage": 0, "kv_capacity_tokens": 2097152, "prompt_tokens": 1115,
        "generation_tokens": 570, "prefix_queries": 1115, "prefix_hits": 608}


def captured(name):
    with open(os.path.join(CAPTURED, name + ".resp"), "rb") as f:
        return f.read()


def sidecar(location=None):
    """location: where /metrics sends us, else where the real one did: to itself,
    by the name that it was asked under."""
    replayer = ScriptedEngine(pages={"/metrics/": captured("metrics"), "/v1/models": captured("models"),
                                     "/healthz": captured("healthz"), "/ready": captured("ready")})
    where = (location or f"http://{replayer.address}/metrics/").encode()
    replayer.pages["/metrics"] = captured("metrics_noslash").replace(b"http://127.0.0.1:8501/metrics/", where)
    true(where in replayer.pages["/metrics"], "the captured redirect")
    return replayer


def row(gateway, engine):
    return next(r for r in gateway.fleet()["endpoints"] if r["endpoint"] == engine.address)


def beside(t, replayer, **directives):
    """An engine whose load is told by the replayer: (gateway, engine)."""
    engine = t.engine()
    body = pool("all", [engine], metrics_port=replayer.port, **directives)
    return t.gateway(body, engine), engine


def wait_said(gateway, engine):
    def said():
        seen = row(gateway, engine)
        return all(seen[k] == v for k, v in SAID.items())
    until(said, "what the sidecar's page says")


def test_the_page_behind_the_redirect(t):
    """Read on the sidecar's port; requests go to the engine's."""
    replayer = sidecar()
    gateway, engine = beside(t, replayer)
    wait_said(gateway, engine)
    true("/metrics/" in replayer.asked, f"the redirect is followed: {replayer.asked}")
    with Load(gateway, clients=4) as load:
        until(lambda: load.result.done >= 40, "some requests")
    equal(load.result.failures, [], "failures")
    equal(replayer.connections, [], "requests that the sidecar got")
    wait_said(gateway, engine)


def test_a_redirect_to_elsewhere(t):
    """A page says nothing about who else may be asked: the load stays unknown."""
    other = ScriptedEngine(pages={"/metrics/": captured("metrics")})
    replayer = sidecar(f"http://{other.address}/metrics/")
    gateway, engine = beside(t, replayer)
    until(lambda: replayer.asked.count("/metrics") >= 5, "some rounds")
    equal(other.asked, [], "questions to the other server")
    seen = row(gateway, engine)
    equal([seen["health"], seen["running"], seen["prompt_tokens"]], ["healthy", None, None], "what is known")


def test_a_redirect_in_circles(t):
    replayer = sidecar()
    replayer.pages["/metrics/"] = replayer.pages["/metrics"]
    gateway, engine = beside(t, replayer)
    until(lambda: replayer.asked.count("/metrics") >= 5, "some rounds")
    true(replayer.asked.count("/metrics/") <= 5 * replayer.asked.count("/metrics"), "each round ends")
    equal(row(gateway, engine)["health"], "healthy", "the engine is as well as before")
    equal(gateway.chat().status, 200, "status")


def test_the_sidecar_dies_and_returns(t):
    """The engine is as well as before; its load is not known meanwhile."""
    replayer = sidecar()
    gateway, engine = beside(t, replayer, stale="500ms", probe_timeout="200ms")
    wait_said(gateway, engine)
    pages, replayer.pages = replayer.pages, {
        path: reply(b"", "502 Bad Gateway") for path in replayer.pages}
    with Load(gateway, clients=4) as load:
        until(lambda: row(gateway, engine)["kv_usage"] is None, "the load to be forgotten")
        equal(row(gateway, engine)["health"], "healthy", "health")
        replayer.pages = pages
        wait_said(gateway, engine)
    equal(load.result.failures, [], "failures")


story.run(globals())
