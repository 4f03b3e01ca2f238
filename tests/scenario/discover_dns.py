"""Engines come from DNS, whose servers answer, fail, lie and fall silent; the
gateway waits for none of them."""
from lib import story
from lib.dcgm import Exporter
from lib.dns_server import DnsServer
from lib.gateway import pool
from lib.load import Load
from lib.ports import free_port
from lib.process import until
from lib.scripted import ScriptedEngine, completion
from lib.story import equal, sized, true

REQUESTS = sized(100, 40)
NAME = "engines.test"


def discovering(t, dns, target, *engines, servers=(), **options):
    body = pool("all", servers, **options).replace("}\n", f"\tdiscover {target};\n}}\n")
    return t.gateway(body, *engines, main=dns.conf)


def endpoints(gateway):
    return {r["endpoint"] for r in gateway.fleet()["endpoints"]}


def source(gateway, name):
    return next(s for s in gateway.fleet()["sources"] if s["source"].startswith(name))


def wait_for(gateway, *engines):
    want = {e.address for e in engines}
    until(lambda: endpoints(gateway) == want, f"the fleet to be {want}")
    gateway.wait_healthy(*engines)


def wait_trouble(gateway, name, words):
    return until(lambda: words in source(gateway, name).get("trouble", ""), f"the source to say: {words}")


def passed(load, n=REQUESTS):
    start = load.result.done
    until(lambda: load.result.done >= start + n, f"{n} more requests", timeout=240)


def neighbours(t, n=2):
    """Engines with the same port, each with an address of its own."""
    port = free_port()
    return [t.engine(host=f"127.0.0.{i + 1}", port=port) for i in range(n)]


def test_addresses_come_and_go_under_load(t):
    dns = DnsServer()
    a, b, c = neighbours(t, 3)
    dns.set(NAME, a.host, b.host)
    gateway = discovering(t, dns, f"dns:{NAME}:{a.port}", a, b)
    with Load(gateway, clients=8) as load:
        passed(load)
        dns.set(NAME, b.host, c.host, a.host)
        wait_for(gateway, a, b, c)
        until(lambda: c.requests > 0, "the new engine to be used")
        dns.set(NAME, c.host, b.host)
        wait_for(gateway, b, c)
        until(lambda: a.state()["running"] == 0, "the removed engine to finish")
        passed(load)
    equal(load.result.failures, [], f"failures of {load.result.done}")


def test_failures_take_nobody_away(t):
    dns = DnsServer()
    a, b = neighbours(t)
    dns.set(NAME, a.host, b.host)
    gateway = discovering(t, dns, f"dns:{NAME}:{a.port}", a, b)
    for mode, why in (("servfail", "SERVFAIL"), ("garbage", "makes no sense"), ("silent", "no answer")):
        dns.mode = mode
        wait_trouble(gateway, "dns:", why)
        equal(endpoints(gateway), {a.address, b.address}, f"engines while the server is {mode}")
        equal(gateway.chat().status, 200, "an answer")
    dns.mode = None
    dns.set(NAME, b.host)
    wait_for(gateway, b)
    until(lambda: "trouble" not in source(gateway, "dns:"), "all to be well again")


def test_no_such_name(t):
    """Believed when it was said three times; an engine is not taken away by one slip."""
    dns = DnsServer()
    a, = neighbours(t, 1)
    dns.set(NAME, a.host)
    gateway = discovering(t, dns, f"dns:{NAME}:{a.port}", a)
    dns.remove(NAME)
    wait_trouble(gateway, "dns:", "NXDOMAIN")
    until(lambda: endpoints(gateway) == set(), "the engine to go")
    dns.set(NAME)
    wait_trouble(gateway, "dns:", "has no address")
    dns.set(NAME, a.host)
    wait_for(gateway, a)


def test_a_silent_server_holds_nothing_up(t):
    """Many names at a server that is silent: pages and requests are answered meanwhile."""
    dns = DnsServer()
    dns.mode = "silent"
    a = t.engine()
    silent = [f"e{i}.test:8000" for i in range(40)]
    body = pool("all", [a, *silent])
    gateway = t.gateway(body, a, main=dns.conf)
    until(lambda: len(dns.asked) > 0, "the server to be asked")
    answered = 0
    while not any("no answer" in s.get("trouble", "") for s in gateway.fleet()["sources"]):
        equal(gateway.chat().status, 200, "an answer")
        answered += 1
    true(answered > 0, "requests while names were waited for")
    equal(endpoints(gateway), {a.address}, "engines")
    gateway.reload()
    equal(gateway.metric("sluice_config_reload_failures_total"), 0, "reloads refused")


