"""The simulated engine in other engines' clothes: what it answers on the paths
that a prober asks, and its pages when something is wrong with them."""
from lib.ports import free_ports
from lib.process import until
from lib.story import equal, run, true
from lib.wire import Connection, ask

BODY = {"model": "sim", "prompt": "one two three", "max_tokens": 3}

# dialect, inference path, well and its status, page (None: none) and a name on it, owner of models
DIALECTS = (
    ("vllm", "/v1/completions", "/health", "/metrics", "vllm:num_requests_running", "vllm"),
    ("vllm-0.10", "/v1/completions", "/health", "/metrics", "vllm:gpu_cache_usage_perc", "vllm"),
    ("sglang", "/v1/completions", "/health", "/metrics", "sglang:num_running_reqs", "sglang"),
    ("trtllm", "/v1/completions", "/health", "/prometheus/metrics", "trtllm_num_requests_running",
     "tensorrt_llm"),
    ("tgi", "/v1/completions", "/health", "/metrics", "tgi_queue_size", "sim"),
    ("llamacpp", "/v1/completions", "/health", "/metrics", "llamacpp:requests_processing",
     "llamacpp"),
    ("ollama", "/v1/completions", "/api/version", None, None, "library"),
    ("kserve", "/openai/v1/completions", "/v2/health/ready", "/metrics",
     "request_predict_seconds_count", ""),
)


def page(port, path="/metrics", **options):
    answer = ask(port, "GET", path, **options)
    equal(answer.status, 200, f"{path}'s status")
    return answer.body.decode()


def number(text, name):
    """The sum of a family's series."""
    values = [float(line.rsplit(" ", 1)[1]) for line in text.splitlines()
              if line.split("{")[0].split(" ")[0] == name]
    true(values, f"{name} is on the page")
    return sum(values)


def test_each_dialect(story):
    for name, path, health, metrics, family, owner in DIALECTS:
        engine = story.engine(options=["--dialect", name, "--speed", "1000"])
        equal(ask(engine.port, "GET", health).status, 200, f"{name}: {health}")
        equal(ask(engine.port, "POST", path, BODY).status, 200, f"{name}: {path}")
        equal(ask(engine.port, "GET", "/nothing").status, 404, f"{name}: an unknown path")
        models = ask(engine.port, "GET", path.replace("completions", "models")).json()
        equal({m["owned_by"] for m in models["data"]}, {owner}, f"{name}: owned_by")
        if metrics:
            number(page(engine.port, metrics), family)
        else:
            equal(ask(engine.port, "GET", "/metrics").status, 404, f"{name}: a page")
        story.end_early(engine)


def test_sglang_loads(story):
    engine = story.engine(options=["--dialect", "sglang"])
    engine.fault(hang=True)
    with Connection(engine.port) as c:
        c.request("POST", "/v1/completions", BODY)
        until(lambda: engine.state()["open_requests"] == 1, "the request to be there")
    load = ask(engine.port, "GET", "/v1/loads").json()["loads"]
    equal([r["dp_rank"] for r in load], [0], "ranks")
    true(load[0]["max_total_num_tokens"] > 0, "capacity")
    equal(ask(engine.port, "GET", "/get_load").json()[0]["dp_rank"], 0, "the old form")
    equal(ask(engine.port, "GET", "/model_info").json()["is_generation"], True, "model_info")
    equal(ask(engine.port, "GET", "/server_info").json()["dp_size"], 1, "server_info")
    with Connection(engine.port) as c:
        c.request("GET", "/health")
        ask(engine.port, "GET", "/v1/loads")
        equal(engine.state()["health_checks"], 0, "a hung engine's health checks")
        engine.heal()
        equal(c.answer("GET").status, 200, "answered after all")
    equal(engine.state()["health_checks"], 1, "it cost a generation")


def test_trtllm_drains(story):
    engine = story.engine(options=["--dialect", "trtllm", "--speed", "1000"])
    ask(engine.port, "POST", "/v1/completions", BODY)
    true(ask(engine.port, "GET", "/metrics").json(), "iterations")
    equal(ask(engine.port, "GET", "/metrics").json(), [], "they are gone")


def test_llamacpp_loads_its_model(story):
    engine = story.engine(options=["--dialect", "llamacpp"])
    engine.fault(health_status=503)
    answer = ask(engine.port, "GET", "/health")
    equal(answer.status, 503, "while it loads")
    equal(answer.json()["error"]["message"], "Loading model", "what it says")
    equal(answer.header("server"), "llama.cpp", "its name")
    true(ask(engine.port, "GET", "/slots").json()[0]["is_processing"] is False, "slots")


