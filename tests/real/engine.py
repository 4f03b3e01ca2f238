"""A real vLLM on the CPU: start it, ask it, freeze it, end it with its children.

A vLLM server is a family of processes (API, EngineCore, Worker). Killing the
server alone leaves the others running at full load, so every signal goes to
all of them, children first found, by pid.
"""
import os
import re
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "scenario"))
from lib.ports import free_port, free_ports  # noqa: E402,F401
from lib.process import Process, until  # noqa: E402
from lib.wire import ask  # noqa: E402

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


class Vllm(Process):
    def __init__(self, name, root, log, port, role=None):
        """role: prefill, decode, or None for an ordinary engine."""
        self.port = port
        argv = [f"{root}/vllm/bin/vllm", "serve", f"{root}/model", "--served-model-name", MODEL,
                "--host", "127.0.0.1", "--port", port, "--max-model-len", 2048,
                "--enforce-eager", "--block-size", 32, "--enable-prompt-tokens-details"]
        env = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind",
               "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1",
               "DO_NOT_TRACK": "1", "PYTHONHASHSEED": "0", "UCX_TLS": "tcp,shm,self"}
        if role:
            kv_role = {"prefill": "kv_producer", "decode": "kv_consumer"}[role]
            argv += ["--kv-transfer-config",
                     f'{{"kv_connector":"NixlConnector","kv_role":"{kv_role}","kv_buffer_device":"cpu"}}']
            env |= {"VLLM_NIXL_SIDE_CHANNEL_HOST": "127.0.0.1",
                    "VLLM_NIXL_SIDE_CHANNEL_PORT": str(free_port())}
        super().__init__(name, argv, log, env)

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def wait_ready(self):
        def healthy():
            if not self.running:
                raise SystemExit(f"{self.name} ended while starting:\n{self.tail()}")
            return ask(self.port, "GET", "/health").status == 200
        until(healthy, f"{self.name} to be healthy", START_LIMIT, 0.5)

    def metrics(self):
        """Each family's samples summed over their labels."""
        sums = {}
        for line in ask(self.port, "GET", "/metrics").body.decode().splitlines():
            if m := re.match(r"([a-zA-Z_:]\w*(?::\w+)*)(?:\{.*\})? (\S+)$", line):
                sums[m[1]] = sums.get(m[1], 0.0) + float(m[2])
        return sums

    def idle(self):
        return self.metrics().get("vllm:num_requests_running") == 0

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
