"""The simulated GPU exporter: its page says what was done to the GPUs, in the
words of each exporter, and itself can be away, mute, empty or stuck."""
import socket

from lib.ports import free_port
from lib.process import until
from lib.story import equal, run, true
from lib.wire import ask


def start(story, kind="dcgm", *more):
    port = free_port()
    engine = story.engine(options=["--gpu-exporter", f"127.0.0.1:{port}", "--gpu-kind", kind,
                                   "--gpus-per-engine", "2", "--gpu-pods", "prod/decode", *more])
    return engine, port


def page(port):
    answer = ask(port, "GET", "/metrics")
    equal(answer.status, 200, "the exporter's status")
    return answer.body.decode()


def lines(text, name, label=""):
    return [line for line in text.splitlines() if line.startswith(name + "{") and label in line]


def value(text, name, label):
    found = lines(text, name, label)
    equal(len(found), 1, f"series of {name} with {label}")
    return float(found[0].rsplit("} ", 1)[1].split()[0])


def test_dcgm(story):
    engine, port = start(story)
    first, second = [g["uuid"] for g in engine.gpus()]
    text = page(port)
    equal(len(lines(text, "DCGM_FI_DEV_SM_CLOCK")), 2, "GPUs on the page")
    true(f'UUID="{first}"' in text and f'UUID="{second}"' in text, "both UUIDs are there")
    true('namespace="prod",pod="decode-0"' in text, "the pod's labels are there")
    equal(value(text, "DCGM_FI_DEV_XID_ERRORS", first), 0, "the XID before")
    engine.gpu(gpu=0, xid=79, thermal=True, slow=2)
    engine.gpu(uuid=second, dbe=1, row_remap_failure=1, recovery_action=1,
               health={"watch": "MEM", "value": 20})
    text = page(port)
    equal(value(text, "DCGM_FI_DEV_XID_ERRORS", first), 79, "the XID")
    equal(value(text, "DCGM_EXP_XID_ERRORS_COUNT", 'xid="79"'), 1, "its count")
    true(value(text, "DCGM_FI_DEV_SM_CLOCK", first) < value(text, "DCGM_FI_DEV_SM_CLOCK", second),
         "a hot GPU's clock is lower")
    equal(int(value(text, "DCGM_FI_DEV_CLOCK_THROTTLE_REASONS", first)) & 0x48, 0x48, "reasons")
    before = value(text, "DCGM_FI_DEV_THERMAL_VIOLATION", first)
    until(lambda: value(page(port), "DCGM_FI_DEV_THERMAL_VIOLATION", first) > before,
          "the violation's time to rise")
    equal(value(text, "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL", second), 1, "ECC errors")
    equal(value(text, "DCGM_FI_DEV_ROW_REMAP_FAILURE", second), 1, "the row remap")
    equal(value(text, "DCGM_FI_DEV_GPU_RECOVERY_ACTION", second), 1, "the recovery action")
    true(f'{second}"' in lines(text, "DCGM_EXP_GPU_HEALTH_STATUS", 'health_watch="MEM"')[1],
         "the watch is the second GPU's")
    engine.gpu(gpu=0, reset=True)
    engine.gpu(gpu=1, vanish=True)
    text = page(port)
    equal(value(text, "DCGM_FI_DEV_XID_ERRORS", first), 0, "the XID after the reset")
    true(second not in text, "the vanished GPU is not on the page")
    engine.gpu(gpu=1, vanish=False, sentinel=True)
    true(lines(page(port), "DCGM_FI_DEV_XID_ERRORS", second)[0].endswith(" 9223372036854775794"),
         "blank")


def test_only_what_is_on_by_default(story):
    _, port = start(story, "dcgm-new", "--gpu-defaults")
    text = page(port)
    true("DCGM_EXP_" not in text and "ECC_DBE" not in text, "the optional families are not there")
    true(lines(text, "DCGM_FI_DEV_XID_ERROR"), "the new name is there")


def test_amd_and_ascend(story):
    for kind, name in (("amd", "gpu_health"), ("ascend", "npu_chip_info_health_status")):
        engine, port = start(story, kind)
        equal([line.split("} ")[1].split()[0] for line in lines(page(port), name)], ["1", "1"],
              f"{kind}: well")
        engine.gpu(gpu=1, dbe=1)
        equal([line.split("} ")[1].split()[0] for line in lines(page(port), name)], ["1", "0"],
              f"{kind}: one ill")


def refused(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) != 0


def test_the_exporter_itself(story):
    engine, port = start(story)
    engine.gpu(stale=True)
    kept = page(port)
    engine.gpu(gpu=0, xid=48)
    equal(page(port), kept, "the page stands still")
    engine.gpu(stale=False, empty=True)
    equal(lines(page(port), "DCGM_FI_DEV_SM_CLOCK"), [], "GPUs on an empty page")
    engine.gpu(empty=False, down=True)
    until(lambda: refused(port), "the exporter to be away")
    engine.gpu(down=False, status=500)
    equal(ask(port, "GET", "/metrics").status, 500, "the status")
    engine.gpu(status=0, hang=True)
    with socket.create_connection(("127.0.0.1", port)) as s:
        s.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        equal(ask(port, "GET", "/sim/gpu").status, 200, "the control path while it hangs")
        engine.gpu(hang=False)
        s.settimeout(60)
        true(s.recv(12) == b"HTTP/1.1 200", "what hung is answered afterwards")


def test_a_throttled_gpu_slows_its_engine(story):
    """Told by what the engine says of itself: its state shows the factor."""
    engine, _ = start(story)
    engine.gpu(gpu=1, slow=2)
    equal(engine.state()["gpu_slow"], 2, "the factor of the slowest GPU")
    engine.gpu(engine=0, reset=True)
    equal(engine.state()["gpu_slow"], 1, "after the reset")
    answer = ask(engine.control, "POST", "/sim/gpu", b'{"gpu":9,"xid":1}')
    equal(answer.status, 400, "a GPU that is not there")


run(globals())
