/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/stock-journal/show.h"

#include <string.h>

#include "engine/log/record_layout.h"
#include "engine/store/catalogue.h"
#include "engine/store/id_table.h"
#include "engine/store/pool.h"
#include "engine/store/supply_lines.h"
#include "tools/stock-journal/show_hours.h"
#include "tools/stock-journal/show_supply.h"

const char *record_type_name(unsigned type)
{
    const struct record_layout *layout = record_layout(type);
    return layout ? layout->name : NULL;
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
    name_table_free(&shower->calendars);
    name_table_free(&shower->clients);
}

/* ---- pools ---- */

static const char *kind_name(uint16_t owner)
{
    const char *name = pool_kind_name(owner_kind(owner));
    return name ? name : "unknown";
}

/* Of a backlog: the place that must serve it; NULL: any may. */
static const char *place_name(const struct shower *shower, const struct pool_key *pool,
                              char unknown[16])
{
    uint32_t place = pool->location;
    if (owner_kind(pool->owner) == POOL_BACKLOG) {
        if (backlog_place(pool->owner) == 0)
            return NULL;
        place = backlog_place(pool->owner) - UINT32_C(1);
    }
    return name_get(&shower->locations, place, unknown);
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
        place_name(shower, pool, location), kind_name(pool->owner),
        allotted ? name_get(&shower->channels, owner_channel(pool->owner), channel) : NULL, qty);
}

static void show_draws(struct shower *shower, const struct draw_record *draws, uint32_t count)
{
    sink_list(&shower->sink, "draws");
    for (uint32_t i = 0; i < count; i++)
        list_pool(shower, &draws[i].pool, draws[i].qty);
    sink_list_end(&shower->sink);
}

static void show_drawn(struct shower *shower, const struct drawn_record *drawn, uint32_t count)
{
    sink_list(&shower->sink, "draws");
    for (uint32_t i = 0; i < count; i++)
        list_pool(shower, &drawn[i].pool, drawn[i].qty);
    sink_list_end(&shower->sink);
}

/* The transfers, by their ids; and what they took, from where. */
static void show_sends(struct shower *shower, const struct sent_fields *f)
{
    sink_list(&shower->sink, "sends");
    for (uint32_t i = 0; i < f->fixed.send_count; i++) {
        uint32_t length = f->sends[i].id_len < ID_MAX ? f->sends[i].id_len : ID_MAX;
        sink_list_text(&shower->sink, (struct text){ f->sends[i].id, length });
    }
    sink_list_end(&shower->sink);
}

static void show_sent(struct shower *shower, const struct sent_fields *f)
{
    sink_list(&shower->sink, "sent");
    for (uint32_t i = 0; i < f->fixed.sent_count; i++) {
        const struct sent_draw_record *sent = &f->sent[i];
        if (sent->draw >= f->fixed.draw_count || sent->send >= f->fixed.send_count)
            continue;
        const struct draw_record *draw = &f->draws[sent->draw];
        struct pool_key from = { draw->pool.item, f->sends[sent->send].from, sent->owner };
        list_pool(shower, &from, draw->qty);
    }
    sink_list_end(&shower->sink);
}

static void show_changes(struct shower *shower, const char *key,
                         const struct change_record *changes, uint32_t count)
{
    if (count == 0)
        return;
    sink_list(&shower->sink, key);
    for (uint32_t i = 0; i < count; i++)
        list_pool(shower, &changes[i].pool, changes[i].delta);
    sink_list_end(&shower->sink);
}

/* ---- one field ---- */

static void show_texts(struct sink *sink, const char *key, struct record_reader texts,
                       uint32_t count)
{
    sink_list(sink, key);
    for (uint32_t i = 0; i < count; i++)
        sink_list_text(sink, record_short_text(&texts));
    sink_list_end(sink);
}

static void show_steps(struct sink *sink, const struct step_record *steps, uint32_t count)
{
    if (count == 0)
        return;
    sink_list(sink, "steps");
    for (uint32_t i = 0; i < count; i++)
        sink_list_step(sink, steps[i].draw, steps[i].qty);
    sink_list_end(sink);
}

static void show_rejects(struct sink *sink, const struct rejected_record *rejects, uint32_t count)
{
    sink_list(sink, "rejects");
    for (uint32_t i = 0; i < count; i++)
        sink_list_reject(sink, &rejects[i]);
    sink_list_end(sink);
}

static void show_items(struct shower *shower, const struct undone_item_record *items,
                       uint32_t count)
{
    char unknown[16];
    sink_list(&shower->sink, "items");
    for (uint32_t i = 0; i < count; i++)
        sink_list_text(&shower->sink, text_of(name_get(&shower->items, items[i].item, unknown)));
    sink_list_end(&shower->sink);
}

