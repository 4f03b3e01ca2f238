"""What the gateway does when an HTTP/2 client sends this, and why.

A row: a name, the bytes behind a sound preface (a list is sent piece by piece),
what comes of it, and the section that says so (RFC 9113, or 7541 where it says
HPACK). What comes of it:
  OK          forwarded, once, and answered with 200
  (OK, check) and check(what the engine was sent) holds
  STATUS n    answered with n, not forwarded
  RST codes   a stream error with one of them, not forwarded
  END codes   a connection error with one of them (GOAWAY, and closed)
  EITHER ...  one of the two, as it happens to find the stream
  LAST        forwarded and answered; then the connection is closed
  NOTHING     no answer to it; the connection serves on
Behind all but END an ordinary request on the same connection must be answered.
Where the RFC leaves a choice (an error of the connection for one of the stream,
a 400 for a reset), the row has what the gateway chose.
"""
from lib.h2wire import (ACK, CONTINUATION, COMPRESSION_ERROR, DATA, ENABLE_PUSH, END_HEADERS, END_STREAM,
                        ENHANCE_YOUR_CALM, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, GOAWAY, HEADERS,
                        INITIAL_WINDOW, MAX_FRAME, PADDED, PING, PREFACE, PRIORITY, PROTOCOL_ERROR,
                        PUSH_PROMISE, RST_STREAM, SETTINGS, STREAM_CLOSED, WINDOW_UPDATE, WITH_PRIORITY,
                        block, data, frame, headers, integer, literal, settings, u32)

OK, NOTHING, LAST = "ok", "nothing", "last"


def STATUS(n):
    return "status", n


def RST(*codes):
    return "rst", codes


def END(*codes):
    return "end", codes


def EITHER(*codes):
    return "either", codes


PATH = "/v1/echo"
OPEN = END_HEADERS  # and no END_STREAM
P = PROTOCOL_ERROR


def request(*extra, method="POST", scheme="http", path=PATH, authority="gateway"):
    """The fields of a request; None leaves a pseudo-header field out."""
    pseudo = [(":method", method), (":scheme", scheme), (":path", path), (":authority", authority)]
    return [f for f in pseudo if f[1] is not None] + list(extra)


def get(*extra, **pseudo):
    return headers(1, request(*extra, **{"method": "GET", **pseudo}))


def post(*extra, body=b"hello", parts=None, **pseudo):
    """A request with a body of octets, in one DATA frame or in these."""
    parts = [body] if parts is None else parts
    out = headers(1, request(("content-type", "application/octet-stream"), *extra, **pseudo), OPEN)
    return out + b"".join(data(1, p, END_STREAM if i == len(parts) - 1 else 0) for i, p in enumerate(parts))


def has(name, *values):
    return lambda seen: seen.values(name.encode()) == [v.encode() for v in values]


def lacks(*names):
    return lambda seen: not any(seen.values(n.encode()) for n in names)


def body_is(text):
    return lambda seen: seen.body == text and seen.values(b"content-length") == [str(len(text)).encode()]


def line_is(text):
    return lambda seen: seen.line == text.encode()


FORBIDDEN = [("connection", "close"), ("connection", "keep-alive"), ("connection", "x-secret"),
             ("keep-alive", "timeout=5"), ("proxy-connection", "keep-alive"), ("transfer-encoding", "chunked"),
             ("transfer-encoding", "identity"), ("upgrade", "h2c"), ("te", "gzip"), ("te", "trailers, deflate")]

