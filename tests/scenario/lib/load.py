"""Load from Python threads, every answer looked at, and h2load's summary."""
import random
import re
import threading
import time

from .gateway import chat
from .process import Failure, until
from .wire import Connection, Truncated


class Result:
    def __init__(self):
        self.done, self.failures, self.longest = 0, [], 0.0
        self.broken = []  # of the failures: streams that had brought text
        self.lock = threading.Lock()

    def add(self, failure, seconds, broken=False):
        with self.lock:
            self.done += 1
            self.longest = max(self.longest, seconds)
            if failure:
                self.failures.append(failure)
            if failure and broken:
                self.broken.append(failure)


class Load:
    """Clients that ask again and again until stop(); a context manager.

    Each client keeps its connection; a request is half of the time streamed.
    An answer counts as good only if it is complete: status 200 and, streamed,
    the role, text and a last [DONE] without an error event. Prompts are random
    words, or what prompt(rng) says.
    """

    def __init__(self, gateway, clients=8, max_tokens=6, words=40, path="/v1/chat/completions", prompt=None):
        self.result = Result()
        self._gateway, self._path = gateway, path
        self._max_tokens = max_tokens
        self._prompt = prompt or (lambda rng: random_words(rng, words))
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._client, args=(i,), daemon=True) for i in range(clients)]

    def __enter__(self):
        for t in self._threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self._stop.set()
        for t in self._threads:
            t.join(120)
            if t.is_alive():
                raise Failure("a client of the load hangs")
        return self.result

    def passed(self, n):
        """When n requests more have been answered."""
        goal = self.result.done + n
        until(lambda: self.result.done >= goal, f"{n} more requests", timeout=240)

    def _client(self, seed):
        rng = random.Random(seed)
        connection = None
        while not self._stop.is_set():
            start, answer = time.monotonic(), None
            try:
                connection = connection or Connection(self._gateway.port)
                answer = self._request(connection, rng)
                for piece in connection.pieces(answer):
                    answer.body += piece
                failure = self._wrong_with(answer)
            except (OSError, Truncated) as e:
                failure = repr(e)
            broken = answer is not None and b'"content":"' in answer.body
            self.result.add(failure, time.monotonic() - start, broken)
            if failure:
                connection = None
                time.sleep(0.01)

    def _request(self, connection, rng):
        """The head of its answer."""
        content, streamed = self._prompt(rng), rng.random() < 0.5
        connection.request("POST", self._path, chat(content, max_tokens=self._max_tokens, stream=streamed))
        return connection.head()

    @staticmethod
    def _wrong_with(answer):
        if answer.status != 200:
            return repr(answer)
        if answer.header("content-type").startswith("text/event-stream"):
            events = answer.events
            if not events or events[-1] != "[DONE]" or any('"error"' in e for e in events):
                return f"stream ended with {events[-2:]}"
        elif "choices" not in answer.json():
            return repr(answer)
        return None


def random_words(rng, n):
    return " ".join(str(rng.randrange(10**6)) for _ in range(n))


class H2load:
    """h2load's summary."""

    def __init__(self, text):
        self.text = text
        done = re.search(r"requests: (\d+) total, \d+ started, (\d+) done, (\d+) succeeded, "
                         r"(\d+) failed, (\d+) errored, (\d+) timeout", text)
        status = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", text)
        if not done or not status:
            raise Failure(f"h2load said:\n{text}")
        self.total, self.done, self.succeeded, self.failed, self.errored, self.timeout = map(int, done.groups())
        self.ok = int(status[1])
        rate = re.search(r"([\d.]+) req/s", text)
        self.rate = float(rate[1]) if rate else 0.0


def h2load(story, url, requests, connections, streams, body=None, options=()):
    argv = ["h2load", "-n", requests, "-c", connections, "-m", streams, "-t", 1]
    if body:
        argv += ["-d", body, "-H", "content-type: application/json"]
    return H2load(story.run(*argv, *options, url, timeout=600)[1])
