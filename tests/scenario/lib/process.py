"""Programs that a story starts: they log to a file, and never outlive it."""
import ctypes
import os
import signal
import subprocess
import time

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class Failure(AssertionError):
    """A story's claim that does not hold."""


def until(condition, what, timeout=60.0, interval=0.01):
    """Polls until condition() is true and returns what it said.

    An OSError counts as "not yet". The time limit is there to end a broken
    run; no story passes or fails by how long something took.
    """
    deadline = time.monotonic() + timeout
    seen = None
    while time.monotonic() < deadline:
        try:
            seen = condition()
            if seen:
                return seen
        except OSError as e:
            seen = e
        time.sleep(interval)
    raise Failure(f"waited {timeout:.0f} s for {what}; last seen: {seen!r}")


class Process:
    """A child with a log file. Ended by its pid alone."""

    def __init__(self, name, argv, log, env=None):
        self.name, self.log = name, log
        with open(log, "ab") as out:
            self.popen = subprocess.Popen(
                [str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=out,
                stderr=subprocess.STDOUT, env={**os.environ, **(env or {})},
                preexec_fn=_die_with_parent, start_new_session=True)
        self.pid = self.popen.pid

    @property
    def running(self):
        return self.popen.poll() is None

    @property
    def status(self):
        return self.popen.poll()

    def signal(self, number):
        if self.running:
            os.kill(self.pid, number)

    def kill(self):
        """kill -9, and gone when this returns."""
        self.signal(signal.SIGKILL)
        self.popen.wait()

    def freeze(self):
        self.signal(signal.SIGSTOP)

    def thaw(self):
        self.signal(signal.SIGCONT)

    def wait(self, timeout=60.0):
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.name} did not end within {timeout:.0f} s") from None

    def stop(self, timeout=60.0):
        """SIGTERM, then SIGKILL for one that does not listen. Returns the status."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failure(f"{self.name} ignored SIGTERM for {timeout:.0f} s") from None

    def text(self):
        with open(self.log, "rb") as f:
            return f.read().decode(errors="replace")

    def tail(self, lines=40):
        return "\n".join(self.text().splitlines()[-lines:])


def _die_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
