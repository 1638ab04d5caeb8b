/* SPDX-License-Identifier: Apache-2.0 */
/* What the mirror writes, as Redis commands. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mirror/clock.h"
#include "mirror/inside.h"

#define LSN_FIELD "_lsn"

void transaction_clear(struct transaction *t)
{
    commands_clear(&t->commands);
}

void transaction_free(struct transaction *t)
{
    commands_free(&t->commands);
    free(t->items);
    t->items = NULL;
    t->capacity = 0;
}

/* Each command has its item behind its number; what was not noted yet is nobody's. */
static bool transaction_room(struct transaction *t)
{
    uint32_t count = t->commands.count;
    if (count < t->capacity)
        return true;
    uint32_t capacity = t->capacity ? 2 * t->capacity : 1024;
    uint32_t *items = realloc(t->items, capacity * sizeof *items);
    if (!items) {
        t->commands.incomplete = true;
        return false;
    }
    t->items = items;
    t->capacity = capacity;
    return true;
}

void transaction_note(struct transaction *t, uint32_t item)
{
    assert(t->commands.count > 0);
    if (transaction_room(t))
        t->items[t->commands.count - 1] = item;
}

/* A channel may have the code of the field that is ours; then it is not shown. */
static bool shown(struct text code)
{
    return !text_equal(code, (struct text){ LSN_FIELD, sizeof LSN_FIELD - 1 });
}

static uint32_t shown_channels(const struct batch *batch)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < batch->channels.count; i++)
        count += shown(code_text(&batch->channels.codes[i]));
    return count;
}

static void show_values(struct commands *c, const struct batch *batch, const struct change *change)
{
    for (uint32_t i = 0; i < batch->channels.count; i++) {
        struct text code = code_text(&batch->channels.codes[i]);
        if (!shown(code))
            continue;
        argument(c, code);
        argument_number(c, batch->values[change->values + i]);
    }
}

static void show_hash(struct mirror *m, const struct batch *batch, const struct change *change,
                      uint32_t channels)
{
    struct commands *c = &m->next.commands;
    command(c, "HSET", 4 + 2 * channels);
    argument_joined(c, m->item_key, change->sku);
    show_values(c, batch, change);
    argument_string(c, LSN_FIELD);
    argument_lsn(c, change->lsn);
    transaction_note(&m->next, change->item);
}

static void show_entry(struct mirror *m, const struct batch *batch, const struct change *change,
                       uint32_t channels)
{
    struct commands *c = &m->next.commands;
    char id[STREAM_ID_MAX];
    stream_id_next(&m->last_id, change->lsn);
    command(c, "XADD", 8 + 2 * channels);
    argument_string(c, m->stream_key);
    argument_string(c, "MAXLEN");
    argument_string(c, "~");
    argument_lsn(c, m->config.stream_length);
    argument(c, (struct text){ id, stream_id_format(m->last_id, id) });
    argument_string(c, "sku");
    argument(c, change->sku);
    show_values(c, batch, change);
    transaction_note(&m->next, NO_ITEM);
}

static void publish(struct mirror *m, const struct batch *batch, const struct change *change)
{
    struct commands *c = &m->next.commands;
    for (uint32_t i = 0; i < batch->channels.count; i++) {
        char message[MESSAGE_MAX];
        size_t length =
            change_message(message, change->sku, batch->values[change->values + i], change->lsn);
        command(c, "PUBLISH", 3);
        argument_joined(c, m->channel_key, code_text(&batch->channels.codes[i]));
        argument(c, (struct text){ message, (uint32_t)length });
        transaction_note(&m->next, NO_ITEM);
    }
}

void show_item(struct mirror *m, const struct batch *batch, const struct change *change,
               unsigned how)
{
    uint32_t channels = shown_channels(batch);
    if (how & SHOW_ERASE) {
        command(&m->next.commands, "DEL", 2);
        argument_joined(&m->next.commands, m->item_key, change->sku);
        transaction_note(&m->next, NO_ITEM);
    }
    show_hash(m, batch, change, channels);
    if (how & SHOW_NOTIFY) {
        show_entry(m, batch, change, channels);
        publish(m, batch, change);
    }
}

/*
 * behind_ms: how much older than time_ms what is shown may be. It is a millisecond or two while the
 * state is live; while it is syncing, items may show what was so before that.
 */
void show_beat(struct mirror *m, struct commands *c, const struct position *position)
{
    uint64_t now = wall_ms();
    bool live = !position->pass.mandatory && !position->backlog.active;
    command(c, "HSET", 12);
    argument_string(c, m->mirror_key);
    argument_string(c, "lsn");
    argument_lsn(c, position_lsn(position));
    argument_string(c, "time_ms");
    argument_lsn(c, now);
    argument_string(c, "engine");
    argument_string(c, m->engine);
    argument_string(c, "state");
    argument_string(c, live ? "live" : "syncing");
    argument_string(c, "behind_ms");
    argument_lsn(c, now > position->as_of_ms ? now - position->as_of_ms : 0);
}

void show_transaction(struct mirror *m, const struct transaction *t,
                      const struct position *position)
{
    struct commands *c = &m->redis.commands;
    char fence[FENCE_MAX];
    struct fence next = m->fence;
    next.batch = ++m->sent;
    fence_format(&next, fence);
    command(c, "MULTI", 1);
    commands_append(c, &t->commands);
    show_beat(m, c, position);
    command(c, "SET", 3);
    argument_string(c, m->fence_key);
    argument_string(c, fence);
    command(c, "EXEC", 1);
    command(c, "WATCH", 2);
    argument_string(c, m->fence_key);
    command(c, "GET", 2);
    argument_string(c, m->fence_key);
}
