/* SPDX-License-Identifier: Apache-2.0 */
#include "mirror/reconcile.h"

#include <stdlib.h>
#include <string.h>

#include "engine/ledger/change_index.h"

enum { SCAN_COUNT = 500 };

void reconcile_ask(struct reconciler *r, const struct batch *batch)
{
    struct commands *c = &r->redis->commands;
    for (uint32_t i = 0; i < batch->checks; i++) {
        command(c, "HGETALL", 2);
        argument_joined(c, r->keys->item,
                        ledger_item_sku(r->follow->ledger, batch->changes[i].item));
    }
    if (!batch->scans)
        return;
    command(c, "SCAN", 6);
    argument_lsn(c, r->follow->at.pass.scan);
    argument_string(c, "MATCH");
    argument_string(c, r->keys->all_items);
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
    uint32_t same;    /* channels whose value is right */
    uint32_t unknown; /* fields of no channel */
    bool same_lsn;
};

/* Finds the channel with that code. Searches from *at, where the previous field was found. */
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
    return text_equal(field, (struct text){ LSN_FIELD, sizeof LSN_FIELD - 1 });
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

static void remove_unknown(struct reconciler *r, struct transaction *t, const struct batch *batch,
                           const struct change *change, const redisReply *reply)
{
    struct commands *c = &t->commands;
    uint32_t at = 0;
    for (size_t i = 0; i + 1 < reply->elements; i += 2) {
        struct text field = reply_text(reply->element[i]);
        if (is_lsn_field(field) || find_code(&batch->channels, field, &at))
            continue;
        command(c, "HDEL", 3);
        argument_joined(c, r->keys->item, change->sku);
        argument(c, field);
        transaction_note(t, NO_ITEM);
    }
}

/*
 * A missing hash is restored silently: no client has read another value. A wrong value may have
 * been read, so its correction is published to subscribers, as is a channel new in the hash.
 */
static void repair_item(struct reconciler *r, struct transaction *t, const struct batch *batch,
                        const struct change *change, const redisReply *reply)
{
    const struct pass *pass = &r->follow->at.pass;
    if (!pass->mandatory &&
        item_version(r->follow->ledger, change->item) > position_walked(&r->follow->confirmed))
        return; /* it has just changed: a walk will send it, and publish it once */
    struct comparison found = compare(batch, change, reply);
    uint32_t channels = shown_channels(&batch->channels);
    if (found.unknown)
        remove_unknown(r, t, batch, change, reply);
    bool whole = found.same == channels && found.same_lsn;
    bool is_there = reply->elements > 0;
    if (!whole)
        publish_item(r->publisher, t, batch, change,
                     is_there && found.same < channels ? PUBLISH_NOTIFY : 0);
    if ((!whole || found.unknown) && !pass->mandatory)
        metric_add(&r->metrics->repaired, 1);
}

static bool receive_item(struct reconciler *r, struct transaction *t, const struct batch *batch,
                         const struct change *change)
{
    redisReply *reply = redis_receive(r->redis);
    bool good = reply != NULL;
    if (!good)
        return false;
    if (reply_is_error(reply, "WRONGTYPE")) {
        report_error(r->report, "the key of an item had another type and was replaced");
        if (!change->unread)
            publish_item(r->publisher, t, batch, change, PUBLISH_ERASE);
        metric_add(&r->metrics->repaired, 1);
    } else if (reply->type != REDIS_REPLY_ARRAY) {
        good = redis_fail_reply(r->redis, "HGETALL", reply);
    } else if (!change->unread) {
        repair_item(r, t, batch, change, reply);
    }
    freeReplyObject(reply);
    return good;
}

/* ---- keys of unknown items ---- */

static void remove_stray(struct reconciler *r, struct transaction *t, struct text key)
{
    uint32_t prefix = (uint32_t)strlen(r->keys->item);
    if (key.len < prefix || memcmp(key.at, r->keys->item, prefix) != 0)
        return;
    if (ledger_knows_sku(r->follow->ledger, (struct text){ key.at + prefix, key.len - prefix }))
        return;
    command(&t->commands, "DEL", 2);
    argument(&t->commands, key);
    transaction_note(t, NO_ITEM);
    metric_add(&r->metrics->strays, 1);
}

static bool receive_scan(struct reconciler *r, struct transaction *t)
{
    redisReply *reply = redis_receive(r->redis);
    if (!reply)
        return false;
    bool good = reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
                reply->element[0]->type == REDIS_REPLY_STRING &&
                reply->element[1]->type == REDIS_REPLY_ARRAY;
    if (good) {
        const redisReply *keys = reply->element[1];
        for (size_t i = 0; i < keys->elements; i++)
            remove_stray(r, t, reply_text(keys->element[i]));
        follow_scanned(r->follow, strtoull(reply->element[0]->str, NULL, 10));
    } else {
        redis_fail_reply(r->redis, "SCAN", reply);
    }
    freeReplyObject(reply);
    return good;
}

bool reconcile_receive(struct reconciler *r, const struct batch *batch, struct transaction *t)
{
    for (uint32_t i = 0; i < batch->checks; i++)
        if (!receive_item(r, t, batch, &batch->changes[i]))
            return false;
    return !batch->scans || receive_scan(r, t);
}
