#!/usr/bin/env python3
"""h2spec.py PROGRAM [--verbose]: runs h2spec --strict against the three kinds
of port and holds the counts against what must be reached.

On a port that also serves HTTP/1.1, case 3.5/2 (an invalid preface) cannot
pass: what does not begin like the preface is HTTP/1.1 there, and is answered
as such. Everywhere else all cases pass.
"""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "scenario"))
from lib import gateway as gw  # noqa: E402
from lib import story  # noqa: E402
from lib.ports import free_port  # noqa: E402

PROGRAM, VERBOSE = sys.argv[1], "--verbose" in sys.argv
CASES = 146
# Answered before the request is complete, which is the harder case: what h2spec leaves
# open must stay open for a while.
PATH = "/"


def run(port, tls):
    argv = [PROGRAM, "--strict", "-o", "2", "-h", "127.0.0.1", "-p", str(port), "-P", PATH]
    done = subprocess.run(argv + (["-t", "-k"] if tls else []), capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, check=False, timeout=600)
    found = re.search(r"(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed", done.stdout)
    if not found:
        print(done.stdout[-2000:], done.stderr[-2000:])
        return 0, 0, "no summary"
    failures = done.stdout.partition("Failures:")[2]
    return int(found[1]), int(found[2]), failures


def main():
    failed = False
    with story.session() as t:
        engine = t.engine(options=["--fast"])
        h2c = free_port()
        gateway = t.gateway(gw.pool("all", [engine]), engine, certificate=t.certificate(),
                            main=f"listen 127.0.0.1:{h2c} {{ protocol h2c; }}\n")
        for name, port, tls, must in (("TLS", gateway.tls_port, True, CASES),
                                      ("h2c only", h2c, False, CASES),
                                      ("h2c and HTTP/1.1", gateway.port, False, CASES - 1)):
            cases, passed, failures = run(port, tls)
            good = cases == CASES and passed >= must
            failed |= not good
            print(f"{'ok    ' if good else 'FAILED'} {name}: {passed} of {cases} passed, {must} must")
            if VERBOSE or not good:
                print(failures)
    sys.exit(1 if failed else 0)


main()
