/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/gateway/stream_text.h"

#include <stdlib.h>
#include <string.h>

#include "tools/gateway/print.h"

struct row {
    uint64_t lsn;
    stockd_value value;
};

static int by_lsn(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    return x->lsn < y->lsn ? -1 : x->lsn > y->lsn;
}

static bool read_lsn(stockd_value row, bool changes, uint64_t *lsn)
{
    struct stockd_changed changed;
    if (!changes)
        return stockd_map_u64(row, "lsn", lsn);
    if (!stockd_read_changed(row, &changed))
        return false;
    *lsn = changed.lsn;
    return true;
}

static void add_changed(struct bytes *out, stockd_value row)
{
    struct stockd_changed changed;
    (void)stockd_read_changed(row, &changed);
    bytes_add_string(out, "{\"channel\":");
    print_string(out, changed.channel, changed.channel_len);
    bytes_add_string(out, ",\"sku\":");
    print_string(out, changed.sku, changed.sku_len);
    bytes_add_string(out, ",\"available\":");
    bytes_add_signed(out, changed.available);
    bytes_add_string(out, ",\"lsn\":");
    bytes_add_unsigned(out, changed.lsn);
    bytes_add_char(out, '}');
}

static void add_position(struct bytes *out, uint64_t lsn)
{
    bytes_add_string(out, "id: ");
    bytes_add_unsigned(out, lsn);
    bytes_add_char(out, '\n');
}

bool stream_text_page(struct bytes *out, stockd_value page, bool changes, uint64_t *last)
{
    stockd_value list, value;
    if (!stockd_map_find(page, changes ? "changes" : "events", &list))
        return false;
    size_t count = stockd_value_count(list), filled = 0;
    if (count == 0)
        return stockd_value_kind(list) == STOCKD_KIND_ARRAY;
    struct row *rows = calloc(count, sizeof *rows);
    if (!rows)
        return false;
    stockd_iter it = stockd_iterate(list);
    while (stockd_next(&it, NULL, &value) && read_lsn(value, changes, &rows[filled].lsn))
        rows[filled++].value = value;
    bool good = filled == count;
    if (good && changes) /* a page of events is in order, and keeps the order within an LSN */
        qsort(rows, count, sizeof *rows, by_lsn);
    for (size_t i = 0; good && i < count; i++) {
        if (i + 1 == count || rows[i + 1].lsn != rows[i].lsn)
            add_position(out, rows[i].lsn);
        bytes_add_string(out, "data: ");
        if (changes)
            add_changed(out, rows[i].value);
        else
            print_value(out, rows[i].value);
        bytes_add_string(out, "\n\n");
    }
    *last = rows[count - 1].lsn;
    free(rows);
    return good && !out->failed;
}

void stream_text_position(struct bytes *out, uint64_t lsn)
{
    add_position(out, lsn);
    bytes_add_char(out, '\n');
}

void stream_text_resync(struct bytes *out, uint64_t lsn)
{
    bytes_add_string(out, "event: resync\ndata: {\"lsn\":");
    bytes_add_unsigned(out, lsn);
    bytes_add_string(out, "}\n\n");
}

void stream_text_comment(struct bytes *out, const char *words)
{
    bytes_add_string(out, ": ");
    bytes_add_string(out, words);
    bytes_add_string(out, "\n\n");
}
