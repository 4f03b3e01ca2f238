"""Every HTTP/2 sequence of tests/conformance/http2 does what its row says, and
no engine is sent anything that could be read in two ways."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "conformance", "http2"))
import sequences  # noqa: E402
from lib import story  # noqa: E402
from lib.echo import EchoEngine  # noqa: E402
from lib.gateway import pool  # noqa: E402
from lib.h2wire import PREFACE, Closed, H2Client, data, headers, settings  # noqa: E402
from lib.ports import free_port  # noqa: E402
from lib.process import Failure  # noqa: E402
from lib.story import equal, true  # noqa: E402

GOOD = 101  # a stream no row uses


def start(t, **options):
    engine = EchoEngine()
    h2c = free_port()
    gateway = t.gateway(pool("all", [engine], metrics_path="off"), engine,
                        main=f"listen 127.0.0.1:{h2c} {{ protocol h2c; }}\n", **options)
    gateway.h2c_port = h2c
    return gateway, engine


def settle(client, wanted):
    """What came of the row: until its stream or the connection has ended."""
    seen = client.outcome(1)
    if seen[0] == "status" and wanted[0] in ("rst", "either"):  # the reset may come behind an answer
        seen = client.outcome(1)
    return seen


def judge(client, wanted):
    client.over = False
    if wanted == sequences.NOTHING:
        return None
    kind, arg = wanted
    seen = settle(client, wanted)
    good = {"status": lambda: seen == ("status", arg),
            "rst": lambda: seen[0] == "rst" and seen[1] in arg,
            "end": lambda: seen[0] == "goaway" and seen[1] in arg,
            "either": lambda: seen[0] in ("rst", "goaway") and seen[1] in arg}[kind]()
    client.over = seen[0] == "goaway"
    return None if good else f"{seen} instead of {wanted}"


def good_request(client):
    client.send(headers(GOOD, sequences.request(("x-mark", "good"), method="GET")))
    return client.answer(GOOD)[0]


def play(port, engine, row, tls=None):
    """What is wrong with this row, or None."""
    _, sent, expected, _ = row
    wanted, check = expected if isinstance(expected, tuple) and expected[0] == sequences.OK else (expected, None)
    forwarded = wanted in (sequences.OK, sequences.LAST)
    before = len(engine.messages)
    with H2Client(port, tls=tls) as client:
        client.send(sent)
        problem = judge(client, ("status", 200) if forwarded else wanted)
        if problem:
            return problem
        if client.over or wanted == sequences.LAST:
            try:
                while True:
                    client.frame()
            except Closed as e:
                if str(e) != "closed":
                    return f"behind the GOAWAY: {e}"
        else:
            try:
                if good_request(client) != 200:
                    return "a good request behind it is not answered with 200"
            except Closed as e:
                return f"a good request behind it: {e}"
    new = [r for r in engine.messages[before:] if not r.values(b"x-mark")]
    if engine.violations:
        return f"ambiguous: {engine.violations.pop()}"
    if len(new) > 1 or forwarded and len(new) != 1:
        return f"forwarded {len(new)} times"
    # behind END_STREAM a violation may come too late to stop what was complete
    if not forwarded and new and wanted[0] == "status":
        return f"forwarded as {new[0].line!r}"
    if check and not check(new[0]):
        return f"forwarded as {new[0].line!r} {new[0].fields} {new[0].body!r}"
    return None


def play_all(port, engine, **options):
    wrong = []
    for row in sequences.ROWS:
        problem = play(port, engine, row, **options)
        if problem:
            wrong.append(f"{row[0]} ({row[3]}): {problem}")
    if wrong:
        raise Failure(f"{len(wrong)} of {len(sequences.ROWS)} rows:\n" + "\n".join(wrong))


def test_h2c(t):
    true(len(sequences.ROWS) >= 75, "there are enough rows")
    equal(len({r[0] for r in sequences.ROWS}), len(sequences.ROWS), "names are unique")
    gateway, engine = start(t)
    play_all(gateway.port, engine)


def test_tls(t):
    gateway, engine = start(t, certificate=t.certificate())
    play_all(gateway.tls_port, engine, tls=gateway.certificate)


def test_prefaces(t):
    gateway, _ = start(t)
    for name, sent, _ in sequences.PREFACES:
        with H2Client(gateway.h2c_port, preface=False) as client:
            client.send(sent)
            seen = client.outcome(1)
            true(seen == ("closed", None) or seen[0] == "goaway", f"{name}: {seen}")


def test_byte_by_byte(t):
    """A preface and a request, cut at every byte, on a port that also serves
    HTTP/1.1 and must not decide before it can."""
    gateway, engine = start(t)
    sent = PREFACE + settings((1, 0)) + headers(
        1, sequences.request(("content-type", "application/octet-stream")), sequences.OPEN) + data(1, b"hello")
    with H2Client(gateway.port, preface=False) as client:
        for i in range(len(sent)):
            client.send(sent[i:i + 1])
        equal(client.answer(1)[0], 200, "the answer")
    equal(engine.messages[-1].body, b"hello", "the body")
    equal(engine.violations, [], "what could be read in two ways")


story.run(globals())
