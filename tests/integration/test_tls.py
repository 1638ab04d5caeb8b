# SPDX-License-Identifier: Apache-2.0
"""TLS as a client meets it: the same replies as without, who is let in, and what the tools say when
somebody is not.
"""

import ctypes
import os
import random
import re
import shutil
import ssl
import subprocess
import tempfile
import threading
import unittest

from stockd_harness import (
    BIN_DIR,
    CALL_TIMEOUT,
    PATIENCE,
    SANITIZED,
    SLOW,
    RpcError,
    ConnectionClosed,
    Server,
    StartError,
    StockdTestCase,
    join,
    main,
    request,
    run_program,
    unique,
    wait_until,
)
from tls_case import HOSTS, Authority, TlsCase, openssl


def contents(path):
    with open(path, "rb") as file:
        return file.read()


def ctl(case, *args, authority=None):
    where = ("-s", case.server.tls, "--cacert", authority or case.authority.path)
    return run_program("stockctl", *where, *args)


class Good(TlsCase):
    def test_a_call(self):
        client = self.tls_client()
        self.assertEqual(client.call("ping"), "pong")
        self.assertEqual(client.socket.version(), "TLSv1.3")

    def test_host_names_and_addresses_are_verified(self):
        for host in ("localhost", "127.0.0.1"):
            self.assertEqual(self.tls_client(host=host).call("ping"), "pong")

    def test_openssl_is_satisfied(self):
        host = self.server.tls.removeprefix("tls://")
        done = subprocess.run(
            ["openssl", "s_client", "-connect", host, "-CAfile", self.authority.path]
            + ["-verify_return_error", "-verify_hostname", "localhost", "-brief"],
            input=request(1, "ping"),
            capture_output=True,
            timeout=60 * SLOW * PATIENCE,
        )
        said = done.stderr.decode()
        self.assertEqual(done.returncode, 0, said)
        self.assertIn("Verification: OK", said)
        self.assertIn("TLSv1.3", said)

    def test_the_tools(self):
        self.assertEqual(ctl(self, "ping").code, 0)
        sku = unique("TOOL")
        self.assertEqual(ctl(self, "receive", sku, "main", "7").code, 0)
        self.assertEqual(self.figures(sku), (7, 0, 7))
        where = ("-s", self.server.tls, "--cacert", self.authority.path)
        load = ("-c", "4", "-W", "64", "-n", "100", "-t", "0.5", "--warmup", "0", "--check")
        done = run_program("stockbench", *where, *load)
        self.assertEqual(done.code, 0, done.err)

    def test_a_long_reply_and_a_long_request(self):
        client = self.tls_client()
        skus = [unique("LONG") for _ in range(2000)]
        client.pipeline([("receive", unique("r"), sku, "main", 5) for sku in skus])
        self.assertEqual(client.call("availability", "default", skus)["stock"], [5] * len(skus))

    def test_a_pipelined_load_is_answered_as_without_tls(self):
        """The same requests, about items of their own, with and without."""
        seed = random.randrange(1 << 32)
        answers = []
        for client, prefix in ((self.client, "P"), (self.tls_client(), "T")):
            chance = random.Random(seed)
            calls = [("receive", f"{prefix}r{i}", f"{prefix}{i}", "main", 50) for i in range(20)]
            for i in range(8000):
                lines = [[f"{prefix}{chance.randrange(20)}", 1 + chance.randrange(3)]]
                calls.append(("reserve", f"{prefix}o{i}", "default", lines))
                if chance.random() < 0.5:
                    calls.append(("cancel", f"{prefix}o{chance.randrange(i + 1)}"))
            results = client.pipeline(calls, window=2048)
            answers.append([self.essence(result, prefix) for result in results])
        self.assertEqual(len(answers[0]), len(answers[1]))
        for number, (plain, encrypted) in enumerate(zip(*answers)):
            self.assertEqual(plain, encrypted, f"seed {seed}, answer {number}")

    @staticmethod
    def essence(result, prefix):
        if isinstance(result, RpcError):
            result = [result.code, result.details]
        else:
            result = {k: v for k, v in result.items() if k != "lsn"}
        return re.sub(r"\b\d{13}\b", "TIME", repr(result).replace(f"'{prefix}", "'"))

    def test_many_connections_at_once(self):
        clients = [self.tls_client() for _ in range(100)]
        for client in clients:
            client.send("ping")
        for client in clients:
            self.assertEqual(client.receive(), (None, "pong"))

    def test_a_subscriber_is_told_of_changes(self):
        client = self.tls_client()
        client.call("subscribe", {"channel": "default"})
        sku = self.stocked(3)

        def told():
            client.call("ping")
            return any(params[1] == sku for _, params in client.notifications)

        wait_until(told, what="a notification")

    def test_a_session_is_resumed_until_a_reload(self):
        context = self.context()
        first = self.tls_client(context)
        first.call("ping")  # the ticket comes with it
        before = self.handshakes()["handshakes_resumed"]
        second = self.tls_client(context, session=first.socket.session)
        self.assertEqual(second.call("ping"), "pong")
        self.assertTrue(second.socket.session_reused)
        self.assertEqual(self.handshakes()["handshakes_resumed"], before + 1)
        self.reload()
        third = self.tls_client(context, session=second.socket.session)
        self.assertEqual(third.call("ping"), "pong")
        self.assertFalse(third.socket.session_reused, "its certificate might be withdrawn now")


