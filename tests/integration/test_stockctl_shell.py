#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""stockctl without a command: a shell on a terminal, and lines from standard input."""

import os
import signal
import stat
import subprocess
import tempfile
import time

from cutting_proxy import CuttingProxy
from stockctl_case import DONE, REFUSED, UNREACHABLE, USAGE, StockctlTestCase
from stockd_harness import PATIENCE, SLOW, Server, main, run_program, unique, wait_until
from terminal_case import CTRL_C, CTRL_D, CTRL_U, PROMPT, TAB, UP, Terminal

TOKEN = "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-_AbCdE"


class ShellCase(StockctlTestCase):
    def setUp(self):
        super().setUp()
        self.state = tempfile.TemporaryDirectory(prefix="stockd-test-")
        self.addCleanup(self.state.cleanup)

    def terminal(self, *args, server=None, **env):
        shell = Terminal(*args, env={"STOCKD_SERVER": (server or self.server).unix,
                                     "XDG_STATE_HOME": self.state.name, "HOME": self.state.name,
                                     **env})
        self.addCleanup(shell.__exit__)
        shell.expect("> $")
        return shell

    @property
    def history(self):
        return os.path.join(self.state.name, "stockd", "history")


class Talk(ShellCase):
    def test_commands_one_after_the_other_over_one_connection(self):
        sku = unique("SKU")
        with CuttingProxy(self.server.tcp, None) as proxy:
            shell = self.terminal(STOCKD_SERVER=proxy.address)
            shell.say(f"receive {sku} main 7", "on_hand +7")
            shell.say("stock NOPE", "unknown_sku")
            shell.say(f"stockctl stock {sku}", "available +7")
            shell.say(f"availability default {sku}", "AVAILABLE")
            self.assertEqual(proxy.connections, 1)
            shell.type("exit\r")
            self.assertEqual(shell.ends(), DONE)

    def test_an_error_does_not_end_it(self):
        shell = self.terminal()
        shell.say("stock NOPE", "unknown_sku")
        shell.say("frobnicate", "unknown command 'frobnicate'")
        shell.say("stock", "too few arguments")
        shell.say("stock 'MUG", "' is not closed")
        shell.say("-o yaml ping", "table, json, csv or ndjson")
        shell.say("", "")
        shell.say("ping # and nothing else", "pong")
        shell.type(CTRL_D)
        self.assertEqual(shell.ends(), DONE)

    def test_what_a_line_sets_is_for_that_line(self):
        shell = self.terminal("-o", "csv")
        shell.say("ping", "result\npong\n")
        shell.say("ping --output ndjson", '"pong"\n')
        shell.say("--as ann@desk receive LINE main 1", "id\n")
        shell.say("receive LINE main 1", "id\n")
        shell.say("-s 127.0.0.1:1 ping", "127.0.0.1:1: ")
        shell.say("ping", "result\npong\n")
        clients = [event["client"] for event in self.call("history", "LINE")["events"]
                   if event["type"] == "receive"]
        self.assertEqual(clients[0], "ann@desk")
        self.assertRegex(clients[1], "@stockctl$")

    def test_help(self):
        shell = self.terminal()
        self.assertIn("What changes:", shell.say("help", "Exit status"))
        self.assertIn("--ttl", shell.say("help reserve", "Usage: stockctl reserve"))

    def test_ctrl_c_abandons_the_line(self):
        shell = self.terminal()
        sku = unique("SKU")
        shell.type(f"receive {sku} main 5")
        shell.expect("main 5")
        shell.type(CTRL_C)
        shell.expect("\n.*> $")
        shell.say("ping", "pong")
        shell.say(f"stock {sku}", "unknown_sku")

    def test_ctrl_c_ends_a_command_and_not_the_shell(self):
        shell = self.terminal()
        for command in ("watch", "watch", "watch --events"):
            shell.type(command + "\r")
            shell.expect("Ctrl-C stops")
            shell.type(CTRL_C)
            shell.expect("> $")
        shell.say("ping", "pong")

    def test_what_is_typed_meanwhile_is_done_then(self):
        with Server() as server:
            shell = self.terminal(server=server)
            shell.say("ping", "pong")
            os.kill(server.pid, signal.SIGSTOP)
            try:
                shell.type("ping\r")
                shell.expect("ping\n")
                shell.type("help ping\r" + CTRL_D)
            finally:
                os.kill(server.pid, signal.SIGCONT)
            shell.expect("pong (?s:.*)Usage: stockctl ping")
            self.assertEqual(shell.ends(), DONE)

    def test_output_to_a_file(self):
        shell = self.terminal()
        sku = self.stocked(3)
        path = os.path.join(self.state.name, "my stock.csv")
        shell.say(f"export stock > '{path}'", "")
        shell.say(f"ping >> '{path}'", "")
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
        self.assertEqual(lines[0], "sku,location,on_hand,reserved,available")
        self.assertIn(f"{sku},main,3,0,3", lines)
        self.assertTrue(lines[-1].startswith("pong from"), lines[-1])
        shell.say("ping > /nowhere/file", "No such file")
        shell.say("ping", "pong")

    def test_names_cannot_take_over_the_terminal(self):
        sku = unique("EVIL") + "\x1b[2J\x07\x9b31m"
        self.call("receive", unique("r"), sku, "main", 1)
        self.call("item_set", sku, {"name": "x\x1b]0;mine\x07\x7f"})
        shell = self.terminal()
        shell.type("stock EVIL" + TAB + TAB)
        shell.type(CTRL_U)
        for line in ("item list", "item list -o json", "item list -o csv", "item list -o ndjson",
                     "export items", "changes", "changes -o csv", "export stock -o json"):
            shell.say(line, "EVIL")
        for bad in (b"\x1b[2J", b"\x1b]0", b"\x9b", "\x9b".encode(), b"\x7f"):
            self.assertNotIn(bad, shell.raw)


