#!/usr/bin/env python3
"""vllm.py DIR REPORT: the checks behind docs/real-vllm.md.

Every check says what it saw; what a fault does is told request by request. The
report is written whether or not all of them hold.
"""
import json
import os
import sys
import threading
import time
import traceback

from engine import MODEL, Vllm, free_port, until  # noqa: F401
from lib import gateway as gw
from lib import story
from lib.story import equal, true
from lib.wire import Connection, Truncated, text_of

ROOT, REPORT = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
VERSION = "0.32.0"
# Three engines share the machine, and a first request of a kind compiles for
# seconds: nothing is hurried while nothing is broken.
PATIENT = {"probe_interval": "500ms", "probe_timeout": "20s", "stale": "30s"}
# What is frozen must be found out; these are what a client then waits. A decode
# engine on two busy cores sometimes fetches blocks for half a minute, asked by
# the gateway or by hand, and answers no probe meanwhile.
WATCHFUL = {"probe_interval": "500ms", "probe_timeout": "20s", "stale": "30s", "prefill_timeout": "30s",
            "first_event_timeout": "45s", "answer_timeout": "45s", "stream_idle_timeout": "45s"}


def prompt(seed, words=120):
    return " ".join(f"w{seed * 7919 + i * i}" for i in range(words))


def chat(content, **fields):
    return gw.chat(content, **{"model": MODEL, "max_tokens": 12, "temperature": 0, **fields})


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


class Checks:
    """Runs checks in order, and remembers what to tell."""

    def __init__(self, t):
        self.t, self.results, self.rows = t, [], []

    def __call__(self, name, run):
        seen, word = [], "ok"
        try:
            seen = run() or []
        except Exception:
            word = "FAILED"
            traceback.print_exc()
            self.t.show_logs()
        self.results.append((name, word))
        self.rows += [(name, seen)] if seen else []
        print(f"{word:6} {name}", flush=True)

    @property
    def failed(self):
        return sum(word != "ok" for _, word in self.results)


