"""One reading of every HTTP/1.1 request.

The rows of tests/conformance/http1/requests.py are played over raw sockets.
Behind every row comes a probe on the same connection, so that a gateway that
took more or less than the message is caught; and an engine that takes nothing
ambiguous says what it was sent.
"""
import os
import sys

from lib import story
from lib.echo import EchoEngine, echoed, text
from lib.gateway import pool
from lib.process import Failure
from lib.rows import check_table, tell
from lib.story import equal, true
from lib.wire import Connection, Truncated

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "conformance", "http1"))
import table  # noqa: E402
from requests import BODY, LIMITS, ROWS, get, plain, post  # noqa: E402

SPLIT_LIMIT = 4000  # longer rows are not sent byte by byte
PROBE = get()


def serve(t):
    engine = EchoEngine()
    body = pool("all", [engine], metrics_path="off", probe_interval="100ms", passive_fall=1000)
    return t.gateway(body, engine, workers=1, main=LIMITS), engine


def turn(beat):
    """The only worker has read all that was sent before, and worked on it."""
    beat.send(PROBE)
    equal(beat.answer("GET").status, 200, "the beat")


def send(connection, pieces, beat):
    """A gateway that has refused may close before all is sent."""
    try:
        for i, piece in enumerate(pieces):
            if i:
                turn(beat)
            connection.send(piece)
    except OSError:
        pass


def ended(connection):
    """True if the connection ends and nothing more came."""
    try:
        return not connection.buffer and not connection.socket.recv(65536)
    except ConnectionResetError:
        return True


def check_answer(row, answer, body):
    length = answer.header("content-length")
    true(length is not None, "an answer without a length")
    if row.method == "HEAD":
        return
    equal(int(length), len(answer.body), "the length of the answer")
    if answer.status == 405:
        true("POST" in answer.header("allow") or "GET" in answer.header("allow"), "Allow says what may be done")
    if answer.status != 200:
        true(answer.json()["error"]["code"], f"an error in OpenAI's form: {answer}")
    elif body is not None:
        equal(text(answer), echoed(body), "the answer belongs to its request")


def play(gateway, row, pieces, beat):
    served = list(row.bodies)
    with Connection(gateway.port, timeout=30) as c:
        send(c, pieces, beat)
        for status in row.statuses:
            answer = c.answer(row.method)
            equal(answer.status, status, "the status")
            check_answer(row, answer, served.pop(0) if status == 200 and served else None)
        if row.closes:
            equal(answer.header("connection"), "close", "the last answer's connection field")
            c.socket.shutdown(1)
            true(ended(c), f"the connection goes on: {c.buffer!r}")
            return
        for _ in range(2):
            c.send(PROBE)
            answer = c.answer("GET")
            true(answer.status == 200 and answer.json()["object"] == "list", f"the probe behind it: {answer}")
        true(not c.buffer, f"more than the answers: {c.buffer!r}")


def check_engine(row, engine):
    equal(engine.violations, [], "what the engine refused")
    equal([m.body for m in engine.messages], list(row.bodies), "the bodies at the engine")
    for m in engine.messages:
        equal(m.path, row.path, "the path at the engine")
        for name in row.absent:
            true(name not in m.fields, f"{name} reached the engine")
        for name, value in row.present.items():
            equal(m.fields.get(name), value, f"{name} at the engine")


def play_all(t, rows, cuts):
    """cuts: what to send of a row, in pieces; a list of ways for each row."""
    gateway, engine = serve(t)
    failures, plays, beat = [], 0, gateway.connect()
    for row in rows:
        for pieces in cuts(row.data):
            plays += 1
            engine.messages.clear()
            try:
                play(gateway, row, pieces, beat)
                check_engine(row, engine)
            except (Failure, Truncated, OSError, ValueError, KeyError) as e:
                failures.append(f"{row.name} ({row.why}): {e!r}")
                engine.violations.clear()
                break
    tell(failures, f"{len(rows)} rows, {plays} connections")


def test_rows_differ(_):
    check_table(ROWS)


def test_the_table_is_written_down(_):
    with open(table.PATH, encoding="utf-8") as f:
        equal(f.read() == table.document(), True, "docs/http1-messages.md is what table.py writes")


def test_at_once(t):
    play_all(t, ROWS, lambda data: [[data]])


def test_byte_by_byte(t):
    short = [r for r in ROWS if len(r.data) <= SPLIT_LIMIT]
    play_all(t, short, lambda data: [[data[i:i + 1] for i in range(len(data))]])


def test_cut_at_every_position(t):
    play_all(t, [r for r in ROWS if r.cut], lambda data: [(data[:i], data[i:]) for i in range(1, len(data))])


def test_the_first_letter_of_a_method(t):
    """`P` could begin the preface of HTTP/2: more is waited for."""
    gateway, engine = serve(t)
    beat = gateway.connect()
    for n in range(1, 4):
        with gateway.connect() as c:
            send(c, [plain()[:n], plain()[n:]], beat)
            equal(c.answer().status, 200, f"{n} bytes first")
    equal(len(engine.messages), 3, "requests at the engine")


def test_100_continue(t):
    """The body is asked for, and only where one is wanted."""
    gateway, engine = serve(t)
    expect = b"Expect: 100-continue\r\n"
    with gateway.connect() as c:
        c.send(plain(expect)[:-len(BODY)])
        interim = b""
        while b"\r\n\r\n" not in interim:
            interim += c.socket.recv(1)
        equal(interim, b"HTTP/1.1 100 Continue\r\n\r\n", "the interim answer")
        equal(engine.messages, [], "no request before its body")
        c.send(BODY)
        equal(c.answer().status, 200, "the answer")
    for head, status in ((post(expect, b"Content-Length: 65537\r\n", body=b""), b"413"),
                         (post(expect, b"Content-Length: 9\r\n", body=b"", line=b"POST /nowhere HTTP/1.1"), b"404"),
                         (get(expect), b"200")):
        with gateway.connect() as c:
            c.send(head)
            equal(c.socket.recv(12), b"HTTP/1.1 " + status, "the only answer")


def test_a_request_is_not_sent_before_its_end(t):
    """Half a request that ends with its connection reaches no engine."""
    gateway, engine = serve(t)
    whole = plain()
    for end in (len(whole) - 1, len(whole) - len(BODY), 30):
        with gateway.connect() as c:
            c.send(whole[:end])
            c.socket.shutdown(1)
            true(ended(c), "no answer to half a request")
    gateway.wait_idle()
    equal((engine.messages, engine.violations), ([], []), "what the engine saw")


if __name__ == "__main__":
    story.run(globals())
