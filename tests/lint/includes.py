#!/usr/bin/env python3
"""includes.py [ROOT]: an include that goes the wrong way fails.

Knowledge never moves left: a lower layer includes nothing of a higher one, the
pure modules include no effects, and each third-party library is known in one
place. RULES says it all: what a folder may include of the project, and of the
world beyond the C library.
"""
import os
import re
import sys

EVERYWHERE = ("include",)
HTTP = EVERYWHERE + ("gateway/http",)
TELEMETRY = HTTP + ("gateway/telemetry",)
NET = TELEMETRY + ("gateway/net", "gateway/config")
UPSTREAM = NET + ("gateway/upstream",)
DOWNSTREAM = NET + ("gateway/downstream",)
EXCHANGE = UPSTREAM + DOWNSTREAM + ("gateway/exchange",)
DISCOVERY = UPSTREAM + ("gateway/discovery",)
CONTROL = EXCHANGE + ("gateway/admin", "gateway/replica", "gateway/discovery", "gateway/control")

# folder or file prefix, longest match first: (project folders, libraries).
# A folder may always include itself.
RULES = {
    "include": (EVERYWHERE, ()),
    "routing": (EVERYWHERE, ("xxhash",)),
    "probes": (EVERYWHERE, ("cjson", "addresses")),
    "gateway/http": (HTTP, ()),
    "gateway/http/h2": (HTTP, ("nghttp2",)),
    "gateway/telemetry": (TELEMETRY, ("threads",)),
    "gateway/config": (EVERYWHERE, ("addresses",)),
    "gateway/admin": (TELEMETRY, ("event", "sockets")),
    "gateway/net": (NET, ("event", "sockets", "openssl", "threads")),
    "gateway/upstream": (UPSTREAM, ("event", "sockets", "threads")),
    "gateway/downstream": (DOWNSTREAM, ("event", "sockets")),
    "gateway/exchange": (EXCHANGE, ("event", "threads", "cjson")),
    "gateway/replica": (EXCHANGE, ("event", "sockets", "threads", "hiredis")),
    "gateway/discovery": (DISCOVERY, ("event", "sockets", "threads")),
    "gateway/control": (CONTROL, ("event", "sockets", "threads")),
    "gateway/main.c": (CONTROL, ("event", "threads")),
    "gateway/ctl": (HTTP, ("cjson", "sockets")),
    "bench": (HTTP + ("routing", "bench"), ("event", "cjson", "sockets", "threads", "xxhash")),
    "bench/micro": (HTTP + ("routing", "bench"), ("xxhash",)),
}

LIBRARIES = {
    "event": r"event2/|event\.h",
    "nghttp2": r"nghttp2/",
    "openssl": r"openssl/",
    "hiredis": r"hiredis/",
    "cjson": r"cjson/|cJSON\.h",
    "xxhash": r"xxhash\.h|xxh3\.h",
    "sockets": r"sys/(socket|un|epoll|uio|select)\.h|netinet/tcp\.h|netdb\.h|poll\.h",
    "addresses": r"netinet/in\.h|arpa/inet\.h",
    "threads": r"pthread\.h|threads\.h|sys/eventfd\.h",
}

# What the pure modules may not even call: clocks, chance, files, output.
PURE = ("routing", "probes", "gateway/http")
EFFECTS = re.compile(
    r"\b(time|clock_gettime|gettimeofday|rand|random|srand|getenv|open|fopen|read|write|printf|puts|"
    r"fprintf|perror|sleep|usleep|nanosleep|pthread_\w+|socket|connect|recv|send)\s*\(")
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]')
COMMENT = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', re.S)


def sources(root):
    for top in ("include", "routing", "probes", "gateway", "bench"):
        for folder, _, names in os.walk(os.path.join(root, top)):
            for name in sorted(names):
                if name.endswith((".c", ".h", ".def")):
                    yield os.path.relpath(os.path.join(folder, name), root)


def rule_of(path):
    best = max((p for p in RULES if path == p or path.startswith(p + "/")
                or (p.count("/") == 2 and path.startswith(p))), key=len, default=None)
    return RULES[best] if best else None


def project_file(root, source, name):
    """The included file's path in the tree, or None for a system header."""
    for folder in ("", "include", os.path.dirname(source)):
        path = os.path.normpath(os.path.join(folder, name))
        if os.path.isfile(os.path.join(root, path)):
            return path
    return None


def library_of(name):
    return next((l for l, pattern in LIBRARIES.items() if re.match(pattern, name)), None)


def wrong(root, source, name):
    """Why this include may not be here, or None."""
    folders, libraries = rule_of(source)
    target = project_file(root, source, name)
    if target:
        own = os.path.dirname(source)
        inside = any(target.startswith(f + "/") for f in folders + (own,))
        return None if inside else f"{own} must not know {os.path.dirname(target)}"
    library = library_of(name)
    if library == "addresses" and "sockets" in libraries:
        return None
    if library and library not in libraries:
        return f"{os.path.dirname(source)} must not use {library} ({name})"
    return None


def check(root):
    problems = []
    for source in sources(root):
        if rule_of(source) is None:
            problems.append(f"{source}:1: no rule for this folder in tests/lint/includes.py")
            continue
        with open(os.path.join(root, source), encoding="utf-8") as f:
            text = f.read()
        for number, line in enumerate(text.splitlines(), 1):
            if (m := INCLUDE.match(line)) and (why := wrong(root, source, m[1])):
                problems.append(f"{source}:{number}: {why}")
        if source.startswith(PURE) and source.endswith(".c"):
            bare = COMMENT.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), text)
            for number, line in enumerate(bare.splitlines(), 1):
                if m := EFFECTS.search(line):
                    problems.append(f"{source}:{number}: pure code calls {m[1]}()")
    return problems


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "..", "..")
    problems = check(root)
    print("\n".join(problems) if problems else "includes: every one goes the right way")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
