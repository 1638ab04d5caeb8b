/* SPDX-License-Identifier: Apache-2.0 */
/* Each right against each method, and what a token of some channels and locations is told. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/methods.h"
#include "tests/support/session_fixture.h"

#define HASH(digit) digit "123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct access *access_now;

static const struct access_limits no_limits = { .stranger_ms = 5000,
                                                .strangers = 8,
                                                .strangers_each = 8 };

static struct principal *principal(void)
{
    return &session.connection.principal;
}

/* The tokens file is that one line, for everybody who is known. */
static void grant(const char *rights)
{
    struct grants grants;
    char line[512], why[512];
    snprintf(line, sizeof line, "t sha256:" HASH("0") " %s", rights);
    cr_assert(grants_read(&grants, line, strlen(line), why, sizeof why), "%s", why);
    principal_end(principal());
    access_destroy(access_now);
    access_now = access_create(&no_limits, 1, &grants, SESSION_RIG_NOW_MS);
    session.service.access = access_now;
    const struct token_set *set = access_set(access_now);
    struct known known = { &set->grants.at[0], set->uses[0] };
    cr_assert_eq(principal_grant(principal(), access_now, known), GRANTED);
}

static const char *asked(const char *method, const char *params)
{
    session_rig_iteration(&session);
    session_rig_ask(&session, 7, method, params);
    for (int tries = 0; session.connection.stall != STALL_NONE && tries < 100; tries++) {
        session_rig_iteration(&session);
        session_rig_retry(&session);
    }
    return session_rig_text(&session);
}

static void must_ask(const char *method, const char *params)
{
    const char *got = asked(method, params);
    cr_assert(strstr(got, "[1, 7, nil, "), "%s %s: %s", method, params, got);
}

static bool is_refused(const char *got, const char *code)
{
    char begins[64];
    snprintf(begins, sizeof begins, "[1, 7, [\"%s\"", code);
    return strncmp(got, begins, strlen(begins)) == 0;
}

/* Two channels and four locations of which `ours` is one and `theirs` another. */
static void open_shop(void)
{
    open_session();
    must_ask("channel_set", "['ours', {}]");
    must_ask("channel_set", "['theirs', {}]");
    must_ask("location_set", "['s1', {}]");
    must_ask("location_set", "['s2', {'groups': ['north']}]");
    must_ask("location_set", "['s3', {}]");
    must_ask("location_set", "['s4', {'groups': ['north']}]");
    must_ask("receive", "['r1', 'S', 's1', 10]");
    must_ask("receive", "['r2', 'S', 's2', 20]");
    must_ask("receive", "['r3', 'S', 's3', 40]");
    must_ask("allot", "['a1', 'S', 's1', 'theirs', 3]");
    must_ask("reserve", "['o-ours', 'ours', [['S', 1, 's1']]]");
    must_ask("reserve", "['o-theirs', 'theirs', [['S', 1, 's3']]]");
    must_ask("expect", "['e1', 's1', [['S', 5]], {}]");
    must_ask("expect", "['e3', 's3', [['S', 5]], {}]");
    must_ask("transfer", "['t13', 's1', 's3', [['S', 1]], {'ship': false}]");
    must_ask("transfer", "['t31', 's3', 's1', [['S', 1]], {'ship': false}]");
    must_ask("stocking_set", "['S', 's1', {'safety': 0}]");
    must_ask("stocking_set", "['S', 's3', {'safety': 0}]");
}

static void close_shop(void)
{
    close_session();
    access_destroy(access_now);
    access_now = NULL;
}

TestSuite(rights, .init = open_shop, .fini = close_shop);

/* ---- each right against each method ---- */

/* Written out once more, by hand: which right each method needs, and parameters with which it gets
 * past admission. */
