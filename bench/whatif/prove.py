#!/usr/bin/env python3
"""prove.py: bench/results/whatif.md from the JSON of prove.sh's cases.

Prints Markdown: each target of the routing design, what was measured, and
whether it is met. Says where our policy is not the best."""
import json
import math
import pathlib
import sys

OURS = "sluice"
BOUND = "oracle"  # knows what no gateway can; not compared with
ORDER = ["dynamo-linear", "llm-d", "sglang-smallest-tree", "sglang-cache-aware"]
DEMANDED = {"dynamo-linear": 1.15, "llm-d": 1.40, "sglang-smallest-tree": 1.60}


def read(folder):
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def policies(case):
    return case["policies"]


def table(head, rows):
    print("| " + " | ".join(head) + " |")
    print("|" + "|".join(["---"] + ["--:"] * (len(head) - 1)) + "|")
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |")
    print()


def geo_mean(values):
    return math.exp(sum(math.log(x) for x in values) / len(values))


def verdict(met):
    return "met" if met else "**not met**"


def number(x):
    return f"{x:.3g}" if x < 10 else f"{x:.1f}" if x < 100 else f"{x:.0f}"


def configuration(name, case):
    slo = case["slo"]
    usual = (slo["ttft_ms"], slo["tpot_ms"]) == (5000, 50)
    return name if usual else f"{name} (TTFT {slo['ttft_ms']:.0f} ms, TPOT {slo['tpot_ms']:.0f} ms)"


def knees(cases):
    found = {configuration(name.removeprefix("knee-"), case): {p: v["knee_rps"] for p, v in policies(case).items()}
             for name, case in cases.items() if name.startswith("knee-")}
    if not found:
        return
    names = list(next(iter(found.values())))
    others = [p for p in names if p not in (OURS, BOUND)]
    print("## Goodput knee\n")
    print("The highest rate, in requests a second, with at least 95 % of the requests inside TTFT 5 s and TPOT 50 ms, "
          "unless the configuration says otherwise.\n")
    rows = []
    for config, knee in found.items():
        best = max(others, key=lambda p: knee[p])
        ratio = knee[OURS] / knee[best]
        rows.append([config, f"**{number(knee[OURS])}**", number(knee[best]), best, f"{ratio:.3f}",
                     number(knee[BOUND]), f"{knee[OURS] / knee[BOUND]:.3f}"])
    table(["configuration", OURS, "best other", "which", "ratio", BOUND, "ratio to it"], rows)
    worse = [r[0] for r in rows if float(r[4]) < 0.9995]
    print("Ours is the best in all of them.\n" if not worse else
          "Ours is not the best in: " + ", ".join(worse) + "; [why](../../docs/whatif.md#where-ours-is-not-the-best).\n")
    print("Ratio of our knee to each other policy's, geometric mean over all configurations, and the least and greatest:\n")
    rows = []
    for p in sorted(others, key=lambda p: ORDER.index(p) if p in ORDER else len(ORDER)):
        ratios = [knee[OURS] / knee[p] for knee in found.values() if knee[p]]
        mean = geo_mean(ratios)
        rows.append([p, f"{mean:.2f}", f"{min(ratios):.2f}", f"{max(ratios):.2f}",
                     f"≥ {DEMANDED[p]:.2f}: {verdict(mean >= DEMANDED[p])}" if p in DEMANDED else ""])
    table(["policy", "mean", "least", "greatest", "target"], rows)
    print("Every knee:\n")
    table(["configuration"] + names, [[c] + [number(k[p]) for p in names] for c, k in found.items()])


def splits(cases):
    found = {n.removeprefix("split-"): policies(c) for n, c in cases.items() if n.startswith("split-")}
    if not found:
        return
    print("## Disaggregated, 16×8B, conversation trace at 7×\n")
    rows = []
    for split, p in sorted(found.items()):
        best = max((q for q in p if q not in (OURS, BOUND)), key=lambda q: p[q]["slo_ok"])
        ours = p[OURS]
        rows.append([split, f"{ours['slo_ok']:.1%}", f"{p[best]['slo_ok']:.1%}", best,
                     f"{p[BOUND]['slo_ok']:.1%}", f"{ours['tpot_ms']['p99']:.0f}",
                     f"{ours['kv_usage']:.0%}", verdict(ours["slo_ok"] >= max(0.95, 0) or
                                                        ours["slo_ok"] >= p[best]["slo_ok"])])
    table(["split", OURS + " in SLO", "best other", "which", BOUND, "TPOT p99 ms", "KV used", ""], rows)
    print("Met: 95 % in SLO, or, where decode memory cannot hold the load, not below the best other policy.\n")


