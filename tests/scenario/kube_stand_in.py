"""The stand-in for a Kubernetes API server answers as a real one did, and does
to its clients what it is told to."""
import json
import os

from lib import kube_answers, story
from lib.kube_api import PODS, KubeApi, Relay
from lib.process import Failure, until
from lib.story import equal, sized, true
from lib.wire import Connection, Truncated

HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = os.path.join(HERE, "..", "golden", "kube", "answers.json")


SELECTOR = "app.kubernetes.io%2Fname%3Dsim"


def api(t, *options, **kwargs):
    return t.adopt(KubeApi(t, *options, **kwargs)).wait_ready()


class Mirror:
    """A client's picture of the pods, from a list and then from watches."""

    def __init__(self, server):
        self.server, self.pods, self.rv, self.types = server, {}, None, set()

    def list(self, limit=0):
        token, self.pods = "", {}
        while True:
            page = self.server.get(f"{PODS}?limit={limit}&continue={token}&labelSelector={SELECTOR}")
            self.pods.update((p["metadata"]["name"], p) for p in page["items"])
            self.rv = page["metadata"]["resourceVersion"]
            token = page["metadata"].get("continue", "")
            if not token:
                return self

    def path(self):
        return (f"{PODS}?watch=1&allowWatchBookmarks=true&resourceVersion={self.rv}"
                f"&timeoutSeconds=600&labelSelector={SELECTOR}")

    def take(self, frame):
        pod, name = frame["object"], frame["object"]["metadata"].get("name")
        self.types.add(frame["type"])
        if frame["type"] == "BOOKMARK":
            pass
        elif frame["type"] == "DELETED":
            del self.pods[name]
        else:
            equal(name in self.pods, frame["type"] == "MODIFIED", f"{name} was known when it was {frame['type']}")
            self.pods[name] = pod
        self.rv = pod["metadata"]["resourceVersion"]

    def follow(self, watch):
        """Until the watch has told all that the server knows by now."""
        target = self.server.state()["resourceVersion"]
        self.server.bookmark()
        while int(self.rv) < int(target):
            self.take(watch.next())
        return self

    def rows(self):
        def ready(pod):
            return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"]["conditions"])
        return {n: (p["status"]["podIP"], ready(p), "deletionTimestamp" in p["metadata"],
                    p["metadata"]["labels"]["llm-d.ai/role"]) for n, p in self.pods.items()}

    def check(self, what):
        want = {e["name"]: (e["ip"], e["ready"], e["terminating"], e["role"])
                for e in self.server.endpoints(SELECTOR)}
        equal(self.rows(), want, what)


def test_as_the_real_one(t):
    server = api(t, token="T")
    with open(GOLDEN, encoding="utf-8") as f:
        golden = json.load(f)
    seen = kube_answers.play(kube_answers.Server("127.0.0.1", server.port, "T", actions={
        "compact": server.compact, "restart": server.restart}))
    equal(list(seen), list(golden), "the steps")
    wrong = []
    for name, real in golden.items():
        if seen[name] != real:
            wrong.append(f"{name}:\n  real     {json.dumps(real)}\n  stand-in {json.dumps(seen[name])}")
    if wrong:
        raise Failure(f"{len(wrong)} of {len(golden)} answers differ:\n" + "\n".join(wrong))


def test_pages_of_one_version(t):
    """A list in pages is of one moment, whatever changes between them."""
    server = api(t, pods=50)
    before = Mirror(server).list()
    first = server.get(f"{PODS}?limit=20")
    equal(first["metadata"]["remainingItemCount"], 30, "what is left")
    server.churn(count=100)
    names, token = [p["metadata"]["name"] for p in first["items"]], first["metadata"]["continue"]
    while token:
        page = server.get(f"{PODS}?limit=20&continue={token}")
        equal(page["metadata"]["resourceVersion"], before.rv, "the version of a page")
        for pod in page["items"]:
            names.append(pod["metadata"]["name"])
            equal(pod, before.pods[names[-1]], "a pod of a page")
        token = page["metadata"].get("continue")
    equal(names, sorted(before.pods), "the names of all pages")


def test_server_pages(t):
    server = api(t, "--page-limit", "7", pods=20)
    equal(len(server.get(PODS)["items"]), 7, "a page that nobody asked for")
    equal(len(Mirror(server).list().pods), 20, "pods")


def test_watch_tells_all(t):
    server = api(t, pods=sized(200, 60))
    mirror = Mirror(server).list(limit=50)
    with server.watch(mirror.path()) as watch:
        for _ in range(10):
            server.churn(count=60)
            mirror.follow(watch).check("after changes")
        server.ask("POST", PODS, {"metadata": {"name": "of-nobody"}})
        mirror.follow(watch).check("after a change that this watch is not told")
    equal(mirror.types, {"ADDED", "MODIFIED", "DELETED", "BOOKMARK"}, "types of frames")
    pod = server.get(f"{PODS}/{next(iter(mirror.pods))}")
    true(10_000 < len(json.dumps(pod)) < 25_000, f"a pod of a real one's size: {len(json.dumps(pod))} bytes")


def test_cuts(t):
    """What a cut watch did not tell, the next one tells; a frame that was cut
    is not one."""
    server = api(t, pods=40)
    mirror = Mirror(server).list()
    for how, middle in (("fin", False), ("fin", True), ("reset", False), ("reset", True)):
        with server.watch(mirror.path()) as watch:
            server.churn(count=20)
            mirror.follow(watch)
            server.cut(how, middle)
            try:
                left = [f for f in watch.frames() if f["type"] != "BOOKMARK"]
                raise Failure(f"{how}: the watch ended well, with {left}")
            except (Truncated, ConnectionResetError):
                pass
        server.churn(count=5)
        with server.watch(mirror.path()) as watch:
            mirror.follow(watch).check(f"after {how}")
    with server.watch(mirror.path()) as watch:
        server.cut("end")
        equal(list(watch.frames()), [], "frames of a watch that ends well")
    equal(server.state()["watches"], 0, "watches")


