"""The stand-in for a Kubernetes API server answers as a real one did, and does
to its clients what it is told to."""
import json
import os

from lib import kube_answers, story
from lib.kube_api import KubeApi
from lib.process import Failure
from lib.story import equal, true

HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = os.path.join(HERE, "..", "golden", "kube", "answers.json")


def api(t, *options, **kwargs):
    server = KubeApi(t, *options, **kwargs)
    t.adopt(server)
    return server.wait_ready()


def test_as_the_real_one(t):
    server = api(t, token="T")
    with open(GOLDEN, encoding="utf-8") as f:
        golden = json.load(f)
    seen = kube_answers.play(kube_answers.Server("127.0.0.1", server.port, "T", actions={
        "compact": server.compact, "restart": server.restart}))
    equal(list(seen), list(golden), "the steps")
    wrong = []
    for name, real in golden.items():
        if seen[name] != real:
            wrong.append(f"{name}:\n  real     {json.dumps(real)}\n  stand-in {json.dumps(seen[name])}")
    if wrong:
        raise Failure(f"{len(wrong)} of {len(golden)} answers differ:\n" + "\n".join(wrong))


if __name__ == "__main__":
    story.run(globals())
