"""The soak: see ../soak.sh and docs/soak.md."""
import argparse
import os
import re
import shutil
import signal
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "..", "tests", "scenario")]

from lib.process import Failure, until  # noqa: E402

import faults  # noqa: E402
import judge  # noqa: E402
import report  # noqa: E402
import rig as rigs  # noqa: E402
import traffic  # noqa: E402

# What may be more at the end than after the warm-up.
MORE_DESCRIPTORS, MORE_RSS_KB = 8, 64 << 10  # each worker may keep 32 MB for the next requests
MORE_RSS_SANITIZED_KB = 192 << 10  # freed memory is kept for a while
REPORTS = re.compile(r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:|Assertion .* failed")


def options():
    p = argparse.ArgumentParser(prog="soak.sh")
    p.add_argument("--minutes", type=float, default=10)
    p.add_argument("--seconds", type=float, help="instead of --minutes")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--build", required=True)
    p.add_argument("--report")
    p.add_argument("--clients", type=int, default=12)
    p.add_argument("--keep", action="store_true", help="leave the folder with the logs")
    o = p.parse_args()
    o.seconds = o.seconds or o.minutes * 60
    o.build = os.path.abspath(o.build)
    return o


class Soak:
    def __init__(self, o, folder):
        self.o, self.begun = o, time.monotonic()
        self.book = judge.Book(self.clock)
        self.problems, self._said = self.book.problems, 0
        self.say("starting engines and gateways")
        self.rig = rigs.Rig(o.build, folder)
        g = self.rig.gateway
        self.ways = [traffic.Way("HTTP/1.1", g), traffic.Way("HTTP/1.1 over TLS", g, tls=True),
                     traffic.Way("HTTP/2", g, h2=True), traffic.Way("HTTP/2 over TLS", g, h2=True, tls=True),
                     traffic.Way("HTTP/1.1, two gateways", self.rig.front),
                     traffic.Way("HTTP/2, two gateways", self.rig.front, h2=True)]

    def clock(self):
        return time.monotonic() - self.begun

    def say(self, text):
        print(f"{self.clock():7.1f} s  {text}", file=sys.stderr, flush=True)

    def say_problems(self):
        for problem in self.problems[self._said:]:
            self.say(f"PROBLEM {problem}")
        self._said = len(self.problems)

    # -- phases --------------------------------------------------------------

    def run_traffic(self, seconds, seed, plans=()):
        crowd = traffic.Crowd(self.o.clients, seed, self.ways, self.book, self.clock)
        for plan in plans:
            plan.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end and all(g.running for g in self.rig.gateways):
            time.sleep(min(5.0, max(0.05, end - time.monotonic())))
            self.say(f"{self.book.count()} requests, {self.book.count('refused', 'broken')} errors")
            self.say_problems()
        for plan in plans:
            plan.stop()
            if plan.failure:
                self.problems.append(plan.failure)
        for name in crowd.stop():
            self.problems.append(f"client {name} hangs")

    def warm_up(self, seconds):
        """Every kind of request, the large ones on every way in: what the
        gateways keep for the next requests is then what they always keep."""
        for way in self.ways:
            client = traffic.Client(0, f"warm-up {way.name}", [way], self.book, self.clock, None)
            client.do_eight_megabytes("eight_megabytes")
            client.do_megabyte("megabyte")
        self.run_traffic(seconds, f"{self.o.seed} warm-up")

    def settle(self, what):
        """All clients gone, all engines well: nothing may be left."""
        self.say(f"{what}: waiting until nothing is under way")
        try:
            until(lambda: not self.rig.quiet(), f"{what}: nothing under way",
                  timeout=rigs.LEASE_S + 60, interval=0.2)
        except Failure:
            self.problems.append(f"{what}: left over: {', '.join(self.rig.quiet())}")

    def measure(self, most=None):
        """Of both gateways, when the connections to engines that nobody needs
        are closed. most: waits until descriptors are no more than that."""
        seen = []

        def calm():
            seen.append({os.path.basename(os.path.dirname(g.conf)): self.rig.measure(g)
                         for g in self.rig.gateways})
            counts = [[m["descriptors"] for m in s.values()] for s in seen]
            if most:
                return all(n <= m["descriptors"] for n, m in zip(counts[-1], most.values()))
            return len(seen) > 12 and all(c == counts[-1] for c in counts[-8:])
        try:
            until(calm, "descriptors to be closed", timeout=20, interval=0.25)
        except Failure:
            pass
        return seen[-1]

    def compare(self, first, last):
        with open(f"{self.o.build}/sluice", "rb") as f:
            program = f.read()
        sanitized = b"__asan_init" in program or b"__tsan_init" in program
        more_kb = MORE_RSS_SANITIZED_KB if sanitized else MORE_RSS_KB
        for name, before in first.items():
            after = last[name]
            for what, more in (("descriptors", MORE_DESCRIPTORS), ("threads", 0), ("rss_kb", more_kb)):
                if after[what] > before[what] + more:
                    self.problems.append(f"{name}: {what} {before[what]} became {after[what]}")

    def end(self):
        for gateway in reversed(self.rig.gateways):
            try:
                status = gateway.stop(timeout=60)
                if status != 0:
                    self.problems.append(f"a gateway ended with status {status}:\n{gateway.tail(40)}")
            except Failure as e:
                self.problems.append(str(e))
            if found := REPORTS.search(gateway.text()):
                self.problems.append(f"a gateway's log holds: {gateway.text()[found.start():][:2000]}")

    def run(self):
        warm = min(15.0, max(3.0, self.o.seconds / 6))
        self.say(f"warm-up, {warm:.0f} s")
        self.warm_up(warm)
        self.settle("after the warm-up")
        first = self.measure()
        self.say(f"soaking for {self.o.seconds:.0f} s, seed {self.o.seed}")
        self.run_traffic(self.o.seconds, self.o.seed,
                         faults.plans(self.o.seed, self.o.seconds, self.rig, self.book))
        if not all(g.running for g in self.rig.gateways):
            self.problems.append("a gateway ended in the middle")
            return first, first
        self.rig.reload(out=set(), limit=0)
        try:
            self.rig.gateway.wait_healthy(*self.rig.engines.values())
        except Failure as e:
            self.problems.append(f"at the end: {e}")
        self.settle("at the end")
        last = self.measure(most=first)
        self.compare(first, last)
        return first, last


def main():
    o = options()
    # Freed memory would look like a leak, if much of it were kept.
    os.environ["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "detect_leaks=1") + ":quarantine_size_mb=16"
    folder = tempfile.mkdtemp(prefix="sluice-soak-")
    soak = None
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        soak = Soak(o, folder)
        first, last = soak.run()
        soak.end()
        text = report.write({"seed": o.seed, "seconds": f"{o.seconds:.0f}", "clients": o.clients,
                             "Redis": "yes" if soak.rig.redis else "no, the gateway does not know it"},
                            soak.book, {n: (first[n], last[n]) for n in first}, soak.problems)
        print(text)
        if o.report:
            with open(o.report, "w", encoding="utf-8") as f:
                f.write(text)
        return 1 if soak.problems else 0
    finally:
        if soak:
            for process in soak.rig.processes():
                process.kill()
        if o.keep:
            print(f"logs: {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