FIELDS = [
    ("a plain request", get(), OK, "8.3.1"),
    ("a request with a body", post(), (OK, body_is(b"hello")), "8.1"),
    *((f"{n}: {v}", get((n, v)), RST(P), "8.2.2") for n, v in FORBIDDEN),
    ("te: trailers", get(("te", "trailers")), (OK, lacks("te")), "8.2.2"),
    ("an upper-case name", get(("X-Upper", "1")), RST(P), "8.2.1"),
    ("an empty name", get(("", "1")), RST(P), "8.2.1"),
    ("a name with a space", get(("x y", "1")), RST(P), "8.2.1"),
    ("a name with a colon", get(("x:y", "1")), RST(P), "8.2.1"),
    ("a name that is not ASCII", get((b"x-\xc3\xa4", "1")), RST(P), "8.2.1"),
    ("a name with NUL", get((b"x\0y", "1")), RST(P), "8.2.1"),
    ("a name with CR LF", get((b"x: 1\r\ny", "1")), RST(P), "8.2.1, 10.3"),
    ("a value with NUL", get(("x", b"a\0b")), RST(P), "8.2.1"),
    ("a value with LF", get(("x", b"a\nb")), RST(P), "8.2.1"),
    ("a value with CR", get(("x", b"a\rb")), RST(P), "8.2.1"),
    ("a value with CR LF and a field", get(("x", b"a\r\ntransfer-encoding: chunked")), RST(P), "10.3"),
    ("a value with CR LF CR LF and a request", get(("x", b"a\r\n\r\nGET /v1/x HTTP/1.1\r\nHost: a\r\n\r\n")),
     RST(P), "10.3"),
    ("a value that begins with a space", get(("x", " a")), RST(P), "8.2.1"),
    ("a value that ends with a tab", get(("x", "a\t")), RST(P), "8.2.1"),
    ("a value with a tab inside", get(("x", "a\tb")), (OK, has("x", "a\tb")), "8.2.1"),
    ("a value of UTF-8", get(("x", "ä")), OK, "8.2.1, RFC 9110 5.5"),
    ("an empty value", get(("x", "")), OK, "8.2.1"),
    ("cookie crumbs", get(("cookie", "a=1"), ("cookie", "b=2")), (OK, has("cookie", "a=1; b=2")), "8.2.3"),
    ("underscores in a name", get(("content_length", "3")), OK, "8.2.1"),
]

