/* SPDX-License-Identifier: Apache-2.0 */
/* The list of a client's nodes, and where it goes next. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "client/nodes.h"

/* Those that a test has made: it copies them. */
static struct stk_nodes made[32];
static size_t made_count;

static void free_all(void)
{
    while (made_count > 0)
        stk_nodes_free(&made[--made_count]);
}

TestSuite(client_nodes, .fini = free_all);

static struct stk_nodes nodes_of(const char *list)
{
    struct stk_nodes *nodes = &made[made_count++];
    char why[160] = "";

    cr_assert_leq(made_count, sizeof made / sizeof made[0]);
    cr_assert(stk_nodes_read(nodes, list, why, sizeof why), "%s: %s", list, why);
    return *nodes;
}

/* The current one refuses; where the client is then. */
static const char *redirect(struct stk_nodes *nodes, const char *address, uint64_t term)
{
    stk_nodes_redirect(nodes, address, address ? strlen(address) : 0, term, false);
    stk_nodes_go(nodes);
    return stk_nodes_address(nodes);
}

static const char *fail(struct stk_nodes *nodes, const char *why)
{
    stk_nodes_failed(nodes, why);
    stk_nodes_go(nodes);
    return stk_nodes_address(nodes);
}

static const char *reasons(const struct stk_nodes *nodes)
{
    static char text[2048];

    stk_nodes_reasons(nodes, text, sizeof text);
    return text;
}

/* ---- The list ------------------------------------------------------------------------------ */

Test(client_nodes, a_list_names_each_node_once_in_order)
{
    struct stk_nodes nodes = nodes_of("a:1, tls://b:2,unix:/run/c,a:1");

    cr_assert_eq(nodes.count, 3);
    cr_assert_str_eq(nodes.node[0].address, "a:1");
    cr_assert_str_eq(nodes.node[1].address, "tls://b:2");
    cr_assert_str_eq(nodes.node[2].address, "unix:/run/c");
    cr_assert_str_eq(stk_nodes_address(&nodes), "a:1");
}

Test(client_nodes, what_is_no_list_is_refused_at_once)
{
    static const char *const wrong[] = { "", ",", "a:1,", ",a:1", "a:1,,b:2", "a:1,b", "a:1;b:2" };
    char many[256] = "a:1";
    struct stk_nodes nodes;
    char why[160];

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        why[0] = '\0';
        cr_assert_not(stk_nodes_read(&nodes, wrong[i], why, sizeof why), "%s", wrong[i]);
        cr_assert_neq(why[0], '\0');
    }
    for (int port = 2; port <= STK_NODES_MAX + 1; port++)
        snprintf(many + strlen(many), sizeof many - strlen(many), ",a:%d", port);
    cr_assert_not(stk_nodes_read(&nodes, many, why, sizeof why));
    cr_assert(strstr(why, "more than"));
    *strrchr(many, ',') = '\0';
    nodes = nodes_of(many);
    cr_assert_eq(nodes.count, STK_NODES_MAX);
}

