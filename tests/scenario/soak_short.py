"""Twenty seconds of the soak, the same at every run: bench/soak.sh, docs/soak.md."""
import os
import sys

from lib import story
from lib.process import Failure

SOAK = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "bench", "soak", "main.py")


def test_twenty_seconds(t):
    status, report = t.run(sys.executable, SOAK, "--build", story.BUILD, "--seconds", 20, "--seed", 7,
                           "--clients", 6, check=False)
    if status:
        raise Failure(f"the soak ended with {status}:\n{report}")


story.run(globals())