static const struct row {
    const char *method, *right, *params;
} rows[] = {
    { "reserve", "order", "['o1', 'ours', [['S', 1]]]" },
    { "availability", "read", "['ours', ['S']]" },
    { "promise", "read", "['ours', [['S', 1]]]" },
    { "locate", "read", "['ours', [['S', 1]]]" },
    { "confirm", "order", "['o-ours']" },
    { "fulfil", "order", "['o-ours']" },
    { "cancel", "order", "['o-ours']" },
    { "amend", "order", "['o-ours', [['S', 1]]]" },
    { "move", "order", "['o-ours', [['S', 's1', 's2', 1]]]" },
    { "reject", "order", "['o-ours', 's1', nil, {'reason': 'busy'}]" },
    { "ready", "order", "['o-ours', 's1']" },
    { "restock", "order", "['o-ours', 's1']" },
    { "extend", "order", "['o-ours', 1000]" },
    { "sold", "order", "['x1', 'ours', 's1', [['S', 1]]]" },
    { "reservation", "read", "['o-ours']" },
    { "orders", "read", "[]" },
    { "receive", "stock", "['m1', 'S', 's1', 1]" },
    { "adjust", "stock", "['m2', 'S', 's1', 1]" },
    { "count", "stock", "['m3', 'S', 's1', 10]" },
    { "return", "stock", "['m4', 'S', 's1', 1]" },
    { "allot", "stock", "['m5', 'S', 's1', 'ours', 1]" },
    { "shift", "stock", "['m6', 'S', 's1', 1, 'sellable', 'display']" },
    { "expect", "supply", "['e9', 's1', [['S', 1]]]" },
    { "transfer", "supply", "['t9', 's1', 's2', [['S', 1]]]" },
    { "ship", "supply", "['t13']" },
    { "arrive", "supply", "['e1']" },
    { "reschedule", "supply", "['e1', 5]" },
    { "withdraw", "supply", "['e1']" },
    { "supply", "read", "['e1']" },
    { "supplies", "read", "[]" },
    { "stock", "read", "['S']" },
    { "history", "read", "['S']" },
    { "report", "read", "['sales']" },
    { "items", "read", "[0]" },
    { "item", "read", "['S']" },
    { "lookup", "read", "['S']" },
    { "location_set", "catalogue", "['s1', {}]" },
    { "channel_set", "catalogue", "['ours', {}]" },
    { "item_set", "catalogue", "['S', {}]" },
    { "calendar_set", "catalogue", "['c1', {'tz': 'UTC', 'week': []}]" },
    { "stocking_set", "catalogue", "['S', 's1', {}]" },
    { "locations", "read", "[]" },
    { "channels", "read", "[]" },
    { "calendars", "read", "[]" },
    { "stockings", "read", "[]" },
    { "changes", "read", "[0]" },
    { "events", "read", "[0]" },
    { "subscribe", "read", "[{}]" },
    { "ping", "", "[]" },
    { "hello", "", "['me']" },
    { "info", "admin", "['limits']" },
    { "mirror_take", "admin", "[]" },
    { "check", "admin", "[]" },
};

enum { ROWS = sizeof rows / sizeof *rows };

static const char *const verbs[] = { "read", "order", "stock", "catalogue", "supply", "admin" };

Test(rights, every_method_is_in_the_matrix)
{
    unsigned count;
    const struct method *methods = methods_all(&count);
    for (unsigned i = 0; i < count; i++) {
        unsigned k = 0;
        while (k < ROWS && strcmp(rows[k].method, methods[i].name) != 0)
            k++;
        cr_assert_lt(k, ROWS, "%s has no row in this test", methods[i].name);
    }
    cr_assert_eq(count, ROWS);
}

Test(rights, each_right_is_for_its_methods_alone)
{
    char can[64];
    for (unsigned v = 0; v < sizeof verbs / sizeof *verbs; v++) {
        snprintf(can, sizeof can, "can=%s channels=* locations=*", verbs[v]);
        for (unsigned i = 0; i < ROWS; i++) {
            const struct row *row = &rows[i];
            bool may = !*row->right || strcmp(row->right, verbs[v]) == 0;
            grant(can);
            const char *got = asked(row->method, row->params);
            if (may)
                cr_assert_not(is_refused(got, "forbidden") || is_refused(got, "unauthorized") ||
                                  is_refused(got, "bad_request"),
                              "%s with %s: %s", row->method, verbs[v], got);
            else
                cr_assert(is_refused(got, "forbidden") && strstr(got, "right"), "%s with %s: %s",
                          row->method, verbs[v], got);
        }
    }
}

Test(rights, a_forbidden_method_names_the_right)
{
    grant("can=read channels=* locations=*");
    const char *got = asked("reserve", "['o1', 'ours', [['S', 1]]]");
    cr_assert(strstr(got, "{\"right\"=>\"order\"}"), "%s", got);
}

