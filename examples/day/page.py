# SPDX-License-Identifier: Apache-2.0
"""The page of figures: what the day was, what became of every unit, and what the reports say."""


def table(out, title, columns, rows):
    print(f"\n{title}", file=out)
    cells = [columns, *[[say(cell) for cell in row] for row in rows]]
    widths = [max(len(row[n]) for row in cells) for n in range(len(columns))]
    for row in cells:
        line = [row[0].ljust(widths[0]), *[c.rjust(w) for c, w in zip(row[1:], widths[1:])]]
        print("  " + "  ".join(line).rstrip(), file=out)


def say(cell):
    if cell is None:
        return "-"
    if isinstance(cell, float):
        return f"{cell:.3f}"
    return f"{cell:,}" if isinstance(cell, int) else str(cell)


def show(day, out):
    the_day(day, out)
    units(day, out)
    reports(day, out)
    checks(day, out)
    findings = day.ledger.findings
    for finding in findings:
        print(f"\nFINDING {finding}", file=out)
    print(f"\n{len(findings)} findings" if findings else
          "\nEvery unit is accounted for, and every promise was kept, or was told.", file=out)


def the_day(day, out):
    ledger, notes = day.ledger, day.notes
    crashes = [f"down for {up - died:.2f} s" for died, up in day.engine.crashes]
    rows = [("calls answered", notes.calls), ("changes booked", ledger.flow["changes"]),
            ("sent again after a crash", notes.sent_again), ("events", sum(ledger.events.values())),
            ("orders", len(ledger.orders)),
            ("orders refused", sum(n for (m, _), n in notes.refused.items() if m == "reserve")),
            *[(f"crash {n + 1}", each) for n, each in enumerate(crashes)],
            *[(f"seconds for the {what}", round(took, 1)) for what, took in day.took.items()]]
    table(out, "The day", ["", "number"], rows)
    table(out, "What became of it", ["", "number"], sorted(day.night.fate.items()))
    table(out, "What was told", ["event", "number"], sorted(ledger.events.items()))


def units(day, out):
    flow = {key: n for key, n in day.ledger.flow.items() if key != "changes" and n}
    table(out, "Where every unit came from, and went", ["", "units"], sorted(flow.items()))


def reports(day, out):
    for (name, by), (columns, rows) in day.night.rows.items():
        if by == "sku":
            continue
        keyed = sorted(rows.items(), key=lambda row: (-(row[1][0] or 0), row[0] or ""))
        shown = [[key, *values] for key, values in keyed[:8]]
        more = f", the first of {len(rows)}" if len(rows) > 8 else ""
        if shown:
            table(out, f"report {name} by {by}{more}", columns, shown)


def checks(day, out):
    checked = sorted(day.ledger.checked.items())
    table(out, "What was compared with the books", ["", "times"], checked)
