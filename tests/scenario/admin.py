"""What operators and their monitoring see."""
import json
import re

from lib import story
from lib.gateway import Gateway, pool
from lib.process import until
from lib.story import equal, true

NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*$")
SAMPLE = re.compile(r'([a-zA-Z_]\w*)(?:\{((?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (\S+)$')


def check_exposition(text):
    """The Prometheus text format's rules; returns the families' types."""
    types, helped, closed, current, series = {}, set(), set(), None, set()
    true(text.endswith("\n"), "the last line ends")
    for line in text.splitlines():
        if m := re.match(r"# (HELP|TYPE) (\S+) (.+)$", line):
            kind, name, rest = m.groups()
            true(NAME.match(name), f"a metric's name: {name}")
            if name != current:
                true(name not in closed, f"{name}: one group of lines")
                closed.add(current)
                current = name
            if kind == "HELP":
                true(name not in helped, f"{name}: one HELP")
                helped.add(name)
            else:
                true(name not in types, f"{name}: one TYPE")
                true(rest in ("counter", "gauge", "histogram"), f"{name}: {rest}")
                types[name] = rest
            continue
        m = SAMPLE.match(line)
        true(m, f"a sample line: {line!r}")
        name, labels, value = m.groups()
        family = name if name in types else re.sub(r"_(bucket|sum|count)$", "", name)
        equal(family, current, f"{line!r} stands in its family's group")
        true(types[family] != "counter" or family.endswith("_total"), f"{family}: a counter ends in _total")
        true((name, labels) not in series, f"{line!r} is there once")
        series.add((name, labels))
        true(float(value) >= 0 or types[family] == "gauge", f"{line!r}: not below zero")
    equal(helped, set(types), "every family has help and type")
    return types


def check_histograms(samples):
    for name in {k[:-6] for k in samples if k.endswith("_count")}:
        buckets = [(float(m[1].replace("+Inf", "inf")), v) for k, v in samples.items()
                   if (m := re.match(re.escape(name) + r'_bucket\{le="([^"]+)"\}', k))]
        true(buckets == sorted(buckets) and [v for _, v in buckets] == sorted(v for _, v in buckets),
             f"{name}: buckets rise")
        equal(buckets[-1], (float("inf"), samples[name + "_count"]), f"{name}: the last bucket is the count")


def test_metrics(t):
    gateway, p, d = t.pair(2, 2)
    for i in range(20):
        gateway.chat("word " * 400 + str(i), stream=bool(i % 2))
    gateway.chat(model="none")
    gateway.wait_idle()
    page = gateway.admin("/metrics")
    true(page.header("content-type").startswith("text/plain"), "content type")
    types = check_exposition(page.body.decode())
    samples = gateway.metrics()
    check_histograms(samples)
    equal(types["sluice_time_to_first_token_seconds"], "histogram", "the first token's time")
    equal(samples["sluice_time_to_first_token_seconds_count"], 20, "requests with a first token")
    equal(samples['sluice_requests_total{class="2xx"}'], 20, "good answers")
    equal(samples['sluice_errors_total{code="model_not_found"}'], 1, "refused")
    equal(gateway.metric("sluice_placements_total"), 20, "decisions")
    for engine in p + d:
        true(any(engine.address in k for k in samples), f"{engine.address} is there")


def test_health(t):
    engine = t.engine()
    gateway = t.gateway(pool("all", [engine]), engine)
    equal(gateway.admin("/livez").status, 200, "alive")
    equal(gateway.admin("/readyz").status, 200, "ready")
    engine.kill()
    gateway.wait_healthy(engine, state="unhealthy")
    until(lambda: gateway.admin("/readyz").status == 503, "not ready without an engine")
    equal(gateway.admin("/livez").status, 200, "alive all the same")
    equal(gateway.ask("GET", "/health").status, 503, "the same on the clients' port")
    back = t.adopt(engine.again())
    gateway.wait_healthy(back)
    equal(gateway.admin("/readyz").status, 200, "ready again")
    equal(gateway.ask("GET", "/health").status, 200, "the same on the clients' port")
    equal(gateway.ask("HEAD", "/health").status, 200, "and without its body")
    equal(gateway.ask("POST", "/health", b"{}").status, 405, "it is no API")
    gateway.wait_idle()
    equal([a["path"] for a in gateway.access() if a["status"] != 405], [], "probes are not logged")


def test_ready_waits_for_engines(t):
    """A gateway that has not seen its engines yet does not call itself ready."""
    gateway = t.adopt(Gateway(story.BUILD, t.folder, pool("all", ["127.0.0.1:1"])))
    until(lambda: gateway.admin("/livez").status == 200, "/livez")
    equal(gateway.admin("/readyz").status, 503, "nobody is there")
    equal(gateway.admin("/nothing").status, 404, "an unknown page")
    equal(gateway.admin("/reload").status, 405, "a reload is a POST")


def test_fleet_and_sluicectl(t):
    gateway, p, d = t.pair(1, 2)
    gateway.chat("word " * 600)
    rows = {r["endpoint"]: r for r in gateway.fleet()["endpoints"]}
    equal(set(rows), {e.address for e in p + d}, "the endpoints")
    equal({rows[e.address]["role"] for e in d}, {"decode"}, "their roles")
    equal(rows[p[0].address]["health"], "healthy", "their health")
    admin = f"127.0.0.1:{gateway.admin_port}"
    _, out = t.run(t.program("sluicectl"), "-a", admin, "status")
    for e in p + d:
        true(e.address in out, f"sluicectl status shows {e.address}:\n{out}")
    _, out = t.run(t.program("sluicectl"), "-a", admin, "status", "--json")
    equal(len(json.loads(out)["endpoints"]), 3, "sluicectl status --json")
    code, _ = t.run(t.program("sluicectl"), "-a", "127.0.0.1:1", "status", check=False)
    true(code != 0, "nobody there")


def test_reload_page(t):
    gateway, _ = t.plain(1)
    admin = f"127.0.0.1:{gateway.admin_port}"
    t.run(t.program("sluicectl"), "-a", admin, "reload")
    equal(gateway.metric("sluice_config_reloads_total"), 1, "taken")
    gateway.write("pool all { nonsense; }\n", raw=True)
    code, _ = t.run(t.program("sluicectl"), "-a", admin, "reload", check=False)
    true(code != 0, "a bad file makes the command fail")
    equal(gateway.chat().status, 200, "and changes nothing")


story.run(globals())