Test(client_nodes, an_address_has_a_greatest_length)
{
    struct stk_nodes nodes = nodes_of("a:1,b:1");
    char longest[STK_ADDRESS_MAX + 2];
    char why[160];

    memset(longest, 'h', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    cr_assert_not(stk_nodes_read(&nodes, longest, why, sizeof why));
    nodes = nodes_of("a:1,b:1");
    cr_assert_str_eq(redirect(&nodes, longest, 1), "b:1", "it is not followed");
}

/* ---- Going on ------------------------------------------------------------------------------ */

Test(client_nodes, after_a_failure_the_next_in_turn)
{
    struct stk_nodes nodes = nodes_of("a:1,b:1,c:1");

    cr_assert_str_eq(fail(&nodes, "x"), "b:1");
    cr_assert_str_eq(fail(&nodes, "x"), "c:1");
    cr_assert_str_eq(fail(&nodes, "x"), "a:1");
}

Test(client_nodes, a_failure_that_is_noted_twice_is_one)
{
    struct stk_nodes nodes = nodes_of("a:1,b:1,c:1");

    stk_nodes_failed(&nodes, "x");
    stk_nodes_failed(&nodes, "y");
    stk_nodes_go(&nodes);
    cr_assert_str_eq(stk_nodes_address(&nodes), "b:1");
    cr_assert_str_eq(nodes.node[0].why, "x");
}

Test(client_nodes, a_redirect_is_followed)
{
    struct stk_nodes nodes = nodes_of("a:1,b:1,c:1");

    cr_assert_str_eq(redirect(&nodes, "c:1", 7), "c:1");
    cr_assert_eq(nodes.term, 7);
    cr_assert_str_eq(redirect(&nodes, NULL, 8), "a:1", "no primary: in turn");
    cr_assert_eq(nodes.term, 8);
    cr_assert_str_eq(redirect(&nodes, "b:1", 8), "b:1", "the same term has its primary now");
}

Test(client_nodes, an_old_term_moves_nobody_back)
{
    struct stk_nodes nodes = nodes_of("a:1,b:1,c:1");

    cr_assert_str_eq(redirect(&nodes, "b:1", 7), "b:1");
    cr_assert_str_eq(fail(&nodes, "lost"), "c:1");
    cr_assert_str_eq(redirect(&nodes, "b:1", 6), "a:1", "c:1 is behind: not to its primary");
    cr_assert_eq(nodes.term, 7);
}

Test(client_nodes, who_is_behind_is_left_for_the_primary_that_is_known)
{
    struct stk_nodes nodes = nodes_of("a:1,b:1,c:1,d:1");

    cr_assert_str_eq(redirect(&nodes, "d:1", 7), "d:1");
    nodes.at = 1; /* connected to b:1 meanwhile */
    cr_assert_str_eq(redirect(&nodes, "a:1", 5), "d:1");
}

Test(client_nodes, a_node_that_names_itself_is_left)
{
    struct stk_nodes nodes = nodes_of("a:1,b:1");

    cr_assert_str_eq(redirect(&nodes, "a:1", 3), "b:1");
}

Test(client_nodes, of_several_redirects_the_first_counts_unless_one_is_later)
{
    struct stk_nodes nodes = nodes_of("a:1,b:1,c:1");

    stk_nodes_redirect(&nodes, "b:1", 3, 4, false);
    stk_nodes_redirect(&nodes, "c:1", 3, 4, false);
    cr_assert_str_eq(nodes.node[nodes.next].address, "b:1");
    stk_nodes_redirect(&nodes, "c:1", 3, 5, false);
    cr_assert_str_eq(nodes.node[nodes.next].address, "c:1");
    cr_assert_str_eq(stk_nodes_address(&nodes), "a:1", "until it goes");
}

/* ---- Nodes that are not on the list -------------------------------------------------------- */

Test(client_nodes, a_primary_that_is_not_on_the_list_is_followed)
{
    struct stk_nodes nodes = nodes_of("a:1");

    cr_assert_str_eq(redirect(&nodes, "x:1", 1), "x:1");
    cr_assert_eq(nodes.count, 2);
    cr_assert_str_eq(fail(&nodes, "lost"), "a:1", "the list is still known");
}

/* Each names another one that nobody has heard of: they take two places, not ever more. */
Test(client_nodes, strangers_do_not_add_up)
{
    struct stk_nodes nodes = nodes_of("a:1,b:1");
    char named[16], before[16] = "a:1";

    for (int i = 1; i < 100; i++) {
        snprintf(named, sizeof named, "x:%d", i);
        cr_assert_str_eq(redirect(&nodes, named, (uint64_t)i), named);
        cr_assert_leq(nodes.count, 2 + STK_FURTHER);
        cr_assert(strstr(reasons(&nodes), before), "%s", before);
        snprintf(before, sizeof before, "%s", named);
    }
    cr_assert_str_eq(nodes.node[0].address, "a:1");
    cr_assert_str_eq(nodes.node[1].address, "b:1");
}

Test(client_nodes, encryption_is_not_lost_by_a_redirect)
{
    struct stk_nodes nodes = nodes_of("tls://a:1,tls://b:1");

    cr_assert_str_eq(redirect(&nodes, "b:1", 1), "tls://b:1", "it is the one on the list");
    cr_assert_str_eq(redirect(&nodes, "c:1", 2), "tls://c:1",
                     "an advertised address has no scheme");
    cr_assert_str_eq(redirect(&nodes, "tls://d:1", 3), "tls://d:1");
    nodes = nodes_of("a:1");
    cr_assert_str_eq(redirect(&nodes, "tls://d:1", 3), "tls://d:1");
}

Test(client_nodes, a_unix_socket_must_be_on_the_list)
{
    struct stk_nodes nodes = nodes_of("a:1,unix:/b");

    cr_assert_str_eq(redirect(&nodes, "unix:/c", 1), "unix:/b", "in turn");
    cr_assert(strstr(reasons(&nodes), "unix:/c"));
    nodes = nodes_of("a:1,b:1,unix:/c");
    cr_assert_str_eq(redirect(&nodes, "unix:/c", 1), "unix:/c");
}

static const char *redirect_with_token(const char *list, const char *address)
{
    static struct stk_nodes nodes;

    nodes = nodes_of(list);
    stk_nodes_redirect(&nodes, address, strlen(address), 1, true);
    stk_nodes_go(&nodes);
    return stk_nodes_address(&nodes);
}

Test(client_nodes, a_token_does_not_leave_for_a_network_it_was_not_meant_for)
{
    cr_assert_str_eq(redirect_with_token("unix:/a", "x:1"), "unix:/a");
    cr_assert_str_eq(redirect_with_token("unix:/a", "tls://x:1"), "tls://x:1");
    cr_assert_str_eq(redirect_with_token("tls://a:1", "x:1"), "tls://x:1");
    cr_assert_str_eq(redirect_with_token("a:1", "x:1"), "x:1", "it goes without TLS as it is");
    cr_assert_str_eq(redirect_with_token("unix:/a,b:1", "b:1"), "b:1");
}

Test(client_nodes, an_address_that_is_none_is_not_followed)
{
    static const char *const wrong[] = { "", "x", "x:99999", "tls://", "unix:", "::1:7421" };

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct stk_nodes nodes = nodes_of("a:1,b:1");

        cr_assert_str_eq(redirect(&nodes, wrong[i], 1), "b:1", "%s", wrong[i]);
        cr_assert_eq(nodes.count, 2);
    }
    struct stk_nodes nodes = nodes_of("a:1,b:1");
    stk_nodes_redirect(&nodes, "c:1\0d", 5, 1, false);
    stk_nodes_go(&nodes);
    cr_assert_str_eq(stk_nodes_address(&nodes), "b:1");
}

