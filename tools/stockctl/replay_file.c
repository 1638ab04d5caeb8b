/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay_file.c - orders from CSV: consecutive rows with one order_id are one order.
 *
 * Every error that can be found without asking for stock is found here, before the first order is
 * sent: a replay that stops half way is worth little.
 */
#include "tools/stockctl/replay.h"

#include <stdlib.h>
#include <string.h>

enum { COLUMN_ORDER, COLUMN_CHANNEL, COLUMN_SKU, COLUMN_QTY, COLUMN_LOCATION };

struct channel_list {
    struct lookup *codes; /* numbered in the order of `home` */
    char **home;          /* the first location that it sells from; NULL: any */
};

struct reading {
    struct replay *replay;
    struct lookup *locations; /* code -> number */
    char **place;             /* by number: its code */
    struct lookup *groups;    /* a group -> the number of its first location */
    struct lookup *begun;     /* order ids so far -> line */
    struct channel_list channels;
    struct bad_rows bad;
    size_t order_capacity;
    size_t line_capacity;
    size_t repeated; /* ids that begin a second order */
};

static void add_channel(void *context, const char *code, size_t len, stockd_value record)
{
    struct channel_list *channels = context;
    size_t number = lookup_count(channels->codes);
    char home[STOCKD_CODE_MAX + 1];
    stockd_value list;
    stockd_value first;

    if (lookup_find(channels->codes, code, len, NULL))
        return;
    lookup_add(channels->codes, code, len, number);
    channels->home = must_grow(channels->home, number + 1, sizeof(*channels->home));
    channels->home[number] = NULL;
    if (stockd_map_find(record, "locations", &list) && stockd_array_at(list, 0, &first) &&
        stockd_value_copy_str(first, home, sizeof(home)))
        channels->home[number] = text_format("%s", home);
}

static void add_location(void *context, const char *code, size_t len, stockd_value record)
{
    struct reading *reading = context;
    size_t number = lookup_count(reading->locations);
    stockd_value groups = { 0 };
    stockd_value group;
    const char *name;
    size_t name_len;

    if (lookup_add(reading->locations, code, len, number) != number)
        return;
    reading->place = must_grow(reading->place, number + 1, sizeof(*reading->place));
    reading->place[number] = text_format("%.*s", (int)len, code);
    stockd_map_find(record, "groups", &groups);
    stockd_iter it = stockd_iterate(groups);
    while (stockd_next(&it, NULL, &group))
        if (stockd_value_str(group, &name, &name_len))
            lookup_add(reading->groups, name, name_len, number);
}

static void row_is_bad(void *context, size_t line, const char *column, const char *problem)
{
    struct reading *reading = context;
    bad_rows_add(&reading->bad, line, column, "%s", problem);
}

/* Where returns of a channel go if the row does not say: to its first location. */
static char *home_of(const struct reading *reading, size_t channel)
{
    const char *home = reading->channels.home[channel];
    size_t place = 0;

    if (home == NULL)
        lookup_find(reading->locations, "main", 4, &place); /* else the engine's first */
    else if (!lookup_find(reading->locations, home, strlen(home), &place))
        lookup_find(reading->groups, home, strlen(home), &place); /* a channel may name a group */
    return text_format("%s", reading->place != NULL ? reading->place[place] : "main");
}

/* The id of a return's last line is the longest one that the order needs. */
static void close_order(struct reading *reading)
{
    const struct replay *replay = reading->replay;

    if (replay->orders == 0)
        return;
    const struct replay_order *order = &replay->order[replay->orders - 1];
    size_t len = strlen(order->id);
    if (order->is_return)
        len += (size_t)snprintf(NULL, 0, "#%zu", order->lines);
    if (len > STOCKD_ID_MAX)
        bad_rows_add(&reading->bad, order->file_line, "order_id", "'%s' is too long: %zu bytes%s",
                     order->id, len, order->is_return ? " with its line numbers" : "");
}

static void open_order(struct reading *reading, size_t line, const struct csv_field *fields)
{
    struct replay *replay = reading->replay;
    const struct csv_field *id = &fields[COLUMN_ORDER];

    close_order(reading);
    if (id->len == 0)
        bad_rows_add(&reading->bad, line, "order_id", "is empty");
    size_t before = lookup_add(reading->begun, id->text, id->len, line);
    if (before != line && reading->repeated++ < 5)
        fprintf(stderr,
                "stockctl: %s: line %zu: order '%s' already began on line %zu; the engine will"
                " treat it as a repetition, or refuse it\n",
                replay->path, line, id->text, before);
    if (replay->orders == reading->order_capacity) {
        reading->order_capacity = reading->order_capacity > 0 ? reading->order_capacity * 2 : 256;
        replay->order = must_grow(replay->order, reading->order_capacity, sizeof(*replay->order));
    }
    replay->order[replay->orders++] = (struct replay_order){
        .id = text_format("%s", id->text),
        .channel = text_format("%s", fields[COLUMN_CHANNEL].text),
        .first = replay->lines,
        .file_line = line,
    };
}

static bool same_order(const struct replay *replay, const struct csv_field *fields)
{
    return replay->orders > 0 &&
           strcmp(replay->order[replay->orders - 1].id, fields[COLUMN_ORDER].text) == 0;
}

