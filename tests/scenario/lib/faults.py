"""The faults that probing is there for, as data, and a fleet to have them in.

Each engine is a process on a host of its own (an address of the loopback
network) with its two GPUs' exporter on the same host, as on real nodes. They run
at a pace, and with prompts and answers of a size, that real ones have: where a
request takes a millisecond, what is around the engine hides that it is slow.

What is expected of the engine with the fault:
  LEAVES   it gets no new request
  LESS     it gets clearly less than before
  STAYS    it goes on as before
  FORGETS  it goes on, and nobody believes in its former cache
"""
from dataclasses import dataclass, field
from typing import Callable

from . import gateway as gw
from .load import Load, random_words
from .ports import free_port
from .process import until

LEAVES, LESS, STAYS, FORGETS = "leaves", "less", "stays", "forgets"
ENGINES = 5
DOCUMENTS, DOCUMENT_WORDS, QUESTION_WORDS = 12, 250, 15
CLIENTS, ANSWER_TOKENS = 12, 24


class Fleet:
    """A gateway and its engines; the first one, `bad`, is to have the fault."""

    def __init__(self, t, policy="cost", speed=2, main="", **directives):
        self.t, port = t, free_port()
        self.engines = [self._engine(f"127.0.0.{i + 2}", port, speed) for i in range(ENGINES)]
        body = f"model sim {{ policy {policy}; }}\n"
        body += gw.pool("all", self.engines, gpu_metrics=f'"http://{{host}}:{port}/metrics"', **directives)
        self.gateway = t.gateway(body, *self.engines, main=main)
        until(lambda: len(self.gateway.fleet().get("gpus", [])) == 2 * ENGINES, "all GPUs to be known")

    def _engine(self, host, port, speed):
        return self.t.engine(host=host, options=("--speed", str(speed), "--gpu-exporter", f"{host}:{port}",
                                                 "--gpu-host", host, "--gpus-per-engine", "2"))

    @property
    def bad(self):
        return self.engines[0]

    def restart(self):
        """A new process at the same address; the old one is killed if it lives."""
        self.bad.kill()
        self.engines[0] = self.t.adopt(self.bad.again())

    def load(self):
        """Questions about a few documents, which engines have in their caches."""
        def prompt(rng):
            number = rng.randrange(DOCUMENTS)
            return f"document {number}: {'word%d ' % number * DOCUMENT_WORDS} {random_words(rng, QUESTION_WORDS)}"
        return Load(self.gateway, clients=CLIENTS, max_tokens=ANSWER_TOKENS, prompt=prompt)

    # -- what is seen of it ----------------------------------------------------

    def row(self):
        return self.gateway.row(self.bad)

    def sent(self):
        """Requests sent so far: (to the bad one, to all)."""
        sent = {r["endpoint"]: r["dispatched"] for r in self.gateway.fleet()["endpoints"]}
        return sent[self.bad.address], sum(sent.values())

    def share_since(self, before):
        """The bad one's share of what was sent since sent() was `before`."""
        bad, everything = self.sent()
        return (bad - before[0]) / max(1, everything - before[1])

    def events(self):
        """Those of the bad one, newest first."""
        return [e for e in self.gateway.fleet()["events"] if e["endpoint"] == self.bad.address]

    def is_out(self):
        row = self.row()
        return row["health"] == "unhealthy" or row["draining"]

    def load_unknown(self):
        return f"{self.bad.address} has not told its load" in self.gateway.text()

    def exporter_trouble(self):
        """What is wrong with the bad one's exporter."""
        exporters = self.gateway.fleet()["gpu_exporters"]
        return next(x["trouble"] for x in exporters if f"//{self.bad.host}:" in x["url"])


def fault(**what):
    return lambda f: f.bad.fault(**what)


def gpu(**what):
    return lambda f: f.bad.gpu(**what)


def heal(f):
    f.bad.heal()


GONE = {"probe_refused", "unreachable", "failing", "failure_rate"}


@dataclass
class Fault:
    name: str  # of a part of the story
    says: str  # in a table
    expected: str
    do: Callable[[Fleet], None]
    heal: Callable[[Fleet], None] = heal
    causes: set = field(default_factory=set)  # one of these, if its health takes it out
    gpu_state: str = "healthy"
    gpu_reason: str = ""          # a part of it
    policy: str = "cost"
    breaks_streams: bool = False  # those that it is in the middle of
    noticed: Callable[[Fleet], bool] = lambda f: True  # though it goes on as before


FAULTS = [
    Fault("killed", "killed", LEAVES, lambda f: f.bad.kill(), Fleet.restart, GONE, breaks_streams=True),
    Fault("hung", "hung: accepts, never answers", LEAVES, fault(hang=True, hang_health=True),
          causes={"probe_timeout", "silent", "stuck"}),
    Fault("core_hung", "core hung: health and metrics pages answer", LEAVES, fault(hang=True), causes={"stuck"}),
    Fault("hung_old_page", "core hung, its page stands at its last good numbers", LEAVES,
          fault(hang=True, stale=True), causes={"stuck"}),
    Fault("metrics_hang", "metrics page not answered, all else works", STAYS, fault(hang_metrics=True),
          noticed=Fleet.load_unknown),
    Fault("metrics_still", "metrics page stands still, all else works", STAYS, fault(stale=True),
          noticed=Fleet.load_unknown),
    Fault("slow", "slow x4", LESS, fault(slow=4)),
    Fault("slow_in_turns", "slow x4, policy round-robin", LEAVES, fault(slow=4), causes={"slow"},
          policy="round-robin"),
    Fault("errors", "5xx for one request in three", LEAVES, fault(status=500, share=0.34),
          causes={"failure_rate", "failing"}),
    Fault("xid_79", "XID 79", LEAVES, gpu(gpu=0, xid=79), gpu(gpu=0, reset=True),
          gpu_state="failed", gpu_reason="XID 79"),
    Fault("thermal", "thermal throttle to a third of the clock", LESS, gpu(gpu=0, thermal=True, clock_mhz=660, slow=3),
          gpu(gpu=0, reset=True), gpu_state="degraded", gpu_reason="slowed down by heat"),
    Fault("vanished", "GPU vanished from its page", LEAVES, gpu(gpu=0, vanish=True), gpu(gpu=0, reset=True),
          gpu_state="failed", gpu_reason="gone from its exporter's page"),
    Fault("exporter_down", "exporter down", STAYS, gpu(down=True), gpu(down=False), noticed=Fleet.exporter_trouble),
    Fault("restarted", "restarted, its cache is empty", FORGETS, Fleet.restart, lambda f: None, GONE,
          breaks_streams=True),
]
