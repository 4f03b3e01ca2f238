"""What a story is made of.

A story is a file: a docstring that tells it, functions test_* that each take a
Story and prove one part, and run(globals()) at its end. Every part gets a
fresh folder, its own ports and its own processes; all of them are ended
afterwards by pid, and their logs are shown when the part fails.

Environment: SLUICE_BUILD is the folder of the programs, SLUICE_SANITIZE is not
empty where they are instrumented (loads are then smaller).
"""
import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

from . import gateway as gw
from .engine import Engine
from .process import Failure
from .redis import Redis

BUILD = os.path.abspath(os.environ.get("SLUICE_BUILD", "build/dev"))
SANITIZED = bool(os.environ.get("SLUICE_SANITIZE"))
_REPORT = re.compile(r"(Address|Leak|Thread)Sanitizer|: runtime error: ")


def equal(seen, wanted, what):
    if seen != wanted:
        raise Failure(f"{what}: {seen!r} instead of {wanted!r}")


def true(condition, what):
    if not condition:
        raise Failure(what)


def sized(full, sanitized):
    """How much load: less under sanitizers, which are ten times slower."""
    return sanitized if SANITIZED else full


class Story:
    def __init__(self, folder):
        self.folder, self._processes = folder, []
        self._names = {}

    def _name(self, kind):
        self._names[kind] = self._names.get(kind, 0) + 1
        return f"{kind}{self._names[kind]}"

    def engine(self, role="both", options=(), **kwargs):
        name = self._name(role)
        engine = Engine(BUILD, name, os.path.join(self.folder, name + ".log"), role,
                        options=options, **kwargs)
        self.adopt(engine)
        return engine.wait_ready()

    def engines(self, n, role="both", options=(), **kwargs):
        return [self.engine(role, options, **kwargs) for _ in range(n)]

    def redis(self, **options):
        redis = Redis(os.path.join(self.folder, self._name("redis") + ".log"), **options)
        self.adopt(redis)
        return redis.wait_ready()

    def gateway(self, body, *engines, name="", ready=True, **options):
        """A gateway that is ready, unless told otherwise, and knows these engines
        to be healthy. The second one of a story needs a name."""
        folder = os.path.join(self.folder, name)
        os.makedirs(folder, exist_ok=True)
        gateway = gw.Gateway(BUILD, folder, body, **options)
        self.adopt(gateway)
        if not ready:
            return gateway
        return gateway.wait_ready().wait_healthy(*engines)

    def pair(self, prefill=1, decode=1, options=(), main="", workers=2, **directives):
        """A disaggregated fleet: (gateway, prefill engines, decode engines)."""
        p = self.engines(prefill, "prefill", options)
        d = self.engines(decode, "decode", options)
        body = gw.prefill_decode(p, d, **directives)
        return self.gateway(body, *p, *d, main=main, workers=workers), p, d

    def plain(self, n=1, options=(), main="", workers=2, **directives):
        """Ordinary engines: (gateway, engines)."""
        engines = self.engines(n, "both", options)
        body = gw.pool("all", engines, **directives)
        return self.gateway(body, *engines, main=main, workers=workers), engines

    def adopt(self, process):
        self._processes.append(process)
        return process

    def certificate(self):
        """A self-signed certificate for localhost; its key is beside it."""
        path = os.path.join(self.folder, "server.pem")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
             "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
             "-keyout", path[:-4] + ".key", "-out", path], check=True, capture_output=True)
        return path

    def run(self, *argv, timeout=300, check=True):
        """A program to its end: (status, standard output)."""
        done = subprocess.run([str(a) for a in argv], capture_output=True, timeout=timeout,
                              stdin=subprocess.DEVNULL, check=False)
        if check and done.returncode:
            raise Failure(f"{argv[0]} ended with {done.returncode}:\n"
                          f"{done.stdout.decode(errors='replace')}\n{done.stderr.decode(errors='replace')}")
        return done.returncode, done.stdout.decode(errors="replace")

    def program(self, name):
        return os.path.join(BUILD, name)

    def end_early(self, *processes):
        """Ends these before the part is over."""
        for process in processes:
            process.stop()
            self._processes.remove(process)
            true(not _REPORT.search(process.text()), f"{process.name}:\n{process.tail(60)}")

    def end(self):
        """Ends everything. A gateway that a sanitizer or an assertion stopped,
        or that does not end cleanly, fails the story whatever it proved; so does
        a sanitizer's word about a simulated counterpart."""
        problems = []
        for process in reversed(self._processes):
            if isinstance(process, gw.Gateway):
                try:
                    status = process.stop(timeout=90)
                    if status != 0 and not getattr(process, "expected_to_die", False):
                        problems.append(f"the gateway ended with {status}:\n{process.tail(60)}")
                except Failure as e:
                    problems.append(str(e))
            else:
                _end_counterpart(process)
            if _REPORT.search(process.text()):
                problems.append(f"{process.name}:\n{process.tail(60)}")
        if problems:
            raise Failure("\n".join(problems))

    def show_logs(self):
        for process in self._processes:
            print(f"--- {process.name} (pid {process.pid}, status {process.status}):")
            print(process.tail(40))
        access = os.path.join(self.folder, "access.log")
        if os.path.exists(access):
            with open(access, encoding="utf-8", errors="replace") as f:
                print("--- access.log:\n" + "".join(f.readlines()[-10:]))


def _end_counterpart(process):
    """Instrumented, it may end by itself, for its leaks to be told; one that was
    started to ignore SIGTERM is not waited for."""
    if SANITIZED:
        with contextlib.suppress(Failure):
            process.stop(timeout=10)
    process.kill()


@contextlib.contextmanager
def session():
    """A Story for a while. What was started is ended, and the folder is gone,
    however it goes; SLUICE_KEEP=1 leaves the folder."""
    story = Story(tempfile.mkdtemp(prefix="sluice-story-"))
    try:
        try:
            yield story
        except BaseException:
            story.show_logs()
            with contextlib.suppress(Failure):
                story.end()
            raise
        try:
            story.end()
        except Failure:
            story.show_logs()
            raise
    finally:
        if not os.environ.get("SLUICE_KEEP"):
            shutil.rmtree(story.folder, ignore_errors=True)


def _run_part(name, part):
    start, word = time.monotonic(), "ok    "
    try:
        with session() as story:
            part(story)
    except Exception:
        word = "FAILED"
        traceback.print_exc(file=sys.stdout)
    print(f"{word} {name[5:]} ({time.monotonic() - start:.1f} s)", flush=True)
    return word != "FAILED"


def run(names):
    """Runs the parts named on the command line, or all of them."""
    parts = {n: f for n, f in names.items() if n.startswith("test_")}
    wanted = [f"test_{a}" for a in sys.argv[1:]] or list(parts)
    if unknown := [w for w in wanted if w not in parts]:
        sys.exit(f"no part {unknown[0][5:]} in this story; there are: {', '.join(p[5:] for p in parts)}")
    for program in ("sluice", "sluice-bench"):
        if not os.access(os.path.join(BUILD, program), os.X_OK):
            sys.exit(f"{BUILD}/{program} is not there; set SLUICE_BUILD")
    passed = [_run_part(name, parts[name]) for name in wanted]
    sys.exit(0 if all(passed) else 1)
