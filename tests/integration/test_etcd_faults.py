#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The client of etcd while members fail: it goes on with another one, says of no call more than is
known, and loses nothing that was answered."""

import contextlib
import os
import socket
import subprocess
import threading

from etcd_case import ETCDCTL, EtcdTestCase, Proxy, append, append_until_known, begin_term
from stockd_harness import PATIENCE, SLOW, main, wait_until

DEPTH = 3
SHORT_MS = int(1000 * SLOW * PATIENCE)  # of a call that must not be answered


class ThreeMembers(EtcdTestCase):
    def setUp(self):
        self.three = self.cluster(3)
        self.driver = self.client(self.three.address)
        self.connected(self.driver)

    def member_of(self, driver):
        endpoint = self.connected(driver)
        return next(m for m in self.three.members if m.endpoint == endpoint)

    def fill(self, term, first, last, disturb):
        """Appends those batches, DEPTH at once, and settles each; calls disturb(number) meanwhile."""
        tags = {}
        for number in range(first, last + DEPTH + 1):
            if number <= last:
                tags[number] = append(self.driver, term, number, f"batch {number}")
                disturb(number)
            settled = number - DEPTH
            if settled >= first:
                self.assertTrue(append_until_known(self.driver, term, settled, f"batch {settled}",
                                                   tags.pop(settled)), settled)

    def assert_log(self, last):
        log = self.driver.pairs("log/", "log0")
        self.assertEqual([value[0] for value in log.values()], [f"batch {n}" for n in range(1, last + 1)])
        self.assertEqual({value[3] for value in log.values()}, {1}, "each was put once")

    def test_members_that_are_killed(self):
        term = begin_term(self.driver, "n1")
        killed = []

        def disturb(number):
            if number % 100 == 50:
                if killed:
                    killed.pop().start()
                    wait_until(self.all_answer, timeout=120, what="the members to answer again")
                member = self.member_of(self.driver)
                member.kill()
                killed.append(member)

        self.fill(term, 1, 500, disturb)
        self.assert_log(500)

    def all_answer(self):
        for member in self.three.members:
            driver = self.client(self.three.address_of([member]))
            if driver.ask("range", key="term", within=SHORT_MS)["outcome"] != "answered":
                return False
        return True

    def test_a_member_that_is_stopped_as_it_should(self):
        term = begin_term(self.driver, "n1")

        def disturb(number):
            if number == 50:
                self.member_of(self.driver).stop()

        self.fill(term, 1, 100, disturb)
        self.assert_log(100)

    def test_a_member_that_hangs(self):
        term = begin_term(self.driver, "n1")
        hung = self.member_of(self.driver)
        hung.pause()
        tags = [append(self.driver, term, number, f"batch {number}", within=SHORT_MS)
                for number in (1, 2, 3)]
        replies = [self.driver.reply(tag) for tag in tags]
        for reply in replies:
            self.assertEqual(reply["outcome"], "unknown", reply)
            self.assertIn(reply["error"], ("timed out", "connection lost"))
        self.fill(term, 1, 20, lambda number: None)
        self.assertNotEqual(self.connected(self.driver), hung.endpoint)
        hung.resume()
        self.fill(term, 21, 40, lambda number: None)
        self.assert_log(40)

    def test_nothing_is_done_twice(self):
        """Puts that nothing but the client keeps from being repeated, while members die."""
        tags = []
        for number in range(1, 301):
            tags.append(self.driver.submit("txn", then=[["put", "count", "x" * 10_000]]))
            if number in (100, 200):
                member = self.member_of(self.driver)
                member.kill()
                member.start()
            if len(tags) >= DEPTH:
                self.driver.reply_kept(tags[-DEPTH])
        outcomes = [self.driver.reply(tag)["outcome"] for tag in tags]
        answered, unknown = outcomes.count("answered"), outcomes.count("unknown")
        self.assertEqual(answered + unknown, 300)
        version = self.driver.pairs("count")["count"][3]
        self.assertGreaterEqual(version, answered)
        self.assertLessEqual(version, answered + unknown)

    def test_what_a_hung_member_has_not_read_goes_to_another(self):
        member = self.member_of(self.driver)
        member.pause()
        first = self.driver.submit("range", key="a", within=SHORT_MS)
        tags = [self.driver.submit("txn", compare=[[f"big/{i}", "created", "=", 0]],
                                   then=[["put", f"big/{i}", str(i) * 200_000]]) for i in range(6)]
        self.assertEqual(self.driver.reply(first)["outcome"], "unknown")
        outcomes = [self.driver.reply(tag)["outcome"] for tag in tags]
        self.assertIn("answered", outcomes)
        self.assertNotEqual(self.connected(self.driver), member.endpoint)
        member.resume()
        found = self.driver.answer("range", key="big/", end="big0", keys=True)["found"]["count"]
        self.assertGreaterEqual(found, outcomes.count("answered"))

    def test_no_quorum(self):
        term = begin_term(self.driver, "n1")
        here = self.member_of(self.driver)
        others = [m for m in self.three.members if m is not here]
        for member in others:
            member.kill()
        said = len(self.driver.said)  # it may have said so before the members had elected a leader
        reply = self.driver.reply(append(self.driver, term, 1, "batch 1", within=SHORT_MS))
        self.assertNotEqual(reply["outcome"], "answered")

        def knows_no_leader():
            answer = self.driver.ask("range", key="a", within=SHORT_MS)
            self.assertNotEqual(answer["outcome"], "answered")
            return (self.driver.has_said(f"{here.endpoint}: it knows no leader", since=said) and
                    answer["error"] == "not connected")

        wait_until(knows_no_leader, timeout=60, what="the client to say why")
        for member in others:
            member.start()
        self.fill(term, 1, 20, lambda number: None)
        self.assert_log(20)


class OtherFaults(EtcdTestCase):
    def test_an_answer_that_is_lost(self):
        """The member has done it, and the client must neither say so nor have it done again."""
        cluster = self.cluster(1)
        direct = self.client(cluster.address)
        direct.put("count")
        proxy = Proxy(cluster.members[0].endpoint)
        self.addCleanup(proxy.close)
        driver = self.client(f"etcd://{proxy.endpoint}")
        self.connected(driver)
        proxy.deaf = True
        tag = driver.submit("txn", then=[["put", "count", ""]])
        wait_until(lambda: direct.pairs("count")["count"][3] == 2, what="the put")
        proxy.deaf = False
        proxy.cut()
        reply = driver.reply(tag)
        self.assertEqual((reply["outcome"], reply["error"]), ("unknown", "connection lost"))
        self.assertEqual(driver.pairs("count")["count"][3], 2)

    def test_the_quota(self):
        cluster = self.cluster(1, "--quota-backend-bytes", 2 << 20)
        driver = self.client(cluster.address)
        term = begin_term(driver, "n1")
        number, full = 0, None
        while not full:
            number += 1
            reply = driver.reply(append(driver, term, number, "v" * 65_536))
            if reply["outcome"] != "answered":
                full = reply
            self.assertLess(number, 1000)
        self.assertEqual((full["outcome"], full["error"]), ("unknown", "no space"))
        self.assertIn("database space exceeded", full["why"])
        wait_until(lambda: "NOSPACE" in driver.answer("status")["member"]["alarm"], what="the alarm")
        held = driver.answer("range", key="log/", end="log0", keys=True)["found"]["count"]
        self.assertIn(held, (number - 1, number))
        reply = driver.answer("txn", then=[["delete", "log/", "log0"]])
        self.assertEqual(reply["results"][0]["deleted"], held)
        reply = driver.reply(append(driver, term, 1, "v" * 65_536))
        self.assertEqual((reply["outcome"], reply["error"]), ("unknown", "no space"),
                         "until the alarm is disarmed")
        self.make_room(cluster, driver)
        self.assertTrue(append_until_known(driver, term, 1, "v" * 65_536))

    def make_room(self, cluster, driver):
        """What an operator does."""
        driver.answer("compact", revision=driver.answer("range", key="term")["revision"])
        environment = {**os.environ, "ETCDCTL_API": "3"}
        for what in (["defrag"], ["alarm", "disarm"]):
            subprocess.run([ETCDCTL, "--endpoints", cluster.members[0].endpoint, *what],
                           env=environment, check=True, capture_output=True)

    def test_a_request_that_is_too_large_for_etcd(self):
        cluster = self.cluster(1, "--max-request-bytes", 100_000)
        driver = self.client(cluster.address)
        reply = driver.ask("txn", then=[["put", "a", "v" * 131_072]])
        self.assertEqual((reply["outcome"], reply["error"]), ("refused", "too large"))
        self.assertEqual(driver.pairs("a"), {})

    def test_a_member_of_another_cluster(self):
        mine, other = self.cluster(1), self.cluster(1)
        other.members[0].kill()  # so that even a slow client meets `mine` first
        driver = self.client(mine.address_of(mine.members + other.members))
        driver.put("a", "mine")
        other.members[0].start()
        mine.members[0].kill()
        what = f"{other.members[0].endpoint}: it belongs to another cluster"
        wait_until(lambda: driver.has_said(what), timeout=60, what="the client to say so")
        reply = driver.ask("txn", then=[["put", "a", "other"]], within=SHORT_MS)
        self.assertEqual((reply["outcome"], reply["error"]), ("refused", "not connected"))
        self.assertEqual(self.client(other.address).pairs("a"), {})
        mine.members[0].start()
        self.assertEqual(driver.pairs("a")["a"][0], "mine")

    def test_a_member_that_hangs_before_it_is_connected(self):
        cluster = self.cluster(1)
        self.client(cluster.address).put("a", "1")
        cluster.members[0].pause()
        driver = self.client(cluster.address, "--connect-ms", 200)
        reply = driver.ask("range", key="a", within=SHORT_MS)
        self.assertEqual((reply["outcome"], reply["error"]), ("refused", "not connected"))
        wait_until(lambda: driver.has_said("tells no status in time"), what="the reason")
        cluster.members[0].resume()
        self.assertEqual(driver.pairs("a")["a"][0], "1")


SETTINGS = b"\0\0\0\4\0\0\0\0\0"


def headers_frame(flags, stream, *fields):
    """Of literal fields, shorter than 127 bytes each."""
    block = b"".join(b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value
                     for name, value in fields)
    return len(block).to_bytes(3, "big") + bytes([1, flags]) + stream.to_bytes(4, "big") + block


class Strangers(EtcdTestCase):
    """What listens is no etcd."""

    def stranger(self, *says):
        """Says that to each client, one after the other, and closes when it has read a while."""
        listener = socket.create_server(("127.0.0.1", 0))

        def serve():
            while True:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                with peer, contextlib.suppress(OSError):
                    for part in says:
                        peer.sendall(part)
                    peer.settimeout(0.2)
                    while peer.recv(65_536):
                        pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(listener.close)
        self.addCleanup(listener.shutdown, socket.SHUT_RDWR)
        return f"etcd://127.0.0.1:{listener.getsockname()[1]}"

    def assert_never_connects(self, why, *says):
        driver = self.client(self.stranger(*says))
        reply = driver.ask("txn", then=[["put", "a", "1"]], within=SHORT_MS)
        self.assertEqual((reply["outcome"], reply["error"]), ("refused", "not connected"))
        wait_until(lambda: driver.has_said(why), what=f"'{why}' in {driver.said}")

    def test_what_is_no_http2(self):
        self.assert_never_connects("does not speak HTTP/2", b"HTTP/1.1 400 Bad Request\r\n\r\n")
        self.assert_never_connects("does not speak HTTP/2", bytes(range(256)) * 40)

    def test_silence(self):
        self.assert_never_connects("closed the connection")

    def test_what_is_no_grpc(self):
        self.assert_never_connects("tells no status", SETTINGS,
                                   headers_frame(5, 1, (b":status", b"404")))
        self.assert_never_connects("busy elsewhere", SETTINGS, headers_frame(
            5, 1, (b":status", b"200"), (b"grpc-status", b"14"), (b"grpc-message", b"busy%20elsewhere")))

    def test_a_status_that_is_none(self):
        for message in (b"", b"\0\0\0\0\0", b"\0\0\0\0\2\x0a\x09", b"\1\0\0\0\0", b"\0\xff\xff\xff\xff",
                        b"\0\0\0\0\4\x0a\x02\x08\x07"):  # the last one knows no leader
            data = len(message).to_bytes(3, "big") + b"\0\0" + (1).to_bytes(4, "big") + message
            driver = self.client(self.stranger(
                SETTINGS, headers_frame(4, 1, (b":status", b"200")), data,
                headers_frame(5, 1, (b"grpc-status", b"0"))))
            reply = driver.ask("range", key="a", within=SHORT_MS)
            self.assertEqual((reply["outcome"], reply["error"]), ("refused", "not connected"), message)


if __name__ == "__main__":
    main()
