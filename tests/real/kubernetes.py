#!/usr/bin/env python3
"""kubernetes.py URL ...: the checks of kubernetes.sh, which says what they need.

After each fault the same question: are the engines of /fleet those that the
server lists now? What the server lists is read by this program itself, and
judged by the few rules that a plain selector has.
"""
import argparse
import contextlib
import json
import os
import random
import socket
import ssl
import subprocess
import sys
import threading
import traceback
import urllib.error
import urllib.parse
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "scenario"))
from lib import gateway as gw  # noqa: E402
from lib import story  # noqa: E402
from lib.ports import free_port  # noqa: E402
from lib.process import until  # noqa: E402
from lib.story import true  # noqa: E402

PODS = 520  # more than one page of 500
CUTS = 20
LABELS = {"sluice-test": "engine"}
SELECTOR = "sluice-test=engine"
PATCH = "application/merge-patch+json"
HELD = {"ready": None, "unready": "the pod is not ready"}


class Cluster:
    """An API server, asked without any client library."""

    def __init__(self, args):
        self.url = args.url.rstrip("/")
        self.token = read(args.token) if args.token else None
        self.tls = ssl.create_default_context(cafile=args.ca) if self.url.startswith("https") else None

    def ask(self, method, path, body=None, kind="application/json"):
        headers = {"Content-Type": kind, "Accept": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        request = urllib.request.Request(self.url + path, method=method, headers=headers,
                                         data=None if body is None else json.dumps(body).encode())
        with urllib.request.urlopen(request, context=self.tls, timeout=30) as answer:
            return json.loads(answer.read())

    def everything(self, path, selector):
        """All objects, page after page."""
        items, version, rest = [], None, ""
        while True:
            query = urllib.parse.urlencode({"labelSelector": selector, "limit": 200, "continue": rest})
            page = self.ask("GET", f"{path}?{query}")
            items += page["items"] or []
            version, rest = page["metadata"]["resourceVersion"], page["metadata"].get("continue", "")
            if not rest:
                return items, version


class Pods:
    """The pods of a namespace of our own, and what a gateway must make of them."""

    def __init__(self, cluster, namespace):
        self.cluster, self.namespace, self.made = cluster, namespace, 0
        self.path = f"/api/v1/namespaces/{namespace}/pods"

    def address(self):
        """Nobody listens there, and nothing leaves this machine."""
        self.made += 1
        return f"127.77.{self.made // 250}.{self.made % 250 + 1}"

    def create(self, role="decode", ready=True):
        name = f"engine-{self.made:05d}"
        self.cluster.ask("POST", self.path, {
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "labels": {**LABELS, "role": role},
                         "annotations": {"filler": "x" * 2000}},
            "spec": {"schedulerName": "nobody", "terminationGracePeriodSeconds": 0,
                     "containers": [{"name": "main", "image": "engine:1",
                                     "ports": [{"containerPort": 8000}]}]}})
        self.set_status(name, self.address(), ready)
        return name

    def set_status(self, name, address=None, ready=True):
        status = {"phase": "Running", "conditions": [
            {"type": "Ready", "status": "True" if ready else "False"}]}
        if address:
            status |= {"podIP": address, "podIPs": [{"ip": address}]}
        self.cluster.ask("PATCH", f"{self.path}/{name}/status", {"status": status}, PATCH)

    def set_label(self, name, **labels):
        self.cluster.ask("PATCH", f"{self.path}/{name}", {"metadata": {"labels": labels}}, PATCH)

    def delete(self, name):
        self.cluster.ask("DELETE", f"{self.path}/{name}?gracePeriodSeconds=0")

    def names(self):
        return [p["metadata"]["name"] for p in self.cluster.everything(self.path, SELECTOR)[0]]

    def change(self, rng):
        """One of the things that happen to pods."""
        name = rng.choice(self.names())
        kind = rng.randrange(6)
        if kind == 0:
            self.create(rng.choice(["prefill", "decode"]))
        elif kind == 1:
            self.delete(name)
        elif kind == 2:
            self.set_status(name, self.address())
        elif kind == 3:
            self.set_label(name, **{"sluice-test": None})
        else:
            self.set_status(name, ready=kind == 4)

    def engines(self):
        """(address, role, why it is held) of each, sorted."""
        rows = []
        for pod in self.cluster.everything(self.path, SELECTOR)[0]:
            status, meta = pod.get("status", {}), pod["metadata"]
            if not status.get("podIP") or status.get("phase") in ("Failed", "Succeeded"):
                continue
            ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", []))
            held = "the pod is terminating" if meta.get("deletionTimestamp") else \
                HELD["ready" if ready else "unready"]
            rows.append((f"{status['podIP']}:8000", meta["labels"]["role"], held))
        return sorted(rows, key=str)


