#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Three nodes on a real etcd, with clients attached to each, while they and etcd fail: nothing that
was acknowledged is lost, no two acknowledge in conflict, and all journals are the same."""

import unittest

from nodes_case import survived
from stockd_harness import main

TRIMS = ("--keep", 20_000)


class Nodes(unittest.TestCase):
    def test_partitions_that_leave_clients_on_the_primary(self):
        survived(scenario=("partition", "mute_primary", "deaf_primary", "cut_standby"))

    def test_nodes_that_are_killed_or_stopped(self):
        survived(scenario=("kill_primary", "kill_standby", "pause_primary", "kill_primary"))

    def test_takeovers_from_a_primary_that_works(self):
        survived(scenario=("contest", "hand_over", "contest", "hand_over"))

    def test_trims_and_copies(self):
        survived(scenario=("fall_behind", "lose_disk", "fall_behind"), options=TRIMS)

    def test_members_of_etcd_that_are_killed(self):
        survived(members=3, scenario=("kill_member", "partition", "kill_member", "kill_primary"))


if __name__ == "__main__":
    main()
