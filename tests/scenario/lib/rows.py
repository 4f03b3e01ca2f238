"""Stories that play a table: every row is played, and all that failed are told."""
from .process import Failure
from .story import equal, true


def check_table(rows):
    names = [r.name for r in rows]
    equal(sorted({n for n in names if names.count(n) > 1}), [], "two rows of one name")
    true(all(r.why for r in rows), "every row has a reason")


def tell(failures, played):
    print(f"       {played}")
    if failures:
        raise Failure(f"{len(failures)} rows:\n" + "\n".join(failures))
