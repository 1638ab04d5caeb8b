/* SPDX-License-Identifier: Apache-2.0 */
/* The names of the keys and channels in Redis: the prefix, and what docs/MIRROR.md lists. */
#ifndef STOCKD_MIRROR_KEYS_H
#define STOCKD_MIRROR_KEYS_H

enum { PREFIX_MAX = 64, KEY_MAX = PREFIX_MAX + 16 };

/* Constant once they are made; all end with a zero. */
struct mirror_keys {
    char item[KEY_MAX];    /* the sku follows */
    char changed[KEY_MAX]; /* the channel's code follows */
    char changes[KEY_MAX];
    char events[KEY_MAX];
    char event[KEY_MAX]; /* the type follows */
    char mirror[KEY_MAX];
    char fence[KEY_MAX];
    char all_items[2 * KEY_MAX]; /* a pattern for SCAN */
};

void keys_init(struct mirror_keys *keys, const char *prefix);

#endif
