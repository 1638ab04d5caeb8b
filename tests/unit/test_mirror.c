/* SPDX-License-Identifier: Apache-2.0 */
/* The mirror's parts that need no Redis: its commands, messages, stream IDs and fence. */
#include <criterion/criterion.h>
#include <string.h>
#include <syslog.h>

#include "engine/base/limits.h"
#include "mirror/commands.h"
#include "mirror/exchange.h"
#include "mirror/fence.h"
#include "mirror/keys.h"
#include "mirror/metrics.h"
#include "mirror/report.h"
#include "mirror/stream_id.h"

/* ---- commands ---- */

static void assert_bytes(const struct commands *c, const char *expected)
{
    cr_assert_eq(c->length, strlen(expected));
    cr_assert_arr_eq(c->bytes, expected, c->length);
}

Test(mirror, commands_are_written_as_redis_reads_them)
{
    struct commands c = { 0 };
    command(&c, "HSET", 4);
    argument_joined(&c, "stock:item:", text_of("A B"));
    argument_number(&c, -12);
    argument_lsn(&c, UINT64_MAX);
    assert_bytes(&c, "*4\r\n$4\r\nHSET\r\n$14\r\nstock:item:A B\r\n$3\r\n-12\r\n"
                     "$20\r\n18446744073709551615\r\n");
    cr_assert_eq(c.count, 1);
    commands_clear(&c);
    cr_assert_eq(c.length, 0);
    commands_free(&c);
}

Test(mirror, commands_grow_and_are_appended_whole)
{
    struct commands all = { 0 }, one = { 0 };
    commands_append(&all, &one);
    for (unsigned i = 0; i < 20000; i++) {
        command(&one, "PING", 1);
        if (i % 100 == 0) {
            commands_append(&all, &one);
            commands_clear(&one);
        }
    }
    commands_append(&all, &one);
    cr_assert_eq(all.count, 20000);
    cr_assert_eq(all.length, 20000 * strlen("*1\r\n$4\r\nPING\r\n"));
    cr_assert_not(all.incomplete);
    cr_assert_eq(memcmp(all.bytes + all.length - 6, "PING\r\n", 6), 0);
    commands_free(&all);
    commands_free(&one);
}

Test(mirror, messages_are_json_whatever_the_sku)
{
    static const struct {
        const char *sku, *message;
    } cases[] = {
        { "A", "{\"sku\":\"A\",\"available\":7,\"lsn\":96}" },
        { "a\"b\\c", "{\"sku\":\"a\\\"b\\\\c\",\"available\":7,\"lsn\":96}" },
        { "\n\x1f\x7f/", "{\"sku\":\"\\u000a\\u001f\x7f/\",\"available\":7,\"lsn\":96}" },
        { "\xc3\xa9", "{\"sku\":\"\xc3\xa9\",\"available\":7,\"lsn\":96}" },
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        char message[MESSAGE_MAX];
        size_t length = change_message(message, text_of(cases[i].sku), 7, 96);
        cr_assert_eq(length, strlen(cases[i].message), "%u", i);
        cr_assert_arr_eq(message, cases[i].message, length, "%u", i);
    }
}

Test(mirror, the_longest_message_has_room)
{
    char sku[SKU_MAX];
    char message[MESSAGE_MAX];
    memset(sku, 1, sizeof sku);
    cr_assert_leq(change_message(message, (struct text){ sku, SKU_MAX }, INT64_MAX, UINT64_MAX),
                  MESSAGE_MAX);
}

/* ---- stream IDs ---- */

Test(mirror, stream_ids_ascend_and_are_never_below_the_change)
{
    static const uint64_t changes[] = { 64, 64, 128, 96, 0, 129, UINT64_MAX, 7, 7 };
    struct stream_id last = { 0, 0 };
    for (unsigned i = 0; i < sizeof changes / sizeof *changes; i++) {
        struct stream_id before = last;
        stream_id_next(&last, changes[i]);
        cr_assert(stream_id_less(before, last), "%u", i);
        cr_assert_geq(last.lsn, changes[i], "%u", i);
    }
    cr_assert_eq(last.lsn, UINT64_MAX);
    cr_assert_eq(last.n, 2);
}

Test(mirror, stream_ids_are_read_as_they_are_written)
{
    struct stream_id id = { UINT64_MAX, 12 }, again;
    char text[STREAM_ID_MAX];
    unsigned length = stream_id_format(id, text);
    cr_assert(stream_id_parse(&again, text, length));
    cr_assert(again.lsn == id.lsn && again.n == id.n);
    static const char *const bad[] = { "",      "-",   "1",   "1-",   "-1",
                                       "1-2-3", "1-x", "x-1", " 1-2", "18446744073709551616-0" };
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert_not(stream_id_parse(&again, bad[i], strlen(bad[i])), "%s", bad[i]);
}

/* ---- the fence ---- */

Test(mirror, fences_are_read_as_they_are_written)
{
    struct fence fence = { UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX }, again;
    char text[FENCE_MAX];
    fence_format(&fence, text);
    cr_assert(fence_parse(&again, text, strlen(text)));
    cr_assert_eq(memcmp(&fence, &again, sizeof fence), 0);
    static const char *const bad[] = { "",
                                       "x",
                                       "1 2 3 4",
                                       "1 0000000000000002 3",
                                       "1 0000000000000002 3 4 ",
                                       " 1 0000000000000002 3 4",
                                       "-1 0000000000000002 3 4" };
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert_not(fence_parse(&again, bad[i], strlen(bad[i])), "%s", bad[i]);
    cr_assert(fence_parse(&again, "1 0000000000000002 3 4", 22));
    cr_assert(again.start_ms == 1 && again.run == 2 && again.connection == 3 && again.batch == 4);
}

