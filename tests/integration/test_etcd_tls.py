#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The client of etcd over TLS: with right, wrong and missing certificates."""

import shutil
import tempfile

from etcd_case import Cluster, Driver, EtcdTestCase
from stockd_harness import PATIENCE, SLOW, main, wait_until
from tls_case import Authority

SHORT_MS = int(1500 * SLOW * PATIENCE)


class Encrypted(EtcdTestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="stockd-etcd-tls-")
        cls.ca = Authority(cls.folder, "ca")
        cls.other = Authority(cls.folder, "other")
        cls.server = cls.ca.issue("server", "etcd", "IP:127.0.0.1,DNS:localhost")
        cls.cert, cls.key = cls.ca.issue("client", "stockd")
        cls.one = Cluster(1, tls=(cls.ca.path, *cls.server))

    @classmethod
    def tearDownClass(cls):
        cls.one.close()
        shutil.rmtree(cls.folder, ignore_errors=True)

    def files(self, ca=None, cert=None, key=None):
        return ["--ca", ca or self.ca.path, "--cert", cert or self.cert, "--key", key or self.key]

    def refused(self, why, *options, address=None):
        driver = self.client(address or self.one.address, *options)
        reply = driver.ask("txn", then=[["put", "a", "wrong"]], within=SHORT_MS)
        self.assertEqual((reply["outcome"], reply["error"]), ("refused", "not connected"), driver.said)
        wait_until(lambda: driver.has_said(why), what=f"'{why}' in {driver.said}")

    def test_right_certificates(self):
        driver = self.client(self.one.address, *self.files())
        driver.put("a", "right")
        self.assertEqual(driver.pairs("a")["a"][0], "right")
        for size in (131_072, 200_000):
            driver.put("big", "v" * size)
            self.assertEqual(len(driver.pairs("big")["big"][0]), size)
        tags = [driver.submit("txn", then=[["put", f"t/{i}", "x" * 65_536]]) for i in range(7)]
        for tag in tags:
            self.assertTrue(driver.reply(tag)["succeeded"])

    def test_the_name_is_checked(self):
        driver = self.client(self.one.address_of(self.one.members, "localhost"), *self.files())
        driver.put("a", "by name")
        elsewhere = self.cluster(1, tls=(self.ca.path, *self.ca.issue("far", "far", "DNS:elsewhere")))
        self.refused("its certificate is not accepted: IP address mismatch", *self.files(),
                     address=elsewhere.address)
        self.refused("its certificate is not accepted: hostname mismatch", *self.files(),
                     address=elsewhere.address_of(elsewhere.members, "localhost"))

    def test_an_authority_that_did_not_issue_its_certificate(self):
        self.refused("its certificate is not accepted: ", *self.files(ca=self.other.path))

    def test_no_certificate_of_ours(self):
        self.refused("it does not accept our certificate: ", "--ca", self.ca.path)

    def test_a_certificate_of_another_authority(self):
        cert, key = self.other.issue("stranger", "stranger")
        self.refused("it does not accept our certificate: ", *self.files(cert=cert, key=key))

    def test_an_expired_certificate(self):
        cert, key = self.ca.issue("late", "late", expired=True)
        self.refused("it does not accept our certificate: ", *self.files(cert=cert, key=key))

    def test_plain_to_an_encrypted_port(self):
        self.refused(self.one.members[0].endpoint + ": ",
                     address="etcd://" + self.one.members[0].endpoint)

    def test_encrypted_to_a_plain_port(self):
        plain = self.cluster(1)
        self.connected(self.client(plain.address))
        self.refused("TLS: ", *self.files(), address="etcds://" + plain.members[0].endpoint)

    def test_files_that_are_none(self):
        for options, named in ((self.files(ca="/no/such/ca"), "/no/such/ca"),
                               (self.files(cert="/no/such/cert"), "/no/such/cert"),
                               (self.files(key=self.ca.path), self.ca.path)):
            driver = Driver(self.one.address, *options)
            driver.end()
            self.assertEqual(driver.process.returncode, 2)
            self.assertIn(named, driver.said[0])


if __name__ == "__main__":
    main()
