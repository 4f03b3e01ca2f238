"""One request, two engines: the first prefills, the second decodes."""
import json

from lib import story, text
from lib.gateway import chat
from lib.story import equal, true
from lib.wire import text_of

LONG = "word " * 600  # long enough that handing over beats prefilling at the decode engine


def served(engines):
    return [e.requests for e in engines]


def test_both_legs(t):
    gateway, p, d = t.pair(1, 1)
    body = chat(LONG, max_tokens=10)
    for stream in (False, True):
        answer = gateway.post("/v1/chat/completions", {**body, "stream": stream},
                              {"X-Request-Id": f"legs-{stream}"})
        seen = text_of(answer.events) if stream else answer.json()["choices"][0]["message"]["content"]
        equal(seen, text.of_chat(body["messages"], 10), "the text of a prompt that was prefilled elsewhere")
        line = gateway.access_of(f"legs-{stream}")
        equal((line["placement"], line["prefill"], line["decode"]),
              ("remote", p[0].address, d[0].address), "the access line")
        true(line["why"], "it says why")
        for engine in (p[0], d[0]):
            equal(engine.last_headers().get("x-request-id"), f"legs-{stream}", f"{engine.name}'s request id")
    equal((served(p), served(d)), ([2], [2]), "one leg each per request")
    true(d[0].state()["fetched_tokens"] > 0, "the decode engine pulled blocks")


def test_prefill_leg_asks_for_one_token(t):
    gateway, p, d = t.pair(1, 1)
    body = chat(LONG, max_tokens=50, max_completion_tokens=10, stream=True,
                stream_options={"include_usage": True}, min_tokens=5)
    answer = gateway.post("/v1/chat/completions", body)
    usage = [json.loads(e)["usage"] for e in answer.events[:-1] if json.loads(e).get("usage")]
    equal(usage[-1]["completion_tokens"], 10, "the client's own limit")
    leg = p[0].last().json()
    equal(leg.get("max_tokens"), 1, "the prefill leg's max_tokens")
    true(leg.get("max_completion_tokens") in (None, 1), "its max_completion_tokens")
    true(not leg.get("stream"), "it is not streamed")
    true("stream_options" not in leg, "and has no stream options, which an engine refuses then")
    true("min_tokens" not in leg or leg["min_tokens"] <= 1, "nor more tokens at least than at most")
    equal(leg["kv_transfer_params"]["do_remote_decode"], True, "what it asks for")
    decode = d[0].last().json()
    equal(decode["kv_transfer_params"]["do_remote_prefill"], True, "what the decode leg is given")
    equal((decode["max_tokens"], decode["max_completion_tokens"], decode["stream"]), (50, 10, True),
          "the decode leg's fields are the client's")


def test_clients_transfer_params_are_removed(t):
    gateway, p, d = t.pair(1, 1)
    evil = {"do_remote_prefill": True, "remote_host": "10.9.8.7", "prompt_token_ids": [1, 2]}
    for content in (LONG, "short"):
        body = chat(content, max_tokens=4, kv_transfer_params=evil, ec_transfer_params={"x": 1})
        answer = gateway.post("/v1/chat/completions", body)
        equal(answer.status, 200, "status")
        equal(answer.json()["choices"][0]["message"]["content"], text.of_chat(body["messages"], 4), "text")
        for engine in p + d:
            if engine.requests:
                leg = engine.last().body
                true(b"10.9.8.7" not in leg and b"ec_transfer_params" not in leg, f"{engine.name} got {leg!r}")


def test_a_batch_goes_to_one_engine(t):
    gateway, p, d = t.pair(1, 1)
    body = {"model": "sim", "prompt": [LONG, LONG + "two"], "max_tokens": 3}
    answer = gateway.post("/v1/completions", body)
    equal(sorted(c["text"] for c in answer.json()["choices"]),
          sorted(text.of_prompt(prompt, 3) for prompt in body["prompt"]), "both answers")
    equal((served(p), served(d)), ([0], [1]), "one engine, no hand-off: it can name one prompt's blocks only")


def test_answers_carry_no_transfer_params(t):
    gateway, _, _ = t.pair(1, 1)
    answer = gateway.chat(LONG)
    true("remote_block_ids" not in answer.body.decode(), "no addresses of engines in an answer")


def test_prefill_without_params(t):
    """A prefill engine that hands nothing over (a wrong connector) costs time, no request."""
    gateway, p, d = t.pair(1, 1)
    p[0].fault(null_kv_params=True)
    body = chat(LONG, max_tokens=6)
    answer = gateway.post("/v1/chat/completions", body)
    equal(answer.json()["choices"][0]["message"]["content"], text.of_chat(body["messages"], 6), "the text")
    true(gateway.metric("sluice_handoffs_null_total") >= 1, "it is counted")


story.run(globals())