Test(rights, a_stranger_may_only_say_hello)
{
    grant("can=read,order,stock,catalogue,supply,admin channels=* locations=*");
    for (unsigned i = 0; i < ROWS; i++) {
        principal_end(principal());
        principal()->strikes = 0;
        const char *got = asked(rows[i].method, rows[i].params);
        cr_assert(is_refused(got, "unauthorized"), "%s: %s", rows[i].method, got);
    }
    const char *got = asked("nonsense", "[]");
    cr_assert(is_refused(got, "unauthorized"), "%s", got);
    cr_assert_null(strstr(got, "nonsense"));
}

Test(rights, a_stranger_that_goes_on_is_not_listened_to)
{
    grant("can=read");
    principal_end(principal());
    unsigned answers = 0;
    while (connection_takes_requests(&session.connection) && answers < 10000) {
        cr_assert(is_refused(asked("ping", "[]"), "unauthorized"));
        answers++;
    }
    cr_assert_eq(answers, 256);
}

/* ---- channels and locations by name ---- */

/* '?' stands for a code, or for an id. */
static const struct named {
    const char *method, *params;
} of_channels[] = {
    { "reserve", "['n1', '?', [['S', 1]]]" },
    { "availability", "['?', ['S']]" },
    { "promise", "['?', [['S', 1]]]" },
    { "locate", "['?', [['S', 1]]]" },
    { "sold", "['n2', '?', 's4', [['S', 1]]]" },
    { "allot", "['n3', 'S', 's1', '?', 1]" },
    { "orders", "[{'channel': '?'}]" },
    { "report", "['sales', {'channel': '?'}]" },
    { "changes", "[0, {'channel': '?'}]" },
    { "events", "[0, {'channel': '?'}]" },
    { "subscribe", "[{'channel': '?'}]" },
    { "subscribe", "[{'channel': '?', 'events': true}]" },
    { "channel_set", "['?', {}]" },
}, of_locations[] = {
    { "reserve", "['n1', 'ours', [['S', 1, '?']]]" },
    { "reserve", "['n2', 'ours', [['S', 1]], {'at': '?'}]" },
    { "reserve", "['n3', 'ours', [['S', 1]], {'exclude': ['?']}]" },
    { "promise", "['ours', [['S', 1, '?']]]" },
    { "promise", "['ours', [['S', 1]], {'at': '?'}]" },
    { "amend", "['o-ours', [['S', 1, '?']]]" },
    { "move", "['o-ours', [['S', '?', 's4', 1]]]" },
    { "move", "['o-ours', [['S', 's4', '?', 1]]]" },
    { "reject", "['o-ours', '?', nil, {'reason': 'busy'}]" },
    { "ready", "['o-ours', '?']" },
    { "restock", "['o-ours', '?']" },
    { "fulfil", "['o-ours', nil, {'location': '?'}]" },
    { "cancel", "['o-ours', nil, {'location': '?'}]" },
    { "sold", "['n4', 'ours', '?', [['S', 1]]]" },
    { "orders", "[{'location': '?'}]" },
    { "receive", "['n5', 'S', '?', 1]" },
    { "adjust", "['n6', 'S', '?', 1]" },
    { "count", "['n7', 'S', '?', 1]" },
    { "return", "['n8', 'S', '?', 1]" },
    { "allot", "['n9', 'S', '?', 'ours', 1]" },
    { "shift", "['n10', 'S', '?', 1, 'sellable', 'display']" },
    { "expect", "['n11', '?', [['S', 1]]]" },
    { "transfer", "['n12', '?', 's4', [['S', 1]]]" },
    { "transfer", "['n13', 's4', '?', [['S', 1]]]" },
    { "supplies", "[{'location': '?'}]" },
    { "items", "[0, {'location': '?'}]" },
    { "report", "['stock', {'location': '?'}]" },
    { "events", "[0, {'location': '?'}]" },
    { "subscribe", "[{'location': '?', 'events': true}]" },
    { "stockings", "[{'location': '?'}]" },
    { "location_set", "['?', {}]" },
    { "stocking_set", "['S', '?', {}]" },
    { "channel_set", "['ours', {'locations': ['?']}]" },
};

/* Puts the code where the question mark is. */
static const char *fill(const char *params, const char *code)
{
    static char filled[128];
    const char *at = strchr(params, '?');
    cr_assert_not_null(at);
    snprintf(filled, sizeof filled, "%.*s%s%s", (int)(at - params), params, code, at + 1);
    return filled;
}

