# SPDX-License-Identifier: Apache-2.0
"""Whatever happens to Redis or the engine, Redis is brought back to the truth, and the engine does
not notice."""

import os
import shutil

from redis_case import MirrorTestCase
from stockd_harness import RpcError, main, run_program, unique, wait_until

SKUS = [f"S{number}" for number in range(50)]


class Faulty(MirrorTestCase):
    def stocked_engine(self, *options, **kwargs):
        server = self.engine(*options, **kwargs)
        for sku in SKUS:
            self.receive(server, sku, 10)
        return server

    def change_all(self, server, qty=1):
        for sku in SKUS:
            self.receive(server, sku, qty)

    def await_error(self, server, text):
        def said():
            error = self.status(server)["error"]
            return error if error and text in error else None
        return wait_until(said, timeout=30, what=f"the error {text!r}")


class RedisFails(Faulty):
    def test_flushed_while_connected(self):
        server = self.stocked_engine()
        self.assert_same(server, SKUS)
        resyncs = self.status(server)["resyncs"]
        self.redis.client.flushall()
        self.assert_same(server, SKUS)
        self.assertEqual(self.status(server)["resyncs"], resyncs + 1)
        self.change_all(server)
        self.assert_same(server, SKUS)

    def test_gone_and_back_empty(self):
        server = self.stocked_engine()
        self.assert_same(server, SKUS)
        self.redis.kill()
        self.change_all(server)
        self.await_state(server, "connecting")
        self.redis.start()
        self.assert_lsn_is_true(server, SKUS)

    def test_not_there_at_the_start(self):
        self.redis.kill()
        server = self.stocked_engine()
        self.await_error(server, "cannot connect")
        self.redis.start()
        self.assert_same(server, SKUS)

    def test_connection_lost_alone_needs_no_resync(self):
        server = self.stocked_engine()
        self.assert_same(server, SKUS)
        self.redis.client.client_kill_filter(_type="normal")
        self.change_all(server)
        self.assert_lsn_is_true(server, SKUS)
        wait_until(lambda: self.status(server)["connections"] == 2, what="a second connection")
        self.assertEqual(self.status(server)["resyncs"], 1)

    def test_stopped_for_a_moment(self):
        server = self.stocked_engine()
        self.assert_same(server, SKUS)
        self.redis.pause()
        self.change_all(server)
        self.redis.resume()
        self.assert_same(server, SKUS)
        self.assertEqual(self.status(server)["connections"], 1)

    def test_stopped_for_longer_than_an_answer_may_take(self):
        server = self.stocked_engine("--redis-timeout-ms", "150")
        self.assert_same(server, SKUS)
        self.redis.pause()
        self.change_all(server)
        self.await_error(server, "no reply")
        connections = self.status(server)["connections"]
        self.change_all(server, 5)
        wait_until(lambda: self.status(server)["connections"] >= connections + 2, timeout=30,
                   what="it to try again")
        self.redis.resume()  # and what the old connections still held must not be taken
        self.assert_same(server, SKUS)
        self.change_all(server)
        self.assert_lsn_is_true(server, SKUS)

    def test_stop_does_not_wait_for_a_stopped_redis(self):
        server = self.stocked_engine("--redis-timeout-ms", "3600000")
        self.assert_same(server, SKUS)
        self.redis.pause()
        self.change_all(server)
        server.stop()  # fails if it takes longer than the harness allows
        self.redis.resume()

    def test_full(self):
        server = self.stocked_engine()
        self.assert_same(server, SKUS)
        self.redis.client.config_set("maxmemory", 1)
        self.change_all(server)
        self.await_error(server, "OOM")
        self.change_all(server)
        self.redis.client.config_set("maxmemory", 0)
        self.assert_lsn_is_true(server, SKUS)
        self.assertEqual(self.status(server)["resyncs"], 1)  # what it held was not in doubt

    def test_failed_over_to_older_data(self):
        server = self.stocked_engine()
        self.assert_same(server, SKUS)
        self.redis.client.save()
        older = os.path.join(self.redis.directory, "dump.rdb")
        shutil.copy(older, older + ".old")
        self.change_all(server)
        self.receive(server, "AFTERWARDS", 1)
        self.assert_same(server, [*SKUS, "AFTERWARDS"])
        self.redis.kill()
        os.replace(older + ".old", older)
        self.redis.start()
        self.assert_lsn_is_true(server, [*SKUS, "AFTERWARDS"])
        self.assertEqual(self.status(server)["resyncs"], 2)

    def test_a_replica_takes_no_writes(self):
        server = self.stocked_engine()
        self.assert_same(server, SKUS)
        self.redis.client.execute_command("REPLICAOF", "127.0.0.1", "1")
        self.change_all(server)
        self.await_error(server, "READONLY")
        self.redis.client.execute_command("REPLICAOF", "NO", "ONE")
        self.assert_same(server, SKUS)

    def test_keys_and_fields_of_others(self):
        client = self.redis.client
        server = self.stocked_engine()
        self.assert_same(server, SKUS)

        def replace(key):
            with client.pipeline() as both:  # at once: the mirror writes all the while
                both.delete(key)
                both.rpush(key, "x")
                both.execute()

        damage = (
            lambda: client.hset("stock:item:S1", "default", 999),
            lambda: client.hset("stock:item:S1", "gone-channel", 5),
            lambda: client.hdel("stock:item:S2", "default"),
            lambda: client.delete("stock:item:S3"),
            lambda: client.hset("stock:item:NO-SUCH", "default", 1),
            lambda: replace("stock:item:S4"),
            lambda: replace("stock:changes"),
            lambda: replace("stock:mirror"),
            lambda: replace("stock:fence"),
            lambda: client.set("stock:fence", "what is this"),
            lambda: client.xadd("stock:changes", {"sku": "S1"}, id="18446744073709551614-7"),
        )
        for number, spoil in enumerate(damage):
            with self.subTest(number=number):
                spoil()
                self.change_all(server)
                self.assert_same(server, SKUS)
        wait_until(lambda: client.type("stock:changes") == b"stream", what="the stream")
        wait_until(lambda: client.type("stock:mirror") == b"hash", what="the heartbeat")
        self.assertEqual(client.xrevrange("stock:changes", count=1)[0][0].split(b"-")[0],
                         b"18446744073709551614")

    def test_keys_in_the_way_from_the_beginning(self):
        client = self.redis.client
        for name in ("stock:fence", "stock:mirror", "stock:changes", "stock:item:S1"):
            client.rpush(name, "x")
        client.hset("stock:item:NO-SUCH", "default", 1)
        client.set("foreign", "stays")
        server = self.stocked_engine()
        self.assert_same(server, SKUS)
        wait_until(lambda: client.type("stock:changes") == b"stream", what="the stream")
        self.assertEqual(client.get("foreign"), b"stays")


