"""Redis is killed, stopped and restarted under load. No request may notice, and
afterwards every gateway knows again what the others do."""
import socket
import threading
import time

from lib import story
from lib.gateway import chat, pool
from lib.load import Load
from lib.ports import free_port
from lib.process import until
from lib.story import equal, sized, true

REQUESTS = sized(300, 80)


def fleet(t, n_gateways=2, n_engines=3):
    redis = t.redis()
    engines = t.engines(n_engines)
    body = pool("all", engines)
    all_ = [t.gateway(body, *engines, name=f"g{i}", main=redis.conf()) for i in range(n_gateways)]
    until(lambda: all(sees(g, n_gateways - 1) for g in all_), "all to see each other")
    return redis, engines, all_


def sees(gateway, n):
    page = gateway.fleet()["redis"]
    return page["connected"] and page["peers"] == n


def sums(gateway, key):
    return {r["endpoint"]: r[key] for r in gateway.fleet()["endpoints"]}


def agree(a, b):
    return (sums(a, "inflight") == sums(b, "peers_inflight")
            and sums(b, "inflight") == sums(a, "peers_inflight"))


def total(gateway):
    return sum(sums(gateway, "peers_inflight").values())


def hold(gateway, n):
    held = []
    for _ in range(n):
        c = gateway.connect()
        c.request("POST", "/v1/chat/completions", chat(stream=True, max_tokens=3000))
        held.append(c)
    return held


def passed(*loads):
    before = [l.result.done for l in loads]
    until(lambda: all(l.result.done >= n + REQUESTS for l, n in zip(loads, before)), "more requests", timeout=240)


def under_load(t, harm, heal):
    """harm(redis) under load, then heal(redis) gives one that works."""
    redis, engines, (a, b) = fleet(t)
    held = hold(a, 2) + hold(b, 3)
    with Load(a, clients=3) as x, Load(b, clients=3) as y:
        passed(x, y)
        harm(redis)
        until(lambda: not a.fleet()["redis"]["connected"] and not b.fleet()["redis"]["connected"],
              "both to notice")
        for g in (a, b):
            equal(g.admin("/readyz").status, 200, "/readyz without Redis")
            equal(g.metrics()["sluice_redis_connected"], 0, "the metric")
        passed(x, y)
        heal(redis)
        start = time.monotonic()
        until(lambda: sees(a, 1) and sees(b, 1) and total(a) >= 3 and total(b) >= 2,
              "both to know again what the other does", timeout=sized(3, 10))
        seen = time.monotonic() - start
        passed(x, y)
    equal(x.result.failures + y.result.failures, [], f"failures of {x.result.done + y.result.done}")
    until(lambda: agree(a, b), "both to agree on what is in progress")
    true(sum(sums(a, "peers_inflight").values()) == 3, "B's three streams are known to A")
    print(f"  both knew again what the other does {seen:.2f} s after Redis was back; "
          f"slowest request {max(x.result.longest, y.result.longest) * 1000:.0f} ms")
    for g in (a, b):
        equal(g.text().count(": lost: "), 1, f"lost is said once:\n{g.tail()}")
        equal(g.text().count(": connected again"), 1, f"back is said once:\n{g.tail()}")
    for c in held:
        c.close()


def test_killed_and_restarted_empty(t):
    under_load(t, lambda redis: redis.kill(), lambda redis: t.adopt(redis.again()))


def test_stopped_and_continued(t):
    """SIGSTOP: connections stand, nothing is answered."""
    under_load(t, lambda redis: redis.freeze(), lambda redis: redis.thaw())


def test_stopped_then_killed(t):
    def heal(redis):
        redis.kill()
        t.adopt(redis.again())
    under_load(t, lambda redis: redis.freeze(), heal)


