"""The stand-in for a Kubernetes API server (sluice-bench kubernetes), and a
relay before it that speaks TLS and breaks things on the way.
docs/kubernetes-stand-in.md says what the server can be told."""
import json
import os
import random
import select
import socket
import ssl
import struct
import threading

from .ports import free_port
from .process import Process, until
from .story import BUILD
from .wire import Connection, ask

PODS = "/api/v1/namespaces/default/pods"
MERGE = "application/merge-patch+json"


class KubeApi(Process):
    def __init__(self, t, *options, token=None, pods=0, name="kube"):
        self.port, self.token = free_port(), token
        argv = [f"{BUILD}/sluice-bench", "kubernetes", "--listen", f"127.0.0.1:{self.port}", "--pods", str(pods),
                *(["--token", token] if token else []), *options]
        super().__init__(name, argv, os.path.join(t.folder, f"{name}.log"))

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def wait_ready(self):
        def ready():
            assert self.running, f"{self.name} ended:\n{self.tail()}"
            return self.ask("GET", "/readyz").status == 200
        until(ready, f"{self.name} to be ready")
        return self

    # -- as a client of the cluster -----------------------------------------

    def _fields(self, headers=()):
        return {**({"Authorization": f"Bearer {self.token}"} if self.token else {}), **dict(headers)}

    def ask(self, method, path, body=None, headers=()):
        return ask(self.port, method, path, body, self._fields(headers))

    def get(self, path):
        answer = self.ask("GET", path)
        assert answer.status == 200, answer
        return answer.json()

    def patch(self, path, change):
        answer = self.ask("PATCH", path, change, {"Content-Type": MERGE})
        assert answer.status == 200, answer
        return answer.json()

    def watch(self, path):
        return Watch(self.port, path, self._fields())

    # -- as its master --------------------------------------------------------

    def command(self, name, **what):
        answer = self.ask("POST", f"/stand-in/{name}", what)
        assert answer.status == 200, f"{name} {what}: {answer}"

    def churn(self, **what):
        """per_s=, or count= at once; kinds=[ready, address, label, delete, create]."""
        self.command("churn", **what)

    def compact(self):
        self.command("compact")

    def cut(self, how="fin", middle=False):
        self.command("cut", how=how, middle=middle)

    def split(self, n):
        self.command("split", bytes=n)

    def hold(self, on=True):
        self.command("hold", on=on)

    def fail(self, code, count=0, verb=None):
        self.command("status", code=code, count=count, **({"verb": verb} if verb else {}))

    def bookmark(self):
        self.command("bookmark")

    def restart(self, **what):
        """down_s=, resource_version=: back when it answers again."""
        self.command("restart", **what)
        self.wait_ready()

    def state(self):
        return self.get("/stand-in/state")

    def endpoints(self, selector=""):
        """What a client must believe: rows with namespace, name, ip, port,
        ready, terminating, phase, role."""
        return self.get(f"/stand-in/endpoints?labelSelector={selector}")["endpoints"]


class Watch(Connection):
    """A watch, read frame by frame."""

    def __init__(self, port, path, headers):
        super().__init__(port)
        self.request("GET", path, headers=headers)
        self.answer_head, self._pending = self.head(), b""
        self._pieces = self.pieces(self.answer_head, "GET")

    def frames(self):
        """Each frame as it arrives; raises Truncated if the stream is cut."""
        while True:
            while b"\n" in self._pending:
                line, _, self._pending = self._pending.partition(b"\n")
                yield json.loads(line)
            if (piece := self.piece()) is None:
                return
            self._pending += piece

    def piece(self):
        """The next chunk of the answer (taken: no frame will have it), or None."""
        return next(self._pieces, None)

    def next(self):
        return next(self.frames())


class Relay:
    """TLS before a server of plain HTTP, in threads. It can cut its connections
    after a random number of further bytes, hold them, and split what passes."""

    def __init__(self, port, certificate, seed=1):
        self.port, self._home = free_port(), port
        self._to = port
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(certificate, certificate[:-4] + ".key")
        self._tls.set_alpn_protocols(["http/1.1"])
        self._server = socket.create_server(("127.0.0.1", self.port), backlog=64)
        self._random, self._lock = random.Random(seed), threading.Lock()
        self._flow = threading.Event()
        self._flow.set()
        self._piece, self._budgets, self.connections, self.cuts = 65536, {}, 0, 0
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        return f"https://127.0.0.1:{self.port}"

    # -- what goes wrong ------------------------------------------------------

    def cut(self, within=0):
        """Every connection ends after 0..within further bytes of answers."""
        with self._lock:
            for pair, old in list(self._budgets.items()):
                self._budgets[pair] = self._random.randint(0, within)
                if old is None and self._budgets[pair] == 0:
                    self._drop(pair)

    def away(self, on=True):
        """Whoever connects is sent away: there is no server behind."""
        self._to = None if on else self._home

    def hold(self, on=True):
        (self._flow.clear if on else self._flow.set)()

    def split(self, n):
        """Answers pass in pieces of n bytes, each a TLS record; 0: as they come."""
        self._piece = n or 65536

    # -- how it works ---------------------------------------------------------

    def _drop(self, pair):
        self.cuts += 1
        for end in pair:
            try:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                socket.socket.shutdown(end, socket.SHUT_RDWR)  # TLS is its own thread's
            except OSError:
                pass

    def _accept(self):
        while True:
            raw, _ = self._server.accept()
            threading.Thread(target=self._serve, args=(raw,), daemon=True).start()

    def _serve(self, raw):
        pair = None
        try:
            raw.settimeout(60)
            client = self._tls.wrap_socket(raw, server_side=True)
            client.settimeout(None)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._to is None:
                raise ConnectionRefusedError
            server = socket.create_connection(("127.0.0.1", self._to))
            pair = (client, server)
            with self._lock:
                self._budgets[pair] = None
                self.connections += 1
            self._relay(*pair)
        except OSError:
            pass
        finally:
            with self._lock:
                self._budgets.pop(pair, None)
            for end in pair or (raw,):
                end.close()

    def _relay(self, client, server):
        """Both ways in one thread, which alone closes them: OpenSSL's connections
        are not for two threads, and a number that is closed under one who reads is
        soon somebody else's."""
        ends = [client, server]
        while server in ends:
            ready = [client] if client.pending() else select.select(ends, [], [])[0]
            if client in ready and not self._request(client, server):
                ends.remove(client)
            if server in ready and not self._answer(client, server):
                ends.remove(server)

    @staticmethod
    def _request(client, server):
        data = client.recv(65536)
        if data:
            server.sendall(data)
        else:
            server.shutdown(socket.SHUT_WR)
        return data

    def _answer(self, client, server):
        """False: that was the last of it."""
        data = server.recv(self._piece)
        self._flow.wait()
        with self._lock:
            left = self._budgets[client, server]
            if left is not None:
                data = data[:left]
                self._budgets[client, server] = left - len(data)
        client.sendall(data)
        if left is not None and left <= len(data):
            self._drop((client, server))
            return False
        return data
