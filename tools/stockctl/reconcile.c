/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reconcile.c - `reconcile`: the count of a whole location against what is booked there.
 *
 * It shows the differences, and with --apply books the counts. Both are as of one time, when the
 * goods were counted: what was sold or received since is neither a difference nor undone. Without
 * --as-of that is when the file was written, which stays the same however often it is run.
 */
#include "tools/stockctl/booked.h"
#include "tools/stockctl/import.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#define AHEAD_MS 5000 /* the engine takes no count that is more in the future */

enum { COLUMN_SKU, COLUMN_COUNTED };

struct counted {
    char *sku;
    size_t len;
    size_t line; /* 0: it is not in the file */
    int64_t booked;
    int64_t units;
};

struct total {
    size_t items;
    int64_t units;
};

struct reconcile {
    struct import import;
    struct csv_reader reader;
    const char *location;
    int64_t as_of;
    bool by_file; /* as_of is when the file was written */
    bool apply;
    bool missing_zero;
    struct booked booked;
    struct lookup *seen;     /* SKU -> line */
    struct counted *counted; /* first those of the file, then those with units that are not in it */
    size_t count;
    size_t in_file;
    size_t capacity;
};

/* ---- the file -------------------------------------------------------------------------------- */

static void add(struct reconcile *r, const char *sku, size_t len, size_t line, int64_t units)
{
    if (r->count == r->capacity) {
        r->capacity = r->capacity > 0 ? r->capacity * 2 : 1024;
        r->counted = must_grow(r->counted, r->capacity, sizeof(*r->counted));
    }
    r->counted[r->count++] =
        (struct counted){ .sku = text_copy(sku, len), .len = len, .line = line, .units = units };
}

static void read_row(void *context, size_t line, const struct csv_field *fields)
{
    struct reconcile *r = context;
    const struct csv_field *sku = &fields[COLUMN_SKU];
    const struct csv_field *cell = &fields[COLUMN_COUNTED];
    int64_t units;
    const char *sku_problem = check_sku(sku->text, sku->len);
    const char *problem = check_quantity(cell->text, 0, CTL_QUANTITY_MAX, &units);

    if (sku_problem != NULL)
        bad_rows_add(&r->import.bad, line, "sku", "'%.64s' %s", sku->text, sku_problem);
    if (problem != NULL)
        bad_rows_add(&r->import.bad, line, "counted", "'%.64s' %s", cell->text, problem);
    size_t first = line;
    if (sku_problem == NULL && problem == NULL)
        first = import_first_line(r->seen, line, sku, NULL);
    if (first != line)
        bad_rows_add(&r->import.bad, line, "sku", "'%s' is already on line %zu", sku->text, first);
    if (sku_problem == NULL && problem == NULL && first == line)
        add(r, sku->text, sku->len, line, units);
    else
        r->import.skipped++;
}

static void read_bad(void *context, size_t line, const char *column, const char *problem)
{
    struct reconcile *r = context;
    import_bad_row(&r->import, line, column, problem);
}

/* ---- when it was counted --------------------------------------------------------------------- */

static int take_as_of(struct reconcile *r, const struct args *args)
{
    const char *given = args_option(args, "as-of");
    struct timespec now;
    struct stat file;

    clock_gettime(CLOCK_REALTIME, &now);
    int64_t now_ms = now.tv_sec * 1000 + now.tv_nsec / 1000000;
    if (given != NULL) {
        if (!parse_time(given, &r->as_of))
            return usage_error(args, "--as-of: '%s' is not a time like 2025-03-01T14:05:00", given);
    } else {
        if (stat(r->import.path, &file) != 0 || !S_ISREG(file.st_mode)) {
            if (strcmp(r->import.path, "-") == 0 || errno != ENOENT)
                return usage_error(args,
                                   "--as-of says when it was counted: %s is no file whose "
                                   "time could stand for that",
                                   r->import.path);
            return CTL_DONE; /* reading it says what is wrong */
        }
        r->by_file = true;
        r->as_of = file.st_mtim.tv_sec * 1000 + file.st_mtim.tv_nsec / 1000000;
    }
    if (r->as_of > now_ms + AHEAD_MS)
        return usage_error(args, "the time of the count must not be in the future%s",
                           r->by_file ? ", but the file's is: give --as-of" : "");
    return CTL_DONE;
}

/* ---- differences ----------------------------------------------------------------------------- */

