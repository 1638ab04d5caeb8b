# SPDX-License-Identifier: Apache-2.0
"""The console in a real Chromium, before a real gateway and engine. tests/browser/ has the flows."""

import json
import os
import shutil
import subprocess
import sys
import tempfile

from gateway_case import Gateway, GatewayTestCase
from stockd_harness import (BIN_DIR, PATIENCE, SLOW, SOURCE_ROOT, Server, main, run_program)

FLOWS = os.path.join(SOURCE_ROOT, "tests", "browser")
NEEDED = ("playwright-core", "axe-core")


def find_modules():
    """build/npm of this tree, wherever the programs are."""
    for build in (os.path.join(SOURCE_ROOT, "build"), os.path.dirname(os.path.dirname(BIN_DIR))):
        folder = os.path.join(build, "npm")
        if all(os.path.isdir(os.path.join(folder, "node_modules", name)) for name in NEEDED):
            return folder
    return None


MODULES = find_modules()
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
for there, what in ((shutil.which("node"), "node"), (CHROMIUM, "chromium"),
                    (MODULES, "/".join(NEEDED) + " in build/npm")):
    if not there:
        print(f"skipped: no {what}: scripts/install-dependencies.sh test")
        sys.exit(77)

BARCODES = {"mug": "4006381333931", "cup": "4006381333948", "hat": "4006381333955"}
HOSTILE = {"sku": "<b>=1+1</b>", "name": "<img src=x onerror=\"pwned=1\">\"'><script>pwned=1</script>",
           "order": "<img/src=x onerror=pwned=1>", "supply": "<script>pwned=1</script>",
           "location": "evil", "channel": "evil"}
MANY = 1500


