"""A small recorded workload with shared prefixes, replayed: every answer
comes, whole and word for word right, and prefixes find their caches."""
import json
import os
import random
import shutil

from lib import story
from lib.story import equal, sized, true

CONVERSATIONS, TURNS, BLOCK_TOKENS = sized(24, 8), 5, 512


def write_trace(path):
    """Conversations that grow by a block each turn, all behind one common
    block, in Mooncake's format."""
    rng, rows, next_id = random.Random(3), [], 1
    for _ in range(CONVERSATIONS):
        ids, at = [0], rng.randrange(4000)
        for _ in range(TURNS):
            ids = ids + [next_id]
            next_id += 1
            rows.append({"timestamp": at, "input_length": len(ids) * BLOCK_TOKENS - rng.randrange(200),
                         "output_length": rng.randrange(3, 40), "hash_ids": ids})
            at += 1500 + rng.randrange(2000)
    with open(path, "w", encoding="utf-8") as f:
        for row in sorted(rows, key=lambda r: r["timestamp"]):
            f.write(json.dumps(row) + "\n")
    return len(rows)


def replay(t, gateway, engines, *options):
    trace, out = os.path.join(t.folder, "trace.jsonl"), os.path.join(t.folder, "result.json")
    requests = write_trace(trace)
    t.run(t.program("sluice-bench"), "replay", "--trace", trace, "--url", f"http://127.0.0.1:{gateway.port}",
          "--spread", "0", "--rate-factor", "3", "--engines", ",".join(f"http://{e.address}" for e in engines), "--json", out, *options)
    with open(out, encoding="utf-8") as f:
        result = json.load(f)
    equal((result["completed"], result["failures"], result["mismatches"]), (requests, {}, 0),
          "completed, failed, wrong")
    return result


def test_plain(t):
    gateway, engines = t.plain(3)
    result = replay(t, gateway, engines)
    true(result["hit_rate"] > 0.5, f"turns meet the engine that has their prefix: {result['hit_rate']}")
    true(sum(e.requests > 0 for e in engines) > 1, "and not all of them the same one")


def test_disaggregated(t):
    gateway, p, d = t.pair(2, 2, policy="cost")
    replay(t, gateway, p)
    equal([e.state()["corrupted"] for e in p + d], [0] * 4, "answers from blocks of another prompt")


def test_whole_answers(t):
    gateway, p, d = t.pair(2, 2)
    replay(t, gateway, p, "--no-stream", "--api", "completions")
    true(min(e.requests for e in p) > 0, "hand-offs happened")


def test_its_own_log(t):
    """The access log of one replay is the trace of the next: as many requests,
    as much shared. Without a key nobody knows what was shared."""
    gateway, engines = t.plain(3, main="access_log_prompt_key hush;\n")
    requests = len(recorded(t, gateway, replay(t, gateway, engines)))
    log, out = os.path.join(t.folder, "log.jsonl"), os.path.join(t.folder, "again.json")
    shutil.copy(gateway.access_path, log)
    said = t.run(t.program("sluice-bench"), "replay", "--trace", log, "--url", f"http://127.0.0.1:{gateway.port}",
                 "--rate-factor", "3", "--seed", "2", "--engines",
                 ",".join(f"http://{e.address}" for e in engines), "--json", out)
    with open(out, encoding="utf-8") as f:
        again = json.load(f)
    equal((again["completed"], again["mismatches"]), (requests, 0), f"the log again: {said}")
    true(again["hit_rate"] > 0.5, f"what was shared is shared again: {again['hit_rate']}")


def recorded(t, gateway, result):
    lines = [line for line in gateway.access() if line.get("prompt_tokens")]
    equal(len(lines), result["completed"], "lines of the log")
    true(all(len(line["prompt_blocks"]) == line["prompt_bytes"] // 2048 * 8 for line in lines),
         "a hash for each 2 KiB")
    return lines


story.run(globals())
