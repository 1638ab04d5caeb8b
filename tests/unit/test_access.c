/* SPDX-License-Identifier: Apache-2.0 */
/* The tokens that the server knows: sets that replace each other, expiry, rates, names. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "protocol/principal.h"

enum { WORKERS = 2 };

static struct access *access_now;

static struct grants grants_of(const char *text)
{
    struct grants grants;
    char why[512];
    cr_assert(grants_read(&grants, text, strlen(text), why, sizeof why), "%s", why);
    return grants;
}

static void begin(const char *text, const struct access_limits *limits)
{
    static const struct access_limits none;
    struct grants grants = grants_of(text);
    access_now = access_create(limits ? limits : &none, WORKERS, &grants, 1000);
    cr_assert_not_null(access_now);
}

static void replace(const char *text)
{
    struct grants grants = grants_of(text);
    cr_assert(access_publish(access_now, &grants, 1000));
}

static void end(void)
{
    access_destroy(access_now);
    access_now = NULL;
}

TestSuite(access, .fini = end);

static unsigned sets(void)
{
    unsigned count = 0;
    for (const struct token_set *set = access_set(access_now); set; set = set->older)
        count++;
    return count;
}

/* The hash of "secret". */
#define SECRET_LINE "web sha256:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"

Test(access, a_token_is_known_by_its_hash_until_it_expires)
{
    begin(SECRET_LINE " expires=1970-01-01T00:00:10Z", NULL);
    cr_assert_not_null(access_by_token(access_now, "secret", 6, 9999).grant);
    cr_assert_null(access_by_token(access_now, "secret", 6, 10000).grant);
    cr_assert_null(access_by_token(access_now, "Secret", 6, 0).grant);
    cr_assert_null(access_by_token(access_now, "", 0, 0).grant);
}

Test(access, an_expiry_begins_an_epoch_once)
{
    begin("a uid:1 expires=1970-01-01T00:00:10Z\nb uid:2", NULL);
    uint64_t epoch = access_epoch(access_now);
    cr_assert_not(access_look(access_now, 9999));
    cr_assert_eq(access_epoch(access_now), epoch);
    cr_assert(access_look(access_now, 10000));
    cr_assert_eq(access_epoch(access_now), epoch + 1);
    cr_assert_not(access_look(access_now, 10001));
}

Test(access, a_set_is_freed_once_every_worker_has_seen_a_later_one)
{
    begin("a uid:1", NULL);
    replace("a uid:1 can=read");
    replace("a uid:1 can=order");
    access_note_seen(access_now, 0, access_epoch(access_now));
    access_look(access_now, 1);
    cr_assert_eq(sets(), 3, "worker 1 may still use any of them");
    access_note_seen(access_now, 1, access_epoch(access_now) - 1);
    access_look(access_now, 1);
    cr_assert_eq(sets(), 3);
    access_note_seen(access_now, 1, access_epoch(access_now));
    access_look(access_now, 1);
    cr_assert_eq(sets(), 1);
}

Test(access, what_a_token_uses_outlives_a_reload)
{
    begin("a uid:1\nb uid:2", NULL);
    struct known before = access_by_uid(access_now, 1, 0);
    replace("b uid:2");
    cr_assert_null(access_by_uid(access_now, 1, 0).grant);
    replace("a uid:1 can=read\nb uid:2");
    struct known after = access_by_uid(access_now, 1, 0);
    cr_assert_eq(after.use, before.use);
    cr_assert_neq(after.grant, before.grant);
    cr_assert_eq(access_again(access_now, before.grant, 0).grant, after.grant);
}

Test(access, the_same_name_with_another_key_is_somebody_else)
{
    begin("a uid:1\nb cert:x", NULL);
    struct known user = access_by_uid(access_now, 1, 0);
    struct known certificate = access_by_certificate(access_now, "x", 0);
    cr_assert_not_null(certificate.grant);
    replace("a uid:2\nb cert:y");
    cr_assert_null(access_again(access_now, user.grant, 0).grant);
    cr_assert_null(access_again(access_now, certificate.grant, 0).grant);
}

/* ---- limits ---- */

