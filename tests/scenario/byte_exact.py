"""What a client wrote is what the engine reads, byte for byte."""
import json

from lib import story
from lib.story import equal, true

BODIES = {
    "unknown fields": b'{"model":"sim","messages":[{"role":"user","content":"x","cache_control":{"a":1},'
                      b'"uuid":null}],"rid":"r-1","structured_outputs":{"json":{"b":[1,2.50]}},"x":[]}',
    "63-bit integers": b'{"model":"sim","big":9223372036854775807,"messages":[{"role":"user","content":"x"}],'
                       b'"logit_bias":{"9007199254740993":-100}}',
    "number text": b'{"model":"sim","a":1e400,"b":-0,"c":1.0,"d":1E+2,"e":0.1000,'
                   b'"messages":[{"role":"user","content":"x"}]}',
    "escapes": rb'{"model":"sim","messages":[{"role":"user","content":"\u00e9\/\ud83c\udf0a\b\f\n\r\t\\\""}]}',
    "raw UTF-8": '{"model":"sim","messages":[{"role":"user","content":"Größe 水 🌊 \u2028"}]}'.encode(),
    "key order and white space": b' {\r\n\t"messages" :[ {"content":"x" , "role":"user"} ]\n,  "zz":1,"aa": 2,'
                                 b'"model"\t:\t"sim" }\n ',
    "escaped keys": rb'{"mod\u0065l":"sim","messages":[{"role":"user","content":"x"}]}',
    "duplicate unknown keys": b'{"x":1,"model":"sim","x":2,"messages":[{"role":"user","content":"x"}]}',
    "empty strings and nulls": b'{"model":"sim","stop":null,"user":"","messages":[{"role":"user","content":""}]}',
    "large": b'{"model":"sim","messages":[{"role":"user","content":"' + b"word \\u00e9 " * 20000 + b'"}]}',
}


def test_ordinary_engine(t):
    gateway, engines = t.plain()
    for name, body in BODIES.items():
        answer = gateway.post("/v1/chat/completions", body)
        equal(answer.status, 200, f"{name}: {answer}")
        true(engines[0].last().body == body, f"{name}: the engine read {engines[0].last().body[:300]!r}")


def test_chunked(t):
    """The same bytes, however they were cut on the way."""
    gateway, engines = t.plain()
    body = BODIES["raw UTF-8"]
    for size in (1, 7, len(body)):
        with gateway.connect() as c:
            c.send(b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                   b"Transfer-Encoding: chunked\r\n\r\n")
            for i in range(0, len(body), size):
                piece = body[i:i + size]
                c.send(b"%x\r\n%s\r\n" % (len(piece), piece))
            c.send(b"0\r\n\r\n")
            equal(c.answer().status, 200, f"chunks of {size}")
        equal(engines[0].last().body, body, f"chunks of {size}")


def test_decode_leg_differs_by_the_hand_off_alone(t):
    """The decode leg is the client's body with one member spliced in; taken
    out again, the client's bytes are left."""
    gateway, p, d = t.pair(1, 1)
    for name, body in BODIES.items():
        body = body.replace(b'"content":"', b'"content":"' + b"word " * 600)
        if b"word word" not in body:
            continue
        before = p[0].requests
        answer = gateway.post("/v1/chat/completions", body)
        equal(answer.status, 200, f"{name}: {answer}")
        if p[0].requests == before:
            continue
        leg = d[0].last().body
        start = leg.index(b'"kv_transfer_params":')
        end = start + len(b'"kv_transfer_params":') + _json_length(leg[start + len(b'"kv_transfer_params":'):])
        rest = {leg[:start].rstrip()[:-1] + leg[end:] if leg[:start].rstrip().endswith(b",") else b"",
                leg[:start] + leg[end:].lstrip().removeprefix(b",")}
        true(body in rest, f"{name}: the decode engine read {leg[:80]!r} ... {leg[-200:]!r}")
    true(p[0].requests >= 5, "hand-offs happened")


def _json_length(data):
    """Bytes of the JSON value that data begins with."""
    text = data.decode()
    return len(text[:json.JSONDecoder().raw_decode(text)[1]].encode())


story.run(globals())
