# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus and its tools: it scrapes an engine, its alerts fire, and the dashboard asks for
nothing that is not there.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import unittest
import urllib.parse

from metrics_text import fetch, read_metrics
from stockd_harness import SOURCE_ROOT, Server, main, reap, spawn, wait_until

PROMETHEUS, PROMTOOL = shutil.which("prometheus"), shutil.which("promtool")
if not PROMETHEUS or not PROMTOOL:
    print("skipped: no prometheus or no promtool (Debian: prometheus)")
    sys.exit(77)

RULES = os.path.join(SOURCE_ROOT, "packaging", "prometheus")
DASHBOARD = os.path.join(SOURCE_ROOT, "packaging", "grafana", "stockd.json")
NAME = re.compile(r"\bstockd_[a-z_]+")
CONFIG = """
global: {{ scrape_interval: 250ms, scrape_timeout: 250ms, evaluation_interval: 250ms }}
rule_files: ["{rules}"]
scrape_configs:
  - job_name: stockd
    static_configs: [{{ targets: ["{target}"] }}]
"""


def promtool(*args):
    process = spawn([PROMTOOL, *args], cwd=RULES, stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT, text=True)
    said, _ = process.communicate(timeout=120)
    return reap(process, 1), said


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def rules_text():
    with open(os.path.join(RULES, "stockd.rules.yml"), encoding="utf-8") as file:
        return file.read()


def dashboard_queries():
    with open(DASHBOARD, encoding="utf-8") as file:
        dashboard = json.load(file)
    return [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]


class Alerts(unittest.TestCase):
    def test_the_files_are_well_formed(self):
        self.assertEqual(promtool("check", "rules", "stockd.rules.yml")[0], 0)
        code, said = promtool("check", "config", "--syntax-only", "prometheus.yml")
        self.assertEqual(code, 0, said)

    def test_each_alert_fires_and_does_not(self):
        code, said = promtool("test", "rules", "stockd.rules.test.yml")
        self.assertEqual(code, 0, said)
        with open(os.path.join(RULES, "stockd.rules.test.yml"), encoding="utf-8") as file:
            tests = file.read()
        for alert in re.findall(r"- alert: (\w+)", rules_text()):
            for what in ("fires", "does not fire"):
                self.assertIn(f"- name: {alert} {what}\n", tests)


class Names(unittest.TestCase):
    """What alerts, dashboard and documentation call the metrics is what they are called."""

    @classmethod
    def setUpClass(cls):
        with Server("--http", "127.0.0.1:0", "--redis", f"127.0.0.1:{free_port()}") as server:
            cls.metrics = read_metrics(server.http)

    def assert_known(self, text, where):
        asked = set(NAME.findall(text))
        self.assertTrue(asked, where)
        self.assertEqual(asked - self.metrics.names - set(self.metrics.types), set(), where)

    def test_of_the_alerts(self):
        self.assert_known(rules_text(), "the rules")

    def test_of_the_dashboard(self):
        queries = dashboard_queries()
        self.assertGreater(len(queries), 20)
        for query in queries:
            self.assert_known(query, query)

    def test_of_the_documentation(self):
        with open(os.path.join(SOURCE_ROOT, "docs", "METRICS.md"), encoding="utf-8") as file:
            rows = re.findall(r"^\| `(stockd_[a-z_]+)(?:\{([a-z,]+)\})?` \| (\w+) \|", file.read(),
                              re.MULTILINE)
        told = {name: (kind, labels) for name, labels, kind in rows}
        self.assertEqual(len(told), len(rows), "a metric has two rows")
        there = {name: (kind, self.labels(name)) for name, kind in self.metrics.types.items()}
        self.assertEqual(told, there)

    def labels(self, family):
        """Of a histogram all but le."""
        ends = ("", "_count")
        of = next(labels for (name, labels) in self.metrics.samples
                  if name in [family + end for end in ends])
        return ",".join(sorted(name for name, _ in of))


class Scrape(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="stockd-prometheus-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.server = Server("--http", "127.0.0.1:0")
        self.addCleanup(self.server.close, check=False)
        self.address = f"127.0.0.1:{free_port()}"
        config = os.path.join(self.folder, "prometheus.yml")
        with open(config, "w", encoding="utf-8") as file:
            file.write(CONFIG.format(rules=os.path.join(RULES, "stockd.rules.yml"),
                                     target=self.server.http[len("http://"):]))
        with open(os.path.join(self.folder, "log"), "wb") as log:
            self.prometheus = spawn(
                [PROMETHEUS, f"--config.file={config}", f"--web.listen-address={self.address}",
                 f"--storage.tsdb.path={self.folder}/data"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.addCleanup(self.end_prometheus)

    def end_prometheus(self):
        self.prometheus.terminate()
        reap(self.prometheus, 60)

    def ask(self, query):
        """The values of an instant query, or None while Prometheus does not answer."""
        asked = urllib.parse.urlencode({"query": query})
        try:
            status, _, text = fetch(f"http://{self.address}/api/v1/query?{asked}")
        except OSError:
            self.assertIsNone(self.prometheus.poll(), "prometheus ended")
            return None
        if status == 503:  # it is starting
            return None
        self.assertEqual(status, 200, f"{query}: {text}")
        return [float(one["value"][1]) for one in json.loads(text)["data"]["result"]]

    def await_values(self, query, values):
        wait_until(lambda: self.ask(query) == values, timeout=120, every=0.1,
                   what=f"{query} to be {values}, and not {self.ask(query)}")

    def test_it_sees_what_the_engine_does(self):
        with self.server.client() as client:
            for number in range(7):
                client.call("receive", f"r{number}", "TEA", "main", 5)
        self.await_values('up{job="stockd"}', [1])
        self.await_values('stockd_requests_total{method="receive",code="ok"}', [7])
        self.await_values("stockd_read_only", [0])
        self.await_values('stockd_request_seconds_count{kind="change"}', [7])
        for query in dashboard_queries():
            query = query.replace("$__rate_interval", "1m").replace("$instance", ".*")
            self.assertIsNotNone(self.ask(query), query)
        self.server.stop()
        self.await_values('up{job="stockd"}', [0])
        self.await_values('ALERTS{alertname="StockdDown"}', [1])


if __name__ == "__main__":
    main()