class Engine(ShellCase):
    def test_an_engine_that_is_killed_and_comes_back(self):
        with Server() as server:
            shell = self.terminal(server=server)
            shell.say("receive MUG main 4", "on_hand +4")
            shell.say("channel set web", "lsn")
            server.kill()
            shell.say("stock MUG", "is stockd running there")
            shell.say("reserve default MUG --id o-1", "is stockd running there")
            began = time.monotonic()
            shell.type("reserve w" + TAB)
            shell.type("eb" + CTRL_U)  # nothing is offered, and nothing hangs
            shell.say("help ping", "Usage")
            self.assertLess(time.monotonic() - began, 10 * SLOW * PATIENCE)
            server.start()
            shell.say("reserve default MUG --id o-1", "state +held")
            shell.say("stock MUG", "reserved +1")
            wait_until(lambda: self.offers_web(shell), what="completion after the engine came back")
            server.restart()  # while nobody asks
            shell.say("fulfil o-1", "wrong_state")  # and what may not be repeated is not lost
            shell.type(CTRL_D)
            self.assertEqual(shell.ends(), DONE)

    def offers_web(self, shell):
        shell.type(CTRL_U + "channel show w" + TAB)
        try:
            shell.expect("web $", timeout=2)
        except AssertionError:
            return False
        shell.say("", "buffer")
        return True

    def test_one_that_was_never_there(self):
        shell = self.terminal(STOCKD_SERVER="unix:" + os.path.join(self.state.name, "nobody"))
        self.assertIn(b"Each command tries again", shell.raw)
        shell.say("ping", "is stockd running there")
        shell.type(CTRL_D)
        self.assertEqual(shell.ends(), DONE)

    def test_tab_does_not_hang_with_an_engine_that_does(self):
        with Server() as server:
            shell = self.terminal(server=server)
            os.kill(server.pid, signal.SIGSTOP)
            try:
                shell.type("channel show " + TAB + TAB + TAB)
                shell.type(CTRL_U)
                shell.say("help ping", "Usage: stockctl ping")
            finally:
                os.kill(server.pid, signal.SIGCONT)

    @staticmethod
    def children_of(pid):
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return file.read().split()

    def test_ctrl_c_ends_a_long_command_that_waits(self):
        with Server() as server:
            shell = self.terminal(server=server)
            shell.say("ping", "pong")
            os.kill(server.pid, signal.SIGSTOP)
            try:
                shell.type("export stock\r")
                wait_until(lambda: self.children_of(shell.process.pid), what="the command")
                shell.type(CTRL_C)
                said = shell.expect(PROMPT)
                self.assertNotIn("waits for the engine", said)
                self.assertNotIn("stockctl:", said)
            finally:
                os.kill(server.pid, signal.SIGCONT)
            shell.say("ping", "pong")

    def interrupt_twice(self, server):
        """The exit status; None: Ctrl-C came as the command was about to begin, and nobody took it."""
        shell = self.terminal(server=server)
        shell.say("ping", "pong")
        os.kill(server.pid, signal.SIGSTOP)
        try:
            said = ""
            while "once more leaves" not in said:  # too early, it abandons the line
                shell.type("ping\r")
                shell.expect("ping\n")
                shell.type(CTRL_C)
                try:
                    said = shell.expect(f"once more leaves|{PROMPT}", timeout=2)
                except AssertionError:
                    return None
            shell.type(CTRL_C)
            return shell.ends()
        finally:
            os.kill(server.pid, signal.SIGCONT)

    def test_a_second_ctrl_c_leaves_a_command_that_waits(self):
        with Server() as server:
            statuses = (self.interrupt_twice(server) for _ in range(8))
            status = next((status for status in statuses if status is not None), None)
            self.assertEqual(status, -signal.SIGINT)


