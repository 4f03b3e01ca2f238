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


def test_an_abandoned_prefill_is_given_back(t):
    """The client leaves after the prefill: its blocks are not held for the
    engine's 30 seconds."""
    gateway, p, d = t.pair(1, 1)
    d[0].fault(hang=True)
    c = gateway.connect()
    c.request("POST", "/v1/chat/completions", chat(LONG, stream=True))
    until(lambda: p[0].state()["held_blocks"] > 0, "blocks to be held for the hand-off")
    until(lambda: d[0].state()["open_requests"] >= 1, "the decode leg to arrive")
    d[0].heal()
    c.close()
    until(lambda: p[0].state()["held_blocks"] == 0, "the blocks to be given back", timeout=20)
    equal(p[0].state()["expired"], 0, "before their lease ended, so by the gateway")


story.run(globals())
