"""Engines' answers in HTTP/1.1, good, malformed and ambiguous: the exact bytes,
what the client gets, and why.

Nouns: a Row is what one engine sends for one request. `outcome` is what the
client sees: TAKEN, the answer, with this status and body; REFUSED, the
gateway's own 502, or another engine's answer where there is one; BROKEN, an
answer that began and then visibly did not end. `kept`: the gateway may use the
connection again. `closes`: the engine ends the connection after these bytes.

Sections are RFC 9112 where no other RFC is named.
"""
from dataclasses import dataclass

LIMITS = "stream_buffer 16k;\n"
TAKEN, REFUSED, BROKEN = "taken", "refused", "broken"

BODY = b'{"id":"1","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"row"}}]}'
N = len(BODY)
LONG = BODY[:-1] + b',"x":"' + b"x" * 100000 + b'"}'
JSON = b"Content-Type: application/json\r\n"
EVENTS = b"Content-Type: text/event-stream\r\n"
TE = b"Transfer-Encoding: chunked\r\n"
EVENT = b'data: {"choices":[{"index":0,"delta":{"content":"row"}}]}\n\n'
FAILURE = b'data: {"error":{"message":"out of memory"}}\n\n'
DONE = b"data: [DONE]\n\n"


@dataclass
class Row:
    name: str
    data: bytes
    outcome: str
    why: str
    status: int = 200
    body: bytes = BODY
    kept: bool = False
    closes: bool = False
    stream: bool = False
    absent: tuple = ()  # fields the client must not see


def length(n):
    return b"Content-Length: %d\r\n" % n


def answer(*fields, body=BODY, line=b"HTTP/1.1 200 OK", kind=JSON, end=b"\r\n"):
    return line + b"\r\n" + kind + b"".join(fields) + end + body


def plain(*fields, body=BODY, **options):
    return answer(length(len(body)), *fields, body=body, **options)


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def chunks(body=BODY, size=None, after=b"\r\n", last=b"0\r\n\r\n"):
    return (b"%x" % len(body) if size is None else size) + b"\r\n" + body + after + last


def chunked(*args, **options):
    return answer(TE, body=chunks(*args, **options))


def events(body, *fields, **options):
    return answer(*fields, body=body, kind=EVENTS, **options)


BEHIND = plain(body=BODY.replace(b"row", b"poison"))


def taken(name, data, why, kept=True, **options):
    return Row(name, data, TAKEN, why, kept=kept, **options)


def refused(name, data, why, **options):
    return Row(name, data, REFUSED, why, **options)


def broken(name, data, why, **options):
    return Row(name, data, BROKEN, why, **options)


GOOD = [
    taken("a length", plain(), "§6.2"),
    taken("a length between tabs", answer(b"Content-Length:\t%d\t\r\n" % N), "§5"),
    taken("a length with leading zeros", answer(b"Content-Length: 000%d\r\n" % N), "RFC 9110 §8.6"),
    taken("chunks", chunked(), "§7.1"),
    taken("CHUNKED", answer(b"TRANSFER-ENCODING: CHUNKED\r\n", body=chunks()), "§7: no case"),
    taken("a chunk for each byte", answer(TE, body=b"".join(chunk(b"%c" % b) for b in BODY) + b"0\r\n\r\n"), "§7.1"),
    taken("chunk extensions", chunked(size=b'%x;a=b;c="; \\""' % N), "§7.1.1: dropped"),
    taken("a trailer", chunked(last=b"0\r\nX-Sum: 1\r\nContent-Length: 3\r\n\r\n"), "RFC 9110 §6.5.1: dropped",
          absent=("x-sum",)),
    taken("no reason", plain(line=b"HTTP/1.1 200 "), "§4: may be empty"),
    taken("no reason and no space", plain(line=b"HTTP/1.1 200"), "§4: taken, as many servers do"),
    taken("HTTP/1.2", plain(line=b"HTTP/1.2 200 OK"), "RFC 9110 §2.5: read as 1.1"),
    taken("100 before it", b"HTTP/1.1 100 Continue\r\n\r\n" + plain(), "RFC 9110 §15.2: skipped"),
    taken("103 with fields before it", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\nContent-Length: 5\r\n\r\n" + plain(),
          "RFC 9110 §15.2: skipped; has no body", absent=("link",)),
    taken("sixteen interim answers", b"HTTP/1.1 102 Processing\r\n\r\n" * 16 + plain(), "RFC 9110 §15.2: bounded"),
    taken("hop-by-hop fields",
          plain(b"Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: close\r\n"
                b"Upgrade: h2c\r\nTrailer: x\r\n"), "RFC 9110 §7.6.1: removed",
          absent=("x-hop", "keep-alive", "proxy-connection", "upgrade", "trailer")),
    taken("obs-text in a value", plain(b"X-A: \xe9\r\n"), "RFC 9110 §5.5: opaque"),
    taken("a coded body", plain(b"Content-Encoding: gzip\r\n", body=b"\x1f\x8b\x08not really"),
          "RFC 9110 §8.4: end to end, never decoded", body=b"\x1f\x8b\x08not really"),
    taken("204", b"HTTP/1.1 204 No Content\r\n\r\n", "RFC 9110 §15.3.5: no body", status=204, body=b""),
    taken("an empty body", plain(body=b""), "§6.2", body=b""),
    taken("until close", answer(), "§6.3 item 8; the JSON is whole", kept=False, closes=True),
    taken("until close in HTTP/1.0", answer(line=b"HTTP/1.0 200 OK"), "§6.3 item 8", kept=False, closes=True),
    taken("a length in HTTP/1.0", plain(line=b"HTTP/1.0 200 OK"), "§9.3: no keep-alive, not used again", kept=False),
    taken("a length in HTTP/1.0 with keep-alive", plain(b"Connection: keep-alive\r\n", line=b"HTTP/1.0 200 OK"), "§9.3"),
    taken("Connection: close", plain(b"Connection: close\r\n"), "§9.6: not used again", kept=False, closes=True),
    taken("Connection: close, left open", plain(b"Connection: close\r\n"), "§9.6: not used again", kept=False),
    taken("keep-alive, and closed", plain(b"Connection: keep-alive\r\n"), "§9.3.1: the next request goes elsewhere",
          kept=False, closes=True),
    taken("a stream", events(chunk(EVENT) + chunk(DONE) + b"0\r\n\r\n", TE), "§7.1", stream=True, body=EVENT + DONE),
    taken("a stream until close", events(EVENT + DONE), "§6.3 item 8; [DONE] says that it is whole", stream=True,
          body=EVENT + DONE, kept=False, closes=True),
    taken("a stream until close that failed", events(EVENT + FAILURE), "§6.3 item 8; it says how it ended", stream=True,
          body=EVENT + FAILURE, kept=False, closes=True),
    taken("a long body", plain(body=LONG), "§6.2", body=LONG),
]

