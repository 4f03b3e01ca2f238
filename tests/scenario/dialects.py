"""Engines of every kind behind one gateway: it finds out what each is, asks each
only where that does no harm, and reads from their own words how busy they are."""
import json
import os

from lib import story
from lib.gateway import chat, pool
from lib.process import until
from lib.scripted import ScriptedEngine, completion, reply
from lib.story import equal, true

CAPTURED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden", "engines")


def models(owner, name="sim"):
    return reply(json.dumps({"object": "list", "data": [{"id": name, "object": "model", "owned_by": owner}]}).encode())


def page(text):
    return reply(text.encode(), content_type="text/plain; version=0.0.4")


def as_json(value):
    return reply(json.dumps(value).encode())


def row(gateway, engine):
    return next(r for r in gateway.fleet()["endpoints"] if r["endpoint"] == engine.address)


def auto(t, *engines, **directives):
    return t.gateway(pool("all", engines, engine=None, **directives), *engines)


def wait_sampled(gateway, at, **what):
    def sampled():
        seen = row(gateway, at)
        return all(seen[k] == v for k, v in what.items())
    until(sampled, f"{what} of {at.address}")


SGLANG = {
    "/v1/models": models("sglang"),
    "/health": reply(b""),
    "/v1/loads": as_json({"loads": [
        {"dp_rank": 0, "num_running_reqs": 3, "num_waiting_reqs": 1, "token_usage": 0.5, "max_total_num_tokens": 1000},
        {"dp_rank": 1, "num_running_reqs": 2, "num_waiting_reqs": 0, "token_usage": 0.1, "max_total_num_tokens": 1000}]}),
}


def test_sglang_is_never_made_to_generate(t):
    """Its load is its health; what is called health would be a token."""
    engine = ScriptedEngine(pages=dict(SGLANG))
    gateway = auto(t, engine)
    wait_sampled(gateway, engine, engine="sglang", running=5, waiting=1, kv_capacity_tokens=2000)
    true("/health" not in engine.asked, "nobody asked for /health")
    equal([p for p in engine.asked if p == "/v1/models"][:3], ["/v1/models"] * 2, "one question, and the list once")


def test_an_older_sglang(t):
    engine = ScriptedEngine(pages={"/v1/models": models("sglang"),
                                   "/get_load": as_json([{"dp_rank": 0, "num_reqs": 5, "num_waiting_reqs": 1}])})
    gateway = auto(t, engine)
    wait_sampled(gateway, engine, engine="sglang", running=4, waiting=1)
    before = engine.asked.count("/v1/loads")
    until(lambda: engine.asked.count("/get_load") > 5, "some more rounds")
    equal(engine.asked.count("/v1/loads"), before, "what is not there is not asked for again")


def test_a_queue_of_others_is_not_drained(t):
    """TensorRT-LLM's /metrics is gone when it is read."""
    engine = ScriptedEngine(pages={"/v1/models": models("tensorrt_llm"), "/health": reply(b""),
                                   "/metrics": as_json([{"iter": 1}]),
                                   "/prometheus/metrics": page("trtllm_num_requests_running 4\n"
                                                               "trtllm_num_requests_waiting 2\n")})
    gateway = auto(t, engine)
    wait_sampled(gateway, engine, engine="trtllm", running=4, waiting=2)
    true("/metrics" not in engine.asked, "nobody asked for /metrics")


def test_kserve_has_its_own_paths(t):
    """/v1/models is another list there, and requests go below /openai."""
    paths = []

    def handler(request):
        paths.append(request.path)
        request.send(completion())
        return True

    engine = ScriptedEngine(handler, {"/v1/models": as_json({"models": ["sim", "other"]}),
                                      "/v2": as_json({"name": "kserve", "version": "0.21.0", "extensions": []}),
                                      "/v2/health/ready": as_json({"ready": True}),
                                      "/openai/v1/models": models("")})
    gateway = auto(t, engine)
    equal(row(gateway, engine)["engine"], "kserve", "what it is")
    equal(row(gateway, engine)["models"], ["sim"], "its models")
    equal(gateway.chat(model="sim").status, 200, "status")
    equal(gateway.post("/v1/completions?x=1", {"model": "sim", "prompt": "hi"}).status, 200, "status")
    equal(paths, ["/openai/v1/chat/completions", "/openai/v1/completions?x=1"], "where requests went")


def test_a_prefix_of_the_operator(t):
    paths = []

    def handler(request):
        paths.append(request.path)
        request.send(completion())
        return True

    engine = ScriptedEngine(handler)
    gateway = auto(t, engine, path_prefix="/serving/one")
    equal(gateway.chat(model="sim").status, 200, "status")
    equal(paths, ["/serving/one/v1/chat/completions"], "where the request went")


def test_ollama_and_one_that_only_speaks_openai(t):
    """Neither has /health."""
    ollama = ScriptedEngine(pages={"/v1/models": models("library"), "/api/version": as_json({"version": "0.17.4"})})
    other = ScriptedEngine(pages={"/v1/models": models("openai")})
    gateway = auto(t, ollama, other)
    equal([row(gateway, e)["engine"] for e in (ollama, other)], ["ollama", "generic"], "what they are")
    equal([row(gateway, e)["sample_age_ms"] for e in (ollama, other)], [None, None], "no word on their load")


