"""HTTP/1.1 requests, good, malformed and ambiguous: the exact bytes, what the
gateway does with them, and why.

Nouns: a Row is what one client sends on one connection. `statuses` are the
answers it gets, in order; `closes` tells whether the gateway then ends the
connection; `bodies` are the contents of the messages that the engine is sent
for it, no more and no fewer. The limits of the gateway that plays them are in
LIMITS. docs/http1.md is the summary.

Sections are RFC 9112 where no other RFC is named.
"""
from dataclasses import dataclass, field

LIMITS = "header_bytes 32k;\nheader_count 20;\nbody_limit 64k;\n"
TARGET = b"/v1/chat/completions"
BODY = b'{"model":"sim","messages":[{"role":"user","content":"hello"}]}'
OTHER = b'{"model":"sim","messages":[{"role":"user","content":"other"}]}'
HOST = b"Host: gw.example\r\n"
JSON = b"Content-Type: application/json\r\n"
TE = b"Transfer-Encoding: chunked\r\n"


@dataclass
class Row:
    name: str
    data: bytes
    statuses: tuple
    why: str
    closes: bool = False
    bodies: tuple = ()
    method: str = "POST"  # of the request; a HEAD's answer has no body
    path: bytes = TARGET  # as the engine is sent it
    present: dict = field(default_factory=dict)  # fields the engine must see
    absent: tuple = ()  # and must not
    cut: bool = False  # also played cut in two at every position


def length(body):
    return b"Content-Length: %d\r\n" % len(body)


def post(*fields, body=BODY, line=b"POST " + TARGET + b" HTTP/1.1", host=HOST, end=b"\r\n"):
    """A request whose only Content-Length is what `fields` say."""
    return line + b"\r\n" + host + JSON + b"".join(fields) + end + body


def plain(*fields, body=BODY, **options):
    return post(length(body), *fields, body=body, **options)


def with_length(value):
    return post(b"Content-Length:" + value + b"\r\n")


def with_coding(value):
    return post(b"Transfer-Encoding:" + value + b"\r\n", body=chunks())


def chunks(body=BODY, size=None, after=b"\r\n", last=b"0\r\n\r\n"):
    """One chunk, its size line as given, and the last one."""
    return (b"%x" % len(body) if size is None else size) + b"\r\n" + body + after + last


def chunked(*args, **options):
    return post(TE, body=chunks(*args, **options))


def get(*fields, target=b"/v1/models", version=b"HTTP/1.1", host=HOST, method=b"GET"):
    return b" ".join((method, target, version)) + b"\r\n" + host + b"".join(fields) + b"\r\n"


BEHIND = plain(body=OTHER)  # what must not be reached behind a broken message
N = len(BODY)


def refused(name, data, why, status=400, **options):
    """Answered once, closed, and nothing reaches the engine."""
    return Row(name, data, (status,), why, closes=True, **options)


def served(name, data, why, bodies=(BODY,), **options):
    return Row(name, data, (200,) * len(bodies), why, bodies=bodies, **options)


def here(name, data, why, status=200, **options):
    """Answered by the gateway itself; the connection lives on."""
    options.setdefault("method", "GET")
    return Row(name, data, (status,), why, **options)


REFUSED_LENGTHS = [
    ("is empty", b"", "§6.3 item 5: not a number"),
    ("is a blank", b" ", "§6.3 item 5: not a number"),
    ("has a plus", b" +%d" % N, "RFC 9110 §8.6: digits alone"),
    ("has a minus", b" -%d" % N, "RFC 9110 §8.6: digits alone"),
    ("minus zero", b" -0", "RFC 9110 §8.6: digits alone"),
    ("is hexadecimal", b" 0x%x" % N, "RFC 9110 §8.6: digits alone"),
    ("has an exponent", b" 6e1", "RFC 9110 §8.6: digits alone"),
    ("has a point", b" %d.0" % N, "RFC 9110 §8.6: digits alone"),
    ("has an underscore", b" 6_2", "RFC 9110 §8.6: some languages' integers take it"),
    ("is quoted", b' "%d"' % N, "RFC 9110 §8.6: digits alone"),
    ("holds a space", b" 6 2", "RFC 9110 §8.6: digits alone"),
    ("is followed by a letter", b" %dx" % N, "RFC 9110 §8.6: digits alone"),
    ("is followed by a semicolon", b" %d;" % N, "RFC 9110 §8.6: no parameters"),
    ("is followed by NUL", b" %d\0" % N, "RFC 9110 §5.5: NUL is dangerous"),
    ("is led by a vertical tab", b" \x0b%d" % N, "RFC 9110 §5.6.3: not white space"),
    ("is led by a form feed", b"\x0c%d" % N, "RFC 9110 §5.6.3: not white space"),
    ("is led by NBSP", b" \xa0%d" % N, "RFC 9110 §5.6.3: not white space"),
    ("2^63", b" 9223372036854775808", "RFC 9110 §8.6: must not overflow"),
    ("2^64", b" 18446744073709551616", "RFC 9110 §8.6: must not overflow"),
    ("2^64 plus the true one", b" %d" % (2**64 + N), "RFC 9110 §8.6: must not overflow"),
    ("2^32 times 2^64", b" 79228162514264337593543950336", "RFC 9110 §8.6: must not overflow"),
    ("20 nines", b" " + b"9" * 20, "RFC 9110 §8.6: must not overflow"),
    ("an equal list", b" %d, %d" % (N, N), "§6.3 item 5: may be refused, and is"),
    ("an unequal list", b" %d, %d" % (N, N + 1), "§6.3 item 5"),
    ("a list with nothing before", b" , %d" % N, "§6.3 item 5"),
    ("a list with nothing after", b" %d," % N, "§6.3 item 5"),
]

