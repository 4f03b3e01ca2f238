"""What probing costs: many engines, pages of a real size, one thread.

Processor time is that of the whole gateway while nobody asks it for anything.
p99 is of requests at a fixed rate through two gateways, one that probes and one
that does not, measured in turns while the other one is stopped."""
import json
import statistics
import time

from rig import Herd, arguments, cpu_s, report, story, until
from lib.gateway import pool

PAGE_BYTES = 150_000


def herds(t, n, per_process=500):
    """n engines whose pages have the size of a real one's."""
    made = [t.adopt(Herd(t, f"herd{i}", min(per_process, n - i))) for i in range(0, n, per_process)]
    for herd in made:
        herd.wait_ready()
        for engine in range(herd.n):
            herd.fault(engine, metrics_bytes=PAGE_BYTES)
    return [a for h in made for a in h.addresses]


def all_known(gateway, n):
    """Every engine is healthy and has been sampled."""
    def known():
        rows = gateway.fleet()["endpoints"]
        return len(rows) == n and all(r["health"] == "healthy" and r["sample_age_ms"] is not None for r in rows)
    until(known, f"{n} engines to be healthy and sampled", timeout=120, interval=0.2)


def idle(t, n, interval_ms, seconds, rounds):
    """CPU share of a gateway that only probes: (median, lowest, highest, probes/s, oldest sample)."""
    gateway = t.gateway(pool("all", herds(t, n), engine="vllm", probe_interval=f"{interval_ms}ms"))
    all_known(gateway, n)
    shares, rates, ages = [], [], []
    for _ in range(rounds):
        before, probes, start = cpu_s(gateway), gateway.metric("sluice_probes_total"), time.monotonic()
        time.sleep(seconds)
        took = time.monotonic() - start
        shares.append((cpu_s(gateway) - before) / took)
        rates.append((gateway.metric("sluice_probes_total") - probes) / took)
        ages.append(max(r["sample_age_ms"] for r in gateway.fleet()["endpoints"]))
    return statistics.median(shares), min(shares), max(shares), statistics.median(rates), max(ages)


def trace(t, seconds, rate):
    path = f"{t.folder}/trace.csv"
    with open(path, "w", encoding="ascii") as f:
        f.write("TIMESTAMP,ContextTokens,GeneratedTokens\n")
        for i in range(int(seconds * rate)):
            at = i / rate
            f.write(f"2026-01-01 00:{int(at // 60):02}:{at % 60:010.7f},200,4\n")
    return path


def p99_of(t, gateway, path, seed):
    out = f"{t.folder}/replay.json"
    t.run(t.program("sluice-bench"), "replay", "--trace", path, "--url", f"http://127.0.0.1:{gateway.port}",
          "--seed", seed, "--verify", "off", "--json", out, timeout=600)
    with open(out, encoding="utf-8") as f:
        r = json.load(f)
    assert r["completed"] == r["num_prompts"], f"{r['completed']} of {r['num_prompts']} answers"
    return r["p99_ttft_ms"]


def beside(t, n, interval_ms, seconds, rate, rounds):
    """p99 of TTFT: [(probing, not probing)] of each round."""
    addresses = herds(t, n)
    path = trace(t, seconds, rate)
    busy = t.gateway(pool("all", addresses, engine="vllm", probe_interval=f"{interval_ms}ms"), name="busy")
    calm = t.gateway(pool("all", addresses, engine="vllm", probe_interval="1h"), name="calm")
    for g in (busy, calm):
        all_known(g, n)
    rows = []
    for i in range(rounds):
        pair = {}
        for g, other in ((busy, calm), (calm, busy)) if i % 2 == 0 else ((calm, busy), (busy, calm)):
            other.freeze()
            pair[g] = p99_of(t, g, path, i + 1)
            other.thaw()
            all_known(other, n)
        rows.append((pair[busy], pair[calm]))
    return rows


def main():
    arg = arguments(__doc__, engines=(1000, "in the large fleet"), seconds=(10, "of each round"),
                    rounds=(5, "of everything"), rate=(100, "requests a second"))
    lines = ["| engines | interval | page | CPU of one core, median [range] | probes/s | oldest sample |",
             "|--:|--:|--:|--:|--:|--:|"]
    for n, interval in ((arg.engines, 500), (100, 1000)):
        with story.session() as t:
            share, low, high, rate, age = idle(t, n, interval, arg.seconds, arg.rounds)
        lines.append(f"| {n} | {interval} ms | {PAGE_BYTES // 1000} kB | {100 * share:.1f} % "
                     f"[{100 * low:.1f}–{100 * high:.1f}] | {rate:.0f} | {age} ms |")
    with story.session() as t:
        rows = beside(t, arg.engines, 500, arg.seconds, arg.rate, arg.rounds)
    busy, calm = statistics.median(a for a, _ in rows), statistics.median(b for _, b in rows)
    lines += ["", f"TTFT p99 at {arg.rate} requests a second, medians of {len(rows)} rounds in turns: {busy:.1f} ms while "
              f"{arg.engines} engines are probed every 500 ms, {calm:.1f} ms without; round by round "
              + ", ".join(f"{a:.1f}/{b:.1f}" for a, b in rows) + "."]
    report("\n".join(lines), arg.report)


main()
