"""kill -9 of an engine under load. Requests that had no event yet lose
nothing; those in the middle of a stream end honestly."""
import signal

from lib import story
from lib.load import Load
from lib.process import until
from lib.story import equal, sized, true

REQUESTS = sized(300, 120)


def kill_and_return(t, gateway, victims, words, **load):
    with Load(gateway, clients=8, words=words, **load) as run:
        run.passed(REQUESTS)
        for victim in victims:
            victim.kill()
            run.passed(REQUESTS)
            back = t.adopt(victim.again())
            gateway.wait_healthy(back)
            served = back.requests
            until(lambda b=back, s=served: b.requests > s, "the engine to take part again")
            run.passed(REQUESTS)
    return run.result


def test_prefill_engine(t):
    gateway, p, d = t.pair(3, 2)
    result = kill_and_return(t, gateway, p[:1], words=300)
    equal(result.failures, [], f"failures of {result.done}")


def test_decode_engine_before_first_events(t):
    """Answers of one token: every request is before its first event or done."""
    gateway, p, d = t.pair(2, 3)
    result = kill_and_return(t, gateway, d[:1], words=300, max_tokens=1)
    equal(result.failures, [], f"failures of {result.done}")


def test_plain_engine(t):
    gateway, engines = t.plain(3)
    result = kill_and_return(t, gateway, engines[:1], words=20, max_tokens=1)
    equal(result.failures, [], f"failures of {result.done}")


def test_more_at_once_than_the_retry_budget(t):
    """The budget keeps retries from loading a failing fleet twice; what is taken
    away from a dead engine loads nobody twice, however much it is."""
    gateway, engines = t.plain(3, main="retry_budget 0%;\nretry_budget_min 3;\n", probe_timeout="500ms",
                               stale="1s")
    with Load(gateway, clients=40, words=300, max_tokens=1) as run:
        run.passed(REQUESTS)
        engines[0].kill()
        run.passed(REQUESTS)
        engines[1].freeze()
        gateway.wait_healthy(engines[1], state="unhealthy")
        run.passed(REQUESTS)
        engines[1].thaw()
    equal(run.result.failures, [], f"failures of {run.result.done}")


def test_most_engines_at_once(t):
    """More die than may be ejected, each with more requests than the budget has."""
    gateway, engines = t.plain(4, main="retry_budget 0%;\nretry_budget_min 6;\n", max_ejected="25%")
    with Load(gateway, clients=40, words=300, max_tokens=1) as run:
        run.passed(REQUESTS)
        for engine in engines[:3]:
            engine.signal(signal.SIGKILL)
        gateway.wait_healthy(*engines[:3], state="unhealthy")
        run.passed(REQUESTS)
    equal(run.result.failures, [], f"failures of {run.result.done}")


def test_frozen_engine(t):
    """SIGSTOP: the connection stands, nothing comes. A peer would wait for ever."""
    gateway, engines = t.plain(3, first_event_timeout="1s", probe_timeout="500ms", stale="1s")
    with Load(gateway, clients=8, max_tokens=1) as run:
        run.passed(REQUESTS)
        engines[0].freeze()
        gateway.wait_healthy(engines[0], state="unhealthy")
        run.passed(REQUESTS)
        engines[0].thaw()
        gateway.wait_healthy(engines[0])
        run.passed(REQUESTS)
    equal(run.result.failures, [], f"failures of {run.result.done}")


def test_all_prefill_engines(t):
    gateway, p, d = t.pair(2, 2)
    with Load(gateway, clients=6, words=300) as run:
        run.passed(REQUESTS // 2)
        for engine in p:
            engine.kill()
        run.passed(REQUESTS)
    equal(run.result.failures, [], f"failures of {run.result.done}")
    true(gateway.access()[-1]["placement"] == "local", "decode engines prefill for themselves")


story.run(globals())
