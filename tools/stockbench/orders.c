/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/stockbench/orders.h"

#include <csv.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <stockd/client.h>

enum column { ORDER_ID, CHANNEL, SKU, QTY, LOCATION, TIME, COLUMNS };
enum { FIELD_BYTES = 80, ORDER_ID_MAX = 30, QTY_MAX = 268435455 };

static const char *const names[COLUMNS] = {
    "order_id", "channel", "sku", "qty", "location", "time"
};

struct reading {
    struct orders *orders;
    const char *path;
    size_t row; /* of the file, from 1 */
    size_t field;
    int column_at[COLUMNS]; /* its field; -1: not in the file */
    char text[COLUMNS][FIELD_BYTES];
    size_t order_room, line_room;
    uint64_t first_ms;
    uint64_t last_ms; /* since then, of the previous order */
    bool bad;
};

static void complain(struct reading *reading, enum column column, const char *problem)
{
    if (!reading->bad)
        fprintf(stderr, "stockbench: %s: row %zu, column %s: '%s' %s\n", reading->path,
                reading->row, names[column], reading->text[column], problem);
    reading->bad = true;
}

static void *must_have(void *memory)
{
    if (!memory) {
        fprintf(stderr, "stockbench: out of memory\n");
        exit(3);
    }
    return memory;
}

static void *grown(void *memory, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return memory;
    *room = *room > 0 ? *room * 2 : 1024;
    return must_have(realloc(memory, *room * size));
}

static char *copied(const char *text)
{
    return must_have(strdup(text));
}

/* Milliseconds since the epoch; false: it is not a time. */
static bool parse_time(const char *text, uint64_t *ms)
{
    struct tm tm = { 0 };
    char *end;

    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (*text && !*end && !errno && text[0] != '-') {
        *ms = number;
        return true;
    }
    const char *rest = strptime(text, "%Y-%m-%d", &tm);
    if (rest && (*rest == ' ' || *rest == 'T'))
        rest = strptime(rest + 1, "%H:%M:%S", &tm);
    if (!rest || strcmp(rest, *rest == 'Z' ? "Z" : "") != 0)
        return false;
    *ms = (uint64_t)timegm(&tm) * 1000;
    return true;
}

static uint64_t row_time(struct reading *reading)
{
    struct orders *orders = reading->orders;
    uint64_t ms;

    if (!orders->has_times)
        return 0;
    if (!parse_time(reading->text[TIME], &ms)) {
        complain(reading, TIME, "is not a time");
        return 0;
    }
    if (orders->count == 0)
        reading->first_ms = ms;
    ms = ms > reading->first_ms ? ms - reading->first_ms : 0;
    reading->last_ms = ms > reading->last_ms ? ms : reading->last_ms;
    return reading->last_ms;
}

static struct order *row_order(struct reading *reading, bool is_return)
{
    struct orders *orders = reading->orders;
    struct order *last = orders->count > 0 ? &orders->order[orders->count - 1] : NULL;

    if (last && strcmp(last->id, reading->text[ORDER_ID]) == 0) {
        if (last->is_return != is_return)
            complain(reading, QTY, "differs in sign from the order's first row");
        return last;
    }
    if (!*reading->text[ORDER_ID] || strlen(reading->text[ORDER_ID]) > ORDER_ID_MAX)
        complain(reading, ORDER_ID, "must have 1 to 30 bytes");
    orders->order =
        grown(orders->order, orders->count, &reading->order_room, sizeof *orders->order);
    struct order order = { .time_ms = row_time(reading),
                           .id = copied(reading->text[ORDER_ID]),
                           .channel = copied(reading->text[CHANNEL]),
                           .first = orders->lines,
                           .is_return = is_return };

    orders->order[orders->count++] = order;
    return &orders->order[orders->count - 1];
}

static void take_row(struct reading *reading)
{
    struct orders *orders = reading->orders;
    char *end;

    errno = 0;
    long qty = strtol(reading->text[QTY], &end, 10);
    if (errno || *end || end == reading->text[QTY] || qty == 0 || labs(qty) > QTY_MAX)
        complain(reading, QTY, "is not a quantity");
    if (!*reading->text[SKU] || strlen(reading->text[SKU]) > STOCKD_SKU_MAX)
        complain(reading, SKU, "must have 1 to 64 bytes");
    if (reading->bad)
        return;
    struct order *order = row_order(reading, qty < 0);
    struct order_line line = { .sku = copied(reading->text[SKU]), .qty = (uint32_t)labs(qty) };

    if (*reading->text[LOCATION])
        line.location = copied(reading->text[LOCATION]);
    orders->line = grown(orders->line, orders->lines, &reading->line_room, sizeof *orders->line);
    orders->line[orders->lines++] = line;
    order->lines++;
}

