"""The checks of a step: run in order, none stops the others."""
import traceback


class Checks:
    """Runs checks in order, and remembers what to tell."""

    def __init__(self, t):
        self.t, self.results, self.rows = t, [], []

    def __call__(self, name, run):
        seen, word = [], "ok"
        try:
            seen = run() or []
        except Exception:
            word = "FAILED"
            traceback.print_exc()
            self.t.show_logs()
        self.results.append((name, word))
        self.rows += [(name, seen)] if seen else []
        print(f"{word:6} {name}", flush=True)

    @property
    def failed(self):
        return sum(word != "ok" for _, word in self.results)
