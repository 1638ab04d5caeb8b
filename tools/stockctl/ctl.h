/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl.h - what the files of stockctl share.
 *
 * A command is one row of a table: its name, help, options and function. The options of a command
 * are a table too, which serves the parser, --help and the packing of the request's option map.
 * Functions that can fail return an exit code and have already reported what went wrong.
 */
#ifndef STOCKCTL_CTL_H
#define STOCKCTL_CTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

#include <stockd/client.h>

/* Exit codes; scripts depend on them. */
enum ctl_exit {
    CTL_DONE = 0,
    CTL_REFUSED = 1,     /* the engine said no */
    CTL_USAGE = 2,       /* the command line, or a file it names, is wrong */
    CTL_UNREACHABLE = 3, /* unreachable, or no reply */
};

#define CTL_DEFAULT_SERVER "127.0.0.1:7421"
#define CTL_NAME_MAX 128            /* bytes of the caller's name */
#define CTL_QUANTITY_MAX 268435455  /* the most that one pool can hold */
#define CTL_HORIZON_MAX_S 315360000 /* ten years: how far ahead a channel may promise supply */

/* How an answer is printed. */
enum output {
    OUTPUT_DEFAULT, /* the command's own: mostly a table */
    OUTPUT_TABLE,
    OUTPUT_JSON,
    OUTPUT_CSV,
    OUTPUT_NDJSON, /* one JSON object a line */
};

struct args;

struct ctl {
    const char *server;                         /* an address, or several: "A,B,C" */
    char *name;                                 /* the caller's name, for the history */
    const char *ca_file, *cert_file, *key_file; /* for tls://; NULL: none */
    const char *token_file;                     /* NULL: none */
    enum output output;
    bool json;              /* the answer is made as JSON; output.h writes it as `output` says */
    bool quiet;             /* no progress bars: other programs write to the terminal too */
    bool patient;           /* calls have no time-out */
    bool commands_on_stdin; /* so "-" cannot be a file */
    stockd_client *client;  /* NULL until the first call */
    struct ctl *kept;       /* the shell's: it lends its connection to who wants the same one */
    int (*run_apart)(struct ctl *ctl, const struct args *args); /* NULL: as any other command */
    stockd_notify_fn *notify; /* for `client`; NULL: notifications are dropped */
    void *notify_context;
};

/* How the text of an option becomes a protocol value. */
enum option_type {
    OPTION_TEXT,
    OPTION_INT,     /* any whole number */
    OPTION_COUNT,   /* a whole number >= 0 */
    OPTION_REAL,    /* degrees and the like */
    OPTION_BOOL,    /* yes or no */
    OPTION_LIST,    /* a,b,c */
    OPTION_SECONDS, /* a duration, sent in seconds */
    OPTION_MILLIS,  /* a duration, sent in milliseconds */
    OPTION_TIME,    /* a point in time, sent in milliseconds since the epoch */
    OPTION_FLAG,    /* takes no value; sent as true */
    OPTION_UNFLAG,  /* takes no value; sent as false */
    /* Opening hours and the like, see hours.h. */
    OPTION_WEEK,
    OPTION_DISPATCH,
    OPTION_EXTRA,
    OPTION_DATES,
};

struct option {
    const char *name;  /* without the dashes; NULL ends a table */
    const char *value; /* what the help calls its value; NULL for a flag */
    const char *help;  /* NULL: accepted but not shown, as it has no effect yet */
    const char *key;   /* its key in the request's option map; NULL: not sent as an option */
    enum option_type type;
};

/* Of a question: a standby answers once it has come to that LSN. */
#define OPTION_MIN_LSN                                                                             \
    {                                                                                              \
        "min-lsn", "LSN", "wait, for 2 s at most, until the node has come to there", "min_lsn",    \
            OPTION_COUNT                                                                           \
    }

