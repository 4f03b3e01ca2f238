"""Engines that Kubernetes names serve requests, in the roles that their labels
give them, for as long as their pods are ready, and whatever happens to the API
server meanwhile."""
import os

from lib import story
from lib.gateway import Gateway, chat
from lib.kube_api import KubeApi
from lib.load import Load
from lib.process import until
from lib.story import equal, sized, true

PODS = "/api/v1/namespaces/llm/pods"
POOLS = "/apis/inference.networking.k8s.io/v1/namespaces/llm/inferencepools"
LONG = "word " * 600  # long enough that handing over beats prefilling at the decode engine
REQUESTS = sized(100, 40)


class Cluster(KubeApi):
    """The stand-in, and pods of it that are simulated engines on this machine."""

    def pod(self, name, engine, ready=True, sidecar=None, **labels):
        spec = {"containers": [{"name": "main", "image": "engine:1",
                                "ports": [{"containerPort": engine.port}]}]}
        if sidecar:
            spec["initContainers"] = [{"name": "routing-sidecar", "image": "sidecar:1", "restartPolicy": "Always",
                                       "ports": [{"containerPort": sidecar}]}]
        answer = self.ask("POST", PODS, {
            "apiVersion": "v1", "kind": "Pod", "spec": spec,
            "metadata": {"name": name, "namespace": "llm", "labels": labels}})
        true(answer.status in (200, 201), answer)
        self.patch(f"{PODS}/{name}/status", {"status": {"podIP": engine.host, "phase": "Running"}})
        self.ready(name, ready)

    def ready(self, name, ready=True):
        self.patch(f"{PODS}/{name}/status", {"status": {"conditions": [
            {"type": "Ready", "status": "True" if ready else "False"}]}})

    def label(self, name, **labels):
        self.patch(f"{PODS}/{name}", {"metadata": {"labels": labels}})

    def delete(self, path):
        answer = self.ask("DELETE", path)
        true(answer.status == 200, answer)


def cluster(t, **options):
    return t.adopt(Cluster(t, **options)).wait_ready()


def discovering(t, server, *engines, directives="", pool=""):
    """A gateway whose one pool is found; ready when these engines are."""
    body = (f"model sim {{ policy round-robin; }}\npool found {{\n\tengine vllm;\n\tprobe_interval 100ms;\n\t{pool}\n"
            f"\tdiscover kubernetes {{\n\t\tapi {server.url};\n\t\tnamespace llm;\n\t\t{directives}\n\t}}\n}}\n")
    gateway = t.adopt(Gateway(story.BUILD, t.folder, body))
    return gateway.wait_healthy(*engines) if engines else gateway


def held(gateway):
    return {r["endpoint"]: r["held"] for r in gateway.fleet()["endpoints"] if r.get("held")}


def listed(gateway):
    return {r["endpoint"] for r in gateway.fleet()["endpoints"]}


def trouble(gateway):
    return gateway.fleet()["sources"][0].get("trouble", "")


def passed(load, n=REQUESTS):
    start = load.result.done
    until(lambda: load.result.done >= start + n, f"{n} more requests", timeout=240)


def test_roles(t):
    """One pool, both roles by label; the decode engine is behind a sidecar."""
    server = cluster(t)
    prefill, decode = t.engine("prefill"), t.engine("decode")
    server.pod("p", prefill, **{"llm-d.ai/role": "prefill"})
    server.pod("d", decode, sidecar=8000, **{"llm-d.ai/role": "decode"})
    gateway = discovering(t, server, prefill, decode, directives="preset llm-d;", pool="connector nixl;")
    answer = gateway.chat(LONG, {"X-Request-Id": "legs"})
    equal(answer.status, 200, "status")
    line = gateway.access_of("legs")
    equal((line["placement"], line["prefill"], line["decode"]), ("remote", prefill.address, decode.address),
          "who did what")


def test_pairs(t):
    """Prefill and decode engines of AIBrix come from one roleset, and a roleset
    that lacks one of them gets nothing."""
    server = cluster(t)
    sets, names = {}, {"model.aibrix.ai/name": "sim"}
    for n in range(2):
        p, d = t.engine("prefill"), t.engine("decode")
        sets[p.address] = d.address
        server.pod(f"p{n}", p, **names, **{"role-name": "prefill", "roleset-name": f"rs-{n}"})
        server.pod(f"d{n}", d, **names, **{"role-name": "decode", "roleset-name": f"rs-{n}"})
    lonely = t.engine("decode")
    server.pod("d9", lonely, **names, **{"role-name": "decode", "roleset-name": "rs-9"})
    gateway = discovering(t, server, directives="preset aibrix; service sim;", pool="connector nixl;")
    until(lambda: len([r for r in gateway.fleet()["endpoints"] if r["models"]]) == 5, "five engines")
    equal(held(gateway), {lonely.address: "its roleset has no prefill engine"}, "who is held")
    seen = set()
    for i in range(20):
        equal(gateway.chat(f"{i} {LONG}", {"X-Request-Id": f"pair-{i}"}).status, 200, "status")
        line = gateway.access_of(f"pair-{i}")
        true(line["decode"] != lonely.address, "the lonely engine got a request")
        if line["placement"] == "remote":
            equal(line["decode"], sets[line["prefill"]], f"the decode engine beside {line['prefill']}")
            seen.add(line["prefill"])
    equal(seen, set(sets), "prefill engines that were used")