static int by_sku(const void *a, const void *b)
{
    const struct counted *x = a;
    const struct counted *y = b;
    int order = memcmp(x->sku, y->sku, x->len < y->len ? x->len : y->len);

    return order != 0 ? order : (x->len > y->len) - (x->len < y->len);
}

static void sort(struct counted *counted, size_t count)
{
    if (count > 0)
        qsort(counted, count, sizeof(*counted), by_sku);
}

/* Fills in what is booked, and adds what is booked but not in the file. */
static void compare(struct reconcile *r)
{
    r->in_file = r->count;
    for (size_t i = 0; i < r->in_file; i++)
        r->counted[i].booked = booked_units(&r->booked, r->counted[i].sku, r->counted[i].len);
    for (size_t i = 0; i < r->booked.count; i++) {
        const struct booked_item *item = &r->booked.item[i];
        if (item->on_hand == 0 || lookup_find(r->seen, item->sku, item->len, NULL))
            continue;
        add(r, item->sku, item->len, 0, 0);
        r->counted[r->count - 1].booked = item->on_hand;
    }
    sort(r->counted, r->in_file);
    sort(r->counted + r->in_file, r->count - r->in_file);
}

static void totals(const struct reconcile *r, struct total *up, struct total *down,
                   struct total *missing)
{
    for (size_t i = 0; i < r->count; i++) {
        int64_t difference = r->counted[i].units - r->counted[i].booked;
        struct total *total = i >= r->in_file ? missing : difference > 0 ? up : down;
        if (difference == 0)
            continue;
        total->items++;
        total->units += difference < 0 ? -difference : difference;
    }
}

static json_t *total_json(const struct total *total)
{
    return json_pack("{s:I, s:I}", "items", (json_int_t)total->items, "units",
                     (json_int_t)total->units);
}

static json_t *preview_json(const struct reconcile *r)
{
    struct total up = { 0 };
    struct total down = { 0 };
    struct total missing = { 0 };
    json_t *differences = json_array();
    json_t *not_counted = json_array();

    totals(r, &up, &down, &missing);
    for (size_t i = 0; i < r->count; i++) {
        const struct counted *c = &r->counted[i];
        if (i >= r->in_file)
            json_array_append_new(not_counted, json_pack("{s:s%, s:I}", "sku", c->sku, c->len,
                                                         "booked", (json_int_t)c->booked));
        else if (c->units != c->booked)
            json_array_append_new(
                differences, json_pack("{s:s%, s:I, s:I, s:I}", "sku", c->sku, c->len, "booked",
                                       (json_int_t)c->booked, "counted", (json_int_t)c->units,
                                       "difference", (json_int_t)(c->units - c->booked)));
    }
    return json_pack("{s:s, s:I, s:I, s:I, s:o, s:o, s:o, s:o}", "location", r->location, "as_of",
                     (json_int_t)r->as_of, "items", (json_int_t)r->in_file, "as_booked",
                     (json_int_t)(r->in_file - up.items - down.items), "up", total_json(&up),
                     "down", total_json(&down), "differences", differences, "not_counted",
                     not_counted);
}

static void show_differences(const struct reconcile *r)
{
    static const char *const titles[] = { "<SKU", ">BOOKED", ">COUNTED", ">DIFFERENCE", NULL };
    struct table *table = table_new(titles);

    for (size_t i = 0; i < r->in_file; i++) {
        const struct counted *c = &r->counted[i];
        if (c->units == c->booked)
            continue;
        table_add(table, c->sku);
        table_add_format(table, "%lld", (long long)c->booked);
        table_add_format(table, "%lld", (long long)c->units);
        table_add_format(table, "%+lld", (long long)(c->units - c->booked));
    }
    table_print(table, stdout, "");
    putchar('\n');
}

static void show_not_counted(const struct reconcile *r)
{
    static const char *const titles[] = { "<SKU", ">BOOKED", NULL };
    struct table *table = table_new(titles);

    puts(r->missing_zero ? "Not counted, so set to 0 (--missing-zero):"
                         : "Not counted, so left as they are (--missing-zero sets them to 0):");
    for (size_t i = r->in_file; i < r->count; i++) {
        table_add(table, r->counted[i].sku);
        table_add_format(table, "%lld", (long long)r->counted[i].booked);
    }
    table_print(table, stdout, "");
    putchar('\n');
}

