"""Simulated engines (sluice-bench engine), each a process of its own."""
import json

from .ports import free_port
from .process import Process, until
from .wire import ask


class Engine(Process):
    """One simulated engine, and its /sim pages, which have a port of their own
    because an engine that refuses connections must still be told to stop it.
    docs/simulated-engine.md says what the pages and the faults are.
    """

    def __init__(self, build, name, log, role="both", port=None, model="sim", options=(),
                 host="127.0.0.1"):
        self.port, self.control, self.host = port or free_port(), free_port(), host
        self.role, self.model, self._options, self._build = role, model, options, build
        super().__init__(name, [f"{build}/sluice-bench", "engine", "--role", role,
                                "--listen", self.address, "--admin", f"127.0.0.1:{self.control}",
                                "--model", model, *options], log)

    @property
    def address(self):
        return f"{self.host}:{self.port}"

    def wait_ready(self):
        def listening():
            assert self.running, f"{self.name} ended:\n{self.tail()}"
            # Not /health: some dialects have none. The control port opens last.
            return ask(self.control, "GET", "/sim/state?engine=0").status == 200
        until(listening, f"{self.name} to listen")
        return self

    def again(self):
        """A new engine on the same port, after a kill."""
        return Engine(self._build, self.name, self.log, self.role, self.port, self.model,
                      self._options, self.host).wait_ready()

    # -- what it saw -------------------------------------------------------

    def state(self):
        return ask(self.control, "GET", "/sim/state?engine=0").json()

    @property
    def requests(self):
        return self.state()["requests"]

    def last(self):
        """The body of the last request, byte for byte, as an Answer."""
        return ask(self.control, "GET", "/sim/last?engine=0")

    def last_headers(self):
        """The fields of the last request, names in lower case."""
        lines = ask(self.control, "GET", "/sim/last/head?engine=0").body.decode().splitlines()[1:]
        return {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines) if n}

    # -- what it does wrong --------------------------------------------------

    def fault(self, **what):
        """Sets faults; count=N limits those of single requests to N requests."""
        answer = ask(self.control, "POST", "/sim/fault?engine=0", json.dumps(what).encode())
        assert answer.status == 200, f"/sim/fault {what}: {answer}"

    def heal(self):
        self.fault(clear=True)

    # -- its GPUs, where it was started with --gpu-exporter --------------------

    def gpus(self):
        """What there is: each GPU's number, UUID, engine and engine's port."""
        return ask(self.control, "GET", "/sim/gpu").json()["gpus"]

    def gpu(self, **what):
        """Changes a GPU (gpu=N, uuid=..., engine=K) or the exporter (down=True)."""
        answer = ask(self.control, "POST", "/sim/gpu", json.dumps(what).encode())
        assert answer.status == 200, f"/sim/gpu {what}: {answer}"
