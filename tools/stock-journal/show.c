/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/stock-journal/show.h"

#include <stddef.h>
#include <string.h>

#include "engine/catalogue.h"
#include "engine/entry.h"
#include "engine/pool.h"
#include "engine/record.h"

static const char *const type_names[] = {
    [RECORD_VOID] = "void",       [RECORD_ITEM] = "item",     [RECORD_LOCATION] = "location",
    [RECORD_CHANNEL] = "channel", [RECORD_CLIENT] = "client", [RECORD_MOVEMENT] = "movement",
    [RECORD_RESERVE] = "reserve", [RECORD_EXTEND] = "extend", [RECORD_CONFIRM] = "confirm",
    [RECORD_FULFIL] = "fulfil",   [RECORD_CANCEL] = "cancel", [RECORD_EXPIRE] = "expire",
    [RECORD_UNDONE] = "undone",   [RECORD_ALLOT] = "allot",   [RECORD_OP] = "repeat",
};

enum { TYPES = sizeof type_names / sizeof *type_names };

const char *record_type_name(unsigned type)
{
    return type < TYPES ? type_names[type] : NULL;
}

bool shower_init(struct shower *shower, bool json)
{
    *shower = (struct shower){ .sink = { .file = stdout, .json = json } };
    return name_set(&shower->locations, 0, text_of("main")) && /* what every directory has */
           name_set(&shower->channels, 0, text_of("default"));
}

void shower_free(struct shower *shower)
{
    name_table_free(&shower->items);
    name_table_free(&shower->locations);
    name_table_free(&shower->channels);
    name_table_free(&shower->clients);
}

/* ---- pools ---- */

static const char *kind_name(uint16_t owner)
{
    static const char *const names[] = {
        [POOL_SHARED] = "shared",
        [POOL_ALLOTTED] = "allotted",
        [POOL_EXPECTED] = "expected",
        [POOL_DAMAGED] = "damaged",
    };
    enum pool_kind kind = owner_kind(owner);
    return kind < POOL_KIND_COUNT ? names[kind] : "unknown";
}

static void show_pool(struct shower *shower, const struct pool_key *pool)
{
    char unknown[16];
    struct sink *sink = &shower->sink;
    sink_text(sink, "sku", text_of(name_get(&shower->items, pool->item, unknown)));
    sink_text(sink, "location", text_of(name_get(&shower->locations, pool->location, unknown)));
    sink_text(sink, "pool", text_of(kind_name(pool->owner)));
    if (owner_kind(pool->owner) == POOL_ALLOTTED)
        sink_text(sink, "channel",
                  text_of(name_get(&shower->channels, owner_channel(pool->owner), unknown)));
}

static void list_pool(struct shower *shower, const struct pool_key *pool, int64_t qty)
{
    char item[16], location[16], channel[16];
    bool allotted = owner_kind(pool->owner) == POOL_ALLOTTED;
    sink_list_draw(
        &shower->sink, name_get(&shower->items, pool->item, item),
        name_get(&shower->locations, pool->location, location), kind_name(pool->owner),
        allotted ? name_get(&shower->channels, owner_channel(pool->owner), channel) : NULL, qty);
}

static void show_draws(struct shower *shower, const struct draw_record *draws, uint32_t count)
{
    sink_list(&shower->sink, "draws");
    for (uint32_t i = 0; draws && i < count; i++)
        list_pool(shower, &draws[i].pool, draws[i].qty);
    sink_list_end(&shower->sink);
}

/* Further pools that a count or an adjustment took from. */
static void show_changes(struct shower *shower, const struct change_record *changes, uint32_t count)
{
    if (count == 0)
        return;
    sink_list(&shower->sink, "more");
    for (uint32_t i = 0; changes && i < count; i++)
        list_pool(shower, &changes[i].pool, changes[i].delta);
    sink_list_end(&shower->sink);
}

/* ---- a record of each type; the reader says afterwards whether all was there ---- */

static void show_texts(struct sink *sink, struct record_reader *reader, const char *key,
                       uint32_t count)
{
    sink_list(sink, key);
    for (uint32_t i = 0; i < count && !reader->bad; i++)
        sink_list_text(sink, record_short_text(reader));
    sink_list_end(sink);
}

static bool show_item(struct shower *shower, const struct record_head *record)
{
    struct item_record item;
    struct sink *sink = &shower->sink;
    struct record_reader reader = record_open(record, &item, sizeof item);
    struct text sku = record_text(&reader, item.sku_len);
    if (reader.bad || !name_set(&shower->items, item.item, sku))
        return false;
    sink_text(sink, "sku", sku);
    if (!item.detailed)
        return true;
    sink_optional(sink, "name", record_text(&reader, item.name_len));
    sink_optional(sink, "barcode", record_text(&reader, item.barcode_len));
    sink_number(sink, "low_stock", item.low_stock);
    sink_number(sink, "backorder_limit", item.backorder_limit);
    return !reader.bad;
}

