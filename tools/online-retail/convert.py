#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Turns the Online Retail data set into files for `stockctl import stock` and `stockctl replay`.

    convert.py online-retail.csv.gz DIRECTORY
               [--share PERCENT] [--until YYYY-MM-DD] [--location CODE]

Online Retail: UCI Machine Learning Repository, Daqing Chen, 2015, DOI 10.24432/C5BW33, CC BY 4.0.

It writes into DIRECTORY
    setup.sh         `stockctl channel set` for each channel; run it first
    stock.csv        sku,location,on_hand         for `stockctl import stock`
    orders.csv       order_id,channel,sku,qty,time  for `stockctl replay`, and for
                     `stockbench --workload replay`, which keeps to the times
    corrections.csv  what is in neither, to look at
and prints what it found as JSON. The same input always gives the same files.

What becomes of a row
    Order       One invoice is one order, at the place of its first row; rows of it that stand
                apart are brought together. Its lines stay as they are and in their order, even if
                two name the same item.
    Return      An invoice whose number begins with C is a return; its quantities stay negative.
    Split       The engine takes up to 1,024 lines in an order. A longer invoice becomes several
                orders, NUMBER, NUMBER.2, NUMBER.3 and so on, each all or nothing by itself. A
                return is split in the same way.
    Correction  A row with a quantity of zero or less whose invoice is not a C-invoice is no sale:
                it is breakage, loss or a correction of the books. So would be a row of more than
                zero in a C-invoice (the data has none). Such rows go to corrections.csv and are not
                replayed; the other rows of their invoice are.
    SKU         The StockCode as it is. Case matters: 85123A and 85123a are two items. Codes that
                are no goods (POST, M, D, BANK CHARGES, ...) are treated like all others: to the
                engine they are items with a space or a single letter in their names.
    Channel     The country in small letters, with a dash for whatever is no letter or digit:
                united-kingdom. All channels sell from the one location.

Opening stock
    For each item, PERCENT of all the units that its orders ask for (not counting returns), rounded
    down; returns come on top of it in their time. With the default of 90 most orders succeed until
    late in the history, and then more and more are refused. An item that is only ever returned
    begins with 0.