class ClientOptions(ctypes.Structure):
    """stockd_options of include/stockd/client.h."""

    _fields_ = [
        *((name, ctypes.c_int) for name in ("connect", "call", "retries", "backoff")),
        ("max_reply_bytes", ctypes.c_size_t),
        *((name, ctypes.c_char_p) for name in ("client_name", "token")),
        *((name, ctypes.c_void_p) for name in ("notify", "notify_context")),
        *((name, ctypes.c_char_p) for name in ("token_file", "ca_file", "cert_file", "key_file")),
    ]


@unittest.skipIf(SANITIZED, "the library's sanitizer must be loaded before Python")
class Library(TlsCase):
    def test_a_client_that_reconnects_resumes_its_session(self):
        library = ctypes.CDLL(os.path.join(BIN_DIR, "..", "lib", "libstockd.so"))
        options = ClientOptions(ca_file=self.authority.path.encode())
        client = ctypes.c_void_p()
        before = self.handshakes()
        connected = library.stockd_connect(
            ctypes.byref(client), self.server.tls.encode(), ctypes.byref(options)
        )
        self.addCleanup(library.stockd_close, client)
        self.assertEqual(connected, 0)
        for _ in range(3):
            self.assertEqual(library.stockd_ping(client), 0)
            self.assertEqual(library.stockd_reconnect(client), 0)
        self.assertEqual(library.stockd_ping(client), 0)
        after = self.handshakes()
        self.assertEqual(after["handshakes"] - before["handshakes"], 4)
        self.assertEqual(after["handshakes_resumed"] - before["handshakes_resumed"], 3)


class Versions(TlsCase):
    def versions(self, only):
        context = self.context()
        context.minimum_version = context.maximum_version = only
        return self.tls_client(context)

    def test_1_2_is_refused_unless_asked_for(self):
        with self.assertRaises(ssl.SSLError):
            self.versions(ssl.TLSVersion.TLSv1_2)