def test_triton_has_another_port(story):
    port, other = free_ports(2)
    engine = story.engine(port=port, options=["--dialect", "triton", "--metrics-offset", "1"])
    equal(ask(port, "GET", "/metrics").status, 404, "no page on the engine's port")
    number(page(other), "nv_trt_llm_request_metrics")
    equal(ask(port, "GET", "/v2/health/ready").status, 200, "ready")
    engine.fault(die=True)
    until(lambda: refuses(other), "both ports to be closed")


def refuses(port):
    try:
        ask(port, "GET", "/metrics")
    except ConnectionError:
        return True
    return False


def test_kserve_has_a_prefix(story):
    engine = story.engine(options=["--dialect", "kserve"])
    equal(ask(engine.port, "GET", "/v1/models").json(), {"models": ["sim"]}, "not OpenAI's list")
    equal(ask(engine.port, "POST", "/v1/completions", BODY).status, 404, "without the prefix")


def test_a_page_that_stands_still(story):
    engine = story.engine(options=["--speed", "1000"])
    engine.fault(stale=True)
    ask(engine.port, "POST", "/v1/completions", BODY)
    equal(number(page(engine.port), "vllm:generation_tokens_total"), 0, "tokens on the old page")
    equal(ask(engine.port, "GET", "/health").status, 200, "its health")
    engine.heal()
    equal(number(page(engine.port), "vllm:generation_tokens_total"), 3, "tokens now")


def test_a_page_that_hangs_or_comes_late(story):
    engine = story.engine()
    engine.fault(hang_metrics=True)
    with Connection(engine.port) as c:
        c.request("GET", "/metrics")
        equal(ask(engine.port, "GET", "/health").status, 200, "its health")
        equal(engine.state()["pages"], 0, "pages answered")
        engine.fault(hang_metrics=False, slow_metrics_ms=20)
        equal(c.answer("GET").status, 200, "after it was healed")
    number(page(engine.port), "vllm:num_requests_running")
    equal(engine.state()["pages"], 2, "pages answered")


def test_wrong_pages(story):
    engine = story.engine()
    engine.fault(metrics_status=500)
    equal(ask(engine.port, "GET", "/metrics").status, 500, "the status")
    engine.fault(metrics_status=0, metrics_garbage=True)
    true(b"\xff\xfe" in ask(engine.port, "GET", "/metrics").body, "bytes that are no text")
    engine.fault(metrics_garbage=False, metrics_redirect=True)
    answer = ask(engine.port, "GET", "/metrics")
    equal((answer.status, answer.header("location")),
          (307, f"http://{engine.address}/metrics/"), "where it went")
    answer = ask(engine.port, "GET", "/metrics/")
    equal(answer.header("transfer-encoding"), "chunked", "how it comes")
    number(answer.body.decode(), "vllm:num_requests_running")
    engine.heal()
    equal(ask(engine.port, "GET", "/metrics/").status, 404, "afterwards")


def test_large_pages(story):
    engine = story.engine(options=["--metrics-bytes", "150000"])
    with Connection(engine.port) as c:
        for _ in range(3):
            c.request("GET", "/metrics")
            body = c.answer("GET").body
            true(149800 <= len(body) <= 150000, f"{len(body)} bytes")
            true(body.endswith(b"\n"), "whole lines")
        engine.fault(metrics_bytes=1000000)
        c.request("GET", "/metrics")
        c.request("GET", "/version")
        true(999800 <= len(c.answer("GET").body) <= 1000000, "a larger one")
        equal(c.answer("GET").status, 200, "what comes behind it")
    with Connection(engine.port) as c:
        c.request("GET", "/metrics")
        c.reset()
    number(page(engine.port), "vllm:num_requests_running")


def test_one_in_three_fails(story):
    engine = story.engine(options=["--speed", "1000"])
    engine.fault(status=500, share=1 / 3)
    seen = [ask(engine.port, "POST", "/v1/completions", BODY).status for _ in range(9)]
    equal((seen.count(500), seen.count(200)), (3, 6), "answers")


def test_hung_but_well(story):
    engine = story.engine()
    engine.fault(hang=True)
    with Connection(engine.port) as c:
        c.request("POST", "/v1/completions", BODY)
        until(lambda: engine.state()["open_requests"] == 1, "the request to be there")
        equal(ask(engine.port, "GET", "/health").status, 200, "its health")
        equal(ask(engine.port, "GET", "/metrics").status, 200, "its page")
        engine.heal()
        equal(c.answer().status, 200, "after it was healed")


run(globals())
