#!/usr/bin/env python3
"""openai.py SCRIPT: runs the SDK's script against a gateway with two prefill
and two decode engines, and ends them all."""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "scenario"))
from lib import gateway as gw  # noqa: E402
from lib import story  # noqa: E402

SCRIPT = os.path.abspath(sys.argv[1])

with story.session() as t:
    prefill, decode = t.engines(2, "prefill"), t.engines(2, "decode")
    gateway = t.gateway(gw.prefill_decode(prefill, decode, policy="cost"), *prefill, *decode,
                        certificate=t.certificate())
    setting = {
        "h1": f"http://127.0.0.1:{gateway.port}/v1",
        "h2": f"https://localhost:{gateway.tls_port}/v1",
        "certificate": gateway.certificate,
        "engines": [f"http://{e.address}" for e in prefill + decode],
        "model": "sim",
    }
    done = subprocess.run(["node", SCRIPT, json.dumps(setting)], stdin=subprocess.DEVNULL,
                          check=False, timeout=300)
sys.exit(done.returncode)
