"""Clusters: a model's requests go to the first one that can serve it, move at
once when it cannot, and come back once; another gateway is a cluster, too."""
import re

from lib import gateway as gw
from lib import story
from lib.load import Load
from lib.process import until
from lib.story import equal, sized, true

REQUESTS = sized(300, 120)
TIMES = "failback_delay 1s;\nfailback_ramp 500ms;\n"


def cluster(name, content, **directives):
    lines = "".join(f"\t{k} {v};\n" for k, v in directives.items())
    return f"cluster {name} {{\n{lines}{content}}}\n"


def to_gateway(gateway, **directives):
    lines = {"probe_interval": "100ms", **directives}
    inside = " ".join(f"{k} {v};" for k, v in lines.items())
    return f"\tgateway http://127.0.0.1:{gateway.port} {{ {inside} }}\n"


def served(engines):
    return sum(e.requests for e in engines)


def passed(load, n):
    start = load.result.done
    until(lambda: load.result.done >= start + n, f"{n} more requests", timeout=240)


def moves(gateway):
    return gateway.metric("sluice_cluster_moves_total")


def two_clusters(t, near=3, far=2, **options):
    near, far = t.engines(near), t.engines(far)
    body = (cluster("near", gw.pool("near", near))
            + cluster("far", gw.pool("far", far), priority=2))
    return t.gateway(body, *near, *far, main=TIMES, **options), near, far


def kill_and_return(t, gateway, near, far_requests, **load):
    """Every engine of the first cluster dies under load, and returns."""
    with Load(gateway, clients=24, max_tokens=1, **load) as run:
        passed(run, REQUESTS)
        equal(far_requests(), 0, "requests in the second cluster while the first is well")
        for engine in near:
            engine.kill()
        passed(run, REQUESTS)
        true(far_requests() >= REQUESTS - 60, "the second cluster serves")
        equal(moves(gateway), 1, "moves")
        equal(gateway.fleet()["models"][0]["clusters"], ["far"], "where /fleet says that they go")
        back = [t.adopt(engine.again()) for engine in near]
        until(lambda: moves(gateway) == 2, "the return")
        begun = far_requests()
        passed(run, REQUESTS)
        true(far_requests() - begun <= 48, "nothing new goes to the second cluster")
        true(all(e.requests for e in back), "every engine of the first takes part again")
        equal(moves(gateway), 2, "moves: there and back, once")
    equal(run.result.failures, [], f"failures of {run.result.done}")


def test_engines_of_the_first_die_and_return(t):
    gateway, near, far = two_clusters(t)
    kill_and_return(t, gateway, near, lambda: served(far))


def test_the_second_is_a_gateway(t):
    near, far = t.engines(2), t.engines(2)
    second = t.gateway(gw.pool("all", far), *far, name="second")
    body = (cluster("near", gw.pool("near", near))
            + cluster("far", to_gateway(second), priority=2))
    gateway = t.gateway(body, *near, main=TIMES)
    until(lambda: any(e["cluster"] == "far" and e["models"] for e in gateway.fleet()["endpoints"]),
          "the second gateway to say what it serves")
    kill_and_return(t, gateway, near, lambda: served(far))
    true(len(second.access()) > 0, "the second gateway has served requests")


def test_a_gateway_over_tls(t):
    """Certificates, a key of its own, a long prompt, a stream, a client that leaves."""
    engine = t.engine()
    certificate = t.certificate()
    second = t.gateway(gw.pool("all", [engine]), engine, name="second", certificate=certificate)
    far = (f"\tgateway https://127.0.0.1:{second.tls_port} {{ tls_ca {certificate}; api_key of-the-second; "
           "probe_interval 100ms; }\n")
    gateway = t.gateway(cluster("far", far))
    until(lambda: gateway.fleet()["models"], "the second gateway to say what it serves")
    long = "word " * 80000
    body = gw.chat(long, max_tokens=4)
    answer = gateway.post("/v1/chat/completions", body, {"authorization": "Bearer of-the-client"})
    equal(answer.status, 200, "status of a long prompt")
    equal(engine.last().json()["messages"][0]["content"], long, "the prompt at the engine")
    equal(engine.last_headers()["authorization"], "Bearer of-the-second", "the key")
    true("x-sluice-hops" not in engine.last_headers(), "hops are between gateways")
    with gateway.connect() as c:
        c.request("POST", "/v1/chat/completions", gw.chat("go on", max_tokens=100000, stream=True))
        answer = c.head()
        next(iter(c.events(answer)))
    until(lambda: engine.state()["open_requests"] == 0, "the engine to be free, two gateways away")


