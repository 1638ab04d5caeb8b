# SPDX-License-Identifier: Apache-2.0
"""Tokens of a running engine: hello, the audit trail, reloads, revocation, rates and limits."""

import glob
import os
import signal
import threading
import time

from stockd_harness import RpcError, ConnectionClosed, Server, StartError, join, main, unique, wait_until
from token_case import ALL, EXPIRED, TokenTestCase

REFUSED_TOKEN = "the token is unknown, was revoked, or has expired"


def closed(client):
    """Whether the engine has closed that connection."""
    try:
        client.call("ping")
    except (ConnectionClosed, ConnectionError):
        return True
    return False


class Hello(TokenTestCase):
    def test_hello_comes_first(self):
        server = self.serve({"web": ALL})
        with server.client() as client:
            for method in ("ping", "info", "reserve", "no_such_method"):
                with self.assertRaises(RpcError) as got:
                    client.call(method)
                self.assertEqual(got.exception.code, "unauthorized", method)
            with self.assertRaises(RpcError) as got:
                client.call("hello", "me")
            self.assertEqual(got.exception.code, "unauthorized")
            self.assertIn("token is missing", got.exception.message)
            self.assertEqual(client.call("hello", "me", {"token": server.secrets["web"]})["server"], "stockd")
            self.assertEqual(client.call("ping"), "pong")

    def test_hello_and_what_follows_may_come_at_once(self):
        server = self.serve({"web": ALL})
        many = [unique("SKU-with-a-long-name") for _ in range(1000)]  # far beyond what a stranger may send
        with server.client() as client:
            got = client.pipeline([("hello", "me", {"token": server.secrets["web"]}), ("ping",),
                                   ("availability", "default", many)])
        self.assertEqual(got[1], "pong")
        self.assertEqual(got[2]["stock"], [None] * 1000)

    def test_wrong_tokens_are_refused_in_the_same_words(self):
        server = self.serve({"web": ALL, "old": (*ALL, *EXPIRED), "gone": ALL})
        server.revoke("gone")
        secrets = server.secrets
        wrong = [secrets["old"], secrets["web"][:-1], secrets["web"] + "A", "", "x" * 4000]
        with server.known("web") as client:
            wait_until(lambda: client.call("info", "access")["access"]["tokens"] == 2, what="the reload")
            for token in (*wrong, secrets["gone"]):
                with server.client() as other, self.assertRaises(RpcError) as got:
                    other.call("hello", "me", {"token": token})
                self.assertEqual((got.exception.code, got.exception.message), ("unauthorized", REFUSED_TOKEN))
            self.assertEqual(client.call("info", "access")["access"]["unauthorized"], 6)
            self.assertIn("unauthorized: hello", server.stderr())

    def test_a_refused_token_leaves_the_earlier_rights(self):
        server = self.serve({"web": ALL})
        with server.known("web") as client:
            with self.assertRaises(RpcError):
                client.call("hello", "me", {"token": "wrong"})
            self.assertEqual(client.call("ping"), "pong")

    def test_another_token_replaces_the_rights(self):
        server = self.serve({"web": ("--can", "read"), "stock": ("--can", "stock")})
        with server.known("web") as client:
            client.call("locations")
            client.call("hello", "me", {"token": server.secrets["stock"]})
            client.call("receive", "r1", "S", "main", 1)
            with self.assertRaises(RpcError) as got:
                client.call("locations")
            self.assertEqual((got.exception.code, got.exception.details), ("forbidden", {"right": "read"}))

    def test_users_of_unix_sockets_are_known(self):
        server = self.serve({"root": ALL})
        server.token("add", "me", "--uid", str(os.getuid()), "--can", "stock,read")
        server.token("add", "other", "--uid", str(os.getuid() + 1), *ALL)
        os.kill(server.pid, signal.SIGHUP)
        with server.known("root") as root:
            wait_until(lambda: root.call("info", "access")["access"]["tokens"] == 3, what="the reload")
        with server.client("unix") as client:
            client.call("receive", "r1", "S", "main", 1)
            client.call("hello", "till 7")  # no token is needed, and the name comes behind that of the user
            client.call("receive", "r2", "S", "main", 1)
            received = [event["client"] for event in client.call("history", "S")["events"] if event["type"] == "receive"]
            self.assertEqual(received, ["me", "me/till 7"])
            with self.assertRaises(RpcError) as got:
                client.call("item_set", "S", {})
            self.assertEqual(got.exception.code, "forbidden")


