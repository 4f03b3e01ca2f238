"""What the steps ask engines and the gateway, and what came of it."""
import json
import threading
import time

from engine import MODEL
from lib.gateway import chat as gateway_chat
from lib.story import true
from lib.wire import Connection, Truncated, text_of


def prompt(seed, words=120):
    return " ".join(f"w{seed * 7919 + i * i}" for i in range(words))


def chat(content, **fields):
    return gateway_chat(content, **{"model": MODEL, "max_tokens": 12, "temperature": 0, **fields})


class Client:
    """One request, and how it went, in a row of the report."""

    def __init__(self, port, body, path="/v1/chat/completions"):
        self.port, self.body, self.path = port, body, path
        self.status, self.events, self.text, self.error = None, 0, "", ""
        self.first_s = self.total_s = None
        self.first_seen = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        start = time.monotonic()
        try:
            with Connection(self.port, timeout=180) as c:
                c.request("POST", self.path, self.body)
                answer = c.head()
                self.status = answer.status
                if self.body.get("stream") and answer.status == 200:
                    self._events(c, answer, start)
                else:
                    for piece in c.pieces(answer):
                        answer.body += piece
                    self._whole(answer)
        except (OSError, Truncated) as e:
            self.error = f"connection ended: {type(e).__name__}"
        finally:
            self.total_s = time.monotonic() - start
            self.first_seen.set()

    def _events(self, c, answer, start):
        done = False
        for event in c.events(answer):
            self.first_s = self.first_s or time.monotonic() - start
            if event == "[DONE]":
                done = True
            elif '"error"' in event:
                self.error = json.loads(event)["error"]["code"]
            else:
                self.events += 1
                self.text += text_of([event])
                if self.events >= 3:
                    self.first_seen.set()
        if not done and not self.error:
            self.error = "ended without [DONE]"

    def _whole(self, answer):
        body = answer.json()
        if answer.status == 200:
            choice = body["choices"][0]
            self.text = choice["message"]["content"] if "message" in choice else choice["text"]
        else:
            self.error = str(body.get("error", {}).get("code"))

    def wait(self):
        self.thread.join(200)
        true(not self.thread.is_alive(), "a client hangs")
        return self

    @property
    def ok(self):
        return self.status == 200 and not self.error

    def row(self, what):
        outcome = "complete" if self.ok else self.error
        return f"| {what} | {'streamed' if self.body.get('stream') else 'whole'} | {self.status} | {outcome} |"
