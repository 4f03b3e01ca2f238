#!/usr/bin/env python3
"""engines.py DIR REPORT ENGINE...: the checks behind docs/real-engines.md.

ENGINE=REASON is one that cannot be had. All others stand behind one gateway,
each in a pool of its own; two llama-servers share one. Every answer and every
number is compared with what the engine itself says when it is asked directly.
"""
import os
import sys
import threading
import time

from checks import Checks
from client import Client, chat, prompt
from engine import KServe, LlamaServer, MODEL, Ollama, Vllm, free_port, until
from lib import gateway as gw
from lib import story
from lib.process import Failure
from lib.story import equal, true
from lib.wire import Connection, Truncated
from own_page import COUNTERS, GAUGES, of_page

ROOT, REPORT = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
GIVEN = dict((a.split("=", 1) + [""])[:2] for a in sys.argv[3:])
GGUF = f"{ROOT}/model.gguf"
LLAMA_SERVER = os.environ.get("LLAMA_SERVER") or f"{ROOT}/llama-server"
OLLAMA = os.environ.get("OLLAMA") or f"{ROOT}/ollama"
# Six engines share two cores: an engine is slow before it is dead.
TIMES = {"probe_interval": "500ms", "probe_timeout": "3s", "stale": "10s", "connect_timeout": "2s",
         "first_event_timeout": "10s", "answer_timeout": "15s", "stream_idle_timeout": "15s"}
ENDLESS = 1700  # tokens; the engines' contexts end at 2048


class Kind:
    """An engine of the step: what the gateway calls its kind, the model it has
    to itself, what its API is below, and how one is started."""

    def __init__(self, kind, model, start, prefix="", count=1, listed=None):
        self.kind, self.model, self.start, self.prefix, self.count = kind, model, start, prefix, count
        self.listed = listed or model  # as its model list says


def start_vllm(folder):
    def start(name, names, log, port):
        return Vllm(name, ROOT, log, port, folder=folder, names=names, options=["--max-num-seqs", 2])
    return start


KINDS = {
    "vllm-0.32.0": Kind("vllm", "tiny-vllm32", start_vllm("vllm")),
    "vllm-0.19.1": Kind("vllm", "tiny-vllm19", start_vllm("vllm-0.19.1")),
    "kserve": Kind("kserve", "tiny-kserve", lambda name, names, log, port: KServe(name, ROOT, log, port, names),
                   prefix="/openai"),
    # It has one name, and takes every other one.
    "llama-server": Kind("llamacpp", "tiny-llama", lambda name, names, log, port: LlamaServer(
        name, LLAMA_SERVER, GGUF, log, port, names[:1]), count=2),
    "ollama": Kind("ollama", "tiny-ollama", lambda name, names, log, port: Ollama(
        name, OLLAMA, GGUF, log, port, names, log + ".home"), listed="tiny-ollama:latest"),
}


class Held:
    """A stream that is read until it is let go."""

    def __init__(self, port, path, body):
        self.connection = Connection(port, timeout=180)
        self.connection.request("POST", path, {**body, "stream": True}, [("Host", f"127.0.0.1:{port}")])
        self.answer, self.events = None, 0
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        try:
            self.answer = self.connection.head()
            for _ in self.connection.events(self.answer):
                self.events += 1
        except (OSError, ValueError, Truncated):
            pass  # it was let go

    def wait(self):
        until(lambda: self.answer, "an answer", 120)
        equal(self.answer.status, 200, "status of a stream")
        until(lambda: self.events > 3, "the stream's events", 120)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.reset()