PSEUDO = [
    ("a pseudo-header field after a regular one",
     headers(1, [(":method", "GET"), ("x", "1"), (":scheme", "http"), (":path", PATH), (":authority", "a")]),
     RST(P), "8.3"),
    ("a pseudo-header field of answers", get((":status", "200")), RST(P), "8.3"),
    ("an unknown pseudo-header field", headers(1, [(":unknown", "1")] + request(method="GET")), RST(P), "8.3"),
    ("no :method", get(method=None), RST(P), "8.3.1"),
    ("no :scheme", get(scheme=None), RST(P), "8.3.1"),
    ("no :path", get(path=None), RST(P), "8.3.1"),
    ("an empty :path", get(path=""), RST(P), "8.3.1"),
    ("neither :authority nor Host", get(authority=None), RST(P), "8.3.1, RFC 9112 3.2"),
    ("Host in place of :authority", get(("host", "other"), authority=None), OK, "8.3.1"),
    ("Host equal to :authority", get(("host", "gateway")), OK, "8.3.1"),
    ("Host unlike :authority", get(("host", "other")), STATUS(400), "8.3.1"),
    ("two Hosts", get(("host", "gateway"), ("host", "gateway")), RST(P), "8.3.1, RFC 9112 3.2"),
    ("two :method", headers(1, [(":method", "GET")] + request(method="POST")), RST(P), "8.3"),
    ("two :path", headers(1, [(":path", "/v1/a")] + request(method="GET")), RST(P), "8.3"),
    ("two :authority", headers(1, [(":authority", "a")] + request(method="GET")), RST(P), "8.3"),
    ("two :scheme", headers(1, [(":scheme", "http")] + request(method="GET")), RST(P), "8.3"),
    (":authority with user information", get(authority="user@gateway"), STATUS(400), "8.3.1"),
    (":authority with CR LF", get(authority=b"a\r\nx: y"), RST(P), "10.3"),
    (":authority with a path", get(authority="a/b"), RST(P), "8.3.1"),
    (":path without a slash", get(path="v1/echo"), RST(P), "8.3.1"),
    (":path *, and no OPTIONS", get(path="*"), RST(P), "8.3.1"),
    (":path *, and OPTIONS", get(path="*", method="OPTIONS"), STATUS(405), "8.3.1"),
    ("a whole URI in :path", get(path="http://evil/v1/echo"), RST(P), "8.3.1"),
    (":path with a space and a version", get(path="/v1/echo HTTP/1.1"), RST(P), "10.3"),
    (":path with CR LF", get(path=b"/v1/echo\r\nx: y"), RST(P), "10.3"),
    (":path with NUL", get(path=b"/v1/\0"), RST(P), "10.3"),
    (":path with a fragment", get(path=PATH + "#a"), STATUS(400), "8.3.1"),
    (":path with a query", get(path=PATH + "?a=b"), (OK, line_is(f"GET {PATH}?a=b HTTP/1.1")), "8.3.1"),
    (":path with dot segments", get(path="/v1/../admin"), STATUS(400), "RFC 3986 6.2.2.3"),
    (":path that is not ASCII", get(path=b"/v1/\xff"), STATUS(400), "8.3.1"),
    (":method with a space", get(method="GET /v1/x HTTP/1.1"), RST(P), "10.3"),
    (":method with CR LF", get(method=b"GET\r\nx"), RST(P), "10.3"),
    ("an empty :method", get(method=""), RST(P), "8.3.1"),
    ("an unknown :method", get(method="BREW"), STATUS(501), "RFC 9110 9.1"),
    (":scheme https on a plain port", get(scheme="https"), OK, "8.3.1: a gateway may be behind one"),
    (":scheme with CR LF", get(scheme=b"http\r\nx"), RST(P), "10.3"),
    (":scheme that is not http", get(scheme="ftp"), OK, "8.3.1: not restricted; it is not sent on"),
    ("CONNECT", headers(1, [(":method", "CONNECT"), (":authority", "a:1")]), STATUS(405), "8.5"),
    ("CONNECT with a path", get(method="CONNECT"), RST(P), "8.5"),
    ("extended CONNECT, not offered",
     headers(1, request((":protocol", "websocket"), method="CONNECT"), OPEN), RST(P), "RFC 8441 3"),
]

BODIES = [
    ("Content-Length that is the sum", post(("content-length", "5")), (OK, body_is(b"hello")), "8.1.1"),
    ("Content-Length, the sum of several", post(("content-length", "5"), parts=[b"he", b"", b"llo"]),
     (OK, body_is(b"hello")), "8.1.1"),
    ("Content-Length greater than the sum", post(("content-length", "6")), RST(P), "8.1.1"),
    ("Content-Length less than the sum", post(("content-length", "4")), RST(P), "8.1.1"),
    ("Content-Length 0 and a body: a request hidden in it",
     post(("content-length", "0"), body=b"GET /v1/x HTTP/1.1\r\nHost: a\r\n\r\n"), RST(P), "8.1.1"),
    ("Content-Length and no body", get(("content-length", "5")), RST(P), "8.1.1"),
    ("Content-Length twice, equal", post(("content-length", "5"), ("content-length", "5")), RST(P), "8.1.1"),
    ("Content-Length twice, unlike", post(("content-length", "5"), ("content-length", "6")), RST(P), "8.1.1"),
    ("Content-Length as a list", post(("content-length", "5, 5")), RST(P), "8.1.1"),
    ("Content-Length with a sign", post(("content-length", "+5")), RST(P), "8.1.1"),
    ("Content-Length in hexadecimal", post(("content-length", "0x5")), RST(P), "8.1.1"),
    ("Content-Length past 64 bits", post(("content-length", "18446744073709551621")), RST(P), "8.1.1"),
    ("Content-Length and Transfer-Encoding", post(("content-length", "5"), ("transfer-encoding", "chunked")),
     RST(P), "8.2.2"),
    ("chunks in the body are its bytes", post(body=b"0\r\n\r\nGET / HTTP/1.1\r\n\r\n"),
     (OK, body_is(b"0\r\n\r\nGET / HTTP/1.1\r\n\r\n")), "8.1"),
    ("padded DATA", headers(1, request(("content-type", "application/octet-stream")), OPEN)
     + frame(DATA, END_STREAM | PADDED, 1, b"\x03hello\0\0\0"), (OK, body_is(b"hello")), "6.1"),
    ("padding longer than DATA", headers(1, request(), OPEN) + frame(DATA, END_STREAM | PADDED, 1, b"\x09hello"),
     END(P), "6.1"),
    ("padding longer than HEADERS", frame(HEADERS, END_HEADERS | END_STREAM | PADDED, 1, b"\xff" + block(request())),
     END(P), "6.2"),
    ("trailers", headers(1, request(("content-type", "application/octet-stream")), OPEN) + data(1, b"hello", 0)
     + headers(1, [("x-sum", "1")]), (OK, lacks("x-sum")), "8.1: dropped, RFC 9110 6.5.1"),
    ("trailers with a pseudo-header field", headers(1, request(), OPEN) + headers(1, [(":path", "/x")]),
     RST(P), "8.1"),
    ("trailers with Transfer-Encoding", headers(1, request(), OPEN)
     + headers(1, [("transfer-encoding", "chunked")]), RST(P), "8.2.2"),
    ("trailers without END_STREAM", headers(1, request(), OPEN) + headers(1, [("x", "1")], OPEN), RST(P), "8.1"),
    ("expect: 100-continue", post(("expect", "100-continue")), OK, "RFC 9110 10.1.1"),
]

