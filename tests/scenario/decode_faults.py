"""A decode engine fails before its first event: another one answers, and the
client does not notice. What is the engine's word about load or about the
request is taken as that."""
from lib import story, text
from lib.gateway import chat, pool
from lib.scripted import ScriptedEngine, completion
from lib.story import equal, true
from lib.wire import ask, text_of

LONG = "word " * 600
TIMES = {"first_event_timeout": "800ms", "answer_timeout": "1500ms", "prefill_timeout": "2s", "probe_interval": "1s",
         "probe_timeout": "900ms"}


def ask_both_ways(gateway, what, n=2):
    for i in range(n):
        for stream in (False, True):
            body = chat(f"{LONG} {what} {i}", max_tokens=5, stream=stream)
            answer = gateway.post("/v1/chat/completions", body)
            equal(answer.status, 200, f"{what}: {answer}")
            seen = text_of(answer.events) if stream else answer.json()["choices"][0]["message"]["content"]
            equal(seen, text.of_chat(body["messages"], 5), f"{what}, stream {stream}: the text")
            if stream:
                equal(answer.events[-1], "[DONE]", f"{what}: the end")


def elsewhere(t, what, break_it):
    gateway, p, d = t.pair(1, 2, **TIMES)
    for bad in d:
        break_it(bad)
        ask_both_ways(gateway, what)
        bad.heal()
        gateway.wait_healthy(bad)
    true(gateway.metric("sluice_retries_total") >= 1, f"{what}: some leg was sent again")


FAULTS = {
    "refused": lambda e: e.fault(refuse=True),
    "reset": lambda e: e.fault(reset=True),
    "500": lambda e: e.fault(status=500),
    "hung": lambda e: e.fault(hang=True),
    "error_event_first": lambda e: e.fault(error_after_ms=0),
}
globals().update({f"test_{name}": lambda t, n=name, f=fault: elsewhere(t, n, f)
                  for name, fault in FAULTS.items()})


def test_plain_engines_too(t):
    """The same without hand-off."""
    gateway, engines = t.plain(2, **TIMES)
    for name, fault in FAULTS.items():
        for bad in engines:
            fault(bad)
            ask_both_ways(gateway, name, 1)
            bad.heal()
            gateway.wait_healthy(bad)


def test_load_words_are_tried_once_elsewhere(t):
    """429 and 503 are about load: one other engine is asked, no third."""
    for status in (429, 503):
        gateway, engines = t.plain(4, **TIMES)
        for e in engines:
            e.fault(status=status, retry_after_s=7)
        answer = gateway.chat()
        equal(answer.status, status, "the engines' status")
        equal(answer.header("retry-after"), "7", "and their Retry-After")
        equal(sum(e.requests for e in engines), 2, f"{status}: engines asked")
        t.end_early(gateway, *engines)


def test_a_full_engine_is_passed_over(t):
    gateway, engines = t.plain(2, **TIMES)
    for bad in engines:
        bad.fault(status=503)
        ask_both_ways(gateway, "503 from one", 1)
        bad.heal()


def test_client_errors_pass_as_they_are(t):
    gateway, engines = t.plain(2, **TIMES)
    for status in (400, 401, 404, 422):
        for e in engines:
            e.fault(status=status)
        for stream in (False, True):
            wanted = ask(engines[0].port, "POST", "/v1/chat/completions", chat(stream=stream))
            before = sum(e.requests for e in engines)
            answer = gateway.chat(stream=stream)
            equal((answer.status, answer.body), (status, wanted.body), f"{status}: the engine's own words")
            equal(sum(e.requests for e in engines), before + 1, f"{status}: nobody else was asked")


def test_all_down(t):
    gateway, engines = t.plain(2, **TIMES)
    for e in engines:
        e.fault(refuse=True)
    answer = gateway.chat()
    true(answer.status in (502, 503), f"an answer all the same: {answer}")
    true(answer.json()["error"]["code"] in ("upstream_connect", "no_healthy_endpoint"), "with its reason")
    for e in engines:
        e.heal()
    gateway.wait_healthy(*engines)
    equal(gateway.chat().status, 200, "and well again afterwards")


def test_a_handoff_is_used_once(t):
    """An engine that has read the decode leg on a kept connection may have
    fetched the blocks before it died: they are computed again."""
    dead = []

    def die_at_second(r):
        if r.nth == 1:
            r.send(completion())
            return True
        dead.append(r.body)
        mortal.close()
        return False
    mortal = ScriptedEngine(die_at_second)
    p, d = t.engines(1, "prefill"), t.engines(1, "decode")
    body = (f"model sim {{ policy round-robin; }}\n" + pool("prefill", p, role="prefill", connector="nixl")
            + pool("decode", [mortal, d[0]], role="decode", connector="nixl", metrics_path="off"))
    gateway = t.gateway(body, *p, mortal, *d, workers=1)
    asked = 0
    while not dead:
        asked += 1
        equal(gateway.chat(f"{asked} {LONG}").status, 200, "status")
    equal(mortal.connections, [2], "requests that the dead engine was sent, by connection")
    equal(p[0].requests, asked + 1, "prefills: one each, and one again")


story.run(globals())
