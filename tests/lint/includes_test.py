#!/usr/bin/env python3
"""The include check finds what it is for, and nothing else: a small tree with
one violation of each kind, and one with none."""
import os
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import includes  # noqa: E402

GOOD = {
    "include/sluice/base.h": "#include <stdint.h>\n",
    "routing/cost.h": '#include "sluice/base.h"\n',
    "routing/cost.c": '#include "routing/cost.h"\n#include <xxhash.h>\n/* time(now) is an argument */\n',
    "gateway/http/h2_conn.c": "#include <nghttp2/nghttp2.h>\n",
    "gateway/net/tls.c": '#include <openssl/ssl.h>\n#include "gateway/http/h1.h"\n',
    "gateway/http/h1.h": "",
    "bench/sim/sim.c": '#include "gateway/http/h1.h"\n#include <event2/event.h>\n',
}
BAD = {
    "routing/a.c": ('#include "probes/p.h"\n', "must not know probes"),
    "probes/a.c": ('#include "routing/cost.h"\n', "must not know routing"),
    "routing/b.c": ("#include <event2/event.h>\n", "must not use event"),
    "routing/c.c": ("long f(void) { return time(0); }\n", "calls time()"),
    "gateway/http/h1.c": ("#include <sys/socket.h>\n", "must not use sockets"),
    "gateway/http/sse.c": ("#include <nghttp2/nghttp2.h>\n", "must not use nghttp2"),
    "gateway/http/up.c": ('#include "gateway/net/n.h"\n', "must not know gateway/net"),
    "gateway/upstream/u.c": ('#include "gateway/exchange/e.h"\n', "must not know gateway/exchange"),
    "gateway/exchange/a.c": ('#include "gateway/admin/a.h"\n', "must not know gateway/admin"),
    "gateway/upstream/s.c": ("#include <openssl/ssl.h>\n", "must not use openssl"),
    "gateway/control/r.c": ("#include <hiredis/hiredis.h>\n", "must not use hiredis"),
    "include/sluice/x.h": ('#include "routing/cost.h"\n', "must not know routing"),
    "gateway/novel/n.c": ("\n", "no rule"),
}
HEADERS = ("probes/p.h", "gateway/net/n.h", "gateway/exchange/e.h", "gateway/admin/a.h")


def tree(root, files):
    for path, text in files.items():
        full = os.path.join(root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as f:
            f.write(text)


with tempfile.TemporaryDirectory() as root:
    tree(root, GOOD)
    assert includes.check(root) == [], includes.check(root)
    tree(root, {h: "" for h in HEADERS} | {p: text for p, (text, _) in BAD.items()})
    found = includes.check(root)
    for path, (_, why) in BAD.items():
        mine = [f for f in found if f.startswith(path + ":")]
        assert len(mine) == 1 and why in mine[0], (path, why, mine)
    assert len(found) == len(BAD), found
print(f"{len(BAD)} violations found, {len(GOOD)} good files passed")