class Password(Faulty):
    password = "s3cret-of-redis"

    def test_wrong_then_right(self):
        path = os.path.join(self.redis.directory, "password")
        with open(path, "w", encoding="utf-8") as file:
            file.write("wrong-one\n")
        server = self.stocked_engine("--redis-password-file", path)
        error = self.await_error(server, "AUTH")
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.password + "\n")
        self.assert_same(server, SKUS)
        for secret in ("wrong-one", self.password):
            self.assertNotIn(secret, error + server.stderr() + str(self.status(server)))

    def test_none(self):
        server = self.stocked_engine()
        self.await_error(server, "NOAUTH")


class EngineFails(Faulty):
    def test_killed(self):
        server = self.stocked_engine()
        self.assert_same(server, SKUS)
        server.kill()
        with server_restarted(self, server):
            self.assert_same(server, SKUS)
            self.change_all(server)
            self.assert_same(server, SKUS)

    def test_new_data_directory(self):
        """What the engine does not know is not shown, whatever was shown before."""
        server = self.stocked_engine()
        self.assert_same(server, SKUS)
        last = self.redis.client.xrevrange("stock:changes", count=1)[0][0]
        server.stop()
        other = self.engine()
        self.receive(other, "S1", 3)
        self.receive(other, "ONLY-HERE", 3)
        self.assert_same(other, ["S1", "ONLY-HERE"])
        after = self.redis.client.xrange("stock:changes", min=b"(" + last)
        self.assertIn(b"ONLY-HERE", {fields[b"sku"] for _, fields in after})

    def test_a_second_engine_takes_over(self):
        old = self.stocked_engine()
        self.assert_same(old, SKUS)
        new = self.engine()
        self.receive(new, "S1", 99)
        self.assert_same(new, ["S1"])
        self.await_state(old, "fenced")
        self.assertIn("started later", self.status(old)["error"])
        self.change_all(old)
        self.assert_same(new, ["S1"])
        self.redis.client.flushall()  # nor does it come back when the fence is gone
        self.assert_same(new, ["S1"])
        self.assertEqual(self.status(old)["state"], "fenced")
        with self.assertRaises(RpcError):
            new.call("mirror_take")
        old.call("mirror_take")
        self.assert_same(old, SKUS)
        self.await_state(new, "fenced")

    def test_a_newer_fence_is_respected(self):
        server = self.stocked_engine()
        self.assert_same(server, SKUS)
        start = int(self.redis.client.get("stock:fence").split()[0])
        newer = f"{start + 1} {1:016x} 1 1".encode()
        with self.redis.client.pipeline() as both:  # as the newer engine would
            both.set("stock:fence", newer)
            both.hset("stock:item:S0", "default", 777)
            both.execute()
        self.change_all(server)
        self.await_state(server, "fenced")
        self.assertEqual(self.redis.client.hget("stock:item:S0", "default"), b"777")
        self.assertEqual(self.redis.client.get("stock:fence"), newer)

    def write_newer_fence(self):
        """As an engine would that started one millisecond later."""
        start = int(self.redis.client.get("stock:fence").split()[0])
        newer = f"{start + 1} {1:016x} 1 1".encode()
        self.redis.client.set("stock:fence", newer)
        return newer

    def test_a_take_that_met_no_fence_is_not_left_over(self):
        """mirror_take counts once, also when the newer engine's fence was gone by then."""
        server = self.stocked_engine()
        self.assert_same(server, SKUS)
        self.write_newer_fence()
        self.await_state(server, "fenced")
        self.redis.client.delete("stock:fence")
        server.call("mirror_take")
        self.assert_same(server, SKUS)
        self.await_state(server, "live")
        newer = self.write_newer_fence()
        self.await_state(server, "fenced")
        self.assertEqual(self.redis.client.get("stock:fence"), newer)
        server.call("mirror_take")
        self.await_state(server, "live")
        self.assertNotEqual(self.redis.client.get("stock:fence"), newer)

    def test_an_old_engine_that_was_stopped_wakes_up(self):
        old = self.stocked_engine()
        self.assert_same(old, SKUS)
        with old.client() as client:  # so that it has something on its way when it is stopped
            for number in range(200):
                client.send("receive", unique("rcv"), f"X{number}", "main", 1)
            os.kill(old.pid, 19)
            new = self.engine()
            self.receive(new, "S1", 99)
            self.assert_same(new, ["S1"])
            os.kill(old.pid, 18)
            for _ in range(200):
                client.receive()
        self.await_state(old, "fenced")
        self.assert_same(new, ["S1"])


