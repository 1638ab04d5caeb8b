/* SPDX-License-Identifier: Apache-2.0 */
/* output.c - an answer as data: the formats of --output. */
#include "tools/stockctl/output.h"

#include <stdlib.h>
#include <string.h>

static const char *const names[] = {
    [OUTPUT_DEFAULT] = "", [OUTPUT_TABLE] = "table",   [OUTPUT_JSON] = "json",
    [OUTPUT_CSV] = "csv",  [OUTPUT_NDJSON] = "ndjson",
};

#define FORMATS (sizeof(names) / sizeof(names[0]))

/* Of the command that runs: there is one at a time. */
static struct {
    enum output output;
    const struct command *command;
} now;

bool output_named(const char *name, enum output *output)
{
    for (size_t i = OUTPUT_TABLE; i < FORMATS; i++) {
        if (strcmp(names[i], name) != 0)
            continue;
        *output = (enum output)i;
        return true;
    }
    return false;
}

const char *output_name(enum output output)
{
    return names[output];
}

/* The first of the command's formats. */
static enum output default_of(const struct command *command)
{
    enum output output = OUTPUT_TABLE;
    char first[8];

    if (command->formats == NULL)
        return output;
    snprintf(first, sizeof(first), "%.*s", (int)strcspn(command->formats, " "), command->formats);
    (void)output_named(first, &output);
    return output;
}

bool output_possible(const struct command *command, enum output output)
{
    const char *name = names[output];
    size_t len = strlen(name);

    if (command->formats == NULL || output == OUTPUT_DEFAULT)
        return true;
    for (const char *at = command->formats; *at != '\0'; at += strspn(at, " ")) {
        size_t own = strcspn(at, " ");
        if (own == len && memcmp(at, name, len) == 0)
            return true;
        at += own;
    }
    return false;
}

void output_begin(struct ctl *ctl, const struct command *command)
{
    if (ctl->output == OUTPUT_DEFAULT)
        ctl->output = default_of(command);
    ctl->json = ctl->output == OUTPUT_JSON || ctl->output == OUTPUT_NDJSON ||
                (ctl->output == OUTPUT_CSV && !command->writes_csv);
    now.output = ctl->output;
    now.command = command;
}

bool output_errors_in_json(const struct ctl *ctl)
{
    return ctl->output == OUTPUT_JSON || ctl->output == OUTPUT_NDJSON;
}

/* "changes: channel sku": the key, in new memory, and the columns. */
static char *key_of(const char *list, const char **columns)
{
    size_t len = strcspn(list, ":");

    *columns = list + len + (list[len] != '\0') + (list[len] != '\0' && list[len + 1] == ' ');
    return text_format("%.*s", (int)len, list);
}

bool output_rows(const struct ctl *ctl, struct rows *rows)
{
    const char *columns = NULL;

    if (ctl->output != OUTPUT_CSV && ctl->output != OUTPUT_NDJSON)
        return false;
    if (now.command->list != NULL)
        free(key_of(now.command->list, &columns));
    rows_begin(rows, stdout, ctl->output == OUTPUT_CSV, columns);
    return true;
}

static void put_rows(json_t *list, bool csv, const char *columns)
{
    struct rows rows;

    rows_begin(&rows, stdout, csv, columns);
    for (size_t i = 0; i < json_array_size(list); i++)
        rows_learn(&rows, json_array_get(list, i));
    for (size_t i = 0; i < json_array_size(list); i++)
        rows_add(&rows, json_array_get(list, i));
    rows_end(&rows);
}

/* An entry of a list as a map, whose fields have the names of the columns. */
static json_t *line_of(json_t *entry, const char *columns)
{
    json_t *line = json_object();

    if (json_is_object(entry)) {
        json_object_update(line, entry);
        return line;
    }
    for (size_t i = 0; i < json_array_size(entry) && *columns != '\0'; i++) {
        size_t len = strcspn(columns, " ");
        char *name = text_format("%.*s", (int)len, columns);
        json_object_set(line, name, json_array_get(entry, i));
        free(name);
        columns += len + (columns[len] == ' ');
    }
    return line;
}

/* One row, or one for each of its lines. */
static void put_answer(json_t *answer, const char *lines)
{
    const char *columns = "";
    char *key = lines != NULL ? key_of(lines, &columns) : NULL;
    json_t *list = key != NULL ? json_object_get(answer, key) : NULL;
    json_t *all = json_array();

    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *row = json_copy(answer);
        json_object_del(row, key);
        json_object_set_new(row, key, line_of(json_array_get(list, i), columns));
        json_array_append_new(all, row);
    }
    if (json_array_size(all) == 0)
        json_array_append(all, answer);
    put_rows(all, true, json_is_object(answer) ? NULL : "result");
    json_decref(all);
    free(key);
}

void show_json_value(json_t *json)
{
    const char *list = now.command != NULL ? now.command->list : NULL;
    const char *columns = "";
    char *key = list != NULL ? key_of(list, &columns) : NULL;
    json_t *entries = key != NULL ? json_object_get(json, key) : NULL;

    if (now.output != OUTPUT_CSV && now.output != OUTPUT_NDJSON) {
        json_put(stdout, json, JSON_INDENT(2));
        putchar('\n');
    } else if (json_is_array(entries)) {
        put_rows(entries, now.output == OUTPUT_CSV, columns);
    } else if (now.output == OUTPUT_CSV) {
        put_answer(json, now.command != NULL ? now.command->lines : NULL);
    } else {
        json_put(stdout, json, JSON_COMPACT);
        putchar('\n');
    }
    free(key);
    json_decref(json);
}