def test_prompts_after_a_restart(t):
    """The stream of prompts begins anew; nobody waits for ids of the past."""
    redis, engines, (a, b) = fleet(t)
    words = [" ".join(f"{k}-{i}" for i in range(1500)) for k in range(2)]
    entries = lambda g: sum(r["index_entries"] for r in g.fleet()["endpoints"])
    equal(a.post("/v1/chat/completions", chat(words[0])).status, 200, "before")
    until(lambda: entries(b) > 0, "B to hear of the first prompt")
    known = entries(b)
    redis.kill()
    t.adopt(redis.again())
    until(lambda: sees(a, 1) and sees(b, 1), "both to be back")
    equal(a.post("/v1/chat/completions", chat(words[1])).status, 200, "after")
    until(lambda: entries(b) > known, "B to hear of the second prompt")


def test_flushed(t):
    """FLUSHALL takes everything away; the next second brings load back."""
    redis, engines, (a, b) = fleet(t)
    held = hold(a, 4)
    until(lambda: sum(sums(b, "peers_inflight").values()) == 4, "B to know")
    redis.ask("FLUSHALL")
    held += hold(a, 2)
    until(lambda: sum(sums(b, "peers_inflight").values()) == 6, "B to know of what came later")
    for c in held:
        c.close()


def test_foreign_bytes(t):
    """Somebody else writes into the streams."""
    redis, engines, (a, b) = fleet(t)
    for key in ("sluice:load", "sluice:blocks"):
        redis.ask("XADD", key, "*", "m", b"sluice 1 \x00\xff\n")
        redis.ask("XADD", key, "*", "x", "y")
        redis.ask("XADD", key, "*", "m", b"sluice 1 00000000000000ff 1 F\nL 99999999999 0 0 0 0 /all/x\n")
    until(lambda: a.metrics()["sluice_redis_messages_malformed_total"] == 6, "all six to be counted")
    held = hold(b, 1)
    until(lambda: sum(sums(a, "peers_inflight").values()) == 1, "A to hear of B all the same")
    held[0].close()
    equal(a.fleet()["redis"]["peers"], 1, "no gateway was made up")


def test_wrong_type_of_key(t):
    """A key that is no stream: said, served, and healed when it is gone."""
    redis, engines, (a,) = fleet(t, n_gateways=1)
    redis.ask("DEL", "sluice:load")
    redis.ask("SET", "sluice:load", "text")
    until(lambda: "WRONGTYPE" in a.text(), "the log to say why")
    equal(a.chat().status, 200, "it serves")
    redis.ask("DEL", "sluice:load")
    until(lambda: a.fleet()["redis"]["connected"], "the connection")


LIES = {
    "no text where it belongs": b"*2\r\n:1\r\n:2\r\n",
    "answers that nobody asked for": b"*2\r\n$1\r\n1\r\n$1\r\n2\r\n" * 5000,
    "messages of a subscription": b"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nb\r\n" * 3,
    "bytes": bytes(range(256)) * 10,
    "half a gigabyte, announced": b"$536870912\r\n" + b"x" * 100,
    "arrays in arrays": b"*1\r\n" * 100000,
    "an error": b"-ERR no\r\n",
    "nothing": b"",
}


class LyingRedis:
    """Says `lie` to whatever it is asked; asked counts."""

    def __init__(self):
        self.port, self.lie, self.asked = free_port(), b"", 0
        self._server = socket.create_server(("127.0.0.1", self.port), backlog=64)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            conn, _ = self._server.accept()
            threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _serve(self, conn):
        try:
            with conn:
                while conn.recv(65536):
                    self.asked += 1
                    conn.sendall(self.lie)
        except OSError:
            pass


def test_a_redis_that_lies(t):
    redis, engine = LyingRedis(), t.engine()
    gateway = t.gateway(f"redis redis://127.0.0.1:{redis.port} {{ connect_timeout 100ms; reply_timeout 100ms; }}\n"
                        + pool("all", [engine]), engine)
    for what, redis.lie in LIES.items():
        asked = redis.asked
        until(lambda a=asked: redis.asked > a + 1, f"the gateway to ask again after {what}")
        true(gateway.running, f"it survives {what}: {gateway.tail()}")
        equal(gateway.chat().status, 200, f"status with {what}")


story.run(globals())
