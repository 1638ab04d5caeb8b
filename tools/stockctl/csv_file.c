/* SPDX-License-Identifier: Apache-2.0 */
/*
 * csv_file.c - rows of a CSV file, each with the line on which it begins.
 *
 * libcsv parses; it does not count lines, and a quoted field may span several. So it is fed one
 * physical line at a time: a record begins on the line that is fed while no quoted field is open.
 */
#include "tools/stockctl/ctl.h"

#include <assert.h>
#include <csv.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#define WANTED_MAX 16
#define CHUNK 65536
#define UNWANTED WANTED_MAX

struct buffer {
    char *text;
    size_t len;
    size_t capacity;
};

struct parse {
    const struct ctl *ctl;
    const char *path;
    struct csv_reader *reader;
    struct csv_parser csv;
    size_t line;        /* the physical line being fed, from 1 */
    size_t record_line; /* where the current record began */
    size_t field;       /* fields of the current record so far */
    size_t *want;       /* by column of the file: its index in reader->columns, or UNWANTED */
    size_t columns;     /* of the header */
    bool header_done;
    bool after_return; /* the last byte was '\r': a '\n' now ends no second line */
    bool skip_line;    /* after an error, up to the end of its line */
    int failed;        /* an exit code: the whole file is refused */
    size_t wanted;     /* columns the reader asks for */
    struct buffer value[WANTED_MAX];
    bool present[WANTED_MAX]; /* in the header */
};

static void keep(struct buffer *buffer, const char *text, size_t len)
{
    if (len + 1 > buffer->capacity) {
        buffer->capacity = (len + 1) * 2;
        buffer->text = must_grow(buffer->text, buffer->capacity, 1);
    }
    if (len > 0)
        memcpy(buffer->text, text, len);
    buffer->text[len] = '\0';
    buffer->len = len;
}

static void header_field(struct parse *parse, const char *text)
{
    size_t place = 0;

    if (parse->columns == 0 && strncmp(text, "\xef\xbb\xbf", 3) == 0)
        text += 3; /* the byte order mark that spreadsheets write */
    while (place < parse->wanted && strcasecmp(text, parse->reader->columns[place]) != 0)
        place++;
    if (place == parse->wanted) {
        place = UNWANTED;
    } else if (parse->present[place]) {
        parse->failed = ctl_error(parse->ctl, CTL_USAGE, "bad_file", "%s: line %zu: two columns %s",
                                  parse->path, parse->record_line, text);
    } else {
        parse->present[place] = true;
    }
    parse->want = must_grow(parse->want, parse->columns + 1, sizeof(*parse->want));
    parse->want[parse->columns++] = place;
}

static void on_field(void *bytes, size_t len, void *context)
{
    struct parse *parse = context;
    const char *text = bytes != NULL ? bytes : "";

    if (!parse->header_done)
        header_field(parse, text);
    else if (parse->field < parse->columns && parse->want[parse->field] != UNWANTED)
        keep(&parse->value[parse->want[parse->field]], text, len);
    parse->field++;
}

static void check_header(struct parse *parse)
{
    parse->header_done = true;
    for (size_t i = 0; i < parse->reader->required && parse->failed == CTL_DONE; i++)
        if (!parse->present[i])
            parse->failed = ctl_error(parse->ctl, CTL_USAGE, "bad_file",
                                      "%s: line %zu: the header has no column %s", parse->path,
                                      parse->record_line, parse->reader->columns[i]);
}

/* The name of a column of the file if the reader wants it; else its number. */
static void bad_column(const struct parse *parse, size_t column, const char *problem)
{
    char number[24];
    const char *name = number;

    snprintf(number, sizeof(number), "%zu", column + 1);
    if (parse->header_done && column < parse->columns && parse->want[column] != UNWANTED)
        name = parse->reader->columns[parse->want[column]];
    parse->reader->bad(parse->reader->context, parse->record_line, name, problem);
}

static bool fields_fit(const struct parse *parse)
{
    if (parse->field > parse->columns) {
        bad_column(parse, parse->columns, "the row has more fields than the header");
        return false;
    }
    for (size_t column = parse->field; column < parse->columns; column++) {
        if (parse->want[column] >= parse->reader->required)
            continue;
        bad_column(parse, column, "is missing");
        return false;
    }
    for (size_t column = 0; column < parse->field; column++) {
        size_t place = parse->want[column];
        bool any = place == UNWANTED || (parse->reader->texts >> place & 1) != 0;
        if (any || strlen(parse->value[place].text) == parse->value[place].len)
            continue;
        bad_column(parse, column, "contains a NUL byte");
        return false;
    }
    return true;
}

static void clear_record(struct parse *parse)
{
    for (size_t i = 0; i < parse->wanted; i++)
        keep(&parse->value[i], "", 0);
    parse->field = 0;
}

