#!/usr/bin/env python3
"""CPU per request of sluice and its peers; cpu.sh says how and why."""
import argparse
import json
import os
import random
import statistics
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tests", "scenario"))
from lib import story  # noqa: E402
from lib.engine import Engine  # noqa: E402
from lib.load import h2load  # noqa: E402
from lib.ports import free_port, free_ports  # noqa: E402
from lib.process import Process, until  # noqa: E402
from lib.wire import ask  # noqa: E402

ENGINES, CONNECTIONS, STREAMS = 16, 32, 8
MODEL = "sim"

SLUICE = """worker_threads 1;
access_log off;
admin 127.0.0.1:{admin};
listen 127.0.0.1:{port};
pool engines {{
	engine vllm;
	{servers}
}}
"""
HAPROXY = """global
	nbthread 1
	maxconn 4000
defaults
	mode http
	timeout connect 5s
	timeout client 60s
	timeout server 60s
frontend front
	bind 127.0.0.1:{port} proto h2
	default_backend engines
backend engines
	balance roundrobin
	http-reuse always
	{servers}
"""
NGINX = """worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.err warn;
events {{ worker_connections 8192; }}
http {{
	access_log off;
	client_body_temp_path {folder}/nginx-body;
	proxy_temp_path {folder}/nginx-proxy;
	fastcgi_temp_path {folder}/nginx-f;
	uwsgi_temp_path {folder}/nginx-u;
	scgi_temp_path {folder}/nginx-s;
	client_body_buffer_size 1m;
	client_max_body_size 32m;
	keepalive_requests 1000000000;
	upstream engines {{
		{servers}
		keepalive 512;
		keepalive_requests 1000000000;
	}}
	server {{
		listen 127.0.0.1:{port} http2;
		location / {{
			proxy_pass http://engines;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
		}}
	}}
}}
"""


def program(name):
    """Debian keeps daemons where a user's PATH does not look."""
    for folder in os.environ["PATH"].split(":") + ["/usr/sbin", "/usr/local/sbin"]:
        path = os.path.join(folder, name)
        if os.access(path, os.X_OK):
            return path
    sys.exit(f"{name} is not installed")


class Family(Process):
    """A program with children, which SIGTERM makes it end, and SIGKILL would not."""

    def kill(self):
        self.stop()


class Proxy:
    """A proxy that is ready, and what it has cost so far. "baseline" is another
    sluice: what it was before a change."""

    def __init__(self, t, name, engine_ports, baseline=None):
        self.name, self.port, self._baseline_path = name, free_port(), baseline
        path = os.path.join(t.folder, name + ".conf")
        argv, text = getattr(self, "_" + name)(t, path, engine_ports)
        if text:
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
        self.process = t.adopt(Family(name, argv, os.path.join(t.folder, name + ".log")))

    def _sluice(self, t, path, ports):
        servers = "\n\t".join(f"server 127.0.0.1:{p};" for p in ports)
        self.admin = free_port()
        return ([t.program("sluice"), "-c", path],
                SLUICE.format(port=self.port, admin=self.admin, servers=servers))

    def _baseline(self, t, path, ports):
        argv, text = self._sluice(t, path, ports)
        return [self._baseline_path, *argv[1:]], text

    def _nghttpx(self, t, path, ports):
        return ([program("nghttpx"), f"-f127.0.0.1,{self.port};no-tls", *[f"-b127.0.0.1,{p}" for p in ports],
                 "-n1", "--conf=/dev/null", "--no-location-rewrite", "--backend-connections-per-host=1024",
                 "--log-level=ERROR", "--accesslog-file=/dev/null"], None)

    def _haproxy(self, t, path, ports):
        servers = "\n\t".join(f"server e{p} 127.0.0.1:{p}" for p in ports)
        return [program("haproxy"), "-db", "-f", path], HAPROXY.format(port=self.port, servers=servers)

    def _nginx(self, t, path, ports):
        servers = "\n\t\t".join(f"server 127.0.0.1:{p};" for p in ports)
        return ([program("nginx"), "-p", t.folder, "-c", path],
                NGINX.format(port=self.port, servers=servers, folder=t.folder))

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/v1/chat/completions"

    def cpu_us(self):
        """On the CPU so far, all threads of the process and its children."""
        return sum(_thread_ns(pid) for pid in _family(self.process.pid)) / 1000


def _family(pid):
    pids = [pid]
    for p in pids:
        for task in os.listdir(f"/proc/{p}/task"):
            with open(f"/proc/{p}/task/{task}/children", encoding="ascii") as f:
                pids += map(int, f.read().split())
    return pids


def _thread_ns(pid):
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as f:
            total += int(f.read().split()[0])
    return total


