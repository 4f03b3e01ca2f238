"""An engine that keeps what it is sent, byte for byte, and answers with it."""
import json
import socket
import threading

from . import strict
from .ports import free_port
from .scripted import MODELS, completion, reply

PROBES = (b"/health", b"/v1/models", b"/metrics")


class EchoEngine:
    """`messages` are those that strict.read() took, probes left out;
    `violations` say what it did not take. Each answer carries the content of
    its request, so that a client can tell whose answer it got."""

    def __init__(self):
        self.port = free_port()
        self.messages, self.violations = [], []
        self._server = socket.create_server(("127.0.0.1", self.port), backlog=256)
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def _accept(self):
        while True:
            conn, _ = self._server.accept()
            threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _serve(self, conn):
        data = b""
        try:
            with conn:
                while piece := conn.recv(1 << 20):
                    data += piece
                    message, used = strict.read(data, self.address.encode())
                    if not message:
                        continue
                    if data[used:]:  # the gateway does not pipeline
                        raise strict.Ambiguous(f"{data[used:]!r} behind {data[:used]!r}")
                    data = b""
                    conn.sendall(self._answer(message))
            if data:
                self.violations.append(f"half a message: {data!r}")
        except strict.Ambiguous as e:
            self.violations.append(f"{e} in {data!r}")
        except OSError:
            pass

    def _answer(self, message):
        if message.method == b"GET" and message.path in PROBES:
            return reply(MODELS if message.path == b"/v1/models" else b"")
        self.messages.append(message)
        return completion(echoed(message.body))


def echoed(body):
    """The text of the answer to a request with this body."""
    return body.strip().decode("latin-1")


def text(answer):
    return json.loads(answer.body)["choices"][0]["message"]["content"]
