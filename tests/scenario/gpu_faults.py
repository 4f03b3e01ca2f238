"""GPUs that fail, slow down or vanish, as their exporter tells: their engines
get no new requests, or fewer, and no request fails. An exporter that is in
trouble takes nothing out."""
import time

from lib import gateway as gw, story
from lib.dcgm import Exporter
from lib.load import Load
from lib.ports import free_port
from lib.process import until
from lib.story import equal, sized, true

REQUESTS = sized(200, 80)
MAIN = "gpu_interval 100ms;\ngpu_timeout 300ms;\ngpu_calm 300ms;\n"


def fleet(t, n=4, main="", gpus_of=lambda x, i: x.gpus[i].uuid, n_gpus=None, before=None):
    """n engines, a GPU of one exporter each: (gateway, engines, exporter)."""
    exporter = Exporter(n_gpus or n)
    if before:
        before(exporter)
    engines = t.engines(n)
    servers = [f"{e.address} gpus={gpus_of(exporter, i)}" for i, e in enumerate(engines)]
    gateway = t.gateway(gw.pool("all", servers, gpu_metrics=exporter.url), *engines, main=MAIN + main)
    until(lambda: len(gateway.fleet().get("gpus", [])) == len(exporter.gpus), "all GPUs to be known")
    return gateway, engines, exporter


def states(gateway, engines):
    rows = {r["endpoint"]: r for r in gateway.fleet()["endpoints"]}
    return [rows[e.address]["gpu_state"] for e in engines]


def until_state(gateway, engine, state):
    return until(lambda: gateway.row(engine)["gpu_state"] == state and gateway.row(engine),
                 f"{engine.address} to be {state}")


def gets_nothing(gateway, load, engine):
    """What it has in progress ends, and nothing new comes."""
    until(lambda: gateway.row(engine)["inflight"] == 0, "its requests to end")
    before = engine.requests
    load.passed(REQUESTS)
    equal(engine.requests, before, "requests of an engine that is out")


