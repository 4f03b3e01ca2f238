"""An engine written by the story itself, in this process: for what a real
engine does with its connections, byte by byte."""
import json
import socket
import threading

from .ports import free_port

MODELS = json.dumps({"object": "list", "data": [{"id": "sim", "object": "model"}]}).encode()


def reply(body, status="200 OK", content_type="application/json", extra=""):
    return (f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
            f"{extra}\r\n").encode() + body


def completion(text="done"):
    return reply(json.dumps({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "sim",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}}).encode())


class ScriptedEngine:
    """handler(request) is called for each POST, on the connection's thread.
    It sends what it likes through request.send() and returns True if the
    connection stays open. GETs (probes) are answered by themselves, on
    connections of their own or not: from pages (whole answers by path, which
    may be changed at any time, else 404), without them as a generic engine."""

    def __init__(self, handler=lambda request: request.send(completion()) or True, pages=None, host="127.0.0.1"):
        self.port, self.handler, self.host = free_port(), handler, host
        self.pages, self.asked = pages, []  # paths of all GETs
        self.connections = []  # of those that carried a POST: number of POSTs on each
        self._server = socket.create_server(
            (host, self.port), backlog=256, family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self):
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def close(self):
        self._server.close()

    def _accept(self):
        while True:
            try:
                conn, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _serve(self, conn):
        number, buffer = None, b""
        try:
            with conn:
                while True:
                    while b"\r\n\r\n" not in buffer:
                        data = conn.recv(65536)
                        if not data:
                            return
                        buffer += data
                    head, _, buffer = buffer.partition(b"\r\n\r\n")
                    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
                    length = int(fields.get(b"content-length", 0))
                    while len(buffer) < length:
                        buffer += conn.recv(65536)
                    body, buffer = buffer[:length], buffer[length:]
                    path = head.split(b" ", 2)[1].decode()
                    if head.startswith(b"GET"):
                        self.asked.append(path)
                        conn.sendall(self._page(path))
                        continue
                    if number is None:
                        number = len(self.connections)
                        self.connections.append(0)
                    self.connections[number] += 1
                    if not self.handler(Request(conn, path, body, number, self.connections[number])):
                        return
        except OSError:
            pass

    def _page(self, path):
        if self.pages is None:
            return reply(MODELS if path == "/v1/models" else b"")
        return self.pages.get(path) or reply(b'{"detail":"Not Found"}', "404 Not Found")


class Request:
    """connection: which one, from 0. nth: which request on it, from 1."""

    def __init__(self, conn, path, body, connection, nth):
        self.conn, self.path, self.body, self.connection, self.nth = conn, path, body, connection, nth

    def send(self, data):
        self.conn.sendall(data)

    def reset(self):
        self.conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        return False
