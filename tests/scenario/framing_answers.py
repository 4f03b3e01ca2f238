"""One reading of every engine's answer.

The rows of tests/conformance/http1/answers.py are sent by an engine of the
story's own. A client gets the answer, an error, or something that visibly broke
off; never a half that looks whole, and never a byte of another's answer.
"""
import os
import sys
import threading

from lib import story
from lib.gateway import chat, pool
from lib.process import Failure
from lib.rows import check_table, tell
from lib.scripted import MODELS, ScriptedEngine, completion, reply
from lib.story import equal, true
from lib.wire import Connection, Truncated, split_events

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "conformance", "http1"))
from answers import BROKEN, LIMITS, REFUSED, ROWS, plain  # noqa: E402

QUIET = {"metrics_path": "off", "probe_interval": "100ms", "passive_fall": 1000}


class RowEngine(ScriptedEngine):
    """Answers with `row` where the request's text says so, else with its text."""

    def __init__(self):
        self.row, self.seen = None, []  # (connection, nth) of each request
        super().__init__(self._handle)

    def _handle(self, request):
        self.seen.append((request.connection, request.nth))
        if b'"content": "row"' not in request.body:
            request.send(completion(text_in(request.body)))
            return True
        request.send(self.row.data)
        return not self.row.closes


def text_in(body):
    return body.split(b'"content": "')[1].split(b'"')[0].decode()


def serve(t, *engines, **directives):
    body = "model sim { policy round-robin; }\n" + pool("all", engines, **QUIET, **directives)
    return t.gateway(body, *engines, workers=1, main=LIMITS)


def ask(connection, row):
    """(status, fields, body, whether the message ended well)"""
    connection.request("POST", "/v1/chat/completions", chat("row", stream=row.stream))
    answer = connection.head()
    try:
        for piece in connection.pieces(answer):
            answer.body += piece
    except (Truncated, ConnectionResetError):
        return answer, False
    return answer, True


def check_error(answer):
    equal(answer.status, 502, "the status")
    error = answer.json()["error"]
    true(error["message"] and error["type"] and error["code"], f"an error in OpenAI's form: {answer}")


def check_broken(row, answer, whole):
    equal(answer.status, 200, "the status")
    if whole:
        last = list(split_events(answer.body))[-1]
        true('"error"' in last, f"a stream that ends well says what went wrong: {answer.body[-200:]}")
        end = answer.body.rindex(b"data: ")
        equal(answer.body[:end], row.body, "whole events before the error")
    else:
        true(len(answer.body) < len(row.body) or row.stream, "less than all")
        true(row.body.startswith(answer.body), "what came is the row's")


def check(row, answer, whole):
    if row.outcome == REFUSED:
        true(whole, "the gateway's own answer is whole")
        check_error(answer)
    elif row.outcome == BROKEN:
        check_broken(row, answer, whole)
    else:
        true(whole, "the answer is whole")
        equal((answer.status, answer.body), (row.status, row.body), "the answer")
        present = [n for n, _ in answer.headers]
        equal([n for n in row.absent if n in present], [], "fields that end here")


def each(t, rows, one):
    failures = []
    for row in rows:
        try:
            one(row)
        except (Failure, Truncated, OSError, ValueError, KeyError, AssertionError) as e:
            failures.append(f"{row.name} ({row.why}): {e!r}")
    tell(failures, f"{len(rows)} rows")


def test_rows_differ(_):
    check_table(ROWS)


def test_one_engine(t):
    """The row on a connection that was used before, and two requests behind it."""
    engine = RowEngine()
    gateway = serve(t, engine)

    def one(row):
        engine.row = row
        engine.seen.clear()
        with gateway.connect() as c:
            c.request("POST", "/v1/chat/completions", chat("before"))
            equal(c.answer().json()["choices"][0]["message"]["content"], "before", "the one before")
            check(row, *ask(c, row))
        for word in ("first", "second"):
            answer = gateway.chat(word)
            equal((answer.status, answer.json()["choices"][0]["message"]["content"]), (200, word), "the one behind")
        seen = engine.seen[-3:]  # the row's and those behind
        equal(seen[1] == (seen[0][0], seen[0][1] + 1), row.kept, "the connection was used again")
        equal(seen[2], (seen[1][0], seen[1][1] + 1), "that of a good answer is")
    each(t, ROWS, one)


