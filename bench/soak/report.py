"""The report, in Markdown."""


def _table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(str(c) for c in row) + " |" for row in rows] + [""]


OUTCOMES = ("whole", "left", "rejected", "refused", "broken", "WRONG")


def write(what, book, measures, problems):
    kinds = {}
    for name, counts in book.kinds.items():
        kind = name.partition(", ")[0]
        kinds.setdefault(kind, dict.fromkeys(OUTCOMES, 0))
        for outcome, n in counts.items():
            kinds[kind][outcome] += n
    lines = ["# Soak", "", *[f"- {k}: {v}" for k, v in what.items()], f"- requests: {book.count()}",
             f"- wrong answers: {book.count('WRONG')}", f"- errors that clients saw: {book.count('refused', 'broken')}",
             f"- **verdict: {'FAILED' if problems else 'passed'}**", ""]
    lines += ["## Requests", "", *_table(("kind", *OUTCOMES), [
        (k, *c.values()) for k, c in sorted(kinds.items())])]
    ways = {}
    for name, counts in book.kinds.items():
        way = name.partition(", ")[2] or "malformed"
        ways[way] = ways.get(way, 0) + sum(counts.values())
    lines += ["## Ways", "", *_table(("way", "requests"), sorted(ways.items()))]
    lines += ["## Faults", "", *_table(("fault", "times"), sorted(book.faults.items()))]
    lines += ["## Errors that clients saw, all while a fault was in place unless named below", "",
              *_table(("error", "times"), book.errors.most_common())]
    if book.refusals:
        lines += ["Clean errors, which retries should mostly hide:", "", *[f"- {r}" for r in book.refusals[:50]], ""]
    lines += ["## The gateways", "", *_table(("gateway", "", "after warm-up", "at the end"), [
        (name, what_, first[what_], last[what_]) for name, (first, last) in measures.items() for what_ in first])]
    if problems:
        lines += ["## What must not be", "", *[f"- {p}" for p in problems[:100]], ""]
    return "\n".join(lines)