class server_restarted:  # noqa: N801  a with-statement's word
    """The same data directory, served again; the case's calls go to the new run."""

    def __init__(self, case, server):
        self.case, self.server = case, server

    def __enter__(self):
        self.server.start()
        client = self.server.client()
        self.case.addCleanup(client.close)
        self.server.call = client.call

    def __exit__(self, *_exc):
        pass


class Options(MirrorTestCase):
    def test_bad_ones_are_named(self):
        for options, named in (
            (("--redis", "nowhere"), "redis"),
            (("--redis", "unix:"), "redis"),
            (("--redis", "h:1", "--redis-user", "me"), "redis-password-file"),
            (("--redis-password-file", "/nonexistent"), "redis"),
            (("--redis", "h:1", "--redis-password-file", "/nonexistent"), "/nonexistent"),
            (("--redis", "h:1", "--redis-prefix", "x" * 61), "redis-prefix"),
        ):
            with self.subTest(options=options):
                done = run_program("stockd", "--data", self.redis.directory, "--listen",
                                   "127.0.0.1:0", *options)
                self.assertEqual(done.code, 2)
                self.assertEqual(len(done.err_lines), 1)
                self.assertIn(named, done.err)

    def test_config_file(self):
        path = os.path.join(self.redis.directory, "stockd.ini")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"[stockd]\nredis = {self.redis.address}\nredis-prefix = p:\n")
        server = self.engine("--config", path)
        self.receive(server, "S", 1)
        self.assert_same(server, ["S"], "p:")

if __name__ == "__main__":
    main()
