/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Server-sent events: what changes, and what happens.
 *
 * A stream has a connection to the engine of its own. It subscribes there, but only to be woken:
 * what it sends comes from pages of `changes` or `events`, because a page never splits an LSN. So
 * each `id:` is a position up to which the client has everything, and Last-Event-ID continues from
 * there without a gap.
 *
 *   DIALING    a connection to the engine is being opened
 *   OPENING    the subscription is under way
 *   RESTING    everything was sent; the engine will tell when there is more
 *   PAGING     a page is under way
 *   AWAY       the engine is away: it is dialled again at retry_ms
 *   ENDED      nothing more comes
 *
 *   S1  A page is asked for only while less than TEXT_HIGH bytes wait for the client: a client that
 *       does not read costs that much, and gets the newest values when it reads on.
 *   S2  Once a stream has everything, its next page is asked for PACE_MS later at the earliest. So
 *       the engine answers tens of pages a second for each of many streams, not thousands.
 *   S3  `since` is the position of the last page that was written whole; after a lost connection
 *       the stream continues from there.
 */
#ifndef GATEWAY_STREAM_H
#define GATEWAY_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include <microhttpd.h>

struct exchange;
struct stream;
struct worker;

/* Begins a stream as the answer of GET /v1/changes or /v1/events, or of POST /v1/subscribe: the
 * exchange is WAITING, and answered once the engine has agreed, or refused. */
void stream_begin_get(struct exchange *exchange);
void stream_begin_post(struct exchange *exchange);

/* libmicrohttpd's callback for the next bytes; context is the stream. */
ssize_t stream_read(void *context, uint64_t position, char *buffer, size_t max);

/* The client has gone, or has everything: frees the stream. */
void stream_close(struct stream *stream);

/* Sends what is there and then ends it. */
void stream_end(struct stream *stream);

/* Asks for the page that it had to wait for (S2); if it still has to, sets the worker's `paced`. */
void stream_pace(struct stream *stream);

enum { PACE_MS = 20 };

/* Dials again, and keeps the connection alive. Call it some times a second. */
void stream_tick(struct stream *stream);

#endif
