/* SPDX-License-Identifier: Apache-2.0 */
/* Returns that name a reservation: in all no more than it was fulfilled with (returns.h). */
#include "engine/ops/movement.h"

#include "engine/ledger/seat.h"

static enum code unknown_reservation(struct seat *seat, const struct movement *m)
{
    const struct return_evidence *e = m->evidence;
    if (!e || e->begins_lsn == 0)
        return fail(seat, CODE_UNKNOWN_RESERVATION, "no reservation \"%.*s\"", (int)m->ref.len,
                    m->ref.at);
    return fail(seat, CODE_UNKNOWN_RESERVATION,
                "no reservation \"%.*s\" in the journal, which is kept from lsn %llu on",
                (int)m->ref.len, m->ref.at, (unsigned long long)e->begins_lsn);
}

static enum code too_many_returned(struct seat *seat, const struct movement *m)
{
    const struct return_evidence *e = m->evidence;
    int64_t left = evidence_left(e);
    if (e->unproven == 0)
        fail(seat, CODE_WRONG_STATE,
             "reservation \"%.*s\" was fulfilled with %lld of \"%.*s\", and %lld came back: %lld "
             "are left to be returned",
             (int)m->ref.len, m->ref.at, (long long)e->fulfilled, (int)m->sku.len, m->sku.at,
             (long long)e->returned, (long long)left);
    else
        fail(seat, CODE_WRONG_STATE,
             "only %lld of \"%.*s\" are left to be returned: %lld were fulfilled before lsn %llu, "
             "from which on the journal is kept",
             (long long)left, (int)m->sku.len, m->sku.at, (long long)e->unproven,
             (unsigned long long)e->begins_lsn);
    seat->failure.state = e->state;
    seat->failure.shorts[0] = (struct shortfall){ m->sku, m->qty, left };
    seat->failure.short_count = 1;
    return CODE_WRONG_STATE;
}

/* May that much be returned of the reservation? */
static enum code check_returned(struct seat *seat, const struct moving *move)
{
    const struct movement *m = move->asked;
    const struct return_evidence *e = m->evidence;
    if (m->ref.len < 1 || m->ref.len > ID_MAX || text_equal(m->ref, m->id))
        return unknown_reservation(seat, m);
    if (!e || e->upto < move->slot_last) {
        seat->needs_evidence = true;
        return CODE_DEFERRED;
    }
    if (!e->known)
        return unknown_reservation(seat, m);
    return m->qty <= evidence_left(e) ? CODE_OK : too_many_returned(seat, m);
}

enum code return_plan(struct seat *seat, struct moving *move)
{
    struct ledger *ledger = seat->ledger;
    uint64_t hash = id_hash(&ledger->entries, move->asked->ref);
    _Atomic uint64_t *slot = return_slot(&ledger->returns, hash);
    if (!move->slot && !return_slot_take(slot, &move->slot_last))
        return CODE_DEFERRED;
    move->slot = slot;
    enum code code = check_returned(seat, move);
    return code ? code : movement_post_up(seat, move, move->asked->qty, NOT_COUNTED);
}
