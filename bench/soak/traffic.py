"""The clients: threads that ask again and again, each with a random generator
of its own made from the seed. They judge what they get (judge.py)."""
import json
import random
import socket
import threading
import time

from lib.h2client import H2
from lib.wire import Connection, Truncated

import expect
import judge

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
LOST = (OSError, Truncated, ValueError, AssertionError)

MALFORMED = [
    b"GARBAGE\r\n\r\n",
    b"POST /v1/chat/completions HTTP/1.1\r\n\r\n",
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{\"model\":",
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n[]",
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 16\r\n\r\n{\"model\":\"nono\"}",
    b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 70000 + b"\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 64,
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 40,
]


class Ask:
    """One request: what is asked, and the answer that must come."""

    def __init__(self, rng, model, words, tokens, streamed, chat=True):
        self.path, self.streamed = CHAT if chat else COMPLETIONS, streamed
        head = " ".join(f"{rng.randrange(1 << 32):x}" for _ in range(8))
        text = head + " lock water gate" * words
        body = {"model": model, "max_tokens": tokens, "stream": streamed}
        if chat:
            body["messages"] = [{"role": "user", "content": text}]
        else:
            body["prompt"] = text
        self.body = json.dumps(body).encode()
        self.expected = (expect.of_chat if chat else expect.of_prompt)(text, tokens)


class Way:
    """How a client is connected: the protocol, TLS, which gateway."""

    def __init__(self, name, gateway, h2=False, tls=False):
        self.name, self.h2 = name, h2
        self._port = gateway.tls_port if tls else gateway.port
        self._ca = gateway.certificate if tls else None

    def connect(self, **options):
        return (H2 if self.h2 else Connection)(self._port, tls=self._ca, timeout=90, **options)


class Client(threading.Thread):
    """Kinds of requests are methods do_*; weights say how often each is made."""

    WEIGHTS = {"small": 46, "keep": 10, "many": 8, "leave": 16, "stall": 6, "malformed": 6,
               "medium": 5, "megabyte": 3, "eight_megabytes": 1}

    def __init__(self, number, seed, ways, book, clock, stop):
        super().__init__(daemon=True)
        self.rng = random.Random(f"{seed} client {number}")
        self.ways, self.book, self.clock, self._stop_event = ways, book, clock, stop

    def run(self):
        kinds, weights = list(self.WEIGHTS), list(self.WEIGHTS.values())
        while not self._stop_event.is_set():
            kind = self.rng.choices(kinds, weights)[0]
            try:
                getattr(self, "do_" + kind)(kind)
            except LOST as e:  # connecting to the gateway itself failed
                self.book.add(kind, self.clock(), judge.Verdict("WRONG", f"the gateway: {e!r}"))
                time.sleep(0.1)

    # -- one request ---------------------------------------------------------

    def way(self):
        return self.rng.choice(self.ways)

    def ask(self, model, words, tokens=None):
        r = self.rng
        return Ask(r, model, words, tokens or r.choice((1, 8, 30, 80)), r.random() < 0.6, r.random() < 0.8)

    def finish(self, kind, way, c, ask, stalls=0):
        """Asks on this connection and judges the answer. True if c can go on."""
        begin = self.clock()
        status, body, complete = None, b"", False
        try:
            if way.h2:
                s = c.request("POST", ask.path, ask.body)
                try:
                    for _ in range(stalls):
                        c.read_events(s, 1)
                        self.pause()
                    c.wait(s)
                finally:
                    status, body = s.status, s.body
                    complete = s.ended and s.reset is None
            else:
                c.request("POST", ask.path, ask.body)
                answer = c.head()
                status = answer.status
                for piece in c.pieces(answer):
                    body += piece
                    if stalls:
                        stalls -= 1
                        self.pause()
                complete = True
        except LOST:
            pass
        self.book.add(f"{kind}, {way.name}", begin,
                      judge.of_answer(ask.expected, ask.streamed, status, body, complete))
        return complete

    def pause(self):
        time.sleep(self.rng.uniform(0.05, 0.6))

    def once(self, kind, model, words, tokens=None, stalls=0, **options):
        way, ask = self.way(), self.ask(model, words, tokens)
        with way.connect(**options) as c:
            self.finish(kind, way, c, ask, stalls)

    # -- the kinds -----------------------------------------------------------

    def model(self):
        return self.rng.choice(("split", "plain"))

    def do_small(self, kind):
        self.once(kind, self.model(), self.rng.choice((1, 20, 200)))

    def do_medium(self, kind):
        self.once(kind, self.model(), 4000)

    def do_megabyte(self, kind):
        self.once(kind, "plain", 1 << 16, 8)

    def do_eight_megabytes(self, kind):
        self.once(kind, "plain", 1 << 19, 4)

    def do_stall(self, kind):
        """Stops reading, goes on, and must miss nothing."""
        self.once(kind, self.model(), 20, 400, stalls=3, receive_buffer=4096)

    def do_keep(self, kind):
        way = self.way()
        with way.connect() as c:
            for _ in range(self.rng.randrange(2, 6)):
                if not self.finish(kind, way, c, self.ask(self.model(), 20)):
                    return

    def do_many(self, kind):
        """Several streams at once on one HTTP/2 connection."""
        way = next(w for w in self.rng.sample(self.ways, len(self.ways)) if w.h2)
        asks = [self.ask(self.model(), self.rng.choice((1, 200))) for _ in range(self.rng.randrange(2, 7))]
        begin = self.clock()
        with way.connect() as c:
            streams = []
            try:
                for a in asks:
                    streams.append(c.request("POST", a.path, a.body))
                for s in streams:
                    c.wait(s)
            except LOST:
                pass
            for a, s in zip(asks, streams):
                self.book.add(f"{kind}, {way.name}", begin, judge.of_answer(
                    a.expected, a.streamed, s.status, s.body, s.ended and s.reset is None))

    def do_leave(self, kind):
        """Goes away at any moment, in any way."""
        way, ask = self.way(), self.ask(self.model(), self.rng.choice((1, 200, 4000)), 400)
        begin, seen = self.clock(), b""
        c = way.connect()
        try:
            seen = self._some(way, c, ask)
        except LOST:
            pass
        self._go(way, c)
        self.book.add(f"{kind}, {way.name}", begin, judge.of_part(ask.expected, ask.streamed, seen))

    def _some(self, way, c, ask):
        """Part of the request, the whole request, or part of the answer."""
        at = self.rng.randrange(4)
        if at == 0 and not way.h2:
            c.send(f"POST {ask.path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                   f"Content-Length: {len(ask.body)}\r\n\r\n".encode() + ask.body[:len(ask.body) // 2])
            return b""
        if at == 0:
            c.begin("POST", ask.path, {"content-type": "application/json"})
            return b""
        stream = c.request("POST", ask.path, ask.body)
        if at == 1:
            return b""
        if at == 2:
            time.sleep(self.rng.uniform(0, 0.2))
            return b""
        if way.h2:
            c.read_events(stream, self.rng.randrange(1, 40))
            return stream.body
        answer, seen = c.head(), b""
        for piece in c.pieces(answer):
            seen += piece
            if answer.status != 200 or seen.count(b"\n\n") > 20:
                break
        return seen if answer.status == 200 else b""

    def _go(self, way, c):
        how = self.rng.randrange(4)
        try:
            if how == 0 and way.h2:
                for s in c.streams.values():
                    c.cancel(s)
            elif how == 1 and way.h2:
                c.say_goaway()
            elif how == 2:
                c.socket.shutdown(socket.SHUT_WR)
            elif how == 3:
                c.reset()
        except OSError:
            pass
        c.close()

    def do_malformed(self, kind):
        """Refused with a 4xx, or closed; and never 200."""
        way = next(w for w in self.ways if not w.h2)
        begin = self.clock()
        with way.connect() as c:
            data = self.rng.choice(MALFORMED)
            c.socket.settimeout(20)
            try:
                c.send(data)
                c.socket.shutdown(socket.SHUT_WR)
                first = c.socket.recv(64)
            except OSError:
                first = b""
        good = not first or first.startswith(b"HTTP/1.1 4") or data.startswith(b"PRI")
        self.book.add(kind, begin, judge.Verdict("rejected") if good
                      else judge.Verdict("WRONG", f"{data[:40]!r} was answered {first!r}"))


class Crowd:
    def __init__(self, n, seed, ways, book, clock):
        self._stop = threading.Event()
        self._clients = [Client(i, seed, ways, book, clock, self._stop) for i in range(n)]
        for client in self._clients:
            client.start()

    def stop(self):
        """All of them gone; what they wait for is waited for."""
        self._stop.set()
        for client in self._clients:
            client.join(240)
        return [c.name for c in self._clients if c.is_alive()]
