/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The feed's methods: changes, subscribe.
 *
 * changes returns, in pages, the items whose last change lies between since_lsn and next. A page
 * takes the smallest versions above since_lsn, so a client that continues from next misses nothing:
 * an item that changes meanwhile has a greater version and comes on a later page. All changes of
 * one LSN come on one page, however small the limit.
 */
#include <stddef.h>

#include "engine/ledger/change_index.h"
#include "engine/ledger/leaps.h"
#include "protocol/methods.h"
#include "protocol/pack.h"

enum {
    CHANGES_DEFAULT = 1000,
    PAGE_WORK = 256 << 10,           /* pools that a page reads, about: some milliseconds */
    EVERYTHING_WORK = 4 * PAGE_WORK, /* more in one page is not worth the wait */
};

struct feed_options {
    struct text channel;
    int64_t limit;
    uint64_t since_lsn;
    bool since_given;
    bool progress;
    struct option_types events;
    bool events_given;
    struct text location;
};

static const struct option changes_options[] = {
    { .name = "channel", .kind = OPTION_CHANNEL, .value = offsetof(struct feed_options, channel) },
    { .name = "limit",
      .kind = OPTION_NUMBER,
      .value = offsetof(struct feed_options, limit),
      .min = 1,
      .max = CHANGES_MAX },
};

static const struct option subscribe_options[] = {
    { .name = "channel", .kind = OPTION_CHANNEL, .value = offsetof(struct feed_options, channel) },
    { .name = "since_lsn",
      .kind = OPTION_LSN,
      .value = offsetof(struct feed_options, since_lsn),
      .given = offsetof(struct feed_options, since_given) },
    { .name = "events",
      .kind = OPTION_TYPES,
      .value = offsetof(struct feed_options, events),
      .given = offsetof(struct feed_options, events_given),
      .max = EVENT_TYPE_COUNT },
    { .name = "location", .kind = OPTION_PLACE, .value = offsetof(struct feed_options, location) },
    { .name = "progress", .kind = OPTION_FLAG, .value = offsetof(struct feed_options, progress) },
};

/* Whether the client may follow the changes of that channel, or of all. */
static enum code may_follow(struct call *call, struct text channel)
{
    if (text_given(channel) || scope_sees_channels(call->params.scope))
        return CODE_OK;
    refuse_all_channels(&call->refusal, call->params.scope);
    return CODE_FORBIDDEN;
}

/* Finds the channel named; all channels if none is named. */
enum code call_find_channel(struct call *call, struct text code, uint16_t *index)
{
    const struct catalogue *catalogue = ledger_catalogue(call->ctx);
    *index = FEED_ALL_CHANNELS;
    if (!text_given(code))
        return CODE_OK;
    const struct channel *channel = catalogue_channel(catalogue, code);
    call->channel = code;
    if (!channel) {
        refuse(&call->refusal, CODE_UNKNOWN_CHANNEL, "channel", "no channel \"%.*s\"",
               (int)code.len, code.at);
        return CODE_UNKNOWN_CHANNEL;
    }
    *index = channel_index(catalogue, channel);
    return CODE_OK;
}

/* ---- changes ---- */

struct page {
    uint64_t since;
    uint64_t until;   /* everything up to here is on the page, or was known */
    uint64_t head;    /* of the log; nothing beyond it is shown */
    uint64_t touched; /* of the channel, see feed_touched */
    bool everything;  /* shows all items: the catalogue has changed since */
    bool resync;
};

static void sift_down(uint64_t *heap, uint32_t count, uint64_t value)
{
    uint32_t at = 0;
    for (uint32_t child; (child = 2 * at + 1) < count; at = child) {
        child += child + 1 < count && heap[child + 1] > heap[child];
        if (heap[child] <= value)
            break;
        heap[at] = heap[child];
    }
    heap[at] = value;
}

static void sift_up(uint64_t *heap, uint32_t at, uint64_t value)
{
    for (; at > 0 && heap[(at - 1) / 2] < value; at = (at - 1) / 2)
        heap[at] = heap[(at - 1) / 2];
    heap[at] = value;
}

/* The LSN up to which about `items` items have changed since: the greatest of the `items` smallest
 * versions, kept in a heap. An item that is changing now counts as changed at the head. */
