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
        def healthy():
            assert self.running, f"{self.name} ended:\n{self.tail()}"
            if self.host != "127.0.0.1":
                return self.state()
            return ask(self.port, "GET", "/health").status == 200
        until(healthy, f"{self.name} to be healthy")
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