struct command {
    const char *name; /* one word, or two: "import stock"; NULL ends a table */
    const char *summary;
    const char *usage;   /* what follows the name */
    const char *details; /* more lines of help, or NULL */
    const char *example;
    const struct option *options; /* or NULL */
    const char *letters;          /* short forms of the first options, in order: "dn"; or NULL */
    size_t least;                 /* positional arguments */
    size_t most;
    /* For output.h: the answer is a list, or has one, under this key; then the fields of an entry,
     * as in "changes: channel sku available lsn". */
    const char *list;
    const char *lines;
    const char *formats; /* those it has, its default first; NULL: "table json csv ndjson" */
    bool writes_csv;     /* by itself, not from JSON */
    bool apart;          /* it may take long: the shell runs it in a process of its own */
    int (*run)(struct ctl *ctl, const struct args *args);
};

/* The commands by theme; each table is in the file of its functions. */
extern const struct command server_commands[];
extern const struct command catalogue_commands[];
extern const struct command place_commands[];
extern const struct command stock_commands[];
extern const struct command supply_commands[];
extern const struct command history_commands[];
extern const struct command report_commands[];
extern const struct command where_commands[];
extern const struct command order_commands[];
extern const struct command orders_commands[];
extern const struct command feed_commands[];
extern const struct command bulk_commands[];
extern const struct command mirror_commands[];
extern const struct command token_commands[];

/* ---- args.c: the command line ------------------------------------------------------------ */

struct args {
    const struct command *command;
    const char **positional;
    size_t count;
    const char **given; /* by the option's index in the table: its text, or NULL */
    bool help;
    bool version;
};

/* argv holds what follows the command's name. Global options are accepted here too. */
int args_parse(struct args *args, struct ctl *ctl, const struct command *command, size_t argc,
               char *const *argv);
void args_free(struct args *args);

/* The short form of the option of that index; NUL: it has none. */
char command_letter(const struct command *command, size_t option);

/*
 * Takes a global option at argv[*at] with its value, and moves *at to the last word taken. True if
 * the word was one; *problem then says what is wrong with it, or is NULL.
 */
bool args_global(struct ctl *ctl, size_t argc, char *const *argv, size_t *at, const char **problem);

/* The text given for an option, "" for a flag that was given, NULL if it was not. */
const char *args_option(const struct args *args, const char *name);