class AuditTrail(TokenTestCase):
    def clients_of(self, client, sku):
        return [event["client"] for event in client.call("history", sku)["events"] if event["type"] == "receive"]

    def test_the_history_tells_whose_token_it_was(self):
        server = self.serve({"web": ALL, "pos": ALL})
        for name, client_name in (("web", "shop 1"), ("pos", ""), ("web", "n" * 128), ("pos", "ä" * 64)):
            with server.known(name, client_name) as client:
                client.call("receive", unique("r"), "S", "main", 1)
                told = self.clients_of(client, "S")
        self.assertEqual(told, ["web/shop 1", "pos", "web/" + "n" * 124, "pos/" + "ä" * 62])

    def test_names_do_not_use_up_the_journals_numbers(self):
        server = self.serve({"web": ALL, "pos": ALL})
        for number in range(70):
            with server.known("web", f"n{number}") as client:
                client.call("receive", f"r{number}", "S", "main", 1)
        with server.known("pos", "till") as client:
            client.call("receive", "p", "S", "main", 1)
            told = self.clients_of(client, "S")
        self.assertEqual(told[:64], [f"web/n{number}" for number in range(64)])
        self.assertEqual(told[64:], ["web"] * 6 + ["pos/till"])

    def test_secrets_are_nowhere(self):
        server = self.serve({"web": ALL, "old": (*ALL, *EXPIRED)})
        secrets = [*server.secrets.values(), "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF"]
        with open(server.file, encoding="utf-8") as file:
            lines = [line.split() for line in file]
            secrets += [line[1].partition(":")[2] for line in lines]
        for token in secrets:
            with server.client() as client:
                try:
                    client.call("hello", "me", {"token": token})
                    client.call("receive", unique("r"), "S", "main", 1)
                    shown = repr(client.call("info"))
                except RpcError as error:
                    shown = repr((error.message, error.details))
            for secret in secrets:
                self.assertNotIn(secret, shown)
        with open(server.file, "a", encoding="utf-8") as file:
            file.write(f"bad {secrets[0]}\n")
        os.kill(server.pid, signal.SIGHUP)
        wait_until(lambda: "line 3" in server.stderr(), what="the complaint")
        server.stop()
        files = [server.log, *glob.glob(os.path.join(server.data, "**"), recursive=True)]
        for path in filter(os.path.isfile, files):
            with open(path, "rb") as file:
                content = file.read()
            for secret in secrets:
                self.assertNotIn(secret.encode(), content, path)
            self.assertNotIn(bytes.fromhex(lines[0][1].partition(":")[2]), content, path)