static void show_levels(struct shower *shower, const struct level_record *levels, uint32_t count)
{
    static const char *const names[] = {
        [LEVEL_NONE] = "none", [LEVEL_IN] = "in", [LEVEL_LOW] = "low", [LEVEL_OUT] = "out"
    };
    char item[16], channel[16];
    sink_list(&shower->sink, "levels");
    for (uint32_t i = 0; i < count; i++)
        sink_list_level(&shower->sink, name_get(&shower->items, levels[i].item, item),
                        name_get(&shower->channels, levels[i].channel, channel),
                        names[levels[i].levels & 3], names[levels[i].levels >> 4 & 3]);
    sink_list_end(&shower->sink);
}

static void show_list(struct shower *shower, const union record_fields *fields,
                      const struct record_field *field)
{
    const unsigned char *at = (const unsigned char *)fields + field->at;
    uint32_t count = record_count_of(fields, field);
    struct record_reader texts;
    const void *array;
    if (field->shown == SHOWN_TEXTS) {
        memcpy(&texts, at, sizeof texts);
        show_texts(&shower->sink, field->name, texts, count);
        return;
    }
    memcpy(&array, at, sizeof array);
    if (field->shown == SHOWN_DRAWS)
        show_draws(shower, array, count);
    else if (field->shown == SHOWN_DRAWN)
        show_drawn(shower, array, count);
    else if (field->shown == SHOWN_SENDS)
        show_sends(shower, &fields->sent_);
    else if (field->shown == SHOWN_SENT)
        show_sent(shower, &fields->sent_);
    else if (field->shown == SHOWN_CHANGES)
        show_changes(shower, field->name, array, count);
    else if (field->shown == SHOWN_SOLD)
        show_sold(shower, array, count);
    else if (field->shown == SHOWN_STEPS)
        show_steps(&shower->sink, array, count);
    else if (field->shown == SHOWN_REJECTS)
        show_rejects(&shower->sink, array, count);
    else if (field->shown == SHOWN_ITEMS)
        show_items(shower, array, count);
    else if (field->shown == SHOWN_SUPPLY)
        show_supply_lines(shower, array, count);
    else if (field->shown == SHOWN_REFUSED)
        show_refused_lines(shower, array, count);
    else if (field->shown == SHOWN_MOVES)
        show_supply_moves(&shower->sink, array, count);
    else if (field->shown == SHOWN_LEVELS)
        show_levels(shower, array, count);
    else
        show_hours(&shower->sink, field->name, field->shown, array, count);
}

/* What an index stands for. */
static void show_named(struct shower *shower, const char *key, enum record_shown shown,
                       int64_t number)
{
    char unknown[16];
    const bool seller = shown == SHOWN_CHANNEL || shown == SHOWN_SELLER;
    const struct name_table *names = seller                    ? &shower->channels
                                     : shown == SHOWN_ITEM     ? &shower->items
                                     : shown == SHOWN_CALENDAR ? &shower->calendars
                                                               : &shower->locations;
    const bool above = shown == SHOWN_CALENDAR || shown == SHOWN_FROM || shown == SHOWN_SELLER;
    if (above && number-- == 0)
        return;
    sink_text(&shower->sink, shown == SHOWN_ITEM ? "sku" : key,
              text_of(name_get(names, (uint32_t)number, unknown)));
}

/* A number of which few values mean anything. */
static void show_meaning(struct sink *sink, const char *key, enum record_shown shown,
                         int64_t number)
{
    static const char *const reasons[] = {
        [REJECT_BUSY] = "busy", [REJECT_NOT_FOUND] = "not_found", [REJECT_DAMAGED] = "damaged"
    };
    if (shown == SHOWN_REASON && number < REJECT_REASON_COUNT)
        sink_text(sink, key, text_of(reasons[number]));
    else if (shown == SHOWN_SOURCING && number < SOURCING_COUNT)
        sink_text(sink, key, text_of(sourcing_name((enum sourcing)number)));
    else if (shown == SHOWN_FLAG)
        sink_flag(sink, key, number != 0);
    else if (shown == SHOWN_ETA && number > 0)
        sink_time(sink, key, (uint64_t)number);
    else if (shown == SHOWN_NUMBER || (shown == SHOWN_LIMIT && number >= 0))
        sink_number(sink, key, number);
}