static void must_refuse_alike(const struct named *named, const char *code, const char *there,
                              const char *nowhere)
{
    char one[8192], expected[8192];
    snprintf(one, sizeof one, "%s", asked(named->method, fill(named->params, there)));
    cr_assert(is_refused(one, code), "%s of %s: %s", named->method, there, one);
    snprintf(expected, sizeof expected, "%s", asked(named->method, fill(named->params, nowhere)));
    char *at;
    while ((at = strstr(expected, nowhere)) != NULL) /* both have the same length */
        memcpy(at, there, strlen(there));
    cr_assert_str_eq(one, expected, "%s", named->method);
}

static void must_tell_nothing(const struct named *named, const char *there, const char *nowhere)
{
    must_refuse_alike(named, "forbidden", there, nowhere);
}

static void may_be_named(const struct named *named, const char *code)
{
    const char *got = asked(named->method, fill(named->params, code));
    cr_assert_not(is_refused(got, "forbidden") || is_refused(got, "bad_request"), "%s of %s: %s",
                  named->method, code, got);
}

Test(rights, a_foreign_channel_is_as_good_as_none)
{
    for (size_t i = 0; i < sizeof of_channels / sizeof *of_channels; i++) {
        grant("can=* channels=ours locations=*");
        must_tell_nothing(&of_channels[i], "theirs", "nosuch");
        may_be_named(&of_channels[i], "ours");
    }
}

Test(rights, a_foreign_location_is_as_good_as_none)
{
    for (size_t i = 0; i < sizeof of_locations / sizeof *of_locations; i++) {
        grant("can=* channels=* locations=s1,@north");
        must_tell_nothing(&of_locations[i], "s3", "s9");
        may_be_named(&of_locations[i], "s1");
        may_be_named(&of_locations[i], "s2");
    }
}

Test(rights, a_code_in_a_list_is_named_by_its_option)
{
    grant("can=* channels=* locations=s1");
    const char *got = asked("reserve", "['x4', 'ours', [['S', 1]], {'exclude': ['s2']}]");
    cr_assert(is_refused(got, "forbidden") && strstr(got, "exclude"), "%s", got);
}

Test(rights, a_location_that_joins_the_group_is_the_tokens)
{
    grant("can=* channels=* locations=@north");
    cr_assert(is_refused(asked("receive", "['x1', 'S', 's1', 1]"), "forbidden"));
    must_ask("receive", "['x1', 'S', 's2', 1]");
    grant("can=* channels=* locations=*");
    must_ask("location_set", "['s1', {'groups': ['north']}]");
    must_ask("location_set", "['s2', {'groups': []}]");
    grant("can=* channels=* locations=@north");
    must_ask("receive", "['x2', 'S', 's1', 1]");
    cr_assert(is_refused(asked("receive", "['x3', 'S', 's2', 1]"), "forbidden"));
}

/* The same client, which has asked before. */
Test(rights, a_location_that_leaves_the_group_is_the_tokens_no_longer)
{
    grant("can=* channels=* locations=@north");
    must_ask("receive", "['x1', 'S', 's2', 1]");
    must_ask("location_set", "['s2', {'groups': []}]");
    cr_assert(is_refused(asked("receive", "['x2', 'S', 's2', 1]"), "forbidden"));
    must_ask("receive", "['x3', 'S', 's4', 1]");
}

/* ---- what an id names ---- */

static const struct named of_reservations[] = {
    { "reservation", "['?']" },
    { "extend", "['?', 1000]" },
    { "confirm", "['?']" },
    { "reject", "['?', 's1', nil, {'reason': 'busy'}]" },
    { "ready", "['?', 's1']" },
    { "restock", "['?', 's1']" },
    { "amend", "['?', [['S', 1]]]" },
    { "move", "['?', [['S', 's1', 's2', 1]]]" },
    { "fulfil", "['?']" },
    { "cancel", "['?']" },
};

Test(rights, a_foreign_reservation_is_as_good_as_none)
{
    for (size_t i = 0; i < sizeof of_reservations / sizeof *of_reservations; i++) {
        grant("can=* channels=ours locations=*");
        must_tell_nothing(&of_reservations[i], "o-theirs", "o-nosuch");
        may_be_named(&of_reservations[i], "o-ours");
    }
    grant("can=* channels=* locations=*");
    cr_assert(is_refused(asked("confirm", "['o-nosuch']"), "unknown_reservation"));
    const char *got = asked("reservation", "['o-theirs']");
    cr_assert(strstr(got, "\"held\""), "nothing has touched it: %s", got);
}

