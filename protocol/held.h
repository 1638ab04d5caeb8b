/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages held back in an out stream: where each begins, and which LSN must be durable for it
 * to be true. A connection keeps this list only while it has a reply barrier. If the journal fails,
 * what waits for it can never be sent, and the list says what becomes of each message.
 *
 * H1: offsets rise, and a message ends where the next one begins.
 * H2: of consecutive messages that share the same fate in any case, only the first is listed, so a
 *     flood of small replies does not make the list long.
 */
#ifndef STOCKD_PROTOCOL_HELD_H
#define STOCKD_PROTOCOL_HELD_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/out.h"

struct held_message {
    uint64_t offset;   /* in the out stream */
    uint64_t lsn;      /* of the latest change that it reports; 0: true in any case */
    uint32_t msgid;    /* of the request that it answers */
    bool notification; /* answers no request: it is dropped, not refused */
};

struct held_list {
    struct held_message *messages; /* owned; in use from start on */
    uint32_t start, count, capacity;
};

/* Adds the message that was last appended to the stream. False: no memory. */
bool held_add(struct held_list *list, const struct held_message *message);

/* Forgets the messages that end at or before the offset. */
void held_forget(struct held_list *list, uint64_t offset);

/* Forgets all messages; frees memory beyond what a connection usually needs. */
void held_clear(struct held_list *list);
void held_free(struct held_list *list);

/*
 * The journal has failed for this reason. In the stream from the offset on, replies that report a
 * change after `acknowledged` become the error read_only, notifications are dropped, and the rest
 * stays. The offset is that of a held message, and nothing from there on is being sent. False: no
 * memory, and nothing was changed.
 */
bool held_rewrite(const struct held_list *list, struct out *out, uint64_t offset,
                  uint64_t acknowledged, const char *reason);

#endif
