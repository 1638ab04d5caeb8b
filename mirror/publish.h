/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands that show an item: its hash, its entry in the stream, and a message for each
 * channel. Owned by the mirror's thread.
 */
#ifndef STOCKD_MIRROR_PUBLISH_H
#define STOCKD_MIRROR_PUBLISH_H

#include "mirror/follow.h"
#include "mirror/keys.h"
#include "mirror/stream_id.h"
#include "mirror/transaction.h"

#define LSN_FIELD "_lsn"

enum {
    PUBLISH_ERASE = 1,  /* deletes the key first: its type is wrong */
    PUBLISH_NOTIFY = 2, /* adds an entry and messages */
};

struct publisher {
    const struct mirror_keys *keys;
    uint64_t stream_length;   /* about how many entries the stream keeps */
    struct stream_id last_id; /* of the last entry in the stream */
};

/* Adds the commands that show the item as the batch has read it. */
void publish_item(struct publisher *p, struct transaction *t, const struct batch *batch,
                  const struct change *change, unsigned how);

/* False for a channel whose code is LSN_FIELD: that field name is taken. */
bool is_shown(const struct code_text *channel);
/* How many of the channels are shown. */
uint32_t shown_channels(const struct channel_codes *channels);

#endif
