"""A conversation that names itself: its next turn goes where its last answer is
cached, and the gateway knows how much that is."""
import itertools

from lib import story
from lib.gateway import chat, pool, prefill_decode
from lib.story import equal, true

BLOCK = 16  # tokens of an engine's KV block
ANSWER = 300  # tokens
request_ids = map("turn-{}".format, itertools.count())
QUESTION = " ".join(f"word{i}" for i in range(900))


def cached(answer):
    return answer.json()["usage"]["prompt_tokens_details"]["cached_tokens"]


class Conversation:
    def __init__(self, gateway, fields=None, **body):
        self.gateway, self.fields, self.body = gateway, fields or {}, body
        self.messages = []

    def turn(self, content, tokens=ANSWER):
        """(answer, access line) of the next turn."""
        self.messages.append({"role": "user", "content": content})
        request_id = next(request_ids)
        body = {**chat(), **self.body, "messages": self.messages, "max_tokens": tokens}
        answer = self.gateway.post("/v1/chat/completions", body,
                                   {**self.fields, "X-Request-Id": request_id})
        equal(answer.status, 200, "status")
        self.messages.append(answer.json()["choices"][0]["message"])
        return answer, self.gateway.access_of(request_id)


def two_turns(gateway, fields=None):
    talk = Conversation(gateway, fields)
    first, line = talk.turn(QUESTION)
    second, next_line = talk.turn("and then?", 8)
    usage = first.json()["usage"]
    equal(usage["completion_tokens"], ANSWER, "tokens of the first answer")
    return usage, line, second, next_line


def test_the_answer_is_found_again(t):
    gateway, _ = t.plain(4)
    usage, line, second, next_line = two_turns(gateway, {"X-Session-Id": "mine"})
    whole = usage["prompt_tokens"] + ANSWER
    equal(next_line["decode"], line["decode"], "the engine of the second turn")
    true(whole - 2 * BLOCK <= cached(second) <= whole, f"{cached(second)} of {whole} tokens were cached")
    predicted = next_line["predicted_cached_tokens"]
    true(abs(predicted - cached(second)) < 0.1 * ANSWER, f"{predicted} predicted, {cached(second)} cached")


def test_without_a_name_only_the_prompt_is_known(t):
    gateway, _ = t.plain(4)
    usage, _, second, line = two_turns(gateway)
    true(line["predicted_cached_tokens"] <= 1.02 * usage["prompt_tokens"], f"predicted for {usage}: {line}")
    true(cached(second) > usage["prompt_tokens"], "though the engine has the answer")


def test_a_restarted_engine_has_nothing(t):
    gateway, engines = t.plain(1)
    talk = Conversation(gateway, {"X-Session-Id": "mine"})
    talk.turn(QUESTION)
    engines[0].kill()
    gateway.wait_healthy(engines[0], state="unhealthy")
    t.adopt(engines[0].again())
    gateway.wait_healthy(engines[0])
    answer, line = talk.turn("and then?", 8)
    equal((cached(answer), line["predicted_cached_tokens"]), (0, 0), "tokens cached, and predicted so")


def engine_of(gateway, fields=None, content="hello", **body):
    """Of a conversation's two turns with this name."""
    talk = Conversation(gateway, fields, **body)
    lines = [talk.turn(content, 2)[1] for _ in range(2)]
    equal(lines[0]["decode"], lines[1]["decode"], f"one engine for {fields} {body}")
    return lines[0]["decode"]


def test_names(t):
    """By consistent-hash a name says which engine; so engines tell names apart."""
    engines = t.engines(5)
    gateway = t.gateway("model sim { policy consistent-hash; }\n" + pool("all", engines), *engines)
    by_name = {f"name-{i}": engine_of(gateway, {"X-Session-Id": f"name-{i}"}) for i in range(12)}
    true(len(set(by_name.values())) >= 3, f"names are spread: {by_name}")
    one = "name-0"
    other = next(n for n in by_name if by_name[n] != by_name[one])
    for name in (one, other):
        for field in ("x-session-affinity", "X-Claude-Code-Session-Id", "x-dynamo-session-id",
                      "X-Aibrix-Session-Key"):
            equal(engine_of(gateway, {field: name}, f"by {field}"), by_name[name], field)
        for member in ("session_id", "prompt_cache_key"):
            equal(engine_of(gateway, content=f"by {member}", **{member: name}), by_name[name], member)
    for loser in ("x-session-affinity", "x-aibrix-session-key"):
        equal(engine_of(gateway, {loser: other, "X-Session-Id": one}), by_name[one], "which field goes first")
    equal(engine_of(gateway, {"x-session-id": one}, session_id=other), by_name[one], "fields before the body")
    equal(engine_of(gateway, session_id=one, prompt_cache_key=other), by_name[one], "which member goes first")
    equal(engine_of(gateway, {"x-session-id": ""}, session_id=one), by_name[one], "an empty name is none")
    with open(gateway.log, encoding="utf-8", errors="replace") as log:
        text = log.read() + str(gateway.access())
    true("name-1" not in text, "no name is logged")


def test_gateways_agree(t):
    """Without a word to each other, and whatever order they know the engines in."""
    engines = t.engines(5)
    conf = "model sim { policy consistent-hash; }\n"
    one = t.gateway(conf + pool("all", engines), *engines)
    two = t.gateway(conf + pool("all", engines[::-1]), *engines, name="two")
    for i in range(10):
        fields = {"X-Session-Id": f"name-{i}"}
        equal(engine_of(one, fields), engine_of(two, fields), f"the engine of {fields}")


def test_prefill_and_decode(t):
    """The decode engine, which has the answer, goes on by itself."""
    prefill, decode = t.engines(2, "prefill"), t.engines(3, "decode")
    gateway = t.gateway(prefill_decode(prefill, decode, policy="cost"), *prefill, *decode)
    usage, line, second, next_line = two_turns(gateway, {"X-Session-Id": "mine"})
    equal(next_line["decode"], line["decode"], "the engine of the second turn")
    equal(next_line.get("prefill"), None, "nobody else prefills")
    true(cached(second) > usage["prompt_tokens"], f"{cached(second)} tokens were cached")
    true(next_line["predicted_cached_tokens"] > usage["prompt_tokens"], f"and known to be: {next_line}")


story.run(globals())
