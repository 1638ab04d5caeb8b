/* SPDX-License-Identifier: Apache-2.0 */
/* import.c - reading a file whole, sending what it asks for, and telling what became of it. */
#include "tools/stockctl/import.h"
#include "tools/stockctl/output.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#define REFUSALS_KEPT 1000 /* nobody corrects more by hand */
#define REFUSALS_SHOWN 20

/* ---- ids -------------------------------------------------------------------------------------
 */

/* 22 characters hold 128 bits; an id has room for a line of up to 16 digits beside them. */
void import_id(char *out, char letter, const uint64_t hash[2], size_t line)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.";
    char text[23];

    for (size_t i = 0; i < 11; i++) {
        text[i] = digits[hash[0] >> (6 * i) & 63];
        text[11 + i] = digits[hash[1] >> (6 * i) & 63];
    }
    text[22] = '\0';
    snprintf(out, STOCKD_ID_MAX + 1, "%c%s-%zu", letter, text, line);
}

void import_mix_batch(uint64_t hash[2], const char *batch)
{
    if (batch == NULL)
        return;
    XXH128_hash_t mixed = XXH3_128bits_withSeed(batch, strlen(batch), hash[0]);
    hash[0] = mixed.high64;
    hash[1] ^= mixed.low64;
}

/* ---- rows ------------------------------------------------------------------------------------
 */

void import_rows_init(struct import_rows *rows)
{
    *rows = (struct import_rows){ .count = 0 };
    stockd_pack_init(&rows->pack, NULL, 0);
}

void import_rows_free(struct import_rows *rows)
{
    stockd_pack_free(&rows->pack);
    free(rows->row);
}

void import_rows_add(struct import_rows *rows, size_t line)
{
    if (rows->count == rows->capacity) {
        rows->capacity = rows->capacity > 0 ? rows->capacity * 2 : 1024;
        rows->row = must_grow(rows->row, rows->capacity, sizeof(*rows->row));
    }
    rows->row[rows->count++] = (struct import_row){ .at = rows->pack.len, .line = line };
}

stockd_value import_rows_at(const struct import_rows *rows, size_t number)
{
    size_t at = rows->row[number].at;
    size_t end = number + 1 < rows->count ? rows->row[number + 1].at : rows->pack.len;

    return (stockd_value){ rows->pack.data + at, end - at };
}

size_t import_first_line(struct lookup *seen, size_t line, const struct csv_field *key,
                         const struct csv_field *location)
{
    char whole[STOCKD_SKU_MAX + 1 + STOCKD_CODE_MAX]; /* "SKU NUL LOCATION" */
    size_t len = key->len;

    assert(key->len <= STOCKD_SKU_MAX);
    memcpy(whole, key->text, key->len);
    if (location != NULL) {
        assert(location->len <= STOCKD_CODE_MAX);
        whole[len++] = '\0';
        memcpy(whole + len, location->text, location->len);
        len += location->len;
    }
    return lookup_add(seen, whole, len, line);
}

/* ---- reading ---------------------------------------------------------------------------------
 */

void import_bad_row(void *context, size_t line, const char *column, const char *problem)
{
    struct import *import = context;

    bad_rows_add(&import->bad, line, column, "%s", problem);
    import->skipped++;
}

int import_read(struct import *import, const struct args *args, struct csv_reader *reader)
{
    import->start_ms = clock_ms();
    int failed = csv_read(import->ctl, import->path, reader);
    if (failed != CTL_DONE || import->bad.count == 0)
        return failed;
    bool skip = args_option(args, "skip-bad") != NULL && import->unskippable == NULL;
    const char *outcome = import->unskippable != NULL
                              ? import->unskippable
                              : "nothing was applied; --skip-bad skips such rows";
    bad_rows_report(&import->bad, import->ctl, import->path, skip ? NULL : outcome);
    return skip ? CTL_DONE : CTL_USAGE;
}

/* ---- sending ---------------------------------------------------------------------------------
 */

static bool take_refusal(struct import *import, size_t number, const stockd_reply *reply)
{
    size_t line = import->line(import->context, number);

    import->refused++;
    if (ctl_is_fatal(reply->code)) {
        if (import->failed == CTL_DONE) {
            fprintf(stderr, "stockctl: %s: line %zu: refused by the engine\n", import->path, line);
            import->failed = ctl_refused(import->ctl, reply);
        }
        return false;
    }
    if (import->refusal.count < REFUSALS_KEPT)
        bad_rows_add(&import->refusal, line, reply->code, "%s", reply->message);
    return true;
}