class Bench:
    """The engines and the gateway, and the questions put to them."""

    def __init__(self, t):
        self.t = t
        self.prefill = self.start("prefill", "prefill")
        self.decode = self.start("decode", "decode")
        self.ordinary = self.start("ordinary", None)
        for engine in (self.prefill, self.decode, self.ordinary):
            engine.wait_ready()
        self.gateway = t.gateway(self.pools(PATIENT), self.prefill, self.decode)

    def pools(self, times, ordinary=False):
        text = gw.prefill_decode([self.prefill], [self.decode], model=MODEL, **times)
        return text + gw.pool("ordinary", [self.ordinary], **times) if ordinary else text

    def configure(self, times, ordinary=False):
        self.gateway.write(self.pools(times, ordinary))
        self.gateway.reload()

    def start(self, name, role, port=None):
        return self.t.adopt(Vllm(name, ROOT, os.path.join(self.t.folder, f"{name}.log"),
                                 port or free_port(), role))

    def restart(self, engine, role):
        engine.kill()
        new = self.start(engine.name, role, engine.port)
        new.wait_ready()
        self.gateway.wait_healthy(new)
        return new

    def ask(self, body, path="/v1/chat/completions", port=None):
        return Client(port or self.gateway.port, body, path).wait()

    def truth(self, body, path="/v1/chat/completions"):
        """What the ordinary engine says to it."""
        return self.ask(body, path, self.ordinary.port).text

    def line(self):
        """The last access line, once the gateway is idle."""
        self.gateway.wait_idle()
        return self.gateway.access()[-1]

    # -- the plain path ----------------------------------------------------

    def both_legs(self):
        rows = []
        for kind, path in (("chat", "/v1/chat/completions"), ("completions", "/v1/completions")):
            for stream in (False, True):
                text = prompt(len(rows) + 1)
                body = chat(text, stream=stream) if kind == "chat" else {
                    "model": MODEL, "prompt": text, "max_tokens": 12, "temperature": 0, "stream": stream}
                p0, d0 = self.prefill.metrics(), self.decode.metrics()
                client = self.ask(body, path)
                true(client.ok, f"{kind}, stream {stream}: {client.status} {client.error}")
                equal(client.text, self.truth({**body, "stream": False}, path),
                      f"{kind}, stream {stream}: text of the ordinary engine")
                p1, d1 = self.prefill.metrics(), self.decode.metrics()
                line = self.line()
                equal(line["placement"], "remote", "placement")
                legs = [after["vllm:request_success_total"] - before["vllm:request_success_total"]
                        for before, after in ((p0, p1), (d0, d1))]
                equal(legs, [1, 1], "requests finished by prefill and decode engine")
                moved = until(lambda d0=d0: self.decode.metrics()["vllm:nixl_bytes_transferred_sum"]
                              - d0["vllm:nixl_bytes_transferred_sum"], "transferred bytes")
                equal(p1["vllm:generation_tokens_total"] - p0["vllm:generation_tokens_total"], 1,
                      "tokens generated by the prefill engine")
                rows.append(f"| {kind} | {'streamed' if stream else 'whole'} | 1 + 1 | {moved:.0f} | equal |")
        return ["| request | answer | legs (prefill + decode) | bytes moved over NIXL | text |",
                "|---|---|---|---|---|", *rows]

    def usage(self):
        body = chat(prompt(11), stream=True, stream_options={"include_usage": True})
        with Connection(self.gateway.port) as c:
            c.request("POST", "/v1/chat/completions", body)
            events = list(c.events(c.head()))
        usage = [u for e in events[:-1] if (u := json.loads(e).get("usage"))]
        equal(len(usage), 1, "usage chunks")
        with Connection(self.ordinary.port) as c:
            c.request("POST", "/v1/chat/completions", {**body, "stream": False, "stream_options": None})
            wanted = c.answer().json()["usage"]
        for key in ("prompt_tokens", "completion_tokens", "total_tokens"):
            equal(usage[0][key], wanted[key], key)

    def models_and_errors(self):
        models = self.gateway.ask("GET", "/v1/models").json()
        equal([m["id"] for m in models["data"]], [MODEL], "model list")
        rows = []
        cases = {"unknown model": chat("x", model="none"),
                 "max_tokens too large": chat("x", max_tokens=100000),
                 "temperature below zero": chat("x", temperature=-3),
                 "messages of a wrong type": {"model": MODEL, "messages": "hi"}}
        for what, body in cases.items():
            for stream in (False, True):
                client = self.ask({**body, "stream": stream})
                direct = self.ask({**body, "stream": stream}, port=self.ordinary.port)
                equal(client.status, direct.status, f"{what}: status")
                rows.append(f"| {what} | {'streamed' if stream else 'whole'} | {client.status} | {direct.status} |")
        return ["| request | answer | through the gateway | vLLM itself |", "|---|---|---|---|", *rows]

    def hostile_params(self):
        rows = []
        for params in ({"do_remote_prefill": True}, {"prompt_token_ids": [40, 41, 42, 43]}, "text", {}, None,
                       {"do_remote_prefill": True, "remote_host": "10.0.0.1", "remote_port": 1,
                        "remote_engine_id": "x", "remote_block_ids": [[1]], "remote_request_id": "x",
                        "tp_size": 1}):
            body = chat(prompt(21))
            client = self.ask({**body, "kv_transfer_params": params})
            true(client.ok, f"{params}: {client.status} {client.error}")
            equal(client.text, self.truth(body), f"{params}: the text")
            rows.append(f"| `{json.dumps(params)}` | {client.status} | equal |")
        for engine in (self.prefill, self.decode):
            true(engine.running and engine.idle(), f"{engine.name} is well")
        return ["| client's `kv_transfer_params` | status | text |", "|---|---|---|", *rows]

    def abort(self):
        rows = []
        for stream in (True, False):
            before = self.decode.metrics()["vllm:generation_tokens_total"]
            with Connection(self.gateway.port) as c:
                c.request("POST", "/v1/chat/completions",
                          chat(prompt(31), max_tokens=1500, ignore_eos=True, stream=stream))
                if stream:
                    events = c.events(c.head())
                    for _ in range(5):
                        next(events)
                else:
                    until(lambda: not self.decode.idle(), "the decode engine to run")
            until(self.decode.idle, "the decode engine to stop")
            made = self.decode.metrics()["vllm:generation_tokens_total"] - before
            true(made < 1500, f"{made} of 1500 tokens were made")
            rows.append(f"| {'streamed' if stream else 'whole'} | yes |")
        return ["| answer | engine stopped before its 1500 tokens |", "|---|---|", *rows]

    # -- faults ------------------------------------------------------------

    def fault(self, what, break_it, n=6):
        """Requests in flight when it happens, and others after it."""
        flying = [Client(self.gateway.port, chat(prompt(100 + i, 30), max_tokens=1600, ignore_eos=True,
                                                 stream=True)) for i in range(3)]
        for client in flying:
            client.first_seen.wait(120)
        break_it()
        later = [Client(self.gateway.port, chat(prompt(200 + i), stream=bool(i % 2))) for i in range(n)]
        rows = ["| request | answer | status | what the client sees |", "|---|---|---|---|",
                *[c.wait().row(f"in its stream, {i + 1}") for i, c in enumerate(flying)],
                *[c.wait().row(f"sent after, {i + 1}") for i, c in enumerate(later)]]
        print("\n".join(rows), flush=True)
        for c in later:
            true(c.ok, f"{what}: a request that had no event yet was lost: {c.status} {c.error}")
            equal(c.text, self.truth({**c.body, "stream": False}), f"{what}: the text")
        for c in flying:
            true(c.ok or (c.error and c.events), f"{what}: an honest end: {c.error}")
        return rows

    def prefill_frozen(self):
        rows = self.fault("prefill frozen", self.prefill.freeze, n=3)
        self.prefill.thaw()
        self.gateway.wait_healthy(self.prefill)
        return rows

    def prefill_killed(self):
        return self.fault("prefill killed", self.prefill.kill)

    def prefill_restarted(self):
        self.configure(PATIENT)
        self.prefill = self.restart(self.prefill, "prefill")

        def remote():
            client = self.ask(chat(prompt(int(time.monotonic() * 1000) % 10**6)))
            true(client.ok, f"after the restart: {client.status} {client.error}")
            return self.line()["placement"] == "remote"
        until(remote, "the restarted engine to prefill again", interval=0.5)
        self.both_legs()

    def add_ordinary(self):
        self.configure(WATCHFUL, ordinary=True)
        self.gateway.wait_healthy(self.ordinary)

    def decode_frozen(self):
        rows = self.fault("decode frozen", self.decode.freeze, n=3)
        self.decode.thaw()
        self.gateway.wait_healthy(self.decode)
        return rows

    def decode_killed(self):
        return self.fault("decode killed", self.decode.kill)


