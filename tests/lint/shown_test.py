#!/usr/bin/env python3
"""The check of shown files finds a text that has moved on, a file that is gone,
a page without a configuration, a configuration without a page; and mends the
first."""
import os
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import shown  # noqa: E402

PAGE = "docs/stacks/a.md"
GOOD = "# A\n\n<!-- shown: conf/kubernetes/a.conf -->\n```nginx\nlisten 8080;\n```\n\n[x](../../conf/kubernetes/x.yaml)\n"
FILES = {"conf/kubernetes/a.conf": "listen 8080;\n", "conf/kubernetes/x.yaml": "kind: Role\n", PAGE: GOOD}
BAD = {
    "is not as shown": {PAGE: GOOD.replace("8080", "80")},
    "is no file": {PAGE: GOOD.replace("a.conf", "b.conf")},
    "not followed by a fenced block": {PAGE: GOOD + "<!-- shown: conf/kubernetes/x.yaml -->\nnothing\n"},
    "shows no configuration": {"docs/stacks/b.md": "# B\n"},
    "no page in docs/stacks has it": {"conf/kubernetes/b.conf": "listen 80;\n"},
}


def write(root, files):
    for path, text in files.items():
        path = os.path.join(root, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)


def main():
    with tempfile.TemporaryDirectory() as root:
        write(root, FILES)
        assert shown.check(root) == ([], 1), shown.check(root)
    for what, files in BAD.items():
        with tempfile.TemporaryDirectory() as root:
            write(root, {**FILES, **files})
            wrong, _ = shown.check(root)
            assert any(what in w for w in wrong), (what, wrong)
    with tempfile.TemporaryDirectory() as root:
        write(root, {**FILES, PAGE: GOOD.replace("8080", "80")})
        shown.check(root, update=True)
        assert shown.read(os.path.join(root, PAGE)) == GOOD
    print("shown_test: all is found")


if __name__ == "__main__":
    main()