def test_split_and_hold(t):
    server = api(t, pods=10)
    mirror = Mirror(server).list()
    with server.watch(mirror.path()) as watch:
        server.split(100)
        server.churn(count=1, kinds=["ready"])
        mirror.follow(watch).check("after a frame in pieces")
        server.churn(count=1, kinds=["ready"])
        equal(len(watch.piece()), 100, "bytes of a piece")
    mirror.list()
    with server.watch(mirror.path()) as watch:
        server.split(0)
        server.hold()
        server.churn(count=20)
        with Connection(server.port) as other:
            other.request("GET", PODS)
            until(lambda: server.state()["watches"] == 1, "the watch to be open")
            server.hold(False)
            equal(other.answer().status, 200, "the answer that was held")
        mirror.follow(watch).check("after the hold")


def test_more_than_may_wait(t):
    """A watch that is slow is told the rest without anything else happening."""
    server = api(t, pods=10)
    mirror = Mirror(server).list()
    with server.watch(mirror.path()) as watch:
        server.split(4096)
        server.hold()
        server.churn(count=800, kinds=["ready"])
        target = int(server.state()["resourceVersion"])
        server.hold(False)
        while int(mirror.rv) < target:
            mirror.take(watch.next())
        mirror.check("after all of it")


def test_history_ends(t):
    """Old versions get 410; a watch that falls behind the history is ended."""
    server = api(t, "--history", "50", pods=10)
    mirror = Mirror(server).list()
    server.churn(count=60)
    with server.watch(mirror.path()) as watch:
        frames = list(watch.frames())
    equal([(f["type"], f["object"]["code"]) for f in frames], [("ERROR", 410)], "frames of an old version")
    mirror.list()
    with server.watch(mirror.path()) as watch:
        server.hold()
        server.churn(count=60)
        server.hold(False)
        equal(list(watch.frames()), [], "frames of a watch that fell behind")


def test_restart(t):
    server = api(t, pods=10)
    mirror = Mirror(server).list()
    with server.watch(mirror.path()) as watch:
        server.churn(count=5)
        server.restart(resource_version=100)
        try:
            for frame in watch.frames():
                mirror.take(frame)
            raise Failure("the watch ended well")
        except (Truncated, ConnectionResetError):
            pass
    mirror.list().check("after the restart")
    equal(mirror.rv, "100", "the new resource version")


def test_refusals(t):
    server = api(t, "--forbid", "watch:pods", token="T", pods=1)
    equal(server.ask("GET", f"{PODS}?watch=1").status, 403, "a watch")
    equal(server.ask("GET", PODS).status, 200, "a list")
    server.fail(503, count=2)
    equal([server.ask("GET", PODS).status for _ in range(3)], [503, 503, 200], "answers of a fault of two")
    server.fail(500, verb="get")
    equal(server.ask("GET", PODS).status, 200, "a list while get fails")
    equal(server.ask("GET", f"{PODS}/x").status, 500, "get")
    server.fail(0)
    equal(server.ask("GET", f"{PODS}/x").status, 404, "get when it fails no more")
    curl = server.ask("GET", PODS, headers={"User-Agent": "curl/8"}).body
    true(curl.startswith(b'{\n  "kind": "PodList",\n'), f"curl's answer is indented: {curl[:60]!r}")
    equal(json.loads(curl), server.get(PODS), "the same, indented")


def test_grace(t):
    """A pod that is deleted with a grace period terminates, then goes."""
    server = api(t, pods=2)
    mirror = Mirror(server).list()
    name = next(iter(mirror.pods))
    with server.watch(mirror.path()) as watch:
        server.ask("DELETE", f"{PODS}/{name}?gracePeriodSeconds=30")
        mirror.follow(watch).check("terminating")
        true(mirror.rows()[name][2], "it terminates")
        server.ask("DELETE", f"{PODS}/{name}?gracePeriodSeconds=0")
        mirror.follow(watch).check("gone")
    true(name not in mirror.pods, "it is gone")


def test_templates(t):
    ports = {}
    for template in ("kserve-llmisvc", "aibrix", "llm-d", "plain"):
        server = api(t, "--template", template, pods=2, name=template)
        ports[template] = {(e["role"], e["port"]) for e in server.endpoints()}
    both = {("prefill", 8000), ("decode", 8001)}
    equal(ports, {"kserve-llmisvc": both, "llm-d": both, "plain": {("", 8000)},
                  "aibrix": {("prefill", 8000), ("decode", 8000)}}, "roles and ports")


def test_relay(t):
    """The relay of TLS passes all bytes, in any pieces, and cuts when told."""
    server = api(t, pods=20)
    certificate = t.certificate()
    relay = Relay(server.port, certificate)
    relay.split(7)
    with Connection(relay.port, tls=certificate) as c:
        c.request("GET", f"{PODS}?limit=2")
        equal(json.loads(c.answer().body), server.get(f"{PODS}?limit=2"), "through the relay")
    relay.split(0)
    with Connection(relay.port, tls=certificate) as c:
        c.request("GET", f"{PODS}?watch=1")
        head = c.head()
        pieces = c.pieces(head, "GET")
        next(pieces)
        relay.cut(within=1000)
        server.churn(count=2)
        try:
            for _ in pieces:
                pass
            raise Failure("a cut watch ended well")
        except (Truncated, OSError):
            pass
    equal(relay.cuts, 1, "cuts")


if __name__ == "__main__":
    story.run(globals())