LENGTHS = [refused("Content-Length: " + what, with_length(value) + BEHIND, why)
           for what, value, why in REFUSED_LENGTHS] + [
    served("Content-Length without white space", with_length(b"%d" % N), "§5: OWS may be empty"),
    served("Content-Length between tabs", with_length(b"\t%d\t" % N), "§5: OWS is SP or HTAB", cut=True),
    served("Content-Length between many blanks", with_length(b" \t  %d \t " % N), "§5: OWS"),
    served("Content-Length with leading zeros", with_length(b" 000%d" % N), "RFC 9110 §8.6: 1*DIGIT; sent on plainly",
           present={b"content-length": b"%d" % N}),
    served("content-length in lower case", post(b"content-length: %d\r\n" % N), "RFC 9110 §5.1: names have no case"),
    served("CONTENT-LENGTH in upper case", post(b"CONTENT-LENGTH: %d\r\n" % N), "RFC 9110 §5.1: names have no case"),
    refused("two equal Content-Length fields", post(length(BODY), length(BODY)) + BEHIND,
            "§6.3 item 5: may be refused, and is"),
    refused("two different Content-Length fields", post(length(BODY), b"Content-Length: 5\r\n") + BEHIND, "§6.3 item 5"),
    refused("two different ones, cases differ", post(b"content-length: 0\r\n", length(BODY)) + BEHIND, "§6.3 item 5"),
    refused("Content-Length with a space before the colon", post(b"Content-Length : %d\r\n" % N) + BEHIND, "§5.1"),
    served("content_length is another name, and dropped", plain(b"Content_Length: 5\r\n"),
           "no RFC: CGI and WSGI make one of both", absent=(b"content_length",)),
    served("Content-Length-X is another name", plain(b"Content-Length-X: 5\r\n"), "RFC 9110 §5.1",
           present={b"content-length-x": b"5"}),
]

REFUSED_CODINGS = [
    ("is empty", b"", "§6.1: no coding named, yet framing is changed"),
    ("is a comma", b" ,", "§6.1"),
    ("chunked twice", b" chunked, chunked", "§6.1: must not be applied twice"),
    ("chunked, nothing before", b" , chunked", "RFC 9110 §5.6.1: senders write no empty elements"),
    ("chunked, nothing after", b" chunked,", "RFC 9110 §5.6.1: senders write no empty elements"),
    ("xchunked", b" xchunked", "§6.3 item 4: not chunked"),
    ("chunkedx", b" chunkedx", "§6.3 item 4: not chunked"),
    ("chunke", b" chunke", "§6.3 item 4: not chunked"),
    ("gzip alone", b" gzip", "§6.3 item 4: the length cannot be known"),
    ("identity", b" identity", "§6.1: withdrawn by RFC 7230"),
    ("identity, chunked is not last", b" chunked, identity", "§6.3 item 4: chunked is not last"),
    ("gzip last", b" chunked, gzip", "§6.3 item 4: chunked is not last"),
    ("a parameter", b" chunked;q=1", "§7: chunked has no parameters"),
    ("an empty parameter", b" chunked;", "§7: chunked has no parameters"),
    ("quoted", b' "chunked"', "§7: a token"),
    ("with a space inside", b" chun ked", "§7: a token"),
    ("two words", b" chunked chunked", "§7: a token"),
    ("led by a vertical tab", b" \x0bchunked", "RFC 9110 §5.6.3: not white space"),
    ("followed by a form feed", b" chunked\x0c", "RFC 9110 §5.6.3: not white space"),
    ("followed by NUL", b" chunked\0", "RFC 9110 §5.5: NUL"),
    ("led by NBSP", b" \xa0chunked", "RFC 9110 §5.6.3: not white space"),
    ("with a long s", b" chunked\xc5\xbf", "§7: a token is ASCII"),
]

CODINGS = [refused("Transfer-Encoding: " + what, with_coding(value) + BEHIND, why)
           for what, value, why in REFUSED_CODINGS] + [
    served("Transfer-Encoding: chunked", with_coding(b" chunked"), "§7.1; sent on with a length",
           absent=(b"transfer-encoding",), present={b"content-length": b"%d" % N}, cut=True),
    served("Transfer-Encoding: cHuNkEd", with_coding(b" cHuNkEd"), "§7: names of codings have no case"),
    served("transfer-encoding without white space", with_coding(b"chunked"), "§5: OWS may be empty"),
    served("Transfer-Encoding between tabs", with_coding(b"\tchunked\t"), "§5: OWS is SP or HTAB"),
    refused("Transfer-Encoding: gzip, chunked", with_coding(b" gzip, chunked") + BEHIND,
            "§6.1: a coding not understood is 501", status=501),
    refused("two Transfer-Encoding fields", post(TE, TE, body=chunks()) + BEHIND, "§6.1: chunked twice"),
    refused("two, the first empty", post(b"Transfer-Encoding:\r\n", TE, body=chunks()) + BEHIND, "§6.1"),
    refused("two, the last identity", post(TE, b"Transfer-Encoding: identity\r\n", body=chunks()) + BEHIND, "§6.1"),
    refused("Transfer-Encoding with a space before the colon",
            post(b"Transfer-Encoding : chunked\r\n", length(BODY)) + BEHIND, "§5.1"),
    refused("Transfer-Encoding with a tab before the colon",
            post(b"Transfer-Encoding\t: chunked\r\n", length(BODY)) + BEHIND, "§5.1"),
    refused("Transfer-Encoding folded", post(b"Transfer-Encoding:\r\n chunked\r\n", body=chunks()) + BEHIND, "§5.2"),
    refused("Transfer-Encoding behind a space", post(b" Transfer-Encoding: chunked\r\n", length(BODY)) + BEHIND, "§5.2"),
    refused("Content-Length, then Transfer-Encoding", post(length(BODY), TE, body=chunks()) + BEHIND,
            "§6.1: ought to be handled as an error", cut=True),
    refused("Transfer-Encoding, then Content-Length", post(TE, length(BODY), body=chunks()) + BEHIND, "§6.1"),
    refused("a Content-Length of 0 with Transfer-Encoding", post(b"Content-Length: 0\r\n", TE, body=chunks()) + BEHIND,
            "§6.1"),
    refused("Transfer-Encoding in HTTP/1.0",
            post(TE, body=chunks(), line=b"POST " + TARGET + b" HTTP/1.0") + BEHIND,
            "§6.1: faulty framing, close; what follows is not a request"),
    refused("the same with keep-alive",
            post(TE, b"Connection: keep-alive\r\n", body=chunks(), line=b"POST " + TARGET + b" HTTP/1.0") + BEHIND,
            "§6.1"),
    refused("Transfer-Encoding and Content-Length in HTTP/1.0",
            post(TE, length(BODY), line=b"POST " + TARGET + b" HTTP/1.0") + BEHIND, "§6.1"),
    served("transfer_encoding is another name, and dropped", plain(b"Transfer_Encoding: chunked\r\n"),
           "no RFC: CGI and WSGI make one of both", absent=(b"transfer_encoding",)),
    Row("GET /v1/models with a chunked body", get(TE) + chunks(), (200,), "RFC 9110 §9.3.1: no meaning; §9.3: closed unread",
        closes=True, method="GET"),
]

