#!/usr/bin/env python3
"""record.py HOST PORT TOKEN CA COMPACT RESTART: writes answers.json beside this
file, from a real API server. TOKEN may do all, TOKEN-denied nothing. COMPACT is
a command that drops etcd's history, RESTART one that ends the server and starts
it again with an empty cache. See tests/scenario/lib/kube_answers.py."""
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "scenario"))
from lib import kube_answers  # noqa: E402


def main():
    if len(sys.argv) != 7:
        sys.exit(__doc__)
    host, port, token, ca, compact, restart = sys.argv[1:]
    actions = {name: lambda c=command: subprocess.run(c, shell=True, check=True)
               for name, command in (("compact", compact), ("restart", restart))}
    answers = kube_answers.play(kube_answers.Server(host, int(port), token, ca, actions))
    with open(os.path.join(HERE, "answers.json"), "w", encoding="utf-8") as f:
        json.dump(answers, f, indent=1, ensure_ascii=False)
        f.write("\n")


if __name__ == "__main__":
    main()
