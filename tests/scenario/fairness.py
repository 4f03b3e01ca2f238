"""Tenants that wait for the same engines: one that floods does not make the
others wait behind it, nor take their places; and the operator may say who goes
first."""
import threading

from lib import story
from lib.gateway import chat
from lib.process import until
from lib.story import equal, sized, true

FLOOD = sized(200, 80)
PATIENT = "queue_timeout 1h;\n"


def hold(gateway, n):
    """n streams of somebody else that keep the engine full until they are closed."""
    held = []
    for i in range(n):
        c = gateway.connect()
        c.request("POST", "/v1/chat/completions", chat(f"held {i}", stream=True, max_tokens=100000),
                  {"authorization": "Bearer holder"})
        next(c.events(c.head()))
        held.append(c)
    return held


class Asked:
    """Requests, each in a thread of its own; `ended` has their names as they end."""

    def __init__(self, gateway):
        self.gateway, self.threads, self.answers, self.ended = gateway, [], {}, []
        self.waiting = int(gateway.metric("sluice_requests_waiting"))

    def _run(self, name, headers, fields):
        headers = {"x-request-id": name, **headers}
        self.answers[name] = self.gateway.chat(name, headers, **fields)
        self.ended.append(name)

    def add(self, name, headers, **fields):
        thread = threading.Thread(target=self._run, args=(name, headers, fields), daemon=True)
        thread.start()
        self.threads.append(thread)

    def wait_for_a_place(self, name, headers, **fields):
        """The same, and it is in the queue when this returns."""
        self.add(name, headers, **fields)
        self.waiting += 1
        until(lambda: self.gateway.metric("sluice_requests_waiting") == self.waiting, f"{name} to wait")

    def join(self):
        for thread in self.threads:
            thread.join(120)
            true(not thread.is_alive(), "an answer for everybody")


def key(name):
    return {"authorization": f"Bearer {name}"}


def flood_and_one(t, headers_of_flood, headers_of_one, main="", workers=2):
    """A tenant with FLOOD requests, most of which wait when another one comes
    with one request, and then with the next. How many of the flood end while
    each of those is under way must be a few, however many wait."""
    gateway, engines = t.plain(1, max_concurrent=4, workers=workers, main=PATIENT + main)
    held = hold(gateway, 4)
    flood = Asked(gateway)
    for i in range(FLOOD):
        flood.add(f"flood{i}", headers_of_flood, max_tokens=16)
    until(lambda: gateway.metric("sluice_requests_waiting") == FLOOD, "the flood to wait")
    one = Asked(gateway)
    one.add("one0", headers_of_one, max_tokens=16)
    until(lambda: gateway.metric("sluice_requests_waiting") == FLOOD + 1, "the other one to wait")
    for c in held:
        c.close()
    one.join()
    overtaken = [len(flood.ended)]
    for i in range(1, 6):
        before = len(flood.ended)
        equal(gateway.chat(f"one{i}", headers_of_one, max_tokens=16).status, 200, "the other's answer")
        overtaken.append(len(flood.ended) - before)
    flood.join()
    equal(one.answers["one0"].status, 200, "the other one's first answer")
    equal({a.status for a in flood.answers.values()}, {200}, "the answers of the flood")
    equal(len(flood.answers), FLOOD, "answers of the flood")
    true(max(overtaken) <= 16, f"four at once: a few requests of the flood, each time: {overtaken}")
    gateway.wait_idle()
    equal(gateway.metric("sluice_requests_waiting"), 0, "who waits at the end")
    true(engines[0].requests >= FLOOD, "the engine has served them all")


def test_a_flood(t):
    """By their keys, over two workers."""
    flood_and_one(t, key("flood"), key("one"))


def test_tenants_that_a_proxy_names(t):
    """The same key for all, which is the proxy's."""
    flood_and_one(t, {**key("proxy"), "x-tenant": "flood"}, {**key("proxy"), "X-Tenant": "one"},
                  main="tenant_header x-tenant;\n")


def test_a_full_queue(t):
    """The flood gives up a place for another tenant, but not for itself."""
    gateway, _ = t.plain(1, max_concurrent=1, workers=2, main=PATIENT + "queue_limit 2;\n")
    held = hold(gateway, 1)
    asked = Asked(gateway)
    for i in range(4):
        asked.wait_for_a_place(f"flood{i}", key("flood"))
    equal(gateway.chat("too many", key("flood")).status, 429, "one more of the flood")
    equal(asked.ended, [], "who has been answered so far")
    asked.add("one", key("one"))
    until(lambda: asked.ended, "one of the flood to be refused")
    equal(asked.ended, ["flood3"], "the youngest of the flood")
    refused = asked.answers["flood3"]
    equal((refused.status, refused.json()["error"]["code"]), (429, "saturated"), "its answer")
    true(int(refused.header("retry-after")) >= 1, "it says when to come back")
    equal(gateway.metric("sluice_requests_waiting"), 4, "who waits now")
    equal(gateway.metric('sluice_client_limits_total{limit="queue_share"}'), 1, "places taken away")
    held[0].close()
    asked.join()
    equal({a.status for n, a in asked.answers.items() if n != "flood3"}, {200}, "all the others")


def test_a_key_is_not_told(t):
    """Not by the log, the metrics or the access log."""
    gateway, _ = t.plain(1, max_concurrent=1, workers=1, main=PATIENT + "queue_limit 1;\n")
    held = hold(gateway, 1)
    asked = Asked(gateway)
    asked.wait_for_a_place("first", key("sk-very-secret"))
    equal(gateway.chat("second", key("sk-very-secret")).status, 429, "one more")
    held[0].close()
    asked.join()
    gateway.wait_idle()
    for where, text in (("the log", gateway.tail(1000)), ("the metrics", str(gateway.metrics())),
                        ("the fleet page", str(gateway.fleet())), ("the access log", str(gateway.access()))):
        true("sk-very-secret" not in text, f"{where} holds a key")


def test_priorities(t):
    """Higher classes go first; a client without the proxy's word can only ask for less."""
    gateway, _ = t.plain(1, max_concurrent=1, workers=1, main=PATIENT + "priority_header x-priority;\n")
    held = hold(gateway, 1)
    asked = Asked(gateway)
    for i in range(2):
        asked.wait_for_a_place(f"flex{i}", key("a"), service_tier="flex", max_tokens=2)
        asked.wait_for_a_place(f"self{i}", key("a"), service_tier="priority", priority=-9, max_tokens=2)
        asked.wait_for_a_place(f"high{i}", {**key("a"), "x-priority": "high"}, max_tokens=2)
    held[0].close()
    asked.join()
    gateway.access_of("flex1")  # the last line may be a moment behind its answer
    order = [a["request_id"] for a in gateway.access() if a["request_id"] in asked.answers]
    equal(order, ["high0", "high1", "self0", "self1", "flex0", "flex1"], "the order in which they end")


story.run(globals())
