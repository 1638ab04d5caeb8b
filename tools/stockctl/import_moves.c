/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import_moves.c - `import stock|receive|count|adjust|sold`: movements of stock from a CSV file.
 *
 * Each row is one change, whose id is made of the file's content and the row's line. So the same
 * file imported again, say after a broken connection, books each row once, while a file with any
 * byte changed is new.
 */
#include "tools/stockctl/import.h"

#include <stdlib.h>
#include <string.h>

#define OPTIONS_MAX 2

/* Columns that every kind has; `channel` follows for sales, and then the options. */
enum { COLUMN_SKU, COLUMN_LOCATION, COLUMN_NUMBER, COLUMNS };

struct move_option {
    const char *name; /* of the column and of the method's option */
    bool time;        /* else a text */
};

struct move_kind {
    const char *method;
    char letter;        /* begins its ids: one file may be imported for several purposes */
    const char *number; /* the column of the quantity */
    int64_t least;
    bool sale; /* by a channel */
    bool sets; /* what is on hand: a second row for the same item and place would contradict */
    struct move_option option[OPTIONS_MAX + 1];
};

static const struct import_words set_words = {
    .things = "rows",
    .total = "rows",
    .done = "set",
    .known = "repeated",
    .before = "had been set by an earlier import of this file",
    .bad = "bad rows skipped",
    .again = "use --batch NAME to set them again",
};

static const struct import_words booked_words = {
    .things = "rows",
    .total = "rows",
    .done = "booked",
    .known = "repeated",
    .before = "had been booked before",
    .bad = "bad rows skipped",
    .again = "use --batch NAME to book them again",
};

struct moves {
    struct import import;
    const struct move_kind *kind;
    struct csv_reader reader;
    struct lookup *locations;
    struct lookup *channels;
    struct lookup *seen; /* sku and location -> line */
    struct import_rows rows;
};

/* ---- rows ------------------------------------------------------------------------------------ */

static bool judge(struct moves *moves, size_t line, size_t column, const struct csv_field *field,
                  const char *problem)
{
    if (problem != NULL)
        bad_rows_add(&moves->import.bad, line, moves->reader.columns[column], "'%.64s' %s",
                     field->text, problem);
    return problem == NULL;
}

static const char *check_channel(const struct lookup *channels, const struct csv_field *channel)
{
    if (channel->len == 0)
        return "is empty";
    return lookup_find(channels, channel->text, channel->len, NULL) ? NULL : "is no known channel";
}

static const char *check_number(const struct move_kind *kind, const struct csv_field *field,
                                int64_t *number)
{
    const char *problem = check_quantity(field->text, kind->least, CTL_QUANTITY_MAX, number);

    if (problem == NULL && *number == 0 && !kind->sets)
        return "moves nothing";
    return problem;
}

/* Where the options' columns begin. */
static size_t first_option(const struct move_kind *kind)
{
    return COLUMNS + kind->sale;
}

static const char *check_option(const struct move_option *option, const struct csv_field *field)
{
    int64_t ms;
    return option->time ? check_moment(field, &ms) : check_label(field);
}

static bool check_row(struct moves *moves, size_t line, const struct csv_field *fields,
                      int64_t *number)
{
    const struct csv_field *sku = &fields[COLUMN_SKU];
    const struct csv_field *location = &fields[COLUMN_LOCATION];
    const size_t option = first_option(moves->kind);
    bool good = judge(moves, line, COLUMN_SKU, sku, check_sku(sku->text, sku->len));

    good &= judge(moves, line, COLUMN_LOCATION, location, check_known(moves->locations, location));
    good &= judge(moves, line, COLUMN_NUMBER, &fields[COLUMN_NUMBER],
                  check_number(moves->kind, &fields[COLUMN_NUMBER], number));
    if (moves->kind->sale)
        good &= judge(moves, line, COLUMNS, &fields[COLUMNS],
                      check_channel(moves->channels, &fields[COLUMNS]));
    for (size_t i = 0; moves->kind->option[i].name != NULL; i++)
        good &= judge(moves, line, option + i, &fields[option + i],
                      check_option(&moves->kind->option[i], &fields[option + i]));
    if (!good || !moves->kind->sets)
        return good;
    size_t first = import_first_line(moves->seen, line, sku, location);
    if (first != line)
        bad_rows_add(&moves->import.bad, line, "sku", "'%s' at %s is already on line %zu",
                     sku->text, location->text, first);
    return first == line;
}

static void pack_options(const struct move_kind *kind, const struct csv_field *options,
                         stockd_pack *pack)
{
    size_t given = 0;
    int64_t ms;

    for (size_t i = 0; kind->option[i].name != NULL; i++)
        given += options[i].len > 0;
    stockd_pack_map(pack, given);
    for (size_t i = 0; kind->option[i].name != NULL; i++) {
        if (options[i].len == 0)
            continue;
        stockd_pack_str(pack, kind->option[i].name);
        if (!kind->option[i].time)
            stockd_pack_str_n(pack, options[i].text, options[i].len);
        else if (check_moment(&options[i], &ms) == NULL)
            stockd_pack_i64(pack, ms);
    }
}

/* sku, location, qty */
static void pack_move(const struct csv_field *fields, int64_t number, stockd_pack *pack)
{
    stockd_pack_str_n(pack, fields[COLUMN_SKU].text, fields[COLUMN_SKU].len);
    stockd_pack_str_n(pack, fields[COLUMN_LOCATION].text, fields[COLUMN_LOCATION].len);
    stockd_pack_i64(pack, number);
}