STATES = [
    ("DATA on an idle stream", data(1, b"x"), END(P), "5.1"),
    ("WINDOW_UPDATE on an idle stream", frame(WINDOW_UPDATE, 0, 1, u32(1)), END(P), "5.1"),
    ("RST_STREAM on an idle stream", frame(RST_STREAM, 0, 1, u32(8)), END(P), "5.1, 6.4"),
    ("PRIORITY on an idle stream", frame(PRIORITY, 0, 1, u32(0) + b"\0"), NOTHING, "5.1"),
    ("DATA behind END_STREAM", get() + data(1, b"x"), EITHER(STREAM_CLOSED), "5.1"),
    ("HEADERS behind END_STREAM", get() + get(), END(STREAM_CLOSED), "5.1"),
    ("DATA behind RST_STREAM", headers(1, request(), OPEN) + frame(RST_STREAM, 0, 1, u32(8)) + data(1, b"x"),
     RST(STREAM_CLOSED), "5.1"),
    ("HEADERS behind RST_STREAM", headers(1, request(), OPEN) + frame(RST_STREAM, 0, 1, u32(8)) + get(),
     END(STREAM_CLOSED), "5.1"),
    ("an even stream", headers(2, request(method="GET")), END(P), "5.1.1"),
    ("stream 0", headers(0, request(method="GET")), END(P), "6.2"),
    ("ids that go down", headers(5, request(method="GET")) + headers(3, request(method="GET")), END(P), "5.1.1"),
    ("DATA on stream 0", data(0, b"x"), END(P), "6.1"),
    ("RST_STREAM on stream 0", frame(RST_STREAM, 0, 0, u32(8)), END(P), "6.4"),
    ("GOAWAY, then a request", frame(GOAWAY, 0, 0, u32(0) + u32(0)) + get(), LAST,
     "6.8: what it still asks for is answered"),
    ("GOAWAY on a stream", frame(GOAWAY, 0, 1, u32(0) + u32(0)), END(P), "6.8"),
    ("PUSH_PROMISE from a client", get() + frame(PUSH_PROMISE, END_HEADERS, 1, u32(2) + block(request())),
     END(P), "8.4"),
    ("CONTINUATION without HEADERS", frame(CONTINUATION, END_HEADERS, 1, b""), END(P), "6.10"),
    ("CONTINUATION behind END_HEADERS", headers(1, request(), OPEN) + frame(CONTINUATION, END_HEADERS, 1, b""),
     END(P), "6.10"),
    ("a PING inside a header block", headers(1, request(), 0) + frame(PING, 0, 0, bytes(8)), END(P), "6.10"),
    ("CONTINUATION of another stream", headers(1, request(), 0) + frame(CONTINUATION, END_HEADERS, 3, b""),
     END(P), "6.10"),
    ("a head in many CONTINUATIONs", headers(1, request(method="GET")[:2], END_STREAM)
     + b"".join(frame(CONTINUATION, 0 if i < 2 else END_HEADERS, 1, literal(*f))
                for i, f in enumerate(request(("x", "1"))[2:])), OK, "6.10"),
    ("CONTINUATIONs without end", headers(1, request(), 0) + frame(CONTINUATION, 0, 1, b"") * 100,
     END(ENHANCE_YOUR_CALM), "10.5.1"),
    ("an unknown frame", frame(0xbe, 0xff, 1, b"x" * 20) + get(), OK, "4.1"),
    ("unknown flags", headers(1, request(method="GET"), END_HEADERS | END_STREAM | 0xd2 & ~WITH_PRIORITY & ~PADDED),
     OK, "4.1"),
    ("the reserved bit of an id", headers(0x80000001, request(method="GET")), OK, "4.1"),
]