REFUSED_SIZES = [
    ("is empty", b"", "§7.1: 1*HEXDIG"),
    ("is negative", b"-3e", "§7.1: 1*HEXDIG"),
    ("has a plus", b"+3e", "§7.1: 1*HEXDIG"),
    ("has 0x", b"0x3e", "§7.1: 1*HEXDIG"),
    ("is x", b"x", "§7.1: 1*HEXDIG"),
    ("has 17 digits", b"0" * 15 + b"3e", "§7.1: must not overflow"),
    ("has 17 digits that overflow", b"1000000000000003e", "§7.1: must not overflow"),
    ("is 2^64-1", b"f" * 16, "§7.1: must not overflow"),
    ("is 2^63", b"8" + b"0" * 15, "§7.1: must not overflow"),
    ("has a space before", b" 3e", "§7.1: no white space"),
    ("has a space after", b"3e ", "§7.1: no white space"),
    ("has a tab after", b"3e\t", "§7.1: no white space"),
    ("holds a space", b"3 e", "§7.1: 1*HEXDIG"),
    ("has an underscore", b"3_e", "§7.1: 1*HEXDIG"),
    ("has NUL after", b"3e\0", "§7.1: 1*HEXDIG"),
    ("has a comma", b"3e,", "§7.1: 1*HEXDIG"),
    ("has an h", b"3eh", "§7.1: 1*HEXDIG"),
    ("has an extension without a name", b"3e;", "§7.1.1: a name is a token"),
    ("has an extension without a value", b"3e;a=", "§7.1.1: a value is not empty"),
    ("has an extension of a colon", b"3e;a:b", "§7.1.1: a token"),
    ("has an open quote", b'3e;a="b', "§7.1.1: the quote must end"),
    ("has a bare LF in an extension", b"3e;a\nb", "§2.2: a bare LF ends no line here"),
    ("has a bare CR in an extension", b"3e;a\rb", "§2.2: a bare CR is invalid"),
    ("has a NUL in an extension", b"3e;a=\0", "§7.1.1: a token"),
    ("has an extension over 16 KiB", b"3e;a=" + b"b" * 17000, "§7.1.1: limit the total of extensions"),
]

CHUNKS = [refused("chunk size " + what, chunked(size=size) + BEHIND, why)
          for what, size, why in REFUSED_SIZES] + [
    served("chunk size in upper case", chunked(size=b"%X" % N), "§7.1: HEXDIG has no case"),
    served("chunk size with leading zeros", chunked(size=b"0" * 14 + b"%x" % N), "§7.1: 1*HEXDIG"),
    served("chunk extension", chunked(size=b"%x;a" % N), "§7.1.1: ignored and dropped"),
    served("chunk extension with a value", chunked(size=b"%x;a=b;c=d" % N), "§7.1.1: ignored and dropped"),
    served("chunk extension, quoted", chunked(size=b'%x;a="; \\" \t0"' % N), "§7.1.1: ignored and dropped", cut=True),
    served("chunk extension with bad white space", chunked(size=b"%x ; a = b" % N), "§7.1.1: BWS is taken"),
    served("chunk extension on the last chunk", chunked(last=b"0;end\r\n\r\n"), "§7.1.1"),
    served("last chunk of many zeros", chunked(last=b"0000\r\n\r\n"), "§7.1: last-chunk = 1*\"0\""),
    served("a chunk for each byte",
           post(TE, body=b"".join(b"1\r\n%c\r\n" % b for b in BODY) + b"0\r\n\r\n"), "§7.1"),
    refused("two wrong bytes after a chunk", chunked(after=b"XX") + BEHIND, "§7.1: chunk-data CRLF"),
    refused("one byte more than the chunk size", chunked(size=b"%x" % (N - 1)) + BEHIND, "§7.1: chunk-data CRLF"),
    refused("one byte fewer", chunked(size=b"%x" % (N + 1)) + BEHIND, "§7.1: chunk-data CRLF"),
    refused("nothing after a chunk", chunked(after=b"") + BEHIND, "§7.1: chunk-data CRLF"),
    refused("bare LF after a chunk", chunked(after=b"\n") + BEHIND, "§2.2: chunk framing takes no bare LF"),
    refused("bare CR after a chunk", chunked(after=b"\r") + BEHIND, "§2.2"),
    refused("LF CR after a chunk", chunked(after=b"\n\r") + BEHIND, "§2.2"),
    refused("bare LF after a chunk size", post(TE, body=b"%x\n%s\r\n0\r\n\r\n" % (N, BODY)) + BEHIND, "§2.2", cut=True),
    refused("CR CR LF after a chunk size", post(TE, body=b"%x\r\r\n%s\r\n0\r\n\r\n" % (N, BODY)) + BEHIND, "§2.2"),
    refused("bare LF after the last chunk", chunked(last=b"0\n\r\n") + BEHIND, "§2.2"),
    refused("bare LF at the very end", chunked(last=b"0\r\n\n") + BEHIND, "§2.2"),
    refused("bare LFs throughout chunks", post(TE, body=b"%x\n%s\n0\n\n" % (N, BODY)) + BEHIND, "§2.2"),
    refused("no empty line at the end", chunked(last=b"0\r\n") + BEHIND, "§7.1: what follows is no trailer field"),
    refused("CR and something else at the end", chunked(last=b"0\r\n\rX") + BEHIND, "§2.2"),
    served("a trailer field", chunked(last=b"0\r\nX-Sum: 1\r\n\r\n"), "§7.1.2: dropped", absent=(b"x-sum",), cut=True),
    served("a trailer field announced", post(TE, b"Trailer: X-Sum\r\n", body=chunks(last=b"0\r\nX-Sum: 1\r\n\r\n")),
           "RFC 9110 §6.5: dropped", absent=(b"x-sum", b"trailer")),
    served("forbidden trailer fields",
           chunked(last=b"0\r\nContent-Length: 5\r\nTransfer-Encoding: x\r\nHost: evil\r\nAuthorization: x\r\n\r\n"),
           "RFC 9110 §6.5.1: never merged, dropped", absent=(b"authorization",)),
    refused("a trailer without a colon", chunked(last=b"0\r\nnonsense\r\n\r\n") + BEHIND, "§7.1.2"),
    refused("a trailer with a space before the colon", chunked(last=b"0\r\nX : 1\r\n\r\n") + BEHIND, "§5.1"),
    refused("a trailer without a name", chunked(last=b"0\r\n: 1\r\n\r\n") + BEHIND, "§5.1"),
    refused("a folded trailer", chunked(last=b"0\r\nX: 1\r\n 2\r\n\r\n") + BEHIND, "§5.2"),
    refused("a trailer with NUL", chunked(last=b"0\r\nX: \0\r\n\r\n") + BEHIND, "RFC 9110 §5.5"),
    refused("a trailer that ends with a bare LF", chunked(last=b"0\r\nX: 1\n\r\n") + BEHIND, "§2.2"),
    refused("trailers over 16 KiB", chunked(last=b"0\r\n" + b"X: 1234567890\r\n" * 2000 + b"\r\n") + BEHIND,
            "RFC 9110 §6.5: bounded"),
]