def test_captured_engines(t):
    """Every byte as the real ones sent it, redirect and chunks of AIBrix's sidecar included."""
    def captured(folder, **files):
        pages = {}
        for path, file in files.items():
            with open(os.path.join(CAPTURED, folder, file + ".resp"), "rb") as f:
                pages[path.replace("_", "/")] = f.read()
        return ScriptedEngine(pages=pages)

    vllm = captured("vllm-0.32.0", _v1_models="models", _health="health", _metrics="metrics_after_abort")
    old = captured("vllm-0.11.0", _v1_models="models", _health="health", _metrics="metrics_after_abort")
    llama = captured("llama.cpp-b11434", _v1_models="models", _health="health", _metrics="metrics_after_abort")
    ollama = captured("ollama-0.17.4", _v1_models="models", _api_version="api_version")
    kserve = captured("kserve-0.21.0", _v1_models="v1_models", _v2="v2", _v2_health_ready="v2_ready",
                      _openai_v1_models="oai_models", _metrics="metrics_1")
    sidecar = captured("aibrix-runtime-0.8.0", _v1_models="models", _healthz="healthz", _metrics="metrics_noslash",
                       _metrics_="metrics")
    sidecar.pages["/metrics"] = sidecar.pages["/metrics"].replace(b"127.0.0.1:8501", sidecar.address.encode())
    kinds = {vllm: "vllm", old: "vllm", llama: "llamacpp", ollama: "ollama", kserve: "kserve", sidecar: "vllm"}
    gateway = auto(t, *kinds)
    for engine, kind in kinds.items():
        equal(row(gateway, engine)["engine"], kind, "what it is")
    for engine in (vllm, old, sidecar):
        wait_sampled(gateway, engine, running=0, waiting=0, kv_capacity_tokens=2097152)
    wait_sampled(gateway, llama, running=0, waiting=0)


def test_simulated_engines(t):
    """Each is told apart, and its word on its load is that of its own state."""
    for kind in ("vllm", "sglang", "trtllm", "tgi", "llamacpp", "kserve"):
        engine = t.engine(options=["--dialect", kind])
        gateway = t.gateway(pool("all", [engine], engine=None, model="sim"), engine, name=kind)
        equal(row(gateway, engine)["engine"], kind, "what it is")
        client = gateway.connect()
        client.request("POST", "/v1/chat/completions", chat("hello", stream=True, max_tokens=100000))
        answer = client.head()
        equal(answer.status, 200, f"status of {kind}")
        next(client.events(answer))
        wait_sampled(gateway, engine, running=None if kind == "kserve" else 1)
        client.close()
        t.end_early(gateway, engine)


def test_signals_on_another_port(t):
    """An operator says where a page has what. When that port is gone the engine
    stays, and its load is not known any more."""
    engine = ScriptedEngine()
    exporter = ScriptedEngine(pages={"/stats": page('my_requests{state="running"} 7\nmy_requests{state="in line"} 2\n'
                                                    "my_cache_percent 50\n")})
    gateway = auto(t, engine, metrics_path="/stats", metrics_port=exporter.port, stale="500ms", probe_timeout="200ms",
                   signal="running family=my_requests match=state=running;\n\t"
                          'signal waiting family=my_requests "match=state=in line";\n\t'
                          "signal kv_usage family=my_cache_percent scale=0.01")
    wait_sampled(gateway, engine, running=7, waiting=2, kv_usage=0.5)
    exporter.pages = {"/stats": reply(b"", "500 Internal Server Error")}
    until(lambda: "has not told its load" in gateway.tail(1000), "the load to be forgotten")
    equal(row(gateway, engine)["kv_usage"], None, "its router knows nothing")
    equal(row(gateway, engine)["health"], "healthy", "the engine is as well as before")
    exporter.pages = {"/stats": page("my_cache_percent 25\n")}
    wait_sampled(gateway, engine, kv_usage=0.25)


def test_signals_change_with_a_reload(t):
    engine = ScriptedEngine(pages={"/v1/models": models("openai"), "/metrics": page("one 1\ntwo 2\n")})
    gateway = auto(t, engine, signal="running family=one")
    wait_sampled(gateway, engine, running=1)
    gateway.write(pool("all", [engine], engine=None, signal="running family=two"))
    gateway.reload()
    wait_sampled(gateway, engine, running=2)


def test_another_engine_at_the_same_address(t):
    engine = ScriptedEngine(pages={"/v1/models": models("vllm"), "/health": reply(b""),
                                   "/metrics": page("vllm:num_requests_running 3\n")})
    gateway = auto(t, engine)
    wait_sampled(gateway, engine, engine="vllm", running=3)
    down = reply(b"", "503 Service Unavailable")
    engine.pages = {p: down for p in ("/v1/models", "/health", "/metrics", "/v2", "/info", "/api/version")}
    gateway.wait_healthy(engine, state="unhealthy")
    equal(row(gateway, engine)["engine"], "vllm", "errors say nothing of what it is")
    engine.pages = {"/v1/models": models("library", "tiny"), "/api/version": as_json({"version": "1"})}
    until(lambda: row(gateway, engine)["models"] == ["tiny"] and row(gateway, engine)["health"] == "healthy",
          "the other engine to be known")
    equal(row(gateway, engine)["engine"], "ollama", "what it is now")


def test_a_restart_without_a_start_time(t):
    """Counters that fall are a new process's."""
    engine = ScriptedEngine(pages={"/v1/models": models("llamacpp"), "/health": reply(b""),
                                   "/metrics": page("llamacpp:requests_processing 1\nllamacpp:tokens_predicted_total 90\n")})
    gateway = auto(t, engine)
    wait_sampled(gateway, engine, engine="llamacpp", running=1)
    true("was restarted" not in gateway.tail(1000), "nothing has happened yet")
    engine.pages["/metrics"] = page("llamacpp:requests_processing 2\nllamacpp:tokens_predicted_total 3\n")
    wait_sampled(gateway, engine, running=2)
    true("was restarted" in gateway.tail(1000), "it is noticed")


story.run(globals())