SIZES = [
    *((f"{n} bytes of {what}", frame(kind, 0, stream, bytes(n)), END(FRAME_SIZE_ERROR), section)
      for what, kind, stream, n, section in (
          ("PING", PING, 0, 6, "6.7"), ("PING", PING, 0, 9, "6.7"), ("SETTINGS", SETTINGS, 0, 5, "6.5"),
          ("WINDOW_UPDATE", WINDOW_UPDATE, 0, 3, "6.9"), ("GOAWAY", GOAWAY, 0, 7, "6.8"))),
    ("3 bytes of RST_STREAM", headers(1, request(), OPEN) + frame(RST_STREAM, 0, 1, bytes(3)),
     END(FRAME_SIZE_ERROR), "6.4"),
    ("4 bytes of PRIORITY", frame(PRIORITY, 0, 1, bytes(4)), END(FRAME_SIZE_ERROR), "6.3, 5.4"),
    ("DATA larger than allowed", headers(1, request(), OPEN) + data(1, bytes(16385)), END(FRAME_SIZE_ERROR), "4.2"),
    ("HEADERS larger than allowed", frame(HEADERS, OPEN, 1, b"", length=16385), END(FRAME_SIZE_ERROR), "4.2"),
    ("SETTINGS with ACK and content", frame(SETTINGS, ACK, 0, bytes(6)), END(FRAME_SIZE_ERROR), "6.5"),
    ("SETTINGS on a stream", frame(SETTINGS, 0, 1), END(P), "6.5"),
    ("ENABLE_PUSH 2", settings((ENABLE_PUSH, 2)), END(P), "6.5.2"),
    ("INITIAL_WINDOW_SIZE 2^31", settings((INITIAL_WINDOW, 1 << 31)), END(FLOW_CONTROL_ERROR), "6.5.2"),
    ("MAX_FRAME_SIZE 16383", settings((MAX_FRAME, 16383)), END(P), "6.5.2"),
    ("MAX_FRAME_SIZE 2^24", settings((MAX_FRAME, 1 << 24)), END(P), "6.5.2"),
    ("an unknown setting", settings((0x4242, 7)) + get(), OK, "6.5.2"),
    ("PING on a stream", frame(PING, 0, 1, bytes(8)), END(P), "6.7"),
    ("an unasked acknowledgement of a PING", frame(PING, ACK, 0, bytes(8)) + get(), OK, "6.7"),
    ("WINDOW_UPDATE 0 of a stream", headers(1, request(), OPEN) + frame(WINDOW_UPDATE, 0, 1, u32(0)), END(P), "6.9, 5.4"),
    ("WINDOW_UPDATE 0 of the connection", frame(WINDOW_UPDATE, 0, 0, u32(0)), END(P), "6.9"),
    ("a stream's window past 2^31-1", headers(1, request(), OPEN) + frame(WINDOW_UPDATE, 0, 1, u32((1 << 31) - 1)),
     RST(FLOW_CONTROL_ERROR), "6.9.1"),
    ("the connection's window past 2^31-1", frame(WINDOW_UPDATE, 0, 0, u32((1 << 31) - 1)),
     END(FLOW_CONTROL_ERROR), "6.9.1"),
    ("HEADERS that depends on itself",
     frame(HEADERS, END_HEADERS | END_STREAM | WITH_PRIORITY, 1, u32(1) + b"\0" + block(request(method="GET"))),
     END(P), "RFC 7540 5.3.1"),
    ("PRIORITY that depends on itself", headers(1, request(), OPEN) + frame(PRIORITY, 0, 1, u32(1) + b"\0"),
     END(P), "RFC 7540 5.3.1"),
    ("PRIORITY on stream 0", frame(PRIORITY, 0, 0, u32(1) + b"\0"), END(P), "6.3"),
]

