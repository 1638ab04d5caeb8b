/* SPDX-License-Identifier: Apache-2.0 */
#include "mirror/follow.h"

#include <assert.h>
#include <sched.h>
#include <stdlib.h>

#include "engine/ledger/change_index.h"
#include "mirror/clock.h"

/* ---- the pass ---- */

static void begin_pass(struct follow *f, bool mandatory)
{
    struct pass *pass = &f->at.pass;
    pass->left = change_index_items(f->ledger);
    pass->scanning = true;
    pass->scan = 0;
    pass->mandatory |= mandatory;
}

void follow_scanned(struct follow *f, uint64_t scan)
{
    struct pass *pass = &f->at.pass;
    if (pass->left > 0) /* a new pass has begun meanwhile */
        return;
    pass->scan = scan;
    if (scan != 0)
        return;
    pass->scanning = false;
    pass->mandatory = false;
}

/* Voids whatever the pass has checked. */
static void begin_doubt(struct follow *f)
{
    f->at.pass.floor = 0;
    f->at.pass.catalogue_lsn = ledger_catalogue_lsn(f->ledger);
    begin_pass(f, true);
}

void follow_rewind(struct follow *f)
{
    f->at = f->confirmed;
}

void follow_doubt(struct follow *f)
{
    begin_doubt(f);
    f->confirmed = f->at;
}

void follow_start(struct follow *f, uint64_t wall_ms)
{
    uint64_t head = log_head(f->log);
    f->limit = BATCH_LEAST;
    f->at =
        (struct position){ .fresh = { .since = head, .as_of_ms = wall_ms }, .as_of_ms = wall_ms };
    follow_doubt(f);
}

void follow_suspect(struct follow *f, uint32_t item)
{
    if (f->suspect_count < SUSPECTS_MAX)
        f->suspects[f->suspect_count++] = item;
    else
        begin_doubt(f);
}

/* At most as many items as there is room for their values, whatever the number of channels. */
static uint32_t limit_of(const struct follow *f, uint32_t channels)
{
    uint32_t fits = VALUES_MAX / 4 / (channels ? channels : 1);
    return f->limit < fits ? f->limit : fits;
}

static void check_item(struct batch *batch, uint32_t item)
{
    assert(batch->count == batch->checks);
    batch->changes[batch->count++] = (struct change){ .item = item };
    batch->checks++;
}

void follow_choose_checks(struct follow *f, struct batch *batch, bool audit)
{
    struct pass *pass = &f->at.pass;
    uint32_t most = limit_of(f, batch->channels.count) / 2;
    if (!pass->mandatory)
        most = !audit ? 0 : most < AUDIT_ITEMS ? most : AUDIT_ITEMS;
    for (uint32_t i = 0; i < f->suspect_count; i++)
        check_item(batch, f->suspects[i]);
    batch->suspicious = f->suspect_count > 0;
    f->suspect_count = 0;
    if (most > 0 && pass->left == 0 && !pass->scanning)
        begin_pass(f, false);
    uint32_t count = change_index_items(f->ledger);
    for (; pass->left > 0 && most > 0 && count > 0; pass->left--, most--) {
        if (pass->cursor >= count)
            pass->cursor = 0;
        if (item_version(f->ledger, pass->cursor))
            check_item(batch, pass->cursor);
        pass->cursor++;
    }
    batch->scans = most > 0 && pass->left == 0 && pass->scanning;
}

/* ---- reading ---- */

static bool room_for(const struct batch *batch)
{
    return batch->value_count + batch->channels.count <= VALUES_MAX;
}

/* Reads the item as it is now; its version first, so the values are no older than that. */
static void read_item(struct follow *f, struct batch *batch, struct change *change)
{
    uint64_t version = item_version(f->ledger, change->item);
    uint64_t catalogue_lsn = f->at.pass.catalogue_lsn;
    assert(version > 0);
    change->lsn = version > catalogue_lsn ? version : catalogue_lsn;
    change->sku = ledger_item_sku(f->ledger, change->item);
    change->values = batch->value_count;
    for (uint32_t i = 0; i < batch->channels.count; i++)
        batch->values[batch->value_count++] =
            ledger_item_availability(f->ctx, change->item, (uint16_t)i);
}