class Reload(TokenTestCase):
    def test_a_new_token_is_known_without_a_restart(self):
        server = self.serve({"web": ALL})
        with server.known("web") as old:
            server.add("new", *ALL)

            def known():
                try:
                    server.known("new").close()
                    return True
                except RpcError:
                    return False

            wait_until(known, what="the new token")
            self.assertEqual(old.call("ping"), "pong")  # on the connection that it had

    def test_a_revoked_token_ends_its_connections_alone(self):
        server = self.serve({"web": ALL, "pos": ALL})
        with server.known("web") as web, server.known("pos") as pos, server.known("web") as idle:
            idle.call("subscribe", {"channel": "default"})
            server.revoke("web")
            began = time.monotonic()
            self.assertEqual(idle.expect_closed(), [])
            took = time.monotonic() - began
            wait_until(lambda: closed(web), what="the end of the connection")
            self.assertEqual(pos.call("ping"), "pong")
            self.assertEqual(pos.call("info", "access")["access"]["revoked"], 2)
            self.assertLess(took, 30)
            with self.assertRaises(RpcError) as got:
                server.known("web")
            self.assertEqual(got.exception.message, REFUSED_TOKEN)

    def test_a_token_of_the_same_name_is_another_token(self):
        server = self.serve({"web": ALL})
        with server.known("web") as web:
            server.revoke("web")
            server.add("web", *ALL)
            os.kill(server.pid, signal.SIGHUP)
            wait_until(lambda: closed(web), what="the end of the connection")

            def known():
                try:
                    server.known("web").close()
                    return True
                except RpcError:
                    return False

            wait_until(known, what="the new token")

    def test_an_expired_token_ends_its_connections(self):
        server = self.serve({"web": ALL, "pos": ALL})
        server.revoke("web")
        server.add("web", *ALL, "--expires", "+2s")
        os.kill(server.pid, signal.SIGHUP)

        def hello():
            try:
                return server.known("web")
            except RpcError:
                return None

        deadline = time.monotonic() + 2
        client = hello()
        while client is None and time.monotonic() < deadline:
            client = hello()
        with server.known("pos") as pos:
            if client is not None:  # else this machine took longer than the token lives
                self.assertEqual(client.expect_closed(), [])
            wait_until(lambda: hello() is None, what="the refusal")
            self.assertEqual(pos.call("ping"), "pong")

    def test_other_rights_count_at_once(self):
        server = self.serve({"web": ("--can", "read")})
        with server.known("web") as web, server.known("web") as follower:
            follower.call("subscribe", {})
            with open(server.file, encoding="utf-8") as file:
                text = file.read()
            with open(server.file, "w", encoding="utf-8") as file:
                file.write(text.replace("can=read", "can=read,stock"))
            os.kill(server.pid, signal.SIGHUP)
            follower.expect_closed()  # what it subscribed to was another token's
            web.call("receive", "r1", "S", "main", 1)

    def test_a_bad_file_changes_nothing(self):
        server = self.serve({"web": ALL})
        with server.known("web") as web:
            for number, (text, why) in enumerate([("# x\nnonsense\n", "line 2"), (None, "No such file")], 1):
                if text is None:
                    os.unlink(server.file)
                else:
                    with open(server.file, "w", encoding="utf-8") as file:
                        file.write(text)
                os.kill(server.pid, signal.SIGHUP)
                wait_until(lambda why=why: why in server.stderr(), what="the complaint")
                line = next(line for line in server.stderr().splitlines() if why in line)
                self.assertIn(server.file, line)
                self.assertIn("the tokens stay as they were", line)
                self.assertEqual(web.call("ping"), "pong")
                server.known("web").close()
                self.assertGreaterEqual(web.call("info", "access")["access"]["load_failures"], number)

    def test_a_bad_file_stops_a_start(self):
        for text, why in (("# x\nweb nonsense\n", "line 2"), (None, "No such file")):
            server = Server(start=False)
            self.addCleanup(server.close)
            path = os.path.join(server.directory, "tokens")
            if text is not None:
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text)
            with self.assertRaises(StartError) as got:
                server.start("--tokens", path)
            self.assertEqual(got.exception.code, 2)
            lines = server.stderr().splitlines()
            self.assertEqual(len(lines), 1)
            self.assertIn(f"tokens file {path}", lines[0])
            self.assertIn(why, lines[0])

    def test_revoking_under_load_disturbs_nobody_else(self):
        server = self.serve({"good": ALL, "bad": ALL}, "--workers", "2")
        stop = threading.Event()
        failed, ended = [], []

        def load(name, number):
            count = 0
            try:
                with server.known(name, f"{name}{number}") as client:
                    while not stop.is_set():
                        ids = [f"{name}-{number}-{count + i}" for i in range(32)]
                        got = client.pipeline([("receive", id, f"S{i}", "main", 1) for i, id in enumerate(ids)])
                        failed.extend(error for error in got if isinstance(error, RpcError))
                        count += len(got)
            except ConnectionError as error:
                ended.append((name, error))

        threads = [threading.Thread(target=load, args=(name, number)) for name in ("good", "bad") for number in range(4)]
        for thread in threads:
            thread.start()
        with server.known("good") as client:
            wait_until(lambda: client.call("info", "server")["server"]["requests"] > 2000, timeout=60, what="load")
            for _ in range(3):  # reloads that change nothing
                os.kill(server.pid, signal.SIGHUP)
            server.revoke("bad")
            wait_until(lambda: len(ended) == 4, timeout=60, what="the end of four connections")
            before = client.call("info", "server")["server"]["requests"]
            wait_until(lambda: client.call("info", "server")["server"]["requests"] > before + 500, timeout=60, what="load")
        stop.set()
        for thread in threads:
            join(thread, "a client")
        self.assertEqual({name for name, _ in ended}, {"bad"}, ended)
        self.assertEqual(failed, [])


