"""Ordinary requests to ordinary engines, and every plain way to be refused."""
import re

from lib import story, text
from lib.gateway import chat, pool
from lib.story import equal, true
from lib.wire import ask, text_of


def code_of(answer):
    """An OpenAI-shaped error's code; fails if it has another shape."""
    equal(answer.header("content-type"), "application/json", "an error's content type")
    error = answer.json()["error"]
    true(error["message"] and error["type"], f"an error says what and why: {error}")
    return error["code"]


def test_chat(t):
    gateway, _ = t.plain(2)
    body = chat("one two three", max_tokens=9)
    wanted = text.of_chat(body["messages"], 9)
    answer = gateway.post("/v1/chat/completions", body)
    equal(answer.status, 200, "status")
    equal(answer.json()["choices"][0]["message"]["content"], wanted, "the text")
    streamed = gateway.post("/v1/chat/completions", {**body, "stream": True})
    equal(streamed.header("content-type").split(";")[0], "text/event-stream", "content type")
    equal(text_of(streamed.events), wanted, "the same text, streamed")
    equal(streamed.events[-1], "[DONE]", "the last event")


def test_completions(t):
    gateway, _ = t.plain(2)
    body = {"model": "sim", "prompt": "The gateway sends", "max_tokens": 9}
    wanted = text.of_prompt(body["prompt"], 9)
    answer = gateway.post("/v1/completions", body)
    equal(answer.json()["choices"][0]["text"], wanted, "the text")
    streamed = gateway.post("/v1/completions", {**body, "stream": True})
    equal(text_of(streamed.events), wanted, "the same text, streamed")


def test_embeddings(t):
    gateway, _ = t.plain(2)
    answer = gateway.post("/v1/embeddings", {"model": "sim", "input": "one two three"})
    equal(answer.status, 200, "status")
    true(len(answer.json()["data"][0]["embedding"]) > 0, "an embedding")


def test_models_and_aliases(t):
    a, b = t.engine(model="alpha"), t.engine(model="beta")
    gateway = t.gateway(pool("a", [a]) + pool("b", [b]) + "model alpha { alias gpt-4o first; }\n", a, b)
    models = gateway.ask("GET", "/v1/models").json()
    ids = {m["id"] for m in models["data"]}
    true({"alpha", "beta"} <= ids, f"both models are listed: {ids}")
    for name, engine in (("alpha", a), ("gpt-4o", a), ("first", a), ("beta", b)):
        before = engine.requests
        equal(gateway.chat(model=name).status, 200, f"{name} is served")
        equal(engine.requests, before + 1, f"{name} went to its engine")
    equal(a.last().json()["model"], "alpha", "an engine is asked for the name it knows")
    answer = gateway.chat(model="gamma")
    equal((answer.status, code_of(answer)), (404, "model_not_found"), "an unknown model")
    true("gamma" in answer.json()["error"]["message"], "the message names the model")
    missing = gateway.post("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}]})
    equal((missing.status, code_of(missing)), (400, "model_required"), "no model and several served")


def test_unknown_path_and_method(t):
    gateway, engines = t.plain()
    for path in ("/", "/nothing", "/v2/chat/completions", "/v1"):
        answer = gateway.ask("GET", path)
        equal((answer.status, code_of(answer)), (404, "unknown_url"), f"{path} is unknown")
    wanted = ask(engines[0].port, "POST", "/v1/nothing", {"model": "sim"})
    answer = gateway.post("/v1/nothing", {"model": "sim"})
    equal((answer.status, answer.body), (404, wanted.body), "a path that only an engine may know")
    answer = gateway.ask("GET", "/v1/chat/completions")
    equal((answer.status, code_of(answer)), (405, "method_not_allowed"), "GET where POST is")
    true("POST" in (answer.header("allow") or ""), "Allow says what may be done")


def test_malformed_bodies(t):
    gateway, engines = t.plain()
    cases = {
        b'{"model":"sim","messages":[{"role":"user",}]}': ("invalid_json", 42),
        b'{"model":"sim","messages":': ("invalid_json", 26),
        b"": ("invalid_json", 0),
        b'{"model":"sim","messages":[{"role":"user","content":"\xff"}]}': ("invalid_utf8", 53),
        b'{"model":"sim","model":"sim","messages":[]}': ("duplicate_field", 15),
        b'{"model":"sim","stream":"yes","messages":[]}': ("invalid_field", None),
        b'{"model":"sim","x":' + b"[" * 5000 + b"]" * 5000 + b"}": ("json_too_deep", None),
    }
    for body, (code, offset) in cases.items():
        answer = gateway.post("/v1/chat/completions", body)
        equal((answer.status, code_of(answer)), (400, code), f"{body[:60]!r}")
        message = answer.json()["error"]["message"]
        if offset is not None:
            true(re.search(rf"\b{offset}\b", message), f"{body[:60]!r}: byte {offset} is named in {message!r}")
    equal(engines[0].requests, 0, "none of them reached an engine")
    equal(gateway.chat().status, 200, "and the next one is served")


def test_too_large(t):
    gateway, engines = t.plain(main="body_limit 64k;\nheader_bytes 8k;\n")
    answer = gateway.chat("x" * 70000)
    equal((answer.status, code_of(answer)), (413, "body_too_large"), "a body over the limit")
    answer = gateway.chat(headers={"X-Long": "y" * 9000})
    equal((answer.status, code_of(answer)), (431, "headers_too_large"), "a head over the limit")
    answer = gateway.chat(headers={f"X-{i}": "z" for i in range(150)})
    equal((answer.status, code_of(answer)), (431, "headers_too_large"), "too many fields")
    answer = gateway.chat("x" * 60000)
    equal(answer.status, 200, "a body below the limit")
    equal(engines[0].requests, 1, "only that one reached the engine")


def test_request_id(t):
    gateway, engines = t.plain()
    answer = gateway.chat(headers={"X-Request-Id": "mine-1"})
    equal(answer.header("x-request-id"), "mine-1", "a given id comes back")
    equal(engines[0].last_headers().get("x-request-id"), "mine-1", "and is what the engine sees")
    first, second = (gateway.chat().header("x-request-id") for _ in range(2))
    true(first and second and first != second, f"ids are made where none is given: {first}, {second}")
    equal(engines[0].last_headers().get("x-request-id"), second, "the made one reaches the engine")
    line = gateway.access_of("mine-1")
    equal((line["status"], line["decode"]), (200, engines[0].address), "the access line")


def test_what_clients_may_not_assert(t):
    gateway, engines = t.plain()
    gateway.chat(headers={"X-Prefiller-Host-Port": "10.0.0.1:1", "X-Gateway-Destination-Endpoint": "10.0.0.1:1",
                          "Keep-Alive": "timeout=5", "X-Mine": "kept", "Authorization": "Bearer abc"})
    seen = engines[0].last_headers()
    for name in ("x-prefiller-host-port", "x-gateway-destination-endpoint", "keep-alive"):
        true(name not in seen, f"{name} is not sent on: {seen}")
    equal(seen.get("x-mine"), "kept", "an ordinary field")
    equal(seen.get("authorization"), "Bearer abc", "the client's key")


story.run(globals())
