# SPDX-License-Identifier: Apache-2.0
"""stockctl with the addresses of several nodes: it finds the primary, and sends again what was not answered."""

import json
import os
import subprocess

from node_case import LOSE_REPLY, LOSE_REQUEST, Node
from stockctl_case import DONE, REFUSED, UNREACHABLE, StockctlTestCase
from stockd_harness import BIN_DIR, CALL_TIMEOUT, main, reap, run_program, spawn, unique, wait_until

NOBODY = "127.0.0.1:1"  # a port at which nothing listens


class Cluster(StockctlTestCase):
    options = ("--durability", "none")

    def node(self, **kwargs):
        node = Node(self.server.tcp, **kwargs)
        self.addCleanup(node.__exit__)
        return node

    def at(self, nodes, *args, expect=DONE, **kwargs):
        """stockctl with these nodes, in this order; its standard output."""
        addresses = ",".join(node if isinstance(node, str) else node.address for node in nodes)
        done = run_program("stockctl", "-s", addresses, *args, **kwargs)
        self.err = done.err
        self.assertEqual(done.code, expect, f"stockctl {args!r:.300}\nout: {done.out}\nerr: {done.err}")
        return done.out

    def received(self, nodes, qty=3):
        """Takes stock in, at these nodes; it must then be there once."""
        sku = unique("SKU")
        self.at(nodes, "receive", sku, "main", str(qty), "--id", unique("id"))
        self.assertEqual(self.figures(sku)[0], qty)
        return sku


class Redirects(Cluster):
    def test_a_change_goes_to_the_primary(self):
        b = self.node(primary=True)
        a = self.node(names=b.address, term=4)
        self.received([a, b])
        self.assertEqual((a.refusals, b.taken), (1, 1))

    def test_a_primary_that_is_not_on_the_list_is_found(self):
        b = self.node(primary=True)
        a = self.node(names=b.address, term=4)
        self.received([a])

    def test_a_question_is_asked_where_it_is(self):
        a = self.node(names=NOBODY, term=4)
        sku = self.stocked(5)
        self.at([NOBODY, a], "item", sku)
        self.assertEqual(a.refusals, 0)

    def test_there_is_no_primary_for_a_moment(self):
        a, b = self.node(), self.node()
        b.promoted_after = 3
        self.received([a, b])
        self.assertGreaterEqual(a.refusals, 3, "they were asked in turn")

    def test_an_old_primary_s_word_sends_nobody_back(self):
        """A stale node names one that is long gone; the others know better."""
        gone = self.node()
        gone.down()
        primary = self.node(primary=True)
        stale = self.node(names=gone.address, term=2)
        knows = self.node(names=stale.address, term=9)
        self.received([knows, stale, primary])
        self.assertEqual((knows.refusals, stale.refusals, primary.taken), (1, 1, 1))

    def test_two_that_name_each_other_end_in_time(self):
        a, b = self.node(term=3), self.node(term=3)
        a.names, b.names = b.address, a.address
        self.at([a, b], "receive", unique("SKU"), "main", "1", expect=UNREACHABLE)
        self.assertIn(f"{a.address}: not the primary; {b.address} is", self.err)
        self.assertIn(f"{b.address}: not the primary; {a.address} is", self.err)
        self.assertLess(a.refusals + b.refusals, 200, "with pauses")

    def test_a_node_that_is_cut_off_is_left(self):
        b = self.node(primary=True)
        a = self.node(primary=True)
        a.read_only = True
        self.received([a, b])

    def test_read_only_is_the_answer_if_it_is_the_primary_s(self):
        a = self.node(primary=True)
        a.read_only = True
        b = self.node(names=a.address, term=2)
        self.at([b, a], "receive", unique("SKU"), "main", "1", expect=REFUSED)
        self.assertIn("read_only", self.err)


