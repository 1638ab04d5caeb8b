# SPDX-License-Identifier: Apache-2.0
"""The OpenAPI document of stock-gateway passes a linter of that format, without a warning."""

import json
import os
import shutil
import subprocess
import sys
import tempfile

from gateway_case import GatewayTestCase
from stockd_harness import BIN_DIR, PATIENCE, SOURCE_ROOT, main


def find_linter():
    """In build/npm of this tree, wherever the programs are."""
    for build in (os.path.join(SOURCE_ROOT, "build"), os.path.dirname(os.path.dirname(BIN_DIR))):
        path = os.path.join(build, "npm", "node_modules", ".bin", "redocly")
        if os.path.exists(path):
            return path
    return None


LINTER = find_linter()
if not LINTER or not shutil.which("node"):
    print("skipped: no node, or no @redocly/cli in build/npm: scripts/install-dependencies.sh test")
    sys.exit(77)

# It asks for the latest version of itself, and sends what it was used for, unless told not to.
QUIET = {"REDOCLY_SUPPRESS_UPDATE_NOTICE": "true", "REDOCLY_TELEMETRY": "off"}


class Lint(GatewayTestCase):
    def lint(self, document):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "openapi.json")
            with open(path, "w", encoding="utf-8") as file:
                json.dump(document, file, indent=1)
            return subprocess.run(
                [LINTER, "lint", "--extends", "recommended", "--format", "json", path],
                capture_output=True, text=True, timeout=120 * PATIENCE, cwd=folder,
                env={**os.environ, **QUIET}, check=False)

    def test_the_document(self):
        done = self.lint(self.gateway.get("/v1/openapi.json").json)
        found = json.loads(done.stdout)
        self.assertEqual((done.returncode, found["problems"]), (0, []), done.stderr)

    def test_the_linter_finds_faults(self):
        document = self.gateway.get("/v1/openapi.json").json
        del document["components"]["schemas"]["sku"]
        self.assertNotEqual(self.lint(document).returncode, 0)


if __name__ == "__main__":
    main()