def test_readiness_under_load(t):
    """Not ready: nothing new, and nothing lost. Ready again: back. Deleted: gone."""
    server = cluster(t)
    a, b = t.engines(2)
    server.pod("a", a, app="sim")
    server.pod("b", b, app="sim")
    gateway = discovering(t, server, a, b, directives="selector app=sim;")
    with Load(gateway, clients=8) as load:
        passed(load)
        server.ready("a", False)
        until(lambda: held(gateway) == {a.address: "the pod is not ready"}, "it to be held")
        until(lambda: a.state()["running"] == 0, "it to finish")
        served = a.requests
        passed(load)
        equal(a.requests, served, "requests that it got")
        server.ready("a")
        until(lambda: a.requests > served, "it to be used again")
        for word in "gets no new requests: the pod is not ready", "may get requests again":
            true(f"engine {a.address} {word}" in gateway.tail(100), f"the log does not say that it {word}")
        server.label("b", app="other")
        until(lambda: listed(gateway) == {a.address}, "the one without its label to be gone")
        passed(load)
        server.pod("c", b, app="sim")
        until(lambda: b.address in listed(gateway), "a new pod")
        server.delete(f"{PODS}/a")
        until(lambda: listed(gateway) == {b.address}, "a deleted pod to be gone")
        passed(load)
    equal(load.result.failures, [], f"failures of {load.result.done}")


def test_the_api_server_dies(t):
    """Its engines serve on; what changed meanwhile is there when it is back."""
    server = cluster(t)
    a, b = t.engines(2)
    server.pod("a", a, app="sim")
    gateway = discovering(t, server, a, directives="selector app=sim;")
    with Load(gateway, clients=4) as load:
        server.fail(503)
        server.cut()
        until(lambda: "503" in trouble(gateway), "trouble")
        passed(load)
        equal(listed(gateway), {a.address}, "engines while it is away")
        server.fail(0)
        until(lambda: not trouble(gateway), "no more trouble")
        server.pod("b", b, app="sim")
        gateway.wait_healthy(a, b)
    equal(load.result.failures, [], f"failures of {load.result.done}")


def test_a_token_that_is_rotated(t):
    """The old one is refused and said to be; the new one is read without a reload."""
    server = cluster(t, token="new")
    path = os.path.join(t.folder, "token")
    with open(path, "w", encoding="utf-8") as f:
        f.write("old\n")
    engine = t.engine()
    server.pod("a", engine, app="sim")
    gateway = discovering(t, server, directives=f"selector app=sim; api_token {path};")
    until(lambda: "does not accept the token (401)" in trouble(gateway), "the refusal")
    with open(path, "w", encoding="utf-8") as f:
        f.write("new\n")
    gateway.wait_healthy(engine)
    until(lambda: not trouble(gateway), "no more trouble")


def test_rights_that_are_missing(t):
    server = cluster(t)
    server.fail(403)
    gateway = discovering(t, server, directives="selector app=sim;")
    until(lambda: "may not list pods in namespace llm (403)" in trouble(gateway), "the refusal in words")
    true("get, list and watch" in trouble(gateway), "what is needed")


def test_an_inference_pool(t):
    """It names the pods; when it names others, these are the engines."""
    server = cluster(t)
    a, b = t.engines(2)
    server.pod("a", a, app="a")
    server.pod("b", b, app="b")

    def spec(app, port):
        return {"spec": {"selector": {"matchLabels": {"app": app}}, "targetPorts": [{"number": port}]}}
    gateway = discovering(t, server, directives="inference_pool pool;")
    until(lambda: "there is no InferencePool pool" in trouble(gateway), "its absence to be said")
    answer = server.ask("POST", POOLS, {"apiVersion": "inference.networking.k8s.io/v1", "kind": "InferencePool",
                                        "metadata": {"name": "pool"}, **spec("a", a.port)})
    true(answer.status in (200, 201), answer)
    gateway.wait_healthy(a)
    equal(trouble(gateway), "", "trouble")
    true("x-k8s.io" not in gateway.text(), "nobody is told of an older API that is not there either")
    equal(gateway.post("/v1/chat/completions", chat()).status, 200, "status")
    server.patch(f"{POOLS}/pool", spec("b", b.port))
    until(lambda: listed(gateway) == {b.address}, "its new engines")
    gateway.wait_healthy(b)
    server.delete(f"{POOLS}/pool")
    until(lambda: "was deleted" in trouble(gateway), "its end to be said")
    equal(listed(gateway), {b.address}, "what it selected last")
    asked = server.state()["asked"]["watch"]
    server.cut()
    until(lambda: server.state()["asked"]["watch"] >= asked + 2 and server.state()["watches"] == 2, "new watches")
    server.patch(f"{PODS}/b", {"metadata": {"labels": {"app": "c"}}})
    until(lambda: not listed(gateway), "what the new watch tells")
    true("was deleted" in trouble(gateway), "a watch that goes well does not bring it back")


if __name__ == "__main__":
    story.run(globals())