class Losses(Cluster):
    def lost(self, fate):
        """The primary dies at the change, and another one takes over."""
        a, b = self.node(primary=True), self.node()
        b.names = a.address
        a.fates.append(fate)
        a.then = b.become_primary
        self.received([a, b])
        self.assertEqual(len(a.tried), 1)
        self.assertEqual(a.tried[0], b.tried[-1], "the same change, with its id")

    def test_what_the_primary_had_not_done_is_done_by_the_next(self):
        self.lost(LOSE_REQUEST)

    def test_what_the_primary_had_done_is_not_done_twice(self):
        self.lost(LOSE_REPLY)

    def test_the_next_one_does_not_know_yet(self):
        """For a moment it still names the one that is gone."""
        a, b = self.node(primary=True), self.node()
        b.names, b.promoted_after = a.address, 4
        a.fates.append(LOSE_REPLY)
        self.received([a, b])
        self.assertEqual(b.refusals, 4)

    def test_if_none_helps_each_is_named_with_its_reason(self):
        a = self.node()
        self.at([NOBODY, a, "127.0.0.1:2"], "receive", unique("SKU"), "main", "1", expect=UNREACHABLE)
        self.assertEqual(self.err.count("\n"), 1)
        self.assertIn(f"{NOBODY}: cannot connect: Connection refused; "
                      f"{a.address}: not the primary, and there is none (term 1); "
                      "127.0.0.1:2: cannot connect: Connection refused", self.err)

    def test_nobody_there(self):
        self.at([NOBODY, "127.0.0.1:2"], "ping", expect=UNREACHABLE)
        self.assertEqual(self.err, f"stockctl: {NOBODY}: cannot connect: Connection refused; "
                                   "127.0.0.1:2: cannot connect: Connection refused\n")

    def test_a_list_that_is_none(self):
        for wrong in ("127.0.0.1:1,", ",127.0.0.1:1", "127.0.0.1:1,nonsense"):
            done = run_program("stockctl", "-s", wrong, "ping")
            self.assertEqual(done.code, 2, wrong)
            self.assertIn("the address must be", done.err)


class Pipelines(Cluster):
    ROWS = 3000

    def imported(self, fate, after):
        skus = [unique("SKU") for _ in range(10)]
        rows = "".join(f"{unique('id')},{skus[i % 10]},main,1\n" for i in range(self.ROWS))
        path = self.file("id,sku,location,qty\n" + rows)
        a, b = self.node(primary=True), self.node()
        b.names = a.address
        a.fates.append(fate)
        a.after = after
        b.promoted_after = 2
        self.at([a, b], "import", "receive", path)
        self.assertEqual(sum(self.figures(sku)[0] for sku in skus), self.ROWS)
        self.assertEqual(a.listener, None, "it died in the middle")

    def test_an_import_goes_on_elsewhere(self):
        self.imported(LOSE_REQUEST, 700)

    def test_an_import_does_nothing_twice(self):
        self.imported(LOSE_REPLY, 700)

    def test_an_import_begins_at_a_standby(self):
        b = self.node(primary=True)
        a = self.node(names=b.address)
        sku = unique("SKU")
        path = self.file("sku,location,qty\n" + f"{sku},main,1\n" * 50)
        self.at([a, b], "import", "receive", path)
        self.assertEqual(self.figures(sku)[0], 50)

    def test_an_import_without_a_primary_ends(self):
        a = self.node()
        path = self.file(f"sku,location,qty\n{unique('SKU')},main,1\n")
        self.at([a, NOBODY], "import", "receive", path, expect=UNREACHABLE, timeout=CALL_TIMEOUT)
        self.assertIn(f"{a.address}: not the primary", self.err)
        self.assertIn(f"{NOBODY}: cannot connect", self.err)

    def test_a_replay_goes_on_elsewhere(self):
        skus = [self.stocked(1000) for _ in range(5)]
        orders = "".join(f"{unique('o')},default,{skus[i % 5]},1\n" for i in range(300))
        path = self.file("order_id,channel,sku,qty\n" + orders)
        a, b = self.node(primary=True), self.node()
        b.names = a.address
        a.fates.append(LOSE_REPLY)
        a.after = 200
        b.promoted_after = 3
        self.at([a, b], "replay", path)
        self.assertEqual(sum(self.figures(sku)[0] for sku in skus), 5000 - 300)
        self.assertEqual(a.listener, None)


