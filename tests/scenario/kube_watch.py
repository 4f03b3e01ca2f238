"""The gateway's fleet is what a Kubernetes API server has, through TLS, under
changes, however its watches end: cut at any byte, in the middle of frames, by a
restart, with old versions forgotten.

Short by default; SLUICE_KUBE_PODS=5000 SLUICE_KUBE_CUTS=200 is the long one."""
import os
import random
import time

from lib import story
from lib.gateway import Gateway
from lib.kube_api import KubeApi, Relay
from lib.process import until
from lib.story import equal, sized, true

PODS = int(os.environ.get("SLUICE_KUBE_PODS", sized(500, 100)))
CUTS = int(os.environ.get("SLUICE_KUBE_CUTS", sized(20, 8)))
PER_S = 100
SELECTOR = "app.kubernetes.io%2Fname%3Dsim"


def start(t, *options, pods=PODS, refresh="5m"):
    """(stand-in, relay, gateway): the gateway comes to the first by the second.
    No engine answers at the pods' addresses, so it is never ready."""
    server = t.adopt(KubeApi(t, "--first-address", "127.1.0.0", *options, token="T", pods=pods)).wait_ready()
    certificate = t.certificate()
    relay = Relay(server.port, certificate)
    token = os.path.join(t.folder, "token")
    with open(token, "w", encoding="utf-8") as f:
        f.write("T\n")
    gateway = t.adopt(Gateway(
        story.BUILD, t.folder,
        "pool all {\n\tconnector nixl;\n\tprobe_interval 60s;\n\tdiscover kubernetes {\n"
        "\t\tpreset kserve-llmisvc;\n\t\tservice sim;\n\t\tnamespace default;\n"
        f"\t\trefresh {refresh};\n"
        f"\t\tapi {relay.url};\n\t\tapi_token {token};\n\t\tapi_ca {certificate};\n\t}}\n}}\n", workers=1))
    return server, relay, gateway


def server_has(server):
    return {(f"{e['ip']}:{e['port']}", e["role"], e["ready"] and not e["terminating"])
            for e in server.endpoints(SELECTOR)}


def gateway_has(gateway):
    """Engines that were removed stay listed until their last stream ends, and
    serve nobody; here they have no streams."""
    return {(r["endpoint"], r["role"], not r.get("held")) for r in gateway.fleet()["endpoints"]}


def differences(server, gateway):
    want, have = server_has(server), gateway_has(gateway)
    return [f"{len(want - have)} missing, {len(have - want)} too many",
            *sorted(want - have)[:3], *sorted(have - want)[:3]] if want != have else None


def wait_equal(server, gateway, what):
    seen = [None]

    def same():
        seen[0] = differences(server, gateway)
        return not seen[0]
    try:
        until(same, f"the fleet to be the server's {what}", timeout=120, interval=0.05)
    except AssertionError as e:
        raise AssertionError(f"{e}: {seen[0]}") from None


def asked(server, verb):
    return server.state()["asked"][verb]


def test_cut_at_random(t):
    server, relay, gateway = start(t)
    wait_equal(server, gateway, "at first")
    rng, began = random.Random(6), time.monotonic()
    for n in range(CUTS):
        server.churn(per_s=PER_S)
        server.split(rng.choice([0, 0, 0, 1000, 4096]))
        first = int(server.state()["resourceVersion"])
        until(lambda rv=first: int(server.state()["resourceVersion"]) >= rv + PER_S // 5, "changes")
        until(lambda: server.state()["watches"] > 0, "a watch to be cut")
        if rng.random() < 0.5:
            cuts = relay.cuts
            relay.cut(within=40_000)
            until(lambda before=cuts: relay.cuts > before, "the relay to cut")
        else:
            before = server.state()["cuts"]
            server.cut(how=rng.choice(["fin", "reset", "end"]), middle=rng.random() < 0.5)
            true(server.state()["cuts"] > before, "it was cut")
        server.churn(per_s=0)
        wait_equal(server, gateway, f"after cut {n + 1}")
    state = server.state()
    print(f"       {PODS} pods, {int(state['resourceVersion']) - 1000 - PODS} changes, {CUTS} cuts in {time.monotonic() - began:.0f} s: "
          f"{state['asked']['list']} pages of lists, {state['asked']['watch']} watches")


def test_forgotten_versions(t):
    """410 for the watch's version: a new list, and what was missed is there."""
    server, _, gateway = start(t, pods=60)
    wait_equal(server, gateway, "at first")
    for _ in range(3):
        lists = asked(server, "list")
        until(lambda: server.state()["watches"] == 1, "the watch")
        server.fail(503, verb="watch")
        server.cut()
        server.churn(count=100)
        server.compact()
        server.fail(0)
        until(lambda before=lists: asked(server, "list") > before, "a new list")
        wait_equal(server, gateway, "after a list")


def test_pages_that_expire(t):
    """A list in pages whose token expires in the middle begins anew."""
    server, _, gateway = start(t, "--page-limit", "10", pods=100)
    wait_equal(server, gateway, "at first")
    server.fail(410, count=1, verb="list")
    server.compact()
    server.cut()
    server.churn(count=100)
    server.compact()
    wait_equal(server, gateway, "after a page that had expired")


def test_away_and_back(t):
    """The API server away: the last known engines stay. Back with an older
    version than the client's: a watch of a version to come tells nothing, on
    a real server too, and the next refresh sets it right,
    also one that was due while nobody answered."""
    server, _, gateway = start(t, pods=40, refresh="3s")
    wait_equal(server, gateway, "at first")
    before = gateway_has(gateway)
    server.fail(503)
    server.cut()
    watches = asked(server, "watch")
    until(lambda: asked(server, "watch") + asked(server, "list") > watches + 2, "further tries")
    equal(gateway_has(gateway), before, "engines while the server is away")
    server.fail(0)
    server.churn(count=50)
    wait_equal(server, gateway, "when it is back")
    server.restart(resource_version=10, down_s=5)
    server.churn(count=20)
    wait_equal(server, gateway, "after a restart with older versions")


def test_refreshed_after_all(t):
    """Whenever it was due: all is listed again, also if nobody could be asked then."""
    server, relay, gateway = start(t, pods=10, refresh="1s")
    wait_equal(server, gateway, "at first")

    def tries():
        return sum(gateway.metric(f"sluice_kubernetes_{verb}_total") for verb in ("lists", "watches"))
    relay.away()
    relay.cut()
    before = tries()
    until(lambda: tries() >= before + 5, "tries, later each time")
    lists = asked(server, "list")
    relay.away(False)
    until(lambda: asked(server, "list") > lists, "a list", timeout=60)
    wait_equal(server, gateway, "when it is back")


def test_refused(t):
    """What is refused is said, and what was known stays."""
    server, _, gateway = start(t, pods=10)
    wait_equal(server, gateway, "at first")
    for code in (401, 403):
        server.fail(code)
        server.cut()

        def trouble():
            return next((s.get("trouble") for s in gateway.fleet()["sources"] if s.get("trouble")), None)
        until(trouble, f"trouble after {code}")
        equal(len(gateway_has(gateway)), 10, f"engines while it says {code}")
        server.fail(0)
        until(lambda: not trouble(), f"no trouble after {code}")


if __name__ == "__main__":
    story.run(globals())
