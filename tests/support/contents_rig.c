/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/contents_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/ledger/change_index.h"
#include "engine/ledger/ctx.h"

enum { RUN_BYTES = 2048 };

/* ---- images ---- */

static void *room(void *context, enum contents_kind kind, uint32_t length)
{
    struct contents *contents = context;
    struct contents_run *run = contents->last;
    if (!run || run->kind != kind || run->room - run->length < length) {
        run = calloc(1, sizeof *run);
        if (!run)
            abort();
        run->kind = kind;
        run->room = length > RUN_BYTES ? length : RUN_BYTES;
        run->bytes = malloc(run->room);
        if (!run->bytes)
            abort();
        if (contents->last)
            contents->last->next = run;
        else
            contents->first = run;
        contents->last = run;
    }
    void *at = run->bytes + run->length;
    memset(at, 0xa5, length); /* whoever writes it must write all of it */
    run->length += length;
    return at;
}

bool contents_take(struct contents *contents, const struct ledger *ledger, char *why, size_t size)
{
    *contents = (struct contents){ 0 };
    struct contents_sink sink = { contents, room };
    int error = ledger_contents_write(ledger, &sink, &contents->totals);
    if (error)
        snprintf(why, size, "the image cannot be taken: %d", error);
    return error == 0;
}

bool contents_put(const struct contents *contents, struct ledger *ledger, char *why, size_t size)
{
    struct contents_load load;
    struct contents_complaint complaint = { "" };
    int error = ledger_contents_begin(&load, ledger, &contents->totals, &complaint);
    for (const struct contents_run *run = contents->first; !error && run; run = run->next)
        error = ledger_contents_load(&load, run->kind, run->bytes, run->length, &complaint);
    if (!error)
        error = ledger_contents_end(&load, &complaint);
    if (error)
        snprintf(why, size, "the image cannot be loaded: %d: %s", error, complaint.text);
    return error == 0;
}

void contents_free(struct contents *contents)
{
    while (contents->first) {
        struct contents_run *run = contents->first;
        contents->first = run->next;
        free(run->bytes);
        free(run);
    }
    *contents = (struct contents){ 0 };
}

/* What an image keeps to the last bit, though a follower need not. */
static bool same_marks(const struct ledger *left, const struct ledger *right, char *why,
                       size_t size)
{
    for (uint32_t i = 0; i < change_index_items(left); i++)
        if (item_version(left, i) != item_version(right, i)) {
            snprintf(why, size, "item %u has another mark", i);
            return false;
        }
    for (uint32_t i = 0; i < change_index_items(left); i++)
        if (item_at(&left->items, i)->flags != item_at(&right->items, i)->flags) {
            snprintf(why, size, "item %u has other flags", i);
            return false;
        }
    bool same = ledger_catalogue_lsn(left) == ledger_catalogue_lsn(right);
    if (!same)
        snprintf(why, size, "another LSN of the catalogue");
    return same;
}

/* ---- following ---- */

/* The rest of the records, from there on. */
static bool follow_rest(struct ledger_rig *follower, const struct ledger_rig *rig, size_t offset,
                        char *why, size_t size)
{
    static _Alignas(8) unsigned char record[RECORD_MAX];
    while (offset < rig->length) {
        offset += ledger_rig_record(rig, offset, record);
        const struct record_head *head = (const struct record_head *)(const void *)record;
        if (ledger_apply(follower->ledger, head, offset) == 0)
            continue;
        snprintf(why, size, "after the image, at LSN %zu: %s", offset,
                 ctx_failure(ledger_ctx(follower->ledger, 0))->message);
        return false;
    }
    return true;
}

bool contents_rig_follow(struct ledger_rig *follower, const struct ledger_rig *rig, size_t imaged,
                         uint64_t now_ms, char *why, size_t size)
{
    struct ledger_rig compactor;
    struct contents contents;
    if (!ledger_rig_follow_quietly(&compactor, rig, imaged, why, size))
        return false;
    ledger_rig_open(follower, &rig->config);
    bool good = contents_take(&contents, compactor.ledger, why, size) &&
                contents_put(&contents, follower->ledger, why, size) &&
                ledgers_equal(compactor.ledger, follower->ledger, false, why, size) &&
                same_marks(compactor.ledger, follower->ledger, why, size) &&
                follow_rest(follower, rig, imaged, why, size);
    contents_free(&contents);
    ledger_rig_close(&compactor);
    if (!good) {
        ledger_rig_close(follower);
        return false;
    }
    ledger_rig_adopt(follower, rig, rig->length, now_ms);
    return true;
}

bool contents_rig_copies(const struct ledger_rig *rig, uint64_t now_ms, char *why, size_t size)
{
    struct ledger_rig copy;
    struct contents contents;
    ledger_rig_open(&copy, &rig->config);
    bool good = contents_take(&contents, rig->ledger, why, size) &&
                contents_put(&contents, copy.ledger, why, size) &&
                ledgers_equal(rig->ledger, copy.ledger, false, why, size) &&
                same_marks(rig->ledger, copy.ledger, why, size);
    if (good)
        ledger_recovered(copy.ledger, now_ms);
    good = good && ledger_check(copy.ledger, why, size) == 0;
    contents_free(&contents);
    ledger_rig_close(&copy);
    return good;
}
