#!/usr/bin/env python3
"""sizes.py [ROOT]: how long files and functions are.

Reports the median and the 90th percentile, and fails on a file over 800 or a
function over 100 lines. A function that has to be longer says so in a comment
right above it or inside: "lint: long because ...".
"""
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from includes import sources  # noqa: E402

FILE_GOAL, FILE_LIMIT = 600, 800
FUNCTION_GOAL, FUNCTION_LIMIT = 60, 100
EXCUSE = re.compile(r"lint: long because \w+")
HEAD = re.compile(r"^[A-Za-z_].*\(")


def functions(lines):
    """(name, first line, last line): clang-format puts both braces of a
    function, and of nothing else in a .c file but initialisers, at column 0."""
    start = None
    for i, line in enumerate(lines):
        if line.startswith("{"):
            start = i
        elif line.startswith("}") and start is not None:
            j = start - 1
            while j >= 0 and not HEAD.match(lines[j]):
                j -= 1
            if line == "}" and j >= 0:
                yield re.sub(r"\(.*", "", lines[j]).split()[-1].lstrip("*"), j, i
            start = None


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "..", "..")
    lengths, over, failed = [], [], []
    for path in sources(root):
        if not path.endswith(".c"):
            continue
        with open(os.path.join(root, path), encoding="utf-8") as f:
            lines = f.read().splitlines()
        if len(lines) > FILE_GOAL:
            (failed if len(lines) > FILE_LIMIT else over).append(f"{path}: {len(lines)} lines")
        for name, first, last in functions(lines):
            n = last - first + 1
            lengths.append(n)
            if n > FUNCTION_GOAL:
                excused = EXCUSE.search("\n".join(lines[max(0, first - 8):last]))
                text = f"{path}:{first + 1}: {name}() has {n} lines"
                (failed if n > FUNCTION_LIMIT and not excused else over).append(text)
    lengths.sort()
    if lengths:
        print(f"{len(lengths)} functions: median {lengths[len(lengths) // 2]} lines, "
              f"90th percentile {lengths[len(lengths) * 9 // 10]}, longest {lengths[-1]}")
    for text in over:
        print(f"  over the goal: {text}")
    for text in failed:
        print(f"  over the limit: {text}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