/* ---- Pauses and reasons -------------------------------------------------------------------- */

Test(client_nodes, a_pause_is_due_after_each_round)
{
    struct stk_nodes nodes = nodes_of("a:1,b:1,c:1");
    int64_t expected = 50;

    for (int round = 0; round < 8; round++) {
        fail(&nodes, "x");
        cr_assert_eq(stk_nodes_pause(&nodes, 50), 0);
        redirect(&nodes, NULL, 1);
        cr_assert_eq(stk_nodes_pause(&nodes, 50), 0);
        redirect(&nodes, "c:1", 1);
        cr_assert_eq(stk_nodes_pause(&nodes, 50), expected);
        expected = expected < 250 ? 2 * expected : 500;
        if (round == 3)
            cr_assert_eq(expected, 500);
    }
    stk_nodes_begin(&nodes);
    for (int i = 0; i < 3; i++)
        fail(&nodes, "x");
    cr_assert_eq(stk_nodes_pause(&nodes, 50), 50, "a new search begins anew");
}

Test(client_nodes, two_that_name_each_other_keep_nobody_busy)
{
    struct stk_nodes nodes = nodes_of("a:1,b:1");
    int64_t waited = 0;

    for (int i = 0; i < 20; i++) {
        redirect(&nodes, i % 2 ? "a:1" : "b:1", 1);
        waited += stk_nodes_pause(&nodes, 50);
    }
    cr_assert_geq(waited, 3000);
}

Test(client_nodes, the_reasons_name_each_address)
{
    struct stk_nodes nodes = nodes_of("a:1,b:1,c:1");

    fail(&nodes, "a:1: cannot connect: Connection refused");
    redirect(&nodes, NULL, 5);
    cr_assert_str_eq(reasons(&nodes), "a:1: cannot connect: Connection refused; "
                                      "b:1: not the primary, and there is none (term 5); "
                                      "c:1: not asked");
    stk_nodes_begin(&nodes);
    cr_assert_str_eq(reasons(&nodes), "a:1: not asked; b:1: not asked; c:1: not asked");
}
