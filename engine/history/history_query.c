/* SPDX-License-Identifier: Apache-2.0 */
/* History queries: their memory. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/history/history.h"

struct history_query *history_query_new(enum history_kind kind)
{
    struct history_query *query = calloc(1, sizeof *query);
    if (query)
        query->kind = kind;
    return query;
}

void history_query_free(struct history_query *query)
{
    if (!query)
        return;
    free(query->events);
    free(query->texts);
    free(query->pools);
    report_free(query->report);
    free(query);
}

static int make_room(void **at, size_t *room, size_t needed, size_t size)
{
    if (needed <= *room)
        return 0;
    size_t larger = *room ? 2 * *room : 64;
    while (larger < needed)
        larger *= 2;
    void *grown = realloc(*at, larger * size);
    if (!grown)
        return -ENOMEM;
    *at = grown;
    *room = larger;
    return 0;
}

/* The texts may still move: until they are settled, `at` holds a text's offset instead of its
 * address. */
static void keep_text(struct history_query *query, struct text *text)
{
    if (text->len == 0) {
        *text = (struct text){ NULL, 0 };
        return;
    }
    assert(query->text_length + text->len <= query->text_room);
    memcpy(query->texts + query->text_length, text->at, text->len);
    text->at = (const char *)(uintptr_t)query->text_length;
    query->text_length += text->len;
}

int history_keep(struct history_query *query, const struct history_event *event)
{
    size_t room = query->event_room;
    void *events = query->events;
    void *texts = query->texts;
    size_t more = (size_t)event->id.len + event->op.len + event->ref.len + event->reason.len;
    int error = make_room(&events, &room, query->event_count + 1, sizeof *event);
    query->events = events;
    query->event_room = (uint32_t)room;
    if (!error)
        error = make_room(&texts, &query->text_room, query->text_length + more, 1);
    query->texts = texts;
    if (error)
        return error;
    assert(query->event_count < query->event_room);
    struct history_event *kept = &query->events[query->event_count++];
    *kept = *event;
    keep_text(query, &kept->id);
    keep_text(query, &kept->op);
    keep_text(query, &kept->ref);
    keep_text(query, &kept->reason);
    return 0;
}

int history_keep_stock(struct history_query *query, const struct history *history)
{
    size_t cursor = 0, texts = 0;
    const struct history_pool *pool;
    void *room = query->texts;
    assert(query->kind == HISTORY_STOCK);
    if (history->pool_count == 0)
        return 0;
    query->pools = calloc(history->pool_count, sizeof *query->pools);
    if (!query->pools)
        return -ENOMEM;
    while ((pool = history_next_pool(history, &cursor)))
        if (history_show_pool(pool, &query->pools[query->pool_count]))
            texts += query->pools[query->pool_count++].supply.len;
    int error = make_room(&room, &query->text_room, query->text_length + texts, 1);
    query->texts = room;
    for (uint32_t i = 0; i < query->pool_count && !error; i++)
        keep_text(query, &query->pools[i].supply);
    return error;
}

static void settle_text(const struct history_query *query, struct text *text)
{
    if (text->len > 0)
        text->at = query->texts + (uintptr_t)text->at;
}

void history_settle_texts(struct history_query *query)
{
    for (uint32_t i = 0; i < query->event_count; i++) {
        struct history_event *event = &query->events[i];
        settle_text(query, &event->id);
        settle_text(query, &event->op);
        settle_text(query, &event->ref);
        settle_text(query, &event->reason);
    }
    for (uint32_t i = 0; i < query->pool_count; i++)
        settle_text(query, &query->pools[i].supply);
}

/* ---- returns ---- */

void history_begin_returned(struct history_query *query, const struct history_seen *seen)
{
    struct return_evidence *e = &query->evidence;
    e->known = seen->known;
    assert(query->kind == HISTORY_RETURNED);
    assert(!seen->known || seen->state < STATE_COUNT);
    e->state = seen->known ? state_name(seen->state) : NULL;
    e->channel = seen->known ? (uint16_t)(seen->channel + 1) : 0;
    e->unproven = (int64_t)seen->fulfilled;
}

/* Counts events of the reservation itself, and of returns that name it. Others have the id of
 * another operation; steps whose `op` it is have no pool. */
void history_count_returned(struct history_query *query, const struct history_event *event)
{
    struct return_evidence *e = &query->evidence;
    struct text id = { query->filter.id, query->filter.id_len };
    bool of_item = event->has_pool && event->pool.item == query->filter.item;
    assert(query->kind == HISTORY_RETURNED);
    assert(query->filter.subject == HISTORY_ID);
    switch (event->record) {
    case RECORD_MOVEMENT:
        if (of_item && text_equal(event->ref, id) && strcmp(event->type, "return") == 0)
            e->returned += event->qty;
        return;
    case RECORD_RESERVE:
    case RECORD_SENT:
    case RECORD_EXTEND:
    case RECORD_CONFIRM:
    case RECORD_FULFIL:
    case RECORD_CANCEL:
    case RECORD_RESTOCK:
    case RECORD_READY:
    case RECORD_AMEND:
    case RECORD_MOVE:
    case RECORD_SOURCED:
    case RECORD_REJECT:
    case RECORD_NOT_COLLECTED:
    case RECORD_EXPIRE:
        if (!text_equal(event->id, id))
            return;
        e->known = true;
        e->state = event->state ? event->state : e->state;
        if ((event->record == RECORD_RESERVE || event->record == RECORD_SENT) && event->has_channel)
            e->channel = (uint16_t)(event->channel + 1);
        if (of_item && event->record == RECORD_FULFIL)
            e->fulfilled += event->qty;
        return;
    default:
        return;
    }
}
