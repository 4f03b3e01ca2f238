"""A reader of HTTP/1.1 requests that takes nothing but the plainest form.

It shares no line with the gateway and none with the rest of this library. What
it takes, every server reads alike: one request line, CRLF, names in lower case,
one Host, one Content-Length for a method that has content, no Transfer-Encoding,
no hop-by-hop field, no white space but one space behind the colon.
"""
import re

LINE = re.compile(rb"(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) (/[!-~]*) HTTP/1\.1")
FIELD = re.compile(rb"([a-z0-9!#$%&'*+.^_`|~-]+): ((?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?)")
FORBIDDEN = {b"transfer-encoding", b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"upgrade",
             b"expect", b"http2-settings", b"proxy-authorization"}
ONCE = {b"host", b"content-length", b"content-type", b"authorization", b"x-request-id"}
WITH_CONTENT = {b"POST", b"PUT", b"PATCH"}


class Ambiguous(Exception):
    """Bytes that two servers could read differently."""


class Message:
    """fields: by name; of one that came several times, the last."""

    def __init__(self, method, path, pairs, body):
        self.method, self.path, self.body = method, path, body
        self.fields, self._pairs = dict(pairs), pairs

    @property
    def line(self):
        return self.method + b" " + self.path + b" HTTP/1.1"

    def values(self, name):
        return [v for n, v in self._pairs if n == name]


def _fields(lines, host):
    fields, pairs = {}, []
    for line in lines:
        match = FIELD.fullmatch(line)
        if not match:
            raise Ambiguous(f"a field line {line!r}")
        name, value = match.groups()
        if name in FORBIDDEN or name.replace(b"_", b"-") in FORBIDDEN:
            raise Ambiguous(f"the field {line!r}")
        if name.replace(b"_", b"-") in ONCE and (name in fields or b"_" in name):
            raise Ambiguous(f"a second {line!r}")
        fields[name] = value
        pairs.append((name, value))
    if fields.get(b"host") != host:
        raise Ambiguous(f"Host {fields.get(b'host')!r}, not {host!r}")
    return fields, pairs


def _length(method, fields):
    text = fields.get(b"content-length")
    if text is None:
        if method in WITH_CONTENT:
            raise Ambiguous("no Content-Length")
        return 0
    if not re.fullmatch(rb"0|[1-9][0-9]{0,17}", text):
        raise Ambiguous(f"Content-Length {text!r}")
    return int(text)


def read(data, host):
    """The Message at the start of data and its length in bytes; (None, 0) while
    it is not complete."""
    head, end, _ = data.partition(b"\r\n\r\n")
    if not end:
        return None, 0
    lines = head.split(b"\r\n")
    match = LINE.fullmatch(lines[0])
    if not match:
        raise Ambiguous(f"the request line {lines[0]!r}")
    fields, pairs = _fields(lines[1:], host)
    n = _length(match[1], fields)
    total = len(head) + 4 + n
    if len(data) < total:
        return None, 0
    return Message(match[1], match[2], pairs, data[len(head) + 4:total]), total