static bool show_location(struct shower *shower, const struct record_head *record)
{
    struct location_record location;
    struct sink *sink = &shower->sink;
    struct record_reader reader = record_open(record, &location, sizeof location);
    struct text code = record_text(&reader, location.code_len);
    if (reader.bad || !name_set(&shower->locations, location.location, code))
        return false;
    sink_text(sink, "code", code);
    sink_optional(sink, "kind", record_text(&reader, location.kind_len));
    sink_optional(sink, "name", record_text(&reader, location.name_len));
    sink_number(sink, "priority", location.priority);
    sink_number(sink, "lead_time_s", location.lead_time_s);
    sink_flag(sink, "ships", location.ships);
    sink_flag(sink, "pickup", location.pickup);
    sink_flag(sink, "active", location.active);
    sink_degrees(sink, "lat", location.lat);
    sink_degrees(sink, "lon", location.lon);
    show_texts(sink, &reader, "groups", location.group_count);
    return !reader.bad;
}

static bool show_channel(struct shower *shower, const struct record_head *record)
{
    struct channel_record channel;
    struct sink *sink = &shower->sink;
    struct record_reader reader = record_open(record, &channel, sizeof channel);
    struct text code = record_text(&reader, channel.code_len);
    if (reader.bad || !name_set(&shower->channels, channel.channel, code))
        return false;
    sink_text(sink, "code", code);
    sink_optional(sink, "kind", record_text(&reader, channel.kind_len));
    sink_optional(sink, "name", record_text(&reader, channel.name_len));
    sink_number(sink, "buffer", channel.buffer);
    sink_number(sink, "hold_ttl_ms", channel.hold_ttl_ms);
    if (channel.sourcing < SOURCING_COUNT)
        sink_text(sink, "sourcing", text_of(sourcing_name((enum sourcing)channel.sourcing)));
    show_texts(sink, &reader, "locations", channel.place_count);
    return !reader.bad;
}

static bool show_client(struct shower *shower, const struct record_head *record)
{
    struct client_record client;
    struct record_reader reader = record_open(record, &client, sizeof client);
    struct text name = record_text(&reader, client.name_len);
    if (reader.bad || !name_set(&shower->clients, client.client, name))
        return false;
    sink_text(&shower->sink, "name", name);
    return true;
}

static bool show_movement(struct shower *shower, const struct record_head *record)
{
    static const char *const kinds[] = { "?", "receive", "adjust", "count", "return" };
    struct movement_record movement;
    struct sink *sink = &shower->sink;
    struct record_reader reader = record_open(record, &movement, sizeof movement);
    unsigned kind = record->flags <= MOVE_RETURN ? record->flags : 0;
    sink_text(sink, "kind", text_of(kinds[kind]));
    sink_text(sink, "id", record_text(&reader, movement.id_len));
    show_pool(shower, &movement.pool);
    sink_number(sink, "delta", movement.delta);
    sink_number(sink, "on_hand", movement.on_hand);
    sink_number(sink, "available", movement.available);
    sink_optional(sink, "ref", record_text(&reader, movement.ref_len));
    sink_optional(sink, "reason", record_text(&reader, movement.reason_len));
    const struct change_record *more =
        record_array(&reader, movement.more_count, sizeof(struct change_record));
    show_changes(shower, more, movement.more_count);
    return !reader.bad && kind != 0;
}

static bool show_allot(struct shower *shower, const struct record_head *record)
{
    struct allot_record allot;
    struct sink *sink = &shower->sink;
    struct record_reader reader = record_open(record, &allot, sizeof allot);
    sink_text(sink, "id", record_text(&reader, allot.id_len));
    show_pool(shower, &allot.pool);
    sink_number(sink, "delta", allot.delta);
    sink_number(sink, "allotted", allot.allotted);
    sink_number(sink, "available", allot.available);
    return !reader.bad;
}

static bool show_reserve(struct shower *shower, const struct record_head *record)
{
    char unknown[16];
    struct reserve_record reserve;
    struct sink *sink = &shower->sink;
    struct record_reader reader = record_open(record, &reserve, sizeof reserve);
    sink_text(sink, "id", record_text(&reader, reserve.id_len));
    sink_text(sink, "channel", text_of(name_get(&shower->channels, reserve.channel, unknown)));
    sink_number(sink, "ttl_ms", reserve.ttl_ms);
    show_draws(shower, record_array(&reader, reserve.draw_count, sizeof(struct draw_record)),
               reserve.draw_count);
    return !reader.bad;
}

static bool show_extend(struct shower *shower, const struct record_head *record)
{
    struct extend_record extend;
    struct record_reader reader = record_open(record, &extend, sizeof extend);
    sink_text(&shower->sink, "id", record_text(&reader, extend.id_len));
    sink_number(&shower->sink, "expires_ms", (int64_t)extend.expires_ms);
    return !reader.bad;
}

static bool show_confirm(struct shower *shower, const struct record_head *record)
{
    struct confirm_record confirm;
    struct record_reader reader = record_open(record, &confirm, sizeof confirm);
    sink_text(&shower->sink, "id", record_text(&reader, confirm.id_len));
    sink_optional(&shower->sink, "ref", record_text(&reader, confirm.ref_len));
    return !reader.bad;
}