static void show_preview(const struct reconcile *r)
{
    struct total up = { 0 };
    struct total down = { 0 };
    struct total missing = { 0 };
    char when[32];

    totals(r, &up, &down, &missing);
    text_time(r->as_of, when, sizeof(when));
    printf("%s as of %s%s\n\n", r->location, when,
           r->by_file ? ", when the file was written (--as-of TIME)" : "");
    if (up.items + down.items > 0)
        show_differences(r);
    if (missing.items > 0)
        show_not_counted(r);
    printf("%zu items counted: %zu as booked, %zu up by %lld units, %zu down by %lld units\n",
           r->in_file, r->in_file - up.items - down.items, up.items, (long long)up.units,
           down.items, (long long)down.units);
    if (missing.items > 0)
        printf("%zu items with %lld units not counted\n", missing.items, (long long)missing.units);
    if (!r->apply)
        puts("Nothing was booked; --apply books it");
}

/* ---- booking --------------------------------------------------------------------------------- */

static const char *pack_count(void *context, size_t number, stockd_pack *params)
{
    const struct reconcile *r = context;
    const struct counted *c = &r->counted[number];
    char id[STOCKD_ID_MAX + 1];

    if (c->line > 0) {
        import_id(id, 'q', r->reader.hash, c->line);
    } else { /* what is not in the file has no line: a hash of its own stands for that */
        uint64_t own = XXH3_64bits_withSeed(c->sku, c->len, r->reader.hash[1]);
        import_id(id, 'z', (uint64_t[2]){ r->reader.hash[0], own }, 0);
    }
    stockd_pack_array(params, 5);
    stockd_pack_str(params, id);
    stockd_pack_str_n(params, c->sku, c->len);
    stockd_pack_str(params, r->location);
    stockd_pack_i64(params, c->units);
    stockd_pack_map(params, 1);
    stockd_pack_str(params, "as_of");
    stockd_pack_i64(params, r->as_of);
    return "count";
}

static size_t line_of(const void *context, size_t number)
{
    const struct reconcile *r = context;
    return r->counted[number].line;
}

static int check_location(struct reconcile *r)
{
    struct lookup *locations = lookup_new();
    struct ctl *ctl = r->import.ctl;
    int failed = lookup_listing(ctl, "locations", locations, &r->import.lsn);

    if (failed == CTL_DONE && !lookup_find(locations, r->location, strlen(r->location), NULL))
        failed = ctl_error(ctl, CTL_REFUSED, "unknown_location", "there is no location '%s'",
                           r->location);
    lookup_free(locations);
    return failed;
}

static int reconcile(struct reconcile *r, const struct args *args)
{
    struct ctl *ctl = r->import.ctl;
    int failed = take_as_of(r, args);

    if (failed == CTL_DONE)
        failed = check_location(r);
    if (failed == CTL_DONE)
        failed = import_read(&r->import, args, &r->reader);
    if (failed == CTL_DONE)
        failed = booked_read(ctl, r->location, &r->booked);
    if (failed == CTL_DONE)
        failed = booked_at(ctl, &r->booked, r->as_of);
    if (failed != CTL_DONE)
        return failed;
    compare(r);
    if (ctl->json)
        r->import.within = preview_json(r);
    else
        show_preview(r);
    r->import.count = r->missing_zero ? r->count : r->in_file;
    if (r->apply)
        failed = import_send(&r->import);
    else if (ctl->json)
        show_json_value(r->import.within);
    return failed;
}

int run_reconcile(struct ctl *ctl, const struct args *args)
{
    static const char *const columns[] = { "sku", "counted", NULL };
    static const struct import_words words = {
        .things = "items",
        .total = "items",
        .done = "counted",
        .known = "repeated",
        .before = "had been booked before",
        .bad = "bad rows skipped",
    };
    struct reconcile r = { .location = args->positional[0],
                           .apply = args_option(args, "apply") != NULL,
                           .missing_zero = args_option(args, "missing-zero") != NULL };

    r.import = (struct import){ .ctl = ctl,
                                .path = args->positional[1],
                                .words = &words,
                                .pack = pack_count,
                                .line = line_of,
                                .context = &r };
    r.reader = (struct csv_reader){ .columns = columns,
                                    .required = 2,
                                    .texts = 1, /* the SKU */
                                    .row = read_row,
                                    .bad = read_bad,
                                    .context = &r };
    r.seen = lookup_new();
    int failed = reconcile(&r, args);
    for (size_t i = 0; i < r.count; i++)
        free(r.counted[i].sku);
    free(r.counted);
    booked_free(&r.booked);
    lookup_free(r.seen);
    import_free(&r.import);
    return failed;
}
