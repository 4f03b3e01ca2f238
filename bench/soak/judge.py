"""What became of each request. An answer is one of

    whole     complete, and every byte as the model must say it
    left      the client went away; what had come was right
    refused   a clean error before the first token
    broken    it visibly broke off after its beginning; what had come was right
    rejected  a malformed request, refused as it should be
    WRONG     anything else: another text, half a text that looks whole

refused and broken are allowed only while a fault is in place, or shortly after."""
import collections
import json
import threading

from lib.wire import split_events, text_of

GRACE_S = 4.0  # until probes, time-outs and retries have forgotten a fault


class Verdict:
    def __init__(self, outcome, detail=""):
        self.outcome, self.detail = outcome, detail


def of_stream(expected, body, complete):
    events = list(split_events(body))
    errors = [e for e in events if e != "[DONE]" and "error" in json.loads(e)]
    said = text_of([e for e in events if e not in errors])
    if not expected.startswith(said):
        return Verdict("WRONG", _difference(expected, said))
    if errors:
        # An engine may say [DONE] behind its own error (vLLM does); nobody behind the gateway's.
        code = str(json.loads(errors[0])["error"].get("code"))
        if "[DONE]" in events and code.startswith("upstream"):
            return Verdict("WRONG", f"[DONE] behind the gateway's error {code}")
        return Verdict("broken", f"error event: {code}")
    if not complete:
        return Verdict("WRONG", "[DONE] of a cut stream, text short") \
            if "[DONE]" in events and said != expected else Verdict("broken", "cut")
    if events[-1:] != ["[DONE]"]:
        return Verdict("WRONG", "a stream that ends well without [DONE]")
    return Verdict("whole") if said == expected else Verdict("WRONG", "half a text, and [DONE]")


def of_whole(expected, body, complete):
    if not complete:
        return Verdict("broken", "cut")
    try:
        choice = json.loads(body)["choices"][0]
    except (ValueError, LookupError):
        return Verdict("WRONG", f"200 with {body[:80]!r}")
    said = choice.get("text") or choice.get("message", {}).get("content") or ""
    return Verdict("whole") if said == expected else Verdict("WRONG", _difference(expected, said))


def of_answer(expected, streamed, status, body, complete):
    if status is None:
        return Verdict("refused", "no answer")
    if status != 200:
        try:
            return Verdict("refused", f"{status} {json.loads(body)['error'].get('code')}")
        except (ValueError, LookupError, AttributeError):
            return Verdict("refused", f"{status}") if not complete else \
                Verdict("WRONG", f"{status} with {body[:80]!r}")
    return (of_stream if streamed else of_whole)(expected, body, complete)


def of_part(expected, streamed, body):
    """Of what a client had seen before it left."""
    if not streamed:
        return Verdict("left")
    said = text_of([e for e in split_events(body) if e != "[DONE]" and "error" not in json.loads(e)])
    return Verdict("left") if expected.startswith(said) else Verdict("WRONG", _difference(expected, said))


def _difference(expected, said):
    at = next((i for i, (a, b) in enumerate(zip(expected, said)) if a != b), min(len(expected), len(said)))
    return f"byte {at}: {said[at:at + 24]!r} instead of {expected[at:at + 24]!r}"


class Book:
    """Verdicts by kind of request, and when faults were in place. Any thread."""

    def __init__(self, clock):
        self._clock, self._lock = clock, threading.Lock()
        self.kinds = collections.defaultdict(collections.Counter)
        self.errors, self.faults = collections.Counter(), collections.Counter()
        self.problems = []   # what must not be
        self.refusals = []   # each clean error that a client saw
        self._spans = []     # [begin, end or None, kind] of each fault

    def begin_fault(self, kind):
        with self._lock:
            self.faults[kind] += 1
            self._spans.append([self._clock(), None, kind])
            return self._spans[-1]

    def end_fault(self, span):
        with self._lock:
            span[1] = self._clock()

    def add(self, kind, begin, verdict):
        end = self._clock()
        with self._lock:
            self.kinds[kind][verdict.outcome] += 1
            if verdict.outcome == "WRONG":
                self.problems.append(f"{end:7.1f} s  {kind}: {verdict.detail}")
            elif verdict.outcome in ("refused", "broken"):
                self.errors[f"{verdict.outcome}: {verdict.detail}"] += 1
                faults = self._in_place(begin, end)
                if verdict.outcome == "refused":
                    self.refusals.append(f"{begin:.1f} to {end:.1f} s  {kind}: {verdict.detail}; "
                                         f"faults: {', '.join(faults)}")
                if not faults:
                    self.problems.append(f"{end:7.1f} s  {kind}: {verdict.outcome} without a fault: "
                                         f"{verdict.detail} (begun at {begin:.1f} s)")

    def _in_place(self, begin, end):
        return [kind for b, e, kind in self._spans if b <= end and (e is None or begin <= e + GRACE_S)]

    def count(self, *outcomes):
        with self._lock:
            return sum(n for k in self.kinds.values() for o, n in k.items() if not outcomes or o in outcomes)