class Limits(TokenTestCase):
    def test_a_rate_is_for_all_connections_of_the_token(self):
        server = self.serve({"web": ("--can", "read", "--rate", "1", "--burst", "10"), "root": ALL})
        with server.known("web") as one, server.known("web") as two, server.known("root") as root:
            got = one.pipeline([("ping",)] * 200) + two.pipeline([("ping",)] * 200)
            done = got.count("pong")
            self.assertGreaterEqual(done, 1)
            self.assertLess(done, 100)  # ten, and one for each second that this takes
            refused = [error for error in got if error != "pong"]
            self.assertEqual({error.code for error in refused}, {"overloaded"})
            waits = {error.details["retry_after_ms"] for error in refused}
            self.assertTrue(all(1 <= wait <= 1000 for wait in waits), waits)
            self.assertEqual(root.pipeline([("ping",)] * 200), ["pong"] * 200)
            self.assertEqual(root.call("info", "access")["access"]["over_rate"], len(refused))
            wait_until(lambda: one.pipeline([("ping",)])[0] == "pong", what="the next second")

    def test_connections_and_subscriptions_of_a_token(self):
        server = self.serve({"web": ("--can", "read", "--connections", "2", "--subscriptions", "1"), "root": ALL})
        with server.known("web") as one, server.known("web") as two, server.client() as three:
            with self.assertRaises(RpcError) as got:
                three.call("hello", "me", {"token": server.secrets["web"]})
            self.assertEqual(got.exception.code, "overloaded")
            one.call("subscribe", {})
            one.call("subscribe", {"events": True})
            with self.assertRaises(RpcError) as got:
                two.call("subscribe", {})
            self.assertEqual(got.exception.code, "overloaded")
            one.close()

            def again():
                try:
                    three.call("hello", "me", {"token": server.secrets["web"]})
                    three.call("subscribe", {})
                    return True
                except RpcError:
                    return False

            wait_until(again, what="a connection to be free again")

    def test_limits_of_the_configuration_are_shown(self):
        server = self.serve({"root": ALL}, "--token-rate", "5000", "--token-burst", "700", "--token-connections", "9",
                            "--token-subscriptions", "4", "--hello-timeout-ms", "7000", "--max-strangers", "50",
                            "--max-strangers-each", "20", "--max-hello-bytes", "2048")
        with server.known("root") as root:
            got = root.call("info")
            access = got["access"]
            self.assertEqual([access[key] for key in ("rate", "burst", "connections_each", "subscriptions_each",
                                                      "stranger_ms", "strangers_max", "strangers_each", "tokens")],
                             [5000, 700, 9, 4, 7000, 50, 20, 1])
            self.assertEqual(got["limits"]["hello_bytes"], 2048)
            self.assertTrue(access["configured"])

    def test_an_option_without_tokens_is_refused(self):
        for option in ("--token-rate", "--max-strangers", "--hello-timeout-ms", "--max-hello-bytes"):
            server = Server(start=False)
            self.addCleanup(server.close)
            with self.assertRaises(StartError) as got:
                server.start(option, "4000")
            self.assertEqual(got.exception.code, 2)
            self.assertIn(f"{option[2:]} does nothing without tokens", server.stderr())


class OthersSales(TokenTestCase):
    def test_who_an_allotment_is_of_is_told_that_a_till_sold_it(self):
        may_read = ("--can", "read", "--locations", "*", "--channels")
        server = self.serve({"root": ALL, "web": (*may_read, "web"), "pos": (*may_read, "pos"),
                             "app": (*may_read, "app"), "all": (*may_read, "*")})
        with server.known("root") as root:
            for channel in ("web", "pos", "app"):
                root.call("channel_set", channel, {})
            root.call("receive", "r", "S", "main", 5)
            root.call("allot", "a", "S", "main", "web", 4)
            root.call("sold", "till-1", "pos", "main", [["S", 3]], {"ref": "receipt 7"})

        def told(name):
            with server.known(name) as client:
                events = client.call("history", "S")["events"]
                return [tuple(e[key] for key in ("channel", "allotted_to", "qty", "on_hand", "id", "ref", "client"))
                        for e in events if e["type"] == "sold"]

        shared = ("pos", None, -1, 0, "till-1", "receipt 7", "root/test")
        self.assertEqual(told("all"), [shared, ("pos", "web", -2, 2, "till-1", "receipt 7", "root/test")])
        self.assertEqual(told("web"), [(None, "web", -2, 2, None, None, None)])
        self.assertEqual(told("pos"), [shared, ("pos", None, -2, None, "till-1", "receipt 7", "root/test")])
        self.assertEqual(told("app"), [])


class Events(TokenTestCase):
    def test_a_subscriber_is_told_of_its_own_alone(self):
        server = self.serve({"root": ALL, "web": ("--can", "read", "--channels", "web")})
        with server.known("root") as root, server.known("web") as web:
            root.call("channel_set", "web", {})
            root.call("channel_set", "pos", {})
            since = root.call("receive", "r", "S", "main", 10)["lsn"]
            web.call("subscribe", {"events": True, "since_lsn": 0})
            for channel in ("pos", "web"):
                for number in range(3):
                    ident = f"{channel}-{number}"
                    root.call("reserve", ident, channel, [["S", 1]], {"ttl_ms": 1})

            def told():
                web.call("ping")
                return [event for kind, [event] in web.notifications if kind == "event" and event["type"] == "expired"]

            wait_until(lambda: len(told()) == 3, what="three events")
            wait_until(lambda: len([event for event in root.call("events", 0)["events"] if event["type"] == "expired"])
                       == 6, what="six events")
            self.assertEqual({event["channel"] for event in told()}, {"web"})
            asked = web.call("events", since)["events"]
            self.assertEqual({event["channel"] for event in asked if "channel" in event}, {"web"})


if __name__ == "__main__":
    main()
