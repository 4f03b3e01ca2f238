"""What is soaked: two gateways, engines, Redis where the gateway knows it.

    client ─► front ─h2c─► gateway ─► split: prefill and decode engines (nixl)
      └────────────────────────►      plain: engines that do both

The rig knows how to write the configuration for the engines that are in it."""
import os
import shutil
import socket
import subprocess
import threading

from lib.engine import Engine
from lib.gateway import Gateway, pool
from lib.ports import free_port
from lib.process import Process, until

LEASE_S = 10
MAIN = ("stream_buffer 64k;\nwrite_timeout 20s;\nqueue_timeout 10s;\nkeepalive_timeout 20s;\n"
        "shutdown_timeout 5s;\n")
POOL = {"idle_timeout": "1s", "probe_timeout": "500ms", "stale": "1s", "first_event_timeout": "20s",
        "answer_timeout": "40s", "stream_idle_timeout": "10s", "prefill_timeout": "20s",
        "lease": f"{LEASE_S - 2}s"}
# role: (model, engines, options)
FLEET = {
    "prefill": ("split", 3, ("--speed", "20", "--lease", f"{LEASE_S}s")),
    "decode": ("split", 3, ("--speed", "5", "--lease", f"{LEASE_S}s")),
    "both": ("plain", 4, ("--speed", "1000", "--max-model-len", "4000000", "--kv-blocks", "800000")),
}


class Redis(Process):
    def __init__(self, folder, port=None):
        self.port, self._folder = port or free_port(), folder
        super().__init__("redis", ["redis-server", "--port", self.port, "--bind", "127.0.0.1",
                                   "--save", "", "--appendonly", "no", "--dir", folder],
                         os.path.join(folder, "redis.log"))

    def wait_ready(self):
        def answers():
            with socket.create_connection(("127.0.0.1", self.port), 1) as s:
                s.sendall(b"PING\r\n")
                return s.recv(16).startswith(b"+PONG")
        until(answers, "Redis to answer")
        return self

    def again(self):
        return Redis(self._folder, self.port).wait_ready()


def _certificate(folder):
    path = os.path.join(folder, "server.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
                    "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                    "-keyout", path[:-4] + ".key", "-out", path], check=True, capture_output=True)
    return path


class Rig:
    def __init__(self, build, folder):
        self.build, self.folder = build, folder
        self.lock = threading.Lock()  # of what the configuration says
        self.engines = {}             # by name; an engine that was killed is replaced
        self.out, self.limit = set(), 0
        for role, (model, n, options) in FLEET.items():
            for i in range(n):
                name = f"{role}{i}"
                self.engines[name] = Engine(build, name, f"{folder}/{name}.log", role, model=model,
                                            options=options)
        for e in self.engines.values():
            e.wait_ready()
        self.redis = self._find_redis()
        self.gateway = self._gateway("gateway", self.body(), certificate=_certificate(folder))
        self.front = self._gateway("front", pool("first", [self.gateway], engine="generic", protocol="h2c",
                                                 health_path="/v1/models", metrics_path="off"))
        self.gateways = [self.gateway, self.front]
        self.gateway.wait_healthy(*self.engines.values())

    def _gateway(self, name, body, **options):
        folder = os.path.join(self.folder, name)
        os.makedirs(folder, exist_ok=True)
        gateway = Gateway(self.build, folder, body, workers=2, main=MAIN + self._redis_line(), **options)
        gateway.address = f"127.0.0.1:{gateway.port}"
        return gateway.wait_ready()

    # -- Redis ---------------------------------------------------------------

    def _redis_line(self):
        return f"redis redis://127.0.0.1:{self.redis.port};\n" if self.redis else ""

    def _find_redis(self):
        """Redis, if there is one and this gateway knows the directive."""
        if not shutil.which("redis-server"):
            return None
        path = os.path.join(self.folder, "feature.conf")
        with open(path, "w", encoding="utf-8") as f:
            f.write("listen 127.0.0.1:1;\npool { server 127.0.0.1:2; }\nredis redis://127.0.0.1:3;\n")
        known = subprocess.run([f"{self.build}/sluice", "-t", "-c", path], capture_output=True, check=False)
        return Redis(self.folder).wait_ready() if known.returncode == 0 else None

    # -- the configuration ---------------------------------------------------

    def body(self):
        def of(role):
            return [e for n, e in self.engines.items() if e.role == role and n not in self.out]
        limit = {"max_concurrent": self.limit} if self.limit else {}
        return ("".join(pool(role, of(role), role=role, connector="nixl", **POOL, **limit)
                        for role in ("prefill", "decode"))
                + pool("both", of("both"), **POOL, **limit)
                + "model split { policy round-robin; pools prefill decode; }\n"
                + "model plain { pools both; }\n")

    def reload(self, out=None, limit=None):
        """Rewrites the file with these engines left out, or this limit."""
        with self.lock:
            self.out = self.out if out is None else out
            self.limit = self.limit if limit is None else limit
            self.gateway.write(self.body())
            self.gateway.reload()

    # -- what is there -------------------------------------------------------

    def processes(self):
        return [*self.gateways, *self.engines.values(), *([self.redis] if self.redis else [])]

    def measure(self, gateway):
        with open(f"/proc/{gateway.pid}/status", encoding="ascii") as f:
            status = dict(line.split(":", 1) for line in f)
        return {"descriptors": len(os.listdir(f"/proc/{gateway.pid}/fd")),
                "threads": int(status["Threads"]), "rss_kb": int(status["VmRSS"].split()[0])}

    def quiet(self):
        """What is still under way: empty when nothing is."""
        left = []
        for gateway in self.gateways:
            m = gateway.metrics()
            left += [f"{os.path.basename(os.path.dirname(gateway.conf))} {name} {m[name]:.0f}"
                     for name in ("sluice_requests_live", "sluice_requests_waiting",
                                  "sluice_request_bytes_held", "sluice_answer_bytes_held") if m[name]]
        for name, engine in self.engines.items():
            state = engine.state()
            left += [f"{name} {what} {state[what]}" for what in
                     ("running", "waiting", "open_requests", "held_blocks", "pinned_blocks") if state[what]]
        return left
