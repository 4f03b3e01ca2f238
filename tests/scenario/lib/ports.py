"""Ports that no other story running at the same time will take.

They come from below the kernel's ephemeral range, so that no outgoing
connection has one either, and each is held by a lock on a file that ends with
this process.
"""
import fcntl
import os
import socket
import tempfile

FIRST, LAST = 18000, 32000
_locks = []
_next = FIRST + (os.getpid() * 61) % (LAST - FIRST)


def free_port():
    global _next
    folder = os.path.join(tempfile.gettempdir(), f"sluice-test-ports-{os.getuid()}")
    os.makedirs(folder, exist_ok=True)
    for _ in range(LAST - FIRST):
        port = _next
        _next = FIRST if _next + 1 >= LAST else _next + 1
        lock = os.open(os.path.join(folder, str(port)), os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with socket.socket() as s:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                s.bind(("127.0.0.1", port))
        except OSError:
            os.close(lock)
            continue
        _locks.append(lock)
        return port
    raise RuntimeError("no free port")


def free_ports(n):
    """n ports in a row, for an engine process that takes --count."""
    while True:
        ports = [free_port() for _ in range(n)]
        if ports[-1] - ports[0] == n - 1:
            return ports
