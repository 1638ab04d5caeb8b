/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/supply_names.h"

#include <stdio.h>
#include <string.h>

#include "tests/support/supply_model.h"

static bool has_sends[DEPOT_IDS + 1];

static struct text name_of(struct name *to, const char *what, int number)
{
    int n = snprintf(to->at, sizeof to->at, "%s%d", what, number);
    return (struct text){ to->at, (uint32_t)n };
}

struct text item_name(struct name *to, int item)
{
    return name_of(to, "item", item);
}

struct text place_name(struct name *to, int place)
{
    if (place == NO_PLACE)
        return (struct text){ NULL, 0 };
    return place == 0 ? text_of("main") : name_of(to, "place", place);
}

struct text channel_name(struct name *to, int channel)
{
    return channel == 0 ? text_of("default") : name_of(to, "channel", channel);
}

struct text id_name(struct name *to, int id)
{
    if (id == 0)
        return (struct text){ NULL, 0 };
    for (int i = 1; i <= DEPOT_SENDS && i < id; i++) {
        if (!has_sends[id - i])
            continue;
        int n = snprintf(to->at, sizeof to->at, "id%d/s%d", id - i, i);
        return (struct text){ to->at, (uint32_t)n };
    }
    return name_of(to, "id", id);
}

int number_in(struct text t)
{
    int number = 0, before = 0;
    for (uint32_t i = 0; i < t.len; i++) {
        if (t.at[i] == '/') {
            before = number;
            number = 0;
        }
        if (t.at[i] >= '0' && t.at[i] <= '9')
            number = number * 10 + (t.at[i] - '0');
    }
    return before + number;
}

void name_sends(int id)
{
    has_sends[id] = true;
}

void forget_names(void)
{
    memset(has_sends, 0, sizeof has_sends);
}