def test_prefill_and_decode_stay_together(t):
    """Hand-offs never cross: the near cluster loses its prefill engines, not its place."""
    p1, d1 = t.engines(1, "prefill"), t.engines(1, "decode")
    p2, d2 = t.engines(1, "prefill"), t.engines(1, "decode")

    def pools(name, p, d):
        return (gw.pool(f"{name}-prefill", p, role="prefill", connector="nixl")
                + gw.pool(f"{name}-decode", d, role="decode", connector="nixl"))
    body = (cluster("near", pools("near", p1, d1)) + cluster("far", pools("far", p2, d2), priority=2)
            + "model sim { policy round-robin; }\n")
    gateway = t.gateway(body, *p1, *d1, *p2, *d2, main=TIMES)
    equal(gateway.chat("a " * 300).status, 200, "status")
    equal((p1[0].requests, d1[0].requests, served(p2 + d2)), (1, 1, 0), "near serves both legs")
    p1[0].kill()
    gateway.wait_healthy(p1[0], state="unhealthy")
    equal(gateway.chat("b " * 300).status, 200, "status")
    equal((d1[0].requests, served(p2 + d2)), (2, 0), "near's decode engine prefills for itself")
    d1[0].kill()
    gateway.wait_healthy(d1[0], state="unhealthy")
    equal(gateway.chat("c " * 300).status, 200, "status")
    equal((p2[0].requests, d2[0].requests), (1, 1), "far serves both legs")


def test_residency(t):
    """Better no answer than one from the wrong region; and such a file does not load."""
    eu, us = t.engines(1), t.engines(1)
    clusters = (cluster("eu", gw.pool("eu", eu), region="eu")
                + cluster("us", gw.pool("us", us), region="us"))
    gateway = t.gateway(clusters + "model sim { residency eu; }\n", *eu, *us)
    for _ in range(20):
        equal(gateway.chat().status, 200, "status")
    equal((eu[0].requests, us[0].requests), (20, 0), "requests")
    eu[0].kill()
    equal(gateway.chat().status, 502, "status without an engine in the region")
    gateway.wait_healthy(eu[0], state="unhealthy")
    equal(gateway.chat().status, 503, "the same when it is known")
    equal(us[0].requests, 0, "requests in the wrong region")
    gateway.write(clusters + "model sim { residency eu; clusters us; }\n")
    gateway.reload()
    equal(gateway.metric("sluice_config_reload_failures_total"), 1, "refused reloads")
    true(re.search(r"model 'sim' must not leave its residency.*cluster 'us', region 'us'",
                   gateway.text()), "the reason in the log")


def test_a_full_cluster_spills(t):
    near, far = t.engines(1), t.engines(1)
    body = (cluster("near", gw.pool("near", near, max_concurrent=1))
            + cluster("far", gw.pool("far", far), priority=2))
    gateway = t.gateway(body, *near, *far)
    near[0].fault(hang=True)
    held = gateway.connect()
    held.request("POST", "/v1/chat/completions", gw.chat("held"))
    until(lambda: near[0].requests == 1, "the first request at its engine")
    equal(gateway.chat("next").status, 200, "status")
    equal(far[0].requests, 1, "requests that were spilled")
    held.close()


def test_no_circles(t):
    """Two gateways that are each other's second cluster: when both have lost
    their engines, requests end, models disappear and neither calls the other well."""
    a_engines, b_engines = t.engines(1), t.engines(1)
    b = t.gateway(gw.pool("b", b_engines), *b_engines, name="b", main=TIMES)
    body = cluster("own", gw.pool("a", a_engines)) + cluster("other", to_gateway(b), priority=2)
    a = t.gateway(body, *a_engines, main=TIMES)
    b.write(cluster("own", gw.pool("b", b_engines)) + cluster("other", to_gateway(a), priority=2))
    b.reload()
    until(lambda: all(e["health"] == "healthy" for g in (a, b) for e in g.fleet()["endpoints"]),
          "both to see each other")
    a_engines[0].kill()
    equal(a.chat().status, 200, "status through b")
    b_engines[0].kill()
    equal(a.chat().status, 502, "status with no engine anywhere")
    for gateway in (a, b):
        until(lambda g=gateway: g.admin("/readyz").status == 503, "not ready")
        equal(gateway.ask("GET", "/health").status, 503, "/health")
    back = t.adopt(b_engines[0].again())
    b.wait_healthy(back)
    until(lambda: a.admin("/readyz").status == 200, "ready again through the other")
    equal(a.chat().status, 200, "status again")


story.run(globals())
