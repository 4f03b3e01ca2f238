"""The configurations in conf/kubernetes find the pods that their stacks make,
and do with them what docs/stacks says. The pods are the stand-in's, as large
and with all labels, containers and sidecars; their engines are simulated."""
import json
import os

from lib import story
from lib.dcgm import Exporter
from lib.gateway import Gateway
from lib.kube_api import KubeApi
from lib.process import until
from lib.story import equal, true

CONF = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "conf", "kubernetes")
PODS = "/api/v1/namespaces/llm/pods"
POOLS = "/apis/inference.networking.k8s.io/v1/namespaces/llm/inferencepools"
LONG = "word " * 600
NOWHERE = "127.0.0.9"  # a node without an exporter


def shipped(name, server, exporter_port=9):
    """The file, but for where it listens, and whom it asks."""
    with open(os.path.join(CONF, f"{name}.conf"), encoding="utf-8") as f:
        lines = [line for line in f if line.split(" ")[0] not in ("listen", "admin", "access_log")]
    body = "".join(lines).replace("discover kubernetes {", f"discover kubernetes {{\n\t\tapi {server.url};")
    return body.replace(":9400/", f":{exporter_port}/")


def place(server, pod, engine, node=NOWHERE, **labels):
    """Moves a pod of the stand-in to where a simulated engine is."""
    path, spec = f"{PODS}/{pod['metadata']['name']}", pod["spec"]
    old = "8001" if "initContainers" in spec else "8000"

    def moved(part):
        return json.loads(json.dumps(spec.get(part, [])).replace(f"{old}", str(engine.port)))
    if "model.aibrix.ai/port" in pod["metadata"]["labels"]:
        labels["model.aibrix.ai/port"] = str(engine.port)
    server.patch(path, {"metadata": {"labels": labels}, "spec": {
        "containers": moved("containers"), "initContainers": moved("initContainers")}})
    server.patch(f"{path}/status", {"status": {"podIP": engine.host, "hostIP": node}})


def stack(t, template, service, pods=4, roles=("prefill", "decode"), **labels):
    """The stand-in with the stack's pods, and their engines in the pods' order."""
    server = t.adopt(KubeApi(t, "--template", template, "--service", service, "--namespace", "llm", pods=pods))
    items = server.wait_ready().get(PODS)["items"]
    engines = [t.engine(roles[int(p["metadata"]["name"][-5:]) % len(roles)], model=service) for p in items]
    for pod, engine in zip(items, engines):
        place(server, pod, engine, **labels)
    return server, items, engines


def gateway(t, body, engines):
    return t.adopt(Gateway(story.BUILD, t.folder, body)).wait_healthy(*engines)


def rows(gate):
    return {r["endpoint"]: r for r in gate.fleet()["endpoints"]}


def roles(gate):
    return {a: r["role"] for a, r in rows(gate).items()}


def handed_over(gate, engines, n, model):
    """In turns, every request is handed over: the pairs that were seen."""
    pairs = set()
    for i in range(n):
        equal(gate.chat(f"{i} {LONG}", {"X-Request-Id": f"long-{i}"}, model=model).status, 200, "status")
        line = gate.access_of(f"long-{i}")
        equal(line["placement"], "remote", "placement")
        pairs.add((line["prefill"], line["decode"]))
    by_address = {e.address: e.role for e in engines}
    equal({(by_address[p], by_address[d]) for p, d in pairs}, {("prefill", "decode")}, "who did what")
    return pairs


def by_role(engines):
    return {e.address: e.role for e in engines}


def test_kserve_llmisvc(t):
    """Decode engines are found behind their sidecars, and the exporter of a pod's
    node tells of the engine's GPUs."""
    exporter = Exporter(1)
    server, pods, engines = stack(t, "kserve-llmisvc", "llama-70b")
    place(server, pods[0], engines[0], node="127.0.0.1")
    body = shipped("kserve-llmisvc", server, exporter.port)
    body = body.replace("profile ", "policy round-robin;\n\tprofile ")
    gate = gateway(t, body, engines)
    equal(roles(gate), by_role(engines), "roles by label")
    handed_over(gate, engines, 12, "llama-70b")
    until(lambda: gate.fleet().get("gpus"), "the GPU to be known")
    exporter.gpus[0].xid = 79
    until(lambda: rows(gate)[engines[0].address]["gpu_state"] == "failed", "XID 79 to be seen")
    true(rows(gate)[engines[0].address]["draining"], "the engine gets requests")
    true(not any(r["draining"] for a, r in rows(gate).items() if a != engines[0].address), "others are out")