HPACK = [
    ("an index past the tables", headers(1, b"\xff\xff\x7f"), END(COMPRESSION_ERROR), "HPACK 2.3.3"),
    ("index 0", headers(1, b"\x80"), END(COMPRESSION_ERROR), "HPACK 6.1"),
    ("a string cut short", headers(1, b"\x00\x05ab"), END(COMPRESSION_ERROR), "HPACK 5.2, 4.3"),
    ("an integer cut short", headers(1, b"\xff\xff"), END(COMPRESSION_ERROR), "HPACK 5.1"),
    ("an integer without end", headers(1, b"\x00\x7f" + b"\xff" * 12 + b"\x01"), END(COMPRESSION_ERROR), "HPACK 5.1"),
    ("a table larger than allowed", headers(1, integer(65536, 5, 0x20) + block(request(method="GET"))),
     END(COMPRESSION_ERROR), "HPACK 6.3"),
    ("a table size behind a field", headers(1, block(request(method="GET")) + b"\x20"),
     END(COMPRESSION_ERROR), "HPACK 4.2"),
    ("a smaller table, in time", headers(1, b"\x20" + block(request(method="GET"))), OK, "HPACK 4.2"),
    ("Huffman padding of a whole byte", headers(1, block(request()) + b"\x00\x01x\x82\x07\xff"),
     END(COMPRESSION_ERROR), "HPACK 5.2"),
    ("Huffman padding of zeros", headers(1, block(request()) + b"\x00\x01x\x81\x00"),
     END(COMPRESSION_ERROR), "HPACK 5.2"),
    ("EOS in a Huffman string", headers(1, block(request()) + b"\x00\x01x\x84\xff\xff\xff\xff"),
     END(COMPRESSION_ERROR), "HPACK 5.2"),
    ("static and dynamic entries",
     headers(1, b"\x82\x86" + literal(":path", PATH) + literal(":authority", "gateway") + literal("x", "1", 0x40)
             + b"\xbe"), (OK, has("x", "1", "1")), "HPACK 6.1, 6.2.1"),
    ("a head that was refused still fills the table",
     get(literal("x", "1", 0x40), ("connection", "close")) + headers(3, request(b"\xbe", method="GET")),
     RST(P), "4.3"),
]

ROWS = FIELDS + PSEUDO + BODIES + STATES + SIZES + HPACK

# These are sent without a sound preface in front: the whole connection's bytes.
PREFACES = [
    ("another preface", PREFACE.replace(b"SM", b"XX"), "3.4"),
    ("HTTP/1.1 in place of it", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "3.4"),
    ("no SETTINGS behind it", PREFACE + frame(PING, 0, 0, bytes(8)), "3.4"),
    ("an acknowledgement in place of SETTINGS", PREFACE + frame(SETTINGS, ACK), "3.4"),
]