static uint64_t page_end(struct call *call, const struct page *page, uint32_t items)
{
    uint64_t *heap = call->scratch->versions;
    uint32_t count = 0, cursor = 0, item;
    uint64_t version;
    bool over = false;
    while (change_index_next(call->service->ledger, page->since, &cursor, &item, &version)) {
        if (version > page->head)
            version = page->head;
        if (count < items)
            sift_up(heap, count++, version);
        else if (version < heap[0])
            sift_down(heap, count, version);
        over |= count == items;
    }
    return over ? heap[0] : page->head;
}

/* True: a full read begins, or continues under the catalogue of its earlier pages. */
static bool reads_on(const struct feed_reading *reading, const struct page *page, uint16_t channel)
{
    return page->since == 0 || (reading->next != 0 && reading->next == page->since &&
                                reading->channel == channel && reading->touched == page->touched);
}

/* How many items fit a page, each row of which may have hundreds of pools to read. */
static uint32_t page_items(struct call *call, uint32_t limit, uint32_t channels)
{
    uint64_t work = (uint64_t)change_index_pools_each(call->service->ledger) * channels;
    uint64_t by_rows = limit / channels, by_work = PAGE_WORK / work;
    uint64_t items = by_rows < by_work ? by_rows : by_work;
    return items > 1 ? (uint32_t)items : 1;
}

static void plan_page(struct call *call, struct page *page, uint16_t channel, uint32_t limit)
{
    const struct catalogue *catalogue = ledger_catalogue(call->ctx);
    uint32_t channels = channel == FEED_ALL_CHANNELS ? catalogue->channel_count : 1;
    uint64_t leapt_to = ledger_leapt_to(call->service->ledger);
    page->touched = feed_touched(catalogue, channel);
    if (page->touched < leapt_to)
        page->touched = leapt_to;
    page->until = page->head;
    page->resync = page->since > page->head;
    if (page->since >= page->head) /* changes after head are for a later page */
        return;
    if (page->since < page->touched && !reads_on(&call->feed->reading, page, channel)) {
        uint64_t rows = (uint64_t)change_index_items(call->service->ledger) * channels;
        uint64_t work = rows * change_index_pools_each(call->service->ledger);
        page->everything = rows <= CHANGES_MAX && work <= EVERYTHING_WORK &&
                           page->since >= leapt_to; /* it may know of what never was */
        page->resync = !page->everything;
        return;
    }
    page->until = page_end(call, page, page_items(call, limit, channels));
}

static uint32_t pack_page(struct call *call, const struct page *page, uint16_t channel,
                          struct out *out)
{
    struct feed_view view = feed_look(call->service->ledger, call->ctx, channel);
    struct feed_item item = { .since = page->since, .until = page->until };
    uint32_t cursor = 0, rows = 0;
    uint64_t base = page->everything ? 0 : page->since;
    if (page->since == page->head)
        return 0; /* a row's lsn is above since_lsn */
    while (change_index_next(view.ledger, base, &cursor, &item.index, &item.version)) {
        if (item.version > page->until && page->until < page->head)
            continue; /* for a later page */
        rows += feed_pack_item(&view, out, &item, false);
    }
    return rows;
}

static void note_reading(struct feed_reading *reading, const struct page *page, uint16_t channel)
{
    if (!reads_on(reading, page, channel))
        return;
    *reading = (struct feed_reading){ page->until, page->touched, channel };
    if (page->until >= page->touched)
        reading->next = 0; /* the full read has caught up: from here on it is like any other */
}

static void pack_changes(struct call *call, const struct page *page, const struct out *rows,
                         uint32_t count)
{
    struct out *out = call->out;
    reply_map(call, 4, page->head);
    pack_string(out, "changes");
    pack_array(out, count);
    out_append_stream(out, rows);
    pack_key_uint(out, "next", page->until);
    pack_key_bool(out, "resync", page->resync);
}

