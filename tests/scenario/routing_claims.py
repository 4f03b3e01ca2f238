"""What users are promised about routing, each promise by itself: where cached
prompts go and when they do not, that an idle fleet, a slow engine and a new one
get what is theirs, and what each policy does.

Adapters have a story of their own (adapters.py); so has what a session's name
adds to a prompt that is known anyway (sessions.py)."""
import itertools
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from lib import story
from lib.gateway import chat, pool, prefill_decode
from lib.process import until
from lib.story import equal, sized, true

request_ids = map("claim-{}".format, itertools.count())
LONG, WARM = 100_000, 2_000  # tokens: twelve seconds of work, and a fifth of one
ENDLESS = 100_000
RR = "model sim { policy round-robin; }\n"


def words(name, tokens):
    """About so many tokens, unlike those of any other name."""
    text = " ".join(f"{name}{i}" for i in range(tokens))
    return text[:tokens * 4]


def ask(gateway, content, fields=(), **body):
    """Its access line; the answer is whole."""
    request_id = next(request_ids)
    answer = gateway.chat(content, {**dict(fields), "X-Request-Id": request_id}, **body)
    equal(answer.status, 200, f"status of {request_id}: {answer}")
    return gateway.access_of(request_id)


def ask_all(gateway, contents, clients=8, **body):
    with ThreadPoolExecutor(clients) as threads:
        return list(threads.map(lambda content: ask(gateway, content, **body), contents))


def places(lines):
    return Counter(line["decode"] for line in lines)


class Begun:
    """A stream that is under way when this returns, until it is left."""

    def __init__(self, gateway, content, engines, **body):
        before = [e.state()["requests"] for e in engines]
        self.id, self.gateway = next(request_ids), gateway
        self.connection = gateway.connect()
        self.connection.request("POST", "/v1/chat/completions",
                                chat(content, **{"stream": True, "max_tokens": 8, **body}),
                                {"X-Request-Id": self.id})
        self.engine = until(lambda: next((e for e, n in zip(engines, before) if e.state()["requests"] > n), None),
                            "an engine to have it")

    def leave(self):
        self.connection.close()
        return self.gateway.access_of(self.id)


def costs(line):
    """What was chosen and what came next, as the access log explains them."""
    found = re.search(r"cost ([\d.]+) ms against ([\d.]+) ms for (\w+) on (\S+)", line["why"])
    true(found, f"an explanation with two costs: {line['why']}")
    return float(found[1]), float(found[2]), found[4]


# -- caches --------------------------------------------------------------------

def second_turns(gateway):
    """How many of eight conversations go on where they began."""
    first = [ask(gateway, words(f"talk{i}-", WARM)) for i in range(8)]
    second = [ask(gateway, words(f"talk{i}-", WARM) + " and then?") for i in range(8)]
    return sum(a["decode"] == b["decode"] for a, b in zip(first, second))


def test_my_second_turn_goes_where_my_first_is_cached(t):
    gateway, engines = t.plain(5)
    equal(second_turns(gateway), 8, "conversations that stay")
    true(sum(e.requests > 0 for e in engines) > 1, "and they do not all live on one engine")


def test_in_turns_it_does_not(t):
    """The claim above says something: 8 conversations and 5 engines never meet by chance."""
    engines = t.engines(5)
    gateway = t.gateway(RR + pool("all", engines), *engines)
    equal(second_turns(gateway), 0, "conversations that stay")


def test_unless_that_engine_is_worse_off(t):
    gateway, engines = t.plain(2)
    talk = words("talk", WARM)
    home = ask(gateway, talk)["decode"]
    equal(ask(gateway, talk + " and then?")["decode"], home, "the second turn")
    busy = Begun(gateway, talk + words("tail", LONG), engines)
    equal(busy.engine.address, home, "a long one that begins like it goes there, too")
    line = ask(gateway, talk + " and after that?")
    true(line["decode"] != home, f"while that is prefilled the next turn goes elsewhere: {line['why']}")
    chosen, other, where = costs(line)
    true(chosen < other and where == home, f"because that is cheaper: {line['why']}")
    equal(busy.leave()["decode"], home, "where the long one was")


