"""honest.py PORT SECONDS: an honest client, while others attack. Four connections
take turns, each is used for ten requests and then opened anew; 80 requests a
second. Prints one JSON object: requests, failures, p50 and p99 in ms."""
import json
import sys
import time

from lib.gateway import chat
from lib.wire import Connection, Truncated

PORT, SECONDS = int(sys.argv[1]), float(sys.argv[2])
PERIOD = 1 / 80


def main():
    took, failures, held = [], [], [None] * 4
    start = time.monotonic()
    n = 0
    while (now := time.monotonic()) < start + SECONDS:
        time.sleep(max(0.0, start + n * PERIOD - now))
        at = n % len(held)
        n += 1
        begin = time.monotonic()
        try:
            if held[at] is None or n % 40 < len(held):
                if held[at]:
                    held[at].close()
                held[at] = Connection(PORT, timeout=20)
            held[at].request("POST", "/v1/chat/completions", chat(f"honest {n}", model="honest", max_tokens=2))
            answer = held[at].answer()
            if answer.status != 200:
                failures.append(repr(answer)[:200])
        except (OSError, Truncated) as e:
            failures.append(repr(e))
            held[at] = None
        took.append((time.monotonic() - begin) * 1000)
    took.sort()
    print(json.dumps({"requests": n, "failures": len(failures), "first": failures[:1],
                      "p50_ms": took[len(took) // 2], "p99_ms": took[int(len(took) * 0.99)]}))


main()
