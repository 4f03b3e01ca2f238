"""What-if studies from end to end: the same words give the same answer on any
number of threads, and the answer comes as a table, JSON and a page."""
import json
import os
import re

from lib import story
from lib.story import equal, sized, true

SPEC = f"synthetic:hot,requests={sized(1500, 500)},rate=12,shared=8192"


def whatif(t, *options):
    return t.run(t.program("sluice-bench"), "whatif", "--quiet", *options)[1]


def study(t, threads):
    out, page = (os.path.join(t.folder, f"{name}{threads}") for name in ("json", "html"))
    table = whatif(t, "--trace", SPEC, "--engines", "4", "--policy", "sluice,round-robin,llm-d", "--knee",
                   "--threads", threads, "--json", out, "--html", page)
    with open(out, encoding="utf-8") as f, open(page, encoding="utf-8") as g:
        return table, json.load(f), g.read()


def test_study(t):
    table, result, page = study(t, 1)
    again = study(t, 3)[1]
    equal(result["policies"], again["policies"], "one thread, three threads")
    equal(sorted(result["policies"]), ["llm-d", "round-robin", "sluice"], "policies")
    for name, line in result["policies"].items():
        true(0 < line["slo_ok"] <= 1 and line["knee_rps"] > 0 and line["points"], f"{name}: {line}")
        true(name in table and f">{name}</td>" in page, f"{name} in table and page")
    ours, blind = (result["policies"][name] for name in ("sluice", "round-robin"))
    true(ours["hit_rate"] > blind["hit_rate"], "hot prefixes are found where they are")
    equal(len(re.findall("<svg", page)), 6, "pictures")
    true(re.search(r"\b(nan|inf)\b", page) is None, "numbers only")


def test_plan(t):
    out = os.path.join(t.folder, "plan.json")
    table = whatif(t, "--trace", SPEC, "--plan", "--engines", "32", "--rate-factor", "4", "--json", out)
    with open(out, encoding="utf-8") as f:
        plan = json.load(f)
    fleets = {(row["engines"], row["prefill"]): row["slo_ok"] for row in plan["fleets"]}
    for kind in ("smallest_aggregated", "smallest_disaggregated"):
        found = plan[kind]
        true(fleets[found["engines"], found["prefill"]] >= 0.95, f"{kind} is good: {plan}")
    n = plan["smallest_aggregated"]["engines"]
    true(n == 1 or fleets[n - 1, 0] < 0.95, f"one engine less is not: {plan}")
    true(f"smallest aggregated fleet: {n} engine" in table, table)


def test_bad_words(t):
    for spec, message in (("synthetic:cold", "no synthetic workload 'cold'"), ("no/such", "cannot open the trace")):
        status, _ = t.run(t.program("sluice-bench"), "whatif", "--trace", spec, check=False)
        equal(status, 2, message)


story.run(globals())
