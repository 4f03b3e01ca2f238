"""From a fault to no new traffic, with the product's default settings.

Every repetition is a fresh fleet of five simulated engines under load, so that
nothing is left of what was learned before. The time is that to the last new
request which the engine was sent, by its count in /fleet, before it was sent
none for QUIET_S. Where it goes on, its shares of the traffic are given. Failed
are requests that a client did not get a complete answer to; broken are those of
them that were streams of which text had arrived."""
import datetime
import os
import statistics
import time
from dataclasses import dataclass, field

from rig import arguments, report, story, until
from lib.faults import ANSWER_TOKENS, CLIENTS, ENGINES, FAULTS, FORGETS, LEAVES, Fleet
from lib.gateway import POOL_DEFAULTS
from lib.process import Failure

POLL_S, QUIET_S, LIMIT_S = 0.005, 3.0, 60.0
SHARE_S = 6.0
PRODUCT = {name: None for name in POOL_DEFAULTS}  # without the stories' short times


@dataclass
class Run:
    last_s: float = None   # to the last new request
    known_s: float = None  # to the state that says so
    shares: tuple = None   # of the traffic: before, after
    why: set = field(default_factory=set)
    done: int = 0
    failed: int = 0
    broken: int = 0


def share(f):
    before = f.sent()
    time.sleep(SHARE_S)
    return f.share_since(before)


def trouble(row):
    """What /fleet says against the engine, in a few words."""
    if row["health"] == "unhealthy":
        return row["reason"]
    return (row["gpu_reason"] or "").partition(": ")[2]


def watch(f, run):
    """Until it is known, and it has been sent nothing for a while."""
    start = last = time.monotonic()
    count = f.row()["dispatched"]
    while run.known_s is None or time.monotonic() < last + QUIET_S:
        row, now = f.row(), time.monotonic()
        if row["dispatched"] > count:
            count, last = row["dispatched"], now
        if trouble(row) and run.known_s is None:
            run.known_s = now - start
            run.why.add(trouble(row))
        if now > start + LIMIT_S:
            raise Failure(f"still sent requests after {LIMIT_S:.0f} s")
        time.sleep(POLL_S)
    run.last_s = last - start


def watch_share(f, fault, run):
    """What it is sent once the fault is known, where there is something to know."""
    start = time.monotonic()
    if fault.gpu_state != "healthy":
        until(lambda: trouble(f.row()), f"{fault.name} to be known")
        run.known_s = time.monotonic() - start
    else:
        until(lambda: fault.noticed(f), f"{fault.name} to be noticed")
    run.why.add(trouble(f.row()))
    run.shares = (run.shares[0], share(f))


def watch_cache(f, since, run):
    """To the last request of which hits in the former cache were expected."""
    def mine():
        lines = [a for a in f.gateway.access() if a.get("decode") == f.bad.address and "cached_tokens" in a]
        return [(a, datetime.datetime.fromisoformat(a["time"].replace("Z", "+00:00")).timestamp() - since)
                for a in lines]
    right = until(lambda: [at for a, at in mine() if at > 0 and a["cached_tokens"] > 0
                           and a["predicted_cached_tokens"] > 0], "hits to be expected again")
    wrong = [at for a, at in mine() if at > 0 and a["predicted_cached_tokens"] > a["cached_tokens"] + 16]
    run.last_s = max(wrong, default=0.0)
    run.why.add(f"right again after {right[0]:.1f} s")


def play(fault, arg):
    run = Run()
    with story.session() as t:
        f = Fleet(t, fault.policy, arg.speed, **PRODUCT)
        with f.load() as load:
            time.sleep(arg.warm)
            run.shares = (share(f), None)
            since = time.time()
            fault.do(f)
            if fault.expected == LEAVES:
                watch(f, run)
            elif fault.expected == FORGETS:
                watch_cache(f, since, run)
            else:
                watch_share(f, fault, run)
            fault.heal(f)
        run.done, run.broken = load.result.done, len(load.result.broken)
        run.failed = len(load.result.failures)
    return run


def spread(values, unit, digits=1):
    """Median [range], of what there is."""
    values = [v for v in values if v is not None]
    if not values:
        return ""
    return f"{statistics.median(values):.{digits}f} {unit} [{min(values):.{digits}f}–{max(values):.{digits}f}]"


def line(fault, runs):
    failed, broken, done = (sum(getattr(r, n) for r in runs) for n in ("failed", "broken", "done"))
    cells = [fault.says, fault.expected,
             spread([r.last_s for r in runs], "s", 2), spread([r.known_s for r in runs], "s", 2),
             spread([100 * r.shares[0] for r in runs], "%"),
             spread([100 * r.shares[1] for r in runs if r.shares[1] is not None], "%"),
             f"{failed} ({broken}) of {done}", "; ".join(sorted(set().union(*(r.why for r in runs)) - {""}))]
    return f"| {' | '.join(cells)} |"


def main():
    arg = arguments(__doc__, rounds=(3, "of each fault"), speed=(2.0, "of the engines; 1 is an H100"),
                    warm=(4.0, "seconds of load before"), only=("", "faults by name, with commas"))
    wanted = [f for f in FAULTS if not arg.only or f.name in arg.only.split(",")]
    lines = [f"# From a fault to no new traffic\n\n`bench/probes.sh faults`, {datetime.date.today()}, {arg.rounds} runs of "
             f"each, median [range]. {ENGINES} simulated engines (llama3-8b-h100 at speed {arg.speed:g}), {CLIENTS} clients "
             f"without pause, half of them streaming; prompts of about 400 tokens that share beginnings, answers of "
             f"{ANSWER_TOKENS} tokens; the product's default settings. Engines, gateway and clients shared {os.cpu_count()} "
             f"cores with other work.", "",
             "An engine may get nothing long before its state says so: by what it costs, one that does not answer is "
             "not chosen. For a restart the time is that of the last request for which hits in the former cache were "
             "expected. At the end of a run the fault was healed, so that streams in the middle of which an engine hung "
             "went on. Only streams of a killed process are broken off.", "",
             "| fault | expected | last new request after | state says so after | share before | share after "
             "| failed (of these streams broken) | why |", "|---|---|--:|--:|--:|--:|--:|---|"]
    for fault in wanted:
        runs = [play(fault, arg) for _ in range(arg.rounds)]
        lines.append(line(fault, runs))
        print(lines[-1], flush=True)
    report("\n".join(lines), arg.report)


main()