def test_tcp_when_an_answer_is_too_long(t):
    dns = DnsServer()
    dns.mode = "truncated"
    a, b = neighbours(t)
    dns.set(NAME, a.host, b.host)
    gateway = discovering(t, dns, f"dns:{NAME}:{a.port}", a, b)
    equal(endpoints(gateway), {a.address, b.address}, "engines")
    true(dns.over_tcp > 0, "the server was asked over TCP")


def test_services(t):
    """SRV: ports and addresses from it, the lowest priority alone."""
    dns = DnsServer()
    a, b, c = t.engines(3)
    dns.set("e1.test", "127.0.0.1")
    dns.set("e2.test", "127.0.0.1")
    dns.set_srv("_llm._tcp.test", (1, 5, a.port, "e1.test"), (1, 0, b.port, "e2.test"), (2, 5, c.port, "e1.test"))
    gateway = discovering(t, dns, "srv:_llm._tcp.test", a, b)
    equal(endpoints(gateway), {a.address, b.address}, "engines")
    dns.set_srv("_llm._tcp.test", (2, 5, c.port, "e1.test"))
    wait_for(gateway, c)
    dns.set_srv("_llm._tcp.test", (2, 5, c.port, "e1.test"), (2, 5, a.port, "e3.test"))
    wait_trouble(gateway, "srv:", "e3.test")
    equal(endpoints(gateway), {c.address}, "engines while a target has no address")


def test_ipv6(t):
    dns = DnsServer()
    engine = ScriptedEngine(lambda request: request.send(completion()) or True, host="::1")
    dns.set(NAME, "::1")
    gateway = discovering(t, dns, f"dns:{NAME}:{engine.port}", engine, metrics_path="off")
    equal(gateway.chat().status, 200, "an answer")
    engine.close()


def test_a_server_whose_name_moves(t):
    """A name in `server` is one engine, wherever it is at the time."""
    dns = DnsServer()
    a, b = neighbours(t)
    name = f"engine.test:{a.port}"
    gateway = t.gateway(pool("all", [name]), main=dns.conf, ready=False)
    wait_trouble(gateway, "dns:engine.test", "NXDOMAIN")
    equal(gateway.admin("/readyz").status, 503, "not ready without an engine")
    equal(gateway.chat().status, 503, "a request meanwhile")
    dns.set("engine.test", a.host)
    gateway.wait_ready()
    equal(endpoints(gateway), {name}, "the engine is called by its name")
    with Load(gateway, clients=4) as load:
        passed(load)
        dns.set("engine.test", b.host, a.host)
        until(lambda: source(gateway, "dns:engine.test")["engines"] == 2, "both addresses to be known")
        served = a.requests
        until(lambda: a.requests > served, "the address that it has to be kept")
        equal(b.requests, 0, "requests at the other one")
        dns.set("engine.test", b.host)
        until(lambda: b.requests > 0, "the new address to be used")
        until(lambda: a.state()["running"] == 0, "the old one to finish")
        served = a.requests
        passed(load)
        equal(a.requests, served, "the old address gets nothing more")
    equal(load.result.failures, [], f"failures of {load.result.done}")


def test_an_exporter_whose_name_is_not_known_yet(t):
    """Nothing waits for it, and it is asked as soon as its name means something."""
    dns, a, exporter = DnsServer(), t.engine(), Exporter(1)
    dns.mode = "servfail"
    where = f'"http://dcgm.test:{exporter.port}/metrics"'
    gateway = t.gateway(pool("all", [a], gpu_metrics=where), a, main=dns.conf + "gpu_interval 100ms;\n")
    wait_trouble(gateway, "dns:dcgm.test", "SERVFAIL")
    equal([x["trouble"] for x in gateway.fleet()["gpu_exporters"]], ["it has no address so far"], "exporters' trouble")
    equal(gateway.chat().status, 200, "an answer")
    dns.set("dcgm.test", "127.0.0.1")
    dns.mode = None
    until(lambda: [g["gpu"] for g in gateway.fleet()["gpus"]] == [exporter.gpus[0].uuid], "its GPU to be known")
    until(lambda: not any(x["trouble"] for x in gateway.fleet()["gpu_exporters"]), "its trouble to be over")
    equal(endpoints(gateway), {a.address}, "what the name means is no engine")


def test_shutdown_while_a_name_is_waited_for(t):
    dns = DnsServer()
    dns.mode = "silent"
    a = t.engine()
    gateway = t.gateway(pool("all", [a, "silent.test:8000"]), a, main=dns.conf)
    until(lambda: dns.asked, "the server to be asked")
    equal(gateway.stop(), 0, "the gateway's status")


story.run(globals())
