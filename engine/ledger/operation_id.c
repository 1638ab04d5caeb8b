/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ledger/operation_id.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/fingerprint.h"
#include "engine/ledger/ctx.h"
#include "engine/ledger/orders.h"
#include "engine/store/id_time.h"

/* How far off the clock of a client that makes ids with a time in them may be. */
enum { SKEW_MOST_MS = 60000 };

/* Is the id older than everything remembered? Then it may have been done and forgotten. */
static bool id_expired(const struct ctx *ctx, struct text id)
{
    const struct id_table *ids = &ctx->ledger->ids;
    uint64_t made_ms, skew = ids->remember_ms / 2;
    uint64_t forgotten = id_table_forgotten_ms(ids);
    if (skew > SKEW_MOST_MS)
        skew = SKEW_MOST_MS;
    if (!id_time_ms(id, &made_ms))
        return false;
    if (forgotten == 0)
        return made_ms + SKEW_MOST_MS < wall_of(ctx, ctx->ledger->born_ms);
    return made_ms <= wall_of(ctx, forgotten) + skew;
}

static enum code table_is_full(struct ctx *ctx)
{
    return fail(
        ctx, CODE_LIMIT,
        "the id table is full of live reservations (%u); restart with larger --reservations",
        ctx->ledger->ids.max);
}

/* Says what size would suffice at the current rate. */
static enum code table_is_young(struct ctx *ctx)
{
    const struct id_table *ids = &ctx->ledger->ids;
    uint64_t remember = ids->remember_ms, ripe = id_table_ripe_ms(ids);
    /* Another context's time may be some milliseconds ahead of this one's. */
    uint64_t wait = ripe > ctx->engine_ms ? ripe - ctx->engine_ms : 0;
    uint64_t age = wait < remember ? remember - wait : 0;
    uint64_t needed =
        ids->max - id_table_remembered(ids) + id_table_remembered(ids) * (remember + 1) / (age + 1);
    return fail(
        ctx, CODE_OVERLOADED,
        "the id table (%u) holds only the ids of the last %llu s, and must remember each for "
        "%llu s; at this rate it needs --reservations %llu",
        ids->max, (unsigned long long)age / 1000, (unsigned long long)remember / 1000,
        (unsigned long long)needed);
}

static enum code expired_id(struct ctx *ctx, const char *parameter, struct text id)
{
    return fail(ctx, CODE_EXPIRED_ID,
                "%s \"%.*s\" is older than what is remembered: it may have been done already, "
                "and is not done again",
                parameter, (int)id.len, id.at);
}

/* A sleeping worker shares no slots. */
static void wake_all(struct ctx *ctx)
{
    assert(ctx->ledger->worker_count >= 1);
    uint64_t workers = UINT64_MAX >> (64 - ctx->ledger->worker_count);
    ctx->wakeups |= workers & ~(UINT64_C(1) << ctx->index);
}

enum code no_slots(struct ctx *ctx, enum entry_found why)
{
    switch (why) {
    case ENTRY_BUSY:
        wake_all(ctx);
        return CODE_DEFERRED;
    case ENTRY_TABLE_YOUNG:
        return table_is_young(ctx);
    default:
        return table_is_full(ctx);
    }
}

enum code begin_id(struct ctx *ctx, const char *parameter, struct text id, struct id_entry **entry,
                   uint64_t *word, bool *known)
{
    struct id_table *ids = &ctx->ledger->ids;
    enum entry_found found = id_table_add(ids, &ctx->cursor, id, id_hash(ids, id), entry, word);
    *known = found == ENTRY_FOUND;
    if (*known)
        return CODE_OK;
    if (found == ENTRY_BUSY)
        return CODE_DEFERRED;
    if (id_expired(ctx, id)) {
        if (found == ENTRY_ABSENT)
            entry_refuse(ids, &ctx->cursor, *entry, *word);
        return expired_id(ctx, parameter, id);
    }
    if (found == ENTRY_ABSENT)
        return CODE_OK;
    if (found == ENTRY_NO_SLOT)
        found = slots_why_none(ids, &ctx->cursor);
    return no_slots(ctx, found);
}

/* People find a transfer by its reservation's id, so it begins with that if there is room: journals
 * have such ids, and a reservation keeps only how many there are. */
uint32_t ledger_send_id(struct text reservation, unsigned number, char id[ID_MAX])
{
    enum { SUFFIX_MAX = 4 }; /* "/s31" */
    char name[ID_MAX + 1], suffix[SUFFIX_MAX + 1];
    assert(number >= 1 && number <= SENDS_MAX);
    uint32_t more = (uint32_t)snprintf(suffix, sizeof suffix, "/s%u", number);
    uint32_t length = reservation.len;
    if (reservation.len <= ID_MAX - SUFFIX_MAX)
        memcpy(name, reservation.at, length);
    else
        length = (uint32_t)snprintf(name, sizeof name, "~%016" PRIx64, mix_text(0, reservation));
    assert(length + more <= ID_MAX);
    memcpy(id, name, length);
    memcpy(id + length, suffix, more);
    return length + more;
}