class Traffic:
    """A request for one model every PACE_S, whatever became of those before it:
    clients that wait for an engine that hangs must not hide that it still gets
    requests."""

    PACE_S = 0.15

    def __init__(self, port):
        self.port, self.stopped, self.clients = port, threading.Event(), []
        self.thread = threading.Thread(target=self._ask, daemon=True)

    def _ask(self):
        n = 0
        while not self.stopped.wait(self.PACE_S):
            n += 1
            body = chat(prompt(int(time.monotonic() * 1000), 12), max_tokens=4, stream=bool(n % 2))
            self.clients.append(Client(self.port, body))

    def more(self, n):
        """n more that are sent from now on, and answered."""
        later = len(self.clients) + n
        until(lambda: len(self.clients) >= later, f"{n} more requests", 300)
        for client in self.clients[later - n:later]:
            client.wait()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        self.thread.join()
        for client in self.clients:
            client.wait()

    def ended(self, cut):
        """How those ended that were not answered, before or (cut) in their stream."""
        return [f"{c.status} {c.error}" for c in self.clients if not c.ok and bool(c.events) == cut]

    @property
    def slowest_s(self):
        return max(c.total_s for c in self.clients)


class Watch:
    """When the gateway last sent an engine a request, to a twentieth of a second."""

    def __init__(self, bench, engine):
        self.bench, self.engine = bench, engine
        self.dispatched, self.last = None, None
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._look, daemon=True)
        self.thread.start()

    def _look(self):
        while not self.stopped.wait(0.05):
            try:
                seen = self.bench.row(self.engine)["dispatched"]
            except (OSError, AssertionError, StopIteration):
                continue
            if seen != self.dispatched:
                self.dispatched, self.last = seen, time.monotonic()

    def stop(self):
        self.stopped.set()
        self.thread.join()