def test_llm_d(t):
    """An InferencePool names the pods and the port, labels the roles."""
    server, _, engines = stack(t, "llm-d", "qwen3")
    pool = {"apiVersion": "inference.networking.k8s.io/v1", "kind": "InferencePool",
            "metadata": {"name": "qwen3", "namespace": "llm"},
            "spec": {"selector": {"matchLabels": {"llm-d.ai/model": "qwen3"}}, "targetPorts": [{"number": 8000}]}}
    equal(server.ask("POST", POOLS, pool).status, 201, "the pool's creation")
    decode = [e for e in engines if e.role == "decode"]
    gate = gateway(t, shipped("llm-d", server), decode)
    listed = roles(gate)
    equal({a: listed[a] for a in by_role(decode)}, by_role(decode), "decode engines, behind their sidecars")
    prefill = [a for a in listed if a not in by_role(decode)]
    equal({(a.split(":")[1], listed[a]) for a in prefill}, {("8000", "prefill")}, "prefill engines, at the pool's port")


def test_aibrix(t):
    """Hand-offs stay in a roleset."""
    server, pods, engines = stack(t, "aibrix", "qwen3-8b")
    sets = {e.address: p["metadata"]["labels"]["roleset-name"] for p, e in zip(pods, engines)}
    equal(len(set(sets.values())), 2, "rolesets")
    gate = gateway(t, shipped("aibrix", server) + "model qwen3-8b { policy round-robin; }\n", engines)
    equal(roles(gate), by_role(engines), "roles by label")
    pairs = handed_over(gate, engines, 12, "qwen3-8b")
    true(all(sets[p] == sets[d] for p, d in pairs), f"a hand-off left its roleset: {pairs}")


def test_plain(t):
    """Pods by a selector of one's own, and the slices of a Service, in two pools."""
    server, _, engines = stack(t, "plain", "vllm", 2, roles=("both",), tier="gpu")
    true("port 8000;" in shipped("kubernetes", server), "the file sets the port")
    body = shipped("kubernetes", server).replace("port 8000;", "")
    other = t.engine()
    equal(server.ask("POST", "/apis/discovery.k8s.io/v1/namespaces/llm/endpointslices", {
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": "embeddings-1", "namespace": "llm",
                     "labels": {"kubernetes.io/service-name": "embeddings"}},
        "ports": [{"name": "http", "port": other.port, "protocol": "TCP"}],
        "endpoints": [{"addresses": [other.host], "conditions": {"ready": True}}]}).status, 201, "the slice's creation")
    gate = gateway(t, body, [*engines, other])
    equal({a: r["pool"] for a, r in rows(gate).items()},
          {**{e.address: "vllm" for e in engines}, other.address: "embeddings"}, "pools")
    equal(gate.chat(model="vllm").status, 200, "status")
    equal([s["source"] for s in gate.fleet()["sources"]],
          ["kubernetes:llm/app=vllm,tier in (gpu)", "kubernetes:llm/embeddings"], "sources, in the file's order")


def test_isvc(t):
    """A predictor, of KServe's own server, is asked what it serves."""
    server, pods, engines = stack(t, "plain", "x", 1, roles=("both",))
    engine = t.engine(options=["--dialect", "kserve"])
    place(server, pods[0], engine, component="predictor", **{"serving.kserve.io/inferenceservice": "tiny"})
    gate = gateway(t, shipped("kserve-isvc", server), [engine])
    equal(set(rows(gate)), {engine.address}, "engines")
    equal(gate.chat().status, 200, "status")


story.run(globals())