enum code method_changes(struct call *call)
{
    struct params *params = &call->params;
    struct feed_options given = { .limit = CHANGES_DEFAULT };
    struct page page = { .since = param_lsn(params, "since_lsn") };
    params_options(params, changes_options, COUNT_OF(changes_options), &given);
    if (!params_good(params))
        return call->refusal.code;
    uint16_t channel;
    enum code code = may_follow(call, given.channel);
    if (!code)
        code = call_find_channel(call, given.channel, &channel);
    if (code)
        return code;
    struct out rows;
    uint32_t count = 0;
    page.head = log_head(call->service->log);
    out_init(&rows, call->out->pool);
    plan_page(call, &page, channel, (uint32_t)given.limit);
    if (!page.resync)
        count = pack_page(call, &page, channel, &rows);
    if (ledger_shown_until(call->service->ledger, &call->lsn)) {
        note_reading(&call->feed->reading, &page, channel);
        pack_changes(call, &page, &rows, count);
        metric_add(&call->metrics->changes_asked, 1);
        metric_add(&call->metrics->resyncs, page.resync);
    } else {
        code = CODE_DEFERRED;
    }
    out_destroy(&rows);
    return code;
}

/* ---- subscribe ---- */

/* A subscription to events is one of its own beside that to changes. `events: false` ends it. */
static enum code subscribe_to_events(struct call *call, const struct feed_options *given,
                                     uint16_t channel)
{
    struct event_filter filter = { .channel = channel, .scope = call->params.scope };
    enum code code = call_event_filter(call, "events", &given->events, given->location, &filter);
    if (code)
        return code;
    const struct log *log = call->service->log;
    const struct events *events = ledger_events(call->service->ledger);
    uint64_t now = log_final(log);
    bool ahead = given->since_given && given->since_lsn > log_head(log);
    bool resync = ahead || (given->since_given &&
                            ledger_took_back(call->service->ledger, given->since_lsn) != 0);
    uint64_t since = given->since_given && !ahead ? given->since_lsn : now;
    call->feed->events = (struct event_subscription){ .on = filter.types != 0,
                                                      .filter = filter,
                                                      .at = events_find(events, since) };
    resync |= given->since_given && events_missed(events, given->since_lsn);
    metric_add(&call->metrics->resyncs, resync);
    reply_map(call, 2, now);
    pack_key_bool(call->out, "resync", resync);
    return CODE_OK;
}

/* Counts the connection among those of its token that subscribe. */
static enum code may_subscribe(struct call *call)
{
    struct principal *principal = call->principal;
    if (!principal->use || principal->subscribed)
        return CODE_OK;
    uint32_t most = access_subscriptions(call->service->access, principal->grant);
    principal->subscribed = token_use_add(&principal->use->subscriptions, most);
    if (principal->subscribed)
        return CODE_OK;
    metric_add(&call->metrics->crowded, 1);
    refuse(&call->refusal, CODE_OVERLOADED, NULL,
           "\"%s\" may have %u connections that subscribe at once", principal->grant->name, most);
    return CODE_OVERLOADED;
}

enum code method_subscribe(struct call *call)
{
    struct params *params = &call->params;
    struct text types[EVENT_TYPE_COUNT];
    struct feed_options given = { .events.at = types };
    params_options(params, subscribe_options, COUNT_OF(subscribe_options), &given);
    if (params_good(params) && text_given(given.location) && !given.events_given)
        refuse(&call->refusal, CODE_BAD_REQUEST, "location", "location needs events");
    if (!params_good(params))
        return call->refusal.code;
    uint16_t channel;
    enum code code = call_find_channel(call, given.channel, &channel);
    if (!code)
        code = may_subscribe(call);
    if (!code && given.events_given)
        return subscribe_to_events(call, &given, channel);
    if (!code)
        code = may_follow(call, given.channel);
    if (code)
        return code;
    uint64_t head = log_head(call->service->log);
    uint64_t leapt_to = ledger_leapt_to(call->service->ledger);
    bool resync = given.since_given && given.since_lsn > 0 &&
                  (given.since_lsn > head || given.since_lsn < leapt_to);
    struct subscription *s = &call->feed->subscription;
    uint64_t since = given.since_given ? given.since_lsn : head;
    *s = (struct subscription){
        .on = true, .progress = given.progress, .channel = channel, .since = resync ? 0 : since
    };
    metric_add(&call->metrics->resyncs, resync);
    call->lsn = head;
    reply_map(call, 2, head);
    pack_key_bool(call->out, "resync", resync);
    return CODE_OK;
}
