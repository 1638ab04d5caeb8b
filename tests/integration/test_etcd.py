#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The client of etcd against one member: what each call does, and what it refuses."""

from etcd_case import Cluster, Driver, EtcdTestCase, append, append_until_known, begin_term
from stockd_harness import main

BIG = 128 * 1024


class OneMember(EtcdTestCase):
    @classmethod
    def setUpClass(cls):
        cls.one = Cluster(1)

    @classmethod
    def tearDownClass(cls):
        cls.one.close()

    def setUp(self):
        self.driver = self.client(self.one.address)
        self.connected(self.driver)
        self.driver.answer("txn", then=[["delete", "a", "zzzz"]])

    def test_a_put_is_read_back_with_its_revisions(self):
        first = self.driver.put("key", "one")["revision"]
        second = self.driver.put("key", "two")["revision"]
        self.assertEqual(second, first + 1)
        self.assertEqual(self.driver.pairs("key"), {"key": ("two", first, second, 2)})
        self.assertEqual(self.driver.pairs("other"), {})

    def test_a_range_is_in_order_and_has_a_limit(self):
        self.driver.answer("txn", then=[["put", f"r/{i:02}", str(i)] for i in (7, 1, 5, 3)])
        found = self.driver.answer("range", key="r/", end="r0", limit=3)["found"]
        self.assertEqual([pair[:2] for pair in found["pairs"]],
                         [["r/01", "1"], ["r/03", "3"], ["r/05", "5"]])
        self.assertTrue(found["more"])
        self.assertEqual(found["count"], 4)
        found = self.driver.answer("range", key="r/05", end="r0", keys=True)["found"]
        self.assertEqual([pair[:2] for pair in found["pairs"]], [["r/05", ""], ["r/07", ""]])
        self.assertFalse(found["more"])

    def test_comparisons_decide_which_branch_is_taken(self):
        made = self.driver.put("have", "it")["revision"]
        self.driver.put("have", "it still")
        changed = self.driver.put("have", "it now")["revision"]
        cases = [
            (["have", "created", "=", made], True),
            (["have", "created", "!=", made], False),
            (["have", "created", "<", made + 1], True),
            (["have", "modified", "=", changed], True),
            (["have", "modified", "=", made], False),
            (["have", "modified", ">", made], True),
            (["have", "version", "=", 3], True),
            (["have", "version", ">", 3], False),
            (["lack", "created", "=", 0], True),
            (["lack", "modified", "=", 0], True),
            (["lack", "version", "=", 0], True),
            (["lack", "version", "!=", 0], False),
        ]
        for compare, expected in cases:
            reply = self.driver.answer("txn", compare=[compare], then=[["put", "then", str(compare)]],
                                       otherwise=[["range", "have", "", 0]])
            self.assertEqual(reply["succeeded"], expected, compare)
            self.assertEqual("then" in self.driver.pairs("then"), expected, compare)
            self.driver.answer("txn", then=[["delete", "then", ""]])
            if not expected:
                self.assertEqual(reply["results"][0]["pairs"][0][1], "it now")

    def test_all_comparisons_must_hold(self):
        self.driver.put("a1")
        reply = self.driver.answer("txn", compare=[["a1", "version", "=", 1], ["a2", "version", "=", 1]],
                                   then=[["put", "a3", ""]])
        self.assertFalse(reply["succeeded"])
        self.assertEqual(self.driver.pairs("a3"), {})

    def test_a_transaction_deletes_a_range(self):
        self.driver.answer("txn", then=[["put", f"d/{i}", ""] for i in range(9)])
        reply = self.driver.answer("txn", then=[["delete", "d/2", "d/6"], ["put", "e", "x"],
                                                ["range", "d/", "d0", 0]])
        self.assertEqual(reply["results"][0], {"deleted": 4})
        self.assertEqual(reply["results"][1], {"put": True})
        self.assertEqual([pair[0] for pair in reply["results"][2]["pairs"]],
                         ["d/0", "d/1", "d/6", "d/7", "d/8"])

    def test_a_new_term_fences_the_old_one(self):
        old = begin_term(self.driver, "n1")
        self.assertTrue(append_until_known(self.driver, old, 1, "first"))
        self.assertTrue(append_until_known(self.driver, old, 2, "second"))
        new = begin_term(self.client(self.one.address), "n2")
        self.assertFalse(append_until_known(self.driver, old, 3, "of n1"))
        self.assertTrue(append_until_known(self.driver, new, 3, "of n2"))
        self.assertEqual([value[0] for value in self.driver.pairs("log/", "log0").values()],
                         ["first", "second", "of n2"])

    def test_an_append_leaves_no_gap_and_replaces_nothing(self):
        term = begin_term(self.driver, "n1")
        self.assertTrue(append_until_known(self.driver, term, 1, "one"))
        reply = self.driver.reply(append(self.driver, term, 3, "three"))
        self.assertFalse(reply["succeeded"])
        reply = self.driver.reply(append(self.driver, term, 1, "another"))
        self.assertFalse(reply["succeeded"])
        self.assertEqual(reply["results"][0]["pairs"][0][1], "one")

    def test_several_are_under_way_at_once(self):
        term = begin_term(self.driver, "n1")
        total, depth = 2_000, 3
        tags = []
        for number in range(1, total + 1):
            tags.append(append(self.driver, term, number, f"batch {number}"))
            if len(tags) == depth:
                self.assertTrue(append_until_known(self.driver, term, number - depth + 1,
                                                   f"batch {number - depth + 1}", tags.pop(0)))
        for number, tag in zip(range(total - len(tags) + 1, total + 1), tags):
            self.assertTrue(append_until_known(self.driver, term, number, f"batch {number}", tag))
        found = self.driver.answer("range", key="log/", end="log0", limit=1)["found"]
        self.assertEqual(found["count"], total)

    def test_no_more_calls_than_there_is_room_for(self):
        tags = [self.driver.submit("range", key="x") for _ in range(40)]
        replies = [self.driver.reply(tag) for tag in tags]
        refused = [reply for reply in replies if reply.get("submit") == "EAGAIN"]
        answered = [reply for reply in replies if reply.get("outcome") == "answered"]
        self.assertEqual(len(refused) + len(answered), 40)
        self.assertGreaterEqual(len(answered), 7)

    def test_big_values(self):
        for size in (BIG - 1, BIG, 200_000):
            value = "v" * size
            self.driver.put("big", value)
            self.assertEqual(self.driver.pairs("big")["big"][0], value)
        reply = self.driver.ask("txn", then=[["put", "big", "v" * 300_000]])
        self.assertEqual(reply["submit"], "EMSGSIZE")

    def test_many_big_values_come_in_one_range(self):
        for i in range(7):
            self.driver.put(f"big/{i}", str(i) * BIG)
        found = self.driver.pairs("big/", "big0")
        self.assertEqual({key: len(value[0]) for key, value in found.items()},
                         {f"big/{i}": BIG for i in range(7)})

    def test_a_reply_that_is_larger_than_its_room(self):
        self.driver.put("big/1", "1" * BIG)
        small = self.client(self.one.address, "--reply-max", 100_000)
        reply = small.ask("range", key="big/1")
        self.assertEqual((reply["outcome"], reply["error"]), ("unknown", "too large"))
        self.assertEqual(small.pairs("nothing"), {}, "the connection goes on")

    def test_compaction(self):
        first = self.driver.put("c", "1")["revision"]
        last = self.driver.put("c", "2")["revision"]
        self.driver.answer("compact", revision=first)
        reply = self.driver.ask("compact", revision=first)
        self.assertEqual((reply["outcome"], reply["error"]), ("refused", "compacted"))
        reply = self.driver.ask("compact", revision=last + 1000)
        self.assertEqual((reply["outcome"], reply["error"]), ("refused", "compacted"))
        self.assertEqual(self.driver.pairs("c")["c"][0], "2")

    def test_status(self):
        member = self.driver.answer("status")["member"]
        self.assertGreater(member["size"], 0)
        self.assertGreater(member["in_use"], 0)
        self.assertGreaterEqual(member["size"], member["in_use"])
        self.assertGreaterEqual(member["term"], 2)
        self.assertTrue(member["leader"])
        self.assertFalse(member["learner"])
        self.assertRegex(member["version"], r"^3\.\d")
        self.assertEqual(member["alarm"], "")

    def test_a_bad_request_is_refused_in_etcds_words(self):
        reply = self.driver.ask("txn", then=[["put", "", "x"]])
        self.assertEqual((reply["outcome"], reply["error"]), ("refused", "bad request"))
        self.assertIn("key is not provided", reply["why"])
        reply = self.driver.ask("txn", then=[["put", "x", "1"], ["put", "x", "2"]])
        self.assertEqual((reply["outcome"], reply["error"]), ("refused", "bad request"))
        self.assertIn("duplicate key", reply["why"])
        self.assertEqual(self.driver.pairs("x"), {})


