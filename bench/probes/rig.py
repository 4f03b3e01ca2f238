"""What the measurements of probing share: fleets of many engines in few
processes, the processor time of a process, and where results go."""
import argparse
import json
import os
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(ROOT, "tests", "scenario"))
from lib import story  # noqa: E402
from lib.ports import free_port, free_ports  # noqa: E402
from lib.process import Process, until  # noqa: E402
from lib.wire import ask  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")


def arguments(doc, **options):
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--report", help="a file to write the table to")
    for name, (default, text) in options.items():
        parser.add_argument("--" + name.replace("_", "-"), type=type(default), default=default, help=text)
    return parser.parse_args()


def report(text, path):
    print(text)
    if path:
        with open(path, "w", encoding="utf-8") as f:
            f.write(text + "\n")


class Herd(Process):
    """Many engines in one process, on ports in a row."""

    def __init__(self, t, name, n, options=()):
        self.n, self.first, self.control = n, free_ports(n)[0], free_port()
        super().__init__(name, [t.program("sluice-bench"), "engine", "--listen", f"127.0.0.1:{self.first}",
                                "--count", n, "--admin", f"127.0.0.1:{self.control}", "--model", "sim", *options],
                         os.path.join(t.folder, name + ".log"))

    @property
    def addresses(self):
        return [f"127.0.0.1:{self.first + i}" for i in range(self.n)]

    def wait_ready(self):
        until(lambda: ask(self.first + self.n - 1, "GET", "/health").status == 200, f"{self.name} to be ready")
        return self

    def fault(self, engine, **what):
        answer = ask(self.control, "POST", f"/sim/fault?engine={engine}", json.dumps(what).encode())
        assert answer.status == 200, f"{what}: {answer}"


def cpu_s(process):
    """Seconds of processor time so far, the kernel's for it included."""
    with open(f"/proc/{process.pid}/stat", encoding="ascii") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS
