"""What a Kubernetes API server answers to a fixed sequence of requests, in a
form in which two servers can be compared: tests/golden/kube/answers.json is the
real one's (tests/golden/kube/record.py made it), scenario/kube_stand_in plays
the same to the stand-in.

What differs from run to run is named instead: resource versions count from the
first (R+3), times, uids and the user. The order of keys is kept. managedFields
are left out, and what Go's JSON parser says about bad JSON.
"""
import base64
import http.client
import json
import re
import ssl
import time

NS = "golden"
PODS = f"/api/v1/namespaces/{NS}/pods"
SLICES = f"/apis/discovery.k8s.io/v1/namespaces/{NS}/endpointslices"
POOLS = f"/apis/inference.networking.k8s.io/v1/namespaces/{NS}/inferencepools"
MERGE = "application/merge-patch+json"
INITIAL = "watch=1&timeoutSeconds=3&sendInitialEvents=true&allowWatchBookmarks=true"


def pod(name, role, **metadata):
    return {"spec": {"containers": [{"image": "vllm/vllm-openai:v1", "name": "main", "ports": [
                {"protocol": "TCP", "containerPort": 8000, "name": "http"}]}]},
            "metadata": {"labels": {"role": role, "app": "x"}, "namespace": NS, "name": name, **metadata},
            "apiVersion": "v1", "kind": "Pod"}


def pool(name):
    return {"kind": "InferencePool", "apiVersion": "inference.networking.k8s.io/v1", "metadata": {"name": name},
            "spec": {"targetPorts": [{"number": 8000}], "selector": {"matchLabels": {"app": "x"}},
                     "endpointPickerRef": {"name": "epp", "port": {"number": 9002}}}}


SLICE = {"addressType": "IPv4", "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
         "metadata": {"name": "s1", "labels": {"kubernetes.io/service-name": "svc"}},
         "ports": [{"port": 8000, "protocol": "TCP", "name": "http"}],
         "endpoints": [{"nodeName": "n", "addresses": ["10.0.0.1"],
                        "targetRef": {"kind": "Pod", "namespace": NS, "name": "a", "uid": "u"},
                        "conditions": {"terminating": False, "serving": True, "ready": True}}]}

STATUS = {"status": {"podIPs": [{"ip": "10.0.0.1"}], "podIP": "10.0.0.1", "phase": "Running", "conditions": [
    {"lastTransitionTime": "2026-01-01T00:00:00Z", "type": "Ready", "status": "True"}]}}

BAD_SELECTORS = ["role===x", "role in prefill", "role in (a", "!", ",", "a=b,", "role=!!", "a b", "role foo (a)",
                 "=x", "a=x$y", "a>x", "-a", "a notin (b,c", "a=b c", "a in (b c)"]
GOOD_SELECTORS = ["role=prefill", "role==prefill", "role!=prefill", "role", "!role", "role in (prefill,zz),app",
                  "role notin (prefill)", "nope!=x", "nope notin (x)", "a>5", "role in ()", "role=",
                  " role  in ( decode , prefill ) ", "app=x,role=decode"]


def quoted(text):
    return "".join(c if c.isalnum() else f"%{ord(c):02X}" for c in text)


