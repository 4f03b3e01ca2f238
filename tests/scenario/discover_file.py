"""Engines come from files in Prometheus's file_sd form, whichever way these are
changed, under load; a bad file changes nothing and says why."""
import json
import os

from lib import story
from lib.gateway import pool
from lib.load import Load
from lib.process import until
from lib.scripted import ScriptedEngine, completion
from lib.story import equal, sized, true

REQUESTS = sized(100, 40)


def entry(*engines, **labels):
    return {"targets": [getattr(e, "address", e) for e in engines], "labels": labels}


def write(path, *entries):
    """As careful programs do: all of it, under another name, then renamed."""
    with open(path + ".new", "w", encoding="utf-8") as f:
        f.write(json.dumps(entries))
    os.rename(path + ".new", path)


def discovering(t, path, *engines, **options):
    body = pool("all", [], **options).replace("}\n", f"\tdiscover file:{path};\n}}\n")
    return t.gateway(body, *engines)


def endpoints(gateway):
    return {r["endpoint"] for r in gateway.fleet()["endpoints"]}


def source(gateway, name="file:"):
    return next(s for s in gateway.fleet()["sources"] if s["source"].startswith(name))


def wait_for(gateway, *engines):
    want = {e.address for e in engines}
    until(lambda: endpoints(gateway) == want, f"the fleet to be {want}")
    gateway.wait_healthy(*engines)


def passed(load, n=REQUESTS):
    start = load.result.done
    until(lambda: load.result.done >= start + n, f"{n} more requests", timeout=240)


def test_renamed_over_under_load(t):
    a, b, c = t.engines(3)
    path = os.path.join(t.folder, "engines.json")
    write(path, entry(a, b))
    gateway = discovering(t, path, a, b)
    with Load(gateway, clients=8) as load:
        passed(load)
        write(path, entry(a, b, c))
        wait_for(gateway, a, b, c)
        until(lambda: c.requests > 0, "the new engine to be used")
        write(path, entry(b, c))
        wait_for(gateway, b, c)
        until(lambda: a.state()["running"] == 0, "the removed engine to finish")
        served = a.requests
        passed(load)
        equal(a.requests, served, "the removed engine gets nothing more")
    equal(load.result.failures, [], f"failures of {load.result.done}")
    equal(source(gateway)["engines"], 2, "engines that the source has")
    true("trouble" not in source(gateway), "nothing is wrong with it")


