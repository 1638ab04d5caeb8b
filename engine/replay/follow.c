/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/replay/follow.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <string.h>

#include "engine/figures/figures.h"
#include "engine/ops/backlog.h"
#include "engine/ops/precedence.h"
#include "engine/replay/following.h"
#include "engine/replay/take_up.h"

/* How many records ahead the hints of stage 1 are; those of stage 0 are twice as far ahead. */
enum { AHEAD = 12 };

/* ---- beside readers ---- */

bool following_may_move(unsigned type)
{
    switch (type) {
    case RECORD_MOVEMENT: /* units that come pay what is owed */
    case RECORD_SOLD:
    case RECORD_SHIFT:
    case RECORD_ALLOT:
    case RECORD_SENT:
    case RECORD_AMEND:
    case RECORD_MOVE:
    case RECORD_SOURCED:
    case RECORD_REJECT:
    case RECORD_SUPPLY:
    case RECORD_SHIP:
    case RECORD_ARRIVE:
    case RECORD_WITHDRAW:
    case RECORD_RESCHEDULE:
    case RECORD_SWEEP:
        return true;
    default:
        return false;
    }
}

void following_move(struct following *f, const struct items *items, uint32_t item)
{
    if (*item_map_number(&f->moving, item, f->moving_count) < f->moving_count)
        return;
    assert(f->moving_count < FOLLOWING_ITEMS / 2 + LINES_MAX); /* the map has room */
    f->items[f->moving_count++] = item;
    moves_begin(item_at(items, item)); /* @follow-bracket */
}

void following_end_record(struct following *f, const struct items *items)
{
    if (f->moving_count == 0)
        return;
    for (uint32_t i = 0; i < f->moving_count; i++)
        moves_end(item_at(items, f->items[i]));
    f->moving_count = 0;
    item_map_empty(&f->moving);
}

bool following_wait(const struct applying *a, uint32_t *tries)
{
    if (!is_beside_readers(a) || ++*tries == FOLLOWING_TRIES)
        return false;
    sched_yield();
    return true;
}

void following_take(const struct applying *a, _Atomic bool *busy)
{
    while (atomic_exchange_explicit(busy, true, memory_order_acquire)) {
        assert(is_beside_readers(a)); /* else this thread is alone */
        sched_yield();
    }
    (void)a;
}

void following_list(const struct applying *a, struct id_entry *entry, uint32_t first)
{
    struct ctx *ctx = a->ctx;
    if (!is_beside_readers(a) || !incoming_any(&a->ledger->items))
        return;
    bool listed = backlog_add_from(ctx, entry, first);
    if (!precedence_add_draws(ctx, entry, a->lsn) || !listed)
        precedence_give_up(ctx);
}

/* ---- a batch ---- */

struct records {
    const unsigned char *at;
    size_t left;
};

/* NULL: none is left, or what is left is no record. */
static const struct record_head *next_record(struct records *records)
{
    const struct record_head *record = (const struct record_head *)(const void *)records->at;
    if (records->left < sizeof *record || record->length < sizeof *record ||
        record->length > records->left || record->length > RECORD_MAX || record->length % 8 != 0)
        return NULL;
    records->at += record->length;
    records->left -= record->length;
    return record;
}

static bool records_fill(struct records records)
{
    while (next_record(&records)) {
    }
    return records.left == 0;
}

static int refuse_batch(const struct ledger *ledger, const struct follow_batch *batch,
                        const char *why)
{
    fail(ledger->contexts[0], CODE_BAD_REQUEST,
         "the batch of %zu bytes at LSN %llu, behind LSN %llu, cannot be applied: %s",
         batch->length, (unsigned long long)batch->first_lsn,
         (unsigned long long)ledger_follow_lsn(ledger), why);
    return -EINVAL;
}

static void hint(const struct ledger *ledger, struct records *records, unsigned stage)
{
    const struct record_head *record = next_record(records);
    if (record)
        ledger_apply_prefetch(ledger, record, stage);
}

/* A report may hold the figures for long, or keep those of crossings back. */
static void make_room_for_facts(struct figures *figures)
{
    if (!figures)
        return;
    for (;;) {
        figures_tend(figures, 0);
        figures_tend(figures, FIGURES_CROSSINGS);
        if (figures_have_room(figures, 0) && figures_have_room(figures, FIGURES_CROSSINGS))
            return;
        sched_yield();
    }
}