/* A return to a reservation that the ledger has forgotten is judged by the channel that the journal
 * knows. */
Test(rights, a_sale_of_another_channel_takes_no_return)
{
    struct named named = { "return", "['y1', 'S', 's1', 1, {'reservation': '?'}]" };
    grant("can=stock channels=ours locations=*");
    must_tell_nothing(&named, "o-theirs", "o-nosuch");
}

Test(rights, an_old_sale_of_another_channel_takes_no_return)
{
    session.evidence = (struct return_evidence){ .known = true, .channel = 3, .fulfilled = 5 };
    grant("can=stock channels=ours locations=*");
    const char *got = asked("return", "['y1', 'S', 's1', 1, {'reservation': 'old'}]");
    cr_assert(is_refused(got, "forbidden"), "%s", got);
    session.evidence.channel = 2;
    must_ask("return", "['y2', 'S', 's1', 1, {'reservation': 'old2'}]");
}

/* Which end of a supply must be the token's: of s1 to s3, s3 to s1, to s1, to s3. */
static const struct of_supply {
    const char *method, *params;
    bool may[4];
} of_supplies[] = {
    { "supply", "['?']", { true, true, true, false } },
    { "reschedule", "['?', 5]", { true, true, true, false } },
    { "ship", "['?']", { true, false, true, false } },
    { "arrive", "['?']", { false, true, true, false } },
    { "withdraw", "['?']", { true, false, true, false } },
};

Test(rights, a_supply_belongs_to_its_ends)
{
    static const char *const ids[] = { "t13", "t31", "e1", "e3" };
    for (size_t i = 0; i < sizeof of_supplies / sizeof *of_supplies; i++)
        for (unsigned k = 0; k < 4; k++) {
            const struct of_supply *o = &of_supplies[i];
            grant("can=* channels=* locations=s1");
            const char *got = asked(o->method, fill(o->params, ids[k]));
            cr_assert_neq(is_refused(got, "forbidden"), o->may[k], "%s of %s: %s", o->method,
                          ids[k], got);
        }
    struct named named = { "supply", "['?']" };
    must_tell_nothing(&named, "e3", "e9");
}

/* A list goes on behind an id of its own, and behind another's as little as behind none. */
Test(rights, a_list_goes_on_behind_its_own_alone)
{
    static const struct named orders[] = { { "orders", "[{'after': '?'}]" },
                                           { "orders", "[{'after': '?', 'state': 'held'}]" } };
    static const struct named supplies[] = { { "supplies", "[{'after': '?'}]" },
                                             { "supplies", "[{'after': '?', 'late': true}]" } };
    for (unsigned i = 0; i < 2; i++) {
        grant("can=read channels=ours locations=*");
        must_refuse_alike(&orders[i], "bad_request", "o-theirs", "o-nobody");
        may_be_named(&orders[i], "o-ours");
        may_be_named(&supplies[i], "e3");
        grant("can=read channels=* locations=s1");
        must_refuse_alike(&supplies[i], "bad_request", "e3", "e9");
        may_be_named(&supplies[i], "e1");
        may_be_named(&supplies[i], "t31");
        may_be_named(&orders[i], "o-theirs");
    }
    struct named wrong = { "orders", "[{'after': '?', 'state': 'nonsense'}]" };
    grant("can=read channels=ours locations=*");
    must_refuse_alike(&wrong, "bad_request", "o-theirs", "o-nobody");
}

/* ---- what a channel sells from ---- */

static const char *sell_from(const char *channel, const char *locations)
{
    static char params[128];
    snprintf(params, sizeof params, "['%s', {'locations': [%s]}]", channel, locations);
    return asked("channel_set", params);
}

Test(rights, a_channel_sells_from_what_is_the_tokens_alone)
{
    grant("can=catalogue channels=* locations=s1,@north");
    cr_assert(strstr(sell_from("ours", "'s1', 'north'"), "[1, 7, nil, "), "its group");
    cr_assert(strstr(sell_from("ours", "'s2'"), "[1, 7, nil, "), "a location of its group");
    must_ask("channel_set", "['ours', {'buffer': 1}]");
    must_ask("channel_set", "['new', {'locations': ['north']}]");
    const char *got = sell_from("ours", "");
    cr_assert(is_refused(got, "forbidden") && strstr(got, "\"right\"=>\"locations\""), "%s", got);
    cr_assert(is_refused(asked("channel_set", "['newer', {}]"), "forbidden"), "from everywhere");
    grant("can=catalogue channels=* locations=*");
    cr_assert(strstr(sell_from("ours", ""), "[1, 7, nil, "));
    must_ask("channel_set", "['newer', {}]");
}

