# SPDX-License-Identifier: Apache-2.0
"""Reads the page /metrics of an engine, strictly: what is odd there is an error."""

import re
import urllib.error
import urllib.request

from stockd_harness import CALL_TIMEOUT

OPEN_METRICS = "application/openmetrics-text; version=1.0.0"
SAMPLE = re.compile(r'^([a-z_]+)(?:\{([^{}]*)\})? (\S+)$')
LABEL = re.compile(r'([a-z_]+)="([^"\\]*)"(?:,|$)')
ENDS = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}


def fetch(url, method="GET", headers=None):
    """Status, headers and text, whatever the status is."""
    asked = urllib.request.Request(url, method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(asked, timeout=CALL_TIMEOUT) as reply:
            return reply.status, reply.headers, reply.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read().decode()


def labels_of(text):
    found = LABEL.findall(text or "")
    rest = LABEL.sub("", text or "")
    assert not rest, f"labels {text}"
    return tuple(sorted(found))


class Metrics:
    """The families of one page; samples by name and labels."""

    def __init__(self, text, open_metrics=False):
        self.types, self.samples = {}, {}
        family = None
        lines = text.split("\n")
        assert lines.pop() == "", "the last line ends"
        if open_metrics:
            assert lines.pop() == "# EOF"
        for line in lines:
            if line.startswith("# "):
                family = self.take_comment(line, family)
            else:
                self.take_sample(line, family, open_metrics)

    def take_comment(self, line, family):
        word, name, rest = line[2:].split(" ", 2)
        assert word in ("HELP", "TYPE", "UNIT"), line
        if word == "HELP":
            assert name not in self.types, f"family {name} comes twice"
            assert rest and rest[-1] == ".", line
            self.types[name] = None
            return name
        assert name == family, f"{line} within {family}"
        if word == "TYPE":
            self.types[name] = rest
        else:
            assert name.endswith("_" + rest), line
        return family

    def take_sample(self, line, family, open_metrics):
        match = SAMPLE.match(line)
        assert match, line
        name, labels, value = match.groups()
        kind = self.types[family]
        ends = ("",) if kind == "counter" and not open_metrics else ENDS[kind]
        assert name in [family + end for end in ends], f"{line} within {family}"
        key = (name, labels_of(labels))
        assert key not in self.samples, f"{line} comes twice"
        self.samples[key] = float(value)

    def get(self, name, **labels):
        return self.samples.get((name, tuple(sorted(labels.items()))))

    def all(self, name):
        return {labels: value for (of, labels), value in self.samples.items() if of == name}

    @property
    def names(self):
        return {name for name, _ in self.samples}


def read_metrics(address, open_metrics=False):
    headers = {"Accept": OPEN_METRICS} if open_metrics else {}
    status, answered, text = fetch(f"{address}/metrics", headers=headers)
    assert status == 200, text
    wanted = "application/openmetrics-text" if open_metrics else "text/plain; version=0.0.4"
    assert answered["Content-Type"].startswith(wanted), answered["Content-Type"]
    return Metrics(text, open_metrics)
