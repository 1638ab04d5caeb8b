/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ops/reservation_find.h"

#include <assert.h>

#include "engine/ledger/claim.h"
#include "engine/ledger/ctx.h"
#include "engine/ledger/find.h"
#include "engine/ops/expire.h"
#include "engine/ops/parts.h"
#include "engine/ops/reservation.h"
#include "engine/store/draws.h"

static enum code unknown_reservation(struct ctx *ctx, struct text id)
{
    return fail(ctx, CODE_UNKNOWN_RESERVATION, "no reservation \"%.*s\"", (int)id.len, id.at);
}

enum code reservation_take(struct ctx *ctx, struct text id, struct id_entry **entry, uint64_t *word)
{
    struct id_table *ids = &ctx->ledger->ids;
    enum code code = check_id(ctx, "id", id);
    if (code)
        return code;
    for (;;) {
        enum entry_found found = id_table_find(ids, id, id_hash(ids, id), entry, word);
        if (found == ENTRY_BUSY)
            return CODE_DEFERRED;
        if (found == ENTRY_ABSENT)
            return unknown_reservation(ctx, id);
        if (word_kind(*word) != ENTRY_RESERVATION) {
            entry_put(*entry, *word);
            return unknown_reservation(ctx, id);
        }
        bool late = word_state(*word) == STATE_HELD && (*entry)->expires_ms <= ctx->engine_ms;
        /* Once nothing can be written it stays held for ever: an expiry that never becomes durable
         * is none. And of a ledger that is followed, the expiry comes as a record. */
        if (!late || log_has_failed(ctx->ledger->log) || ctx_follows(ctx)) /* @owned */
            return CODE_OK;
        if (!ledger_has_room(ctx)) {
            entry_put(*entry, *word);
            return CODE_DEFERRED;
        }
        expire_entry(ctx, *entry, *word);
    }
}

enum code reservation_hold(struct ctx *ctx, struct txn *t, struct text id)
{
    struct id_entry *entry;
    uint64_t word;
    if (t->reservation)
        return CODE_OK;
    enum code code = reservation_take(ctx, id, &entry, &word);
    if (code)
        return code;
    assert(word_kind(word) == ENTRY_RESERVATION);
    t->reservation = entry;
    t->word = word;
    return CODE_OK;
}

enum code reservation_wrong_state(struct ctx *ctx, const struct txn *t, const char *wanted)
{
    assert(t->reservation);
    enum entry_state state = word_state(t->word);
    struct text id = entry_id(t->reservation, t->word);
    fail(ctx, CODE_WRONG_STATE, "reservation \"%.*s\" is %s: it cannot be %s", (int)id.len, id.at,
         state_name(state), wanted);
    ctx->failure.state = state_name(state);
    return CODE_WRONG_STATE;
}

void view_whole(struct ctx *ctx, struct id_entry *entry, uint64_t word,
                struct reservation_view *view)
{
    view_reservation(ctx, entry, word, false, view);
    view_parts(ctx, entry, view);
    if (entry->ref_len > 0)
        view->ref = (struct text){ ctx->ref, reservation_ref(&ctx->ledger->ids, entry, ctx->ref) };
}

enum code ledger_reservation(struct ctx *ctx, struct text id, struct reservation_view *r)
{
    struct id_entry *entry;
    uint64_t word;
    enum code code = reservation_take(ctx, id, &entry, &word);
    if (code)
        return code;
    view_whole(ctx, entry, word, r);
    entry_put(entry, word);
    COUNT(ctx, queries);
    return CODE_OK;
}
