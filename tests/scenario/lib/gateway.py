"""The gateway under test: its configuration, its logs, its admin pages."""
import json
import os
import signal

from .ports import free_port
from .process import Process, until
from .wire import Connection, ask

# Short times, so that a story about a time-out takes a second, not a minute.
POOL_DEFAULTS = {"probe_interval": "100ms", "connect_timeout": "1s", "ejection_time": "500ms", "ejection_max": "1s",
                 "slow_start": "500ms"}


def pool(name, engines, **directives):
    """A pool block; a value of None leaves a default out."""
    given = {**POOL_DEFAULTS, "engine": "vllm", **directives}
    lines = [f"\t{k} {v};" for k, v in given.items() if v is not None]
    lines += [f"\tserver {getattr(e, 'address', e)};" for e in engines]
    return f"pool {name} {{\n" + "\n".join(lines) + "\n}\n"


def prefill_decode(prefill, decode, policy="round-robin", model="sim", **directives):
    """The two pools of a disaggregated fleet.

    By what it costs, an idle decode engine often prefills for itself. In turns,
    every request is handed over, which is what most stories are about.
    """
    return (f"model {model} {{ policy {policy}; }}\n"
            + pool("prefill", prefill, role="prefill", connector="nixl", **directives)
            + pool("decode", decode, role="decode", connector="nixl", **directives))


class Gateway(Process):
    def __init__(self, build, folder, body, certificate=None, workers=2, main=""):
        """body: pools and models. main: directives of the main block."""
        self._build = build
        self.port, self.admin_port = free_port(), free_port()
        self.tls_port = free_port() if certificate else None
        self.certificate = certificate
        self.conf = os.path.join(folder, "sluice.conf")
        self.access_path = os.path.join(folder, "access.log")
        self._main = (f"worker_threads {workers};\nadmin 127.0.0.1:{self.admin_port};\n"
                      f"access_log {self.access_path};\nlisten 127.0.0.1:{self.port};\n")
        if certificate:
            self._main += (f"listen 127.0.0.1:{self.tls_port} "
                           f"{{ tls certificate {certificate} key {certificate[:-4]}.key; }}\n")
        if "shutdown_notice" not in main:
            self._main += "shutdown_notice 0s;\n"
        self._main += main
        self.write(body)
        super().__init__("sluice", [f"{build}/sluice", "-c", self.conf],
                         os.path.join(folder, "sluice.log"))

    def write(self, body, raw=False):
        with open(self.conf, "w", encoding="utf-8") as f:
            f.write(body if raw else self._main + body)

    def reload(self):
        """SIGHUP, and back when the gateway has taken or refused the file."""
        def count():
            m = self.metrics()
            return (m.get("sluice_config_reloads_total", 0)
                    + m.get("sluice_config_reload_failures_total", 0))
        before = count()
        self.signal(signal.SIGHUP)
        until(lambda: count() > before, "the reload")

    # -- asking it ---------------------------------------------------------

    def ask(self, method, path, body=None, headers=(), **options):
        return ask(self.port, method, path, body, headers, **options)

    def post(self, path, body, headers=(), **options):
        return self.ask("POST", path, body, headers, **options)

    def chat(self, content="hello", headers=(), **fields):
        return self.post("/v1/chat/completions", chat(content, **fields), headers)

    def connect(self, **options):
        return Connection(self.port, **options)

    def admin(self, path, method="GET"):
        return ask(self.admin_port, method, path)

    def fleet(self):
        answer = self.admin("/fleet")
        assert answer.status == 200, answer
        return answer.json()

    def row(self, engine):
        """What /fleet says of one engine."""
        return next(r for r in self.fleet()["endpoints"] if r["endpoint"] == engine.address)

    def metrics(self):
        """Samples by name, those with labels as name{a="b"}."""
        samples = {}
        for line in self.admin("/metrics").body.decode().splitlines():
            if line and not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                samples[name] = float(value)
        return samples

    def metric(self, name):
        """One family summed over its labels, or one sample; it must be there."""
        values = [v for k, v in self.metrics().items() if k == name or k.startswith(name + "{")]
        assert values, f"no metric {name}"
        return sum(values)

    # -- waiting for it ----------------------------------------------------

    def wait_ready(self):
        def ready():
            assert self.running, f"the gateway ended:\n{self.tail()}"
            return self.admin("/readyz").status == 200
        until(ready, "/readyz")
        return self

    def wait_healthy(self, *engines, state="healthy"):
        """Until the fleet shows these engines in this state, and the healthy
        ones have said what they serve."""
        want = {e.address for e in engines}

        def agreed():
            assert self.running, f"the gateway ended:\n{self.tail()}"
            rows = {r["endpoint"]: r for r in self.fleet()["endpoints"]}
            return all(a in rows and rows[a]["health"] == state
                       and (state != "healthy" or rows[a]["models"]) for a in want)
        until(agreed, f"{', '.join(sorted(want))} to be {state}")
        return self

    def wait_idle(self):
        """Until nothing is in progress, by the gateway's own account."""
        until(lambda: self.metric("sluice_requests_live") == 0, "no live request")

    def access(self):
        """Every access line so far."""
        try:
            with open(self.access_path, encoding="utf-8") as f:
                return [json.loads(line) for line in f if line.endswith("\n")]
        except FileNotFoundError:
            return []

    def access_of(self, request_id):
        """The line of one request, as soon as it is there."""
        def find():
            return [a for a in self.access() if a.get("request_id") == request_id]
        lines = until(find, f"the access line of {request_id}")
        assert len(lines) == 1, lines
        return lines[0]


def chat(content="hello", model="sim", **fields):
    return {"model": model, "messages": [{"role": "user", "content": content}], "max_tokens": 8, **fields}