class Sessions(Cluster):
    def test_the_shell_goes_on(self):
        a, b = self.node(primary=True), self.node()
        a.fates.extend([LOSE_REPLY])
        a.after = 1
        a.then = b.become_primary
        sku = unique("SKU")
        lines = "".join(f"receive {sku} main 1 --id {unique('id')}\n" for _ in range(4))
        self.at([a, b], stdin=lines)
        self.assertEqual(self.figures(sku)[0], 4)
        self.assertEqual(a.listener, None)

    def follow(self, nodes, *args):
        """A stockctl that runs until the test's end."""
        addresses = ",".join(node.address for node in nodes)
        process = spawn([os.path.join(BIN_DIR, "stockctl"), "-s", addresses, *args],
                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

        def end():
            process.terminate()
            reap(process, CALL_TIMEOUT)
            process.stdout.close()
            process.stderr.close()
        self.addCleanup(end)
        return process

    def sell_and_return(self, sku):
        """Two events."""
        reservation = self.reserved([[sku, 1]])
        self.call("cancel", reservation)

    def watched(self, behind):
        a, b = self.node(primary=True), self.node(primary=True)
        b.behind = behind
        sku = self.stocked(1)
        process = self.follow([a, b], "-o", "ndjson", "watch", "--events", "--sku", sku)
        wait_until(lambda: a.subscriptions, CALL_TIMEOUT, what="a subscription at the first node")
        self.sell_and_return(sku)
        events = [json.loads(process.stdout.readline()) for _ in range(2)]
        a.down()
        for _ in range(3):
            self.sell_and_return(sku)
        events += [json.loads(process.stdout.readline()) for _ in range(6)]
        self.assertEqual([event["type"] for event in events], ["sold_out", "back_in_stock"] * 4)
        self.assertEqual(len({event["lsn"] for event in events}), 8)
        self.assertEqual(b.behind, 0)

    def test_watch_goes_on_from_its_lsn(self):
        self.watched(behind=0)

    def test_watch_waits_for_a_node_that_is_behind(self):
        self.watched(behind=2)

    def test_watch_begins_at_a_node_that_is_behind(self):
        a, b = self.node(primary=True), self.node(primary=True)
        a.behind = 2
        sku = self.stocked(1)
        lsn = self.call("info")["lsn"]
        self.sell_and_return(sku)
        process = self.follow([a, b], "-o", "ndjson", "watch", "--events", "--sku", sku, "--since", str(lsn))
        events = [json.loads(process.stdout.readline()) for _ in range(2)]
        self.assertEqual([event["type"] for event in events], ["sold_out", "back_in_stock"])
        self.assertEqual(a.behind, 0)

    def test_top_goes_on(self):
        a, b = self.node(primary=True), self.node(primary=True)
        process = self.follow([a, b], "top", "-d", "0.2")
        for _ in range(3):
            self.assertNotEqual(process.stdout.readline(), "")
        a.down()
        for _ in range(4):
            self.assertNotEqual(process.stdout.readline(), "")


class Killed(StockctlTestCase):
    """A real engine, at two addresses, killed and started on the same journal."""

    def test_kill_9_in_the_middle_of_an_import(self):
        rows = 40000
        skus = [unique("SKU") for _ in range(20)]
        path = self.file("id,sku,location,qty\n" +
                         "".join(f"{unique('id')},{skus[i % 20]},main,1\n" for i in range(rows)))
        process = spawn([os.path.join(BIN_DIR, "stockctl"), "-s", f"{self.server.unix},{NOBODY}", "import", "receive",
                         path], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            wait_until(lambda: process.poll() is not None or self.client.call("info")["lsn"] > 1000, CALL_TIMEOUT,
                       what="rows that are booked")
            self.server.restart(kill=True)
            out, _ = process.communicate(timeout=CALL_TIMEOUT)
        finally:
            if process.poll() is None:
                process.kill()
                reap(process, CALL_TIMEOUT)
        self.assertEqual(process.returncode, DONE, out)
        self.reconnect()
        self.assertEqual([self.figures(sku)[0] for sku in skus], [rows // 20] * 20, "each row once")


if __name__ == "__main__":
    main()