def body_of(size, seed):
    """A chat request of exactly this many bytes. Every body of a size shares
    its system message, a third of it, as the requests of one application do."""
    shared, own = random.Random(1), random.Random(seed)

    def text(rng, n):
        words = []
        while sum(map(len, words)) + len(words) <= n:
            words.append("".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(rng.randrange(2, 10))))
        return " ".join(words)[:n]

    def body(n):
        return json.dumps({"model": MODEL, "max_tokens": 4, "messages": [
            {"role": "system", "content": text(shared, size // 3)},
            {"role": "user", "content": text(own, n)}]}).encode()

    bare = len(body(0))
    shared, own = random.Random(1), random.Random(seed)
    return body(size - bare)


def measure(t, proxy, path, requests):
    """One window: what h2load saw, and the CPU it took."""
    h2load(t, proxy.url, CONNECTIONS * STREAMS * 2, CONNECTIONS, STREAMS, path)
    before = proxy.cpu_us()
    result = h2load(t, proxy.url, requests, CONNECTIONS, STREAMS, path)
    cpu = proxy.cpu_us() - before
    return {"requests": requests, "failed": requests - result.ok, "rps": result.rate,
            "cpu_us_per_request": cpu / requests}


def report(names, rounds):
    """rounds: {size: {name: [window, ...]}}. Prints a table, returns the rows."""
    rows = []
    print(f"{'body':>8}  {'proxy':<8} {'us/request':>10} {'ratio to nghttpx':>22} {'req/s':>8} {'failed':>7}")
    for size, windows in rounds.items():
        base = [w["cpu_us_per_request"] for w in windows["nghttpx"]]
        for name in names:
            mine = windows[name]
            ratios = sorted(w["cpu_us_per_request"] / b for w, b in zip(mine, base))
            row = {"proxy": name, "body_bytes": size,
                   "requests": sum(w["requests"] for w in mine), "failed": sum(w["failed"] for w in mine),
                   "rps": round(statistics.median(w["rps"] for w in mine), 1),
                   "cpu_us_per_request": round(statistics.median(w["cpu_us_per_request"] for w in mine), 2)}
            spread = f"{statistics.median(ratios):.2f} [{ratios[0]:.2f}-{ratios[-1]:.2f}]"
            print(f"{size:>8}  {name:<8} {row['cpu_us_per_request']:>10.1f} {spread:>22} "
                  f"{row['rps']:>8.0f} {row['failed']:>7}")
            rows.append(row)
    return rows


def main():
    parser = argparse.ArgumentParser(prog="cpu.sh")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=20000, help="per window at 1 KB; fewer for larger bodies")
    parser.add_argument("--sizes", default="1024,8192,65536")
    parser.add_argument("--proxies", default="sluice,nghttpx,haproxy,nginx", help="nghttpx is always measured")
    parser.add_argument("--baseline", metavar="SLUICE", help="another sluice to measure in the same rounds")
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    sizes = [int(s) for s in options.sizes.split(",")]
    names = [n for n in options.proxies.split(",")]
    if "nghttpx" not in names:
        names.append("nghttpx")
    if options.baseline:
        names.insert(1, "baseline")

    with story.session() as t:
        ports = free_ports(ENGINES)
        engines = t.adopt(Engine(story.BUILD, "engines", os.path.join(t.folder, "engines.log"),
                                 port=ports[0], options=["--count", ENGINES, "--fast"]))
        until(lambda: all(ask(p, "GET", "/health").status == 200 for p in ports), "the engines")
        proxies = [Proxy(t, name, ports, options.baseline) for name in names]
        for proxy in proxies:
            def answers(proxy=proxy):
                assert proxy.process.running, f"{proxy.name} ended:\n{proxy.process.tail()}"
                path = os.path.join(t.folder, "probe.json")
                with open(path, "wb") as f:
                    f.write(body_of(1024, 0))
                return h2load(t, proxy.url, 1, 1, 1, path).ok == 1
            until(answers, f"{proxy.name} to answer", interval=0.2)

        rounds = {size: {name: [] for name in names} for size in sizes}
        for number in range(options.rounds):
            for size in sizes:
                path = os.path.join(t.folder, f"body-{size}-{number}.json")
                with open(path, "wb") as f:
                    f.write(body_of(size, number))
                requests = max(2000, options.requests * 4096 // (size + 3072))
                for proxy in proxies:
                    assert engines.running, "the engines ended"
                    rounds[size][proxy.name].append(measure(t, proxy, path, requests))
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
        rows = report(names, rounds)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as f:
            json.dump({"results": rows}, f, indent=1)
            f.write("\n")
    return 1 if any(r["failed"] for r in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