/* A pattern of locations gives no right to a group that is called so. */
Test(rights, a_group_is_not_a_location)
{
    must_ask("location_set", "['s5', {'groups': ['s1']}]");
    grant("can=catalogue channels=* locations=n*,s1");
    cr_assert(is_refused(sell_from("ours", "'north'"), "forbidden"), "a group by its name");
    cr_assert(is_refused(sell_from("ours", "'s1'"), "forbidden"), "s5 is meant, too");
    grant("can=catalogue channels=* locations=s1,@s1");
    cr_assert(strstr(sell_from("ours", "'s1'"), "[1, 7, nil, "));
    grant("can=catalogue channels=* locations=@s1,@nor*");
    cr_assert(strstr(sell_from("ours", "'s5', 'north', 's2'"), "[1, 7, nil, "));
}

/* ---- what is left out ---- */

static void must_show(const char *method, const char *params, const char *shown, const char *hidden)
{
    const char *got = asked(method, params);
    cr_assert(strstr(got, "[1, 7, nil, "), "%s %s: %s", method, params, got);
    cr_assert(strstr(got, shown), "%s shows no %s: %s", method, shown, got);
    cr_assert_null(strstr(got, hidden), "%s shows %s: %s", method, hidden, got);
}

Test(rights, other_locations_are_left_out)
{
    grant("can=read channels=* locations=s1,@north");
    must_show("stock", "['S']", "\"s2\"", "\"s3\"");
    must_show("items", "[0]", "\"s2\"", "\"s3\"");
    must_show("locations", "[]", "\"s2\"", "\"s3\"");
    must_show("stockings", "[]", "\"s1\"", "\"s3\"");
    must_show("supplies", "[]", "\"e1\"", "\"e3\"");
    must_show("locate", "['ours', [['S', 1]]]", "\"s2\"", "\"s3\"");
    must_show("locate", "['ours', [['S', 1]], {'limit': 1}]", "\"s", "\"s3\"");
}

Test(rights, sums_are_of_what_is_shown)
{
    grant("can=read channels=* locations=s1,@north");
    must_show("stock", "['S']", "\"on_hand\"=>30, \"reserved\"=>2, \"available\"=>28", "40");
    must_show("stock", "['S']", "\"backlog\"=>nil", "40");
    grant("can=read channels=ours locations=s1"); /* without the allotment of theirs */
    must_show("stock", "['S']", "\"on_hand\"=>7, \"reserved\"=>2, \"available\"=>5", "theirs");
    must_show("items", "[0]", "[\"s1\", 7, 2, 5]", "10");
}

Test(rights, other_channels_are_left_out)
{
    grant("can=read channels=ours locations=*");
    must_show("channels", "[]", "\"ours\"", "\"theirs\"");
    must_show("orders", "[]", "\"o-ours\"", "\"o-theirs\"");
    must_show("stock", "['S']", "\"s1\"", "\"theirs\"");
}

Test(rights, a_channel_names_no_foreign_location)
{
    must_ask("channel_set", "['ours', {'locations': ['s1', 's3', 'north']}]");
    grant("can=read channels=* locations=s1");
    must_show("channels", "[]", "[\"s1\", \"north\"]", "\"s3\"");
}

Test(rights, who_may_not_see_all_must_say_which)
{
    grant("can=read channels=ours locations=*");
    cr_assert(is_refused(asked("changes", "[0]"), "forbidden"));
    cr_assert(is_refused(asked("subscribe", "[{}]"), "forbidden"));
    cr_assert(is_refused(asked("report", "['sales', {'by': 'day'}]"), "forbidden"));
    cr_assert_not(is_refused(asked("report", "['sales']"), "forbidden"), "by channel");
    must_ask("events", "[0]");
    grant("can=read channels=* locations=s1");
    cr_assert(is_refused(asked("report", "['sales']"), "forbidden"));
    cr_assert_not(is_refused(asked("report", "['stock']"), "forbidden"), "by location");
}