class Completion(ShellCase):
    options = ("--workers", "1")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with cls.server.client() as client:
            for n, sku in enumerate(("MUG-RED", "MUG-BLUE", "TEA CUP", "X'Y", "ESC\x1b[2J")):
                client.call("receive", f"r-{n}", sku, "main", 3)
            client.call("channel_set", "web", {})
            client.call("location_set", "paris", {})

    def accepts(self, typed, said):
        """The line that Tab makes of it is run, and that is what comes."""
        self.shell.say(typed, said)

    def setUp(self):
        super().setUp()
        self.shell = self.terminal()

    def test_commands_and_options(self):
        self.accepts("pi" + TAB, "pong")
        self.accepts("loc" + TAB + "ion li" + TAB, "main +store")
        self.accepts("help reserva" + TAB, "Usage: stockctl reservation")
        self.accepts("availability default MUG-RED --ou" + TAB + "cs" + TAB, "sku,available\nMUG-RED,3")
        self.accepts("promise default MUG-RED --mo" + TAB + "sh" + TAB, "complete +yes")

    def test_names_of_the_engine(self):
        self.accepts("availability we" + TAB + "MUG-R" + TAB, "MUG-RED +3")
        self.accepts("location show pa" + TAB, "code +paris")
        self.accepts("channel show w" + TAB, "code +web")
        self.accepts("reserve web MUG-R" + TAB + ":1@mai" + TAB + " --id c-1", "state +held")
        self.accepts("reserve web MUG-R" + TAB + " --at=mai" + TAB + "--id c-2", "state +held")
        self.accepts("orders --channel we" + TAB, "c-2")

    def test_names_that_need_quotes(self):
        self.accepts("stock TEA" + TAB, "available +3")
        self.accepts("stock 'TEA" + TAB, "available +3")
        self.accepts('stock "TEA' + TAB, "available +3")
        self.accepts("stock X" + TAB, "available +3")

    def test_what_is_ambiguous_is_listed(self):
        self.shell.type("stock MU" + TAB + TAB)
        self.shell.expect(r"stock MUG-\nMUG-BLUE +MUG-RED\n.*> stock MUG-$")

    def test_what_cannot_be_typed_is_not_offered(self):
        self.shell.type("stock ESC" + TAB + TAB + CTRL_U)
        self.shell.say("ping", "pong")
        self.assertNotIn(b"\x1b[2J", self.shell.raw)

    def test_files(self):
        path = os.path.join(self.state.name, "opening stock.csv")
        with open(path, "w", encoding="utf-8") as file:
            file.write("sku,location,on_hand\nTEE,main,9\n")
        self.accepts(f"import stock {self.state.name}/open" + TAB, "1 ")
        self.assertEqual(self.call("stock", "TEE")["on_hand"], 9)

    def test_a_new_name_is_known_after_some_seconds(self):
        self.shell.type("channel show fre" + TAB + CTRL_U)
        self.shell.say("channel set fresh", "lsn")

        def offered():
            self.shell.type(CTRL_U + "channel show fre" + TAB)
            try:
                self.shell.expect("fresh $", timeout=1)
            except AssertionError:
                return False
            return True

        wait_until(offered, timeout=30, what="the new channel")


