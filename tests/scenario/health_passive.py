"""Engines that answer every probe and serve badly are taken out by what live
requests see of them, no client notices, and they come back by trial."""
from lib import gateway as gw
from lib import story
from lib.load import Load
from lib.process import until
from lib.story import equal, sized, true

REQUESTS = sized(300, 100)
TIMES = {"ejection_time": "1s", "ejection_max": "2s", "slow_start": "1s"}


def events_of(gateway, engine):
    """Oldest first: (cause, to)."""
    return [(e["cause"], e["to"]) for e in reversed(gateway.fleet()["events"]) if e["endpoint"] == engine.address]


def eject_and_heal(t, causes, fault, n=4, **directives):
    """With the fault the engine is ejected for one of these causes; healed, it
    serves again. Nobody notices either."""
    gateway, engines = t.plain(n, **{**TIMES, **directives})
    bad = engines[0]
    with Load(gateway, clients=8, max_tokens=2) as load:
        load.passed(REQUESTS)
        bad.fault(**fault)
        gateway.wait_healthy(bad, state="unhealthy")
        seen = gateway.row(bad)
        true(seen["ejections"] >= 1, f"it was ejected: {seen}")
        load.passed(REQUESTS)
        bad.heal()
        gateway.wait_healthy(bad)
        served = bad.requests
        until(lambda: bad.requests > served, "the engine to take part again")
        until(lambda: not gateway.row(bad)["slow_start"], "the end of its slow start")
        load.passed(REQUESTS)
    equal(load.result.failures, [], f"failures of {load.result.done}")
    happened = events_of(gateway, bad)
    out = [c for c, to in happened if to == "unhealthy"]
    true(out and set(out) <= set(causes), f"why it was out: {happened}")
    true(("returned", "healthy") in happened, f"and how it came back: {happened}")
    for other in engines[1:]:
        equal(gateway.row(other)["ejections"], 0, "the others were left alone")
    counted = sum(gateway.metric(f'sluice_endpoint_transitions_total{{reason="{c}"}}') for c in causes)
    equal(counted, len(out), "the metric counts what happened")
    return gateway, bad


def test_every_request_reset(t):
    eject_and_heal(t, ["failing"], {"reset": True})


def test_garbage(t):
    eject_and_heal(t, ["failing"], {"garbage": True})


def test_first_event_is_an_error(t):
    eject_and_heal(t, ["failure_rate", "failing"], {"error_after_ms": 0})


def test_ejected_gets_nothing(t):
    gateway, engines = t.plain(3, ejection_time="60s")
    bad = engines[0]
    with Load(gateway, clients=6, max_tokens=2) as load:
        load.passed(50)
        bad.fault(status=500)
        gateway.wait_healthy(bad, state="unhealthy")
        seen = gateway.row(bad)
        true(0 < seen["returns_in_ms"] <= 60000, f"when it returns: {seen}")
        before = bad.requests
        load.passed(REQUESTS)
        equal(bad.requests, before, "requests sent to an ejected engine")
    equal(load.result.failures, [], "failures")


def test_full_is_not_ill(t):
    """429 and 503 are words about load, 4xx the client's mistake."""
    gateway, engines = t.plain(3)
    for status in (429, 503, 400, 404):
        engines[0].fault(status=status)
        for i in range(40):
            gateway.chat(f"{status} {i}")
    equal(gateway.row(engines[0])["health"], "healthy", "its health")
    equal(events_of(gateway, engines[0]), [("probe_ok", "healthy")], "what happened")


def test_a_poisonous_request(t):
    """A request to which every engine answers 500 takes none of them out."""
    gateway, engines = t.plain(3)
    for e in engines:
        e.fault(status=500)
    for i in range(30):
        equal(gateway.chat(f"poison {i}").status, 500, "the engines' word")
    for e in engines:
        e.heal()
        equal(gateway.row(e)["ejections"], 0, "no engine was ejected")


def test_never_the_whole_pool(t):
    """All break their connections: half of them stay in."""
    gateway, engines = t.plain(4, ejection_time="60s")
    for e in engines:
        e.fault(reset=True)
    for i in range(60):
        gateway.chat(f"{i}")
    equal(sum(r["health"] == "unhealthy" for r in gateway.fleet()["endpoints"]), 2, "ejected of four")
    true(gateway.metric("sluice_endpoint_ejections_spared_total") > 0, "and the others were spared")


def test_slow_beside_its_pool(t):
    # In turns: by what it costs, a slow engine would hardly be asked.
    engines = t.engines(4)
    gateway = t.gateway("model sim { policy round-robin; }\n" + gw.pool("all", engines, **TIMES), *engines)
    with Load(gateway, clients=8, max_tokens=6) as load:
        load.passed(REQUESTS)
        engines[0].fault(slow=8)
        gateway.wait_healthy(engines[0], state="unhealthy")
        true("times as slow" in gateway.row(engines[0])["reason"], f"why: {gateway.row(engines[0])}")
    equal(load.result.failures, [], "failures")
    equal(sum(r["ejections"] for r in gateway.fleet()["endpoints"]), 1, "ejections")


def test_a_page_that_hangs_keeps_nobody_out(t):
    """Its health decides, also of an engine that was down."""
    gateway, engines = t.plain(2, probe_timeout="300ms")
    bad = engines[0]
    bad.fault(health_status=503, hang_metrics=True)
    gateway.wait_healthy(bad, state="unhealthy")
    failures = gateway.metric("sluice_probe_failures_total")
    bad.fault(health_status=200)
    gateway.wait_healthy(bad)
    until(lambda: gateway.metric("sluice_probe_failures_total") > failures + 5, "more pages that do not come")
    equal([to for _, to in events_of(gateway, bad)], ["healthy", "unhealthy", "healthy"], "what happened")


story.run(globals())