/* channel, location, [[sku, qty]] */
static void pack_sale(const struct csv_field *fields, int64_t number, stockd_pack *pack)
{
    stockd_pack_str_n(pack, fields[COLUMNS].text, fields[COLUMNS].len);
    stockd_pack_str_n(pack, fields[COLUMN_LOCATION].text, fields[COLUMN_LOCATION].len);
    stockd_pack_array(pack, 1);
    stockd_pack_array(pack, 2);
    stockd_pack_str_n(pack, fields[COLUMN_SKU].text, fields[COLUMN_SKU].len);
    stockd_pack_i64(pack, number);
}

/* All but the id, which is only known once the whole file was read. */
static void read_row(void *context, size_t line, const struct csv_field *fields)
{
    struct moves *moves = context;
    stockd_pack *pack = &moves->rows.pack;
    int64_t number = 0;

    if (!check_row(moves, line, fields, &number)) {
        moves->import.skipped++;
        return;
    }
    import_rows_add(&moves->rows, line);
    if (moves->kind->sale)
        pack_sale(fields, number, pack);
    else
        pack_move(fields, number, pack);
    pack_options(moves->kind, fields + first_option(moves->kind), pack);
}

static void read_bad(void *context, size_t line, const char *column, const char *problem)
{
    struct moves *moves = context;
    import_bad_row(&moves->import, line, column, problem);
}

/* ---- sending --------------------------------------------------------------------------------- */

static const char *pack_request(void *context, size_t number, stockd_pack *params)
{
    const struct moves *moves = context;
    char id[STOCKD_ID_MAX + 1];

    import_id(id, moves->kind->letter, moves->reader.hash, moves->rows.row[number].line);
    stockd_pack_array(params, 5);
    stockd_pack_str(params, id);
    stockd_pack_value(params, import_rows_at(&moves->rows, number));
    return moves->kind->method;
}

static size_t line_of(const void *context, size_t number)
{
    const struct moves *moves = context;
    return moves->rows.row[number].line;
}

static int read_and_send(struct moves *moves, const struct args *args)
{
    struct import *import = &moves->import;
    int failed = lookup_listing(import->ctl, "locations", moves->locations, &import->lsn);

    if (failed == CTL_DONE && moves->kind->sale)
        failed = lookup_listing(import->ctl, "channels", moves->channels, NULL);
    if (failed == CTL_DONE)
        failed = import_read(import, args, &moves->reader);
    if (failed != CTL_DONE)
        return failed;
    import_mix_batch(moves->reader.hash, args_option(args, "batch"));
    import->count = moves->rows.count;
    return import_send(import);
}

static int import_moves(struct ctl *ctl, const struct args *args, const struct move_kind *kind,
                        const struct import_words *words)
{
    const char *columns[COLUMNS + 1 + OPTIONS_MAX + 1] = { "sku", "location", kind->number,
                                                           "channel" };
    struct moves moves = { .kind = kind };

    columns[first_option(kind)] = NULL;
    for (size_t i = 0; kind->option[i].name != NULL; i++)
        columns[first_option(kind) + i] = kind->option[i].name;
    moves.import = (struct import){ .ctl = ctl,
                                    .path = args->positional[0],
                                    .words = words,
                                    .pack = pack_request,
                                    .line = line_of,
                                    .context = &moves };
    moves.reader = (struct csv_reader){ .columns = columns,
                                        .required = first_option(kind),
                                        .texts = 1 << COLUMN_SKU,
                                        .row = read_row,
                                        .bad = read_bad,
                                        .context = &moves };
    moves.locations = lookup_new();
    moves.channels = lookup_new();
    moves.seen = lookup_new();
    import_rows_init(&moves.rows);
    int failed = read_and_send(&moves, args);
    import_rows_free(&moves.rows);
    import_free(&moves.import);
    lookup_free(moves.locations);
    lookup_free(moves.channels);
    lookup_free(moves.seen);
    return failed;
}

int run_import_stock(struct ctl *ctl, const struct args *args)
{
    static const struct move_kind kind = {
        .method = "count", .letter = 'i', .number = "on_hand", .sets = true
    };
    return import_moves(ctl, args, &kind, &set_words);
}

int run_import_receive(struct ctl *ctl, const struct args *args)
{
    static const struct move_kind kind = { .method = "receive",
                                           .letter = 'r',
                                           .number = "qty",
                                           .least = 1,
                                           .option = { { "ref", false } } };
    return import_moves(ctl, args, &kind, &booked_words);
}

int run_import_count(struct ctl *ctl, const struct args *args)
{
    static const struct move_kind kind = {
        .method = "count",
        .letter = 'c',
        .number = "qty",
        .sets = true,
        .option = { { "as_of", true }, { "ref", false } },
    };
    return import_moves(ctl, args, &kind, &booked_words);
}

int run_import_adjust(struct ctl *ctl, const struct args *args)
{
    static const struct move_kind kind = {
        .method = "adjust",
        .letter = 'a',
        .number = "qty",
        .least = -CTL_QUANTITY_MAX,
        .option = { { "reason", false }, { "ref", false } },
    };
    return import_moves(ctl, args, &kind, &booked_words);
}

int run_import_sold(struct ctl *ctl, const struct args *args)
{
    static const struct move_kind kind = {
        .method = "sold",
        .letter = 's',
        .number = "qty",
        .least = 1,
        .sale = true,
        .option = { { "at_ms", true }, { "ref", false } },
    };
    return import_moves(ctl, args, &kind, &booked_words);
}
