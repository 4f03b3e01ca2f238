"""reality.py: what-if against the real gateway and simulated engines; see reality.sh."""
import argparse
import json
import os
import statistics
import subprocess
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(ROOT, "tests", "scenario"))
from lib import story  # noqa: E402
from lib.gateway import pool  # noqa: E402

BLOCK_TOKENS = 64  # what-if's KV block (bench/whatif/workload.h)
SLO = ("--slo-ttft", "5000", "--slo-tpot", "50")
TOLERANCE = 0.10   # of the medians
DEFAULTS = {"probe_interval": None, "connect_timeout": None}  # the gateway's own, not a story's short ones
PLACES = {"mean": "mean", "median": "p50", "p90": "p90", "p99": "p99"}


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("trace")
    parser.add_argument("--requests", type=int, default=600)
    parser.add_argument("--engines", type=int, default=8)
    parser.add_argument("--prefill", type=int, default=0)
    parser.add_argument("--decode", type=int, default=0)
    parser.add_argument("--rate-factor", type=float, default=1.0)
    parser.add_argument("--speed", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--report")
    arg = parser.parse_args()
    if (arg.prefill > 0) != (arg.decode > 0) or arg.prefill + arg.decode not in (0, arg.engines):
        parser.error("--prefill and --decode together are --engines, or both are left out")
    return arg


# -- reality -----------------------------------------------------------------

def fleet(t, arg):
    """(its configuration, all engines)."""
    options = ("--block-size", str(BLOCK_TOKENS), "--speed", str(arg.speed))
    if not arg.prefill:
        engines = t.engines(arg.engines, "both", options)
        return pool("all", engines, **DEFAULTS), engines
    p, d = t.engines(arg.prefill, "prefill", options), t.engines(arg.decode, "decode", options)
    roles = {"connector": "nixl", **DEFAULTS}
    return pool("prefill", p, role="prefill", **roles) + pool("decode", d, role="decode", **roles), p + d


def slo_at(speed):
    return [str(float(a) / speed) if i % 2 else a for i, a in enumerate(SLO)]


def replay(t, arg, gateway):
    out = os.path.join(t.folder, "replay.json")
    t.run(t.program("sluice-bench"), "replay", "--trace", arg.trace, "--limit", arg.requests, "--seed", arg.seed,
          "--rate-factor", arg.rate_factor * arg.speed, "--url", f"http://127.0.0.1:{gateway.port}",
          *slo_at(arg.speed), "--json", out, timeout=7200)
    with open(out, encoding="utf-8") as f:
        return json.load(f)


def cached_share(lines):
    """Cached where the prompt was prefilled, of the tokens of all prompts."""
    return sum(a.get("cached_tokens") or 0 for a in lines) / max(1, sum(a["prompt_tokens"] for a in lines))


def real_run(arg):
    with story.session() as t:
        body, engines = fleet(t, arg)
        gateway = t.gateway(body, *engines)
        load = os.getloadavg()[0]
        r = replay(t, arg, gateway)
        gateway.wait_idle()
        lines = [a for a in gateway.access() if (a.get("request_id") or "").startswith("replay-")]
    row = {f"{what}_{PLACES[k]}": r[f"{k}_{what}_ms"] * arg.speed for what in ("ttft", "tpot", "e2el") for k in PLACES}
    row.update(slo=r["request_goodput"] * r["duration"] / r["num_prompts"], rate=r["request_rate"] / arg.speed,
               hit=cached_share(lines), remote=sum(a.get("placement") == "remote" for a in lines) / len(lines),
               lag=r["p99_schedule_lag_ms"], load=load)
    return row


# -- what-if -----------------------------------------------------------------

def whatif_run(arg):
    roles = ["--prefill", arg.prefill, "--decode", arg.decode] if arg.prefill else []
    command = [os.path.join(story.BUILD, "sluice-bench"), "whatif", "--trace", arg.trace, "--limit", arg.requests,
               "--seed", arg.seed, "--rate-factor", arg.rate_factor, "--engines", arg.engines, *roles, *SLO,
               "--quiet", "--json", "-"]
    done = subprocess.run([str(a) for a in command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    line = json.loads(done.stdout)["policies"]["sluice"]
    row = {f"{what}_{p}": line[f"{key}_ms"][p] for what, key in (("ttft", "ttft"), ("tpot", "tpot"), ("e2el", "e2e"))
           for p in PLACES.values()}
    row.update(slo=line["slo_ok"], rate=line["rate"], hit=line["hit_rate"], remote=line["remote"] / arg.requests)
    return row


# -- both --------------------------------------------------------------------

def table(real, simulated):
    lines = ["| | real | what-if | difference |", "|---|--:|--:|--:|"]
    for what, label in (("ttft", "TTFT"), ("tpot", "TPOT"), ("e2el", "E2E")):
        for p in PLACES.values():
            a, b = real[f"{what}_{p}"], simulated[f"{what}_{p}"]
            lines.append(f"| {label} {p}, ms | {a:.1f} | {b:.1f} | {100 * (b / a - 1):+.1f} % |")
    for key, label in (("slo", "in SLO"), ("hit", "prompt tokens cached"), ("remote", "handed over")):
        a, b = 100 * real[key], 100 * simulated[key]
        lines.append(f"| {label} | {a:.1f} % | {b:.1f} % | {b - a:+.1f} points |")
    lines.append(f"| requests per second | {real['rate']:.3f} | {simulated['rate']:.3f} | "
                 f"{100 * (simulated['rate'] / real['rate'] - 1):+.2f} % |")
    return "\n".join(lines)


def spread(runs, key):
    return ", ".join(f"{r[key]:.1f}" for r in runs)


def main():
    arg = arguments()
    runs = [real_run(arg) for _ in range(arg.repeat)]
    real = {k: statistics.median(r[k] for r in runs) for k in runs[0]}
    simulated = whatif_run(arg)
    text = (f"{table(real, simulated)}\n\n"
            f"Real runs, one by one: TTFT p50 {spread(runs, 'ttft_p50')} ms; TPOT p50 {spread(runs, 'tpot_p50')} ms; "
            f"schedule lag p99 {spread(runs, 'lag')} ms; load average before {spread(runs, 'load')}.\n")
    print(text, end="")
    if arg.report:
        with open(arg.report, "w", encoding="utf-8") as f:
            f.write(text)
    off = [k for k in ("ttft_p50", "tpot_p50") if abs(simulated[k] / real[k] - 1) > TOLERANCE]
    if off:
        print(f"off by more than {100 * TOLERANCE:.0f} %: {', '.join(off)}")
    sys.exit(1 if off else 0)


main()
