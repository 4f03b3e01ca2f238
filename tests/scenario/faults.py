"""One part for each fault that an engine, its GPU or its exporter may have: under
load it is noticed for the right reason, the engine gets no new requests, or
fewer, or as many as before; healed, it takes part again, and no client notices.
Only streams that a killed engine was in the middle of are broken off."""
import datetime

from lib import story
from lib.faults import FAULTS, FORGETS, LEAVES, LESS, STAYS, Fleet
from lib.process import until
from lib.story import equal, sized, true

REQUESTS = sized(150, 60)
PROBES = 25  # five rounds of the fleet
TIMES = {"stuck_timeout": "1s", "ejection_time": "3s", "ejection_max": "3s"}
MAIN = "gpu_interval 100ms;\ngpu_timeout 300ms;\ngpu_calm 300ms;\n"
HITS = 5  # answers on whose cached tokens the index has to be right
WELL = ("healthy", "healthy", False)


def probed(f, n=PROBES):
    goal = f.gateway.metric("sluice_probes_total") + n
    until(lambda: f.gateway.metric("sluice_probes_total") >= goal, f"{n} more probes")


def signs(f):
    """(health, GPUs, draining)."""
    row = f.row()
    return row["health"], row["gpu_state"], row["draining"]


# -- what is expected --------------------------------------------------------------


def is_seen(f, fault):
    """Out for one of the fault's reasons, at this moment or in between."""
    row = f.row()
    return (any(e["cause"] in fault.causes and e["to"] == "unhealthy" for e in f.events()) if fault.causes
            else row["gpu_state"] == fault.gpu_state and fault.gpu_reason in (row["gpu_reason"] or ""))


def asked(f):
    """What it got, by the gateway's count and by its own."""
    return f.row()["dispatched"], f.bad.requests if f.bad.running else None


def stood_still(f, load):
    """(before, after) some probes and other engines' requests during which it was
    out; None if it had a trial meanwhile."""
    row = f.row()
    if not f.is_out() or row["prefilling"]:
        return None
    events, before = f.events(), asked(f)
    load.passed(REQUESTS // 5)
    probed(f)
    return (before, asked(f)) if f.is_out() and f.events() == events else None


def leaves(f, fault, load):
    until(lambda: is_seen(f, fault), f"{fault.name} to be noticed")
    before, after = until(lambda: stood_still(f, load), "a while without a trial")
    equal(after, before, "requests of an engine that is out")


def share_of(f, load):
    before = f.sent()
    load.passed(REQUESTS)
    return f.share_since(before)


def gets_less(f, fault, load):
    usual = share_of(f, load)
    fault.do(f)
    until(lambda: is_seen(f, fault), f"{fault.name} to be noticed")
    until(lambda: share_of(f, load) < usual / 3, f"a share far below {usual:.3f}", timeout=120)


def goes_on(f, fault, load):
    usual = share_of(f, load)
    fault.do(f)
    until(lambda: fault.noticed(f), f"{fault.name} to be noticed")
    probed(f)
    share = share_of(f, load)
    true(share > usual / 2, f"its share was {usual:.3f} and is {share:.3f}")
    equal(signs(f), WELL, "its state")
    equal([e["to"] for e in f.events()], ["healthy"], "what happened")


def forgets(f, fault, load):
    """What is predicted of the new process is nothing, and then what it has."""
    true(f.row()["index_entries"] > 0, "prompts that it has")
    fault.do(f)
    until(lambda: "its part of the prefix index is cleared" in f.gateway.text() or is_seen(f, fault),
          "the restart to be noticed")
    noticed = datetime.datetime.now(datetime.timezone.utc).isoformat()[:23]

    def answers():
        """Those of the new process, oldest first."""
        mine = [a for a in f.gateway.access() if a["time"][:23] > noticed and a.get("decode") == f.bad.address]
        return sorted(mine, key=lambda a: a["time"])

    def hits():
        """Cached tokens (expected, had) where some were expected and the engine has said it."""
        return [(a["predicted_cached_tokens"], a["cached_tokens"]) for a in answers()
                if "cached_tokens" in a and a["predicted_cached_tokens"] > 0]

    until(lambda: len(hits()) >= HITS, "hits to be expected of it again")
    equal(answers()[0]["predicted_cached_tokens"], 0, "hits expected of the first")
    expected, had = (sum(column) for column in zip(*hits()))
    true(had / 2 < expected < had * 1.25, f"cached tokens expected and had: {hits()}")


def befall(f, fault, load):
    if fault.expected == LEAVES:
        fault.do(f)
        leaves(f, fault, load)
    else:
        {LESS: gets_less, STAYS: goes_on, FORGETS: forgets}[fault.expected](f, fault, load)


# -- a part for each ---------------------------------------------------------------


def takes_part_again(f, load, entries):
    """What is known of its cache is kept if its process has lived on."""
    until(lambda: signs(f) == WELL, "all to be well")
    if f.events()[0]["cause"] == "returned":
        true(f.row()["index_entries"] > entries / 2, f"of {entries} prompts in its cache {f.row()} are known")
    served = f.bad.requests
    until(lambda: f.bad.requests > served, "the engine to take part again", timeout=120)
    load.passed(REQUESTS // 3)


def part(fault):
    def play(t):
        f = Fleet(t, fault.policy, main=MAIN, **TIMES)
        with f.load() as load:
            load.passed(REQUESTS)
            befall(f, fault, load)
            entries = f.row()["index_entries"]
            fault.heal(f)
            takes_part_again(f, load, entries)
        lost = [x for x in load.result.failures if not (fault.breaks_streams and x in load.result.broken)]
        equal(lost, [], f"failures of {load.result.done}")
        others = [e for e in f.gateway.fleet()["events"] if e["endpoint"] != f.bad.address]
        equal([e for e in others if e["to"] != "healthy"], [], "what happened to the others")
    return play


story.run({f"test_{fault.name}": part(fault) for fault in FAULTS})