static bool take_reply(void *context, size_t number, const stockd_reply *reply)
{
    struct import *import = context;
    uint64_t lsn = UINT64_MAX;

    if (reply->code != NULL)
        return take_refusal(import, number, reply);
    stockd_map_u64(reply->result, "lsn", &lsn);
    if (lsn <= import->lsn)
        import->repeated++;
    else
        import->applied++;
    return true;
}

static const char *pack_request(void *context, size_t number, stockd_pack *params)
{
    const struct import *import = context;
    return import->pack(import->context, number, params);
}

static json_t *figures(const struct import *import, double seconds)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:f}", import->words->total,
                     (json_int_t)import->count, "applied", (json_int_t)import->applied,
                     import->words->known, (json_int_t)import->repeated, "refused",
                     (json_int_t)import->refused, "skipped", (json_int_t)import->skipped, "seconds",
                     seconds);
}

static void report_refusals(const struct import *import)
{
    size_t known = import->refusal.count;
    size_t shown = known < REFUSALS_SHOWN ? known : REFUSALS_SHOWN;

    for (size_t i = 0; i < shown; i++) {
        const struct bad_row *row = &import->refusal.row[i];
        fprintf(stderr, "stockctl: %s: line %zu: %s: %s\n", import->path, row->line, row->column,
                row->problem);
    }
    if (shown < import->refused)
        fprintf(stderr, "stockctl: %s: and %zu more\n", import->path, import->refused - shown);
}

/* With refusals the figures are the details of an error. */
static void report_json(const struct import *import, double seconds)
{
    json_t *details = figures(import, seconds);
    json_t *rows = json_array();
    char message[64];

    if (import->within != NULL) {
        json_object_set_new(import->within, "booked", details);
        details = import->within;
    }
    if (import->refused == 0 || !output_errors_in_json(import->ctl)) {
        json_decref(rows);
        show_json_value(details);
        report_refusals(import);
        return;
    }
    for (size_t i = 0; i < import->refusal.count; i++) {
        const struct bad_row *row = &import->refusal.row[i];
        json_array_append_new(rows, json_pack("{s:I, s:s, s:s}", "line", (json_int_t)row->line,
                                              "code", row->column, "message", row->problem));
    }
    json_object_set_new(details, "file", json_string(import->path));
    json_object_set_new(details, "refusals", rows);
    snprintf(message, sizeof(message), "%zu of %zu %s were refused", import->refused, import->count,
             import->words->things);
    show_json_value(json_pack("{s:{s:s, s:s, s:o}}", "error", "code", "refused_rows", "message",
                              message, "details", details));
}

static void summary(const struct import *import, double seconds)
{
    const struct import_words *words = import->words;

    if (import->ctl->json) {
        report_json(import, seconds);
        return;
    }
    printf("%zu %s %s in %.2f s", import->applied, words->things, words->done, seconds);
    if (import->repeated > 0)
        printf(", %zu %s", import->repeated, words->before);
    if (import->refused > 0)
        printf(", %zu refused", import->refused);
    if (import->skipped > 0)
        printf(", %zu %s", import->skipped, words->bad);
    putchar('\n');
    if (import->repeated > 0 && words->again != NULL)
        puts(words->again);
    report_refusals(import);
}

int import_send(struct import *import)
{
    const struct pipeline plan = {
        .count = import->count,
        .window = import->window,
        .pack = pack_request,
        .done = take_reply,
        .context = import,
        .label = "import",
    };
    int failed = pipeline_run(import->ctl, &plan);

    if (failed == CTL_DONE)
        failed = import->failed;
    if (failed != CTL_DONE) {
        fprintf(stderr,
                "stockctl: %s: stopped after %zu of %zu %s; %srun the same command to continue\n",
                import->path, import->applied + import->repeated, import->count,
                import->words->total,
                import->failed != CTL_DONE ? "remove the cause of the refusal, then " : "");
        json_decref(import->within);
        return failed;
    }
    summary(import, (double)(clock_ms() - import->start_ms) / 1000);
    return import->refused > 0 ? CTL_REFUSED : CTL_DONE;
}

void import_free(struct import *import)
{
    bad_rows_free(&import->bad);
    bad_rows_free(&import->refusal);
}
