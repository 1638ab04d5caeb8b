#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a node says, refuses and ends for, one case at a time (docs/CLUSTER.md)."""

import os
import shutil
import signal
import unittest

from etcd_case import Cluster
from nodes_case import BEHIND, HANDED_OVER, MISPLACED, REFUSED, REPLACED, Line, Node, Trio, ms
from stockd_harness import main


class Rules(unittest.TestCase):
    def trio(self, *options, **kwargs):
        trio = Trio(options=options, **kwargs)
        self.addCleanup(trio.close)
        trio.progress()
        return trio

    def ended(self, trio, node, reason):
        """Waits until the node has ended for that reason; returns what it said."""
        def found():
            return next((why for name, end, why in trio.ends if (name, end) == (node.name, reason)), None)
        return trio.wait(found, f"{node.name} to end for reason {reason}; it was {trio.ends}")

    def reply(self, trio, node, *request):
        with trio.come:
            count = len(trio.replied)
        node.tell(*request)
        trio.wait(lambda: len(trio.replied) > count, f"a reply to {request}")
        return trio.replied[count][1:]

    def test_a_refused_primary_starts_again(self):
        trio = self.trio()
        primary = trio.primary()
        trio.suspect(trio.standbys(), primary)
        self.assertIn("taken the term", self.ended(trio, primary, REFUSED))
        trio.wait(lambda: trio.status(primary)["primary"] not in ("", primary.name),
                  "it to hear of the new one")
        trio.progress()

    def hand_over(self, trio, primary, to, expected):
        """Asks again if another node was quicker, as it may be on a busy machine."""
        def asked():
            answer = self.reply(trio, primary(), "handover", to.name)
            return answer if answer == expected else None
        trio.wait(asked, f"a handover to be answered with {expected}")

    def test_a_handover(self):
        trio = self.trio()
        to = trio.standbys()[0]
        self.hand_over(trio, trio.primary, to, (True, ""))
        trio.wait(lambda: any(end == HANDED_OVER for _, end, _ in trio.ends), "the old one to end")
        trio.wait(lambda: any(name == to.name for _, name, *_ in trio.serves), "the new one to serve")
        self.hand_over(trio, lambda: trio.standbys()[0], to, (False, "this node is not the primary"))
        trio.settle()

    def test_a_handover_to_nobody_is_taken_back(self):
        trio = self.trio()
        to = trio.standbys()[0]
        to.kill()
        self.hand_over(trio, trio.primary, to, (False, "the other node has not taken the term"))
        self.assertFalse(trio.holds_key("handover"))
        trio.progress()

    def test_a_primary_that_is_cut_off_is_read_only(self):
        trio = self.trio()
        for node in trio.nodes.values():
            node.cut()
        trio.wait(lambda: any(trio.status(node)["stale"] == "1" for node in trio.nodes.values()),
                  "the primary to be stale")
        trio.wait(lambda: any(reason == 1 for _, reason in trio.hindered), "it to be read-only")
        with trio.come:
            answered = trio.answered
        ms(300)
        self.assertEqual(trio.answered, answered)
        for node in trio.nodes.values():
            node.heal()
        trio.progress()
        trio.wait(lambda: trio.status(trio.primary())["stale"] == "0", "the primary to be up to date")

    def test_etcd_that_is_nearly_full(self):
        trio = self.trio("--quota", 300_000)
        trio.wait(lambda: any(reason == 2 for _, reason in trio.hindered), "the primary to be read-only")
        trio.wait(lambda: int(trio.status(trio.primary())["etcd"]) > 0, "etcd's size")

    def test_what_a_status_says(self):
        trio = self.trio(members=3)
        trio.wait(lambda: trio.status(trio.primary())["survives"] == "1", "a loss to be survived")
        trio.wait(lambda: int(trio.status(trio.primary())["p50"]) > 0, "commits to be counted")
        self.assertEqual(trio.status(trio.primary())["peers"], "3")
        gone, other = trio.standbys()
        gone.kill()
        self.assertEqual(self.reply(trio, other, "leave", gone.name), (True, ""))
        trio.wait(lambda: trio.status(other)["peers"] == "2", "the node to be forgotten")
        self.assertEqual(self.reply(trio, other, "leave", gone.name),
                         (False, "there is no node of this name"))

    def test_a_node_that_leaves(self):
        trio = self.trio()
        node = trio.standbys()[0]
        trio.allowed.add(node.name)
        self.assertTrue(self.reply(trio, node, "leave", node.name)[0])
        self.assertIn("left", self.ended(trio, node, REPLACED))

    def test_a_copied_directory(self):
        trio = self.trio()
        node = trio.standbys()[0]
        trio.allowed.add(node.name)
        trio.wait(lambda: int(trio.status(node)["last"]) > 10, "it to follow")
        for other in trio.nodes.values():
            other.tell("quiet", 1)
        ms(300)  # until it has nothing more to say
        node.process.send_signal(signal.SIGSTOP)
        first, readers = node.process, node.readers
        node.start()  # from the same directory
        trio.wait(lambda: trio.status(node)["role"] == "follows", "the second to follow")
        first.send_signal(signal.SIGCONT)
        self.assertIn("another process has registered", self.ended(trio, node, REPLACED))
        first.kill()
        first.wait()
        for reader in readers:
            reader.join()
        for stream in (first.stdin, first.stdout, first.stderr):
            stream.close()

    def test_a_name_that_is_taken(self):
        trio = self.trio()
        node = trio.standbys()[0]
        trio.allowed.add(node.name)
        other = Node(trio, node.name)
        other.directory = os.path.join(trio.directory, "elsewhere")
        os.mkdir(other.directory)
        self.addCleanup(lambda: [line.close() for line in other.lines])
        other.start()
        self.addCleanup(other.stop)
        self.assertIn(f"the name {node.name} is taken", self.ended(trio, node, MISPLACED))
        trio.progress()

    def test_an_older_copy_of_a_journal(self):
        trio = self.trio()
        node = trio.standbys()[0]
        trio.allowed.add(node.name)
        node.kill()
        copy = shutil.copy(node.journal, node.journal + ".copy")
        kept = os.path.getsize(copy)
        node.start()
        trio.progress(50)
        trio.wait(lambda: os.path.getsize(node.journal) > kept, "the journal to grow")
        ms(300)  # until it has said that it keeps more
        node.kill()
        os.replace(copy, node.journal)
        node.start()
        self.assertIn("lost batches, or is an older copy", self.ended(trio, node, MISPLACED))

    def test_a_standby_that_falls_behind_copies(self):
        trio = self.trio("--keep", 20_000)
        node = trio.standbys()[0]
        before = int(trio.status(node)["last"])
        node.process.send_signal(signal.SIGSTOP)
        trio.wait(lambda: int(trio.status(trio.primary())["trimmed"]) > before, "a trim")
        node.process.send_signal(signal.SIGCONT)
        self.ended(trio, node, BEHIND)
        trio.wait(lambda: int(trio.status(node)["last"]) > before, "it to follow again")
        trio.settle()

    def test_an_etcd_without_the_cluster_that_a_journal_was_in(self):
        trio = self.trio()
        node = trio.standbys()[0]
        trio.wait(lambda: int(trio.status(node)["last"]) > 10, "it to follow")
        node.kill()
        trio.allowed.add(node.name)
        empty = Cluster(1)
        self.addCleanup(empty.close)
        for line in node.lines:
            line.close()
        node.lines = [Line(member.endpoint) for member in empty.members]
        node.start()
        self.assertIn("etcd has no cluster of this name", self.ended(trio, node, MISPLACED))

    def test_a_journal_of_another_cluster(self):
        trio, other = self.trio(), self.trio()
        node = trio.standbys()[0]
        trio.wait(lambda: int(trio.status(node)["last"]) > 10, "it to follow")
        node.kill()
        trio.allowed.add(node.name)
        for line in node.lines:
            line.close()
        node.lines = [Line(member.endpoint) for member in other.etcd.members]
        node.start()
        self.assertIn("another cluster's", self.ended(trio, node, MISPLACED))


if __name__ == "__main__":
    main()
