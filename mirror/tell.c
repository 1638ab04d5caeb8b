/* SPDX-License-Identifier: Apache-2.0 */
#include "mirror/tell.h"

#include <assert.h>
#include <string.h>

#include "engine/ledger/change_index.h"
#include "engine/ledger/leaps.h"
#include "mirror/clock.h"

enum { EVENTS_AT_ONCE = 1000, ENTRY_FIELDS_MOST = 8 };

#define RESYNC "resync"

/* ---- where to go on ---- */

static void miss(struct teller *t, uint64_t lsn, const char *why)
{
    t->missed = true;
    t->missed_lsn = lsn;
    metric_add(&t->metrics->events_missed, 1);
    report_error(t->report, "%s: %s", t->keys->events, why);
}

/* Passes over the events of the LSN that are in the stream already. */
static void pass_over(struct teller *t)
{
    const struct events *events = ledger_events(t->follow->ledger);
    struct event event;
    for (uint64_t n = 0; n < t->n; n++)
        if (events_get(events, t->at, &event) == EVENT_FOUND && event.lsn == t->last_lsn)
            t->at++;
}

void tell_resume(struct teller *t, const struct told_events *found)
{
    const struct events *events = ledger_events(t->follow->ledger);
    uint64_t head = log_head(t->follow->log);
    t->last_id = found->last_id;
    t->last_lsn = found->has_entry && found->lsn > 0 ? found->lsn : found->last_id.lsn;
    bool plain = !found->has_entry || found->entry_id.lsn == t->last_lsn;
    t->n = plain ? (found->has_entry ? found->entry_id.n : found->last_id.n) + 1 : 0;
    t->missed = false;
    uint64_t went_on = ledger_took_back(t->follow->ledger, t->last_lsn);
    if (t->last_lsn > head || went_on != 0) {
        miss(t, went_on != 0 ? went_on : log_final(t->follow->log),
             went_on != 0 ? "a crash has taken back the last events in it"
                          : "it is ahead of this engine's journal");
        t->last_lsn = t->missed_lsn;
        t->at = events_find(events, t->last_lsn);
        t->n = 0;
        return;
    }
    t->at = events_find(events, t->last_lsn > 0 ? t->last_lsn - 1 : 0);
    if (t->last_lsn > 0)
        pass_over(t);
    if (t->last_lsn > 0 && events_missed(events, t->last_lsn))
        miss(t, atomic_load_explicit(&events->forgotten, memory_order_acquire),
             "it was away for longer than events are kept; some are missing in it");
}

bool tell_pending(const struct teller *t)
{
    struct event event;
    enum event_found found = events_get(ledger_events(t->follow->ledger), t->at, &event);
    return t->missed || found == EVENT_OVERWRITTEN ||
           (found == EVENT_FOUND && event.lsn <= log_final(t->follow->log));
}

/* ---- commands ---- */

static struct event_texts texts_of(const struct teller *t, const struct event *event)
{
    const struct catalogue *catalogue = ledger_catalogue(t->follow->ctx);
    struct event_texts texts = { 0 };
    if (event->item != EVENT_NO_ITEM)
        texts.sku = ledger_item_sku(t->follow->ledger, event->item);
    if (event->channel != EVENT_NO_CHANNEL)
        texts.channel = code_text(&catalogue->channels[event->channel].code);
    if (event->location != EVENT_NO_PLACE)
        texts.location = code_text(&catalogue->locations[event->location].code);
    return texts;
}

static void put_text(struct commands *c, const char *key, struct text text)
{
    if (!text_given(text))
        return;
    argument_string(c, key);
    argument(c, text);
}

/* XADD with that many fields, whose names and values must follow. */
static void begin_entry(struct teller *t, struct commands *c, uint64_t lsn, uint64_t n,
                        unsigned fields)
{
    char text[STREAM_ID_MAX];
    struct stream_id id = { lsn, n };
    if (!stream_id_less(t->last_id, id)) /* the stream is ahead */
        id = (struct stream_id){ t->last_id.lsn, t->last_id.n + 1 };
    t->last_id = id;
    assert(fields <= ENTRY_FIELDS_MOST);
    command(c, "XADD", 6 + 2 * fields);
    argument_string(c, t->keys->events);
    argument_string(c, "MAXLEN");
    argument_string(c, "~");
    argument_lsn(c, t->stream_length);
    argument(c, (struct text){ text, stream_id_format(id, text) });
}

