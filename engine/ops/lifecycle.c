/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of a hold: it is extended or confirmed. expire.c and settle.c have its ends. */
#include "engine/ledger/ledger.h"

#include <assert.h>

#include "engine/ledger/claim.h"
#include "engine/ledger/ctx.h"
#include "engine/ledger/find.h"
#include "engine/ledger/operation_id.h"
#include "engine/ops/reservation.h"
#include "engine/ops/reservation_find.h"
#include "engine/ops/sent_come.h"
#include "engine/store/draws.h"
#include "engine/txn/txn_run.h"

/* ---- extend ---- */

struct extending {
    struct txn txn;
    struct text of;      /* the reservation's id */
    uint64_t expires_ms; /* engine time */
    struct reservation_view *result;
};

static void reschedule(struct ctx *ctx, struct id_entry *entry, bool sooner)
{
    struct id_table *ids = &ctx->ledger->ids;
    if (!sooner)
        return; /* it comes up at the old deadline and is relinked then */
    assert(entry->owner < ctx->ledger->context_count); /* I5: what is held is in a wheel */
    if (entry->owner == ctx->index) {
        wheel_unlink(&ctx->wheel, ids, entry);
        wheel_link(&ctx->wheel, ids, entry, entry->expires_ms);
    } else if (wheel_send(&ctx->ledger->contexts[entry->owner]->wheel, ids, entry)) {
        ctx->wakeups |= UINT64_C(1) << entry->owner;
    }
}

static enum code plan_extend(struct ctx *ctx, struct txn *t)
{
    struct extending *e = (struct extending *)t;
    enum code code = reservation_hold(ctx, t, e->of);
    if (!code && word_state(t->word) != STATE_HELD)
        code = reservation_wrong_state(ctx, t, "extended");
    return code;
}

static uint32_t record_extend(struct ctx *ctx, struct txn *t)
{
    const struct extending *e = (const struct extending *)t;
    struct extend_fields f = { .fixed = { .head = head_of(ctx, RECORD_EXTEND, clocks_of(ctx)),
                                          .expires_ms = wall_of(ctx, e->expires_ms) },
                               .id = e->of };
    struct record_builder b = extend_begin(ctx->record, &f);
    if (f.fixed.head.flags & RECORD_TWO_CLOCKS)
        record_add(&b, &e->expires_ms, sizeof e->expires_ms);
    return record_end(&b);
}

static void show_extend(struct ctx *ctx, struct txn *t)
{
    const struct extending *e = (const struct extending *)t;
    struct id_entry *entry = t->reservation;
    assert(word_state(t->word) == STATE_HELD);
    bool sooner = e->expires_ms < entry->expires_ms;
    entry->lsn_last = t->lsn;
    entry->expires_ms = e->expires_ms;
    reschedule(ctx, entry, sooner);
    view_reservation(ctx, entry, t->word, false, e->result);
    entry_put(entry, t->word);
    COUNT(ctx, extends);
}

static const struct txn_kind extend_txn = {
    .plan = plan_extend,
    .record = record_extend,
    .show = show_extend,
};

enum code ledger_extend(struct ctx *ctx, struct text id, uint64_t ttl_ms,
                        struct reservation_view *r)
{
    if (ttl_ms < 1 || ttl_ms > TTL_MAX_MS)
        return fail_param(ctx, CODE_BAD_REQUEST, "ttl_ms",
                          "ttl_ms must be a whole number from 1 to %u", TTL_MAX_MS);
    struct extending extending = { .of = id, .expires_ms = ctx->engine_ms + ttl_ms, .result = r };
    return txn_perform(ctx, &extending.txn, &extend_txn);
}

/* ---- confirm ---- */

struct confirming {
    struct txn txn;
    struct text of; /* the reservation's id */
    struct text ref;
    struct reservation_view *result;
};

static enum code plan_confirm(struct ctx *ctx, struct txn *t)
{
    struct confirming *c = (struct confirming *)t;
    enum code code = reservation_hold(ctx, t, c->of);
    if (code)
        return code;
    if (word_state(t->word) == STATE_CONFIRMED) {
        view_reservation(ctx, t->reservation, t->word, false, c->result);
        c->result->lsn = t->reservation->lsn_confirmed;
        COUNT(ctx, repeats);
        t->done = true;
        return CODE_OK;
    }
    if (word_state(t->word) != STATE_HELD) /* @confirm */
        return reservation_wrong_state(ctx, t, "confirmed");
    if (c->ref.len == 0)
        return CODE_OK;
    uint32_t blocks = draws_reshaped_blocks(t->reservation, t->reservation->tracked, 0, c->ref.len);
    enum entry_found found = slots_prepare(&ctx->ledger->ids, &ctx->cursor, blocks);
    return found == ENTRY_ABSENT ? CODE_OK : no_slots(ctx, found);
}

static uint32_t record_confirm(struct ctx *ctx, struct txn *t)
{
    const struct confirming *c = (const struct confirming *)t;
    struct confirm_fields f = {
        .fixed = { .head = head_of(ctx, RECORD_CONFIRM, 0), .time_ms = ctx->wall_ms },
        .id = c->of,
        .ref = c->ref,
    };
    struct record_builder b = confirm_begin(ctx->record, &f);
    return record_end(&b);
}

static void show_confirm(struct ctx *ctx, struct txn *t)
{
    struct id_entry *entry = t->reservation;
    uint64_t word = with_state(t->word, STATE_CONFIRMED);
    const struct confirming *c = (const struct confirming *)t;
    entry->lsn_last = entry->lsn_confirmed = t->lsn;
    if (c->ref.len > 0) {
        bool kept = draws_reshape(&ctx->ledger->ids, &ctx->cursor, entry, entry->tracked, c->ref);
        assert(kept); /* in slots that were set aside */
        (void)kept;
    }
    view_reservation(ctx, entry, word, false, c->result);
    sent_come_note(ctx, entry, word);
    entry_put(entry, word); /* it leaves its wheel when its old deadline comes up */
    COUNT(ctx, confirms);
}

static const struct txn_kind confirm_txn = {
    .plan = plan_confirm,
    .record = record_confirm,
    .show = show_confirm,
};

enum code ledger_confirm(struct ctx *ctx, struct text id, struct text ref,
                         struct reservation_view *r)
{
    enum code code = check_text(ctx, "ref", ref);
    if (code)
        return code;
    struct confirming confirming = { .of = id, .ref = ref, .result = r };
    code = txn_perform(ctx, &confirming.txn, &confirm_txn);
    slots_unprepare(&ctx->ledger->ids, &ctx->cursor);
    sent_come_now(ctx);
    return code;
}
