/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events in Redis: an entry of the stream stock:events for each, and a message.
 *
 * An entry's ID is <lsn>-<n>, n counting the events of one LSN from 0. So Redis itself refuses a
 * repeat, and the stream's last entry says where to go on, after whatever has happened to the
 * engine, to Redis, or to the connection: nothing else is kept. If events are missing, because
 * Redis was gone for longer than the engine keeps them, or because the stream is ahead of an engine
 * that was restored from an older copy, an entry of the type `resync` says so.
 *
 * Owned by the mirror's thread.
 */
#ifndef STOCKD_MIRROR_TELL_H
#define STOCKD_MIRROR_TELL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/events/events.h"
#include "mirror/follow.h"
#include "mirror/keys.h"
#include "mirror/metrics.h"
#include "mirror/report.h"
#include "mirror/stream_id.h"
#include "mirror/transaction.h"

struct teller {
    struct follow *follow;
    const struct mirror_keys *keys;
    struct report *report;
    struct mirror_metrics *metrics;
    uint64_t stream_length; /* about how many entries the stream keeps */

    struct stream_id last_id; /* of the stream */
    uint64_t at;              /* the count of the next event, see events_find */
    uint64_t last_lsn;        /* of the last event in the stream */
    uint64_t n;               /* how many events of that LSN are in it */
    uint64_t published;       /* Redis has had a message for each event before this count */
    bool missed;              /* an entry must say so, up to missed_lsn */
    uint64_t missed_lsn;
};

/* What a new connection has found in the stream. */
struct told_events {
    struct stream_id last_id; /* the greatest that it has had */
    bool has_entry;           /* the last one: */
    struct stream_id entry_id;
    uint64_t lsn; /* its field; 0: it has none */
};

/* Goes on behind what the stream has. */
void tell_resume(struct teller *t, const struct told_events *found);

/* Is there an event that a crash cannot take back, and that was not sent? */
bool tell_pending(const struct teller *t);

/* Redis has applied what was appended. */
void tell_confirm(struct teller *t);

/* Adds the commands for the next events, a thousand at most. */
void tell_append(struct teller *t, struct transaction *to);

/* The message for the pub/sub channel of the event's type: a map in JSON. Returns its length. */
enum { EVENT_MESSAGE_MAX = 1024 };
struct event_texts {
    struct text sku, channel, location; /* absent: it has none */
};
size_t event_message(char to[EVENT_MESSAGE_MAX], const struct event *event,
                     const struct event_texts *texts);

#endif
