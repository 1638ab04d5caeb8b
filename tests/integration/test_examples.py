# SPDX-License-Identifier: Apache-2.0
"""The examples do what they say, on a mirror that is live, one that stands still, and none."""

import os
import shutil
import subprocess

from redis_case import MirrorTestCase
from stockd_harness import BIN_DIR, CALL_TIMEOUT, SOURCE_ROOT, main, run_program, wait_until

EXAMPLES = os.path.join(SOURCE_ROOT, "examples")


class Storefront:
    """What each of them must do; a subclass says how it is run."""

    argv = ()

    def run_page(self, *args, expect=0):
        done = subprocess.run([*self.argv, *map(str, args)], capture_output=True, text=True,
                              timeout=CALL_TIMEOUT, check=False)
        self.assertEqual(done.returncode, expect, done.stderr)
        return done.stdout.splitlines()

    def page(self, *skus):
        return self.run_page("127.0.0.1", self.redis.port, "default", *skus)

    def test_page(self):
        server = self.engine()
        self.receive(server, "MUG", 7)
        server.call("item_set", "Tasse é", {})
        server.call("reserve", "o", "default", [["MUG", 2]])
        self.assert_same(server, ["MUG", "Tasse é"])
        self.await_state(server, "live")
        wait_until(lambda: self.page("MUG")[-1].startswith("fresh: "), what="it to be called fresh")
        self.assertEqual(self.page("MUG", "NONE", "Tasse é")[:3],
                         ["MUG: 5 available", "NONE: unknown", "Tasse é: 0 available"])
        server.stop()
        wait_until(lambda: self.page("MUG")[-1].startswith("STALE: "), what="it to be called stale")
        self.assertEqual(self.page("MUG")[0], "MUG: 5 available")
        self.redis.client.flushall()
        self.assertEqual(self.page("MUG"), ["MUG: unknown", "STALE: there is no mirror"])

    def test_what_cannot_be_read(self):
        self.run_page(expect=2)
        port = self.redis.port
        self.redis.kill()
        self.run_page("127.0.0.1", port, "default", "MUG", expect=1)


class InC(Storefront, MirrorTestCase):
    argv = (os.path.join(BIN_DIR, "example-storefront"),)


class InPython(Storefront, MirrorTestCase):
    argv = ("/usr/bin/python3", os.path.join(EXAMPLES, "storefront.py"))


class InNode(Storefront, MirrorTestCase):
    argv = ("node", os.path.join(EXAMPLES, "storefront.mjs"))

    def setUp(self):
        if not shutil.which("node"):
            self.skipTest("node is not installed")
        super().setUp()


class Demo(MirrorTestCase):
    def test_trickle_moves_what_redis_shows(self):
        server = self.engine()
        done = run_program("stockctl", "-s", server.tcp, "demo", "--trickle", "--rate", "1000",
                           "--orders", "100")
        self.assertEqual((done.code, done.err), (0, ""))
        self.assertRegex(done.out, r"\n\d+ orders, \d+ refused, \d+ shipped, \d+ cancelled\n$")
        self.assertEqual(run_program("stockctl", "-s", server.tcp, "mirror", "verify").code, 0)
        done = run_program("stockctl", "-s", server.tcp, "demo", "--rate", "5")
        self.assertEqual(done.code, 2)


if __name__ == "__main__":
    main()