def write_report(checks):
    lines = ["# Real vLLM", "",
             "Written by `tests/real/vllm.sh`; do not edit. The gateway in front of real engines:",
             f"vLLM {VERSION} on the CPU with a tiny random model, a prefill/decode pair whose KV blocks move",
             "over NIXL (UCX, TCP and shared memory), and one ordinary engine. Temperature is 0, so the ordinary",
             "engine's text is what every answer must be equal to. \"Whole\" is an answer that is not streamed.", "",
             "| check | result |", "|---|---|", *[f"| {name} | {word} |" for name, word in checks.results], ""]
    for name, rows in checks.rows:
        lines += [f"## {name[0].upper()}{name[1:]}", "", *rows, ""]
    lines += ["An engine that is frozen is found out by `first_event_timeout`, `prefill_timeout` or the probes, whichever",
              "is first; a stream that already had events ends with an error event and without `[DONE]`.", ""]
    with open(REPORT, "w", encoding="utf-8") as f:
        f.write("\n".join(lines))


def main():
    with story.session() as t:
        bench, checks = Bench(t), Checks(t)
        checks("chat and completions, both legs, text equal to an ordinary engine's", bench.both_legs)
        checks("usage as the engine reports it", bench.usage)
        checks("model list and the engine's own errors", bench.models_and_errors)
        checks("a client's transfer parameters are harmless", bench.hostile_params)
        checks("a client that leaves stops the engine", bench.abort)
        checks("shorter time-outs by reload", lambda: bench.configure(WATCHFUL))
        checks("prefill engine frozen", bench.prefill_frozen)
        checks("prefill engine killed", bench.prefill_killed)
        checks("prefill engine restarted, and used again", bench.prefill_restarted)
        checks("an ordinary engine added by reload", bench.add_ordinary)
        checks("decode engine frozen", bench.decode_frozen)
        checks("decode engine killed", bench.decode_killed)
        write_report(checks)
        print(f"{len(checks.results) - checks.failed} passed, {checks.failed} failed")
        return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
