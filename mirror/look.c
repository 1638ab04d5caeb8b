/* SPDX-License-Identifier: Apache-2.0 */
/* What Redis holds, compared with what it should: the answers to the questions of a pass. */
#include <stdlib.h>
#include <string.h>

#include "engine/marks.h"
#include "mirror/inside.h"

enum { SCAN_COUNT = 500 };

void ask_looks(struct mirror *m, const struct batch *batch)
{
    struct commands *c = &m->redis.commands;
    for (uint32_t i = 0; i < batch->looks; i++) {
        command(c, "HGETALL", 2);
        argument_joined(c, m->item_key, ledger_item_sku(m->follow.ledger, batch->changes[i].item));
    }
    if (!batch->scans)
        return;
    command(c, "SCAN", 6);
    argument_lsn(c, m->follow.at.pass.scan);
    argument_string(c, "MATCH");
    argument_string(c, m->scan_pattern);
    argument_string(c, "COUNT");
    argument_number(c, SCAN_COUNT);
}

/* ---- one item ---- */

static struct text reply_text(const redisReply *reply)
{
    if (reply->type != REDIS_REPLY_STRING)
        return (struct text){ "", 0 };
    return (struct text){ reply->str, (uint32_t)reply->len };
}

static bool says(struct text text, int64_t number)
{
    char digits[20];
    return number >= 0 &&
           text_equal(text, (struct text){ digits, decimal(digits, (uint64_t)number) });
}

struct comparison {
    uint32_t same;    /* channels that are shown as they are */
    uint32_t unknown; /* fields that are no channel */
    bool same_lsn;
};

/* The channel of that code; it is looked for from where the one before was. */
static const struct code_text *find_code(const struct channel_codes *channels, struct text code,
                                         uint32_t *at)
{
    for (uint32_t tries = 0; tries < channels->count; tries++) {
        uint32_t i = (*at + tries) % channels->count;
        if (text_equal(code_text(&channels->codes[i]), code)) {
            *at = i;
            return &channels->codes[i];
        }
    }
    return NULL;
}

static bool is_lsn_field(struct text field)
{
    return text_equal(field, (struct text){ "_lsn", 4 });
}

static struct comparison compare(const struct batch *batch, const struct change *change,
                                 const redisReply *reply)
{
    struct comparison result = { 0 };
    uint32_t at = 0;
    for (size_t i = 0; i + 1 < reply->elements; i += 2) {
        struct text field = reply_text(reply->element[i]);
        struct text value = reply_text(reply->element[i + 1]);
        if (is_lsn_field(field))
            result.same_lsn = says(value, (int64_t)change->lsn);
        else if (!find_code(&batch->channels, field, &at))
            result.unknown++;
        else if (says(value, batch->values[change->values + at]))
            result.same++;
    }
    return result;
}

static void remove_unknown(struct mirror *m, const struct batch *batch, const struct change *change,
                           const redisReply *reply)
{
    struct commands *c = &m->next.commands;
    uint32_t at = 0;
    for (size_t i = 0; i + 1 < reply->elements; i += 2) {
        struct text field = reply_text(reply->element[i]);
        if (is_lsn_field(field) || find_code(&batch->channels, field, &at))
            continue;
        command(c, "HDEL", 3);
        argument_joined(c, m->item_key, change->sku);
        argument(c, field);
        transaction_note(&m->next, NO_ITEM);
    }
}

/* All that changed up to here was sent, whatever the pass is at. */
static uint64_t walked(const struct position *position)
{
    return position->backlog.active ? position->backlog.since : position->fresh.since;
}

/*
 * A hash that is missing is put there silently: nobody was told otherwise. What is there and not so
 * was read by somebody, so that the change is told; and so is a channel that is new in it.
 */
static void mend_item(struct mirror *m, const struct batch *batch, const struct change *change,
                      const redisReply *reply)
{
    const struct pass *pass = &m->follow.at.pass;
    if (!pass->mandatory && marks_of(m->follow.ledger, change->item) > walked(&m->confirmed))
        return; /* it has just changed: a walk will bring it, and tell of it once */
    struct comparison found = compare(batch, change, reply);
    uint32_t channels = 0;
    for (uint32_t i = 0; i < batch->channels.count; i++)
        channels += !is_lsn_field(code_text(&batch->channels.codes[i]));
    if (found.unknown)
        remove_unknown(m, batch, change, reply);
    bool whole = found.same == channels && found.same_lsn;
    bool is_there = reply->elements > 0;
    if (!whole)
        show_item(m, batch, change, is_there && found.same < channels ? SHOW_NOTIFY : 0);
    if ((!whole || found.unknown) && !pass->mandatory)
        metric_add(&m->metrics.repaired, 1);
}

static bool take_look(struct mirror *m, const struct batch *batch, const struct change *change)
{
    redisReply *reply = redis_receive(&m->redis);
    bool good = reply != NULL;
    if (!good)
        return false;
    if (reply_is_error(reply, "WRONGTYPE")) {
        report_error(&m->report,
                     "a key of another type was in the way of an item, and was replaced");
        if (!change->unread)
            show_item(m, batch, change, SHOW_ERASE);
        metric_add(&m->metrics.repaired, 1);
    } else if (reply->type != REDIS_REPLY_ARRAY) {
        good = redis_fail_reply(&m->redis, "HGETALL", reply);
    } else if (!change->unread) {
        mend_item(m, batch, change, reply);
    }
    freeReplyObject(reply);
    return good;
}

/* ---- keys of items that there are not ---- */

static void remove_stray(struct mirror *m, struct text key)
{
    uint32_t prefix = (uint32_t)strlen(m->item_key);
    if (key.len < prefix || memcmp(key.at, m->item_key, prefix) != 0)
        return;
    if (ledger_knows_sku(m->follow.ledger, (struct text){ key.at + prefix, key.len - prefix }))
        return;
    command(&m->next.commands, "DEL", 2);
    argument(&m->next.commands, key);
    transaction_note(&m->next, NO_ITEM);
    metric_add(&m->metrics.strays, 1);
}

static bool take_scan(struct mirror *m)
{
    redisReply *reply = redis_receive(&m->redis);
    if (!reply)
        return false;
    bool good = reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
                reply->element[0]->type == REDIS_REPLY_STRING &&
                reply->element[1]->type == REDIS_REPLY_ARRAY;
    if (good) {
        const redisReply *keys = reply->element[1];
        for (size_t i = 0; i < keys->elements; i++)
            remove_stray(m, reply_text(keys->element[i]));
        follow_scanned(&m->follow, strtoull(reply->element[0]->str, NULL, 10));
    } else {
        redis_fail_reply(&m->redis, "SCAN", reply);
    }
    freeReplyObject(reply);
    return good;
}

bool take_looks(struct mirror *m, const struct batch *batch)
{
    for (uint32_t i = 0; i < batch->looks; i++)
        if (!take_look(m, batch, &batch->changes[i]))
            return false;
    return !batch->scans || take_scan(m);
}
