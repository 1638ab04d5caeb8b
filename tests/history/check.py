#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Decides whether some order explains everything in a recorded history.

check.py FILE      exit 0: one does; 1: none does, and the shortest part found that none explains is
                   printed; 3: undecided, the history is too wide for an exact answer
"""

import sys

from calls import History, Violation
from linear import Search, Undecided, shrink
from objects import Builder, Item, Life
from supplies import SupplyWitness
from witness import Witness


class Report:
    """calls, changes: how many there were. widest: configurations at once, at most. undecided: what
    could not be decided."""

    def __init__(self, history):
        self.calls, self.changes = len(history.calls), len(history.changes)
        self.refused = sum(1 for call in history.calls if call.code)
        self.lost = sum(1 for call in history.calls if call.lost)
        self.widest = 0
        self.undecided = []

    def __str__(self):
        return (
            f"{self.calls} calls, {self.changes} changes, {self.refused} refused, {self.lost} without "
            f"an answer; at most {self.widest} configurations; undecided: {len(self.undecided)}"
        )


def questions(history, witness):
    """(name, object) for every item and every reservation in every era. Of items in a history of
    supplies there is none: of them bounds are known (bounds.py)."""
    builder = Builder(history, witness)
    skus = sorted({sku for sku, _ in witness.pools}) if not history.supplies else []
    for era in range(history.eras):
        for sku in skus:
            yield f"{sku}, era {era}", Item(builder, sku, era).build()
        for ident, life in witness.lives.items():
            if life[0][0].era <= era:
                yield f"reservation {ident}, era {era}", Life(builder, ident, era).build()


def explain_failure(name, question, failure):
    part = shrink(question, failure)
    failure = part.failure() or failure
    things = sorted([*part.events, *part.looks, *part.shades], key=lambda thing: thing.lo)
    zero = min([thing.lo for thing in things] + [failure.what.lo])
    notes = dict.fromkeys(thing.note(zero) for thing in things)
    notes = [n for n in notes if not any(n != other and n in other for other in notes)]
    return Violation(
        f"no order explains {name}, from {part.start}; times in µs; nothing explains the answer of "
        f"{failure.what.note(zero)}; it was {sorted(failure.states, key=str)[:8]}",
        notes,
    )


def check(history):
    """The Report; raises Violation."""
    report = Report(history)
    witness = SupplyWitness(history) if history.supplies else Witness(history)
    witness.run()
    for name, question in questions(history, witness):
        if not question.looks:
            continue  # the witness explains it
        search = Search(question.start, question.events, question.looks, question.shades)
        try:
            failure = search.run()
        except Undecided as why:
            report.undecided.append(f"{name}: {why}")
            continue
        report.widest = max(report.widest, search.widest)
        if failure:
            raise explain_failure(name, question, failure)
    return report


def describe(violation):
    """A Violation as text: the promise, then what shows that it is broken."""
    lines = [violation.what]
    for piece in violation.evidence:
        lines.append("    " + (piece if isinstance(piece, str) else piece.say()))
    return "\n".join(lines)


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        report = check(History.load(sys.argv[1]))
    except Violation as violation:
        print(describe(violation))
        return 1
    print(report)
    for undecided in report.undecided:
        print("undecided:", undecided)
    return 3 if report.undecided else 0


if __name__ == "__main__":
    sys.exit(main())