def test_all_replaced_at_once_under_load(t):
    """New engines have to say first which models they serve: requests wait for that."""
    a, b, c, d = t.engines(4)
    path = os.path.join(t.folder, "engines.json")
    write(path, entry(a, b))
    gateway = discovering(t, path, a, b)
    with Load(gateway, clients=8) as load:
        for engines in ((c, d), (a, b), (c, d), (a, b), (c, d)):
            passed(load, REQUESTS // 2)
            write(path, entry(*engines))
            wait_for(gateway, *engines)
        passed(load)
    equal(load.result.failures, [], f"failures of {load.result.done}")


def test_a_stream_outlives_its_engines_removal(t):
    a, b = t.engines(2)
    path = os.path.join(t.folder, "engines.json")
    write(path, entry(a))
    gateway = discovering(t, path, a)
    with gateway.connect() as c:
        c.request("POST", "/v1/chat/completions",
                  {"model": "sim", "messages": [{"role": "user", "content": "x"}],
                   "stream": True, "max_tokens": 200})
        events = c.events(c.head())
        next(events)
        write(path, entry(b))
        wait_for(gateway, b)
        rest = list(events)
    equal(rest[-1], "[DONE]", "the stream that ran goes to its end")


def test_written_in_place(t):
    a, b = t.engines(2)
    path = os.path.join(t.folder, "engines.json")
    write(path, entry(a))
    gateway = discovering(t, path, a)
    with open(path, "w", encoding="utf-8") as f:
        f.write(json.dumps([entry(b)]))
    wait_for(gateway, b)


def test_a_config_map(t):
    """Kubernetes turns a symlink of the folder; the file's own stays as it is."""
    a, b = t.engines(2)
    folder = os.path.join(t.folder, "map")
    for name, engine in (("..1", a), ("..2", b)):
        os.makedirs(os.path.join(folder, name))
        write(os.path.join(folder, name, "engines.json"), entry(engine))
    os.symlink("..1", os.path.join(folder, "..data"))
    os.symlink("..data/engines.json", os.path.join(folder, "engines.json"))
    gateway = discovering(t, os.path.join(folder, "engines.json"), a)
    os.symlink("..2", os.path.join(folder, "..data_tmp"))
    os.rename(os.path.join(folder, "..data_tmp"), os.path.join(folder, "..data"))
    wait_for(gateway, b)


def test_a_bad_file_changes_nothing(t):
    a, b = t.engines(2)
    path = os.path.join(t.folder, "engines.json")
    write(path, entry(a))
    gateway = discovering(t, path, a)
    for text, why in (("[{", "line 1: is not valid JSON"),
                      ("", "line 1: is not valid JSON"),
                      ('[{"targets":["10.0.0.1"]}]', "entry 1, target 1: '10.0.0.1' has no port")):
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        until(lambda w=why: w in source(gateway).get("trouble", ""), f"the source to say: {why}")
        equal(endpoints(gateway), {a.address}, "the last good engines")
        equal(gateway.chat().status, 200, "an answer")
    os.unlink(path)
    until(lambda: source(gateway).get("trouble") == "No such file or directory", "the source to miss its file")
    equal(endpoints(gateway), {a.address}, "the last good engines")
    true(f"{path}: entry 1, target 1: '10.0.0.1' has no port" in gateway.text(), "the log has the reason")
    write(path, entry(b))
    wait_for(gateway, b)
    true("trouble" not in source(gateway), "all is well again")
    write(path)
    until(lambda: endpoints(gateway) == set(), "an empty list to be taken at its word")


def test_a_folder_of_files(t):
    """All that match, each with its own last good content; one that goes takes its engines along."""
    a, b, c = t.engines(3)
    folder = os.path.join(t.folder, "engines")
    os.makedirs(folder)
    first, second = os.path.join(folder, "1.json"), os.path.join(folder, "2.json")
    write(first, entry(a))
    gateway = discovering(t, os.path.join(folder, "*.json"), a)
    write(second, entry(b), entry(a))
    wait_for(gateway, a, b)
    with open(first, "w", encoding="utf-8") as f:
        f.write("[")
    until(lambda: first in source(gateway).get("trouble", ""), "the bad file to be named")
    write(second, entry(c))
    wait_for(gateway, a, c)
    os.unlink(first)
    wait_for(gateway, c)
    true("trouble" not in source(gateway), "all is well again")


def test_a_folder_that_comes_later(t):
    """Whoever makes the file may come after the gateway, or make its folder anew."""
    a, b = t.engines(2)
    folder = os.path.join(t.folder, "later")
    path = os.path.join(folder, "engines.json")
    body = pool("all", [b]).replace("}\n", f"\tdiscover file:{path} {{ refresh 1s; }}\n}}\n")
    gateway = t.gateway(body, b)
    os.makedirs(folder)
    write(path, entry(a))
    wait_for(gateway, a, b)
    os.rename(folder, folder + ".old")
    os.makedirs(folder)
    write(path)
    wait_for(gateway, b)


def test_labels(t):
    p, d = t.engine("prefill"), t.engine("decode")
    path = os.path.join(t.folder, "engines.json")
    write(path, entry(p, role="prefill", job="llm"), entry(d, __meta_sluice_role="decode", role="database",
                                                           model="sim", max_concurrent="7"))
    gateway = discovering(t, path, p, d, connector="nixl")
    rows = {r["endpoint"]: r for r in gateway.fleet()["endpoints"]}
    equal({a: rows[a.address]["role"] for a in (p, d)}, {p: "prefill", d: "decode"}, "roles")
    equal(gateway.chat("some words " * 50).status, 200, "an answer")


def test_ipv6(t):
    engine = ScriptedEngine(lambda request: request.send(completion()) or True, host="::1")
    path = os.path.join(t.folder, "engines.json")
    write(path, entry(f"[0:0:0::1]:{engine.port}"))
    gateway = discovering(t, path, engine, metrics_path="off")
    equal(gateway.chat().status, 200, "an answer")
    engine.close()


def test_a_name_in_a_file(t):
    """localhost stands in the machine's hosts file: no name server is asked."""
    a = t.engine()
    path = os.path.join(t.folder, "engines.json")
    write(path, entry(f"localhost:{a.port}"))
    gateway = discovering(t, path)
    until(lambda: endpoints(gateway) == {f"localhost:{a.port}"}, "the engine to be found")
    equal(gateway.chat().status, 200, "an answer")
    equal(a.last_headers()["host"], f"localhost:{a.port}", "what the engine is called")


story.run(globals())