def test_a_shared_system_prompt_does_not_send_everybody_to_one_engine(t):
    gateway, engines = t.plain(4)
    system, n = words("system", WARM), sized(96, 48)
    ask(gateway, system)
    lines = ask_all(gateway, [system + words(f"user{i}-", 500) for i in range(n)], clients=16)
    got = places(lines)
    equal(len(got), 4, f"engines that take part: {got}")
    true(max(got.values()) <= n / 2, f"nobody has more than half: {got}")
    cold = sum(a["cached_tokens"] < WARM / 2 for a in lines)
    true(cold <= n / 4, f"{cold} of {n} had to compute the system prompt again")


def test_two_with_the_same_prompt_at_the_same_moment(t):
    """The second waits for the first one's cache, or computes it again elsewhere: what costs less."""
    gateway, engines = t.plain(2)
    prompt = words("twin", LONG // 5)
    first, twin = Begun(gateway, prompt, engines), Begun(gateway, prompt, engines)
    first.leave()
    line = twin.leave()
    chosen, other, where = costs(line)
    true(chosen <= other and where != line["decode"], f"the cheaper of both engines: {line['why']}")
    equal("none cached" in line["why"], twin.engine is not first.engine, f"and what is cached there: {line['why']}")


def test_if_both_engines_are_busy_the_twin_waits_for_the_cache(t):
    gateway, engines = t.plain(2)
    prompt = words("twin", LONG // 5)
    first, filler = Begun(gateway, prompt, engines), Begun(gateway, words("else", LONG // 5), engines)
    true(filler.engine is not first.engine, "another prompt goes to the idle engine")
    twin = Begun(gateway, prompt, engines)
    equal(twin.engine, first.engine, "the twin's engine")
    line = twin.leave()
    chosen, other, _ = costs(line)
    true(chosen < other and "none cached" not in line["why"], f"it counts on what is not there yet: {line['why']}")
    first.leave()
    filler.leave()


# -- prefill and decode ----------------------------------------------------------

def placements(t, policy):
    """Of a long cold prompt while others decode, and then, on an idle fleet,
    of the same one again and of a short one."""
    p, d = t.engines(2, "prefill"), t.engines(2, "decode")
    gateway = t.gateway(prefill_decode(p, d, policy=policy), *p, *d)
    others = [Begun(gateway, f"story {i}", d, max_tokens=ENDLESS) for i in range(16)]
    until(lambda: not any(r["prefilling"] for r in gateway.fleet()["endpoints"]), "all of them to decode")
    cold = ask(gateway, words("cold", 8_000))
    for o in others:
        o.leave()
    warm = ask(gateway, words("cold", 8_000) + " and then?")
    return cold, warm, ask(gateway, "hello")


def test_long_cold_prompts_are_prefilled_remotely_and_others_are_not(t):
    cold, warm, short = placements(t, "cost")
    equal([line["placement"] for line in (cold, warm, short)], ["remote", "local", "local"],
          f"placements of a cold, a cached and a short prompt: {[line['why'] for line in (cold, warm, short)]}")
    equal(warm["decode"], cold["decode"], "where the cache is")


def test_in_turns_all_are(t):
    equal([line["placement"] for line in placements(t, "round-robin")], ["remote"] * 3, "placements in turns")


# -- engines -----------------------------------------------------------------------

def is_used_evenly(gateway, engines, n):
    for i in range(n):
        ask(gateway, f"{i}: {words(str(i), 40)}")
    served = [e.requests for e in engines]
    true(min(served) >= 0.15 * n and max(served) <= 0.35 * n, f"requests of four engines: {served}")


def test_an_idle_fleet_is_used_evenly(t):
    is_used_evenly(*t.plain(4), 100)


def test_and_so_is_one_that_is_faster_than_its_profile(t):
    """The first engine to answer is not the fast one: all of them are."""
    is_used_evenly(*t.plain(4, ("--speed", "8")), 200)


def shares_with_a_slow_one(t, policy):
    """(requests of an engine that is four times slower, mean of the others').
    Slowness alone does not take it out here."""
    engines = t.engines(4)
    engines[0].fault(slow=4)
    gateway = t.gateway(policy + pool("all", engines, slow_factor="0%"), *engines)
    ask_all(gateway, [words(f"q{i}-", 600) for i in range(sized(200, 100))])
    served = [e.requests for e in engines]
    return served[0], sum(served[1:]) / 3


def test_a_slow_engine_gets_less(t):
    slow, other = shares_with_a_slow_one(t, "")
    true(slow < other / 2, f"{slow} requests of the slow engine, {other:.0f} of each other one")
    true(slow > 0, "it is not left out")


def test_even_an_idle_slow_engine_gets_less(t):
    """One request at a time, so that no queue tells: what is learned of it does."""
    gateway, engines = t.plain(4, slow_factor="0%")
    engines[0].fault(slow=4)
    for i in range(100):
        ask(gateway, words(f"q{i}-", 600))
    served = [e.requests for e in engines]
    true(0 < served[0] < min(served[1:]) / 2, f"requests of a slow engine and of three others: {served}")


def test_in_turns_it_gets_as_much(t):
    slow, other = shares_with_a_slow_one(t, RR)
    true(abs(slow - other) <= 1, f"{slow} requests of the slow engine, {other:.0f} of each other one")


SYSTEM = words("system", WARM)


def turns(conversations, number):
    return [SYSTEM + words(f"talk{i}-", 300) + f" turn {number}" for i in range(conversations)]


def warm_up(gateway):
    """Conversations that all live somewhere: their second turns are cached."""
    ask_all(gateway, turns(24, 0))
    lines = ask_all(gateway, turns(24, 1))
    true(all(line["cached_tokens"] >= WARM for line in lines), "every conversation has its cache")


def takes_part(gateway, newcomer):
    """Busy hours: conversations whose caches are all elsewhere, and new ones
    behind the system prompt that all other engines have."""
    before, asked = newcomer.requests, 0
    for n in range(2, 6):
        new = [SYSTEM + words(f"new{n}-{i}-", 1_000) for i in range(24)]
        asked += len(ask_all(gateway, [c for pair in zip(turns(24, n), new) for c in pair], clients=32))
    got = newcomer.requests - before
    true(got >= asked / 16, f"{got} of {asked} requests for one of four engines, which has no cache")


def test_a_dead_engine_gets_nothing_and_once_back_it_is_used(t):
    gateway, engines = t.plain(4)
    warm_up(gateway)
    dead = engines[0]
    dead.kill()
    gateway.wait_healthy(dead, state="unhealthy")
    lines = ask_all(gateway, turns(24, 1))
    true(dead.address not in places(lines), f"nothing goes to a dead engine: {places(lines)}")
    equal({line["attempts"] for line in lines}, {1}, "attempts of each request")
    back = t.adopt(dead.again())
    gateway.wait_healthy(back)
    takes_part(gateway, back)


def test_an_engine_added_by_reload_is_used(t):
    engines = t.engines(3)
    gateway = t.gateway(pool("all", engines), *engines)
    warm_up(gateway)
    new = t.engine()
    gateway.write(pool("all", [*engines, new]))
    gateway.reload()
    gateway.wait_healthy(new)
    takes_part(gateway, new)


def test_an_engine_taken_out_gets_nothing_new(t):
    """And finishes what it has. Its cache attracts nobody any more."""
    gateway, engines = t.plain(2)
    talk = words("talk", WARM)
    home = next(e for e in engines if e.address == ask(gateway, talk)["decode"])
    other = next(e for e in engines if e is not home)
    stream = Begun(gateway, talk + " at length", engines, max_tokens=400)
    equal(stream.engine, home, "where a stream of that conversation is")
    gateway.write(pool("all", [other]))
    gateway.reload()
    served = home.requests
    got = places(ask(gateway, f"{talk} turn {i}") for i in range(8))
    equal((got, home.requests), ({other.address: 8}, served), "later turns, and requests of the one that leaves")
    equal(list(stream.connection.events(stream.connection.head()))[-1], "[DONE]", "the end of its stream")


def test_an_engine_that_says_it_is_not_ready_gets_nothing(t):
    """As one does that is taken out of service by its own operator; its streams go on."""
    gateway, engines = t.plain(2)
    talk = words("talk", WARM)
    home = next(e for e in engines if e.address == ask(gateway, talk)["decode"])
    stream = Begun(gateway, talk + " at length", engines, max_tokens=400)
    home.fault(health_status=503)
    gateway.wait_healthy(home, state="unhealthy")
    got = places(ask(gateway, f"{talk} turn {i}") for i in range(8))
    true(home.address not in got, f"later turns: {got}")
    equal(list(stream.connection.events(stream.connection.head()))[-1], "[DONE]", "the end of its stream")
    home.heal()
    gateway.wait_healthy(home)
    true(home.address in places(ask_all(gateway, turns(24, 0))), "ready again, it is used")


# -- sessions ------------------------------------------------------------------------

def homes(gateway, named):
    """The engines of each of seven sessions of six turns, too short to be in any index."""
    seen = [set() for _ in range(7)]
    for turn, i in itertools.product(range(6), range(7)):
        seen[i].add(ask(gateway, f"{i}: {turn}?", {"X-Session-Id": f"s{i}"} if named else {})["decode"])
    return seen


def test_a_session_keeps_its_engine(t):
    gateway, _ = t.plain(4)
    seen = homes(gateway, True)
    equal([len(s) for s in seen], [1] * 7, f"engines of each session: {seen}")
    true(len(set().union(*seen)) > 1, "and they are not all the same")


def test_without_a_name_it_wanders(t):
    gateway, _ = t.plain(4)
    seen = homes(gateway, False)
    true(sum(len(s) > 1 for s in seen) >= 5, f"engines of each conversation: {seen}")


# -- policies --------------------------------------------------------------------------

POLICIES = ("cost", "round-robin", "random", "least-request", "consistent-hash")


def policies(t):
    """Four engines; a model for each policy, of its name."""
    engines = t.engines(4, options=["--speed", "4", *(o for p in POLICIES for o in ("--alias", p))])
    conf = "".join(f"model {p} {{ policy {p}; }}\n" for p in POLICIES)
    return t.gateway(conf + pool("all", engines), *engines), engines


def test_each_model_has_its_policy(t):
    gateway, engines = policies(t)

    def engines_of(policy, contents, fields=()):
        return [ask(gateway, c, fields, model=policy)["decode"] for c in contents]

    talk = words("talk", WARM)
    equal(len(set(engines_of("cost", [talk] * 6))), 1, "by cost, engines of one prompt")
    turns_taken = engines_of("round-robin", [talk] * 12)
    equal(turns_taken[:4] * 2, turns_taken[4:], "in turns, always the same order")
    equal(len(set(turns_taken)), 4, "of all four")
    drawn = engines_of("random", ["hello"] * 120)
    true(all(12 <= n <= 50 for n in Counter(drawn).values()) and len(set(drawn)) == 4, f"by chance: {Counter(drawn)}")
    true(drawn[:4] * 29 != drawn[4:], "and not in turns")
    by_name = [set(engines_of("consistent-hash", [f"{i}{k}" for k in range(4)], {"X-Session-Id": f"s{i}"}))
               for i in range(12)]
    equal([len(s) for s in by_name], [1] * 12, f"by name, engines of each: {by_name}")
    true(len(set().union(*by_name)) >= 3, "which differ")
    held = [Begun(gateway, f"held {i}", engines, model="least-request", max_tokens=ENDLESS) for i in range(3)]
    free = {e.address for e in engines} - {h.engine.address for h in held}
    equal(len(free), 1, "engines that three requests leave free")
    equal(set(engines_of("least-request", [f"q{i}" for i in range(8)])), free, "where eight more go, one by one")
    for h in held:
        h.leave()


story.run(globals())