class History(ShellCase):
    def lines(self):
        with open(self.history, encoding="utf-8") as file:
            return file.read().splitlines()

    def test_lines_come_back_in_the_next_shell(self):
        shell = self.terminal()
        shell.say("ping", "pong")
        shell.say("help ping", "Usage")
        shell.say(" stock SECRET", "unknown_sku")
        shell.say(f"token test {TOKEN} --tokens /nowhere", "stockctl")
        shell.type(CTRL_D)
        shell.ends()
        self.assertEqual(self.lines(), ["ping", "help ping"])
        self.assertEqual(stat.S_IMODE(os.stat(self.history).st_mode), 0o600)
        shell = self.terminal()
        shell.type(UP + UP + "\r")
        shell.expect("pong (?s:.*)> $")
        self.assertEqual(self.lines()[-1], "ping")

    def test_without_a_place_for_it(self):
        os.makedirs(os.path.dirname(self.history))
        os.symlink("/nowhere/else", self.history)
        shell = self.terminal()
        shell.say("ping", "pong")

    def test_hostile_lines_in_the_file(self):
        os.makedirs(os.path.dirname(self.history))
        with open(self.history, "wb") as file:
            file.write(b"ping\nstock \x1b[2J\n\xff\xfe\n\0\nhealth")
        shell = self.terminal()
        shell.type(UP + "\r")
        shell.expect("pong (?s:.*)> $")
        self.assertNotIn(b"\x1b[2J", shell.raw)


class StandardInput(ShellCase):
    def batch(self, text, *args, expect=DONE, server=None):
        done = run_program("stockctl", "-s", (server or self.server).unix, *args, stdin=text)
        self.assertEqual(done.code, expect, f"{text!r}\nout: {done.out}\nerr: {done.err}")
        self.err = done.err
        return done.out

    def test_a_line_is_a_command(self):
        sku = unique("SKU")
        out = self.batch(f"# opening stock\n\nreceive {sku} main 5 -o csv\n"
                         f"availability default {sku} -o csv")
        self.assertIn(f"sku,available\n{sku},5\n", out)
        self.assertEqual(self.err, "")

    def test_nothing_to_do_is_done(self):
        self.assertEqual(self.batch(""), "")
        self.assertEqual(self.batch("# nothing\n\n"), "")

    def test_the_first_failure_is_the_exit_status(self):
        sku = unique("SKU")
        self.batch(f"stock NOPE\nfrobnicate\nreceive {sku} main 2\n", expect=REFUSED)
        self.assertIn("line 1 failed: exit status 1", self.err)
        self.assertIn("line 2 failed: exit status 2", self.err)
        self.assertEqual(self.figures(sku)[0], 2)
        self.batch("frobnicate\nstock NOPE\n", expect=USAGE)
        self.batch("ping\nexit\nfrobnicate\n")

    def test_an_engine_that_is_away_ends_it(self):
        with Server() as server:
            pass
        self.batch("ping\nping\n", expect=UNREACHABLE, server=server)
        self.assertEqual(self.err.count("is stockd running there"), 1)
        self.assertIn("line 1 failed: exit status 3; what follows it is not done", self.err)

    def test_the_commands_are_no_file(self):
        self.batch("import stock -\nsku,location,on_hand\n", expect=USAGE)
        self.assertIn("the commands come from standard input", self.err)

    def test_options_before_the_lines_hold_for_all(self):
        out = self.batch("ping\nping\nping -o csv\n", "-o", "ndjson")
        self.assertEqual(out, '"pong"\n"pong"\nresult\npong\n')

    def test_a_forgotten_command_is_no_shell(self):
        done = run_program("stockctl")  # with /dev/null, as under cron
        self.assertEqual(done.code, USAGE)
        self.assertIn("Usage: stockctl", done.err)

    def test_many_lines_over_one_connection(self):
        sku = unique("SKU")
        with CuttingProxy(self.server.tcp, None) as proxy:
            done = run_program("stockctl", "-s", proxy.address, stdin=f"receive {sku} main 1\n" * 200)
            self.assertEqual((done.code, proxy.connections), (DONE, 1), done.err)
        self.assertEqual(self.figures(sku)[0], 200)


if __name__ == "__main__":
    main()
