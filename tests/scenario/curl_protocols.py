"""curl over every protocol a client may speak, and what it sees each time."""
import json
import os

from lib import story, text
from lib.gateway import chat
from lib.story import equal, true
from lib.wire import split_events, text_of

WAYS = {
    "HTTP/1.1": (["--http1.1"], "http", "1.1"),
    "HTTP/1.0": (["--http1.0"], "http", "1.0"),
    "HTTP/2, prior knowledge": (["--http2-prior-knowledge"], "http", "2"),
    "HTTP/1.1 over TLS": (["--http1.1"], "https", "1.1"),
    "HTTP/2 over TLS": (["--http2"], "https", "2"),
}


class Curl:
    def __init__(self, t, certificate=True):
        self.t = t
        self.engines = t.engines(2, options=["--speed", "20"])
        from lib.gateway import pool
        self.gateway = t.gateway(pool("all", self.engines), *self.engines,
                                 certificate=t.certificate() if certificate else None)

    def __call__(self, way, path, *options, check=True):
        """(curl's exit status, HTTP status and version, body)."""
        flags, scheme, _ = WAYS[way]
        port = self.gateway.tls_port if scheme == "https" else self.gateway.port
        out = os.path.join(self.t.folder, "body")
        code, wrote = self.t.run("curl", "-sS", "-N", "--cacert", self.gateway.certificate, *flags,
                                 "-m", "60", "-o", out, "-w", "%{http_code} %{http_version}", *options,
                                 f"{scheme}://localhost:{port}{path}", check=check)
        with open(out, "rb") as f:
            body = f.read()
        return code, wrote, body

    def post(self, way, body, *options):
        path = os.path.join(self.t.folder, "request")
        with open(path, "w", encoding="utf-8") as f:
            json.dump(body, f)
        return self(way, "/v1/chat/completions", "-H", "Content-Type: application/json",
                    "--data-binary", "@" + path, *options)


def test_chat_in_every_way(t):
    curl = Curl(t)
    for way, (_, _, version) in WAYS.items():
        body = chat(f"asked over {way}", max_tokens=12)
        wanted = text.of_chat(body["messages"], 12)
        answered = "1.1" if version == "1.0" else version
        _, wrote, answer = curl.post(way, body)
        equal(wrote, f"200 {answered}", way)
        equal(json.loads(answer)["choices"][0]["message"]["content"], wanted, f"{way}: the text")
        _, wrote, answer = curl.post(way, {**body, "stream": True})
        equal(wrote, f"200 {answered}", f"{way}, streamed")
        events = list(split_events(answer))
        equal((text_of(events), events[-1]), (wanted, "[DONE]"), f"{way}: the text, streamed")


def test_large_bodies(t):
    curl = Curl(t)
    for way in WAYS:
        body = chat("word " * 80000, max_tokens=3)
        _, wrote, answer = curl.post(way, body, "-H", "Expect: 100-continue" if "1.1" in way else "Expect:")
        true(wrote.startswith("200"), f"{way}: 400 kB: {wrote} {answer[:200]}")


def test_errors_and_lists(t):
    curl = Curl(t)
    for way in WAYS:
        _, wrote, answer = curl(way, "/v1/models")
        true(wrote.startswith("200"), f"{way}: {wrote}")
        equal([m["id"] for m in json.loads(answer)["data"]], ["sim"], f"{way}: the models")
        _, wrote, answer = curl.post(way, chat(model="none"))
        true(wrote.startswith("404"), f"{way}: {wrote}")
        equal(json.loads(answer)["error"]["code"], "model_not_found", f"{way}: the code")
        _, wrote, answer = curl(way, "/v1/models", "-I")
        true(wrote.startswith("200"), f"{way}: HEAD: {wrote}")
        equal(answer.lower().count(b"content-length"), 1, f"{way}: HEAD tells the length: {answer!r}")


def test_alpn_and_old_tls(t):
    """ALPN picks HTTP/2 where it can, and TLS 1.1 is refused."""
    curl = Curl(t)
    port = curl.gateway.tls_port
    _, out = t.run("sh", "-c", f"openssl s_client -connect 127.0.0.1:{port} -alpn h2,http/1.1 </dev/null 2>&1")
    true("ALPN protocol: h2" in out, "h2 is chosen")
    _, out = t.run("sh", "-c", f"openssl s_client -connect 127.0.0.1:{port} -alpn http/1.1 </dev/null 2>&1")
    true("ALPN protocol: http/1.1" in out, "http/1.1 where that is all there is")
    code, _ = t.run("sh", "-c", f"openssl s_client -connect 127.0.0.1:{port} -tls1_1 "
                                "-cipher ALL:@SECLEVEL=0 </dev/null 2>&1", check=False)
    true(code != 0, "TLS 1.1 is refused")


story.run(globals())
