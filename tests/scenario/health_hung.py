"""An engine takes requests, answers /health, and does nothing: its stuck first
tokens give it away. Who waits there is served by others."""
from lib import story, text
from lib.gateway import chat, pool, prefill_decode
from lib.load import Load
from lib.process import until
from lib.story import equal, sized, true
from lib.wire import text_of

REQUESTS = sized(200, 80)
TIMES = {"stuck_timeout": "1s", "ejection_time": "1s", "ejection_max": "2s", "slow_start": "500ms"}


def out_for(gateway, engine, cause):
    def seen():
        return any(e["endpoint"] == engine.address and e["cause"] == cause for e in gateway.fleet()["events"])
    until(seen, f"{engine.address} to be out for {cause}")


def hang_and_heal(gateway, bad):
    """Under load of one-token answers: no request is in the middle of a stream."""
    with Load(gateway, clients=8, max_tokens=1) as load:
        load.passed(REQUESTS)
        bad.fault(hang=True)
        out_for(gateway, bad, "stuck")
        true("no first token for" in gateway.row(bad)["reason"]
             or gateway.row(bad)["health"] == "healthy", f"why: {gateway.row(bad)}")
        load.passed(REQUESTS)
        bad.heal()
        gateway.wait_healthy(bad)
        served = bad.requests
        until(lambda: bad.requests > served, "the engine to take part again")
        load.passed(REQUESTS)
    equal(load.result.failures, [], f"failures of {load.result.done}")
    true(load.result.longest < 30, f"and nobody waited for a time-out of 120 s: {load.result.longest}")


def test_plain(t):
    gateway, engines = t.plain(3, **TIMES)
    hang_and_heal(gateway, engines[0])
    equal([gateway.row(e)["ejections"] for e in engines[1:]], [0, 0], "the others' ejections")


def test_prefill_engine(t):
    p, d = t.engines(2, "prefill"), t.engines(2, "decode")
    gateway = t.gateway(prefill_decode(p, d, **TIMES), *p, *d)
    hang_and_heal(gateway, p[0])
    equal([gateway.row(e)["ejections"] for e in d], [0, 0], "decode engines that waited for it are well")


def test_without_a_page(t):
    """Two requests that wait are enough."""
    engines = t.engines(3)
    gateway = t.gateway(pool("all", engines, metrics_path="off", **TIMES), *engines)
    hang_and_heal(gateway, engines[0])


def test_a_long_prefill_alone(t):
    """One long prefill on an idle engine is silence, too: nobody is ejected."""
    engines = t.engines(2, options=("--speed", "0.05"))
    gateway = t.gateway(pool("all", engines, **TIMES), *engines)
    body = chat("word " * 6000, max_tokens=3, stream=True)
    answer = gateway.post("/v1/chat/completions", body)
    equal(text_of(answer.events), text.of_chat(body["messages"], 3), "the text")
    equal(sum(e.requests for e in engines), 1, "requests sent to engines")
    equal([gateway.row(e)["ejections"] for e in engines], [0, 0], "ejections")


def test_idle_ones_are_asked_for_a_token(t):
    """Nobody asks it anything, and yet it is known that it hangs."""
    engines = t.engines(2)
    gateway = t.gateway(pool("all", engines, health_generate="on", health_generate_interval="100ms",
                             probe_timeout="300ms"), *engines)
    bad = engines[0]
    until(lambda: bad.requests > 0, "a question")
    bad.fault(hang=True)
    gateway.wait_healthy(bad, state="unhealthy")
    equal(gateway.row(bad)["reason"], "probe timed out", "why")
    equal(gateway.row(engines[1])["health"], "healthy", "the other")
    bad.heal()
    gateway.wait_healthy(bad)
    bad.fault(status=404)
    asked = bad.requests
    until(lambda: bad.requests > asked + 4, "more questions")
    equal(gateway.row(bad)["health"], "healthy", "a wrong question is no illness")


def test_a_transfer_that_takes_long(t):
    """A decode engine that waits for blocks computes nothing, and its page stands
    still. With that alone it is not known who is to blame, so nobody is."""
    gateway, _, decode = t.pair(1, 1, options=("--transfer-latency", "3000"), stuck_timeout="100ms")
    answer = gateway.chat("a b c " * 200, max_tokens=2)
    equal(answer.status, 200, "status")
    equal(until(gateway.access, "the access line")[-1]["placement"], "remote", "placement")
    equal([e for e in gateway.fleet()["events"] if e["cause"] == "stuck"], [], "ejections")
    equal(decode[0].requests, 1, "requests of the decode engine")


story.run(globals())