Test(mirror, the_engine_that_started_last_writes)
{
    const struct fence ours = { .start_ms = 100, .run = 5, .connection = 2, .batch = 40 };
    static const struct {
        struct fence found;
        enum fence_verdict verdict;
    } cases[] = {
        { { 100, 5, 2, 40 }, FENCE_OURS },
        { { 100, 5, 2, 41 }, FENCE_OURS }, /* sent, and applied without our knowing */
        { { 100, 5, 1, 40 }, FENCE_OURS },
        { { 100, 5, 2, 39 }, FENCE_DOUBTFUL }, /* it has lost its end */
        { { 100, 5, 2, 42 }, FENCE_DOUBTFUL },
        { { 99, 9, 7, 40 }, FENCE_DOUBTFUL }, /* an older engine's */
        { { 99, 5, 2, 40 }, FENCE_DOUBTFUL },
        { { 101, 1, 1, 1 }, FENCE_NEWER },
        { { 100, 6, 1, 1 }, FENCE_NEWER }, /* at the same moment: one of the two, always the same */
        { { 100, 4, 1, 1 }, FENCE_DOUBTFUL },
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_assert_eq(fence_judge(&cases[i].found, &ours, 41), cases[i].verdict, "%u", i);
    cr_assert_eq(fence_judge(NULL, &ours, 41), FENCE_DOUBTFUL);
}

/* ---- what it says of itself ---- */

static bool says(const struct exchange *e, const struct position *position, const char *word)
{
    struct commands c = { 0 };
    exchange_heartbeat(e, &c, position);
    bool found = memmem(c.bytes, c.length, word, strlen(word)) != NULL;
    commands_free(&c);
    return found;
}

Test(mirror, it_is_live_when_nothing_older_is_to_be_sent)
{
    static const struct mirror_keys keys = { .mirror = "stock:mirror" };
    const struct exchange e = { .keys = &keys, .engine = "e" };
    struct position position = { .as_of_ms = 1 };
    cr_assert(says(&e, &position, "\r\nlive\r\n"));
    position.fresh.active = true; /* it is being read */
    cr_assert(says(&e, &position, "\r\nlive\r\n"));
    position.backlog.active = true;
    cr_assert(says(&e, &position, "\r\nsyncing\r\n"));
    position.backlog.active = false;
    position.pass.mandatory = true;
    cr_assert(says(&e, &position, "\r\nsyncing\r\n"));
}

/* ---- metrics ---- */

Test(mirror, the_last_error_is_kept_and_cut)
{
    static struct mirror_metrics metrics;
    char text[MIRROR_ERROR_MAX];
    char longer[MIRROR_ERROR_MAX + 50];
    metrics_copy_error(&metrics, text);
    cr_assert_str_eq(text, "");
    metrics_error(&metrics, "first", 1);
    metrics_error(&metrics, "2nd", 2);
    metrics_copy_error(&metrics, text);
    cr_assert_str_eq(text, "2nd");
    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    metrics_error(&metrics, longer, 3);
    metrics_copy_error(&metrics, text);
    cr_assert_eq(strlen(text), MIRROR_ERROR_MAX - 1);
}

/* ---- keys ---- */

Test(mirror, the_pattern_means_the_prefix_itself)
{
    struct mirror_keys keys;
    keys_init(&keys, "a*[b]?:");
    cr_assert_str_eq(keys.item, "a*[b]?:item:");
    cr_assert_str_eq(keys.fence, "a*[b]?:fence");
    cr_assert_str_eq(keys.all_items, "a\\*\\[b\\]\\?:item:*");
}

Test(mirror, the_longest_prefix_has_room_for_its_pattern)
{
    struct mirror_keys keys;
    char prefix[PREFIX_MAX + 1];
    memset(prefix, '*', PREFIX_MAX);
    prefix[PREFIX_MAX] = '\0';
    keys_init(&keys, prefix);
    cr_assert_eq(strlen(keys.all_items), 2 * PREFIX_MAX + strlen("item:*"));
    cr_assert_str_eq(keys.item + PREFIX_MAX, "item:");
    cr_assert_str_eq(keys.changed + PREFIX_MAX, "changed:");
}

/* ---- reports ---- */

struct lines {
    unsigned count;
    int level;
    char last[MIRROR_ERROR_MAX];
};

static void keep_line(void *context, int level, const char *line)
{
    struct lines *lines = context;
    lines->count++;
    lines->level = level;
    snprintf(lines->last, sizeof lines->last, "%s", line);
}

Test(mirror, an_error_is_logged_once_until_recovery)
{
    static struct mirror_metrics metrics;
    struct lines lines = { 0 };
    struct report report = {
        .say = keep_line, .context = &lines, .address = "here:1", .metrics = &metrics
    };
    char text[MIRROR_ERROR_MAX];
    report_error(&report, "lost %s", "it");
    report_error(&report, "lost %s", "it");
    cr_assert_eq(lines.count, 1);
    cr_assert_str_eq(lines.last, "mirror: Redis here:1: lost it");
    cr_assert_eq(lines.level, LOG_WARNING);
    report_error(&report, "another");
    cr_assert_eq(lines.count, 2);
    report_recovery(&report, ": found");
    cr_assert_str_eq(lines.last, "mirror: Redis here:1: found");
    cr_assert_eq(lines.level, LOG_INFO);
    report_error(&report, "another");
    cr_assert_eq(lines.count, 4);
    metrics_copy_error(&metrics, text);
    cr_assert_str_eq(text, "another");
}
