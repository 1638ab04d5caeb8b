/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ops/sent_come.h"

#include <string.h>

#include "engine/store/supply_lines.h"

void sent_come_add(struct ctx *ctx, struct text id)
{
    struct sent_come *note = &ctx->come[ctx->come_count];
    for (uint32_t i = 0; i < ctx->come_count; i++)
        if (text_equal((struct text){ ctx->come[i].id, ctx->come[i].id_len }, id))
            return;
    if (ctx->come_count == SENT_COME_MAX) /* so many are busy: the next step, or start, will do */
        return;
    note->id_len = (uint8_t)id.len;
    memcpy(note->id, id.at, id.len);
    ctx->come_count++;
}

void sent_come_note_supply(struct ctx *ctx, const struct id_entry *supply)
{
    char id[NAME_MAX_BYTES];
    uint32_t length = supply_ref(&ctx->ledger->ids, supply, id);
    if (length >= 1 && length <= ID_MAX)
        sent_come_add(ctx, (struct text){ id, length });
}

/* Is anything left that was sent, or else is expected? If not, nobody has taken it in. */
static bool any_sent(const struct ctx *ctx, struct id_entry *entry)
{
    const struct items *items = &ctx->ledger->items;
    struct draw_walk walk = draw_walk_start(&ctx->ledger->ids, entry);
    const struct draw *draw;
    while ((draw = draw_walk_next(&walk)) != NULL)
        if (draw_left(draw) > 0 &&
            owner_kind(key_owner(pool_read_key(pool_at(items, draw->pool)))) == POOL_EXPECTED)
            return true;
    return false;
}

static enum code look(struct ctx *ctx, struct text id)
{
    struct id_table *ids = &ctx->ledger->ids;
    struct id_entry *entry;
    uint64_t word;
    enum entry_found found = id_table_find(ids, id, id_hash(ids, id), &entry, &word);
    if (found == ENTRY_BUSY)
        return CODE_DEFERRED;
    if (found == ENTRY_ABSENT)
        return CODE_OK;
    if (word_kind(word) == ENTRY_RESERVATION && entry->awaits &&
        word_state(word) == STATE_CONFIRMED && any_sent(ctx, entry))
        return sent_come_set_aside(ctx, entry, word);
    entry_put(entry, word);
    return CODE_OK;
}

void sent_come_look(struct ctx *ctx)
{
    uint32_t kept = 0, count = ctx->come_count;
    ctx->kept_failure = ctx->failure; /* the client is still to be told */
    for (uint32_t i = 0; i < count; i++) {
        struct sent_come note = ctx->come[i];
        if (look(ctx, (struct text){ note.id, note.id_len }) == CODE_DEFERRED)
            ctx->come[kept++] = note;
    }
    ctx->come_count = kept;
    ctx->failure = ctx->kept_failure;
}

void sent_come_recover(struct ctx *ctx, struct id_entry *entry, uint64_t word)
{
    const struct items *items = &ctx->ledger->items;
    struct draw_walk walk = draw_walk_start(&ctx->ledger->ids, entry);
    const struct draw *draw;
    while ((draw = draw_walk_next(&walk)) != NULL) {
        const struct pool *pool = pool_at(items, draw->pool);
        if (draw_left(draw) > 0 && owner_kind(key_owner(pool_read_key(pool))) == POOL_EXPECTED &&
            incoming_look(items, pool).come < draw_left(draw))
            return;
    }
    sent_come_note(ctx, entry, word);
}