"""

import argparse
import collections
import csv
import gzip
import json
import os
import re
import shlex
import sys
import unicodedata

LINES_MAX = 1024  # in one order
SKU_MAX = 64  # bytes
ID_MAX = 36  # bytes of an order's id: a return adds the number of the line
CHANNEL_MAX = 32
COLUMNS = ("InvoiceNo", "StockCode", "Quantity", "InvoiceDate", "Country")

Row = collections.namedtuple("Row", "line invoice sku qty date country")
Order = collections.namedtuple("Order", "id channel lines time")  # lines: (sku, qty)


def refuse(line, what):
    sys.exit(f"convert.py: line {line}: {what}")


def read_rows(path, until):
    """All rows before the date, checked."""
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            refuse(1, f"no column {missing[0]}")
        for raw in reader:
            line = reader.line_num
            if until and raw["InvoiceDate"] >= until:
                continue
            invoice, sku = raw["InvoiceNo"], raw["StockCode"]
            if not 1 <= len(invoice.encode()) <= ID_MAX - len(".999"):
                refuse(line, f"InvoiceNo: {invoice!r} cannot be an order's id")
            if not 1 <= len(sku.encode()) <= SKU_MAX:
                refuse(line, f"StockCode: {sku!r} cannot be an SKU")
            if not re.fullmatch(r"-?[0-9]+", raw["Quantity"]):
                refuse(line, f"Quantity: {raw['Quantity']!r} is not a whole number")
            yield Row(line, invoice, sku, int(raw["Quantity"]), raw["InvoiceDate"], raw["Country"])


def is_return(invoice):
    return invoice.startswith("C")


def is_correction(row):
    return row.qty >= 0 if is_return(row.invoice) else row.qty <= 0


def channel_of(country):
    plain = unicodedata.normalize("NFKD", country).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:CHANNEL_MAX].strip("-") or "unspecified"


def channels_of(rows):
    """Country by channel, in the order of the alphabet."""
    channels = {}
    for row in rows:
        if channels.setdefault(channel_of(row.country), row.country) != row.country:
            refuse(row.line, f"Country: {row.country!r} would be the same channel as another")
    return dict(sorted(channels.items()))


def orders_of(rows):
    """The orders in the sequence of their first rows, none longer than the engine takes."""
    invoices = {}
    for row in rows:
        if not is_correction(row):
            invoices.setdefault(row.invoice, []).append(row)
    for invoice, lines in invoices.items():
        channel = channel_of(lines[0].country)
        for part, start in enumerate(range(0, len(lines), LINES_MAX), 1):
            ident = invoice if part == 1 else f"{invoice}.{part}"
            chunk = [(row.sku, row.qty) for row in lines[start:start + LINES_MAX]]
            yield Order(ident, channel, chunk, lines[0].date)


def opening_of(orders, percent):
    """Units on hand at the start, by SKU."""
    demand = collections.Counter()
    for order in orders:
        for sku, qty in order.lines:
            demand[sku] += max(qty, 0)
    return {sku: units * percent // 100 for sku, units in sorted(demand.items())}


def write_csv(directory, name, header, rows):
    with open(os.path.join(directory, name), "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def write_setup(directory, channels, location):
    path = os.path.join(directory, "setup.sh")
    place = shlex.quote(location)
    with open(path, "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\n# One channel for each country. STOCKD_SERVER says which engine.\n")
        file.write(f"set -e\nstockctl location set {place} >/dev/null\n")
        for channel, country in channels.items():
            file.write(f"stockctl channel set {channel} --name {shlex.quote(country)}"
                       f" --locations {place} >/dev/null\n")
    os.chmod(path, 0o755)


def convert(source, directory, percent=90, until=None, location="main"):
    """Writes the files; returns what was found. The tests call it."""
    rows = list(read_rows(source, until))
    channels = channels_of(rows)
    orders = list(orders_of(rows))
    opening = opening_of(orders, percent)
    corrections = [row for row in rows if is_correction(row)]

    os.makedirs(directory, exist_ok=True)
    write_setup(directory, channels, location)
    write_csv(directory, "stock.csv", ("sku", "location", "on_hand"),
              ((sku, location, units) for sku, units in opening.items()))
    write_csv(directory, "orders.csv", ("order_id", "channel", "sku", "qty", "time"),
              ((order.id, order.channel, sku, qty, order.time)
               for order in orders for sku, qty in order.lines))
    write_csv(directory, "corrections.csv", ("invoice", "sku", "qty", "date", "country"),
              (row[1:] for row in corrections))
    returns = sum(order.lines[0][1] < 0 for order in orders)
    return {
        "rows": len(rows),
        "invoices": len({row.invoice for row in rows}),
        "orders": len(orders) - returns,
        "returns": returns,
        "split": sum("." in order.id for order in orders),
        "corrections": len(corrections),
        "items": len(opening),
        "channels": list(channels),
        "opening_units": sum(opening.values()),
    }


def percent_of(text):
    value = int(text)
    if not 0 <= value <= 1000:
        raise argparse.ArgumentTypeError("from 0 to 1000")
    return value


def main():
    parser = argparse.ArgumentParser(
        description="Online Retail to import and replay files.",
        epilog="What becomes of a row is told at the head of this file.")
    parser.add_argument("source", help="online-retail.csv or .csv.gz")
    parser.add_argument("directory", help="where to write the files")
    parser.add_argument("--share", type=percent_of, default=90, metavar="PERCENT",
                        help="opening stock, of all that is ordered (90)")
    parser.add_argument("--until", metavar="YYYY-MM-DD", help="only invoices before that day")
    parser.add_argument("--location", default="main", metavar="CODE",
                        help="where the stock is (main)")
    given = parser.parse_args()
    try:
        found = convert(given.source, given.directory, given.share, given.until, given.location)
    except (OSError, UnicodeDecodeError) as error:
        sys.exit(f"convert.py: {error}")
    json.dump(found, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
