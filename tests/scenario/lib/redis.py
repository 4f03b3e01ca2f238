"""A redis-server of a story's own, without a disk."""
import socket

from .ports import free_port
from .process import Process, until


# What docs/replicas.md says is enough for a gateway.
RIGHTS = "~sluice:* +auth +select +time +xadd +xread +xrevrange +pexpire".split()


class Redis(Process):
    def __init__(self, log, port=None, password=None, user=None):
        self.port, self.password, self.user = port or free_port(), password, user
        argv = ["redis-server", "--port", self.port, "--bind", "127.0.0.1", "--save", "",
                "--appendonly", "no", "--dir", log.rpartition("/")[0]]
        if user:
            argv += ["--user", user, "on", f">{password}", *RIGHTS, "--user", "default", "off"]
        elif password:
            argv += ["--requirepass", password]
        super().__init__("redis", argv, log)

    def conf(self, **directives):
        """The redis block for a gateway's configuration."""
        inside = "".join(f" {k} {v};" for k, v in directives.items())
        return f"redis redis://127.0.0.1:{self.port} {{{inside} }}\n"

    def wait_ready(self):
        def answers():
            assert self.running, f"redis ended:\n{self.tail()}"
            return self.ask("PING")[:1] in (b"+", b"-")
        until(answers, "redis")
        return self

    def again(self):
        """A new, empty one on the same port, after a kill."""
        return Redis(self.log, self.port, self.password, self.user).wait_ready()

    def ask(self, *words):
        """One command, the raw beginning of its answer."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as s:
            if self.user:
                s.sendall(_command("AUTH", self.user, self.password))
                s.recv(4096)
            elif self.password:
                s.sendall(_command("AUTH", self.password))
                s.recv(4096)
            s.sendall(_command(*words))
            return s.recv(65536)


def _command(*words):
    parts = [w if isinstance(w, bytes) else str(w).encode() for w in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts)