Test(access, a_lines_own_limits_come_first)
{
    const struct access_limits limits = { .rate = 10, .connections = 7, .subscriptions = 8 };
    begin("a uid:1\nb uid:2 rate=20 burst=3 connections=4 subscriptions=5\nc uid:3 rate=9",
          &limits);
    const struct grant *a = access_by_uid(access_now, 1, 0).grant;
    const struct grant *b = access_by_uid(access_now, 2, 0).grant;
    const struct grant *c = access_by_uid(access_now, 3, 0).grant;
    cr_assert_eq(access_rate(access_now, a), 10);
    cr_assert_eq(access_burst(access_now, a), 10, "as many as in a second");
    cr_assert_eq(access_connections(access_now, a), 7);
    cr_assert_eq(access_subscriptions(access_now, a), 8);
    cr_assert_eq(access_rate(access_now, b), 20);
    cr_assert_eq(access_burst(access_now, b), 3);
    cr_assert_eq(access_connections(access_now, b), 4);
    cr_assert_eq(access_subscriptions(access_now, b), 5);
    cr_assert_eq(access_burst(access_now, c), 9);
}

Test(access, a_rate_lets_a_burst_pass_and_then_one_at_a_time)
{
    struct token_use use = { .name = "a" };
    uint64_t now = 5000000;
    for (int i = 0; i < 5; i++)
        cr_assert_eq(token_use_take(&use, 10, 5, now), 0, "request %d of the burst", i);
    cr_assert_eq(token_use_take(&use, 10, 5, now), 100);
    cr_assert_eq(token_use_take(&use, 10, 5, now + 1), 99, "a refusal costs nothing");
    cr_assert_eq(token_use_take(&use, 10, 5, now + 100), 0);
    cr_assert_eq(token_use_take(&use, 10, 5, now + 100), 100);
    for (int i = 0; i < 5; i++)
        cr_assert_eq(token_use_take(&use, 10, 5, now + 10000), 0,
                     "a pause fills no more than that");
    cr_assert_neq(token_use_take(&use, 10, 5, now + 10000), 0);
}

Test(access, a_rate_beyond_a_million_is_a_million)
{
    struct token_use use = { .name = "a" };
    unsigned passed = 0;
    while (token_use_take(&use, 1U << 30, 1000, 1) == 0)
        passed++;
    cr_assert_eq(passed, 1000);
}

Test(access, a_token_has_few_names)
{
    struct token_use use = { .name = "a" };
    char name[16];
    for (int i = 0; i < TOKEN_NAMES_MAX; i++)
        cr_assert(token_use_name(&use, name, (size_t)snprintf(name, sizeof name, "n%d", i)));
    cr_assert_not(token_use_name(&use, "one more", 8));
    cr_assert(token_use_name(&use, "n0", 2), "which it has already");
}

/* ---- principals ---- */

Test(access, connections_are_counted_per_token)
{
    begin("a uid:1 connections=1\nb uid:2", NULL);
    struct principal one = { 0 }, two = { 0 };
    struct known a = access_by_uid(access_now, 1, 0), b = access_by_uid(access_now, 2, 0);
    cr_assert_eq(principal_grant(&one, access_now, a), GRANTED);
    cr_assert_eq(principal_grant(&one, access_now, a), GRANTED, "it is the same connection");
    cr_assert_eq(principal_grant(&two, access_now, b), GRANTED);
    cr_assert_eq(principal_grant(&two, access_now, a), GRANT_CROWDED);
    cr_assert_eq(two.use, b.use, "it keeps what it has");
    cr_assert_eq(principal_grant(&one, access_now, b), GRANTED);
    cr_assert_eq(principal_grant(&two, access_now, a), GRANTED);
    principal_end(&one);
    principal_end(&two);
    cr_assert_eq(a.use->connections, 0);
    cr_assert_eq(b.use->connections, 0);
}

Test(access, rights_are_those_of_the_grant)
{
    begin("a uid:1 can=read,order channels=* locations=*\nb uid:2 can=read channels=x locations=*",
          NULL);
    struct principal principal = { 0 };
    cr_assert_not(principal_is_stranger(&principal), "without tokens there are no strangers");
    principal_make_stranger(&principal);
    cr_assert(principal_is_stranger(&principal));
    cr_assert_eq(principal_grant(&principal, access_now, access_by_uid(access_now, 1, 0)), GRANTED);
    cr_assert_eq(principal.lacks, VERBS_ALL & ~(VERB_READ | VERB_ORDER));
    cr_assert_null(principal.scope);
    cr_assert_not(principal.bound);
    cr_assert_eq(principal_grant(&principal, access_now, access_by_uid(access_now, 2, 0)), GRANTED);
    cr_assert_not_null(principal.scope);
    cr_assert(principal.bound);
    principal_end(&principal);
    cr_assert(principal_is_stranger(&principal));
}
