"""An engine dies in the middle of an answer. What was sent stays sent; the end
says that it is not the end, and there is never a faked [DONE]."""
import json
import os

from lib import story, text
from lib.gateway import chat, pool
from lib.scripted import ScriptedEngine, completion
from lib.story import equal, true
from lib.wire import Truncated, split_events, text_of


def streamed(gateway, body):
    """(events, whether the message ended as HTTP says it must)."""
    with gateway.connect() as c:
        c.request("POST", "/v1/chat/completions", body)
        answer, events = c.head(), []
        equal(answer.status, 200, "the status was sent with the first event")
        try:
            for event in c.events(answer):
                events.append(event)
        except Truncated:
            return events, False
        return events, True


def check_broken(body, events, complete, what):
    true("[DONE]" not in events, f"{what}: no [DONE] in {events[-3:]}")
    errors = [json.loads(e)["error"] for e in events if '"error"' in e]
    seen = text_of([e for e in events if '"error"' not in e])
    true(text.of_chat(body["messages"], body["max_tokens"]).startswith(seen), f"{what}: the text so far")
    true(seen, f"{what}: there was text before")
    if complete:
        equal(len(errors), 1, f"{what}: a message that ends well says what went wrong: {events[-3:]}")
        true(errors[0]["message"] and errors[0]["type"] and errors[0]["code"], f"{what}: {errors}")
        true('"error"' in events[-1], f"{what}: nothing follows the error")


FAULTS = {
    "reset": lambda e: e.fault(die_after_tokens=5),
    "half an event": lambda e: e.fault(half_event=5),
    "silent": lambda e: e.fault(stall_after_tokens=5),
}


def each(t, name, fault):
    gateway, engines = t.plain(1, stream_idle_timeout="700ms")
    fault(engines[0])
    body = chat(f"broken: {name}", max_tokens=40, stream=True)
    events, complete = streamed(gateway, body)
    check_broken(body, events, complete, name)
    true(gateway.metric("sluice_stream_breaks_total") >= 1, f"{name}: it is counted")
    engines[0].heal()
    gateway.wait_healthy(engines[0])
    equal(gateway.chat().status, 200, f"{name}: the next request is served")


globals().update({f"test_{name.replace(' ', '_')}": lambda t, n=name, f=fault: each(t, n, f)
                  for name, fault in FAULTS.items()})


def test_over_http2(t):
    """HTTP/2 has two honest ends: an error event, or RST_STREAM."""
    gateway, engines = t.plain(1)
    body = chat("broken over h2", max_tokens=40, stream=True)
    request, out = os.path.join(t.folder, "request"), os.path.join(t.folder, "out")
    with open(request, "w", encoding="utf-8") as f:
        json.dump(body, f)
    engines[0].fault(die_after_tokens=5)
    code, _ = t.run("curl", "-sSN", "--http2-prior-knowledge", "-m", "60", "-o", out,
                    "-H", "Content-Type: application/json", "--data-binary", "@" + request,
                    f"http://127.0.0.1:{gateway.port}/v1/chat/completions", check=False)
    with open(out, "rb") as f:
        events = list(split_events(f.read()))
    check_broken(body, events, code == 0, "h2")


def test_killed_engine_mid_answer(t):
    """kill -9 while several streams run: every one of them gets an honest end."""
    gateway, engines = t.plain(1, stream_idle_timeout="5s")
    connections = []
    for i in range(6):
        c = gateway.connect()
        c.request("POST", "/v1/chat/completions", chat(f"victim {i}", max_tokens=100000, stream=True))
        answer = c.head()
        events = c.events(answer)
        connections.append((c, events, [next(events), next(events)]))
    engines[0].kill()
    for i, (c, events, seen) in enumerate(connections):
        complete = True
        try:
            seen += events
        except Truncated:
            complete = False
        check_broken(chat(f"victim {i}", max_tokens=400), seen, complete, f"victim {i}")
        c.close()


def test_an_engines_own_error_event(t):
    """It is the engine's word, and reaches the client as it was said."""
    gateway, engines = t.plain(1)
    engines[0].fault(error_after_ms=150)
    body = chat("broken by itself", max_tokens=400, stream=True)
    events, complete = streamed(gateway, body)
    errors = [e for e in events if '"error"' in e]
    equal((len(errors), complete), (1, True), f"one error, in a message that ends: {events[-3:]}")
    seen = text_of(events[:events.index(errors[0])])
    true(seen and text.of_chat(body["messages"], 400).startswith(seen), "the text before it")


def test_done_is_not_invented(t):
    """An engine that ends its message without [DONE] gets none from us."""
    gateway, engines = t.plain(1)
    engines[0].fault(drop_done=True)
    body = chat("no done", max_tokens=6, stream=True)
    events, _ = streamed(gateway, body)
    true("[DONE]" not in events, f"no [DONE] in {events[-2:]}")
    equal(text_of([e for e in events if '"error"' not in e]), text.of_chat(body["messages"], 6), "the text")


def test_odd_chunks(t):
    """However the engine cuts its events into chunks, the client's are whole."""
    gateway, engines = t.plain(1)
    for fault in ("split", "split_bytes", "coalesce"):
        engines[0].fault(clear=True, **{fault: True})
        body = chat(f"cut: {fault}", max_tokens=30, stream=True)
        events, complete = streamed(gateway, body)
        equal((text_of(events), events[-1], complete), (text.of_chat(body["messages"], 30), "[DONE]", True), fault)


def test_not_streamed(t):
    """Half of a whole answer is none: an error, or the answer of another engine."""
    def half(r):
        r.send(completion()[:-20])
        return False
    bad, good = ScriptedEngine(half), t.engine()
    gateway = t.gateway(pool("bad", [bad], metrics_path="off") + pool("good", [good]), bad, good)
    for i in range(8):
        body = chat(f"not streamed {i}", max_tokens=20)
        answer = gateway.post("/v1/chat/completions", body)
        if answer.status == 200:
            equal(answer.json()["choices"][0]["message"]["content"], text.of_chat(body["messages"], 20), "text")
        else:
            equal(answer.json()["error"]["code"], "upstream_truncated", "an honest error")
    true(bad.connections, "the bad engine was used")


story.run(globals())
