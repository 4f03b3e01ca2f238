"""TLS handshakes that come in pieces, stall or break: no memory for what has
not come, and the handshake is the same however its bytes arrive."""
import socket
import ssl

from lib import story
from lib.process import until
from lib.story import equal, sized, true


def resident_kb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


def cpu_ticks(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def hello(certificate):
    """A ClientHello, and the engine that goes on with the handshake."""
    context = ssl.create_default_context(cafile=certificate)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return tls, incoming, outgoing


def finish(sock, tls, incoming, outgoing):
    while True:
        try:
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            sock.sendall(outgoing.read())
            data = sock.recv(65536)
            true(data, "the handshake goes on")
            incoming.write(data)
    tls.write(b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    sock.sendall(outgoing.read())
    answer = b""
    while b'"id":"sim"' not in answer:
        data = sock.recv(65536)
        true(data, f"an answer, not {answer!r}")
        incoming.write(data)
        try:
            while piece := tls.read(65536):
                answer += piece
        except (ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            pass


def start(t, **options):
    engine = t.engine()
    return t.gateway(story.gw.pool("all", [engine]), engine, certificate=t.certificate(), **options)


def connect(gateway):
    sock = socket.create_connection(("127.0.0.1", gateway.tls_port), 30)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def test_in_pieces(t):
    gateway = start(t)
    for cut in (1, 4, 5, 6, 100):
        with connect(gateway) as sock:
            tls, incoming, outgoing = hello(gateway.certificate)
            first = outgoing.read()
            sock.sendall(first[:cut])
            equal(gateway.ask("GET", "/health").status, 200, "somebody else meanwhile")
            sock.sendall(first[cut:])
            finish(sock, tls, incoming, outgoing)
    with connect(gateway) as sock:
        tls, incoming, outgoing = hello(gateway.certificate)
        for byte in outgoing.read():
            sock.sendall(bytes([byte]))
        finish(sock, tls, incoming, outgoing)


def test_broken(t):
    """What is no handshake, or half of one and an end, is closed; nothing spins."""
    gateway = start(t, main="tls_handshake_timeout 60s;\n")
    tls, _, outgoing = hello(gateway.certificate)
    first = outgoing.read()
    for sent in (b"GET / HTTP/1.1\r\n\r\n", b"\x15\x03\x01\x00\x02\x02\x28", b"\x16\x03\x01\xff\xff" + b"x" * 20000,
                 b"\x16\x03\x01\x00\x04\xff\xff\xff\xff"):
        with connect(gateway) as sock:
            sock.sendall(sent)
            until(lambda s=sock: ended(s), f"the end of {sent[:8]!r}")
    for part in (b"", first[:3], first[:60]):
        with connect(gateway) as sock:
            sock.sendall(part)
            sock.shutdown(socket.SHUT_WR)
            until(lambda s=sock: ended(s), f"the end of {len(part)} bytes and a FIN")
    until(lambda: gateway.metric("sluice_connections_open") == 0, "no connection is left")


def ended(sock):
    try:
        while sock.recv(4096):
            pass
    except ConnectionError:
        pass
    return True


def test_stalled(t):
    n = sized(1000, 200)
    gateway = start(t, main="tls_handshake_timeout 3s;\n")
    before, ticks = resident_kb(gateway.pid), cpu_ticks(gateway.pid)
    stalled = [connect(gateway) for _ in range(n)]
    for i, sock in enumerate(stalled):
        sock.sendall(b"\x16\x03\x01\x02\x00\x01"[:i % 7])
    until(lambda: gateway.metric("sluice_connections_open") >= n, "all to be there")
    grown = resident_kb(gateway.pid) - before
    print(f"       {n} stalled handshakes: {grown} kB more")
    true(grown < sized(8 << 10, 64 << 10), f"the gateway grew by {grown} kB")
    until(lambda: gateway.metric('sluice_client_limits_total{limit="tls_handshake"}') == n, "all to be closed")
    spent = cpu_ticks(gateway.pid) - ticks
    true(spent < sized(150, 600), f"waiting cost {spent} ticks")
    for sock in stalled:
        sock.close()


story.run(globals())
