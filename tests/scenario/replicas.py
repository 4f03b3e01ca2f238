"""Several gateways over the same engines, which tell each other through Redis
what they do: load, prompts, engines found dead."""
import time

from lib import story
from lib.gateway import chat, pool
from lib.load import Load
from lib.ports import free_port
from lib.process import until
from lib.story import equal, sized, true

PROMPT = " ".join(f"word{i}" for i in range(4000))


def gateways(t, engines, redis, names=("a", "b"), main="", **directives):
    body = pool("all", engines, **directives)
    return [t.gateway(body, *engines, name=n, main=redis.conf() + main) for n in names]


def peers(gateway):
    return gateway.fleet()["redis"]["peers"]


def wait_peers(*gateways, n=None):
    wanted = len(gateways) - 1 if n is None else n
    until(lambda: all(peers(g) == wanted for g in gateways), f"{wanted} peers each")


def load(gateway, engine, key="inflight"):
    rows = {r["endpoint"]: r for r in gateway.fleet()["endpoints"]}
    return rows[engine.address][key]


def hold(gateway, n, **fields):
    """n streams in progress that nobody reads on; (connections)."""
    held = []
    for _ in range(n):
        c = gateway.connect()
        c.request("POST", "/v1/chat/completions", chat(stream=True, max_tokens=3000, **fields))
        held.append(c)
    return held


def release(held):
    for c in held:
        c.close()


def test_load_is_seen(t):
    redis = t.redis()
    engines = t.engines(1)
    a, b = gateways(t, engines, redis)
    wait_peers(a, b)
    equal(load(b, engines[0], "peers_inflight"), 0, "nothing at first")
    start = time.monotonic()
    held = hold(a, 5)
    until(lambda: load(b, engines[0], "peers_inflight") == 5, "B to know of them", timeout=sized(1, 10), interval=0.001)
    print(f"  B's page told of five requests {(time.monotonic() - start) * 1000:.1f} ms after the first was sent to A")
    more = hold(b, 2)
    until(lambda: load(a, engines[0], "peers_inflight") == 2, "A to know of B's")
    equal(load(a, engines[0]), 5, "A's own figure is its own")
    release(held + more)
    until(lambda: load(a, engines[0], "peers_inflight") == load(b, engines[0], "peers_inflight") == 0,
          "nothing in the end")
    true(a.metrics()["sluice_redis_messages_malformed_total"] == 0, "every message was understood")


def test_same_sums(t):
    """Nothing is lost or counted twice under load: in the end all is zero."""
    redis = t.redis()
    engines = t.engines(3)
    a, b = gateways(t, engines, redis)
    wait_peers(a, b)
    with Load(a, clients=4) as x, Load(b, clients=4) as y:
        until(lambda: x.result.done > sized(300, 100) and y.result.done > sized(300, 100), "the load")
    equal(x.result.failures + y.result.failures, [], "failures")
    until(lambda: all(load(g, e, k) == 0 for g in (a, b) for e in engines for k in ("inflight", "peers_inflight")),
          "zero everywhere")


def test_load_decides(t):
    """B avoids the engine that A keeps busy, and counts A's work in limits."""
    redis = t.redis()
    engines = t.engines(2)
    a, b = gateways(t, engines, redis, max_concurrent=2)
    wait_peers(a, b)
    held = hold(a, 3)
    until(lambda: sum(load(b, e, "peers_inflight") for e in engines) == 3, "B to know of all three")
    full = next(e for e in engines if load(a, e) == 2)
    other = next(e for e in engines if e is not full)
    equal(b.chat(headers={"X-Request-Id": "r1"}).status, 200, "B's request")
    equal(b.access_of("r1")["decode"], other.address, "B's request went where there is room")
    release(held)


def test_prompts_travel(t):
    redis = t.redis()
    engines = t.engines(4)
    a, b = gateways(t, engines, redis)
    wait_peers(a, b)
    equal(a.chat(PROMPT, headers={"X-Request-Id": "first"}).status, 200, "through A")
    chosen = a.access_of("first")["decode"]
    until(lambda: sum(r["index_entries"] for r in b.fleet()["endpoints"]) > 0, "B to hear of the prompt")
    equal(b.chat(PROMPT, headers={"X-Request-Id": "second"}).status, 200, "through B")
    line = b.access_of("second")
    equal(line["decode"], chosen, "B chose the engine that has the prompt")
    true(line["predicted_cached_tokens"] > 0.9 * line["prompt_tokens"], f"and expected to find it there: {line}")
    # A newcomer reads what was said before it came.
    c = t.gateway(pool("all", engines), *engines, name="c", main=redis.conf())
    until(lambda: sum(r["index_entries"] for r in c.fleet()["endpoints"]) > 0, "C to catch up")
    c.chat(PROMPT, headers={"X-Request-Id": "third"})
    equal(c.access_of("third")["decode"], chosen, "so does C")


def test_a_gateway_dies(t):
    redis = t.redis()
    engines = t.engines(1)
    a, b = gateways(t, engines, redis)
    wait_peers(a, b)
    held = hold(a, 3)
    until(lambda: load(b, engines[0], "peers_inflight") == 3, "B to know of A's load")
    a.expected_to_die = True
    a.kill()
    until(lambda: load(b, engines[0], "peers_inflight") == 0, "A's load to end", timeout=10)
    until(lambda: peers(b) == 0, "A to be gone")
    true("is silent" in b.text(), "the log says so")
    release(held)