/* "stockctl: COMMAND: ..." on stderr; returns CTL_USAGE. */
int usage_error(const struct args *args, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Packs a list of texts: "a,b,c". */
void pack_list(stockd_pack *pack, const char *text);

/* Packs the map of all options with a key that were given. */
int args_pack_options(const struct args *args, stockd_pack *pack);
/* The same without the map's head. */
int args_pack_pairs(const struct args *args, stockd_pack *pack);
size_t args_option_count(const struct args *args);

/* Reads a positional whole number, or an option's; name is for the message. */
int args_int(const struct args *args, const char *name, const char *text, int64_t least,
             int64_t most, int64_t *out);

/* A line of an order as people write it: SKU, SKU:QTY or SKU:QTY@LOCATION. */
struct order_line {
    const char *sku;
    size_t sku_len;
    int64_t qty;
    const char *location; /* NULL: the engine chooses */
};

int args_order_line(const struct args *args, const char *text, struct order_line *out);

/* cmd_order.c. Packs [[sku, qty, location?], ...] from the positional ones, from `first` on. */
int pack_lines(const struct args *args, size_t first, bool with_location, stockd_pack *pack);

/* Options of reserve and promise: where the buyer is, and what may serve him. */
#define ORDER_TERMS                                                                                \
    { "mode", "ship|pickup", "shipped (the default), or collected at --at", "mode", OPTION_TEXT }, \
        { "at", "LOCATION", "take everything from there (click and collect)", "at", OPTION_TEXT }, \
        { "supply", "any", "with pickup at --at: what is not there is sent there", "supply",       \
          OPTION_TEXT },                                                                           \
        { "lat", "DEGREES", "where the buyer is: north is positive", "lat", OPTION_REAL },         \
        { "lon", "DEGREES", "east is positive", "lon", OPTION_REAL },                              \
        { "by", "TIME", "only what is ready by then: 2026-12-01T14:00, or +2d", "by_ms",           \
          OPTION_TIME },                                                                           \
    {                                                                                              \
        "exclude", "CODE,...", "nothing from these locations", "exclude", OPTION_LIST              \
    }

/* ---- nearest.c: mistyped names ------------------------------------------------------------- */

struct nearest {
    const char *typed;
    const char *name; /* the most similar one so far; NULL: none is similar */
    size_t len;
    size_t away;
};

void nearest_try(struct nearest *nearest, const char *name, size_t len);

/* ---- parse.c: small texts, no messages ---------------------------------------------------- */

bool parse_int(const char *text, int64_t *out);
bool parse_duration(const char *text, int64_t *ms); /* 500ms 90s 15m 2h 1d */
/* ISO 8601, milliseconds since the epoch, or +2d: so long from now. */
bool parse_time(const char *text, int64_t *ms);
bool parse_bool(const char *text, bool *out);
bool parse_real(const char *text, double *out);

/* ---- text.c: UTF-8 ------------------------------------------------------------------------ */

bool bytes_are_utf8(const char *bytes, size_t len);

/* Columns on a terminal. */
size_t text_width(const char *text);

/* A copy, to be freed, of at most that many columns: a longer text ends in an ellipsis. */
char *text_cut(const char *text, size_t columns);

/* The text, then spaces up to that many columns. */
void text_pad(FILE *out, const char *text, size_t columns);

/* A copy with control characters and broken UTF-8 replaced, to be freed; never NULL. */
char *text_clean(const char *bytes, size_t len);

/* 2025-03-01T14:05:00+01:00; a size of 32 is enough. */
void text_time(int64_t ms, char *out, size_t size);

/* "14m 59s": roughly how long; a size of 32 is enough. */
void text_duration(int64_t ms, char *out, size_t size);

/* printf into new memory; exits if there is none. */
char *text_copy(const char *bytes, size_t len); /* with a NUL behind them */
char *text_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

void *must_alloc(size_t count, size_t size); /* zeroed */
void *must_grow(void *memory, size_t count, size_t size);

/* ---- table.c ------------------------------------------------------------------------------ */

struct table;

/* titles: one character of alignment, '<' or '>', then the title; until NULL. */
struct table *table_new(const char *const *titles);
struct table *table_untitled(const char *const *titles); /* only their alignment is used */
void table_add(struct table *table, const char *text);   /* cell after cell, row after row */
void table_add_format(struct table *table, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void table_print(struct table *table, FILE *out, const char *indent); /* and frees it */
void table_free(struct table *table);                                 /* NULL is fine */

/* ---- call.c: talking to the engine --------------------------------------------------------- */

/* The caller's name by default: "USER@stockctl". To be freed. */
char *ctl_default_name(void);

/* Connects unless connected. */
int ctl_connect(struct ctl *ctl);
/* For a further connection. */
stockd_options ctl_options(const struct ctl *ctl);

/* One request. On CTL_DONE the reply is valid until the next use of the client. */
int ctl_call(struct ctl *ctl, const char *method, const stockd_pack *params, unsigned flags,
             stockd_reply *reply);

int ctl_refused(struct ctl *ctl, const stockd_reply *reply); /* prints the refusal; CTL_REFUSED */
int ctl_failed(struct ctl *ctl, int status); /* prints the failure; CTL_UNREACHABLE */

/* Whether a refusal concerns the engine and not the request: it makes no sense to continue. */
bool ctl_is_fatal(const char *code);

/* -s names more than one node. */
bool ctl_has_several(const struct ctl *ctl);

/* The same for another client of this engine. */
int ctl_lost(const struct ctl *ctl, const stockd_client *client, int status);

/* Says "stockctl: MESSAGE", or with --json {"error":{"code":CODE,...}}; returns exit_code. */
int ctl_error(const struct ctl *ctl, int exit_code, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The --id given, or a new one. out has room for STOCKD_ID_MAX + 1. */
int ctl_take_id(const struct args *args, char *out);
/* Likewise --op: a partial step must carry an id of its own, or a repetition would do it twice. */
int ctl_take_op(const struct args *args, char *out);

/* The first value of a map that is an array: the list of a listing. */
bool reply_list(stockd_value result, stockd_value *list);

/* ---- show.c, show_text.c, show_json.c: results for people and for programs ----------------- */

json_t *json_from_value(stockd_value value);
/* output.c. Prints an answer in the format that was asked for, and frees it. */
void show_json_value(json_t *json);

/* The result as JSON; id, if not NULL, is added to it. */
void show_json(stockd_value result, const char *id);
/* An event on one line (show_event.c). */
void show_event(stockd_value event);

/* The scalars of a map as aligned "key  value" lines, nested maps as "key.key". */
void show_map(stockd_value map, const char *id);

/* A result as text, or as JSON with --json. */
void show_result(const struct ctl *ctl, stockd_value result, const char *id);

/* An array of maps (or of arrays, whose elements are named by the columns' order). */
struct column {
    const char *key;
    /* As for table_new; with a "?" before it, the column is shown only if a record has more than
     * nil, no, 0 or nothing there. */
    const char *title;
};
void show_records(stockd_value list, const struct column *columns, size_t count, const char *indent,
                  FILE *out);
/* The list of that key as a table, after an empty line; nothing if it is absent or empty. */
void show_list(stockd_value result, const char *key, const struct column *columns, size_t count);
/* What an order did not get: its `missing`. */
void show_missing(stockd_value result);

/* One value in a cell; key says whether a number is a time. To be freed. */
char *show_text(const char *key, stockd_value value);

/* ---- csv_file.c ----------------------------------------------------------------------------- */

struct csv_field {
    const char *text; /* ends with a NUL and holds no other; valid during the callback */
    size_t len;
};

/* What a reader of rows wants. It names columns; fields come in the order of those names. */
struct csv_reader {
    const char *const *columns; /* NULL ends them */
    size_t required;            /* the first of them, which must be in the header */
    uint32_t texts;             /* a bit for each whose fields are read by their length: they may
                                   contain any character, NUL too */
    void (*row)(void *context, size_t line, const struct csv_field *fields);
    void (*bad)(void *context, size_t line, const char *column, const char *problem);
    void *context;
    const bool *present; /* by wanted column: the header has it; during the callbacks only */
    uint64_t hash[2];    /* of all the bytes read */
};

/* "-" is standard input. An absent optional column gives fields of length 0. */
int csv_read(const struct ctl *ctl, const char *path, struct csv_reader *reader);

/* csv_put.c. Writes a field, in quotes if it needs them; on a terminal without control characters.
 */
void csv_put(FILE *out, const char *text, size_t len);

/* Bad rows by line: kept, then reported in order. */
struct bad_row {
    size_t line;
    char *column;
    char *problem;
};

struct bad_rows {
    struct bad_row *row;
    size_t count;
    size_t capacity;
};

void bad_rows_add(struct bad_rows *bad, size_t line, const char *column, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Reports them on stderr (and in JSON with --json). */
void bad_rows_report(struct bad_rows *bad, const struct ctl *ctl, const char *path,
                     const char *outcome);
void bad_rows_free(struct bad_rows *bad);

/* ---- lookup.c: strings to numbers ------------------------------------------------------------ */

struct lookup;

struct lookup *lookup_new(void);
void lookup_free(struct lookup *lookup);

/* Adds the key with the value unless it exists; returns the value that it then has. */
size_t lookup_add(struct lookup *lookup, const char *key, size_t len, size_t value);
bool lookup_find(const struct lookup *lookup, const char *key, size_t len, size_t *value);
size_t lookup_count(const struct lookup *lookup);
/* Copies of the keys, to be freed, each at the index of its value; values are below the count. */
void lookup_each(const struct lookup *lookup, char **keys);

/* ---- bad_rows.c: checks of cells ---------------------------------------------------------------
 */

/* NULL, or what is wrong with it. */
const char *check_sku(const char *sku, size_t len);
const char *check_quantity(const char *text, int64_t least, int64_t most, int64_t *out);
const char *check_known(const struct lookup *locations, const struct csv_field *location);
const char *check_label(const struct csv_field *label); /* a ref or a reason */
/* A point in time; *ms is 0 if the cell is empty. */
const char *check_moment(const struct csv_field *moment, int64_t *ms);

/* ---- listing.c: `locations` and `channels` ----------------------------------------------------
 */

typedef void listing_fn(void *context, const char *code, size_t len, stockd_value record);

/* Each entry of the listing; lsn may be NULL. The record is valid during the callback. */
int listing_each(struct ctl *ctl, const char *method, uint64_t *lsn, listing_fn *each,
                 void *context);

/* Their codes, numbered from 0. */
int lookup_listing(struct ctl *ctl, const char *method, struct lookup *codes, uint64_t *lsn);

/* ---- progress.c ----------------------------------------------------------------------------- */

struct progress {
    const char *label;
    size_t total;
    uint64_t next_ms; /* when to draw again; 0: never, it is not a terminal */
};

void progress_start(struct progress *progress, const char *label, size_t total);
void progress_show(struct progress *progress, size_t done);
void progress_clear(const struct progress *progress); /* before other output, and at the end */
uint64_t clock_ms(void);                              /* monotonic */

/* ---- pipeline.c: many independent requests at once --------------------------------------------
 */

/*
 * Sends requests 0..count-1, each when there is room, and hands over each response once. Requests
 * in flight when the connection was lost are sent again, to another node if -s names several: all
 * must be idempotent. Those that were refused with `not_primary` go to the primary. pack writes the
 * parameters and returns the method. done returns false to stop: responses to what is in flight
 * are still awaited and handed over.
 */
struct pipeline {
    size_t count;
    size_t window; /* in flight at most; 0: a good default; 1: strictly in order */
    const char *(*pack)(void *context, size_t number, stockd_pack *params);
    bool (*done)(void *context, size_t number, const stockd_reply *reply);
    void *context;
    const char *label; /* of the progress bar, or NULL */
};

int pipeline_run(struct ctl *ctl, const struct pipeline *pipeline);

/* Tries to reconnect for so long. CTL_DONE or CTL_UNREACHABLE; prints nothing. */
int pipeline_reconnect(stockd_client *client, int64_t patience_ms);

/* ---- commands in files of their own -----------------------------------------------------------
 */

/* Packs the option map for stock as it was at an LSN or a time. */
int pack_at(const struct args *args, const char *text, stockd_pack *pack);

/* cmd_catalogue.c. METHOD [positional..., {options}] */
int run_set(struct ctl *ctl, const struct args *args, const char *method);
/* METHOD, and the list in its answer. */
int run_list(struct ctl *ctl, const char *method, const struct column *columns, size_t count);
/* Of that list, the record with the code that is the first argument; what: such as "location". */
int run_one(struct ctl *ctl, const struct args *args, const char *method, const char *what);

int run_watch(struct ctl *ctl, const struct args *args);
int run_backup(struct ctl *ctl, const struct args *args);
int run_doctor(struct ctl *ctl, const struct args *args);
extern const struct option doctor_options[];
int run_top(struct ctl *ctl, const struct args *args);
extern const struct option top_options[];
int run_item_show(struct ctl *ctl, const struct args *args);
int run_lookup(struct ctl *ctl, const struct args *args);
int run_item_list(struct ctl *ctl, const struct args *args);
int run_import_stock(struct ctl *ctl, const struct args *args);
int run_import_receive(struct ctl *ctl, const struct args *args);
int run_import_count(struct ctl *ctl, const struct args *args);
int run_import_adjust(struct ctl *ctl, const struct args *args);
int run_import_sold(struct ctl *ctl, const struct args *args);
int run_export_stock(struct ctl *ctl, const struct args *args);
int run_reconcile(struct ctl *ctl, const struct args *args);
int run_replay(struct ctl *ctl, const struct args *args);
int run_demo(struct ctl *ctl, const struct args *args);
/* Places that many orders of the demo each second, up to a total; 0: forever. */
int run_trickle(struct ctl *ctl, uint64_t rate, uint64_t orders);

#endif
