#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Summarizes the tests of a stage: a line of counts, then what failed or was skipped, and why.

test-report.py REPORT.xml   CTest's JUnit report
test-report.py --self-test
"""

import re
import sys
import xml.etree.ElementTree as xml

WHY_MOST = 160
PART = re.compile(r"^SKIPPED:? ?(.*)$", re.M)  # some tests of a script, by stockd_harness.main()


def last_line(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:WHY_MOST] if lines else "it says nothing"


def report(root):
    """Yields lines."""
    cases = list(root.iter("testcase"))
    failed, skipped, parts = [], [], []
    for case in cases:
        name, said = case.get("name"), case.findtext("system-out") or ""
        failure = case.find("failure")
        if failure is not None:
            why = failure.get("message") or "Failed"
            failed.append(f"failed   {name} ({why}): {last_line(said)}")
        elif case.find("skipped") is not None:
            skipped.append(f"skipped  {name}: {last_line(said)}")
        else:
            parts += [f"skipped  {name}, in part: {why[:WHY_MOST]}" for why in PART.findall(said)]
    yield f"{len(cases)} tests, {len(failed)} failed, {len(skipped)} skipped"
    yield from failed + skipped + parts


SAMPLE = """<testsuite>
<testcase name="unit/a" status="run"><system-out>fine</system-out></testcase>
<testcase name="unit/b" status="fail"><failure message="Timeout"/><system-out>x
HUNG: it waits for y

</system-out></testcase>
<testcase name="style/tidy" status="notrun"><skipped message="SKIP_RETURN_CODE=77"/>
<system-out>clang-tidy is not installed</system-out></testcase>
<testcase name="integration/d" status="run"><system-out>ok
SKIPPED d.T.test_disk: needs root
</system-out></testcase>
</testsuite>"""


def self_test():
    got = list(report(xml.fromstring(SAMPLE)))
    wanted = [
        "4 tests, 1 failed, 1 skipped",
        "failed   unit/b (Timeout): HUNG: it waits for y",
        "skipped  style/tidy: clang-tidy is not installed",
        "skipped  integration/d, in part: d.T.test_disk: needs root",
    ]
    if got != wanted:
        print(f"wanted {wanted},\ngot    {got}")
    return got != wanted


if __name__ == "__main__":
    if sys.argv[1] == "--self-test":
        sys.exit(self_test())
    print("\n".join(report(xml.parse(sys.argv[1]).getroot())))
