"""An engine that comes back is not handed everything at once, as long as others
are there; alone, it is."""
import threading

from lib import gateway as gw
from lib import story
from lib.gateway import chat
from lib.load import Load
from lib.process import until
from lib.story import equal, true


def come_back(t, n, slow_start):
    engines = t.engines(n)
    body = "model sim { policy least-request; }\n" + gw.pool("all", engines, slow_start=slow_start)
    gateway = t.gateway(body, *engines)
    engines[0].kill()
    gateway.wait_healthy(engines[0], state="unhealthy")
    back = t.adopt(engines[0].again())
    gateway.wait_healthy(back)
    return gateway, back, engines[1:]


def ask_at_once(gateway, n):
    """Streams that are open at the same time; they end when their threads do."""
    body = chat("word " * 50, max_tokens=400, stream=True)
    threads = [threading.Thread(target=lambda: gateway.post("/v1/chat/completions", body), daemon=True)
               for _ in range(n)]
    for thread in threads:
        thread.start()
    return threads


def test_one_request_at_first(t):
    gateway, back, others = come_back(t, 3, "1h")
    true(gateway.row(back)["slow_start"], "it is in its slow start")
    threads = ask_at_once(gateway, 12)
    until(lambda: sum(r["inflight"] for r in gateway.fleet()["endpoints"]) == 12, "all requests on engines")
    equal(gateway.row(back)["inflight"], 1, "requests on the one that has come back")
    for thread in threads:
        thread.join()


def test_alone_it_serves_all(t):
    gateway, back, _ = come_back(t, 1, "1h")
    threads = ask_at_once(gateway, 8)
    until(lambda: gateway.row(back)["inflight"] == 8, "all requests on the only engine")
    for thread in threads:
        thread.join()


def test_it_ends(t):
    gateway, back, others = come_back(t, 2, "1s")
    with Load(gateway, clients=8, max_tokens=2) as load:
        until(lambda: not gateway.row(back)["slow_start"], "the end of the slow start")
        until(lambda: gateway.row(back)["inflight"] > 1, "several requests at once")
    equal(load.result.failures, [], "failures")


def test_not_at_the_gateways_start(t):
    gateway, engines = t.plain(2)
    equal([gateway.row(e)["slow_start"] for e in engines], [False, False], "slow starts")


story.run(globals())