static int apply_records(struct ledger *ledger, const struct follow_batch *batch)
{
    struct records records = { batch->records, batch->length };
    struct records far = records, near = records;
    const struct record_head *record;
    int error = 0;
    ledger_apply_time(ledger, batch->time_ms);
    for (unsigned i = 0; i < 2 * AHEAD; i++)
        hint(ledger, &far, 0);
    for (unsigned i = 0; i < AHEAD; i++)
        hint(ledger, &near, 1);
    while (!error && (record = next_record(&records))) {
        hint(ledger, &far, 0);
        hint(ledger, &near, 1);
        make_room_for_facts(ledger->figures);
        error = ledger_apply(ledger, record, batch->first_lsn + batch->length - records.left);
    }
    return error;
}

/* The caretaker does the same, later: if a zone cannot be read it tries again, and says so. */
static void lay_out(struct ledger *ledger, uint64_t time_ms)
{
    struct lay_out_failure failure;
    if (!ledger->following->lay_out)
        return;
    ledger->following->lay_out = false;
    ledger_lay_out(ledger, time_ms, &failure);
}

uint64_t ledger_follow_lsn(const struct ledger *ledger)
{
    return log_head(ledger->log);
}

int ledger_follow_batch(struct ledger *ledger, const struct follow_batch *batch)
{
    struct ctx *ctx = ledger->contexts[0];
    assert(ledger_follows(ledger));
    assert((uintptr_t)batch->records % 8 == 0);
    if (batch->first_lsn != ledger_follow_lsn(ledger))
        return refuse_batch(ledger, batch, "it does not continue the log");
    if (!records_fill((struct records){ batch->records, batch->length }))
        return refuse_batch(ledger, batch, "its records do not fill it");
    log_follow_to(ledger->log, batch->first_lsn + batch->length); /* @follow-tail: P2 */
    ctx_enter(ctx); /* the caretaker may swap the catalogue */
    int error = apply_records(ledger, batch);
    if (!error)
        lay_out(ledger, batch->time_ms);
    ctx_leave(ctx);
    if (!error)
        log_followed(ledger->log); /* P2 */
    return error;
}

/* ---- the begin and the end ---- */

bool ledger_follows(const struct ledger *ledger)
{
    return atomic_load_explicit(&ledger->follows, memory_order_acquire);
}

int ledger_follow(struct ledger *ledger, uint64_t engine_ms)
{
    assert(!ledger->following);
    ledger->following = memory_reserve(sizeof *ledger->following);
    if (!ledger->following)
        return -ENOMEM;
    item_map_empty(&ledger->following->moving);
    take_up_begin(ledger, engine_ms);
    ledger->contexts[0]->cursor.replaying = true;
    atomic_store_explicit(&ledger->follows, true, memory_order_release);
    return 0;
}

void following_destroy(struct ledger *ledger)
{
    memory_release(ledger->following, sizeof *ledger->following);
    ledger->following = NULL;
}

/* The notes that a backlog was looked at in vain are good enough for questions. A take needs
 * more: no other take may have come since the look (B2). So the primary looks again. */
static void forget_served(const struct items *items)
{
    uint32_t count = atomic_load_explicit(&items->count, memory_order_relaxed);
    for (uint32_t i = 0; i < count; i++) {
        struct item *item = item_at(items, i);
        if (!item_has(item, ITEM_BACKLOG))
            continue;
        gives_begin(item);
        gives_end(item);
    }
}

void ledger_promote(struct ledger *ledger, uint64_t engine_ms)
{
    struct id_cursor *cursor = &ledger->contexts[0]->cursor;
    assert(ledger_follows(ledger));
    assert(!log_has_claims(ledger->log));
    assert(engine_ms >= cursor->now_ms); /* engine time never goes back */
    assert(engine_ms >= ledger->batch_ms);
    id_table_started(&ledger->ids, cursor->now_ms, engine_ms);
    cursor->replaying = false;
    if (ledger->born_ms == 0)
        ledger->born_ms = engine_ms;
    forget_served(&ledger->items);
    take_up_later(ledger);
    following_destroy(ledger);
    /* Release: whoever learns of it, by this or by what the caller stores next, sees all of it. */
    atomic_store_explicit(&ledger->follows, false, memory_order_release);
}
