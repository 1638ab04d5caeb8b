/* SPDX-License-Identifier: Apache-2.0 */
/*
 * export_supplies.c - `export supplies`: what is under way, as CSV that `import supplies` reads.
 *
 * The units of a transfer have left the place that they come from, so a copy of the engine must
 * expect them from nowhere: the column `from` of an import would take them from that place's stock
 * again. The ETA of a late supply has proved wrong, and no engine takes one that is past: its cell
 * is empty.
 */
#include "tools/stockctl/supplies.h"

#include <stdlib.h>
#include <time.h>

struct exporting {
    json_t *rows; /* NULL: CSV is wanted */
    int64_t now_ms;
};

/* What the rows of one supply have in common. */
struct document {
    const char *id, *location, *ref;
    size_t id_len, location_len, ref_len;
    int64_t eta_ms; /* 0: not known */
};

static void put_text(const char *text, size_t len)
{
    if (len > 0)
        csv_put(stdout, text, len);
}

static void give_row(struct exporting *exporting, const struct document *d,
                     const struct supply_line *line)
{
    int64_t qty = line->under_way;

    if (exporting->rows != NULL) {
        json_t *eta = d->eta_ms > 0 ? json_integer(d->eta_ms) : json_null();
        json_t *ref = d->ref_len > 0 ? json_stringn(d->ref, d->ref_len) : json_null();
        char *id = text_clean(d->id, d->id_len);
        json_array_append_new(exporting->rows,
                              json_pack("{s:s, s:s%, s:s%, s:I, s:o, s:o}", "id", id, "location",
                                        d->location, d->location_len, "sku", line->sku,
                                        line->sku_len, "qty", (json_int_t)qty, "eta_ms", eta, "ref",
                                        ref));
        free(id);
        return;
    }
    put_text(d->id, d->id_len);
    printf(",%.*s,", (int)d->location_len, d->location);
    put_text(line->sku, line->sku_len);
    printf(",%lld,", (long long)qty);
    if (d->eta_ms > 0)
        printf("%lld", (long long)d->eta_ms);
    putchar(',');
    put_text(d->ref, d->ref_len);
    putchar('\n');
}

static void give_supply(void *context, stockd_value supply)
{
    struct exporting *exporting = context;
    struct document d = { 0 };
    struct supply_lines lines;
    struct supply_line line;

    if (!stockd_map_str(supply, "id", &d.id, &d.id_len) ||
        !stockd_map_str(supply, "location", &d.location, &d.location_len))
        return;
    stockd_map_str(supply, "ref", &d.ref, &d.ref_len);
    if (!stockd_map_i64(supply, "eta_ms", &d.eta_ms) || d.eta_ms <= exporting->now_ms)
        d.eta_ms = 0;
    supply_lines_of(supply, &lines);
    while (supply_line_next(&lines, &line))
        if (line.under_way > 0)
            give_row(exporting, &d, &line);
}

int run_export_supplies(struct ctl *ctl, const struct args *args)
{
    struct exporting exporting = { .rows = ctl->json ? json_array() : NULL };
    struct timespec now;
    uint64_t lsn = 0;

    clock_gettime(CLOCK_REALTIME, &now);
    exporting.now_ms = now.tv_sec * 1000 + now.tv_nsec / 1000000;
    int failed = ctl_connect(ctl);
    if (failed == CTL_DONE && !ctl->json)
        puts("id,location,sku,qty,eta_ms,ref");
    if (failed == CTL_DONE)
        failed = supplies_each(ctl, args, true, &lsn, give_supply, &exporting);
    if (failed == CTL_DONE && ctl->json)
        show_json_value(
            json_pack("{s:I, s:O}", "lsn", (json_int_t)lsn, "supplies", exporting.rows));
    json_decref(exporting.rows);
    return failed;
}