def slow(cases):
    if not {"slow-2x4", "slow-healthy"} <= cases.keys():
        return
    a, b = (policies(cases[n])[OURS]["tpot_ms"]["p99"] for n in ("slow-2x4", "slow-healthy"))
    print("## Two of 16 engines four times slower\n")
    print(f"TPOT p99 {a:.1f} ms; a healthy fleet of equal capacity {b:.1f} ms: {a / b - 1:+.1%} "
          f"(target: within 10 %, {verdict(a / b <= 1.1)}). Others in the same fleet:\n")
    table(["policy", "in SLO", "TPOT p99 ms", "TTFT p99 ms"],
          [[p, f"{v['slo_ok']:.1%}", f"{v['tpot_ms']['p99']:.0f}", f"{v['ttft_ms']['p99']:.0f}"]
           for p, v in policies(cases["slow-2x4"]).items()])


def shared(cases):
    if "shared-8k" not in cases:
        return
    p = policies(cases["shared-8k"])
    x = p[OURS]["imbalance"]
    print("## Every request shares its first 8 KiB\n")
    print(f"Busiest engine over mean: {x:.3f} (target ≤ 1.1, {verdict(x <= 1.1)}). Others: "
          + ", ".join(f"{q} {v['imbalance']:.2f}" for q, v in p.items() if q != OURS) + ".\n")


def replicas(cases):
    if "replicas-1" not in cases:
        return
    one = policies(cases["replicas-1"])[OURS]["ttft_ms"]["mean"]
    print("## Several gateways\n")
    rows = []
    targets = {"replicas-4-5ms": 1.05, "replicas-4-off": 2.5}
    for n, c in cases.items():
        if not n.startswith("replicas-"):
            continue
        v = policies(c)[OURS]
        ratio = v["ttft_ms"]["mean"] / one
        target = f"≤ {targets[n]:.2f}, no errors: {verdict(ratio <= targets[n] and not v['failed'])}" if n in targets else ""
        rows.append([n, f"{v['ttft_ms']['mean']:.0f}", f"{ratio:.2f}", f"{v['slo_ok']:.1%}", v["failed"], target])
    table(["case", "TTFT mean ms", "ratio to one", "in SLO", "failed", "target"], rows)


def returns(cases):
    pairs = [("few hot prefixes", "return-hot-before", "return-hot-after"),
             ("few hot prefixes, one engine joins", "return-hot-before", "join-hot-after"),
             ("conversation trace", "return-conversation-before", "return-conversation-after")]
    rows = []
    for what, before, after in pairs:
        if not {before, after} <= cases.keys():
            continue
        for p in policies(cases[before]):
            a, b = (policies(cases[n])[p]["knee_rps"] for n in (before, after))
            rows.append([what, p, number(a), number(b), f"{b / a - 1:+.1%}",
                         verdict(abs(b / a - 1) <= 0.03 or b > a) if p == OURS else ""])
    if rows:
        print("## An engine that was away, or is new\n")
        print("The knee of requests that came after it: with it there from the start, and after its return.\n")
        table(["workload", "policy", "before", "after", "change", "target ±3 %"], rows)


def main():
    cases = read(pathlib.Path(sys.argv[1]))
    first = next(iter(cases.values()))
    dates = sorted({c["date"] for c in cases.values()})
    commits = sorted({c["commit"] for c in cases.values()})
    print("# What-if results\n")
    print("Made by `bench/whatif/prove.sh TRACES`; each row is one command, which its JSON in "
          "[whatif/](whatif/) names. Do not edit.\n")
    print(f"Date {', '.join(dates)}, commit {', '.join(commits)}, seed {first['seed']}. A run replays to the bit, "
          "so these figures do not depend on the machine.\n")
    for part in (knees, splits, slow, shared, replicas, returns):
        part(cases)


if __name__ == "__main__":
    main()
