"""`sluice-bench whatif` as an operator uses it: the table, JSON and the page of
a study, a fleet plan, a trace of one's own, and what is said of a bad one."""
import html.parser
import json
import os
import random
import shlex
import subprocess

from lib import story
from lib.story import equal, sized, true

SPEC = f"synthetic:hot,requests={sized(300, 80)},rate=40"
BLOCK_TOKENS = 512


def bench(t, *options, status=0, stdin=None):
    """(standard output, standard error) of a run that ends with this status."""
    done = subprocess.run([t.program("sluice-bench"), "whatif", *options], capture_output=True,
                          timeout=300, check=False, text=True, stdin=stdin or subprocess.DEVNULL, cwd=t.folder)
    equal(done.returncode, status, f"status of {' '.join(options)}:\n{done.stdout}\n{done.stderr}\n")
    return done.stdout, done.stderr


def study(t, *options):
    out, table = bench(t, *options, "--json", "-")
    return json.loads(out), table


def digests(result):
    return {name: p["decisions"] for name, p in result["policies"].items()}


def names(t):
    listed, _ = bench(t, "--list")
    rows = listed.split("profiles:")[0].splitlines()[1:]
    return [row.split()[0] for row in rows]


def write_trace(t, n, name="trace.jsonl"):
    """Conversations behind one block that they share, in Mooncake's format."""
    rng, path, chats = random.Random(5), os.path.join(t.folder, name), {}
    with open(path, "w", encoding="utf-8") as f:
        for i in range(n):
            ids = chats.setdefault(rng.randrange(n // 4), [0])
            ids.append(1 + i)
            f.write(json.dumps({"timestamp": i * 150, "input_length": len(ids) * BLOCK_TOKENS - rng.randrange(300),
                                "output_length": rng.randrange(2, 60), "hash_ids": ids}) + "\n")
    return path


def check_figures(result, policies):
    equal(list(result["policies"]), policies, "policies")
    for name, p in result["policies"].items():
        true(0 <= p["slo_ok"] <= 1 and 0 <= p["hit_rate"] <= 1 and 0 <= p["kv_usage"] <= 1, f"shares of {name}: {p}")
        for figure in ("ttft_ms", "tpot_ms", "e2e_ms"):
            x = p[figure]
            true(0 < x["p50"] <= x["p90"] <= x["p99"], f"{figure} of {name}: {x}")
        true(p["ttft_ms"]["mean"] < p["e2e_ms"]["mean"], f"TTFT and E2E of {name}")
        true(p["imbalance"] >= 1, f"imbalance of {name}: {p['imbalance']}")
        equal(p["failed"], 0, f"failed of {name}")
        equal(len(p["decisions"]), 16, f"digest of {name}")


def test_every_policy(t):
    result, table = study(t, "--trace", SPEC, "--engines", "4", "--policy", "all")
    check_figures(result, names(t))
    true(all(name in table for name in result["policies"]), "the table has a row each")
    true(len(set(digests(result).values())) > 10, "and they do not decide alike")
    true(result["policies"]["sluice"]["hit_rate"] > result["policies"]["random"]["hit_rate"], "affinity helps")


def test_replays(t):
    options = ("--trace", SPEC, "--engines", "6", "--prefill", "2", "--decode", "4", "--policy", "sluice,lmetric,random",
               "--replicas", "3", "--replica-delay", "20ms", "--fail", "1@1s+2s", "--fail", "1@2s+500ms", "--join", "1@1s")
    first, _ = study(t, *options)
    for more in ((), ("--threads", "1"), ("--threads", "5")):
        again, _ = study(t, *options, *more)
        equal(again["policies"], first["policies"], f"a run again {more}")
    command = shlex.split(first["command"])
    equal(command[:2], ["sluice-bench", "whatif"], "the command that repeats it")
    out, _ = bench(t, *command[2:])
    equal(json.loads(out)["policies"], first["policies"], "by the command that it names")
    other, _ = study(t, *options, "--seed", "2")
    true(digests(other)["random"] != digests(first)["random"], "another seed decides otherwise")
    true(sum(p["retries"] for p in first["policies"].values()) > 0, "the outage was felt")


def test_as_the_issue_has_it(t):
    trace, out = write_trace(t, sized(200, 60)), os.path.join(t.folder, "out.json")
    table, _ = bench(t, "--trace", trace, "--engines", "16", "--prefill", "5", "--decode", "11",
                     "--profile", "llama3-8b-h100", "--rate-factor", "7", "--policy", "all", "--knee",
                     "--replicas", "4", "--replica-delay", "5ms", "--slow", "2x4", "--seed", "1", "--json", out)
    with open(out, encoding="utf-8") as f:
        result = json.load(f)
    check_figures(result, names(t))
    equal((result["engines"], result["replicas"], result["rate_factor"]),
          ({"total": 16, "both": 0, "prefill": 5, "decode": 11}, 4, 7), "what was asked")
    for name, p in result["policies"].items():
        rates = [point["rate"] for point in p["points"]]
        true(p["knee_rps"] > 0 and rates == sorted(rates) and len(rates) > 3, f"knee of {name}: {p}")
        true(name in table, f"{name} has a row")


class Page(html.parser.HTMLParser):
    VOID = {"meta", "br", "hr", "col", "input", "link", "img"}

    def __init__(self, text):
        super().__init__()
        self.open, self.seen, self.loads, self.text = [], {}, [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.seen[tag] = self.seen.get(tag, 0) + 1
        self.loads += [v for k, v in attrs if k in ("src", "href", "xlink:href") and v and not v.startswith("#")]
        for key, value in attrs:
            true("nan" not in (value or "").split() and "inf" not in (value or "").split(), f"{tag} {key}={value}")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        equal(tag, self.open.pop() if self.open else None, "the element that ends")

    def handle_data(self, data):
        self.text.append(data)


def test_page(t):
    path = os.path.join(t.folder, "page.html")
    bench(t, "--trace", SPEC, "--engines", "3", "--policy", "sluice,random", "--knee", "--html", path)
    with open(path, encoding="utf-8") as f:
        text = f.read()
    page = Page(text)
    true(text.startswith("<!doctype html>"), "a page")
    equal((page.open, page.loads), ([], []), "elements left open, what it loads from elsewhere")
    true(page.seen.get("svg", 0) >= 3 and page.seen.get("table", 0) >= 1, f"pictures and tables: {page.seen}")
    true("@import" not in text and "url(" not in text.replace("url(#", ""), "nor does its style sheet")
    words = " ".join(page.text)
    true("sluice" in words and "random" in words and SPEC in words, "names")


def test_plan(t):
    out, table = bench(t, "--trace", SPEC, "--engines", "4", "--plan", "--json", "-")
    plan = json.loads(out)
    smallest = plan["smallest_aggregated"]
    true("smallest aggregated fleet" in table, "the table says it, too")
    good = [f["engines"] for f in plan["fleets"] if f["slo_ok"] >= 0.95 and not f["prefill"]]
    equal(smallest["engines"], min(good), "the smallest that is good enough")
    result, _ = study(t, "--trace", SPEC, "--engines", str(smallest["engines"]))
    true(result["policies"]["sluice"]["slo_ok"] >= 0.95, "and so it is by itself")
    for options in (("--html", "x.html"), ("--fail", "0@1s+1s"), ("--slow", "1x2"), ("--join", "1@1s")):
        _, said = bench(t, "--trace", SPEC, "--engines", "4", "--plan", *options, status=2)
        true("--plan" in said, f"{options} would be passed over: {said}")


def test_limit(t):
    trace = write_trace(t, 50)
    for source in (trace, SPEC):
        result, _ = study(t, "--trace", source, "--limit", "20")
        equal(result["requests"], 20, f"requests of {source}")


def test_one_request(t):
    trace = write_trace(t, 4)
    result, _ = study(t, "--trace", trace, "--limit", "1", "--knee", "--policy", "sluice,oracle")
    for p in result["policies"].values():
        equal((p["failed"], p["slo_ok"]), (0, 1), "it is served")
        true(all(isinstance(point["rate"], (int, float)) for point in p["points"]), f"rates are numbers: {p['points']}")


def test_bad_traces(t):
    path = write_trace(t, 12)
    with open(path, encoding="utf-8") as f:
        lines = f.readlines()
    lines[6] = '{"timestamp": 5, "input_length": "many"}\n'
    with open(path, "w", encoding="utf-8") as f:
        f.writelines(lines)
    empty = os.path.join(t.folder, "empty.jsonl")
    open(empty, "w", encoding="utf-8").close()
    for trace, message in ((path, "trace.jsonl:7:"), (empty, "empty.jsonl"), ("no-such.jsonl", "no-such.jsonl"),
                           ("synthetic:nope", "nope"), ("synthetic:hot,rat=5", "rat")):
        out, said = bench(t, "--trace", trace, status=2)
        equal((out, len(said.splitlines())), ("", 1), f"one line of {trace}: {said}")
        true(said.startswith("sluice-bench whatif: ") and message in said, said)


def test_bad_options(t):
    profile = os.path.join(t.folder, "mine.profile")
    with open(profile, "w", encoding="utf-8") as f:
        f.write("name mine\n# a comment\no_ms fast\n")
    for options, message in ((("--policy", "slice"), "there is no policy 'slice'; --list names all"),
                             (("--policy", ","), "--policy names nobody"),
                             (("--profile", profile), "mine.profile:3: is no number"),
                             (("--profile", "no-such"), "no-such: there is no such profile"),
                             (("--prefill", "3"), "--prefill needs --decode"),
                             (("--json", "no/such/folder"), "no/such/folder: No such file")):
        _, said = bench(t, "--trace", SPEC, "--engines", "4", *options, status=2)
        equal(said.strip(), f"sluice-bench whatif: {said.strip()[len('sluice-bench whatif: '):]}", "who says it")
        true(message in said, f"{options}: {said}")


story.run(globals())