LINE = [
    here("method in lower case", get(method=b"get", target=b"/v1/things"), "RFC 9110 §9.1: methods have case", status=501),
    here("method in lower case on a known path", get(method=b"get"), "RFC 9110 §9.1: methods have case", status=501),
    here("method unknown", get(method=b"BREW", target=b"/v1/things"), "RFC 9110 §15.6.2", status=501),
    here("method TRACE", get(method=b"TRACE", target=b"/v1/things"), "RFC 9110 §9.3.8: would show what we add", status=405),
    here("method DELETE on a known path", get(method=b"DELETE"), "RFC 9110 §15.5.6", status=405),
    refused("method CONNECT", get(method=b"CONNECT", target=b"engine:80"), "RFC 9110 §9.3.6: no tunnels", status=405),
    refused("method CONNECT to a path", get(method=b"CONNECT", target=b"/v1/things"), "§3.2.3", status=405),
    refused("method with a comma", get(method=b"GE,T"), "§3.1: a token"),
    refused("method of 40 letters", get(method=b"A" * 40), "§3: longer than any", status=501),
    refused("method of 40 letters and a control", get(method=b"A" * 20 + b"\x01" + b"A" * 20), "§3.1: a token"),
    refused("method empty", get(method=b""), "§3.1: a token"),
    refused("method PRI", b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", "§2.3: not the preface", status=505),
    refused("two spaces before the target", get(target=b" /v1/models"), "§3: a single SP"),
    refused("two spaces after the target", get(target=b"/v1/models "), "§3: a single SP"),
    refused("a tab instead of a space", b"GET\t/v1/models\tHTTP/1.1\r\n" + HOST + b"\r\n", "§3: a single SP"),
    refused("a space at the end of the line", get(version=b"HTTP/1.1 "), "§3"),
    refused("a space at the start of the line", get(method=b" GET"), "§3"),
    refused("a space in the target", get(target=b"/v1/mod els"), "§3.2: not part of a target"),
    refused("no target", b"GET HTTP/1.1\r\n" + HOST + b"\r\n", "§3.2"),
    refused("no version (HTTP/0.9)", b"GET /v1/models\r\n" + get(), "§3: HTTP/0.9 is not served"),
    refused("version in lower case", get(version=b"http/1.1"), "§2.3: case-sensitive"),
    refused("version HTTP/1.10", get(version=b"HTTP/1.10"), "§2.3: one digit"),
    refused("version HTTP/01.1", get(version=b"HTTP/01.1"), "§2.3: one digit"),
    refused("version HTTP/1", get(version=b"HTTP/1"), "§2.3"),
    refused("version HTTP/1,1", get(version=b"HTTP/1,1"), "§2.3"),
    refused("version HTTP/1.1x", get(version=b"HTTP/1.1x"), "§2.3"),
    refused("version HTTP/0.9", get(version=b"HTTP/0.9"), "RFC 9110 §15.6.6", status=505),
    refused("version HTTP/2.0", get(version=b"HTTP/2.0"), "RFC 9110 §15.6.6", status=505),
    refused("version HTTP/3.7", get(version=b"HTTP/3.7"), "RFC 9110 §15.6.6", status=505),
    refused("version HTTP/9.1", get(version=b"HTTP/9.1"), "RFC 9110 §15.6.6", status=505),
    refused("version SPDY/3", get(version=b"SPDY/3.1"), "§2.3"),
    served("version HTTP/1.2", plain(line=b"POST " + TARGET + b" HTTP/1.2"), "RFC 9110 §2.5: read as 1.1, sent on as 1.1"),
    refused("bare LF after the request line", b"GET /v1/models HTTP/1.1\n" + HOST + b"\r\n", "§2.2: may be refused, and is"),
    refused("bare CR after the request line", b"GET /v1/models HTTP/1.1\r" + HOST + b"\r\n", "§2.2"),
    refused("bare LFs throughout", get().replace(b"\r\n", b"\n"), "§2.2"),
    here("two empty lines before", b"\r\n\r\n" + get(), "§2.2: at least one is ignored"),
    refused("three empty lines before", b"\r\n" * 3 + get(), "§2.2: bounded"),
    refused("1,000 empty lines before", b"\r\n" * 1000 + get(), "§2.2: bounded"),
    refused("a bare LF before", b"\n" + get(), "§2.2"),
    refused("a bare CR before", b"\r" + get(), "§2.2"),
    refused("TLS on a plain port", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xaa" * 64, "§3"),
    refused("a target over 16 KiB", get(target=b"/v1/models?" + b"a" * 17000), "§3: 414", status=414, method="GET"),
    refused("a target over 16 KiB without an end", b"GET /v1/models?" + b"a" * 17000, "§3: 414", status=414, method="GET"),
]

TARGETS = [
    served("absolute-form", plain(line=b"POST http://gw.example" + TARGET + b" HTTP/1.1"), "§3.2.2: sent on in origin-form",
           cut=True),
    served("absolute-form, https", plain(line=b"POST https://gw.example" + TARGET + b" HTTP/1.1"), "§3.2.2"),
    served("absolute-form in upper case", plain(line=b"POST HTTP://GW.EXAMPLE" + TARGET + b" HTTP/1.1"),
           "RFC 9110 §4.2.3: scheme and host have no case"),
    served("absolute-form with the default port", plain(line=b"POST http://gw.example:80" + TARGET + b" HTTP/1.1"),
           "RFC 9110 §4.2.3: the default port is none"),
    refused("absolute-form, other host than Host", plain(line=b"POST http://evil" + TARGET + b" HTTP/1.1"),
            "§3.2: Host must be identical to the authority"),
    refused("absolute-form, other port", plain(line=b"POST http://gw.example:81" + TARGET + b" HTTP/1.1"), "§3.2"),
    refused("absolute-form without Host", plain(line=b"POST http://gw.example" + TARGET + b" HTTP/1.1", host=b""), "§3.2"),
    refused("absolute-form with a user", plain(line=b"POST http://u@gw.example" + TARGET + b" HTTP/1.1"),
            "RFC 9110 §4.2.4: an error in what comes from outside"),
    refused("absolute-form without a host", plain(line=b"POST http://" + TARGET + b" HTTP/1.1"), "RFC 9110 §4.2.1"),
    refused("absolute-form, ftp", plain(line=b"POST ftp://gw.example" + TARGET + b" HTTP/1.1"), "§3.2.2: not ours"),
    refused("absolute-form, one slash", plain(line=b"POST http:/gw.example" + TARGET + b" HTTP/1.1"), "§3.2.2"),
    refused("authority-form with POST", plain(line=b"POST gw.example:80 HTTP/1.1"), "§3.2.3: for CONNECT alone"),
    refused("asterisk-form with POST", plain(line=b"POST * HTTP/1.1"), "§3.2.4: for OPTIONS alone"),
    refused("asterisk-form with OPTIONS", get(method=b"OPTIONS", target=b"*"), "RFC 9110 §9.3.7: not offered", status=405),
    refused("relative target", plain(line=b"POST v1/chat/completions HTTP/1.1"), "§3.2.1: begins with a slash"),
    refused("a fragment", get(target=b"/v1/models#x"), "§3.2: no fragment is sent"),
    refused("non-ASCII in the target", get(target=b"/v1/\xc3\xa9"), "RFC 3986 §2"),
    refused("a control in the target", get(target=b"/v1/\x01"), "RFC 3986 §2"),
    refused("DEL in the target", get(target=b"/v1/\x7f"), "RFC 3986 §2"),
    refused("NUL in the target", get(target=b"/v1/models\0"), "RFC 3986 §2"),
    refused("a backslash in the target", get(target=b"/v1\\models"), "RFC 3986 §2; a slash to some"),
    refused("a quote in the target", get(target=b'/v1/"'), "RFC 3986 §2"),
    refused("a brace-less angle in the target", get(target=b"/v1/<x>"), "RFC 3986 §2"),
    served("a query", plain(line=b"POST " + TARGET + b"?a=b&c=%2F..%2f HTTP/1.1"), "§3.2.1: sent on as it is",
           path=TARGET + b"?a=b&c=%2F..%2f"),
]

# Paths that name something else to whoever normalises them. The message is
# sound, so its connection lives.
TARGETS += [here("path " + what, get(target=target), why, status=400) for what, target, why in [
    ("with two slashes", b"/v1//things", "RFC 3986 §6.2: merged by some"),
    ("with a dot segment", b"/v1/./things", "RFC 3986 §5.2.4: removed by some"),
    ("with a double dot", b"/v1/x/../things", "RFC 3986 §5.2.4: removed by some"),
    ("with %2e%2e", b"/v1/%2e%2e/things", "RFC 3986 §2.3: dots to some"),
    ("with %2E.", b"/v1/%2E./things", "RFC 3986 §2.3: dots to some"),
    ("with %2f", b"/v1%2fthings/x", "RFC 3986 §2.2: a slash to some"),
    ("with %2F below", b"/v1/x%2Fthings", "RFC 3986 §2.2: a slash to some"),
    ("with %5c", b"/v1/x%5cthings", "no RFC: a slash to some"),
    ("with %00", b"/v1/things%00", "no RFC: the end to some"),
    ("with %0d%0a", b"/v1/things%0d%0aX:1", "no RFC: a line end to some"),
    ("with a letter escaped", b"/v1/%63hat/completions", "RFC 3986 §2.3: the same as unescaped to others"),
    ("with %25", b"/v1/things%252e", "RFC 3986 §2.4: decoded twice by some"),
    ("with half an escape", b"/v1/things%2", "RFC 3986 §2.1"),
    ("with a bad escape", b"/v1/things%zz", "RFC 3986 §2.1"),
]] + [
    here("path outside the API", get(target=b"/metrics"), "RFC 9110 §15.5.5", status=404),
    here("a model by its name", get(target=b"/v1/models/sim"), "answered here"),
    here("a model by its name, escaped", get(target=b"/v1/models/s%69m"), "RFC 3986 §2.1: answered here, decoded once"),
    here("a model by a name with %2f", get(target=b"/v1/models/..%2fsim"), "answered here: a name, no path", status=404),
    here("path above the root", get(target=b"/../v1/things"), "RFC 3986 §5.2.4", status=400),
]

HOSTS = [
    refused("no Host", plain(host=b""), "§3.2"),
    refused("Host empty", plain(host=b"Host:\r\n"), "§3.2: an http target has an authority"),
    refused("Host blank", plain(host=b"Host: \t \r\n"), "§3.2"),
    refused("Host twice, equal", plain(host=HOST + HOST), "§3.2: more than one is 400"),
    refused("Host twice, different", plain(host=HOST + b"Host: evil\r\n"), "§3.2"),
    refused("Host twice, cases differ", plain(host=HOST + b"hOST: gw.example\r\n"), "§3.2"),
    refused("Host twice in HTTP/1.0", plain(host=HOST + HOST, line=b"POST " + TARGET + b" HTTP/1.0"), "§3.2"),
    refused("Host with a space", plain(host=b"Host: gw evil\r\n"), "§3.2: invalid value"),
    refused("Host list", plain(host=b"Host: gw.example, evil\r\n"), "§3.2: not a list, and no space in a name"),
    refused("Host with a user", plain(host=b"Host: u@gw.example\r\n"), "RFC 9110 §7.2: uri-host [ \":\" port ]"),
    refused("Host with a path", plain(host=b"Host: gw.example/x\r\n"), "RFC 9110 §7.2"),
    refused("Host with a scheme", plain(host=b"Host: http://gw.example\r\n"), "RFC 9110 §7.2"),
    refused("Host with letters as port", plain(host=b"Host: gw.example:http\r\n"), "RFC 9110 §7.2"),
    refused("Host with port 65536", plain(host=b"Host: gw.example:65536\r\n"), "RFC 9110 §7.2"),
    refused("Host with port -1", plain(host=b"Host: gw.example:-1\r\n"), "RFC 9110 §7.2"),
    refused("Host with two ports", plain(host=b"Host: gw.example:80:80\r\n"), "RFC 9110 §7.2"),
    refused("Host of a port alone", plain(host=b"Host: :80\r\n"), "RFC 9110 §4.2.1: no empty host"),
    refused("Host with NUL", plain(host=b"Host: gw\0evil\r\n"), "RFC 9110 §5.5"),
    refused("Host with non-ASCII", plain(host=b"Host: gw\xc3\xa9\r\n"), "RFC 3986 §3.2.2"),
    refused("Host with an open bracket", plain(host=b"Host: [::1\r\n"), "RFC 3986 §3.2.2"),
    refused("Host with text behind the bracket", plain(host=b"Host: [::1]x\r\n"), "RFC 3986 §3.2.2"),
    refused("Host with a name in brackets", plain(host=b"Host: [gw]\r\n"), "RFC 3986 §3.2.2"),
    refused("Host with a space before the colon", plain(host=b"Host : gw.example\r\n"), "§5.1"),
    refused("Host folded", plain(host=b"Host: gw.example\r\n .evil\r\n"), "§5.2"),
    served("Host with a port", plain(host=b"Host: gw.example:8080\r\n"), "RFC 9110 §7.2: replaced by the engine's"),
    served("Host of an IPv6 address", plain(host=b"Host: [2001:db8::1]:8080\r\n"), "RFC 3986 §3.2.2"),
    served("Host without white space", plain(host=b"Host:gw.example\r\n"), "§5"),
    served("Host last", post(length(BODY), HOST, host=b""), "RFC 9110 §5.3: order of different fields is free"),
    Row("HTTP/1.0 without Host", plain(line=b"POST " + TARGET + b" HTTP/1.0", host=b""), (200,),
        "§3.2: required of 1.1 alone; sent on with the engine's", closes=True, bodies=(BODY,)),
]

FIELDS = [refused("field " + what, plain(line) + BEHIND, why) for what, line, why in [
    ("with a space before the colon", b"X-A : b\r\n", "§5.1"),
    ("with a tab before the colon", b"X-A\t: b\r\n", "§5.1"),
    ("with a space in its name", b"X A: b\r\n", "§5.1: a token"),
    ("with a control in its name", b"X\x01A: b\r\n", "§5.1: a token"),
    ("with NUL in its name", b"X\0A: b\r\n", "§5.1: a token"),
    ("with non-ASCII in its name", b"X\xc3\xa9: b\r\n", "§5.1: a token"),
    ("with a bracket in its name", b"X[A]: b\r\n", "§5.1: a token"),
    ("with a quoted name", b'"X": b\r\n', "§5.1: a token"),
    ("with a slash in its name", b"X/A: b\r\n", "§5.1: a token"),
    ("without a name", b": b\r\n", "§5.1: a token is not empty"),
    ("without a colon", b"X-A\r\n", "§5"),
    ("that is only blanks", b"  \r\n", "§5.2"),
    ("with NUL in its value", b"X-A: b\0c\r\n", "RFC 9110 §5.5"),
    ("with a bare CR in its value", b"X-A: b\rc\r\n", "§2.2"),
    ("with a bare CR at its end", b"X-A: b\r\r\n", "§2.2"),
    ("with a bare LF at its end", b"X-A: b\n", "§2.2: may be refused, and is"),
    ("with a bare LF in its value", b"X-A: b\nTransfer-Encoding: chunked\r\n", "§2.2"),
    ("with a control in its value", b"X-A: b\x08c\r\n", "RFC 9110 §5.5: may be refused, and is"),
    ("with DEL in its value", b"X-A: b\x7fc\r\n", "RFC 9110 §5.5: may be refused, and is"),
    ("with a vertical tab in its value", b"X-A: b\x0bc\r\n", "RFC 9110 §5.5: may be refused, and is"),
    ("folded with a space", b"X-A: b\r\n c\r\n", "§5.2"),
    ("folded with a tab", b"X-A: b\r\n\tc\r\n", "§5.2"),
    ("folded with nothing", b"X-A: b\r\n \r\n", "§5.2"),
    ("Content-Type twice", b"Content-Type: text/plain\r\n", "RFC 9110 §5.3: not a list; the engine may heed the other"),
    ("Authorization twice", b"Authorization: a\r\nauthorization: b\r\n", "RFC 9110 §5.3: not a list"),
]] + [
    refused("the first field folded", b"POST " + TARGET + b" HTTP/1.1\r\n X: y\r\n" + HOST + length(BODY) + b"\r\n" + BODY,
            "§2.2: white space before the first field"),
    refused("the head ends with a bare LF", plain(end=b"\n") + BEHIND, "§2.2", cut=True),
    refused("the head ends with CR CR LF", plain(end=b"\r\r\n") + BEHIND, "§2.2"),
    refused("a head over header_bytes", plain(b"X-A: " + b"a" * 33000 + b"\r\n"), "RFC 6585 §5", status=431),
    refused("a head over header_bytes without an end", plain(b"X-A: " + b"a" * 40000, end=b"", body=b""), "RFC 6585 §5",
            status=431),
    refused("fields over header_count", plain(*[b"X-%d: a\r\n" % i for i in range(20)]), "RFC 6585 §5", status=431),
    refused("1,000 equal short fields", plain(b"a:\r\n" * 1000), "RFC 6585 §5", status=431),
    served("fields up to header_count", plain(*[b"X-%d: a\r\n" % i for i in range(17)]), "RFC 6585 §5",
           present={b"x-16": b"a"}),
    served("an empty value", plain(b"X-A:\r\n"), "§5", present={b"x-a": b""}),
    served("a value between blanks", plain(b"X-A:\t b\tc \t\r\n"), "§5: OWS is not part of it", present={b"x-a": b"b\tc"}),
    served("obs-text in a value", plain(b"X-A: \xe9\xff\r\n"), "RFC 9110 §5.5: opaque, sent on", present={b"x-a": b"\xe9\xff"}),
    served("colons in a value", plain(b"X-A: b:c::\r\n"), "§5: the first colon ends the name", present={b"x-a": b"b:c::"}),
    served("a name in capitals", plain(b"X-CaPiTaLs: Yes\r\n"), "RFC 9110 §5.1: sent on in lower case",
           present={b"x-capitals": b"Yes"}),
    served("a name of odd token marks", plain(b"X!#$%&'*+.^`|~9: b\r\n"), "RFC 9110 §5.6.2",
           present={b"x!#$%&'*+.^`|~9": b"b"}),
    served("an underscore in a name", plain(b"X_My_Field: b\r\n"), "RFC 9110 §5.1: a token; sent on where it shadows nothing",
           present={b"x_my_field": b"b"}),
    served("fields that a client may not assert",
           plain(b"X-Prefiller-Host-Port: evil:1\r\nX-Gateway-Destination-Endpoint: evil:1\r\n"
                 b"X-Data-Parallel-Rank: 3\r\nX-Sluice-Tenant: a\r\n"), "ours: dropped",
           absent=(b"x-prefiller-host-port", b"x-gateway-destination-endpoint", b"x-data-parallel-rank",
                   b"x-sluice-tenant")),
    served("the same with underscores",
           plain(b"X_Prefiller_Host_Port: evil:1\r\nx_gateway-destination_endpoint: evil:1\r\n"
                 b"X_Data_Parallel_Rank: 3\r\nX_Sluice_Tenant: a\r\n"), "ours: dropped, since CGI and WSGI make one of both",
           absent=(b"x_prefiller_host_port", b"x_gateway-destination_endpoint", b"x_data_parallel_rank",
                   b"x_sluice_tenant")),
    served("names that shadow known ones", plain(b"Accept_Encoding: gzip\r\nContent_Type: text/plain\r\nX_Request_Id: a\r\n"),
           "ours: dropped", absent=(b"accept_encoding", b"content_type", b"x_request_id")),
]

HOPS = [
    served("Upgrade: websocket", plain(b"Upgrade: websocket\r\nConnection: Upgrade\r\n"), "RFC 9110 §7.8: ignored",
           absent=(b"upgrade",)),
    served("Upgrade: h2c",
           plain(b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"),
           "RFC 9113 §3.1: obsolete, ignored", absent=(b"upgrade", b"http2-settings")),
    served("Connection names a field", plain(b"Connection: X-Hop, X-Other\r\nX-Hop: 1\r\nx-other: 2\r\nX-Third: 3\r\n"),
           "RFC 9110 §7.6.1: removed", absent=(b"x-hop", b"x-other", b"connection"), present={b"x-third": b"3"}),
    served("Connection behind what it names", plain(b"X-Hop: 1\r\nConnection: x-hop\r\n"), "RFC 9110 §7.6.1",
           absent=(b"x-hop",)),
    served("Connection: content-length", plain(b"Connection: content-length\r\n"),
           "RFC 9110 §7.6.1: must not be named; framing stays ours", present={b"content-length": b"%d" % N}),
    served("Connection: transfer-encoding", post(TE, b"Connection: transfer-encoding\r\n", body=chunks()),
           "RFC 9110 §7.6.1: must not be named; framing stays ours", present={b"content-length": b"%d" % N}),
    served("Connection: host", plain(b"Connection: host\r\n"), "RFC 9110 §7.6.1: must not be named"),
    served("Connection: authorization", plain(b"Connection: authorization\r\nAuthorization: Bearer k\r\n"),
           "RFC 9110 §7.6.1: must not be named; nobody strips it", present={b"authorization": b"Bearer k"}),
    served("Connection: content-type", plain(b"Connection: content-type\r\n"),
           "RFC 9110 §7.6.1: must not be named; the engine reads what we read",
           present={b"content-type": b"application/json"}),
    served("Connection of empty elements", plain(b"Connection: , ,keep-alive, ,\r\n"), "RFC 9110 §5.6.1: ignored"),
    refused("Connection of 100 options", plain(b"Connection: " + b"a," * 100 + b"\r\n"), "RFC 9110 §5.6.1: bounded"),
    Row("Connection: close", plain(b"Connection: close\r\n"), (200,), "§9.6", closes=True, bodies=(BODY,)),
    Row("Connection: keep-alive, close", plain(b"Connection: keep-alive, CLOSE\r\n"), (200,), "§9.6: close wins", closes=True,
        bodies=(BODY,)),
    Row("Connection: close in a second field", plain(b"Connection: keep-alive\r\nConnection: close\r\n"), (200,), "§9.6",
        closes=True, bodies=(BODY,)),
    Row("nothing is read behind Connection: close", plain(b"Connection: close\r\n") + BEHIND, (200,), "§9.6", closes=True,
        bodies=(BODY,)),
    Row("HTTP/1.0", plain(line=b"POST " + TARGET + b" HTTP/1.0"), (200,), "§9.3: closes", closes=True, bodies=(BODY,)),
    served("HTTP/1.0 with keep-alive", plain(b"Connection: Keep-Alive\r\n", line=b"POST " + TARGET + b" HTTP/1.0"),
           "§9.3: our choice to honour it"),
    served("hop-by-hop fields",
           plain(b"Keep-Alive: timeout=5\r\nProxy-Connection: close\r\nTE: trailers\r\nTrailer: X\r\n"
                 b"Proxy-Authorization: Basic x\r\nAccept-Encoding: gzip\r\n"), "RFC 9110 §7.6.1: removed",
           absent=(b"keep-alive", b"proxy-connection", b"te", b"trailer", b"proxy-authorization", b"accept-encoding")),
    served("Expect: 100-continue", plain(b"Expect: 100-continue\r\n"), "RFC 9110 §10.1.1", absent=(b"expect",)),
    served("Expect: 100-CONTINUE", plain(b"Expect: 100-CONTINUE\r\n"), "RFC 9110 §10.1.1: has no case", absent=(b"expect",)),
    served("Expect twice", plain(b"Expect: 100-continue\r\nExpect: 100-continue\r\n"), "RFC 9110 §10.1.1", absent=(b"expect",)),
    here("Expect without a body", get(b"Expect: 100-continue\r\n"), "RFC 9110 §10.1.1: no 100 is sent"),
    refused("Expect: something else", plain(b"Expect: 200-ok\r\n") + BEHIND, "RFC 9110 §10.1.1", status=417),
    refused("Expect with a parameter", plain(b"Expect: 100-continue;x=1\r\n") + BEHIND, "RFC 9110 §10.1.1", status=417),
    Row("Expect in HTTP/1.0", plain(b"Expect: 100-continue\r\n", line=b"POST " + TARGET + b" HTTP/1.0"), (200,),
        "RFC 9110 §10.1.1: ignored", closes=True, bodies=(BODY,), absent=(b"expect",)),
]

ENDS = [
    here("a GET", get(), "RFC 9110 §9.3.1"),
    here("a HEAD", get(method=b"HEAD"), "RFC 9110 §9.3.2: no content", method="HEAD"),
    refused("a HEAD that is malformed", get(b"X : y\r\n", method=b"HEAD"), "RFC 9110 §9.3.2: no content", method="HEAD"),
    Row("a GET with a body", get(length(BODY)) + BODY, (200,), "RFC 9110 §9.3.1: no meaning; closed unread", closes=True,
        method="GET"),
    Row("a GET whose body is a request", get(length(BEHIND)) + BEHIND, (200,), "RFC 9110 §9.3.1: never read as one",
        closes=True, method="GET"),
    served("a GET that an engine answers", get(target=b"/v1/things"), "RFC 9110 §9.3.1", bodies=(b"",), path=b"/v1/things",
           method="GET", absent=(b"content-length",)),
    served("a POST without a length", post(line=b"POST /v1/things HTTP/1.1", body=b""),
           "§6.3 item 7: a length of 0, and said so (RFC 9110 §8.6)", bodies=(b"",), path=b"/v1/things",
           present={b"content-length": b"0"}),
    served("a POST of length 0", plain(line=b"POST /v1/things HTTP/1.1", body=b""), "RFC 9110 §8.6", bodies=(b"",),
           path=b"/v1/things", present={b"content-length": b"0"}),
    served("a POST of no chunks", post(TE, line=b"POST /v1/things HTTP/1.1", body=b"0\r\n\r\n"), "§7.1", bodies=(b"",),
           path=b"/v1/things", present={b"content-length": b"0"}),
    here("a chat without a length", post(body=b""), "§6.3 item 7: an empty body is no JSON", status=400, method="POST"),
    Row("a body longer than its length", plain() + b"garbage\r\n\r\n", (200, 400),
        "§6.3: what follows is the next request, and malformed", closes=True, bodies=(BODY,)),
    served("two pipelined requests", plain() + plain(body=OTHER), "§9.3.2: answered in order", bodies=(BODY, OTHER), cut=True),
    served("two pipelined, chunked first", chunked() + plain(body=OTHER), "§9.3.2", bodies=(BODY, OTHER)),
    served("two pipelined, an empty line between", plain() + b"\r\n" + plain(body=OTHER), "§2.2: ignored",
           bodies=(BODY, OTHER)),
    served("ten pipelined requests", (plain() + chunked(OTHER)) * 5, "§9.3.2", bodies=(BODY, OTHER) * 5),
    Row("a good request, then a malformed one", plain() + with_length(b" +5") + BEHIND, (200, 400), "§9.3.2", closes=True,
        bodies=(BODY,)),
    Row("a good request, then Content-Length and Transfer-Encoding", plain() + post(length(BODY), TE, body=chunks()),
        (200, 400), "§6.1", closes=True, bodies=(BODY,)),
    refused("a body over body_limit", plain(body=b" " * 65537), "RFC 9110 §15.5.14: before it is read", status=413),
    refused("a length over body_limit, no body", post(b"Content-Length: 9223372036854775807\r\n", body=b""),
            "RFC 9110 §15.5.14: before it is read", status=413),
    refused("chunks over body_limit", chunked(BODY + b" " * 65536), "RFC 9110 §15.5.14: while it is read", status=413),
    refused("a chunk size over body_limit, no chunk", post(TE, body=b"7fffffffffffffff\r\n" + b" " * 65537),
            "RFC 9110 §15.5.14: while it is read", status=413),
    served("a body of exactly body_limit", plain(body=BODY + b" " * (65536 - N)), "RFC 9110 §15.5.14",
           bodies=(BODY + b" " * (65536 - N),)),
]

ROWS = LENGTHS + CODINGS + CHUNKS + LINE + TARGETS + HOSTS + FIELDS + HOPS + ENDS
