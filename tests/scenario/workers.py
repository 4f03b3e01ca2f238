"""Long streams are spread over the workers, whichever socket the kernel chose
for them; what was handed over is answered whole."""
import threading

from lib import story, text
from lib.gateway import chat
from lib.h2client import H2
from lib.process import until
from lib.story import equal, sized, true
from lib.wire import text_of

PATH = "/v1/chat/completions"
STREAMS = 96
TOKENS = sized(400, 100)


def live(gateway, workers):
    m = gateway.metrics()
    return [int(m[f'sluice_worker_requests_live{{worker="{i}"}}']) for i in range(workers)]


def bound(counts):
    """What thread.c's rule allows: an eighth and three more than the least, the
    connection that is being placed, and one for each other worker that places
    one in the same moment."""
    return min(counts) // 8 + 3 + 1 + len(counts) - 1


class Streams:
    """Long streams, one on each connection, held open; every other over HTTP/2."""

    def __init__(self, gateway, n, first=0, tokens=TOKENS):
        self.gateway, self.tokens = gateway, tokens
        self.clients = [self._open(first + i) for i in range(n)]

    def _open(self, i):
        body = chat(f"stream {i}", stream=True, max_tokens=self.tokens)
        h2 = i % 2 == 0
        c = H2(self.gateway.port) if h2 else self.gateway.connect()
        return [c, h2, body, None]

    def ask(self):
        """All of them connected before the first one asks: a burst."""
        for client in self.clients:
            client[3] = client[0].request("POST", PATH, client[2])
        return self

    def close(self):
        for client in self.clients:
            client[0].close()

    def read_all(self):
        """Reads every stream to its end; its text must be the engine's, byte for byte."""
        failures = []

        def read(c, h2, body, stream):
            try:
                events = c.wait(stream).events if h2 else list(c.events(c.head()))
                equal(events[-1], "[DONE]", "the last event")
                equal(text_of(events), text.of_chat(body["messages"], self.tokens), "the text")
            except Exception as e:
                failures.append(f"{body['messages'][0]['content']}: {e!r}"[:300])
        threads = [threading.Thread(target=read, args=c) for c in self.clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        equal(failures, [], "streams that were not whole")


def check_balance(gateway, workers, what):
    until(lambda: sum(live(gateway, workers)) == STREAMS, "all streams to be live")
    counts = live(gateway, workers)
    true(max(counts) - min(counts) <= bound(counts), f"{STREAMS} streams on {workers} workers, {what}: {counts}")
    return counts


def plain(t, workers):
    """Engines at the profile's own speed: a stream lasts longer than its test."""
    return t.plain(2, workers=workers, options=("--speed", "1"))[0]


def test_a_burst(t):
    """All connected before the first asks: none is live yet when they are placed."""
    for workers in (1, 2, 4):
        gateway = plain(t, workers)
        streams = Streams(gateway, STREAMS, tokens=100000).ask()
        check_balance(gateway, workers, "in a burst")
        streams.close()
        gateway.wait_idle()
        t.end_early(gateway)


def one_by_one(gateway, workers):
    """Opens the streams in turn; returns those of each worker."""
    of = [[] for _ in range(workers)]
    for i in range(STREAMS):
        before = live(gateway, workers)
        stream = Streams(gateway, 1, first=i, tokens=100000).ask()
        until(lambda n=i: sum(live(gateway, workers)) == n + 1, "the stream to be live")
        after = live(gateway, workers)
        of[next(w for w in range(workers) if after[w] > before[w])].append(stream)
    return of


def test_one_worker_is_left(t):
    """All the clients of one worker leave; new ones go to where there is room."""
    for workers in (2, 4):
        gateway = plain(t, workers)
        of = one_by_one(gateway, workers)
        before = check_balance(gateway, workers, "one by one")
        equal([len(streams) for streams in of], before, "streams of each worker")
        for stream in of[0]:
            stream.close()
        until(lambda: live(gateway, workers) == [0, *before[1:]], "that worker to be idle, the others not")
        handed = gateway.metric("sluice_worker_handovers_total")
        more = Streams(gateway, before[0], first=1000, tokens=100000).ask()
        check_balance(gateway, workers, "after one was left")
        true(gateway.metric("sluice_worker_handovers_total") > handed, "some were handed over")
        more.close()
        for streams in of[1:]:
            for stream in streams:
                stream.close()
        gateway.wait_idle()
        t.end_early(gateway)


def test_whole_answers(t):
    """Handed over before the first byte is read: nothing is lost."""
    for workers in (1, 2, 4):
        gateway, engines = t.plain(2, workers=workers, options=("--speed", "4"))
        streams = Streams(gateway, STREAMS).ask()
        streams.read_all()
        streams.close()
        t.end_early(gateway, *engines)


story.run(globals())
