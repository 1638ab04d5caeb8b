# SPDX-License-Identifier: Apache-2.0
"""The report of `make bench` from a record made up here: medians, ratios, verdicts, and that what
is written by hand in the document stays."""

import os
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "bench"))

import figures  # noqa: E402
import report  # noqa: E402
import servers  # noqa: E402


def load(rate, **more):
    return {"messages_per_s": rate, "latency_us": {"p50": 100.0, "p90": 150.0, "p99": 2500.0,
                                                   "p999": 3000.0, "max": 4000.0},
            "errors": 0, "generator_limited": False, **more}


def line(step, subject, result, **about):
    return {"step": step, "subject": subject, "result": result, **about}


def results(*lines, skipped=()):
    return figures.Results({"connections": 32, "items": 1000, "rounds": 3, "seconds": 1,
                            "skipped": list(skipped), "record": list(lines)})


SHAPE = {"workload": "reserve-cancel", "window": 128}


def windows(stockd, echo):
    return results(*(line("windows", "stockd", load(rate), **SHAPE) for rate in stockd),
                   *(line("windows", "echo", load(rate), **SHAPE) for rate in echo))


class Figures(unittest.TestCase):
    def bar(self, found, words):
        return next(row for row in figures.bars(found) if words in row[0])

    def test_ratio_is_of_medians(self):
        found = windows([10, 400, 500], [1000, 1, 9000])
        self.assertEqual(self.bar(found, "window 128, of the bare echo")[1], 0.4)

    def test_verdict_at_the_bar_and_beside_it(self):
        self.assertEqual(figures.verdict(0.4, 0.4, True), "met")
        self.assertEqual(figures.verdict(0.399, 0.4, True), "missed")
        self.assertEqual(figures.verdict(32, 32, False), "met")
        self.assertEqual(figures.verdict(33, 32, False), "missed")
        self.assertEqual(figures.verdict(None, 32, False), "not measured")

    def test_sync_is_added_to_the_round_trip(self):
        # 32 in flight at 32,000 a second are 1 ms each way; with 1 ms of disk it is half the rate.
        self.assertAlmostEqual(figures.with_sync(32000, 1, 32, 1000), 16000)

    def test_peers_are_taken_at_their_best_window(self):
        found = results(
            line("windows", "stockd", load(6000), workload="hot", window=128),
            line("postgres", "postgres", load(20), workload="hot", commit="on", window=1),
            line("postgres", "postgres", load(10), workload="hot", commit="on", window=16),
            line("postgres", "postgres", load(9000), workload="hot", commit="off", window=16))
        self.assertEqual(self.bar(found, "against PostgreSQL")[1], 300)

    def test_an_empty_start_is_no_part_of_the_replay(self):
        found = results(line("recovery", "replay",
                             {"records": 6_000_000, "seconds": 2.5, "empty_seconds": 0.5,
                              "bytes": 1}))
        self.assertEqual(self.bar(found, "replay")[1], 3e6)

    def test_nothing_measured_is_no_zero(self):
        self.assertTrue(all(row[1] is None for row in figures.bars(results())))

    def test_each_run_of_a_line_counts(self):
        several = load(5, runs=[{"messages_per_s": rate} for rate in (1, 5, 9)])
        spread = results(line("items", "stockd", several)).rate("items", "stockd")
        self.assertEqual((spread.least, spread.median, spread.most), (1, 5, 9))


class Document(unittest.TestCase):
    def test_prose_stays_and_tables_are_new(self):
        before = ("# By hand\n\nWhy it fell short.\n\n<!-- measured: bars -->\nold table\n"
                  "<!-- end -->\n\nAnd what was tried.\n")
        after = report.assemble(before, windows([400], [1000]))
        self.assertTrue(after.startswith("# By hand\n\nWhy it fell short.\n\n<!-- measured: bars"))
        self.assertTrue(after.endswith("<!-- end -->\n\nAnd what was tried.\n"))
        self.assertNotIn("old table", after)
        self.assertIn("| 40 % | ≥ 40 % | met |", after)
        self.assertEqual(report.assemble(after, windows([400], [1000])), after)
        self.assertIn("| 39 % | ≥ 40 % | missed |", report.assemble(after, windows([390], [1000])))

    def test_only_prose_wraps(self):
        row = "| " + "x " * 60 + "|"
        text = report.wrapped("- " + "word " * 40 + "\n" + row + "\n")
        lines = text.split("\n")
        self.assertIn(row, lines)
        self.assertTrue(lines[0].startswith("- word") and lines[1].startswith("  word"))
        self.assertLessEqual(max(len(line) for line in lines if line != row), 100)

    def test_an_unknown_table_is_refused(self):
        with self.assertRaises(SystemExit):
            report.assemble("<!-- measured: nonsense -->\n<!-- end -->\n", results())

    def test_the_document_of_the_project_has_all_tables(self):
        with open(os.path.join(ROOT, "docs/BENCHMARKS.md"), encoding="utf-8") as source:
            names = [match.group(2) for match in report.MARK.finditer(source.read())]
        self.assertEqual(sorted(names), sorted(report.TEXTS))

    def test_what_was_not_measured_says_why(self):
        found = results(skipped=[{"step": "redis", "why": "redis did not start:\nno such file"}])
        self.assertIn("Not measured in this run (redis): redis did not start: no such file",
                      report.text_redis(found))

    def test_errors_are_not_hidden(self):
        result = load(5, errors=3, runs=[load(5)], units_add_up=False)
        text = report.text_workloads(results(line("workloads", "stockd", result, workload="order",
                                                  window=128)))
        self.assertIn("**do not add up**, **3 errors**", text)

    def test_numbers_in_words(self):
        self.assertEqual([report.count(n) for n in (999, 1000, 12345, 1.234e6, 123e6)],
                         ["999", "1.00 k", "12.3 k", "1.23 M", "123 M"])
        self.assertEqual(report.micros(999.4), "999 µs")
        self.assertEqual(report.micros(1500), "1.5 ms")


class Servers(unittest.TestCase):
    def test_one_that_does_not_start_says_what_it_said(self):
        with tempfile.TemporaryDirectory() as place:
            server = servers.Server(place)
            server.spawn(["/bin/sh", "-c", "echo no disk; exit 1"])
            with self.assertRaisesRegex(servers.StartError, "no disk"):
                server.wait(lambda: False)
            server.stop()

    def test_bad_settings_are_one_line(self):
        done = subprocess.run([sys.executable, os.path.join(ROOT, "bench/run.py")],
                              env={**os.environ, "STEPS": "nonsense"}, capture_output=True,
                              text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)


if __name__ == "__main__":
    unittest.main()