def takes_part(load, engine):
    before = engine.requests
    until(lambda: engine.requests > before, "the engine to take part again", timeout=240)
    load.passed(REQUESTS // 4)


def timed(what, fault, state):
    """For the reader; nothing is decided by it."""
    start = time.monotonic()
    fault()
    seen = state()
    print(f"  {what}: {(time.monotonic() - start) * 1000:.0f} ms, scraped every 100 ms", flush=True)
    return seen


def test_xid(t):
    """An XID that is new takes its engine out; one that was there is history."""
    gateway, engines, exporter = fleet(t, before=lambda x: setattr(x.gpus[3], "xid", 79))
    gpu = exporter.gpus[0]
    with Load(gateway, clients=8) as load:
        load.passed(REQUESTS)
        equal(states(gateway, engines), ["healthy"] * 4, "an old XID")
        seen = timed("XID 79 to no new requests", lambda: setattr(gpu, "xid", 79),
                     lambda: until_state(gateway, engines[0], "failed"))
        true(seen["draining"] and gpu.uuid in seen["gpu_reason"] and "XID 79" in seen["gpu_reason"], seen)
        equal(seen["health"], "degraded", "health")
        gets_nothing(gateway, load, engines[0])
        equal(states(gateway, engines[1:]), ["healthy"] * 3, "the others")
        listed = {g["gpu"]: g for g in gateway.fleet()["gpus"]}
        equal([listed[g.uuid]["state"] for g in exporter.gpus],
              ["failed", "healthy", "healthy", "healthy"], "GPUs")
        equal(listed[exporter.gpus[3].uuid]["xid"], 79, "the old XID is shown")
        equal(gateway.metric('sluice_gpus{state="failed"}'), 1, "failed GPUs")
        equal(gateway.metric('sluice_gpu_changes_total{cause="xid"}'), 1, "changes")
        status, text = t.run(t.program("sluicectl"), "-a", f"127.0.0.1:{gateway.admin_port}", "status")
        true("GPU TROUBLE" in text and "XID 79, fallen off the bus" in text, text)
        gpu.xid = 31  # an application's error, which takes nothing back
        load.passed(REQUESTS)
        equal(states(gateway, engines)[0], "failed", "after another XID")
        gpu.xid = 0  # a reset
        until_state(gateway, engines[0], "healthy")
        takes_part(load, engines[0])
    equal(load.result.failures, [], f"failures of {load.result.done}")
    true("GPU" in gateway.text() and "fallen off the bus" in gateway.text(), "the log tells of it")


def test_thermal_throttle(t):
    gateway, engines, exporter = fleet(t)
    gpu = exporter.gpus[1]
    with Load(gateway, clients=8) as load:
        load.passed(REQUESTS)
        gpu.reasons, gpu.clock = 0x40, 660
        seen = until_state(gateway, engines[1], "degraded")
        equal((seen["health"], seen["draining"], seen["derate"]), ("degraded", False, 3), "a throttled engine")
        true(seen["slowness"] >= 1.5, seen["slowness"])
        load.passed(REQUESTS)
        gpu.reasons, gpu.clock = 0x4, 1890  # the usual cap on power
        seen = until_state(gateway, engines[1], "healthy")
        equal(seen["derate"], 1, "derating")
        takes_part(load, engines[1])
    equal(load.result.failures, [], f"failures of {load.result.done}")


def silent(gateway, exporter, trouble):
    """A fault of the exporter, noticed, for some questions more."""
    until(lambda: gateway.fleet()["gpu_exporters"][0]["trouble"] == trouble, f"'{trouble}'")
    equal(gateway.metric("sluice_gpu_exporters_silent"), 1, "silent exporters")
    failures = gateway.metric("sluice_gpu_scrape_failures_total")
    until(lambda: gateway.metric("sluice_gpu_scrape_failures_total") >= failures + 3, "three more questions")


def test_exporter_in_trouble(t):
    """Whatever is wrong with it, everything stays as it was."""
    gateway, engines, exporter = fleet(t)
    wanted = ["failed", "healthy", "healthy", "healthy"]
    with Load(gateway, clients=8) as load:
        exporter.gpus[0].xid = 79
        until_state(gateway, engines[0], "failed")
        for mode, trouble in (("empty", "its page tells of no GPU"), ("garbage", "its page tells of no GPU"),
                              ("status", "its answer has not the status 200"), ("hang", "no answer in time")):
            exporter.set(mode)
            silent(gateway, exporter, trouble)
            equal(states(gateway, engines), wanted, mode)
        exporter.set("well")
        exporter.down()
        silent(gateway, exporter, "it refuses connections")
        equal(states(gateway, engines), wanted, "down")
        gets_nothing(gateway, load, engines[0])
        exporter.gpus[0].xid = 0  # it was restarted, and has seen no XID
        exporter.up()
        until_state(gateway, engines[0], "healthy")
        until(lambda: gateway.metric("sluice_gpu_exporters_silent") == 0, "the exporter to be well")
    equal(load.result.failures, [], f"failures of {load.result.done}")


def test_no_more_than_a_share(t):
    """All GPUs fail: one engine of four is out, the rest goes on."""
    gateway, engines, exporter = fleet(t)
    with Load(gateway, clients=8) as load:
        load.passed(REQUESTS)
        for gpu in exporter.gpus:
            gpu.xid = 48
        until(lambda: sorted(states(gateway, engines)) == ["degraded"] * 3 + ["failed"], "the cap")
        load.passed(REQUESTS)
        true(all("not taken out" in r["gpu_reason"] for r in gateway.fleet()["endpoints"]
                 if r["gpu_state"] == "degraded"), gateway.fleet())
        for gpu in exporter.gpus:
            gpu.xid = 0
        until(lambda: states(gateway, engines) == ["healthy"] * 4, "all to be back")
    equal(load.result.failures, [], f"failures of {load.result.done}")


def test_several_gpus_an_engine(t):
    """The worst of a group counts; classes of XIDs and lists change by a reload."""
    pairs = (lambda x, i: f"{x.gpus[2 * i].uuid},{x.gpus[2 * i + 1].uuid}")
    gateway, engines, exporter = fleet(t, 2, main="xid 79 ignore;\nxid 31 failed;\n", gpus_of=pairs, n_gpus=4)
    exporter.gpus[0].xid = 79
    exporter.gpus[3].xid = 31
    seen = until_state(gateway, engines[1], "failed")
    equal(seen["gpus"], 2, "GPUs of an engine")
    equal(gateway.row(engines[0])["gpu_state"], "healthy", "XID 79, which is ignored here")
    # Nothing tells their GPUs apart: only what all of them say counts.
    gateway.write(gw.pool("all", engines, gpu_metrics=exporter.url))
    gateway.reload()
    until(lambda: states(gateway, engines) == ["healthy"] * 2, "shared GPUs")
    equal(gateway.row(engines[0])["gpus"], 4, "GPUs of the host")
    gateway.write(gw.pool("all", engines))
    gateway.reload()
    true("gpu_state" not in gateway.row(engines[0]), "no exporter, no state")
    true("gpus" not in gateway.fleet(), "no exporter, no GPUs")


def test_every_exporter(t):
    """The simulated exporters of each maker: memory errors, heat, and a GPU that
    is gone; blanks say nothing."""
    for kind in ("dcgm", "dcgm-new", "amd", "ascend"):
        port = free_port()
        engine = t.engine(options=["--gpu-exporter", f"127.0.0.1:{port}", "--gpu-kind", kind,
                                   "--gpus-per-engine", "2"])
        gateway = t.gateway(gw.pool("all", [engine], gpu_metrics=f'"http://{{host}}:{port}/metrics"'), engine,
                            main=MAIN + "gpu_max_out 100%;\n", name=kind)
        until(lambda g=gateway: len(g.fleet().get("gpus", [])) == 2, "both GPUs to be known")
        scrapes = gateway.metric("sluice_gpu_scrapes_total")
        engine.gpu(gpu=0, sentinel=True)
        until(lambda g=gateway, s=scrapes: g.metric("sluice_gpu_scrapes_total") > s + 3, "blank pages")
        equal(states(gateway, [engine]), ["healthy"], "blanks")
        engine.gpu(gpu=0, sentinel=False)
        until(lambda g=gateway, s=scrapes: g.metric("sluice_gpu_scrapes_total") > s + 6, "pages again")
        engine.gpu(gpu=1, dbe=1)
        until_state(gateway, engine, "failed")
        engine.gpu(gpu=1, reset=True)
        until_state(gateway, engine, "healthy")
        if kind != "ascend":  # it does not say why it is slow
            engine.gpu(gpu=1, thermal=True)
            until_state(gateway, engine, "degraded")
            engine.gpu(gpu=1, reset=True)
            until_state(gateway, engine, "healthy")
        engine.gpu(gpu=0, vanish=True)
        seen = until_state(gateway, engine, "failed")
        true("gone from its exporter's page" in seen["gpu_reason"], seen)
        t.end_early(gateway, engine)


story.run(globals())
