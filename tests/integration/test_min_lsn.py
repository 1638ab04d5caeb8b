# SPDX-License-Identifier: Apache-2.0
"""A question that names an LSN waits until the engine has come to it, and holds up nobody else."""

import threading

from stockctl_case import StockctlTestCase
from stockd_harness import main


class MinLsn(StockctlTestCase):
    def test_what_has_come_is_answered_at_once(self):
        lsn = self.call("receive", "a1", "A", "main", 3)["lsn"]
        answer = self.call("availability", "default", ["A"], {"min_lsn": lsn})
        self.assertEqual(answer["stock"], [3])
        self.assertGreaterEqual(answer["lsn"], lsn)

    def test_it_waits_for_another_clients_change(self):
        self.call("receive", "b0", "B", "main", 1)
        answers = []
        asked = threading.Event()

        def ask(wanted):
            with self.server.client() as other:
                other.call("ping")
                asked.set()
                try:
                    answers.append(other.call("stock", "B", {"min_lsn": wanted}))
                except Exception as error:
                    answers.append(error)

        # On a machine that stands still for 2 s the question may be refused: then it is asked anew.
        for attempt in range(10):
            answers.clear()
            asked.clear()
            before = self.call("locations")["lsn"]
            thread = threading.Thread(target=ask, args=(before + 512,))
            thread.start()
            asked.wait()
            lsn = before
            for number in range(64):
                if lsn >= before + 512:
                    break
                lsn = self.call("receive", f"b{attempt}-{number}", "B", "main", 1)["lsn"]
            self.assertGreaterEqual(lsn, before + 512)
            thread.join()
            if isinstance(answers[0], dict):
                break
            self.assertEqual(answers[0].code, "overloaded")
        self.assertGreaterEqual(answers[0]["lsn"], before + 512)

    def test_it_does_not_wait_for_ever(self):
        far = self.call("locations")["lsn"] + (1 << 40)
        self.refused("overloaded", "availability", "default", ["A"], {"min_lsn": far},
                     names="has not come to LSN")
        self.call("ping")

    def test_a_command_waits_too(self):
        lsn = self.call("receive", "c1", "C", "main", 2)["lsn"]
        self.assertIn("2", self.ctl("availability", "default", "C", "--min-lsn", str(lsn)))
        self.assertIn("main", self.ctl("stock", "C", "--min-lsn", str(lsn)))
        self.call("reserve", "o", "default", [["C", 1]])
        self.assertIn("held", self.ctl("reservation", "o", "--min-lsn", str(lsn)))

    def test_the_engine_tells_its_role(self):
        self.assertEqual(self.call("info")["server"]["role"], "primary")


if __name__ == "__main__":
    main()