class Bench:
    """The engines and the gateway, and the questions put to them."""

    def __init__(self, t):
        self.t = t
        self.kinds = {name: KINDS[name] for name, reason in GIVEN.items() if not reason}
        self.engines = {name: [self.start(name, i) for i in range(kind.count)]
                        for name, kind in self.kinds.items()}
        for engine in self.all():
            began = time.monotonic()
            engine.wait_ready()
            print(f"{engine.name} is ready ({time.monotonic() - began:.0f} s)", flush=True)
        self.warm()
        self.gateway = t.gateway(self.pools(), *self.all())

    def all(self):
        return [e for engines in self.engines.values() for e in engines]

    def start(self, name, i, port=None):
        kind = self.kinds[name]
        label = name if kind.count == 1 else f"{name} {i + 1}"
        log = os.path.join(self.t.folder, f"{name}-{i + 1}.log")
        return self.t.adopt(kind.start(label, [kind.model, MODEL], log, port or free_port()))

    def warm(self):
        """A first answer may be half a minute's work."""
        for name, engine in self.firsts():
            equal(self.direct(name, engine, chat("warm up", model=engine.names[0])).status, 200, engine.name)

    def firsts(self):
        return [(name, engines[0]) for name, engines in self.engines.items()]

    def direct(self, name, engine, body, path="/v1/chat/completions"):
        return engine.ask("POST", self.kinds[name].prefix + path, body, timeout=180)

    def pools(self, named=False):
        """named: their kinds are configured, and what they serve, which is one
        model of all in turns besides their own."""
        text = f"model {MODEL} {{ policy round-robin; }}\n" if named else ""
        for name, kind in self.kinds.items():
            models = f"{kind.model} {MODEL}" + (f" {kind.model}-gone" if name == "kserve" else "")
            text += gw.pool(name.replace(".", "-"), self.engines[name], engine=kind.kind if named else None,
                            **({"model": models} if named else {}), **TIMES)
        return text

    def row(self, engine):
        return next(r for r in self.gateway.fleet()["endpoints"] if r["endpoint"] == engine.address)

    # -- what they are -----------------------------------------------------

    def kinds_shown(self):
        rows = ["| engine | the gateway calls it | health | models |", "|---|---|---|---|"]
        for name, engines in self.engines.items():
            for engine in engines:
                row = self.row(engine)
                equal(row["engine"], self.kinds[name].kind, f"kind of {engine.name}")
                equal(row["health"], "healthy", f"health of {engine.name}")
                true({self.kinds[name].listed, self.kinds[name].model} & set(row["models"]),
                     f"models of {engine.name}: {row['models']}")
                rows.append(f"| {engine.name} | {row['engine']} | {row['health']} | {', '.join(row['models'])} |")
        return rows

    def name_them(self):
        self.gateway.write(self.pools(named=True))
        self.gateway.reload()
        self.gateway.wait_healthy(*self.all())
        until(lambda: all(MODEL in self.row(e)["models"] for e in self.all()), "the models of the file")
        return self.kinds_shown()

    # -- requests ----------------------------------------------------------

    def requests(self):
        rows = ["| engine | request | answer | status | text |", "|---|---|---|---|---|"]
        for name, engine in self.firsts():
            for what, path in (("chat", "/v1/chat/completions"), ("completions", "/v1/completions")):
                for stream in (False, True):
                    rows.append(self.request(name, engine, what, path, stream))
        return rows

    def request(self, name, engine, what, path, stream):
        body = chat(prompt(3, 20), model=self.kinds[name].listed, stream=stream)
        if what == "completions":
            body["prompt"] = body.pop("messages")[0]["content"]
        client = Client(self.gateway.port, body, path).wait()
        true(client.ok, f"{name}: {what}: {client.status} {client.error}")
        said = self.direct(name, engine, {**body, "stream": False}, path).json()["choices"][0]
        equal(client.text, said["message"]["content"] if what == "chat" else said["text"], f"{name}: {what}: text")
        return f"| {name} | {what} | {'streamed' if stream else 'whole'} | {client.status} | equal |"

    def model_list(self):
        seen = {m["id"] for m in self.gateway.ask("GET", "/v1/models").json()["data"]}
        missing = {kind.listed for kind in self.kinds.values()} - seen
        equal(missing, set(), f"models that are not in the list {sorted(seen)}")

    def errors(self):
        rows = ["| engine | what is wrong | status | body |", "|---|---|---|---|"]
        for name, engine in self.firsts():
            for what, path, body in self.bad_requests(name):
                through = self.gateway.post(path, body, timeout=60)
                straight = self.direct(name, engine, body, path)
                true(straight.status >= 400, f"{name} takes {what}: {straight}")
                for key in ("status", "body"):
                    equal(getattr(through, key), getattr(straight, key), f"{name}: {what}: {key}")
                equal(through.header("content-type"), straight.header("content-type"), f"{name}: {what}: type")
                rows.append(f"| {name} | {what} | {through.status} | `{shortened(through.body.decode())}` |")
        return rows

    def bad_requests(self, name):
        model = self.kinds[name].model
        wrong = ("messages of a wrong type", "/v1/chat/completions", {"model": model, "messages": "hi"})
        if name == "kserve":
            return [("a model that it does not have", "/v1/chat/completions", chat("x", model=f"{model}-gone")),
                    ("the model fails", "/v1/chat/completions", chat("fail", model=model)),
                    wrong,
                    ("no such task", "/v1/embeddings", {"model": model, "input": "x"}),
                    ("no such route", "/v1/responses", {"model": model, "input": "x"})]
        if name == "ollama":
            return [("no messages", "/v1/chat/completions", {"model": model, "messages": []}), wrong]
        return [("a prompt that is too long", "/v1/chat/completions", chat("x " * 5000, model=model)), wrong]

    # -- signals -----------------------------------------------------------

    def compare(self, name, engine, state, ready=lambda said: True):
        """A sample that the gateway took between two looks at the engine's own
        page, both of which say the same where they should."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            began = time.monotonic()
            before = of_page(self.kinds[name].kind, engine)
            row = until(lambda: self.sampled_since(engine, began), f"a sample of {engine.name}")
            after = of_page(self.kinds[name].kind, engine)
            if not (ready(before) and ready(after)) or any(before[g] != after[g] for g in ("running", "waiting")):
                continue
            for key in (*GAUGES, *COUNTERS):
                if key == "kv_capacity_tokens" and before[key] is None:
                    row[key] = None  # what the router assumes; the engine said nothing
                self.between(f"{engine.name}, {state}: {key}", before[key], row[key], after[key])
            return self.signal_row(name, state, row, after)
        raise Failure(f"{engine.name} was never {state}")

    def sampled_since(self, engine, began):
        row = self.row(engine)
        if row["sample_age_ms"] is None:
            return row
        return row if row["sample_age_ms"] < (time.monotonic() - began) * 1000 - 20 else None

    @staticmethod
    def between(what, before, seen, after):
        if before is None:
            equal(seen, None, what)
        else:
            low, high = sorted((before, after))
            true(seen is not None and low * 0.99999 <= seen <= high * 1.00001, f"{what}: {seen} is not {low}..{high}")

    @staticmethod
    def signal_row(name, state, row, after):
        def cell(key):
            seen = row[key]
            return "–" if seen is None else f"{seen:.4g}" if seen < 1 else f"{seen:.0f}"
        return f"| {name} | {state} | " + " | ".join(cell(k) for k in (*GAUGES, *COUNTERS)) + " |"

    def signals(self):
        rows = ["| engine | state | " + " | ".join(k.replace("_", " ") for k in (*GAUGES, *COUNTERS)) + " |",
                "|---" * (2 + len(GAUGES) + len(COUNTERS)) + "|"]
        for name, engine in self.firsts():
            rows.append(self.compare(name, engine, "idle", lambda said: said["running"] in (0, None)))
            if of_page(self.kinds[name].kind, engine)["running"] is not None:
                rows += [self.one_stream(name, engine), self.a_queue(name, engine)]
        return rows

    def one_stream(self, name, engine):
        twins = self.engines[name]
        body = chat(prompt(5, 20), model=self.kinds[name].listed, max_tokens=ENDLESS, ignore_eos=True)
        with Held(self.gateway.port, "/v1/chat/completions", body) as held:
            held.wait()
            busy = next(e for e in twins if of_page(self.kinds[name].kind, e)["running"] == 1)
            return self.compare(name, busy, "one stream", lambda said: said["running"] == 1)

    def a_queue(self, name, engine):
        """Four streams from elsewhere, for two places."""
        body = chat(prompt(6, 20), model=engine.names[0], max_tokens=ENDLESS, ignore_eos=True)
        held = [Held(engine.port, "/v1/chat/completions", body) for _ in range(4)]
        try:
            held[0].wait()
            return self.compare(name, engine, "others' queue",
                                lambda said: said["running"] == 2 and said["waiting"] == 2)
        finally:
            for stream in held:
                stream.connection.reset()
            until(lambda: of_page(self.kinds[name].kind, engine)["running"] == 0, f"{name} to be idle")

    # -- faults ------------------------------------------------------------

    def takes_part(self, engine):
        seen = self.row(engine)["dispatched"]
        until(lambda: self.row(engine)["dispatched"] > seen, f"{engine.name} to get requests", 300)

    def broken(self, engine, break_it):
        """(how it was found out and when the last request was sent to it, the traffic)."""
        with Traffic(self.gateway.port) as traffic:
            for each in self.all():
                self.takes_part(each)
            watch = Watch(self, engine)
            began = time.monotonic()
            break_it()
            self.gateway.wait_healthy(engine, state="unhealthy")
            reason = self.row(engine)["reason"]
            traffic.more(40)
            watch.stop()
        return f"{reason} | {max(0.0, (watch.last or began) - began):.1f} s", traffic

    def fault_row(self, name, fault, found, traffic, back_s):
        n, cut = len(traffic.clients), traffic.ended(cut=True)
        equal(traffic.ended(cut=False), [], f"{name} {fault}: requests that failed before an event, of {n}")
        row = (f"| {name} | {fault} | {n} | 0 | {len(cut)} | {found} | {back_s:.1f} s "
               f"| {traffic.slowest_s:.1f} s |")
        print(row, flush=True)
        return row

    def back(self, engine):
        """Seconds until it is healthy and gets requests again."""
        began = time.monotonic()
        self.gateway.wait_healthy(engine)
        with Traffic(self.gateway.port):
            self.takes_part(engine)
        return time.monotonic() - began

    def frozen(self, name, engine):
        found, traffic = self.broken(engine, engine.freeze)
        engine.thaw()
        return self.fault_row(engine.name, "frozen", found, traffic, self.back(engine))

    def killed(self, name, engine):
        found, traffic = self.broken(engine, engine.kill)
        i = self.engines[name].index(engine)
        new = self.engines[name][i] = self.start(name, i, engine.port)
        new.wait_ready()
        return self.fault_row(engine.name, "killed", found, traffic, self.back(new))

    def faults(self):
        true(len(self.all()) > 1, "a second engine, to serve what the first one cannot")
        rows = ["| engine | fault | requests | failed | cut in their stream | found out by | last one sent to it after "
                "| used again after | slowest answer |", "|---|---|---|---|---|---|---|---|---|"]
        for name, engine in self.firsts():
            rows.append(self.frozen(name, self.engines[name][-1]))
            if name != "vllm-0.32.0":  # the other vLLM is killed
                rows.append(self.killed(name, engine))
        return rows


def shortened(text, limit=110):
    return text if len(text) <= limit else text[:limit] + " …"


def write_report(checks, bench):
    lines = ["# Real engines", "",
             "Written by `tests/real/engines.sh`; do not edit. One gateway in front of real engines on the CPU with",
             "a tiny random model, each kind in a pool of its own. \"Equal\" is: to what the engine says when it is",
             "asked directly.", "",
             "| check | result |", "|---|---|", *[f"| {name} | {word} |" for name, word in checks.results], ""]
    for name, reason in GIVEN.items():
        lines += [f"Left out: {name}: {reason.removeprefix('skipped: ')}", ""] if reason else []
    for name, rows in checks.rows:
        lines += [f"## {name[0].upper()}{name[1:]}", "", *rows, ""]
    lines += NOTES
    with open(REPORT, "w", encoding="utf-8") as f:
        f.write("\n".join(lines).rstrip() + "\n")


NOTES = [
    "## How it was done", "",
    "- Signals: the gateway's sample lies between two looks at the engine's own page. What stands still is equal in",
    "  all three; what grows meanwhile (tokens, the cache's use) is between the two. – is null in `/fleet`: the engine",
    "  does not say.",
    "- Faults: all engines serve one model in turns, which gets seven requests each second, every other one streamed.",
    "  Each engine has just been given some when one is frozen (SIGSTOP of all its processes) or killed (SIGKILL of",
    "  all). A request fails if its client sees no event and no answer; one that is cut had events already and ends",
    "  with an error. \"Last one sent\" and \"used again\" are seconds from the fault, and from SIGCONT or the restarted",
    "  engine's readiness. It is a busy machine: six engines, the gateway and the clients on two cores.",
    f"- `probe_interval {TIMES['probe_interval']}`, `probe_timeout {TIMES['probe_timeout']}`, "
    f"`first_event_timeout {TIMES['first_event_timeout']}`, `answer_timeout {TIMES['answer_timeout']}`.", ""]


def main():
    for name, reason in GIVEN.items():
        if reason:
            print(f"{name}: {reason}")
    if all(GIVEN.values()):
        print("skipped: no engine can be had")
        return 0
    with story.session() as t:
        bench, checks = Bench(t), Checks(t)
        checks("detected", bench.kinds_shown)
        checks("model list", bench.model_list)
        checks("requests", bench.requests)
        checks("signals", bench.signals)
        checks("configured by name", bench.name_them)
        checks("errors pass byte for byte", bench.errors)
        checks("faults under load", bench.faults)
        write_report(checks, bench)
        print(f"{len(checks.results) - checks.failed} passed, {checks.failed} failed")
        return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
