/* SPDX-License-Identifier: Apache-2.0 */
/* show_event.c - an event on one line of text. */
#include "tools/stockctl/ctl.h"

#include <inttypes.h>
#include <stdlib.h>

static void print_part(const char *before, const char *text, size_t len)
{
    char *clean = text_clean(text, len);

    printf("  %s%s", before, clean);
    free(clean);
}

void show_event(stockd_value event)
{
    static const struct {
        const char *key, *before;
    } parts[] = { { "channel", "" }, { "location", "at " }, { "sku", "" }, { "id", "" } };
    char at[32] = "";
    const char *text = "";
    size_t len = 0;
    int64_t number;

    if (stockd_map_i64(event, "time_ms", &number))
        text_time(number, at, sizeof at);
    (void)stockd_map_str(event, "type", &text, &len);
    char *type = text_clean(text, len);
    printf("%s  ", at);
    text_pad(stdout, type, 13);
    free(type);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (stockd_map_str(event, parts[i].key, &text, &len))
            print_part(parts[i].before, text, len);
    if (stockd_map_i64(event, "qty", &number))
        printf("  %" PRId64, number);
    putchar('\n');
}
