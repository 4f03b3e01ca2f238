"""The configuration changes under load: no request notices. A file that is
wrong changes nothing and says why."""
import os
import signal
import socket
import ssl

from lib import story
from lib.gateway import pool, prefill_decode
from lib.load import Load
from lib.ports import free_ports
from lib.process import until
from lib.story import equal, sized, true

REQUESTS = sized(200, 80)


def passed(load, n=REQUESTS):
    start = load.result.done
    until(lambda: load.result.done >= start + n, f"{n} more requests", timeout=240)


def endpoints(gateway):
    return {r["endpoint"] for r in gateway.fleet()["endpoints"]}


def test_add_and_remove(t):
    a, b, c = t.engines(3)
    gateway = t.gateway(pool("all", [a, b]), a, b)
    with Load(gateway, clients=8) as load:
        passed(load)
        gateway.write(pool("all", [a, b, c]))
        gateway.reload()
        gateway.wait_healthy(c)
        until(lambda: c.requests > 0, "the new engine to be used")
        passed(load)
        gateway.write(pool("all", [b, c]))
        gateway.reload()
        until(lambda: endpoints(gateway) == {b.address, c.address}, "the fleet to be b and c")
        until(lambda: a.state()["running"] == 0, "the old engine to finish")
        served = a.requests
        passed(load)
        equal(a.requests, served, "the removed engine gets nothing more")
        for _ in range(5):
            gateway.reload()
        passed(load)
    equal(load.result.failures, [], f"failures of {load.result.done}")
    equal(gateway.metric("sluice_config_reload_failures_total"), 0, "reloads refused")


def test_disaggregated(t):
    p, d = t.engines(3, "prefill"), t.engines(3, "decode")
    gateway = t.gateway(prefill_decode(p[:2], d[:2]), *p[:2], *d[:2])
    with Load(gateway, clients=8, words=300) as load:
        passed(load)
        gateway.write(prefill_decode(p[1:], d[1:]))
        gateway.reload()
        gateway.wait_healthy(p[2], d[2])
        passed(load, 2 * REQUESTS)
    equal(load.result.failures, [], f"failures of {load.result.done}")
    true(p[2].requests > 0 and d[2].requests > 0, "the new engines are used")


def test_streams_outlive_their_engines_removal(t):
    a, b = t.engines(2)
    gateway = t.gateway(pool("all", [a]), a)
    with gateway.connect() as c:
        c.request("POST", "/v1/chat/completions",
                  {"model": "sim", "prompt": "x", "messages": [{"role": "user", "content": "x"}],
                   "stream": True, "max_tokens": 200})
        events = c.events(c.head())
        first = next(events)
        gateway.write(pool("all", [b]))
        gateway.reload()
        rest = list(events)
        equal(rest[-1], "[DONE]", "the stream that ran goes to its end")
        true(first and len(rest) > 150, "all of it")


def test_a_broken_file_changes_nothing(t):
    engines = t.engines(2)
    gateway = t.gateway(pool("all", engines), *engines)
    before = endpoints(gateway)
    broken = f"admin 127.0.0.1:{gateway.admin_port};\nlisten 127.0.0.1:{gateway.port};\npool all {{ sever 10.0.0.1:1; }}\n"
    with Load(gateway, clients=4) as load:
        passed(load, 40)
        gateway.write(broken, raw=True)
        gateway.reload()
        equal(gateway.metric("sluice_config_reload_failures_total"), 1, "the reload was refused")
        equal(endpoints(gateway), before, "the fleet")
        passed(load, 40)
    equal(load.result.failures, [], f"failures of {load.result.done}")
    log = gateway.text()
    true(f"{gateway.conf}:3:" in log, f"the log names file and line:\n{gateway.tail()}")
    true("server" in log.split("sever", 1)[1], f"and the nearest word:\n{gateway.tail()}")
    gateway.write(pool("all", engines))
    gateway.reload()
    equal(gateway.metric("sluice_config_reloads_total"), 1, "a good file is taken again")


def test_check_mode(t):
    """-t says whether a file is good, -T what it means."""
    engines = t.engines(1)
    gateway = t.gateway(pool("all", engines), *engines)
    code, _ = t.run(t.program("sluice"), "-t", "-c", gateway.conf)
    equal(code, 0, "a good file")
    _, dump = t.run(t.program("sluice"), "-T", "-c", gateway.conf)
    true(engines[0].address in dump and "default" in dump, "-T shows values and where they come from")
    gateway.write("listen 1.2.3.4:99999;\n", raw=True)
    code, _ = t.run(t.program("sluice"), "-t", "-c", gateway.conf, check=False)
    equal(code, 1, "a bad file")
    gateway.signal(signal.SIGHUP)
    equal(gateway.chat().status, 200, "the running gateway goes on")


def test_a_handshake_across_a_reload(t):
    """Connected under the old configuration, TLS begun under the new one."""
    engines = t.engines(1)
    gateway = t.gateway(pool("all", engines), *engines, certificate=t.certificate())
    with socket.create_connection(("127.0.0.1", gateway.tls_port)) as plain:
        until(lambda: gateway.metric("sluice_connections_open") == 1, "the connection to be accepted")
        for _ in range(3):
            gateway.reload()
        context = ssl.create_default_context(cafile=gateway.certificate)
        context.set_alpn_protocols(["h2", "http/1.1"])
        with context.wrap_socket(plain, server_hostname="localhost") as c:
            equal(c.selected_alpn_protocol(), "h2", "the protocol agreed on")


def test_reloads_in_a_row(t):
    """Listeners that come and go faster than workers look: none is left behind."""
    engines = t.engines(1)
    gateway = t.gateway(pool("all", engines), *engines, certificate=t.certificate(), workers=4)
    before = len(os.listdir(f"/proc/{gateway.pid}/fd"))
    ports = free_ports(2)
    for i in range(30):
        gateway.write(pool("all", engines) + f"listen 127.0.0.1:{ports[i % 2]};\n")
        equal(gateway.admin("/reload", "POST").status, 200, "the reload")
    gateway.write(pool("all", engines))
    gateway.reload()
    until(lambda: len(os.listdir(f"/proc/{gateway.pid}/fd")) <= before, "the old listeners to be closed")


story.run(globals())
