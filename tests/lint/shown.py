#!/usr/bin/env python3
"""shown.py [ROOT]: files that a page shows are shown as they are.

A line <!-- shown: PATH --> before a fenced block says whose text it is, PATH
from the root. Every page in docs/stacks shows a configuration, and every file
of conf/kubernetes is shown or linked there. SLUICE_UPDATE_GOLDEN=1 puts the
files' text into the pages.
"""
import os
import re
import sys

SHOWN = re.compile(r"(<!-- shown: (\S+) -->\n+```\w*\n)(.*?)(^```$)", re.S | re.M)
LINK = re.compile(r"\]\(([^)\s#]+)")


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def markdown(root):
    for folder, folders, names in os.walk(root):
        folders[:] = [f for f in folders if f not in {".git", "build", "node_modules", ".cache"}]
        yield from (os.path.join(folder, n) for n in sorted(names) if n.endswith(".md"))


def check_page(root, page, update):
    """What is wrong with it, and the files that it shows."""
    wrong, files, text = [], [], read(page)

    def replace(match):
        head, path, shown, fence = match.groups()
        files.append(path)
        if not os.path.isfile(os.path.join(root, path)):
            wrong.append(f"{path} is no file")
            return match.group(0)
        there = read(os.path.join(root, path))
        if shown != there and not update:
            wrong.append(f"{path} is not as shown; SLUICE_UPDATE_GOLDEN=1 mends that")
        return head + there + fence

    new = SHOWN.sub(replace, text)
    if text.count("<!-- shown:") != len(files):
        wrong.append("a 'shown' is not followed by a fenced block")
    if update and new != text:
        with open(page, "w", encoding="utf-8") as f:
            f.write(new)
    return [f"{os.path.relpath(page, root)}: {w}" for w in wrong], files


def check(root, update=False):
    wrong, n, met = [], 0, set()
    for page in markdown(root):
        is_stack = os.path.relpath(page, root).startswith(os.path.join("docs", "stacks"))
        found, files = check_page(root, page, update)
        wrong += found
        n += len(files)
        if is_stack:
            links = [os.path.normpath(os.path.join(os.path.dirname(page), t)) for t in LINK.findall(read(page))]
            met |= {os.path.relpath(t, root) for t in links} | set(files)
        if is_stack and not any(f.endswith(".conf") for f in files):
            wrong.append(f"{os.path.relpath(page, root)}: it shows no configuration")
    folder = os.path.join(root, "conf", "kubernetes")
    for name in sorted(os.listdir(folder) if os.path.isdir(folder) else []):
        if os.path.join("conf", "kubernetes", name) not in met:
            wrong.append(f"conf/kubernetes/{name}: no page in docs/stacks has it")
    return wrong, n


def main():
    root = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "..", ".."))
    wrong, n = check(root, bool(os.environ.get("SLUICE_UPDATE_GOLDEN")))
    print("\n".join(wrong) if wrong else f"shown: {n} files are shown as they are")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