def test_a_gateway_stops(t):
    """One that ends in an orderly way is forgotten at once, not by expiry."""
    redis = t.redis()
    engines = t.engines(1)
    a, b = gateways(t, engines, redis)
    wait_peers(a, b)
    t.end_early(a)
    until(lambda: peers(b) == 0, "A to be gone")
    true("has stopped" in b.text(), f"A said good-bye:\n{b.tail()}")


def test_ejection_is_heard(t):
    """B probes rarely; A's word makes it look at once."""
    redis = t.redis()
    engines = t.engines(2)
    a = t.gateway(pool("all", engines), *engines, name="a", main=redis.conf())
    b = t.gateway(pool("all", engines, probe_interval="30s"), *engines, name="b", main=redis.conf())
    wait_peers(a, b)
    engines[0].kill()
    b.wait_healthy(engines[0], state="unhealthy")
    true("found dead by another gateway" in b.text(), f"because A said so:\n{b.tail()}")
    back = t.adopt(engines[0].again())
    a.wait_healthy(back)


def test_a_gateway_that_is_cut_off(t):
    """A asks for what the engine does not have; to B it is as well as before."""
    redis = t.redis()
    engines = t.engines(2)
    b = t.gateway(pool("all", engines, probe_interval="30s"), *engines, name="b", main=redis.conf())
    equal(b.chat(PROMPT).status, 200, "a prompt")
    known = {r["endpoint"]: r["index_entries"] for r in b.fleet()["endpoints"]}
    a = t.gateway(pool("all", engines[:1], health_path="/nothing") + pool("rest", engines[1:]),
                  engines[1], name="a", main=redis.conf())
    a.wait_healthy(engines[0], state="unhealthy")
    until(lambda: "found dead by another gateway" in b.text(), "B to hear of it")
    b.wait_healthy(*engines)
    equal({r["endpoint"]: r["index_entries"] for r in b.fleet()["endpoints"]}, known, "what B knows of prompts")
    equal(b.chat().status, 200, "B serves")
    equal(b.admin("/readyz").status, 200, "B is ready")


def test_wrong_password(t):
    redis = t.redis(password="right")
    engines = t.engines(1)
    g = t.gateway(pool("all", engines), *engines, main=redis.conf(password="wrong"))
    equal(g.chat().status, 200, "it serves")
    until(lambda: "WRONGPASS" in g.text(), "the log to say why")
    seen = g.fleet()["redis"]
    true(not seen["connected"] and "WRONGPASS" in seen["reason"], f"the page: {seen}")
    equal(g.metrics()["sluice_redis_connected"], 0, "the metric")
    until(lambda: b"cmdstat_auth:calls=" in redis.ask("INFO", "commandstats"), "Redis to be asked")
    equal(g.text().count("WRONGPASS"), 1, "said once, however often it was tried")


def test_user_and_password(t):
    redis = t.redis(user="gateway", password="secret")
    engines = t.engines(1)
    g = t.gateway(pool("all", engines), *engines, main=redis.conf(user="gateway", password="secret"))
    until(lambda: g.fleet()["redis"]["connected"], "the connection")
    _, shown = t.run(t.program("sluice"), "-c", g.conf, "-T")
    true("secret" not in shown and "password ***" in shown, "-T does not show the password")
    true("secret" not in g.text(), "nor does the log")


def test_no_redis_at_start(t):
    engines = t.engines(1)
    port = free_port()
    main = f"redis redis://127.0.0.1:{port};\n"
    g = t.gateway(pool("all", engines), *engines, main=main)
    equal(g.chat().status, 200, "it serves")
    equal(g.admin("/readyz").status, 200, "it is ready")
    until(lambda: "not connected: Connection refused" in g.text(), "the log to say so")
    t.redis(port=port)
    until(lambda: g.metrics()["sluice_redis_connected"] == 1, "the connection")
    true("connected" in g.text(), "the log")


def test_a_name(t):
    """Names are resolved, on every attempt; one that is none is said."""
    redis = t.redis()
    engines = t.engines(1)
    body = pool("all", engines)
    g = t.gateway(body, *engines, main=f"redis redis://localhost:{redis.port};\n")
    until(lambda: g.fleet()["redis"]["connected"], "the connection")
    h = t.gateway(body, *engines, name="h", main="redis redis://nothing.invalid;\n")
    until(lambda: "redis redis://nothing.invalid:6379/0: not connected: " in h.text(), "the log to say why")
    equal(h.chat().status, 200, "it serves")


def test_reload(t):
    """The block appears, changes and goes while requests are served."""
    redis = t.redis()
    engines = t.engines(1)
    body = pool("all", engines)
    a = t.gateway(body, *engines, name="a", main=redis.conf())
    b = t.gateway(body, *engines, name="b")
    true("redis" not in b.fleet(), "no redis section without redis")
    b.write(body + redis.conf())
    b.reload()
    wait_peers(a, b)
    b.write(body + redis.conf(prefix="other"))
    b.reload()
    until(lambda: b.fleet()["redis"]["connected"], "the other prefix")
    wait_peers(a, n=0)
    equal(peers(b), 0, "another prefix is another world")
    b.write(body)
    b.reload()
    true("redis" not in b.fleet(), "and gone")
    equal(b.chat().status, 200, "it serves")


story.run(globals())
