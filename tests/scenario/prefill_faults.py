"""Whatever a prefill engine does, the client gets its answer."""
from lib import story, text
from lib.gateway import chat
from lib.story import equal, true
from lib.wire import ask

LONG = "word " * 600
TIMES = {"prefill_timeout": "700ms", "probe_interval": "1s", "probe_timeout": "900ms"}


def asks(gateway, what, n=1):
    for i in range(n):
        body = chat(f"{LONG} {what} {i}", max_tokens=5)
        answer = gateway.post("/v1/chat/completions", body)
        equal(answer.status, 200, f"{what}: {answer}")
        equal(answer.json()["choices"][0]["message"]["content"], text.of_chat(body["messages"], 5),
              f"{what}: the text")


def one_of_two(t, what, break_it):
    """With another prefill engine there, it takes over."""
    gateway, p, d = t.pair(2, 1, **TIMES)
    for bad in p:
        break_it(bad)
        asks(gateway, what, 4)
        bad.heal()
        gateway.wait_healthy(bad)
    true(gateway.metric("sluice_retries_total") >= 1, f"{what}: some leg was sent again")
    true(sum(e.requests for e in p) > 0, f"{what}: prefill engines were used")


def the_only_one(t, what, break_it):
    """With none left, the decode engine prefills by itself."""
    gateway, p, d = t.pair(1, 1, **TIMES)
    break_it(p[0])
    asks(gateway, what, 2)
    true(gateway.metric("sluice_prefill_fallbacks_total") >= 1
         or gateway.access()[-1]["placement"] == "local", f"{what}: the decode engine prefilled")


FAULTS = {
    "refused": lambda e: e.fault(refuse=True),
    "reset": lambda e: e.fault(reset=True),
    "hung": lambda e: e.fault(hang=True),
    "500": lambda e: e.fault(status=500),
    "503": lambda e: e.fault(status=503),
    "no parameters": lambda e: e.fault(null_kv_params=True),
}


def _parts():
    for name, fault in FAULTS.items():
        word = name.replace(" ", "_")
        yield f"test_{word}_another", lambda t, n=name, f=fault: one_of_two(t, n, f)
        yield f"test_{word}_local", lambda t, n=name, f=fault: the_only_one(t, n, f)


globals().update(_parts())


def test_killed(t):
    gateway, p, d = t.pair(2, 1, **TIMES)
    p[0].kill()
    asks(gateway, "one killed", 3)
    p[1].kill()
    asks(gateway, "both killed", 3)


def test_refused_for_the_bodys_sake(t):
    """A 400 is the engine's word about the request: the client gets it as it is."""
    gateway, p, d = t.pair(2, 1, **TIMES)
    for e in p + d:
        e.fault(status=400)
    wanted = ask(p[0].port, "POST", "/v1/chat/completions", chat(LONG))
    before = sum(e.requests for e in p + d)
    answer = gateway.chat(LONG)
    equal((answer.status, answer.body), (400, wanted.body), "the engine's own words")
    equal(sum(e.requests for e in p + d), before + 1, "nobody else was asked")


story.run(globals())
