# SPDX-License-Identifier: Apache-2.0
"""stock-gateway before the nodes of a cluster: it finds the primary, sends again what was not answered, and says so where it
cannot."""

import threading

from gateway_case import Gateway, Stream
from node_case import LOSE_REPLY, LOSE_REQUEST, Node
from stockd_harness import CALL_TIMEOUT, StockdTestCase, main, unique, wait_until

NOBODY = "127.0.0.1:1"  # a port at which nothing listens


class Failover(StockdTestCase):
    options = ("--durability", "none")

    def node(self, **kwargs):
        node = Node(self.server.tcp, **kwargs)
        self.addCleanup(node.__exit__)
        return node

    def gateway_at(self, *nodes, options=()):
        addresses = ",".join(node if isinstance(node, str) else node.address for node in nodes)
        gateway = Gateway(addresses, "--threads", 1, *options)
        self.addCleanup(gateway.close)
        return gateway

    def receive(self, gateway, sku, status=200):
        answer = gateway.post("receive", {"id": unique("id"), "sku": sku, "location": "main", "qty": 1})
        self.assertEqual(answer.status, status, answer)
        return answer.json

    # the primary

    def test_a_change_goes_to_the_primary_and_so_do_questions_after_it(self):
        b = self.node(primary=True)
        a = self.node(names=b.address, term=4)
        gateway = self.gateway_at(a, b)
        sku = unique("SKU")
        self.assertEqual(gateway.post("ping").status, 200)
        self.assertEqual(a.asked["ping"], 1, "a question is asked where it is")
        self.receive(gateway, sku)
        self.assertEqual((a.refusals, b.taken), (1, 1))

        def answered_by_the_primary():
            self.assertEqual(gateway.post("ping").status, 200)
            return b.asked["ping"] > 0
        wait_until(answered_by_the_primary, CALL_TIMEOUT, what="questions at the primary")
        before = a.asked["ping"]
        for _ in range(5):
            self.assertEqual(gateway.post("ping").status, 200)
        self.assertEqual(a.asked["ping"], before)

    def test_a_primary_that_is_not_on_the_list(self):
        b = self.node(primary=True)
        a = self.node(names=b.address, term=4)
        gateway = self.gateway_at(a)
        for _ in range(3):
            self.receive(gateway, unique("SKU"))
        self.assertEqual(a.refusals, 1, "it stays there")

    def test_requests_wait_for_a_primary(self):
        a, b = self.node(), self.node()
        b.promoted_after = 4
        gateway = self.gateway_at(a, b)
        self.receive(gateway, unique("SKU"))
        self.assertGreaterEqual(a.refusals, 3, "they are asked in turn")

    def test_without_one_the_answer_says_what_each_node_said(self):
        a = self.node()
        gateway = self.gateway_at(a, NOBODY, options=("--call-s", 2))
        said = self.receive(gateway, unique("SKU"), status=503)
        self.assertEqual(said["code"], "engine_away")
        self.assertIn(f"{a.address}: not the primary, and there is none", said["detail"])
        self.assertIn(f"{NOBODY}: cannot connect", said["detail"])
        self.assertNotIn("may have been done", said["detail"], "it was refused")

    def test_many_at_once_while_the_primary_changes(self):
        a, b = self.node(primary=True), self.node()
        b.names, b.promoted_after = a.address, 6
        gateway = self.gateway_at(a, b)
        a.fates.append(LOSE_REPLY)
        a.after = 30
        sku = unique("SKU")
        failures = []

        def work():
            try:
                for _ in range(20):
                    self.receive(gateway, sku)
            except BaseException as error:
                failures.append(error)
        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(CALL_TIMEOUT)
        self.assertEqual(failures, [])
        self.assertIsNone(a.listener)
        self.assertEqual(self.figures(sku)[0], 120, "each once")

    def test_a_node_that_is_cut_off_is_left(self):
        a, b = self.node(primary=True), self.node(primary=True)
        a.read_only = True
        gateway = self.gateway_at(a, b)
        self.receive(gateway, unique("SKU"))
        self.assertEqual(b.taken, 1)

    # losses

    def lost(self, fate):
        a, b = self.node(primary=True), self.node()
        b.names, b.promoted_after = a.address, 2
        a.fates.append(fate)
        gateway = self.gateway_at(a, b)
        sku = unique("SKU")
        self.receive(gateway, sku)
        self.assertEqual(self.figures(sku)[0], 1)
        self.assertEqual(a.tried[0], b.tried[-1], "the same change, with its id")

    def test_what_was_not_done_is_done_elsewhere(self):
        self.lost(LOSE_REQUEST)

    def test_what_was_done_is_not_done_twice(self):
        self.lost(LOSE_REPLY)

    def test_one_engine_that_stays_away_may_have_done_it(self):
        """It dies of the change, and is not there for the second try: a repeat with the same id settles it."""
        a = self.node(primary=True)
        a.fates.append(LOSE_REPLY)
        gateway = self.gateway_at(a)
        sku, name = unique("SKU"), unique("id")
        body = {"id": name, "sku": sku, "location": "main", "qty": 1}
        answer = gateway.post("receive", body)
        self.assertEqual(answer.status, 503)
        self.assertEqual(answer.json["code"], "engine_away")
        self.assertIn("may have been done", answer.json["detail"])
        self.assertIn("with the same id", answer.json["detail"])
        a.up()
        wait_until(lambda: gateway.post("receive", body).status == 200, CALL_TIMEOUT, what="the repeat")
        self.assertEqual(self.figures(sku)[0], 1)

    def test_all_nodes_stay_away(self):
        a = self.node(primary=True)
        a.fates.append(LOSE_REPLY)
        gateway = self.gateway_at(a, NOBODY, options=("--call-s", 2))
        said = self.receive(gateway, unique("SKU"), status=503)
        self.assertIn("may have been done", said["detail"])
        self.assertIn(f"{NOBODY}: cannot connect", said["detail"])

    # streams

    def test_a_stream_goes_on_elsewhere(self):
        a, b = self.node(primary=True), self.node(primary=True)
        b.finds_behind = ("changes",)
        b.behind = 3
        gateway = self.gateway_at(a, b)
        sku = self.stocked(1)
        stream = Stream(gateway, "/v1/changes")
        self.addCleanup(stream.close)
        wait_until(lambda: a.subscriptions, CALL_TIMEOUT, what="a subscription at the first node")
        self.call("receive", unique("id"), sku, "main", 1)
        stream.wait_data(sku=sku, available=2)
        a.down()
        self.call("receive", unique("id"), sku, "main", 1)
        stream.wait_data(sku=sku, available=3)
        self.assertEqual(stream.data("resync"), [], "a node that is behind is waited for")
        self.assertEqual(b.behind, 0)


if __name__ == "__main__":
    main()