static bool show_step(struct shower *shower, const struct record_head *record)
{
    struct step_head_record step;
    struct sink *sink = &shower->sink;
    struct record_reader reader = record_open(record, &step, sizeof step);
    sink_text(sink, "id", record_text(&reader, step.id_len));
    sink_optional(sink, "op", record_text(&reader, step.op_len));
    if (record->flags > STATE_NONE && record->flags < STATE_COUNT)
        sink_text(sink, "state", text_of(state_name((enum entry_state)record->flags)));
    const struct step_record *steps =
        record_array(&reader, step.step_count, sizeof(struct step_record));
    if (step.step_count > 0)
        sink_list(sink, "steps");
    for (uint32_t i = 0; steps && i < step.step_count; i++)
        sink_list_step(sink, steps[i].draw, steps[i].qty);
    if (step.step_count > 0)
        sink_list_end(sink);
    return !reader.bad;
}

static bool show_op(struct shower *shower, const struct record_head *record)
{
    struct op_record op;
    struct sink *sink = &shower->sink;
    struct record_reader reader = record_open(record, &op, sizeof op);
    sink_text(sink, "id", record_text(&reader, op.id_len));
    sink_text(sink, "op", record_text(&reader, op.op_len));
    if (record->flags < STATE_COUNT)
        sink_text(sink, "state", text_of(state_name((enum entry_state)record->flags)));
    return !reader.bad;
}

static bool show_expire(struct shower *shower, const struct record_head *record)
{
    struct expire_record expire;
    struct record_reader reader = record_open(record, &expire, sizeof expire);
    sink_text(&shower->sink, "id", record_text(&reader, expire.id_len));
    return !reader.bad;
}

static bool show_undone(struct shower *shower, const struct record_head *record)
{
    struct sink *sink = &shower->sink;
    struct undone_record undone;
    struct record_reader reader = record_open(record, &undone, sizeof undone);
    const unsigned char *items = record_array(&reader, undone.count, sizeof(uint32_t));
    char unknown[16];
    sink_list(sink, "items");
    for (uint32_t i = 0; items && i < undone.count; i++) {
        uint32_t item;
        memcpy(&item, items + i * sizeof item, sizeof item);
        sink_list_text(sink, text_of(name_get(&shower->items, item, unknown)));
    }
    sink_list_end(sink);
    return !reader.bad;
}

static bool show_nothing(struct shower *shower, const struct record_head *record)
{
    (void)shower;
    (void)record;
    return true;
}

/* ---- any record ---- */

uint64_t record_time_ms(const struct record_head *record, uint64_t batch_ms)
{
    static const size_t places[TYPES] = {
        [RECORD_MOVEMENT] = offsetof(struct movement_record, time_ms),
        [RECORD_RESERVE] = offsetof(struct reserve_record, created_ms),
        [RECORD_CONFIRM] = offsetof(struct confirm_record, time_ms),
        [RECORD_FULFIL] = offsetof(struct step_head_record, time_ms),
        [RECORD_CANCEL] = offsetof(struct step_head_record, time_ms),
        [RECORD_EXPIRE] = offsetof(struct expire_record, time_ms),
        [RECORD_ALLOT] = offsetof(struct allot_record, time_ms),
    };
    size_t at = record->type < TYPES ? places[record->type] : 0;
    uint64_t ms;
    if (at == 0 || at + sizeof ms > record->length)
        return batch_ms;
    memcpy(&ms, (const unsigned char *)record + at, sizeof ms);
    return ms;
}

bool show_record(struct shower *shower, const struct record_head *record, uint64_t lsn,
                 uint64_t time_ms)
{
    static bool (*const shows[TYPES])(struct shower *, const struct record_head *) = {
        [RECORD_VOID] = show_nothing,
        [RECORD_ITEM] = show_item,
        [RECORD_LOCATION] = show_location,
        [RECORD_CHANNEL] = show_channel,
        [RECORD_CLIENT] = show_client,
        [RECORD_MOVEMENT] = show_movement,
        [RECORD_RESERVE] = show_reserve,
        [RECORD_EXTEND] = show_extend,
        [RECORD_CONFIRM] = show_confirm,
        [RECORD_FULFIL] = show_step,
        [RECORD_CANCEL] = show_step,
        [RECORD_EXPIRE] = show_expire,
        [RECORD_UNDONE] = show_undone,
        [RECORD_ALLOT] = show_allot,
        [RECORD_OP] = show_op,
    };
    char unknown[16];
    const char *type = record_type_name(record->type);
    sink_begin(&shower->sink, lsn, record_time_ms(record, time_ms), type ? type : "unknown");
    bool good = type && shows[record->type](shower, record);
    if (!good)
        sink_flag(&shower->sink, "unreadable", true);
    if (record->client != 0)
        sink_text(&shower->sink, "client",
                  text_of(name_get(&shower->clients, record->client, unknown)));
    sink_end(&shower->sink);
    return good;
}