/* True if the walk is complete; false: there is more than it may take now. */
static bool read_walk(struct follow *f, struct batch *batch, struct walk *walk, uint32_t most)
{
    uint32_t item;
    uint64_t lsn;
    while (most-- > 0 && room_for(batch)) {
        if (!change_index_next(f->ledger, walk->since, &walk->cursor, &item, &lsn)) {
            *walk = (struct walk){ .since = walk->upto, .as_of_ms = walk->as_of_ms };
            return true;
        }
        struct change *change = &batch->changes[batch->count++];
        *change = (struct change){ .item = item };
        read_item(f, batch, change);
    }
    batch->full = true;
    return false;
}

static void read_walks(struct follow *f, struct batch *batch)
{
    struct walk *fresh = &f->at.fresh;
    struct walk *backlog = &f->at.backlog;
    uint32_t most = limit_of(f, batch->channels.count);
    if (fresh->active && !read_walk(f, batch, fresh, most) && !backlog->active) {
        *backlog = *fresh;
        *fresh = (struct walk){ .since = backlog->upto, .as_of_ms = backlog->as_of_ms };
    }
    if (backlog->active)
        read_walk(f, batch, backlog, most / 2);
    if (!backlog->active && !fresh->active)
        f->at.as_of_ms = fresh->as_of_ms;
}

static void read_checks(struct follow *f, struct batch *batch)
{
    for (uint32_t i = 0; i < batch->checks; i++) {
        struct change *change = &batch->changes[i];
        change->unread = !room_for(batch); /* new channels were just added; they start a pass */
        if (!change->unread)
            read_item(f, batch, change);
    }
}

static void begin_walk(struct follow *f, uint64_t wall_ms)
{
    struct walk *fresh = &f->at.fresh;
    if (fresh->active)
        return;
    fresh->upto = log_head(f->log);
    fresh->as_of_ms = wall_ms;
    fresh->active = fresh->upto != fresh->since;
}

/* If the catalogue is newer than the pass, any item may have other values now. */
static void note_catalogue(struct follow *f)
{
    struct pass *pass = &f->at.pass;
    uint64_t lsn = ledger_catalogue_lsn(f->ledger);
    if (lsn <= pass->catalogue_lsn)
        return;
    if (!pass->mandatory)
        pass->floor = position_lsn(&f->at);
    pass->catalogue_lsn = lsn;
    begin_pass(f, true);
}

static void copy_channels(struct channel_codes *to, const struct catalogue *catalogue)
{
    to->count = catalogue->channel_count;
    for (uint32_t i = 0; i < to->count; i++)
        to->codes[i] = catalogue->channels[i].code;
}

static int by_lsn(const void *a, const void *b)
{
    uint64_t x = ((const struct change *)a)->lsn;
    uint64_t y = ((const struct change *)b)->lsn;
    return x < y ? -1 : x > y;
}

/* What is promised of what is on its way depends on the time. */
void follow_begin(struct follow *f, uint64_t wall_ms)
{
    uint64_t engine_ms = f->engine_ms + (steady_ms() - f->steady_ms);
    ledger_begin(f->ctx, engine_ms, clock_as_one(engine_ms, wall_ms));
}

void follow_read(struct follow *f, struct batch *batch, uint64_t wall_ms)
{
    assert(batch->count == batch->checks);
    follow_begin(f, wall_ms);
    begin_walk(f, wall_ms); /* reads the head before the catalogue and before any item version */
    note_catalogue(f);
    copy_channels(&batch->channels, ledger_catalogue(f->ctx));
    read_checks(f, batch);
    read_walks(f, batch);
    ledger_end(f->ctx);
    while (!ledger_shown_until(f->ledger, &batch->shown_until))
        sched_yield(); /* another context is in an operation, which never blocks */
    /* So that each entry of the stream can carry the LSN of its own change. */
    qsort(batch->changes + batch->checks, batch->count - batch->checks, sizeof(struct change),
          by_lsn);
}

/* ---- positions ---- */

uint64_t position_lsn(const struct position *position)
{
    if (position->pass.mandatory)
        return position->pass.floor;
    return position_walked(position);
}

uint64_t follow_dirty(const struct follow *f)
{
    const struct pass *pass = &f->confirmed.pass;
    uint64_t from = position_walked(&f->confirmed);
    uint64_t count = pass->mandatory ? pass->left : 0;
    uint32_t cursor = 0;
    uint32_t item;
    uint64_t lsn;
    while (change_index_next(f->ledger, from, &cursor, &item, &lsn))
        count++;
    return count;
}