class OlderVersion(Versions):
    options = ("--tls-min", "1.2")

    def test_1_2_is_refused_unless_asked_for(self):
        client = self.versions(ssl.TLSVersion.TLSv1_2)
        self.assertEqual(client.call("ping"), "pong")
        self.assertEqual(client.socket.version(), "TLSv1.2")
        self.assertIn("GCM", client.socket.cipher()[0])
        self.assertIsNone(client.socket.compression())

    def test_1_1_is_refused(self):
        host = self.server.tls.removeprefix("tls://")
        done = subprocess.run(
            ["openssl", "s_client", "-connect", host, "-tls1_1"]
            + ["-cipher", "DEFAULT@SECLEVEL=0"],
            input=b"",
            capture_output=True,
            timeout=60 * SLOW * PATIENCE,
        )
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(b"protocol version", done.stderr)

    def test_a_new_handshake_on_a_connection_is_refused(self):
        host = self.server.tls.removeprefix("tls://")
        before = self.handshakes()
        client = subprocess.Popen(
            ["openssl", "s_client", "-connect", host, "-tls1_2", "-CAfile", self.authority.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.addCleanup(client.wait)
        self.addCleanup(client.kill)
        after = {**before, "handshakes": before["handshakes"] + 1}
        wait_until(lambda: self.handshakes() == after, what="the first handshake")
        client.stdin.write(b"R\n")
        client.stdin.flush()
        said, _ = client.communicate(timeout=60 * SLOW * PATIENCE)
        self.assertIn(b"RENEGOTIATING", said)
        self.assertIn(b"no renegotiation", said)
        self.assertEqual(self.handshakes(), after)


class WhichServer(TlsCase):
    """What a client must not accept."""

    def refused(self, reason, authority=None):
        got = ctl(self, "ping", authority=authority)
        self.assertEqual(got.code, 3, got)
        self.assertIn(reason, got.err)
        with self.assertRaises(ssl.SSLCertVerificationError):
            self.tls_client(self.context(authority))

    def test_expired(self):
        pem, key = self.authority.issue("old", "stockd", HOSTS, expired=True)
        listen = ("--listen", "tls://127.0.0.1:0", "--tls-cert", pem, "--tls-key", key)
        with Server(*listen) as server:
            self.assertIn("EXPIRED", server.stderr())
            got = run_program("stockctl", "-s", server.tls, "--cacert", self.authority.path, "ping")
            self.assertEqual(got.code, 3, got)
            self.assertIn("expired", got.err)

    def test_another_host(self):
        self.install(*self.authority.issue("other", "localhost", "DNS:elsewhere.example"))
        self.refused("mismatch")
        port = self.server.tls.rsplit(":", 1)[1]
        where = ("-s", f"tls://localhost:{port}", "--cacert", self.authority.path)
        got = run_program("stockctl", *where, "ping")
        self.assertEqual(got.code, 3, got)
        self.assertIn("mismatch", got.err)

    def test_signed_by_itself(self):
        alone = Authority(self.folder, "alone")
        self.install(alone.path, os.path.join(alone.folder, "ca.key"))
        self.refused("self-signed")

    def test_another_authority(self):
        self.refused(
            "unable to get local issuer", authority=Authority(self.folder, "stranger").path
        )

    def test_the_system_does_not_vouch_for_it(self):
        got = run_program("stockctl", "-s", self.server.tls, "ping")
        self.assertEqual(got.code, 3, got)
        self.assertIn("certificate is not accepted", got.err)

    def test_an_engine_without_tls(self):
        got = run_program(
            *("stockctl", "-s", f"tls://{self.server.tcp}", "--cacert", self.authority.path, "ping")
        )
        self.assertEqual(got.code, 3, got)
        self.assertIn("TLS", got.err)

    def test_bad_use_of_the_options(self):
        missing = os.path.join(self.folder, "missing")
        for words, mentions in (
            (("-s", self.server.tcp, "--cacert", self.authority.path), "tls://"),
            (("-s", self.server.tls, "--cacert", missing), "missing: No such file"),
            (("-s", self.server.tls, "--key", self.key), "certificate"),
            (("-s", self.server.tls, "--cert", self.pem, "--key", missing), "missing"),
            (("-s", self.server.tls, "--cacert"), "file"),
        ):
            got = run_program("stockctl", *words, *(() if words[-1] == "--cacert" else ("ping",)))
            self.assertEqual(got.code, 2, got)
            self.assertIn(mentions, got.err_lines[0])


class WhichClient(TlsCase):
    """With --tls-client-ca."""

    @classmethod
    def server_options(cls):
        cls.clients = Authority(cls.folder, "clients")
        cls.good = cls.clients.issue("web", "web-shop")
        cls.revoked = cls.clients.issue("lost", "lost-laptop")
        cls.clients.revoke(cls.revoked[0])
        return ("--tls-client-ca", cls.clients.revocations())

    def attempt(self, certificate):
        """The client learns of its refusal when it reads."""
        client = self.tls_client(self.context(certificate=certificate))
        return client.call("ping")

    def test_a_good_one(self):
        self.assertEqual(self.attempt(self.good), "pong")
        where = ("-s", self.server.tls, "--cacert", self.authority.path)
        got = run_program("stockctl", *where, "--cert", self.good[0], "--key", self.good[1], "ping")
        self.assertEqual(got.code, 0, got)

    def test_others(self):
        stranger = Authority(self.folder, "strangers")
        bad = {
            "none": None,
            "unknown authority": stranger.issue("x", "web-shop"),
            "signed by itself": (stranger.path, os.path.join(stranger.folder, "ca.key")),
            "revoked": self.revoked,
            "expired": self.clients.issue("old", "web-shop", expired=True),
            "the server's own": (self.pem, self.key),
        }
        before = self.handshakes()
        for what, certificate in bad.items():
            with self.subTest(what), self.assertRaises((ConnectionClosed, ssl.SSLError)):
                self.attempt(certificate)
        after = self.handshakes()
        self.assertEqual(after["handshakes"], before["handshakes"])
        self.assertEqual(
            after["handshakes_failed"] - before["handshakes_failed"], len(bad), self.server.stderr()
        )

    def test_whom_a_certificate_lets_in_may_not_do_everything_from_anywhere(self):
        """Without tokens there are no rights, so that takes a word."""
        server = Server(start=False)
        self.addCleanup(server.close)
        options = ("--listen", "tls://0.0.0.0:0", "--tls-cert", self.pem, "--tls-key", self.key,
                   "--tls-client-ca", self.clients.path)
        with self.assertRaises(StartError) as got:
            server.start(*options)
        self.assertEqual(got.exception.code, 2)
        self.assertIn("every certificate has every right", server.stderr())
        server.start(*options, "--insecure")

    def test_the_tools_say_why(self):
        got = ctl(self, "ping")
        self.assertEqual(got.code, 3, got)
        self.assertIn("certificate required", got.err)

    def test_the_log_says_why(self):
        with self.assertRaises((ConnectionClosed, ssl.SSLError)):
            self.attempt(self.revoked)
        self.assertIn("no TLS with 127.0.0.1:", self.server.stderr())

    def test_a_resumed_session_is_the_same_client(self):
        context = self.context(certificate=self.good)
        first = self.tls_client(context)
        first.call("ping")
        second = self.tls_client(context, session=first.socket.session)
        self.assertEqual(second.call("ping"), "pong")
        self.assertTrue(second.socket.session_reused)

    def test_a_withdrawn_certificate_resumes_nothing_after_a_reload(self):
        certificate = self.clients.issue("soon", "soon-lost")
        context = self.context(certificate=certificate)
        first = self.tls_client(context)
        first.call("ping")
        self.clients.revoke(certificate[0])
        self.clients.revocations()
        self.reload()
        with self.assertRaises((ConnectionClosed, ssl.SSLError)):
            self.tls_client(context, session=first.socket.session).call("ping")
        self.assertEqual(first.call("ping"), "pong", "connections keep what they began with")


class Reload(TlsCase):
    options = ("--workers", "2")

    def test_under_load_nobody_is_dropped(self):
        other = self.authority.issue("second", "stockd", HOSTS)
        serials = {openssl("x509", "-in", pem, "-noout", "-serial") for pem in (self.pem, other[0])}
        stop = threading.Event()
        failures, seen = [], set()
        clients = [self.tls_client() for _ in range(3)] + [self.server.client() for _ in range(2)]
        for client in clients:
            self.addCleanup(client.close)

        def load(client):
            sku = unique("LOAD")
            try:
                while not stop.is_set():
                    calls = [("receive", unique("l"), sku, "main", 1) for _ in range(200)]
                    for result in client.pipeline(calls, window=100):
                        if isinstance(result, RpcError):
                            failures.append(result)
            except Exception as error:
                failures.append(error)

        threads = [threading.Thread(target=load, args=(client,)) for client in clients]
        for thread in threads:
            thread.start()
        try:
            for turn in range(6):
                self.put(*(other if turn % 2 == 0 else (self.pem, self.key)))
                self.reload()
                client = self.tls_client()
                der = client.socket.getpeercert(binary_form=True)
                text = ssl.DER_cert_to_PEM_cert(der)
                seen.add(self.serial(text))
                self.assertEqual(client.call("ping"), "pong")
        finally:
            stop.set()
            for thread in threads:
                join(thread, "the load", CALL_TIMEOUT)
            self.put(self.pem, self.key)
        self.assertEqual(failures, [])
        self.assertEqual(seen, serials, "each reload shows the certificate that was put there")

    def serial(self, text):
        path = os.path.join(self.folder, "seen.pem")
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        return openssl("x509", "-in", path, "-noout", "-serial")

    def test_bad_files_change_nothing(self):
        other = self.authority.issue("third", "stockd", HOSTS)
        good = [contents(path) for path in self.used]
        self.addCleanup(self.put, self.pem, self.key)
        for what, pem, key, mentions in (
            ("no certificate", b"", good[1], "tls-cert"),
            ("junk", b"-----BEGIN CERTIFICATE-----\n!!!!\n", good[1], "tls-cert"),
            ("another key", good[0], contents(other[1]), "tls-key"),
            ("no key", good[0], b"junk", "tls-key"),
        ):
            with self.subTest(what):
                for path, data in zip(self.used, (pem, key)):
                    with open(path, "wb") as file:
                        file.write(data)
                self.reload(expect="the certificates stay as they are: " + mentions)
                self.assertEqual(self.tls_client().call("ping"), "pong")
        self.put(*self.authority.issue("old", "stockd", HOSTS, expired=True))
        self.reload(expect="has expired, and the one in use has not")
        self.assertEqual(self.tls_client().call("ping"), "pong")
        os.unlink(self.used[0])
        self.reload(expect=self.used[0] + ": No such file")
        self.assertEqual(self.tls_client().call("ping"), "pong")


class Options(StockdTestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="stockd-tls-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.authority = Authority(cls.folder, "authority")
        cls.pem, cls.key = cls.authority.issue("server", "stockd", HOSTS)

    @classmethod
    def tearDownClass(cls):
        pass

    def setUp(self):
        pass

    def test_what_cannot_start(self):
        other = self.authority.issue("other", "stockd")
        files = ("--tls-cert", self.pem, "--tls-key", self.key)
        address = ("--listen", "tls://127.0.0.1:0")
        empty = os.path.join(self.folder, "empty")
        with open(empty, "w", encoding="ascii"):
            pass
        secret = os.path.join(self.folder, "secret.key")
        openssl("ec", "-in", self.key, "-aes256", "-passout", "pass:x", "-out", secret)
        for options, *mentions in (
            (address, "tls-cert", "tls-key"),
            ((*address, "--tls-cert", self.pem), "tls-key"),
            (files, "does nothing without listen tls://"),
            ((*address, *files, "--tls-min", "1.1"), "tls-min", "1.1"),
            ((*address, *files, "--tls-min", "1.2", "--tls-client-ca", empty), "tls-client-ca"),
            ((*address, "--tls-cert", "/nowhere", "--tls-key", self.key), "/nowhere", "No such"),
            ((*address, "--tls-cert", self.pem, "--tls-key", other[1]), other[1], "mismatch"),
            ((*address, "--tls-cert", self.pem, "--tls-key", secret), secret),
            ((*address, *files, "--tls-handshake-timeout-ms", "1"), "tls-handshake-timeout-ms"),
            (("--listen", "tls://127.0.0.1", *files), "tls://127.0.0.1"),
        ):
            with self.subTest(options):
                got = run_program("stockd", "--data", os.path.join(self.folder, "data"), *options)
                self.assertEqual(got.code, 2, got)
                self.assertEqual(len(got.err_lines), 1, got.err)
                for mention in mentions:
                    self.assertIn(mention, got.err)


if __name__ == "__main__":
    main()