class Relay:
    """In front of the server: bytes pass as they are, until they are cut."""

    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        self.target = (parts.hostname, parts.port or (443 if parts.scheme == "https" else 80))
        self.port, self.open, self.pairs, self.cut_after = free_port(), True, [], None
        self.server = socket.create_server(("127.0.0.1", self.port), backlog=64)
        self.url = f"{parts.scheme}://localhost:{self.port}{parts.path}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            near, _ = self.server.accept()
            try:
                if not self.open:
                    raise OSError
                far = socket.create_connection(self.target)
            except OSError:
                near.close()
                continue
            self.pairs.append((near, far))
            for a, b in ((near, far), (far, near)):
                threading.Thread(target=self._pass, args=(a, b), daemon=True).start()

    def _pass(self, a, b):
        with contextlib.suppress(OSError):
            while data := a.recv(65536):
                if self.cut_after is not None:
                    b.sendall(data[:self.cut_after])
                    break
                b.sendall(data)
        for s in (a, b):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)

    def cut(self):
        """Every connection, now."""
        for pair in self.pairs:
            for s in pair:
                with contextlib.suppress(OSError):
                    s.shutdown(socket.SHUT_RDWR)
        self.pairs.clear()


class Run:
    """The gateway, the pods, and the checks on both."""

    def __init__(self, t, args):
        self.t, self.args = t, args
        self.cluster = Cluster(args)
        self.namespace = f"sluice-test-{os.getpid()}"
        self.pods = Pods(self.cluster, self.namespace)
        self.rng = random.Random(args.seed)
        self.relay = Relay(args.url)
        self.token = os.path.join(t.folder, "token")
        self.gateway = None
        write(self.token, self.cluster.token or "")

    def block(self, url, more="selector sluice-test=engine;\n\t\trole_label role;"):
        lines = [f"api {url};", f"namespace {self.namespace};", more]
        if self.cluster.token:
            lines.append(f"api_token {self.token};")
        if self.args.ca:
            lines.append(f"api_ca {os.path.abspath(self.args.ca)};")
        return ("pool engines {\n\tengine generic;\n\tprobe_interval 60s;\n\tdiscover kubernetes {\n\t\t"
                + "\n\t\t".join(lines) + "\n\t}\n}\n")

    def url(self):
        """Through the relay if the server's certificate is good for this host."""
        if self.cluster.tls is None:
            return self.relay.url
        try:
            with socket.create_connection(("127.0.0.1", self.relay.port), 10) as s, \
                    self.cluster.tls.wrap_socket(s, server_hostname="localhost"):
                return self.relay.url
        except ssl.SSLError:
            return None

    def start(self):
        relayed = self.url()
        self.relayed = relayed is not None
        self.gateway = gw.Gateway(story.BUILD, self.t.folder, self.block(relayed or self.args.url))
        self.t.adopt(self.gateway)
        until(self.gateway.fleet, "the admin pages")  # never ready: nobody answers at these addresses

    # -- what is compared ---------------------------------------------------

    def fleet(self):
        return sorted(((e["endpoint"], e["role"], e.get("held")) for e in self.gateway.fleet()["endpoints"]),
                      key=str)

    def source(self):
        return self.gateway.fleet()["sources"][0]

    def agree(self, wanted=None):
        """Until the gateway has what the server has; says how many engines."""
        wanted = self.pods.engines() if wanted is None else wanted

        def same():
            true(self.gateway.running, "the gateway ended")
            return self.fleet() == wanted
        try:
            until(same, "the fleet to be what the server lists", timeout=120)
        except AssertionError:
            seen = self.fleet()
            print("too many:", [r for r in seen if r not in wanted][:5])
            print("missing:", [r for r in wanted if r not in seen][:5])
            raise
        return f"{len(wanted)} engines agree"

    def trouble(self, word):
        """Until the source says so."""
        return until(lambda: word in self.source().get("trouble", "") and self.source()["trouble"],
                     f"trouble about {word}")

    def well(self):
        until(lambda: "trouble" not in self.source(), "no more trouble", timeout=120)

    def lists(self):
        return self.gateway.metric("sluice_kubernetes_lists_total")

    def watches(self):
        return self.gateway.metric("sluice_kubernetes_watches_total")

    # -- the checks ---------------------------------------------------------

    def check_pages(self):
        for i in range(PODS):
            self.pods.create("prefill" if i % 4 == 0 else "decode", ready=i % 7 != 0)
        self.start()
        return self.agree()

    def check_watch(self):
        a, b, c, d = self.pods.names()[:4]
        lists = self.lists()
        self.pods.set_status(a, ready=False)
        self.pods.set_status(b, self.pods.address())
        self.pods.set_label(c, **{"sluice-test": None})
        self.pods.delete(d)
        self.pods.create("prefill", ready=False)
        said = self.agree()
        self.pods.set_label(c, **LABELS)
        self.agree()
        true(self.lists() == lists, "it was listed again, not watched")
        return said

    def check_bookmark(self):
        """Nothing happens, and still the server is heard."""
        lists, watches = self.lists(), self.watches()
        before = self.source()["synced_ms"]
        until(lambda: self.source()["synced_ms"] > before + 3000, "some silence")
        seen = self.source()["synced_ms"]
        until(lambda: self.source()["synced_ms"] < seen, "a bookmark", timeout=150)
        true((lists, watches) == (self.lists(), self.watches()), "it asked again instead")

    def check_cuts(self):
        if not self.relayed:
            return "left out: the server's certificate is not good for localhost"
        for i in range(CUTS):
            for _ in range(3):
                self.pods.change(self.rng)
            if i % 2:
                self.relay.cut_after = self.rng.randrange(4000)
                self.pods.change(self.rng)
                self.relay.cut_after = None
            self.relay.cut()
            self.pods.change(self.rng)
            said = self.agree()
        return f"{CUTS} cuts; {said}"

    def check_expired(self):
        if not self.relayed or not self.args.compact:
            return "left out: it needs --compact, and a certificate for localhost"
        lists = self.lists()
        self.relay.open = False
        self.relay.cut()
        self.trouble("cannot be connected")
        kept = self.fleet()
        for _ in range(10):
            self.pods.change(self.rng)
        subprocess.run(self.args.compact, shell=True, check=True, stdout=subprocess.DEVNULL)
        if self.args.kill and self.args.start:  # it remembers some history itself
            subprocess.run(self.args.kill, shell=True, check=True)
            subprocess.run(self.args.start, shell=True, check=True, stdout=subprocess.DEVNULL)
        true(self.fleet() == kept, "engines went away with the API server")
        self.relay.open = True
        said = self.agree()
        self.well()
        true(self.lists() > lists, "it was not listed again")
        true("(410)" in self.gateway.text(), "the server never said 410")
        return said

    def check_401(self):
        if not self.cluster.token:
            return "left out: no token"
        kept = self.fleet()
        write(self.token, "not-the-token")
        self.gateway.write(self.block(self.args.url))
        self.gateway.reload()
        said = self.trouble("401")
        true(self.fleet() == kept, "engines went away with the token")
        write(self.token, self.cluster.token + "\n")
        self.well()
        self.agree()
        return said

    def check_403(self):
        if not self.args.denied:
            return "left out: it needs --denied"
        write(self.token, read(self.args.denied))
        self.gateway.write(self.block(self.args.url, "selector sluice-test=engine,a!=b;\n\t\trole_label role;"))
        self.gateway.reload()
        said = self.trouble("403")
        true(f"may not list pods in namespace {self.namespace}" in said, said)
        write(self.token, self.cluster.token)
        self.well()
        self.agree()
        return said

    def check_restart(self):
        if not self.args.kill or not self.args.start:
            return "left out: it needs --kill and --start"
        kept = self.fleet()
        subprocess.run(self.args.kill, shell=True, check=True)
        self.trouble("the API server")
        true(self.fleet() == kept, "engines went away with the API server")
        subprocess.run(self.args.start, shell=True, check=True, stdout=subprocess.DEVNULL)
        for _ in range(5):
            self.pods.change(self.rng)
        said = self.agree()
        self.well()
        return said

    def check_slices(self):
        path = f"/apis/discovery.k8s.io/v1/namespaces/{self.namespace}/endpointslices"
        piece = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
                 "metadata": {"name": "engines-1", "labels": {"kubernetes.io/service-name": "engines"}},
                 "ports": [{"name": "http", "port": 8000, "protocol": "TCP"}],
                 "endpoints": [{"addresses": ["127.78.0.1"], "conditions": {"ready": True}},
                               {"addresses": ["127.78.0.2"], "conditions": {"ready": False, "serving": True,
                                                                            "terminating": True}}]}
        self.cluster.ask("POST", path, piece)
        self.gateway.write(self.block(self.args.url, "watch endpointslices;\n\t\tservice engines;"))
        self.gateway.reload()
        self.agree([("127.78.0.1:8000", "both", None),
                    ("127.78.0.2:8000", "both", "the endpoint is terminating")])
        self.cluster.ask("PATCH", path + "/engines-1", {"endpoints": [
            {"addresses": ["127.78.0.3"], "conditions": {"ready": True}}]}, PATCH)
        return self.agree([("127.78.0.3:8000", "both", None)])

    def check_pool(self):
        path = f"/apis/inference.networking.k8s.io/v1/namespaces/{self.namespace}/inferencepools"
        try:
            self.cluster.ask("GET", path)
        except urllib.error.HTTPError as e:
            return f"left out: the server answers {e.code} to a list of InferencePools"
        self.gateway.write(self.block(self.args.url, "inference_pool engines;\n\t\trole_label role;"))
        self.gateway.reload()
        self.trouble("there is no InferencePool engines")
        pool = {"apiVersion": "inference.networking.k8s.io/v1", "kind": "InferencePool",
                "metadata": {"name": "engines"},
                "spec": {"selector": {"matchLabels": {**LABELS, "role": "prefill"}},
                         "targetPorts": [{"number": 8000}],
                         "endpointPickerRef": {"name": "picker", "port": {"number": 9002}}}}
        self.cluster.ask("POST", path, pool)
        wanted = [r for r in self.pods.engines() if r[1] == "prefill"]
        self.agree(wanted)
        self.cluster.ask("PATCH", path + "/engines", {"spec": {"targetPorts": [{"number": 8100}]}}, PATCH)
        return self.agree(sorted(((a.replace(":8000", ":8100"), r, h) for a, r, h in wanted), key=str))


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read().strip()


def write(path, text):
    with open(path + ".new", "w", encoding="utf-8") as f:
        f.write(text)
    os.rename(path + ".new", path)


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    for name in ("token", "ca", "denied", "compact", "kill", "start"):
        parser.add_argument("--" + name)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


CHECKS = ("pages", "watch", "bookmark", "cuts", "expired", "restart", "401", "403", "slices", "pool")


def main():
    args, failed = arguments(), 0
    with story.session() as t:
        run = Run(t, args)
        run.cluster.ask("POST", "/api/v1/namespaces", {
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": run.namespace}})
        try:
            for name in CHECKS:
                word, said = "ok", ""
                try:
                    said = getattr(run, "check_" + name)() or ""
                except Exception:
                    word, failed = "FAILED", failed + 1
                    traceback.print_exc(file=sys.stdout)
                print(f"{word:6} {name}: {said}", flush=True)
        finally:
            for pod in run.cluster.everything(run.pods.path, "")[0]:
                run.pods.delete(pod["metadata"]["name"])
            run.cluster.ask("DELETE", f"/api/v1/namespaces/{run.namespace}")
        if failed:
            t.show_logs()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