static void show_field(struct shower *shower, const union record_fields *fields,
                       const struct record_field *field)
{
    const unsigned char *at = (const unsigned char *)fields + field->at;
    struct pool_key pool;
    double degrees;
    switch (field->shown) {
    case SHOWN_NOT:
    case SHOWN_WHEN:
        break;
    case SHOWN_NAME:
    case SHOWN_ID:
        sink_text(&shower->sink, field->name, record_text_of(fields, field));
        break;
    case SHOWN_OP:
    case SHOWN_REF:
    case SHOWN_OPTIONAL:
        sink_optional(&shower->sink, field->name, record_text_of(fields, field));
        break;
    case SHOWN_NUMBER:
    case SHOWN_LIMIT:
    case SHOWN_FLAG:
    case SHOWN_ETA:
    case SHOWN_SOURCING:
    case SHOWN_REASON:
        show_meaning(&shower->sink, field->name, field->shown, record_number(fields, field));
        break;
    case SHOWN_CHANNEL:
    case SHOWN_ITEM:
    case SHOWN_PLACE:
    case SHOWN_CALENDAR:
    case SHOWN_FROM:
    case SHOWN_SELLER:
        show_named(shower, field->name, field->shown, record_number(fields, field));
        break;
    case SHOWN_DEGREES:
        memcpy(&degrees, at, sizeof degrees);
        sink_degrees(&shower->sink, field->name, degrees);
        break;
    case SHOWN_POOL:
        memcpy(&pool, at, sizeof pool);
        show_pool(shower, &pool);
        break;
    case SHOWN_TEXTS:
    case SHOWN_DRAWS:
    case SHOWN_DRAWN:
    case SHOWN_REJECTS:
    case SHOWN_SENDS:
    case SHOWN_SENT:
    case SHOWN_CHANGES:
    case SHOWN_SOLD:
    case SHOWN_STEPS:
    case SHOWN_ITEMS:
    case SHOWN_MINUTES:
    case SHOWN_WEEK:
    case SHOWN_DATES:
    case SHOWN_EXTRA:
    case SHOWN_SUPPLY:
    case SHOWN_MOVES:
    case SHOWN_LEVELS:
    case SHOWN_REFUSED:
        show_list(shower, fields, field);
    }
}

/* ---- any record ---- */

bool teaches_names(unsigned type)
{
    return type == RECORD_ITEM || type == RECORD_LOCATION || type == RECORD_CHANNEL ||
           type == RECORD_CALENDAR || type == RECORD_CLIENT;
}

/* Learns what later records mean by an index: teaches_names() lists the same types. False: out of
 * memory. */
static bool learn(struct shower *shower, const union record_fields *f)
{
    switch (f->head.type) {
    case RECORD_ITEM:
        return name_set(&shower->items, f->item_.fixed.item, f->item_.sku);
    case RECORD_LOCATION:
        return name_set(&shower->locations, f->location_.fixed.location, f->location_.code);
    case RECORD_CHANNEL:
        return name_set(&shower->channels, f->channel_.fixed.channel, f->channel_.code);
    case RECORD_CALENDAR:
        return name_set(&shower->calendars, f->calendar_.fixed.calendar, f->calendar_.code);
    case RECORD_CLIENT:
        return name_set(&shower->clients, f->client_.fixed.client, f->client_.name);
    default:
        return true;
    }
}

/* False: the flags mean nothing. */
static bool show_flags(struct sink *sink, enum record_flags kind, unsigned flags)
{
    static const char *const kinds[] = { [MOVE_RECEIVE] = "receive",
                                         [MOVE_ADJUST] = "adjust",
                                         [MOVE_COUNT] = "count",
                                         [MOVE_RETURN] = "return" };
    if (kind == FLAGS_KIND) {
        flags = movement_kind_of(flags);
        bool known = flags >= MOVE_RECEIVE && flags <= MOVE_RETURN;
        sink_text(sink, "kind", text_of(known ? kinds[flags] : "?"));
        return known;
    }
    if (kind == FLAGS_SUPPLY)
        sink_text(sink, "state", text_of(supply_state_name(flags)));
    if (kind == FLAGS_STATE && flags > STATE_NONE && flags < STATE_COUNT)
        sink_text(sink, "state", text_of(state_name((enum entry_state)flags)));
    return true;
}

static bool comes_first(const struct record_field *field)
{
    return field->shown == SHOWN_NAME || field->shown == SHOWN_ID || field->shown == SHOWN_OP;
}

static bool show_fields(struct shower *shower, const struct record_layout *layout,
                        const union record_fields *fields)
{
    bool good = show_flags(&shower->sink, layout->flags, fields->head.flags);
    for (int first = 1; first >= 0; first--)
        for (unsigned i = 0; i < layout->field_count; i++)
            if (comes_first(&layout->fields[i]) == first)
                show_field(shower, fields, &layout->fields[i]);
    return good;
}

bool show_record(struct shower *shower, const struct record_head *record, uint64_t lsn,
                 uint64_t time_ms)
{
    char unknown[16];
    union record_fields fields;
    const struct record_layout *layout = record_layout(record->type);
    sink_begin(&shower->sink, lsn, record_time_ms(record, time_ms),
               layout ? layout->name : "unknown");
    bool good = layout && layout->decode(record, &fields) && learn(shower, &fields) &&
                show_fields(shower, layout, &fields);
    if (!good)
        sink_flag(&shower->sink, "unreadable", true);
    if (record->client != 0)
        sink_text(&shower->sink, "client",
                  text_of(name_get(&shower->clients, record->client, unknown)));
    sink_end(&shower->sink);
    return good;
}
