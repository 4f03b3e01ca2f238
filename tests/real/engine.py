"""Real engines on the CPU: start one, ask it, freeze it, end it with its children.

Some servers are a family of processes (vLLM: API, EngineCore, Worker; Ollama: a
runner for each model). Killing the server alone leaves the others running at
full load, so every signal goes to all of them, by pid.
"""
import os
import re
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "scenario"))
from lib.ports import free_port, free_ports  # noqa: E402,F401
from lib.process import Process, until  # noqa: E402
from lib.wire import ask  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
MODEL = "tiny"
START_LIMIT = 600.0


def family(pid):
    """The pid and all that descend from it, parents first."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as f:
                    parent = int(f.read().rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(entry))
    found = [pid]
    for p in found:
        found += children.get(p, [])
    return found


class Family(Process):
    """A server of any kind on a port of this machine. names: the models it is
    to serve, the first one being its own."""

    ready_path = "/health"

    def __init__(self, name, argv, log, port, names, env=None):
        self.port, self.names = port, names
        super().__init__(name, argv, log, env)

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def ask(self, method, path, body=None, **options):
        """Under its own name: Ollama answers no other."""
        return ask(self.port, method, path, body, [("Host", self.address)], **options)

    def wait_ready(self):
        def healthy():
            if not self.running:
                raise SystemExit(f"{self.name} ended while starting:\n{self.tail()}")
            return self.ask("GET", self.ready_path).status == 200
        until(healthy, f"{self.name} to be healthy", START_LIMIT, 0.5)

    def page(self):
        return self.ask("GET", "/metrics").body.decode()

    def metrics(self):
        """Each family's samples summed over their labels."""
        sums = {}
        for line in self.page().splitlines():
            if m := re.match(r"([a-zA-Z_:]\w*(?::\w+)*)(?:\{.*\})? (\S+)$", line):
                sums[m[1]] = sums.get(m[1], 0.0) + float(m[2])
        return sums

    def signal_family(self, number):
        for pid in family(self.pid):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def freeze(self):
        self.signal_family(signal.SIGSTOP)

    def thaw(self):
        self.signal_family(signal.SIGCONT)

    def kill(self):
        self.signal_family(signal.SIGKILL)
        self.popen.wait()

    stop = kill


class Vllm(Family):
    def __init__(self, name, root, log, port, role=None, folder="vllm", names=(MODEL,), options=()):
        """role: prefill, decode, or None for an ordinary engine."""
        argv = [f"{root}/{folder}/bin/vllm", "serve", f"{root}/model", "--served-model-name", *names,
                "--host", "127.0.0.1", "--port", port, "--max-model-len", 2048,
                "--enforce-eager", "--block-size", 32, "--enable-prompt-tokens-details", *options]
        env = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind",
               "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1",
               "DO_NOT_TRACK": "1", "PYTHONHASHSEED": "0", "UCX_TLS": "tcp,shm,self"}
        if role:
            kv_role = {"prefill": "kv_producer", "decode": "kv_consumer"}[role]
            argv += ["--kv-transfer-config",
                     f'{{"kv_connector":"NixlConnector","kv_role":"{kv_role}","kv_buffer_device":"cpu"}}']
            env |= {"VLLM_NIXL_SIDE_CHANNEL_HOST": "127.0.0.1",
                    "VLLM_NIXL_SIDE_CHANNEL_PORT": str(free_port())}
        super().__init__(name, argv, log, port, list(names), env)

    def idle(self):
        return self.metrics().get("vllm:num_requests_running") == 0


class LlamaServer(Family):
    def __init__(self, name, program, model, log, port, names):
        super().__init__(name, [program, "-m", model, "--alias", ",".join(names), "--host", "127.0.0.1",
                                "--port", port, "-c", 4096, "--parallel", 2, "--threads", 1,
                                "--threads-batch", 1, "--metrics"], log, port, names)


class Ollama(Family):
    ready_path = "/api/version"

    def __init__(self, name, program, model, log, port, names, folder):
        """folder: where it keeps its models, and what it thinks is its user's."""
        self.program, self.model, self.folder = program, model, folder
        self.env = {"OLLAMA_HOST": f"127.0.0.1:{port}", "OLLAMA_MODELS": f"{folder}/models",
                    "OLLAMA_KEEP_ALIVE": "-1", "OLLAMA_NUM_PARALLEL": "2", "HOME": folder}
        os.makedirs(folder, exist_ok=True)
        super().__init__(name, [program, "serve"], log, port, names, self.env)

    def wait_ready(self):
        super().wait_ready()
        recipe = os.path.join(self.folder, "Modelfile")
        with open(recipe, "w", encoding="utf-8") as f:
            f.write(f"FROM {self.model}\nPARAMETER num_ctx 2048\nPARAMETER num_thread 1\n")
        for name in self.names:
            subprocess.run([self.program, "create", name, "-f", recipe], env={**os.environ, **self.env},
                           check=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=120)


class KServe(Family):
    """KServe's own model server. It has no option for the address it binds: all."""

    ready_path = "/v2/health/ready"

    def __init__(self, name, root, log, port, names):
        super().__init__(name, [f"{root}/vllm-0.24.0/bin/python", f"{HERE}/served/kserve_model.py", "--http_port", port,
                                "--enable_grpc", "false", "--model_name", ",".join(names)], log, port, names)