static bool check_channel(struct reading *reading, size_t line, const struct replay_order *order,
                          const struct csv_field *field, size_t *channel)
{
    if (!lookup_find(reading->channels.codes, field->text, field->len, channel))
        bad_rows_add(&reading->bad, line, "channel", "unknown channel '%.64s'", field->text);
    else if (strcmp(order->channel, field->text) != 0)
        bad_rows_add(&reading->bad, line, "channel", "'%.64s', but the order began with '%.64s'",
                     field->text, order->channel);
    else
        return true;
    return false;
}

/* The quantity without its sign; the sign must be that of the order. */
static bool check_line_quantity(struct reading *reading, size_t line, struct replay_order *order,
                                const char *text, int64_t *qty)
{
    const char *problem = check_quantity(text, -CTL_QUANTITY_MAX, CTL_QUANTITY_MAX, qty);

    if (problem == NULL && *qty == 0)
        problem = "is zero";
    if (problem == NULL && order->lines > 0 && order->is_return != (*qty < 0))
        problem = "differs in sign from the order's first line";
    if (problem != NULL) {
        bad_rows_add(&reading->bad, line, "qty", "'%.32s' %s", text, problem);
        return false;
    }
    order->is_return = *qty < 0;
    *qty = *qty < 0 ? -*qty : *qty;
    return true;
}

static void add_line(struct reading *reading, struct replay_order *order,
                     const struct replay_line *line)
{
    struct replay *replay = reading->replay;

    if (replay->lines == reading->line_capacity) {
        reading->line_capacity = reading->line_capacity > 0 ? reading->line_capacity * 2 : 1024;
        replay->line = must_grow(replay->line, reading->line_capacity, sizeof(*replay->line));
    }
    replay->line[replay->lines++] = *line;
    order->lines++;
}

static void read_row(void *context, size_t number, const struct csv_field *fields)
{
    struct reading *reading = context;
    const struct csv_field *sku = &fields[COLUMN_SKU];
    const struct csv_field *location = &fields[COLUMN_LOCATION];
    struct replay_line line = { 0 };
    size_t channel = 0;

    if (!same_order(reading->replay, fields))
        open_order(reading, number, fields);
    struct replay_order *order = &reading->replay->order[reading->replay->orders - 1];
    bool good = check_channel(reading, number, order, &fields[COLUMN_CHANNEL], &channel);
    const char *problem = check_sku(sku->text, sku->len);
    if (problem != NULL)
        bad_rows_add(&reading->bad, number, "sku", "'%.64s' %s", sku->text, problem);
    if (location->len > 0 && !lookup_find(reading->locations, location->text, location->len, NULL))
        bad_rows_add(&reading->bad, number, "location", "unknown location '%.64s'", location->text);
    if (!check_line_quantity(reading, number, order, fields[COLUMN_QTY].text, &line.qty) || !good)
        return;
    line.sku = text_format("%s", sku->text);
    if (location->len > 0)
        line.location = text_format("%s", location->text);
    else if (order->is_return)
        line.location = home_of(reading, channel);
    add_line(reading, order, &line);
}

static int read_orders(struct reading *reading)
{
    static const char *const columns[] = { "order_id", "channel", "sku", "qty", "location", NULL };
    struct replay *replay = reading->replay;
    struct csv_reader reader = {
        .columns = columns,
        .required = 4,
        .row = read_row,
        .bad = row_is_bad,
        .context = reading,
    };
    int failed = listing_each(replay->ctl, "locations", NULL, add_location, reading);

    if (failed == CTL_DONE)
        failed = listing_each(replay->ctl, "channels", NULL, add_channel, &reading->channels);
    if (failed == CTL_DONE)
        failed = csv_read(replay->ctl, replay->path, &reader);
    if (failed != CTL_DONE)
        return failed;
    close_order(reading);
    if (reading->bad.count == 0)
        return CTL_DONE;
    bad_rows_report(&reading->bad, replay->ctl, replay->path, "no order was sent");
    return CTL_USAGE;
}

int replay_read(struct replay *replay)
{
    struct reading reading = { .replay = replay };

    reading.locations = lookup_new();
    reading.groups = lookup_new();
    reading.begun = lookup_new();
    reading.channels.codes = lookup_new();
    int failed = read_orders(&reading);
    for (size_t i = 0; i < lookup_count(reading.channels.codes); i++)
        free(reading.channels.home[i]);
    free(reading.channels.home);
    for (size_t i = 0; i < lookup_count(reading.locations); i++)
        free(reading.place[i]);
    free(reading.place);
    bad_rows_free(&reading.bad);
    lookup_free(reading.channels.codes);
    lookup_free(reading.begun);
    lookup_free(reading.groups);
    lookup_free(reading.locations);
    return failed;
}

void replay_free(struct replay *replay)
{
    for (size_t i = 0; i < replay->orders; i++) {
        free(replay->order[i].id);
        free(replay->order[i].channel);
    }
    for (size_t i = 0; i < replay->lines; i++) {
        free(replay->line[i].sku);
        free(replay->line[i].location);
    }
    free(replay->order);
    free(replay->line);
}
