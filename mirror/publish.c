/* SPDX-License-Identifier: Apache-2.0 */
#include "mirror/publish.h"

bool is_shown(const struct code_text *channel)
{
    return !text_equal(code_text(channel), (struct text){ LSN_FIELD, sizeof LSN_FIELD - 1 });
}

uint32_t shown_channels(const struct channel_codes *channels)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < channels->count; i++)
        count += is_shown(&channels->codes[i]);
    return count;
}

static void put_values(struct commands *c, const struct batch *batch, const struct change *change)
{
    for (uint32_t i = 0; i < batch->channels.count; i++) {
        const struct code_text *code = &batch->channels.codes[i];
        if (!is_shown(code))
            continue;
        argument(c, code_text(code));
        argument_number(c, batch->values[change->values + i]);
    }
}

static void put_hash(const struct publisher *p, struct transaction *t, const struct batch *batch,
                     const struct change *change, uint32_t channels)
{
    struct commands *c = &t->commands;
    command(c, "HSET", 4 + 2 * channels);
    argument_joined(c, p->keys->item, change->sku);
    put_values(c, batch, change);
    argument_string(c, LSN_FIELD);
    argument_lsn(c, change->lsn);
    transaction_note(t, change->item);
}

static void put_entry(struct publisher *p, struct transaction *t, const struct batch *batch,
                      const struct change *change, uint32_t channels)
{
    struct commands *c = &t->commands;
    char id[STREAM_ID_MAX];
    stream_id_next(&p->last_id, change->lsn);
    command(c, "XADD", 8 + 2 * channels);
    argument_string(c, p->keys->changes);
    argument_string(c, "MAXLEN");
    argument_string(c, "~");
    argument_lsn(c, p->stream_length);
    argument(c, (struct text){ id, stream_id_format(p->last_id, id) });
    argument_string(c, "sku");
    argument(c, change->sku);
    put_values(c, batch, change);
    transaction_note(t, NO_ITEM);
}

static void put_messages(const struct publisher *p, struct transaction *t,
                         const struct batch *batch, const struct change *change)
{
    struct commands *c = &t->commands;
    for (uint32_t i = 0; i < batch->channels.count; i++) {
        char message[MESSAGE_MAX];
        size_t length =
            change_message(message, change->sku, batch->values[change->values + i], change->lsn);
        command(c, "PUBLISH", 3);
        argument_joined(c, p->keys->changed, code_text(&batch->channels.codes[i]));
        argument(c, (struct text){ message, (uint32_t)length });
        transaction_note(t, NO_ITEM);
    }
}

void publish_item(struct publisher *p, struct transaction *t, const struct batch *batch,
                  const struct change *change, unsigned how)
{
    uint32_t channels = shown_channels(&batch->channels);
    if (how & PUBLISH_ERASE) {
        command(&t->commands, "DEL", 2);
        argument_joined(&t->commands, p->keys->item, change->sku);
        transaction_note(t, NO_ITEM);
    }
    put_hash(p, t, batch, change, channels);
    if (how & PUBLISH_NOTIFY) {
        put_entry(p, t, batch, change, channels);
        put_messages(p, t, batch, change);
    }
}
