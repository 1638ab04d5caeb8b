/* SPDX-License-Identifier: Apache-2.0 */
/* Returns that name a reservation: together no more than was fulfilled (returns.h). */
#include "engine/ops/movement.h"

#include "engine/ledger/ctx.h"

static enum code unknown_reservation(struct ctx *ctx, const struct movement *m)
{
    const struct return_evidence *e = m->evidence;
    if (!e || e->begins_lsn == 0)
        return fail(ctx, CODE_UNKNOWN_RESERVATION, "no reservation \"%.*s\"", (int)m->ref.len,
                    m->ref.at);
    return fail(ctx, CODE_UNKNOWN_RESERVATION,
                "no reservation \"%.*s\" in the journal, which is kept from lsn %llu on",
                (int)m->ref.len, m->ref.at, (unsigned long long)e->begins_lsn);
}

static enum code too_many_returned(struct ctx *ctx, const struct movement *m)
{
    const struct return_evidence *e = m->evidence;
    int64_t left = evidence_left(e);
    if (e->unproven == 0)
        fail(ctx, CODE_WRONG_STATE,
             "reservation \"%.*s\" was fulfilled with %lld of \"%.*s\", and %lld came back: %lld "
             "are left to be returned",
             (int)m->ref.len, m->ref.at, (long long)e->fulfilled, (int)m->sku.len, m->sku.at,
             (long long)e->returned, (long long)left);
    else
        fail(ctx, CODE_WRONG_STATE,
             "only %lld of \"%.*s\" are left to be returned: %lld were fulfilled before lsn %llu, "
             "from which on the journal is kept",
             (long long)left, (int)m->sku.len, m->sku.at, (long long)e->unproven,
             (unsigned long long)e->begins_lsn);
    ctx->failure.state = e->state;
    ctx->failure.shorts[0] = (struct shortfall){ m->sku, m->qty, left };
    ctx->failure.short_count = 1;
    return CODE_WRONG_STATE;
}

/* May that many units be returned to the reservation? */
static enum code check_returned(struct ctx *ctx, const struct moving *move)
{
    const struct movement *m = move->asked;
    const struct return_evidence *e = m->evidence;
    if (m->ref.len < 1 || m->ref.len > ID_MAX || text_equal(m->ref, m->id))
        return unknown_reservation(ctx, m);
    if (!e || e->upto < move->slot_last) {
        ctx->needs_evidence = true;
        return CODE_DEFERRED;
    }
    if (!e->known)
        return unknown_reservation(ctx, m);
    return m->qty <= evidence_left(e) ? CODE_OK : too_many_returned(ctx, m);
}

enum code return_plan(struct ctx *ctx, struct moving *move)
{
    struct ledger *ledger = ctx->ledger;
    uint64_t hash = id_hash(&ledger->ids, move->asked->ref);
    _Atomic uint64_t *slot = return_slot(&ledger->returns, hash);
    if (!move->slot && !return_slot_take(slot, &move->slot_last))
        return CODE_DEFERRED;
    move->slot = slot;
    enum code code = check_returned(ctx, move);
    if (!code)
        move->channel = move->asked->evidence->channel;
    return code ? code : movement_post_up(ctx, move, move->asked->qty, NOT_COUNTED);
}