# Whole answers behind which the engine says more: never used again.
EXTRA = [
    taken("bytes behind the length", plain() + b"more", "§6.3: the framing was not what it said", kept=False),
    taken("CRLF behind the length", plain() + b"\r\n", "§6.3: an old clients' habit, no server's", kept=False),
    taken("bytes behind the last chunk", chunked() + b"more", "§7.1", kept=False),
    taken("a second answer", plain() + BEHIND, "§9.2: nobody asked", kept=False),
    taken("a second answer behind chunks", chunked() + BEHIND, "§9.2: nobody asked", kept=False),
    taken("204 with a length and a body", b"HTTP/1.1 204 No Content\r\n" + length(N) + b"\r\n" + BODY,
          "§6.3 item 1: has none", status=204, body=b"", kept=False),
    taken("204 with chunks", b"HTTP/1.1 204 No Content\r\n" + TE + b"\r\n" + chunks(), "§6.3 item 1: has none", status=204,
          body=b"", kept=False),
    taken("304 with a body", b"HTTP/1.1 304 Not Modified\r\n" + length(N) + b"\r\n" + BODY, "§6.3 item 1: has none",
          status=304, body=b"", kept=False),
]

LINES = [refused("status line " + what, plain(line=line), why) for what, line, why in [
    ("HTTP/2 200", b"HTTP/2 200", "§2.3"),
    ("HTTP/2.0", b"HTTP/2.0 200 OK", "§2.3"),
    ("HTTP/0.9", b"HTTP/0.9 200 OK", "§2.3"),
    ("HTTP/1.10", b"HTTP/1.10 200 OK", "§2.3: one digit"),
    ("in lower case", b"http/1.1 200 OK", "§2.3: case-sensitive"),
    ("of another protocol", b"ICY 200 OK", "§4"),
    ("99", b"HTTP/1.1 99 Low", "§4: three digits"),
    ("1000", b"HTTP/1.1 1000 High", "§4: three digits"),
    ("020", b"HTTP/1.1 020 Low", "RFC 9110 §15: 100 to 599"),
    ("600", b"HTTP/1.1 600 High", "RFC 9110 §15: 100 to 599"),
    ("999", b"HTTP/1.1 999 High", "RFC 9110 §15: 100 to 599"),
    ("-20", b"HTTP/1.1 -20 Odd", "§4: three digits"),
    ("2x0", b"HTTP/1.1 2x0 Odd", "§4: three digits"),
    ("without digits", b"HTTP/1.1 OK", "§4: three digits"),
    ("without a status", b"HTTP/1.1", "§4"),
    ("with two spaces", b"HTTP/1.1  200 OK", "§4: a single SP"),
    ("with a tab", b"HTTP/1.1\t200 OK", "§4: a single SP"),
    ("with NUL", b"HTTP/1.1 200 O\0K", "§4"),
    ("with a bare CR", b"HTTP/1.1 200 O\rK", "§2.2"),
    ("behind an empty line", b"\r\nHTTP/1.1 200 OK", "§2.2: for requests alone"),
]] + [
    refused("no status line", BODY, "§4: HTTP/0.9 is not read", closes=True),
    refused("a request", b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\n\r\n", "§2.1"),
    refused("101", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n" + plain(),
            "RFC 9110 §15.2.2: nobody asked"),
    refused("seventeen interim answers", b"HTTP/1.1 102 Processing\r\n\r\n" * 17 + plain(), "RFC 9110 §15.2: bounded"),
    refused("10,000 interim answers", b"HTTP/1.1 100 Continue\r\n\r\n" * 10000, "RFC 9110 §15.2: bounded"),
]

LENGTHS = [refused("length " + what, answer(b"Content-Length:" + value + b"\r\n") + BEHIND, why) for what, value, why in [
    ("empty", b"", "§6.3 item 5"),
    ("with a plus", b" +%d" % N, "RFC 9110 §8.6"),
    ("negative", b" -1", "RFC 9110 §8.6"),
    ("hexadecimal", b" 0x%x" % N, "RFC 9110 §8.6"),
    ("an equal list", b" %d, %d" % (N, N), "§6.3 item 5: may be refused, and is"),
    ("an unequal list", b" %d, 5" % N, "§6.3 item 5"),
    ("2^63", b" 9223372036854775808", "RFC 9110 §8.6"),
    ("2^64 plus the true one", b" %d" % (2**64 + N), "RFC 9110 §8.6"),
    ("with words", b" %d bytes" % N, "RFC 9110 §8.6"),
]] + [
    refused("two equal lengths", answer(length(N), length(N)), "§6.3 item 5: may be refused, and is"),
    refused("two different lengths", answer(length(N), length(5)), "§6.3 item 5"),
]

CODINGS = [refused("coding " + what, answer(b"Transfer-Encoding:" + value + b"\r\n", body=chunks()) + BEHIND, why)
           for what, value, why in [
    ("empty", b"", "§6.1"),
    ("gzip, chunked", b" gzip, chunked", "§6.1: TE was not offered"),
    ("gzip", b" gzip", "§6.1: TE was not offered"),
    ("identity", b" identity", "§6.1"),
    ("chunked twice", b" chunked, chunked", "§6.1"),
    ("xchunked", b" xchunked", "§6.3 item 4"),
    ("led by a vertical tab", b" \x0bchunked", "RFC 9110 §5.6.3"),
]] + [
    refused("chunks and a length", answer(TE, length(N), body=chunks()), "§6.3 item 3"),
    refused("a length and chunks", answer(length(N), TE, body=chunks()), "§6.3 item 3"),
    refused("chunks in HTTP/1.0", answer(TE, body=chunks(), line=b"HTTP/1.0 200 OK"), "§6.1"),
    refused("two codings fields", answer(TE, TE, body=chunks()), "§6.1"),
]

CHUNKS = [refused("chunk size " + what, chunked(size=size) + BEHIND, why) for what, size, why in [
    ("empty", b"", "§7.1"),
    ("negative", b"-5", "§7.1"),
    ("with 0x", b"0x5", "§7.1"),
    ("of 17 digits", b"0" * 16 + b"5", "§7.1"),
    ("2^64-1", b"f" * 16, "§7.1: must not overflow"),
    ("with a space", b"%x " % N, "§7.1"),
    ("with an extension over 16 KiB", b"%x;a=" % N + b"b" * 17000, "§7.1.1: bounded"),
    ("with a bare LF in an extension", b"%x;a\n" % N, "§2.2"),
]] + [
    refused("wrong bytes behind a chunk", chunked(after=b"XX"), "§7.1"),
    refused("bare LF behind a chunk", chunked(after=b"\n"), "§2.2"),
    refused("bare LF behind a chunk size", answer(TE, body=b"%x\n%s\r\n0\r\n\r\n" % (N, BODY)), "§2.2"),
    refused("bare LF at the end", chunked(last=b"0\r\n\n"), "§2.2"),
    refused("a trailer without a colon", chunked(last=b"0\r\nnonsense\r\n\r\n"), "§7.1.2"),
    refused("trailers over 16 KiB", chunked(last=b"0\r\n" + b"X: 1234567890\r\n" * 2000 + b"\r\n"), "RFC 9110 §6.5: bounded"),
]

FIELDS = [refused("field " + what, plain(line), why) for what, line, why in [
    ("without a colon", b"nonsense\r\n", "§5"),
    ("without a name", b": x\r\n", "§5.1"),
    ("with a space before the colon", b"X-A : b\r\n", "§5.1: refused rather than mended"),
    ("folded", b"X-A: b\r\n c\r\n", "§5.2: refused rather than mended"),
    ("with NUL", b"X-A: b\0c\r\n", "RFC 9110 §5.5"),
    ("with a bare CR", b"X-A: b\rc\r\n", "§2.2"),
    ("with a bare LF", b"X-A: b\n", "§2.2"),
    ("with a control", b"X-A: b\x01c\r\n", "RFC 9110 §5.5"),
    ("with non-ASCII in its name", b"X\xc3\xa9: b\r\n", "§5.1"),
]] + [
    refused("bare LFs throughout", plain().replace(b"\r\n", b"\n"), "§2.2"),
    refused("300 fields", plain(*[b"X-%d: a\r\n" % i for i in range(300)]), "RFC 9110 §5.4: bounded"),
    refused("a head over 256 KiB", plain(b"X-A: " + b"a" * 300000 + b"\r\n"), "RFC 9110 §5.4: bounded"),
    refused("a head without an end", answer(end=b"", body=b"X-A: " + b"a" * 300000), "RFC 9110 §5.4: bounded"),
]

CUTS = [refused("cut " + what, data, why, closes=True) for what, data, why in [
    ("before the first byte", b"", "§8: incomplete"),
    ("in the status line", b"HTTP/1.1 20", "§8: incomplete"),
    ("in the head", plain()[:60], "§8: incomplete"),
    ("behind an interim answer", b"HTTP/1.1 100 Continue\r\n\r\n", "§8: incomplete"),
    ("behind the head", answer(length(N), body=b""), "§8: less than its length"),
    ("one byte short of its length", plain()[:-1], "§8: less than its length"),
    ("in a chunk size", answer(TE, body=b"%x" % N), "§8: no last chunk"),
    ("in a chunk", answer(TE, body=chunks()[:40]), "§8: no last chunk"),
    ("behind a chunk", chunked(last=b""), "§8: no last chunk"),
    ("in the last chunk", chunked(last=b"0\r\n"), "§8: no last chunk"),
    ("in a trailer", chunked(last=b"0\r\nX: 1\r\n"), "§8: no last chunk"),
    ("in JSON until close", answer(body=BODY[:-3]), "§8 calls it complete; its JSON does not"),
    ("in JSON until close, behind a bracket", answer(body=BODY[:-2]), "§8 calls it complete; its JSON does not"),
    ("in JSON until close in HTTP/1.0", answer(body=BODY[:-1], line=b"HTTP/1.0 200 OK"), "§8; its JSON is not whole"),
]] + [
    refused("a stream cut before its first event", events(chunk(EVENT[:9]), TE), "§8", closes=True, stream=True),
    refused("a stream of nothing until close", events(b""), "no event: it has failed politely", closes=True, stream=True),
]

# The status is out, so the end must show.
BREAKS = [broken("a stream " + what, events(body, *fields), why, stream=True, closes=closes, body=EVENT)
          for what, fields, body, closes, why in [
    ("cut between chunks", (TE,), chunk(EVENT), True, "§8: no last chunk"),
    ("cut in a chunk", (TE,), chunk(EVENT) + b"40\r\ndata", True, "§8: no last chunk"),
    ("cut within its length", (length(5000),), EVENT, True, "§8: less than its length"),
    ("cut until close", (), EVENT, True, "§8 calls it complete; without [DONE] it is not"),
    ("cut in an event until close", (), EVENT + b"data: {", True, "§8 calls it complete; half an event is not"),
    ("with a bad chunk size", (TE,), chunk(EVENT) + b"zz\r\n", False, "§7.1"),
    ("with a negative chunk size", (TE,), chunk(EVENT) + b"-1\r\n" + DONE + b"\r\n0\r\n\r\n", False, "§7.1"),
    ("with a bare LF behind a chunk", (TE,), chunk(EVENT)[:-2] + b"\n" + chunk(DONE) + b"0\r\n\r\n", False, "§2.2"),
    ("with another answer inside", (TE,), chunk(EVENT) + BEHIND, False, "§7.1"),
]] + [
    broken("a long body cut within its length", plain(body=LONG)[:-50000], "§8: less than its length", closes=True, body=LONG),
    broken("a long body cut between chunks", answer(TE, body=chunk(LONG[:50000])), "§8: no last chunk", closes=True, body=LONG),
    broken("a long body with a bad chunk", answer(TE, body=chunk(LONG[:50000]) + b"5 \r\n"), "§7.1", body=LONG),
]

ROWS = GOOD + EXTRA + LINES + LENGTHS + CODINGS + CHUNKS + FIELDS + CUTS + BREAKS
