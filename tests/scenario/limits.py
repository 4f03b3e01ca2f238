"""Limits that an operator sets are kept, and said."""
import threading

from lib import story
from lib.gateway import chat, pool
from lib.process import until
from lib.story import equal, true
from lib.wire import Truncated

ENDLESS = {"max_tokens": 100000, "stream": True}


def hold(gateway, n, **fields):
    """n streams that run until they are closed."""
    held = []
    for i in range(n):
        c = gateway.connect()
        c.request("POST", "/v1/chat/completions", chat(f"held {i}", **ENDLESS, **fields))
        next(c.events(c.head()))
        held.append(c)
    return held


def test_max_concurrent(t):
    gateway, engines = t.plain(2, max_concurrent=2, main="queue_limit 0;\n")
    held = hold(gateway, 4)
    equal([e.state()["running"] for e in engines], [2, 2], "two on each engine")
    answer = gateway.chat("one too many")
    equal((answer.status, answer.json()["error"]["code"]), (429, "saturated"), "the fifth")
    true(int(answer.header("retry-after")) >= 1, "it says when to come back")
    held.pop().close()
    until(lambda: gateway.chat("now", max_tokens=1).status == 200, "room for another")


def test_the_queue(t):
    """Who finds no room waits for it, in order, and no longer than he may."""
    gateway, _ = t.plain(1, max_concurrent=1, workers=1, main="queue_limit 2;\nqueue_timeout 60s;\n")
    held = hold(gateway, 1)
    answers = {}

    def ask(name):
        answers[name] = gateway.chat(name, max_tokens=1)
    waiting = []
    for name in ("a", "b"):
        waiting.append(threading.Thread(target=ask, args=(name,)))
        waiting[-1].start()
        until(lambda: gateway.metric("sluice_requests_waiting") == len(waiting), f"{name} to wait")
    answer = gateway.chat("third")
    equal(answer.status, 429, "the third has no place to wait")
    held[0].close()
    for w in waiting:
        w.join(60)
    equal({k: v.status for k, v in answers.items()}, {"a": 200, "b": 200}, "those who waited")


def test_a_queue_of_its_own(t):
    """A model without room does not hold back another one."""
    full, free = t.engine(model="full"), t.engine(model="free")
    gateway = t.gateway("model full { pools a; }\nmodel free { pools b; }\n"
                        + pool("a", [full], max_concurrent=1) + pool("b", [free]), full, free, workers=1)
    held = hold(gateway, 1, model="full")
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(gateway.chat(model="full", max_tokens=1)))
    waiting.start()
    until(lambda: gateway.metric("sluice_requests_waiting") == 1, "one to wait")
    equal(gateway.chat(model="free", max_tokens=1).status, 200, "the other model's request")
    equal(answers, [], "who waits still waits")
    held[0].close()
    waiting.join(60)
    equal([a.status for a in answers], [200], "who waited")


def test_queue_timeout(t):
    gateway, _ = t.plain(1, max_concurrent=1, main="queue_timeout 200ms;\n")
    held = hold(gateway, 1)
    answer = gateway.chat("too long")
    equal((answer.status, answer.json()["error"]["code"]), (429, "saturated"), "the wait is over")
    held[0].close()
    held[0].close()


def test_max_connections(t):
    gateway, _ = t.plain(1, main="max_connections 4;\n")
    held = hold(gateway, 4)
    true(not _served(gateway), "a connection too many gets no answer, or a refusal")
    held[0].close()
    until(lambda: _served(gateway), "room for another")


def _served(gateway):
    try:
        return gateway.chat("one more", max_tokens=1).status == 200
    except (OSError, Truncated):
        return False


def test_slow_heads_and_bodies(t):
    """A client that trickles is cut off, and its memory with it."""
    gateway, _ = t.plain(1, main="header_timeout 300ms;\nbody_timeout 300ms;\nkeepalive_timeout 300ms;\n")
    head = (b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
            b"Content-Length: 50\r\n")
    for part in (head, head + b"\r\n{"):
        with gateway.connect() as c:
            c.send(part)
            answer = c.answer()
            equal((answer.status, answer.json()["error"]["code"]), (408, "request_timeout"), "the answer")
    with gateway.connect() as c:
        equal(c.socket.recv(1), b"", "a silent connection is closed without a word")


def test_request_memory(t):
    """The budget of all bodies together."""
    gateway, engines = t.plain(1, options=["--max-model-len", "400000"],
                                main="request_memory 2M;\nbody_limit 1536k;\n")
    with gateway.connect() as c:
        c.send(b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
               b"Content-Length: 1500000\r\n\r\n" + b" " * 1400000)
        until(lambda: gateway.metric("sluice_request_bytes_held") >= 1300000, "the body to be held")
        answer = gateway.chat(pad="x" * 1000000)
        equal((answer.status, answer.json()["error"]["code"]), (503, "memory_budget"), "beyond the budget")
    until(lambda: gateway.metric("sluice_request_bytes_held") == 0, "the budget to be free")
    equal(gateway.chat(pad="x" * 1000000).status, 200, "within it")


story.run(globals())