class Addresses(EtcdTestCase):
    def ends_with(self, why, *arguments):
        driver = Driver(*arguments)
        driver.end()
        self.assertEqual(driver.process.returncode, 2)
        self.assertIn(why, driver.said[0])

    def test_what_is_no_address(self):
        for address in ("", "127.0.0.1:2379", "http://127.0.0.1:2379"):
            self.ends_with("must begin with etcd:// or etcds://", address)
        for address in ("etcd://", "etcd://host", "etcd://host:0", "etcd://host:65536", "etcd://a:1,",
                        "etcd://host:1/", "etcd://::1:2379", "etcd://:2379"):
            self.ends_with("must be HOST:PORT", address)
        self.ends_with("more than 9 members", "etcd://" + ",".join(["a:1"] * 10))
        self.ends_with("certificates are for etcds://", "etcd://a:1", "--ca", "/dev/null")

    def test_a_name_is_resolved(self):
        cluster = self.cluster(1)
        driver = self.client(cluster.address_of(cluster.members, "localhost"))
        driver.put("a", "1")
        self.assertTrue(driver.connected().startswith("localhost:"))

    def test_a_name_that_there_is_not(self):
        driver = self.client("etcd://no-such-host.invalid:2379")
        reply = driver.ask("range", key="a", within=1500)
        self.assertEqual((reply["outcome"], reply["error"]), ("refused", "not connected"))
        self.assertIn("no-such-host.invalid:2379", reply["why"])

    def test_a_member_that_there_is_not(self):
        driver = self.client("etcd://127.0.0.1:1")
        reply = driver.ask("txn", then=[["put", "a", "1"]], within=500)
        self.assertEqual((reply["outcome"], reply["error"]), ("refused", "not connected"))
        self.assertIn("127.0.0.1:1: Connection refused", reply["why"])


if __name__ == "__main__":
    main()
