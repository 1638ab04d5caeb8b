/* SPDX-License-Identifier: Apache-2.0 */
#include "mirror/keys.h"

#include <stdio.h>
#include <string.h>

/* The prefix is not a pattern but may look like one. */
static void make_pattern(char *to, const char *from)
{
    for (; *from; from++) {
        if (strchr("*?[]\\^-", *from))
            *to++ = '\\';
        *to++ = *from;
    }
    *to++ = '*';
    *to = '\0';
}

void keys_init(struct mirror_keys *keys, const char *prefix)
{
    snprintf(keys->item, KEY_MAX, "%sitem:", prefix);
    snprintf(keys->changed, KEY_MAX, "%schanged:", prefix);
    snprintf(keys->changes, KEY_MAX, "%schanges", prefix);
    snprintf(keys->events, KEY_MAX, "%sevents", prefix);
    snprintf(keys->event, KEY_MAX, "%sevent:", prefix);
    snprintf(keys->mirror, KEY_MAX, "%smirror", prefix);
    snprintf(keys->fence, KEY_MAX, "%sfence", prefix);
    make_pattern(keys->all_items, keys->item);
}
