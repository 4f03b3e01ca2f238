"""Adapters (LoRA): six of them on three engines that compute two at once. Each
adapter gets its engine, and is loaded there once."""
from concurrent.futures import ThreadPoolExecutor

from lib import story, text
from lib.gateway import chat, pool, prefill_decode
from lib.process import until
from lib.story import equal, sized, true

ADAPTERS = [f"lora-{i}" for i in range(6)]
OPTIONS = ("--lora", ",".join(ADAPTERS), "--max-loras", "2", "--speed", "20")


def check(gateway, model, content, **fields):
    """One chat, whose answer must be right."""
    body = chat(content, model=model, **fields)
    answer = gateway.post("/v1/chat/completions", body)
    equal(answer.status, 200, f"{model}: {answer.body[:200]!r}")
    equal(answer.json()["model"], model, "the model that answers")
    equal(answer.json()["choices"][0]["message"]["content"], text.of_chat(body["messages"], body["max_tokens"]),
          f"{model}'s words")
    return answer.json()["usage"]


def talk(gateway, model, turns):
    for i in range(turns):
        check(gateway, model, f"{model} says {i} " * 20, max_tokens=16)


def load(gateway, turns):
    """All adapters at once, each by two clients, and the base model."""
    models = ADAPTERS * 2 + ["sim"]
    with ThreadPoolExecutor(len(models)) as clients:
        for done in [clients.submit(talk, gateway, m, turns) for m in models]:
            done.result()


def loads(engines):
    return sum(e.state()["adapter_loads"] for e in engines)


def rows(gateway, engines):
    by_address = {r["endpoint"]: r for r in gateway.fleet()["endpoints"]}
    return [by_address[e.address] for e in engines]


def test_each_adapter_gets_its_engine(t):
    gateway, engines = t.plain(3, OPTIONS)
    ids = {m["id"] for m in gateway.ask("GET", "/v1/models").json()["data"]}
    true(ids >= {"sim", *ADAPTERS}, f"adapters are models: {ids}")
    turns = sized(20, 5)
    load(gateway, turns)
    n = loads(engines)
    true(n >= 6, f"each adapter was loaded: {n}")
    # Two that are hot for a moment may be worth a third engine now and then.
    true(n <= 12, f"{n} loads for {13 * turns} requests")
    equal([r["max_adapters"] for r in rows(gateway, engines)], [2, 2, 2], "slots, as the engines say")
    equal([r["adapters_loaded"] for r in rows(gateway, engines)], [2, 2, 2], "adapters, as the gateway sees it")


def test_by_turns_they_push_each_other_out(t):
    """The count above says something: engines in turns load all the time."""
    engines = t.engines(3, options=OPTIONS)
    gateway = t.gateway("model sim { policy round-robin; }\n"
                        + "".join(f"model {a} {{ policy round-robin; }}\n" for a in ADAPTERS)
                        + pool("all", engines), *engines)
    for i in range(24):
        check(gateway, ADAPTERS[(i + i // 6) % 6], f"turn {i}")
    true(loads(engines) >= 20, f"{loads(engines)} loads for 24 requests")


def test_one_after_the_other(t):
    """Without any load, too: the second request goes where the adapter is."""
    gateway, engines = t.plain(3, OPTIONS)
    for i in range(30):
        check(gateway, ADAPTERS[i % 6], f"question {i}")
    equal(loads(engines), 6, "loads")
    equal([e.state()["adapter_loads"] for e in engines], [2, 2, 2], "two for each engine")


def test_only_engines_that_list_it(t):
    base, with_lora = t.engine(), t.engine(options=("--lora", "lora-0"))
    gateway = t.gateway(pool("all", [base, with_lora]), base, with_lora)
    for i in range(8):
        check(gateway, "lora-0", f"question {i}")
    equal((base.requests, with_lora.requests), (0, 8), "requests of the two engines")
    equal(gateway.chat(model="lora-1").status, 404, "an adapter that nobody lists")


def test_cache_is_each_adapters_own(t):
    gateway, _ = t.plain(1, OPTIONS)
    prompt = "the same long prompt " * 100
    check(gateway, "lora-0", prompt)
    again = check(gateway, "lora-0", prompt)
    other = check(gateway, "lora-1", prompt)
    cached = [(u.get("prompt_tokens_details") or {}).get("cached_tokens", 0) for u in (again, other)]
    true(cached[0] > 400, f"the same adapter again: {cached[0]} tokens cached")
    equal(cached[1], 0, "another adapter's cached tokens")


def test_handed_over(t):
    """A pair loads it on both engines; then nothing is loaded any more."""
    p, d = t.engines(1, "prefill", OPTIONS), t.engines(1, "decode", OPTIONS)
    body = prefill_decode(p, d) + "model lora-0 { policy round-robin; }\n"
    gateway = t.gateway(body, *p, *d)
    for i in range(4):
        check(gateway, "lora-0", f"question {i}")
    equal([e.state()["adapter_loads"] for e in p + d], [1, 1], "loads")
    equal(d[0].state()["decode_legs"], 4, "hand-offs")


def test_a_restart_forgets(t):
    gateway, engines = t.plain(2, OPTIONS)
    check(gateway, "lora-0", "before")
    home = next(e for e in engines if e.state()["adapter_loads"])

    def shown():
        return sum(r["adapters_loaded"] for r in rows(gateway, engines))
    equal(shown(), 1, "loaded")
    home.kill()
    gateway.wait_healthy(home, state="unhealthy")
    again = home.again()
    t.adopt(again)
    gateway.wait_healthy(again)
    until(lambda: shown() == 0, "the gateway to forget what the process had loaded")
    check(gateway, "lora-0", "after")


story.run(globals())