def steps():
    """(name, method, path, body, headers) in order; a name alone is done to
    the server. {continue} stands for the last token that was answered."""
    def get(name, path, **headers):
        return (name, "GET", path, None, headers)

    def send(name, method, path, body, **headers):
        return (name, method, path, body, {"Content-Type": "application/json", **headers})

    yield get("empty list", PODS)
    yield send("create a", "POST", PODS, pod("a", "decode"))
    yield send("create b", "POST", PODS, pod("b", "decode"))
    yield send("create c", "POST", PODS, pod("c", "prefill"))
    yield send("create it again", "POST", PODS, pod("a", "decode"))
    yield send("create without JSON", "POST", PODS, b"xx")
    yield send("create another kind", "POST", PODS, {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "q"}})
    yield send("create without a name", "POST", PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": {}})
    yield send("create in another namespace", "POST", PODS, pod("q", "decode", namespace="other"))
    yield get("get", f"{PODS}/a")
    yield get("get what is not there", f"{PODS}/zz")
    yield get("list", PODS)
    yield get("first page", f"{PODS}?limit=2")
    yield get("second page", f"{PODS}?limit=2&continue={{continue}}")
    yield get("page of a selection", f"{PODS}?limit=1&labelSelector=role%3Ddecode")
    yield get("pages of version 0", f"{PODS}?limit=2&resourceVersion=0")
    yield get("negative limit", f"{PODS}?limit=-1")
    yield get("bad limit", f"{PODS}?limit=x")
    yield get("bad token", f"{PODS}?limit=1&continue=abc")
    yield get("bad version", f"{PODS}?resourceVersion=abc")
    yield get("bad version of a watch", f"{PODS}?watch=1&resourceVersion=abc")
    yield get("bad time-out", f"{PODS}?watch=1&timeoutSeconds=x")
    yield get("version to come", f"{PODS}?resourceVersion=99999999")
    yield get("page of a version to come", f"{PODS}?limit=1&resourceVersion=99999999")
    for s in GOOD_SELECTORS + BAD_SELECTORS:
        yield get(f"labels {s}", f"{PODS}?labelSelector={quoted(s)}")
    yield get("bad labels of a watch", f"{PODS}?watch=1&timeoutSeconds=1&labelSelector=a%3D%3D%3D")
    for s in ("metadata.name=a", "status.phase=Running", "status.phase!=Running", "spec.nodeName=",
              f"metadata.namespace={NS},metadata.name==b", "status.phase"):
        yield get(f"fields {s}", f"{PODS}?fieldSelector={quoted(s)}")
    yield get("fields of a slice", f"{SLICES}?fieldSelector=status.phase%3Dx")
    yield get("fields of a pool", f"{POOLS}?fieldSelector=status.phase%3Dx")
    yield get("no resource", f"/api/v1/namespaces/{NS}/foos")
    yield get("no group", "/apis/foo.bar/v1/foos")
    yield get("no version", f"/apis/inference.networking.x-k8s.io/v1alpha2/namespaces/{NS}/inferencepools/p")
    yield get("no token", PODS, Authorization="")
    yield get("wrong token", PODS, Authorization="Bearer nope")
    yield get("readyz", "/readyz")
    for name, path in (("list", PODS), ("get", f"{PODS}/a"), ("watch", f"{PODS}?watch=1"), ("all", "/api/v1/pods"),
                       ("slices", SLICES), ("pool", f"{POOLS}/p")):
        yield get(f"forbidden {name}", path, Authorization="denied")
    yield send("forbidden patch", "PATCH", f"{PODS}/a/status", {}, Authorization="denied")
    yield send("patch", "PATCH", f"{PODS}/a", {"metadata": {"labels": {"role": "prefill", "app": None}}},
               **{"Content-Type": MERGE})
    yield send("patch nothing", "PATCH", f"{PODS}/a", {"metadata": {"labels": {"role": "prefill"}}},
               **{"Content-Type": MERGE})
    yield send("patch the status", "PATCH", f"{PODS}/a/status", STATUS, **{"Content-Type": MERGE})
    yield send("patch with plain JSON", "PATCH", f"{PODS}/a", {})
    yield send("patch what is not there", "PATCH", f"{PODS}/zz", {"a": 1}, **{"Content-Type": MERGE})
    yield send("patch with half JSON", "PATCH", f"{PODS}/a", b"{x", **{"Content-Type": MERGE})
    yield send("put an old version", "PUT", f"{PODS}/a", pod("a", "decode", resourceVersion="1"))
    yield send("put", "PUT", f"{PODS}/b", pod("b", "prefill"))
    yield send("put what is not there", "PUT", f"{PODS}/zz", pod("zz", "prefill"))
    yield send("put another name", "PUT", f"{PODS}/b", pod("zz", "prefill"))
    yield ("delete", "DELETE", f"{PODS}/c", None, {})
    yield ("delete it again", "DELETE", f"{PODS}/c", None, {})
    yield send("post to an object", "POST", f"{PODS}/a", {})
    yield send("put to a list", "PUT", PODS, {})
    yield get("watch", f"{PODS}?watch=1&timeoutSeconds=1&resourceVersion={{R+3}}")
    yield get("watch of a selection", f"{PODS}?watch=1&timeoutSeconds=1&resourceVersion={{R+3}}&labelSelector=role%3Ddecode")
    yield get("watch of another selection",
              f"{PODS}?watch=1&timeoutSeconds=1&resourceVersion={{R+3}}&labelSelector=role%3Dprefill")
    yield get("watch of all", f"{PODS}?watch=1&timeoutSeconds=1")
    yield get("watch of version 0", f"{PODS}?watch=1&timeoutSeconds=1&resourceVersion=0")
    yield get("watch of what is to come", f"{PODS}?watch=1&timeoutSeconds=1&resourceVersion=99999")
    yield get("watch with initial events", f"{PODS}?{INITIAL}&resourceVersionMatch=NotOlderThan")
    yield get("initial events and no match", f"{PODS}?{INITIAL}")
    yield get("watch that knows all", f"{PODS}?watch=1&timeoutSeconds=1&allowWatchBookmarks=true&resourceVersion={{R+7}}")
    yield get("no pool", f"{POOLS}/nope")
    yield send("create a pool", "POST", POOLS, pool("p"))
    yield send("create another pool", "POST", POOLS, pool("q"))
    yield get("list of pools", POOLS)
    yield get("page of pools", f"{POOLS}?limit=1")
    yield send("patch a pool", "PATCH", f"{POOLS}/p", {"spec": {"targetPorts": [{"number": 8001}]}},
               **{"Content-Type": MERGE})
    yield ("delete a pool", "DELETE", f"{POOLS}/q", None, {})
    yield get("watch of pools", f"{POOLS}?watch=1&timeoutSeconds=1&resourceVersion={{R+7}}")
    yield get("initial pools", f"{POOLS}?{INITIAL}&resourceVersionMatch=NotOlderThan")
    yield send("create a slice", "POST", SLICES, SLICE)
    yield get("list of slices", SLICES)
    yield get("initial slices", f"{SLICES}?{INITIAL}&resourceVersionMatch=NotOlderThan")
    yield get("a page before compaction", f"{PODS}?limit=1")
    yield send("a change", "PATCH", f"{PODS}/a", {"metadata": {"labels": {"role": "decode"}}}, **{"Content-Type": MERGE})
    yield get("the old list goes on", f"{PODS}?limit=1&continue={{continue}}")
    yield ("compact",)
    yield get("the next page after compaction", f"{PODS}?limit=1&continue={{continue}}")
    yield get("the token of that answer", f"{PODS}?limit=1&continue={{continue}}")
    yield get("an exact old version", f"{PODS}?resourceVersion={{R+3}}&resourceVersionMatch=Exact")
    yield get("a page of an old version", f"{PODS}?limit=1&resourceVersion={{R+3}}")
    yield get("not older than an old version", f"{PODS}?resourceVersion={{R+3}}&resourceVersionMatch=NotOlderThan")
    yield ("restart",)
    yield get("watch of an old version", f"{PODS}?watch=1&timeoutSeconds=1&resourceVersion={{R+3}}")
    yield ("delete a", "DELETE", f"{PODS}/a", None, {})
    yield ("delete b", "DELETE", f"{PODS}/b", None, {})
    yield ("delete p", "DELETE", f"{POOLS}/p", None, {})
    yield ("delete s1", "DELETE", f"{SLICES}/s1", None, {})


class Server:
    """Any API server. actions: what "compact" and "restart" do."""

    def __init__(self, host, port, token, ca=None, actions=None):
        self.host, self.port, self.token, self.actions = host, port, token, actions or {}
        self.tls = ssl.create_default_context(cafile=ca) if ca else None

    def _once(self, method, path, body, headers):
        if self.tls:
            c = http.client.HTTPSConnection(self.host, self.port, timeout=60, context=self.tls)
        else:
            c = http.client.HTTPConnection(self.host, self.port, timeout=60)
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        given = {"User-Agent": "golden/1", "Authorization": f"Bearer {self.token}", **headers}
        if given["Authorization"] == "denied":
            given["Authorization"] = f"Bearer {self.token}-denied"
        c.request(method, path, data, {k: v for k, v in given.items() if v})
        answer = c.getresponse()
        text = answer.read().decode()
        c.close()
        return answer, text

    def ask(self, method, path, body=None, headers=()):
        """Patient with a server that has only just started."""
        while True:
            answer, text = self._once(method, path, body, dict(headers))
            if answer.status != 429:
                return answer, text
            time.sleep(0.2)


class Naming:
    """Names for what differs between two runs."""

    def __init__(self, first):
        self.first = first

    def version(self, text):
        if not text.isdigit():
            return text
        n = int(text) - self.first
        return f"R{n:+d}" if -100 < n < 10000 else text

    def token(self, text):
        inner = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        inner["rv"] = inner["rv"] if inner["rv"] < 0 else self.version(str(inner["rv"]))
        return json.dumps(inner)

    def message(self, text):
        text = re.sub(r'User "[^"]*"', 'User "U"', text).removesuffix(": denied by the test")
        text = re.sub(r"(json parse error|continue key is not valid|error decoding patch).*", r"\1", text)
        return re.sub(r"\b\d+\b", lambda m: self.version(m[0]) if "version" in text else m[0], text)

    def value(self, key, value):
        if isinstance(value, dict):
            return {k: self.value(k, v) for k, v in value.items() if k != "managedFields"}
        if isinstance(value, list):
            return [self.value("", v) for v in value]
        if key == "resourceVersion":
            return self.version(value)
        if key == "uid":
            return "UID" if len(value) == 36 else value
        if key == "creationTimestamp" and value:
            return "TIME"
        if key == "continue" and value:
            return self.token(value)
        return self.message(value) if key == "message" else value

    def items(self, value):
        """Items of built-in kinds name their kind or do not, in two answers
        of one server."""
        if isinstance(value, dict) and str(value.get("kind")) in ("PodList", "EndpointSliceList"):
            for item in value["items"]:
                item.pop("kind", None)
                item.pop("apiVersion", None)
        return value

    def line(self, text):
        try:
            return json.dumps(self.items(self.value("", json.loads(text))), ensure_ascii=False)
        except json.JSONDecodeError:
            return text


def play(server):
    """All answers, by the names of their steps."""
    answers, naming, last = {}, None, ""
    for name, *rest in steps():
        if not rest:
            server.actions[name]()
            continue
        method, path, body, headers = rest
        path = path.replace("{continue}", last)
        if naming:
            path = re.sub(r"\{R\+(\d+)\}", lambda m: str(naming.first + int(m[1])), path)
        answer, text = server.ask(method, path, body, headers)
        naming = naming or Naming(int(json.loads(text)["metadata"]["resourceVersion"]))
        if found := re.search(r'"continue":"([^"]+)"', text):
            last = found[1]
        answers[name] = {
            "status": answer.status,
            "fields": {k: v for k in ("Content-Type", "Retry-After", "Cache-Control", "X-Content-Type-Options")
                       if (v := answer.getheader(k)) is not None},
            "lines": [naming.line(line) for line in text.splitlines() if line],
        }
    return answers
