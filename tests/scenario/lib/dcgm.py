"""A dcgm-exporter for stories about GPUs: what its page says, and whether it
answers at all, is the story's to change at any time."""
import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from .ports import free_port

# Attribute of a Gpu, and the family that shows it.
FAMILIES = {
    "clock": "DCGM_FI_DEV_SM_CLOCK", "temperature": "DCGM_FI_DEV_GPU_TEMP", "busy": "DCGM_FI_DEV_GPU_UTIL",
    "xid": "DCGM_FI_DEV_XID_ERRORS", "remap_failed": "DCGM_FI_DEV_ROW_REMAP_FAILURE",
    "reasons": "DCGM_FI_DEV_CLOCK_THROTTLE_REASONS", "memory_temperature": "DCGM_FI_DEV_MEMORY_TEMP",
}


class Gpu:
    def __init__(self, number):
        self.number, self.uuid = number, f"GPU-{number:08x}-d9cf-fef3-62e9-d92044ab6e52"
        self.clock, self.temperature, self.busy, self.xid, self.remap_failed, self.reasons = 1980, 61, 97, 0, 0, 0
        self.memory_temperature = 9223372036854775794  # not supported
        self.gone = False

    def line(self, name, family):
        return (f'{family}{{gpu="{self.number}",UUID="{self.uuid}",pci_bus_id="00000000:0{self.number}:00.0",'
                f'device="nvidia{self.number}",modelName="NVIDIA H200",hostname="node-7"}} {getattr(self, name)}\n')


class Exporter:
    """mode: "well", "hang", "empty", "garbage", "status"; down() and up()."""

    def __init__(self, n):
        self.gpus = [Gpu(i) for i in range(n)]
        self.port, self.mode, self.asked = free_port(), "well", 0
        self._server, self._released = None, threading.Event()
        self.up()

    @property
    def url(self):
        return f'"http://{{host}}:{self.port}/metrics"'

    def page(self):
        if self.mode == "empty":
            return "# HELP process_start_time_seconds x\nprocess_start_time_seconds 17\n"
        if self.mode == "garbage":
            return "<html>503\0\xff" * 100
        return "".join(f"# HELP {family} x\n# TYPE {family} gauge\n"
                       + "".join(g.line(name, family) for g in self.gpus if not g.gone)
                       for name, family in FAMILIES.items())

    def up(self):
        exporter = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                exporter.asked += 1
                if exporter.mode == "hang":
                    exporter._released.wait(60)
                body = exporter.page().encode("latin-1")
                self.send_response(500 if exporter.mode == "status" else 200)
                self.send_header("content-type", "text/plain; version=0.0.4")
                self.send_header("content-length", str(len(body)))
                with contextlib.suppress(OSError):  # who asked has left a hanging exporter
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, *_):
                pass

        ThreadingHTTPServer.allow_reuse_address = True
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def down(self):
        self._server.shutdown()
        self._server.server_close()

    def set(self, mode):
        self.mode = mode
        if mode != "hang":
            self._released.set()
            self._released = threading.Event()