static void put_entry(struct teller *t, struct transaction *to, const struct event *event,
                      const struct event_texts *texts)
{
    struct commands *c = &to->commands;
    unsigned more = text_given(texts->sku) + text_given(texts->channel) +
                    text_given(texts->location) + (event->id_len > 0) + event->has_qty;
    begin_entry(t, c, event->lsn, t->n, 3 + more);
    argument_string(c, "type");
    argument_string(c, event_type_name(event->type));
    argument_string(c, "lsn");
    argument_lsn(c, event->lsn);
    argument_string(c, "time_ms");
    argument_lsn(c, event->time_ms);
    put_text(c, "sku", texts->sku);
    put_text(c, "channel", texts->channel);
    put_text(c, "location", texts->location);
    if (event->id_len > 0)
        put_text(c, "id", (struct text){ event->id, event->id_len });
    if (event->has_qty) {
        argument_string(c, "qty");
        argument_number(c, event->qty);
    }
    transaction_note(to, NO_ITEM);
}

static void put_message(const struct teller *t, struct transaction *to, const struct event *event,
                        const struct event_texts *texts)
{
    char message[EVENT_MESSAGE_MAX];
    size_t length = event_message(message, event, texts);
    command(&to->commands, "PUBLISH", 3);
    argument_joined(&to->commands, t->keys->event, text_of(event_type_name(event->type)));
    argument(&to->commands, (struct text){ message, (uint32_t)length });
    transaction_note(to, NO_ITEM);
}

static void put_resync(struct teller *t, struct transaction *to)
{
    struct commands *c = &to->commands;
    begin_entry(t, c, t->missed_lsn, 0, 3);
    argument_string(c, "type");
    argument_string(c, RESYNC);
    argument_string(c, "lsn");
    argument_lsn(c, t->missed_lsn);
    argument_string(c, "time_ms");
    argument_lsn(c, wall_ms());
    transaction_note(to, NO_ITEM);
    t->missed = false;
}

/* False: there is none that may be sent. */
static bool next_event(struct teller *t, struct event *event)
{
    const struct events *events = ledger_events(t->follow->ledger);
    enum event_found found = events_get(events, t->at, event);
    if (found == EVENT_OVERWRITTEN) {
        t->at = events_oldest(events);
        miss(t, atomic_load_explicit(&events->forgotten, memory_order_acquire),
             "Redis is slower than events come; some are missing in it");
        return false;
    }
    if (found != EVENT_FOUND || event->lsn > log_final(t->follow->log)) /* @told */
        return false;
    t->at++;
    return true;
}

void tell_append(struct teller *t, struct transaction *to)
{
    struct event event;
    follow_begin(t->follow, wall_ms()); /* for the names */
    if (t->missed)
        put_resync(t, to);
    for (unsigned i = 0; i < EVENTS_AT_ONCE && next_event(t, &event); i++) {
        struct event_texts texts = texts_of(t, &event);
        t->n = event.lsn == t->last_lsn ? t->n : 0;
        t->last_lsn = event.lsn;
        put_entry(t, to, &event, &texts);
        t->n++;
        if (t->at > t->published) /* not again, if Redis was emptied */
            put_message(t, to, &event, &texts);
        metric_add(&t->metrics->events_sent, 1);
    }
    ledger_end(t->follow->ctx);
}

void tell_confirm(struct teller *t)
{
    if (t->at > t->published)
        t->published = t->at;
}

/* ---- the message ---- */

static char *put(char *at, const char *text)
{
    size_t length = strlen(text);
    memcpy(at, text, length);
    return at + length;
}

static char *put_number(char *at, const char *key, int64_t number)
{
    at = put(at, key);
    if (number < 0)
        *at++ = '-';
    return at + decimal(at, number < 0 ? -(uint64_t)number : (uint64_t)number);
}

static char *put_quoted(char *at, const char *key, struct text text)
{
    at = put(at, key);
    *at++ = '"';
    at = json_escape(at, text);
    *at++ = '"';
    return at;
}

_Static_assert(6 * (SKU_MAX + ID_MAX) + 2 * CODE_MAX + 256 <= EVENT_MESSAGE_MAX,
               "the longest fits");

size_t event_message(char to[EVENT_MESSAGE_MAX], const struct event *event,
                     const struct event_texts *texts)
{
    char *at = put_quoted(to, "{\"type\":", text_of(event_type_name(event->type)));
    at = put_number(at, ",\"lsn\":", (int64_t)event->lsn);
    at = put_number(at, ",\"time_ms\":", (int64_t)event->time_ms);
    if (text_given(texts->sku))
        at = put_quoted(at, ",\"sku\":", texts->sku);
    if (text_given(texts->channel))
        at = put_quoted(at, ",\"channel\":", texts->channel);
    if (text_given(texts->location))
        at = put_quoted(at, ",\"location\":", texts->location);
    if (event->id_len > 0)
        at = put_quoted(at, ",\"id\":", (struct text){ event->id, event->id_len });
    if (event->has_qty)
        at = put_number(at, ",\"qty\":", event->qty);
    *at++ = '}';
    return (size_t)(at - to);
}
