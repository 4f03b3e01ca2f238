"""hostile.py [--seconds N] [--only NAME] [--quiet-seconds N] [--markdown]: see
hostile.sh."""
import argparse
import json
import os
import subprocess
import sys
import threading
import time

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(ROOT, "tests", "scenario"))
from lib import story  # noqa: E402
from lib.gateway import pool  # noqa: E402
from lib.process import until  # noqa: E402
import attacks  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
MAX_STREAMS = 100
# Time-outs are short, so that a pin meets them within an attack of seconds.
MAIN = f"""max_streams {MAX_STREAMS};
header_timeout 2s;
body_timeout 2s;
write_timeout 2s;
keepalive_timeout 5s;
tls_handshake_timeout 2s;
queue_limit 64;
queue_timeout 1s;
"""


def resident_kb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


class Watch:
    """The largest memory and the most live requests while it is there."""

    def __init__(self, gateway, engine):
        self._gateway, self._engine = gateway, engine
        self.peak_kb = self.most = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()

    def _look(self):
        i = 0
        while not self._over.wait(0.02):
            self.peak_kb = max(self.peak_kb, resident_kb(self._gateway.pid))
            i += 1
            if i % 5 == 0:
                try:
                    self.most = max(self.most, self._engine.state()["open_requests"])
                except OSError:
                    pass


def honest(port, seconds):
    return subprocess.Popen([sys.executable, os.path.join(HERE, "honest.py"), str(port), str(seconds)],
                            stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": os.path.join(
                                ROOT, "tests", "scenario")})


def attack_process(name, gateway, seconds):
    """In a process of its own, at the lowest priority: it must not take the
    processor from the gateway and the honest client by being written in Python."""
    pid = os.fork()
    if pid:
        return pid
    os.nice(19)
    target = attacks.Target(gateway.port, gateway.tls_port, seconds)
    try:
        attacks.ATTACKS[name](target)
    finally:
        os.write(attack_process.pipe[1], json.dumps([target.rounds, target.connections]).encode() + b"\n")
        os._exit(0)


def play(t, name, seconds, quiet_p99):
    """One attack on a fresh gateway: a row of the table."""
    good, victim = t.engine(model="honest"), t.engine(model="victim", options=["--max-model-len", "100000"])
    gateway = t.gateway("model victim { pools v; }\nmodel honest { pools h; }\n" + pool("v", [victim])
                        + pool("h", [good]), good, victim, certificate=t.certificate(),
                        main=MAIN + attacks.LIMITS.get(name, ""))
    warm = honest(gateway.port, 1.5)
    warm.communicate()
    before = resident_kb(gateway.pid)
    attack_process.pipe = os.pipe()
    with Watch(gateway, victim) as watch:
        client = honest(gateway.port, seconds)
        if name:
            pid = attack_process(name, gateway, seconds)
        seen = json.loads(client.communicate()[0])
        rounds, connections = 0, 0
        if name:
            os.waitpid(pid, 0)
            rounds, connections = json.loads(os.read(attack_process.pipe[0], 200))
    for end in attack_process.pipe:
        os.close(end)
    after = settle(gateway)
    limits = {k.split('"')[1]: int(v) for k, v in gateway.metrics().items()
              if k.startswith("sluice_client_limits_total{") and v}
    return {"attack": name, "rounds": rounds, "connections": connections, "failures": seen["failures"],
            "first": seen["first"], "requests": seen["requests"], "p99_ms": seen["p99_ms"],
            "ratio": seen["p99_ms"] / quiet_p99 if quiet_p99 else 1.0, "grown_mb": (watch.peak_kb - before) / 1024,
            "after_mb": (after - before) / 1024, "engine": watch.most, "limits": limits}


def settle(gateway):
    """The memory when nothing of the attack is left, or after a while."""
    try:
        until(lambda: gateway.metric("sluice_connections_open") <= 1 and gateway.metric("sluice_requests_live") == 0,
              "the attack to be over", timeout=10)
    except story.Failure:
        pass
    time.sleep(8)  # it gives back half of its spares each second, and then looks for free pages
    return resident_kb(gateway.pid)


HEADINGS = ("attack", "rounds / connections", "honest failed", "p99 ms", "ratio", "RSS +MB", "RSS after +MB",
            "most at the engine", "limits that were met")


def cells(r):
    met = ", ".join(f"{k} {v}" for k, v in sorted(r["limits"].items()) if k != "keepalive")
    return (r["attack"], f"{r['rounds']} / {r['connections']}", f"{r['failures']} of {r['requests']}",
            f"{r['p99_ms']:.1f}", f"{r['ratio']:.2f}", f"{r['grown_mb']:.1f}", f"{r['after_mb']:.1f}",
            str(r["engine"]), met)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--only", action="append")
    arg = parser.parse_args()
    names = arg.only or list(attacks.ATTACKS)
    quiet = []
    for _ in range(3):
        with story.session() as t:
            quiet.append(play(t, None, max(arg.seconds, 4), 0)["p99_ms"])
    p99 = sorted(quiet)[1]
    print(f"quiet p99: {', '.join(f'{q:.1f}' for q in quiet)} ms; {p99:.1f} is what ratios refer to\n")
    print("| " + " | ".join(HEADINGS) + " |\n|" + "---|" * len(HEADINGS), flush=True)
    bad = []
    for name in names:
        with story.session() as t:
            row = play(t, name, arg.seconds, p99)
        print("| " + " | ".join(cells(row)) + " |", flush=True)
        if row["first"]:
            print(f"<!-- {row['first'][0]} -->", flush=True)
        if row["failures"] or row["ratio"] > 2 or row["grown_mb"] > 32:
            bad.append(name)
    print(f"\n{len(names)} attacks, {len(bad)} past a goal (no honest failure, p99 at most twice the quiet one, "
          f"RSS + 32 MB at most){': ' + ', '.join(bad) if bad else ''}")
    sys.exit(1 if bad else 0)


main()