static void on_row(int end, void *context)
{
    struct parse *parse = context;
    struct csv_field fields[WANTED_MAX];

    (void)end;
    if (!parse->header_done) {
        check_header(parse);
    } else if (fields_fit(parse)) {
        for (size_t i = 0; i < parse->wanted; i++)
            fields[i] = (struct csv_field){ parse->value[i].text, parse->value[i].len };
        parse->reader->row(parse->reader->context, parse->record_line, fields);
    }
    clear_record(parse);
}

static bool csv_start(struct parse *parse)
{
    clear_record(parse);
    return csv_init(&parse->csv, CSV_STRICT | CSV_STRICT_FINI | CSV_APPEND_NULL) == 0;
}

/* A misplaced quote. The record is lost; the next line begins a new one. */
static void on_bad_quote(struct parse *parse, const char *problem)
{
    if (!parse->header_done)
        parse->failed = ctl_error(parse->ctl, CTL_USAGE, "bad_file", "%s: line %zu: %s",
                                  parse->path, parse->record_line, problem);
    else
        bad_column(parse, parse->field, problem);
    csv_free(&parse->csv);
    if (!csv_start(parse))
        parse->failed = ctl_error(parse->ctl, CTL_USAGE, "memory", "out of memory");
    parse->skip_line = true;
}

/* Bytes of one physical line, with its end if it has one. */
static void feed(struct parse *parse, const char *bytes, size_t len)
{
    if (parse->skip_line)
        return;
    if (parse->csv.quoted == 0 && parse->field == 0 && parse->csv.entry_pos == 0)
        parse->record_line = parse->line;
    if (csv_parse(&parse->csv, bytes, len, on_field, on_row, parse) != len)
        on_bad_quote(parse, csv_error(&parse->csv) == CSV_EPARSE
                                ? "a quote inside a field: quote the field and double the quote"
                                : "the field is too long");
}

static void feed_chunk(struct parse *parse, const char *bytes, size_t len)
{
    while (len > 0 && parse->failed == CTL_DONE) {
        bool second_half = parse->after_return && bytes[0] == '\n';
        size_t part = 0;
        while (part < len && bytes[part] != '\n' && bytes[part] != '\r')
            part++;
        bool ended = part < len;
        part += ended;
        feed(parse, bytes, part);
        parse->after_return = ended && bytes[part - 1] == '\r';
        if (ended) {
            parse->line += !second_half;
            parse->skip_line = false;
        }
        bytes += part;
        len -= part;
    }
}

static void feed_file(struct parse *parse, FILE *file)
{
    static char chunk[CHUNK];
    XXH3_state_t *state = XXH3_createState();
    size_t len = 0;

    if (state == NULL || XXH3_128bits_reset(state) != XXH_OK) {
        XXH3_freeState(state);
        parse->failed = ctl_error(parse->ctl, CTL_USAGE, "memory", "out of memory");
        return;
    }
    while (parse->failed == CTL_DONE && (len = fread(chunk, 1, sizeof(chunk), file)) > 0) {
        XXH3_128bits_update(state, chunk, len);
        feed_chunk(parse, chunk, len);
    }
    XXH128_hash_t hash = XXH3_128bits_digest(state);
    parse->reader->hash[0] = hash.high64;
    parse->reader->hash[1] = hash.low64;
    XXH3_freeState(state);
    if (parse->failed == CTL_DONE && ferror(file))
        parse->failed =
            ctl_error(parse->ctl, CTL_USAGE, "bad_file", "%s: %s", parse->path, strerror(errno));
    if (parse->failed == CTL_DONE && csv_fini(&parse->csv, on_field, on_row, parse) != 0)
        on_bad_quote(parse, "a quote is never closed: it swallows the rest of the file");
    if (parse->failed == CTL_DONE && !parse->header_done)
        parse->failed =
            ctl_error(parse->ctl, CTL_USAGE, "bad_file", "%s: no header line", parse->path);
}

int csv_read(const struct ctl *ctl, const char *path, struct csv_reader *reader)
{
    struct parse parse = { .ctl = ctl, .path = path, .reader = reader, .line = 1 };
    bool standard_input = strcmp(path, "-") == 0;
    if (standard_input && ctl->commands_on_stdin)
        return ctl_error(ctl, CTL_USAGE, "usage",
                         "- cannot be the file: the commands come from standard input");
    FILE *file = standard_input ? stdin : fopen(path, "rb");

    if (file == NULL)
        return ctl_error(ctl, CTL_USAGE, "bad_file", "%s: %s", path, strerror(errno));
    while (reader->columns[parse.wanted] != NULL)
        parse.wanted++;
    assert(parse.wanted <= WANTED_MAX);
    reader->present = parse.present;
    if (csv_start(&parse)) {
        feed_file(&parse, file);
        csv_free(&parse.csv);
    } else {
        parse.failed = ctl_error(ctl, CTL_USAGE, "memory", "out of memory");
    }
    for (size_t i = 0; i < parse.wanted; i++)
        free(parse.value[i].text);
    free(parse.want);
    reader->present = NULL;
    if (!standard_input)
        fclose(file);
    return parse.failed;
}