def test_another_engine(t):
    """A refused answer costs nobody a request where there is another engine."""
    bad = RowEngine()
    good = ScriptedEngine(lambda r: r.send(completion("good")) or True)
    gateway = serve(t, bad, good)

    def one(row):
        bad.row = row
        bad.seen.clear()
        while not bad.seen:
            answer = gateway.chat("row")
            equal((answer.status, answer.json()["choices"][0]["message"]["content"]), (200, "good"), "the answer")
    each(t, [r for r in ROWS if r.outcome == REFUSED and not r.stream], one)


def test_byte_by_byte(t):
    """The verdict does not depend on how the answer arrives. Connections are not
    used again: what one says too late could fall into the next row's answer."""
    class SlowEngine(RowEngine):
        def _handle(self, request):
            if b'"content": "row"' in request.body:
                for i in range(len(self.row.data)):
                    request.send(self.row.data[i:i + 1])
                return not self.row.closes
            return super()._handle(request)
    engine = SlowEngine()
    gateway = serve(t, engine, max_idle=0)

    def one(row):
        engine.row = row
        with gateway.connect() as c:
            check(row, *ask(c, row))
    each(t, [r for r in ROWS if len(r.data) < 3000], one)


class EarlyEngine(ScriptedEngine):
    """Answers when it has read the head of a request, and reads no further."""

    def __init__(self, data):
        self.data, self.posts, self.over = data, 0, threading.Event()
        super().__init__(None)

    def _serve(self, conn):
        try:
            with conn:
                while True:
                    head = b""
                    while b"\r\n\r\n" not in head:
                        piece = conn.recv(1)
                        if not piece:
                            return
                        head += piece
                    if head.startswith(b"GET"):
                        conn.sendall(reply(MODELS if b" /v1/models" in head else b""))
                        continue
                    self.posts += 1
                    conn.sendall(self.data)
                    self.over.wait(60)
                    return
        except OSError:
            pass


def test_an_answer_before_the_request_is_complete(t):
    """It is taken, and its connection, which owes the engine half a body, is not."""
    refusal = plain(line=b"HTTP/1.1 413 Content Too Large", body=b'{"error":{"message":"too large"}}')
    engine = EarlyEngine(refusal)
    gateway = serve(t, engine)
    try:
        for n in (1, 2):
            answer = gateway.chat("x" * 12_000_000)
            equal((answer.status, answer.body), (413, b'{"error":{"message":"too large"}}'), "the answer")
            equal(engine.posts, n, "each on a connection of its own")
    finally:
        engine.over.set()


def test_an_answer_nobody_asked_for(t):
    """An idle connection on which the engine talks is closed unread."""
    poison = completion("poison")
    talk = threading.Event()

    class Talker(RowEngine):
        def _handle(self, request):
            super()._handle(request)
            if len(self.seen) == 1:
                talk.wait(60)
                request.send(poison)
                equal(request.conn.recv(1), b"", "the gateway closes it")
                done.set()
                return False
            return True
    done = threading.Event()
    engine = Talker()
    gateway = serve(t, engine)
    equal(gateway.chat("one").status, 200, "the first")
    talk.set()
    true(done.wait(60), "the connection is closed")
    answer = gateway.chat("two")
    equal(answer.json()["choices"][0]["message"]["content"], "two", "the second")
    equal(engine.seen, [(0, 1), (1, 1)], "on connections of their own")


if __name__ == "__main__":
    story.run(globals())
