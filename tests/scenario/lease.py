"""A finished prefill is worth something for as long as its lease. Older ones
are done again, abandoned ones are given back."""
import threading

from lib import story, text
from lib.gateway import chat
from lib.process import until
from lib.story import equal, true

LONG = "word " * 600


def test_an_old_hand_off_is_done_again(t):
    """Its decode engine says nothing for longer than the lease is; the next one
    must not be given blocks that may be another prompt's by now."""
    gateway, p, d = t.pair(1, 2, lease="300ms", answer_timeout="800ms", probe_interval="1s")
    for e in d:
        e.fault(hang=True)
    body, answers = chat(LONG, max_tokens=6), []
    client = threading.Thread(target=lambda: answers.append(gateway.post("/v1/chat/completions", body)))
    client.start()
    until(lambda: any(e.requests for e in d), "the decode leg to arrive")
    for e in d:
        if not e.requests:
            e.heal()
    client.join(60)
    equal(answers[0].status, 200, f"status: {answers}")
    equal(answers[0].json()["choices"][0]["message"]["content"], text.of_chat(body["messages"], 6), "the text")
    equal(p[0].requests, 2, "the prompt was prefilled again")
    true(gateway.metric("sluice_handoffs_expired_total") >= 1, "it is counted")
    equal([(e.state()["corrupted"], e.state()["late"]) for e in p + d], [(0, 0)] * 3, "nothing read too late")


def test_an_abandoned_prefill_is_given_back(t):
    """The client leaves while the blocks are on their way: they are not held
    for the 30 seconds of the engine's lease."""
    gateway, p, d = t.pair(1, 1, options=["--transfer-latency", "600000"])
    c = gateway.connect()
    c.request("POST", "/v1/chat/completions", chat(LONG, stream=True))
    until(lambda: d[0].state()["fetching"] == 1, "the decode engine to fetch")
    true(p[0].state()["pinned_blocks"] > 0, "the prefill engine holds blocks for it")
    c.close()
    until(lambda: p[0].state()["pinned_blocks"] == 0, "the blocks to be given back")
    equal(p[0].state()["expired"], 0, "not because their lease was over")
    gateway.wait_idle()


def test_abandoned_between_two_decode_engines(t):
    """The decode engine was gone and the other one is full: no engine knows of
    the blocks when the client leaves. The gateway has them given back."""
    gateway, p, d = t.pair(1, 2, max_concurrent=1, probe_interval="10s")
    held = gateway.connect()
    held.request("POST", "/v1/chat/completions", chat("held", stream=True, max_tokens=100000))
    next(held.events(held.head()))
    other = next(e for e in d if e.state()["running"] == 0)
    other.fault(refuse=True)
    c = gateway.connect()
    c.request("POST", "/v1/chat/completions", chat(LONG, stream=True))
    until(lambda: gateway.metric("sluice_requests_waiting") == 1, "it to wait for a decode engine")
    true(p[0].state()["pinned_blocks"] > 0, "the prefill engine holds blocks for it")
    other.heal()
    c.close()
    until(lambda: p[0].state()["pinned_blocks"] == 0, "the blocks to be given back")
    equal(p[0].state()["expired"], 0, "not because their lease was over")
    equal(gateway.metric("sluice_handoffs_released_total"), 1, "it is counted")
    held.close()
    gateway.wait_idle()


story.run(globals())
