"""What goes wrong, in an order that the seed alone decides: two plans, one of
engines and one of operations (reloads, Redis), each one fault after the other,
so that of three engines of a kind one is always whole."""
import random
import threading

from lib.process import Failure

ENGINE_FAULTS = {"kill -9": 5, "SIGSTOP": 4, "RST before the answer": 2, "RST after tokens": 3,
                 "status 503": 2, "slow": 2, "error event": 2, "half an event": 2, "cache forgotten": 1}
OPERATIONS = {"reload": 3, "engine removed": 3, "limit changed": 2, "broken file": 1}
REDIS = {"Redis kill -9": 2, "Redis SIGSTOP": 2}
REQUEST_FAULTS = {"RST before the answer": {"reset": True}, "RST after tokens": {"die_after_tokens": 5},
                  "status 503": {"status": 503}, "error event": {"error_after_ms": 20},
                  "half an event": {"half_event": 3}}


def plan(seed, which, weights, names, seconds):
    """[(pause, kind, target, duration)] for so many seconds and a few more."""
    rng, steps, total = random.Random(f"{seed} {which}"), [], 0.0
    while total < seconds:
        pause, duration = rng.uniform(0.3, 2.5), rng.uniform(0.3, 4.0)
        steps.append((pause, rng.choices(list(weights), list(weights.values()))[0], rng.choice(names), duration))
        total += pause + duration
    return steps


class Plan(threading.Thread):
    """Carries out one plan until it is told to stop; what it began it undoes.

    The thread then stays: what it has started again dies with it (Process asks
    the kernel for that)."""

    def __init__(self, steps, rig, book):
        super().__init__(daemon=True)
        self.steps, self.rig, self.book = steps, rig, book
        self.failure, self._stop_event, self._done = None, threading.Event(), threading.Event()

    def run(self):
        self._carry_out()
        self._done.set()
        threading.Event().wait()

    def _carry_out(self):
        try:
            for pause, kind, target, duration in self.steps:
                if self._stop_event.wait(pause):
                    return
                span = self.book.begin_fault(kind)
                try:
                    self._one(kind, target, duration)
                finally:
                    self.book.end_fault(span)
        except (Failure, OSError, AssertionError) as e:
            self.failure = f"{kind} of {target}: {e}"

    def stop(self):
        self._stop_event.set()
        if not self._done.wait(120):
            self.failure = "a fault does not end"

    def _one(self, kind, target, duration):
        if kind in REDIS:
            self._redis(kind, duration)
        elif kind in OPERATIONS:
            self._operation(kind, target, duration)
        else:
            self._engine(kind, target, duration)

    def _hold(self, duration):
        self._stop_event.wait(duration)

    def _engine(self, kind, name, duration):
        engine = self.rig.engines[name]
        if kind == "kill -9":
            engine.kill()
            self._hold(duration)
            self.rig.engines[name] = engine.again()
        elif kind == "SIGSTOP":
            engine.freeze()
            self._hold(duration)
            engine.thaw()
        elif kind == "cache forgotten":
            engine.fault(forget=True)
        else:
            engine.fault(**({"slow": 20} if kind == "slow" else {**REQUEST_FAULTS[kind], "count": 3}))
            self._hold(duration)
            engine.heal()

    def _operation(self, kind, name, duration):
        if kind == "reload":
            self.rig.reload()
        elif kind == "engine removed":
            self.rig.reload(out={name})
            self._hold(duration)
            self.rig.reload(out=set())
        elif kind == "limit changed":
            self.rig.reload(limit=64)
            self._hold(duration)
            self.rig.reload(limit=0)
        else:
            with self.rig.lock:
                self.rig.gateway.write("nonsense 1;\n")
                self.rig.gateway.reload()
                self.rig.gateway.write(self.rig.body())

    def _redis(self, kind, duration):
        redis = self.rig.redis
        if kind == "Redis kill -9":
            redis.kill()
            self._hold(duration)
            self.rig.redis = redis.again()
        else:
            redis.freeze()
            self._hold(duration)
            redis.thaw()


def plans(seed, seconds, rig, book):
    operations = {**OPERATIONS, **(REDIS if rig.redis else {})}
    names = sorted(rig.engines)
    return [Plan(plan(seed, "engines", ENGINE_FAULTS, names, seconds), rig, book),
            Plan(plan(seed, "operations", operations, names, seconds), rig, book)]
