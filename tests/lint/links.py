#!/usr/bin/env python3
"""links.py [ROOT]: every relative link in a Markdown file leads to something."""
import os
import re
import sys

LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.S | re.M)
SKIP = {".git", "build", "node_modules", ".cache"}


def main():
    root = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "..", ".."))
    links, broken = 0, []
    for folder, folders, names in os.walk(root):
        folders[:] = [f for f in folders if f not in SKIP]
        for name in names:
            path = os.path.join(folder, name)
            if not name.endswith(".md"):
                continue
            with open(path, encoding="utf-8") as f:
                text = FENCE.sub("", f.read())
            for target in LINK.findall(text):
                if re.match(r"[a-z]+:|#", target):
                    continue
                links += 1
                if not os.path.exists(os.path.join(folder, target.split("#")[0])):
                    broken.append(f"{os.path.relpath(path, root)}: {target}")
    print("\n".join(broken) if broken else f"links: {links} lead somewhere")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
