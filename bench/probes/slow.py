"""Two of 16 engines four times slower: TPOT of the same traffic, over the
network, against the same fleet in health. In turns, every run from a cold start."""
import json
import random
import statistics

from rig import arguments, report, story
from lib.gateway import pool

ENGINES, SLOW, FACTOR = 16, 2, 4


def conversation(path, requests, rate, seed):
    """Arrivals of a Poisson process, log-normal lengths, in Azure's form."""
    rng = random.Random(seed)
    at = 0.0
    with open(path, "w", encoding="ascii") as f:
        f.write("TIMESTAMP,ContextTokens,GeneratedTokens\n")
        for _ in range(requests):
            at += rng.expovariate(rate)
            f.write(f"2026-01-01 {int(at // 3600):02}:{int(at // 60) % 60:02}:{at % 60:010.7f},"
                    f"{min(16000, int(rng.lognormvariate(7.2, 0.9)))},{min(800, int(rng.lognormvariate(5.0, 0.6)))}\n")
    return path


def run(arg, slow, seed):
    with story.session() as t:
        engines = t.engines(ENGINES, "both", ("--speed", str(arg.speed)))
        gateway = t.gateway(pool("all", engines, probe_interval="1s", connect_timeout=None), *engines)
        for engine in engines[:slow]:
            engine.fault(slow=FACTOR)
        path = conversation(f"{t.folder}/trace.csv", arg.requests, arg.rate, seed)
        out = f"{t.folder}/replay.json"
        t.run(t.program("sluice-bench"), "replay", "--trace", path, "--url", f"http://127.0.0.1:{gateway.port}",
              "--rate-factor", arg.speed, "--json", out, timeout=3600)
        with open(out, encoding="utf-8") as f:
            r = json.load(f)
        assert r["completed"] == r["num_prompts"], f"{r['completed']} of {r['num_prompts']} answers"
        rows = {row["endpoint"]: row["dispatched"] for row in gateway.fleet()["endpoints"]}
        share = sum(rows[e.address] for e in engines[:SLOW]) / sum(rows.values())
    return {"p50": r["median_tpot_ms"] * arg.speed, "p99": r["p99_tpot_ms"] * arg.speed,
            "ttft": r["p99_ttft_ms"] * arg.speed, "share": share, "lag": r["p99_schedule_lag_ms"]}


def main():
    arg = arguments(__doc__, requests=(3000, "per run"), rate=(20.0, "requests a second, at speed 1"),
                    speed=(4.0, "engines and traffic are so many times faster than real"), rounds=(3, "of both"))
    runs = {0: [], SLOW: []}
    for i in range(arg.rounds):
        for slow in (0, SLOW) if i % 2 == 0 else (SLOW, 0):
            runs[slow].append(run(arg, slow, i + 1))
    lines = ["| fleet | TPOT p50 | TPOT p99 | TTFT p99 | share of the two | schedule lag p99 |",
             "|---|--:|--:|--:|--:|--:|"]
    for slow, name in ((0, "16 healthy"), (SLOW, f"{SLOW} of 16 {FACTOR} times slower")):
        m = {k: statistics.median(r[k] for r in runs[slow]) for k in runs[slow][0]}
        lines.append(f"| {name} | {m['p50']:.1f} ms | {m['p99']:.1f} ms | {m['ttft']:.0f} ms | "
                     f"{100 * m['share']:.1f} % | {m['lag']:.1f} ms |")
    ratios = [s["p99"] / h["p99"] for s, h in zip(runs[SLOW], runs[0])]
    lines += ["", f"TPOT p99, slow to healthy, pair by pair: {', '.join(f'{100 * (r - 1):+.1f} %' for r in ratios)}; "
              f"median {100 * (statistics.median(ratios) - 1):+.1f} %. Times are at speed 1."]
    report("\n".join(lines), arg.report)


main()