static void on_field(void *bytes, size_t len, void *context)
{
    struct reading *reading = context;
    size_t field = reading->field++;

    for (enum column column = 0; column < COLUMNS; column++) {
        if (reading->row == 1 && len == strlen(names[column]) &&
            memcmp(bytes, names[column], len) == 0)
            reading->column_at[column] = (int)field;
        if (reading->row == 1 || reading->column_at[column] != (int)field)
            continue;
        if (len >= FIELD_BYTES) {
            complain(reading, column, "is followed by a field that is too long");
            len = FIELD_BYTES - 1;
        }
        memcpy(reading->text[column], bytes, len);
        reading->text[column][len] = '\0';
    }
}

static void on_row(int terminator, void *context)
{
    struct reading *reading = context;

    (void)terminator;
    if (reading->row == 1)
        reading->orders->has_times = reading->column_at[TIME] >= 0;
    for (enum column column = ORDER_ID; reading->row == 1 && column <= QTY; column++) {
        if (reading->column_at[column] < 0)
            complain(reading, column, "is missing from the header");
    }
    if (reading->row > 1)
        take_row(reading);
    memset(reading->text, 0, sizeof reading->text);
    reading->field = 0;
    reading->row++;
}

static bool parse_file(struct reading *reading, FILE *file)
{
    static char buffer[64 << 10];
    struct csv_parser parser;
    size_t n;

    if (csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI | CSV_APPEND_NULL) != 0)
        return false;
    while (!reading->bad && (n = fread(buffer, 1, sizeof buffer, file)) > 0) {
        if (csv_parse(&parser, buffer, n, on_field, on_row, reading) != n) {
            fprintf(stderr, "stockbench: %s: row %zu: %s\n", reading->path, reading->row,
                    csv_strerror(csv_error(&parser)));
            reading->bad = true;
        }
    }
    if (!reading->bad && csv_fini(&parser, on_field, on_row, reading) != 0) {
        fprintf(stderr, "stockbench: %s: a quote is not closed\n", reading->path);
        reading->bad = true;
    }
    csv_free(&parser);
    return !reading->bad;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void list_skus(struct orders *orders)
{
    orders->skus = must_have(calloc(orders->lines, sizeof *orders->skus));
    for (size_t i = 0; i < orders->lines; i++)
        orders->skus[i] = orders->line[i].sku;
    qsort(orders->skus, orders->lines, sizeof *orders->skus, by_text);
    for (size_t i = 0; i < orders->lines; i++) {
        if (i == 0 || strcmp(orders->skus[orders->sku_count - 1], orders->skus[i]) != 0)
            orders->skus[orders->sku_count++] = orders->skus[i];
    }
}

bool orders_read(struct orders *orders, const char *path)
{
    static struct reading reading;
    FILE *file = fopen(path, "re");

    *orders = (struct orders){ 0 };
    if (!file) {
        fprintf(stderr, "stockbench: %s: %s\n", path, strerror(errno));
        return false;
    }
    reading = (struct reading){ .orders = orders, .path = path, .row = 1 };
    memset(reading.column_at, 0xff, sizeof reading.column_at);
    bool good = parse_file(&reading, file);
    fclose(file);
    if (good && orders->count == 0) {
        fprintf(stderr, "stockbench: %s: no orders\n", path);
        good = false;
    }
    if (good)
        list_skus(orders);
    return good;
}

void orders_free(struct orders *orders)
{
    for (size_t i = 0; i < orders->count; i++) {
        free(orders->order[i].id);
        free(orders->order[i].channel);
    }
    for (size_t i = 0; i < orders->lines; i++) {
        free(orders->line[i].sku);
        free(orders->line[i].location);
    }
    free(orders->order);
    free(orders->line);
    free(orders->skus);
    *orders = (struct orders){ 0 };
}