class Browser(GatewayTestCase):
    def setUp(self):
        """Each flow has an engine of its own: it may stop it, and nobody else's orders are in it."""
        self.server = Server("--durability", "none", "--http", "127.0.0.1:0")
        self.addCleanup(lambda: self.server.close())
        self.gateway = Gateway(self.server.unix, "--ops", self.server.http.removeprefix("http://"))
        self.addCleanup(lambda: self.gateway.close())
        self.client = self.server.client("unix")
        self.addCleanup(lambda: self.client.close())

    @classmethod
    def setUpClass(cls):
        pass

    @classmethod
    def tearDownClass(cls):
        pass

    def please(self, what):
        if what == "stop engine":
            self.client.close()
            self.server.stop()
        elif what == "start engine":
            self.server.start()
        elif what == "restart gateway":
            address = self.gateway.address
            self.gateway.close()
            self.gateway = Gateway(self.server.unix, "--listen", address)
        else:
            raise AssertionError(f"the flow asks for {what!r}")

    def flow(self, name, **data):
        """Runs a flow, and does what it asks for."""
        with tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(
                ["node", os.path.join(FLOWS, "run.mjs"), name], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=errors, text=True, cwd=FLOWS,
                env={**os.environ, "CONSOLE_URL": f"http://{self.gateway.address}/",
                     "CHROMIUM": CHROMIUM, "NODE_MODULES": MODULES,
                     "PATIENCE": str(PATIENCE * SLOW), "CONSOLE_DATA": json.dumps(data)})
            try:
                for line in process.stdout:
                    if line.startswith("please: "):
                        self.please(line.removeprefix("please: ").strip())
                        process.stdin.write("done\n")
                        process.stdin.flush()
                    else:
                        print(line, end="")
                code = process.wait()
            finally:
                if process.poll() is None:
                    process.terminate()
                    process.wait()
                process.stdin.close()
                process.stdout.close()
            errors.seek(0)
            self.assertEqual(code, 0, errors.read().decode(errors="replace")[-6000:])

    # ---- what there is ----

    def shop(self):
        """Two stores, three items, orders in several states, and a delivery."""
        call = self.client.call
        for code, name in (("paris", "Paris, Rivoli"), ("lyon", "Lyon, Bellecour")):
            call("location_set", code, {"name": name, "kind": "store"})
        call("channel_set", "web", {"name": "Web shop", "locations": ["paris", "lyon"]})
        for sku, name in (("MUG", "Mug, blue"), ("CUP", "Cup"), ("HAT", "Hat")):
            call("item_set", sku, {"name": name, "barcode": BARCODES[sku.lower()]})
        for number, (sku, location, qty) in enumerate((
                ("MUG", "paris", 10), ("MUG", "lyon", 10), ("CUP", "paris", 5), ("HAT", "paris", 3))):
            call("receive", f"in-{number}", sku, location, qty)
        self.confirmed("order-0", [["MUG", 1, "lyon"]])
        call("fulfil", "order-0")
        self.confirmed("order-1", [["MUG", 2, "paris"], ["CUP", 1, "paris"]])
        self.confirmed("order-2", [["MUG", 1, "paris"]])
        self.confirmed("order-3", [["MUG", 2, "paris"]], ref="Cart 42")
        self.confirmed("order-4", [["HAT", 3, "paris"]])
        call("adjust", "theft", "HAT", "paris", -2)
        call("expect", "po-1", "paris", [["MUG", 5]], {"ref": "PO-77"})

    def confirmed(self, order, lines, channel="web", **options):
        self.client.call("reserve", order, channel, lines, {"confirm": True, **options})

    def hostile_names(self):
        """Whatever a client may choose tries to be markup."""
        call, name = self.client.call, HOSTILE["name"]
        call("location_set", "evil", {"name": name, "kind": name[:20]})
        call("channel_set", "evil", {"name": name, "locations": ["evil"]})
        call("item_set", HOSTILE["sku"], {"name": name, "barcode": name[:40], "unit": "<i>u</i>"})
        call("receive", "evil-in", HOSTILE["sku"], "evil", 5, {"ref": name})
        call("adjust", "<u>", HOSTILE["sku"], "evil", -1, {"reason": name})
        self.confirmed(HOSTILE["order"], [[HOSTILE["sku"], 4]], "evil", ref=name)
        call("expect", HOSTILE["supply"], "evil", [[HOSTILE["sku"], 2]], {"ref": name})

    def many_rows(self):
        """An item at many places, many items, many orders at one place."""
        call = self.client.call
        call("location_set", "many", {"name": "Many"})
        call("receive", "often", "OFTEN", "many", 1)
        for number in range(MANY):
            call("location_set", f"l{number}", {})
            call("receive", f"m-{number}", "MANY", f"l{number}", 1)
            call("receive", f"i-{number}", f"ITEM-{number}", "many", 9)
        for number in range(MANY):
            self.confirmed(f"o-{number}", [[f"ITEM-{number}", 1, "many"]], "default")
        for number in range(MANY * 2):
            call("receive", f"often-{number}", "OFTEN", "many", 1)

    # ---- flows ----

    def test_a_clerk(self):
        self.shop()
        self.flow("clerk", barcodes=BARCODES)

    def test_an_operator(self):
        self.shop()
        self.flow("operator", barcodes=BARCODES)

    def test_the_engine_goes_away(self):
        self.shop()
        self.flow("away")

    def test_accessibility(self):
        self.shop()
        self.flow("looks", part="accessible")

    def test_narrow_screens(self):
        self.shop()
        self.flow("looks", part="narrow")

    def test_names_that_are_markup(self):
        self.hostile_names()
        self.flow("looks", part="hostile", hostile=HOSTILE)

    def test_many_rows(self):
        self.many_rows()
        self.flow("looks", part="many", many=MANY)


class Tokens(Browser):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.file = os.path.join(self.folder.name, "tokens")
        everything = ("--channels", "*", "--locations", "*")
        self.clerk = self.add("clerk", "--can", "read,order", *everything)
        self.root = self.add("root", "--can", "read,order,stock,catalogue,supply,admin", *everything)
        self.server = Server("--tokens", self.file)
        self.addCleanup(lambda: self.server.close())
        self.gateway = Gateway(self.server.unix)
        self.addCleanup(lambda: self.gateway.close())

    def add(self, name, *rights):
        done = run_program("stockctl", "token", "add", name, "--tokens", self.file, *rights)
        assert done.code == 0, done
        return done.out.strip()

    def test_a_token(self):
        self.flow("token", clerk=self.clerk, token=self.root)


for inherited in [name for name in dir(Browser) if name.startswith("test_")]:
    setattr(Tokens, inherited, None)

if __name__ == "__main__":
    main()
