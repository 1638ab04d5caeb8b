# SPDX-License-Identifier: Apache-2.0
"""stockbench with several addresses: nothing is lost, and nothing done twice, when its node dies or is no longer the primary."""

import json
import os
import signal
import subprocess
import tempfile
import unittest

from node_case import LOSE_REPLY, LOSE_REQUEST, Node
from stockd_harness import BIN_DIR, CALL_TIMEOUT, Server, StockdTestCase, main, reap, run_program, spawn, unique, wait_until

SHORT = ("--seconds", "1", "--warmup", "0.1", "--items", "50", "--connections", "3", "--window", "8")


def of(nodes):
    return ",".join(node.address for node in nodes)


class Nodes(StockdTestCase):
    """Scripted nodes before one engine."""

    options = ("--durability", "none")

    def node(self, **kwargs):
        node = Node(self.server.tcp, **kwargs)
        self.addCleanup(node.__exit__)
        return node

    def bench(self, nodes, *args, code=0):
        done = run_program("stockbench", "-s", of(nodes), "--json", *args, timeout=CALL_TIMEOUT)
        self.assertEqual(done.code, code, f"{done.err}\n{done.out}")
        return json.loads(done.out) if code == 0 else done.err

    def stock(self, *args):
        done = run_program("stockbench", "-s", self.server.tcp, "--setup", *args)
        self.assertEqual(done.code, 0, done.err)

    def died(self, workload, fate, *args):
        """The primary dies under load, and another one takes over after some refusals."""
        a, b = self.node(primary=True), self.node()
        b.names = a.address
        self.stock("--workload", workload, *SHORT)
        a.fates.append(fate)
        a.after = 40
        b.promoted_after = 3
        result = self.bench([a, b], "--workload", workload, "--check", *SHORT, *args)
        self.assertIsNone(a.listener, "it died")
        self.assertEqual(result["errors"], 0, result["error_codes"])
        self.assertTrue(result["units_add_up"], result["runs"])
        self.assertGreaterEqual(result["moves"], 3, "each of its connections")
        self.assertGreater(result["resent"], 0)
        return a, b

    def test_what_was_not_done_is_done_later(self):
        self.died("reserve-cancel", LOSE_REQUEST)

    def test_what_was_done_is_not_done_twice(self):
        self.died("order", LOSE_REPLY)

    def test_a_fixed_rate_goes_on(self):
        self.died("order", LOSE_REPLY, "--rate", "400")

    def test_many_at_once(self):
        self.died("multi-line", LOSE_REPLY)

    def test_the_items_are_stocked_by_whoever_is_primary(self):
        b = self.node(primary=True)
        a = self.node(names=b.address)
        done = run_program("stockbench", "-s", of([a, b]), "--setup", "--items", "700")
        self.assertEqual(done.code, 0, done.err)
        self.assertGreater(b.got["receive"], 0)
        self.assertIn("700", done.err)

    def test_it_begins_at_a_standby(self):
        b = self.node(primary=True)
        a = self.node(names=b.address)
        result = self.bench([a, b], "--workload", "reserve-cancel", "--check", *SHORT)
        self.assertEqual(result["errors"], 0, result["error_codes"])
        self.assertTrue(result["units_add_up"])
        self.assertGreaterEqual(result["moves"], 2, "the first connection moved with the stock")

    def test_transfers_go_on(self):
        self.died("transfer", LOSE_REPLY, "--window", "12")

    def test_a_mix_with_questions(self):
        a, _ = self.died("mixed", LOSE_REPLY)
        self.assertGreater(a.taken, 40)

    def test_a_replay_goes_on(self):
        skus = [self.stocked(1000) for _ in range(5)]
        with tempfile.NamedTemporaryFile("w", suffix=".csv", delete=False) as file:
            file.write("order_id,channel,sku,qty\n")
            file.writelines(f"{unique('o')},default,{skus[i % 5]},1\n" for i in range(300))
        self.addCleanup(os.unlink, file.name)
        a, b = self.node(primary=True), self.node()
        b.names = a.address
        a.fates.append(LOSE_REPLY)
        a.after = 200
        b.promoted_after = 3
        result = self.bench([a, b], "--workload", "replay", "--orders", file.name, "--connections", "3", "--check")
        self.assertIsNone(a.listener)
        self.assertEqual(result["errors"], 0, result["error_codes"])
        self.assertEqual(sum(self.figures(sku)[0] for sku in skus), 5000 - 300)
        self.assertGreater(result["resent"], 0)

    def test_what_needs_one_address_says_so(self):
        for workload in ("connect", "echo"):
            done = run_program("stockbench", "-s", "127.0.0.1:1,127.0.0.1:2", "--workload", workload)
            self.assertEqual(done.code, 2)
            self.assertIn("one address is needed", done.err)

    def test_the_report_tells_people_too(self):
        b = self.node(primary=True)
        a = self.node(names=b.address)
        done = run_program("stockbench", "-s", of([a, b]), *SHORT)
        self.assertEqual(done.code, 0, done.err)
        self.assertRegex(done.out, r"resent +\d+ requests, in \d+ moves to another node")


class Killed(unittest.TestCase):
    """A real engine, at two addresses, killed under load and started on the same journal."""

    def test_kill_9_under_load(self):
        with Server() as server:
            args = ("--workload", "order", "--items", "50", "--connections", "4", "--window", "16")
            done = run_program("stockbench", "-s", server.tcp, "--setup", *args)
            self.assertEqual(done.code, 0, done.err)
            port = server.tcp.rpartition(":")[2]
            process = spawn([os.path.join(BIN_DIR, "stockbench"), "-s", f"{server.unix},127.0.0.1:{port}", "--json",
                             "--check", "--seconds", "6", "--warmup", "0", *args],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            try:
                for _ in range(2):
                    with server.client() as client:
                        before = client.call("info")["lsn"]
                        wait_until(lambda client=client, before=before: client.call("info")["lsn"] > before + 5000,
                                   CALL_TIMEOUT, what="load")
                    server.restart(kill=True)
                out, err = process.communicate(timeout=CALL_TIMEOUT)
            finally:
                if process.poll() is None:
                    process.send_signal(signal.SIGKILL)
                    reap(process, CALL_TIMEOUT)
            self.assertEqual(process.returncode, 0, f"{err}\n{out}")
            result = json.loads(out)
            self.assertEqual(result["errors"], 0, result["error_codes"])
            self.assertTrue(result["units_add_up"], result["runs"])
            self.assertGreaterEqual(result["moves"], 4)
            self.assertGreater(result["resent"], 0)


if __name__ == "__main__":
    main()
