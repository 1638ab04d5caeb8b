/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/gateway/methods.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/service/notice.h"

static struct parameter columns[5][FIELDS_MAX];

static struct kind kinds[] = {
#define KIND(kind, json_form, json_schema)                                                         \
    { .name = #kind, .form = FORM_##json_form, .schema = (json_schema) },
#define ROWS(kind, row_fields) { .name = #kind, .form = FORM_ROWS, .fields = (row_fields) },
#include "tools/gateway/methods.def"
};

static const struct {
    const char *name, *kind, *about;
} names[] = {
#define NAME(word, kind, about) { #word, #kind, (about) },
#include "tools/gateway/methods.def"
};

static struct method methods[] = {
#define METHOD(method, its_lane, repeated, what, parameters, options, results)                     \
    { .name = #method,                                                                             \
      .lane = LANE_##its_lane,                                                                     \
      .repeats = REPEATS_##repeated,                                                               \
      .summary = (what),                                                                           \
      .parameter_names = (parameters),                                                             \
      .option_names = (options),                                                                   \
      .result_names = (results) },
#include "tools/gateway/methods.def"
};

enum {
    KINDS = sizeof kinds / sizeof *kinds,
    NAMES = sizeof names / sizeof *names,
    METHODS = sizeof methods / sizeof *methods,
};

static void refuse_table(const char *what, const char *word)
{
    notice(LOG_ERR, "start", "methods.def: %s: %s", what, word);
    abort();
}

static const struct kind *kind_named(const char *name)
{
    for (size_t i = 0; i < KINDS; i++)
        if (strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    refuse_table("no such kind", name);
    return NULL;
}

/* Moves what follows `mark` in word to out, and cuts it off. */
static void split(char *word, char mark, char *out, size_t size)
{
    char *at = strchr(word, mark);
    out[0] = '\0';
    if (!at)
        return;
    snprintf(out, size, "%s", at + 1);
    *at = '\0';
}

/* word: `name:kind?` or `name|other`; it is changed. */
static void read_parameter(struct parameter *parameter, char *word)
{
    char kind[24];
    size_t len = strlen(word);
    parameter->optional = len > 0 && word[len - 1] == '?';
    if (parameter->optional)
        word[len - 1] = '\0';
    split(word, ':', kind, sizeof kind);
    split(word, '|', parameter->alias, sizeof parameter->alias);
    snprintf(parameter->name, sizeof parameter->name, "%s", word);
    for (size_t i = 0; i < NAMES; i++) {
        if (strcmp(names[i].name, word) != 0)
            continue;
        parameter->kind = kind_named(kind[0] ? kind : names[i].kind);
        parameter->about = names[i].about;
        return;
    }
    refuse_table("no such name", word);
}

static unsigned read_list(const char *list, struct parameter *parameters, unsigned max)
{
    unsigned count = 0;
    char word[64];
    for (const char *at = list; *at;) {
        size_t len = strcspn(at, " ");
        if (count == max || len >= sizeof word)
            refuse_table("too long", list);
        memcpy(word, at, len);
        word[len] = '\0';
        read_parameter(&parameters[count++], word);
        at += len;
        at += strspn(at, " ");
    }
    return count;
}

void methods_read(void)
{
    unsigned rows = 0;
    if (methods[0].parameter_count > 0)
        return;
    for (size_t i = 0; i < KINDS; i++) {
        if (kinds[i].form != FORM_ROWS)
            continue;
        assert(rows < sizeof columns / sizeof *columns);
        kinds[i].columns = columns[rows];
        kinds[i].column_count = read_list(kinds[i].fields, columns[rows++], FIELDS_MAX);
    }
    for (size_t i = 0; i < METHODS; i++) {
        struct method *m = &methods[i];
        m->parameter_count = read_list(m->parameter_names, m->parameters, PARAMETERS_MAX);
        m->option_count = read_list(m->option_names, m->options, OPTIONS_MAX);
        m->result_count = read_list(m->result_names, m->result, RESULT_MAX);
    }
}

const struct method *gateway_methods(unsigned *count)
{
    *count = METHODS;
    return methods;
}

const struct method *gateway_method(const char *name, size_t len)
{
    for (size_t i = 0; i < METHODS; i++)
        if (strlen(methods[i].name) == len && memcmp(methods[i].name, name, len) == 0)
            return &methods[i];
    return NULL;
}

const struct kind *gateway_kinds(unsigned *count)
{
    *count = KINDS;
    return kinds;
}

static const struct parameter *find(const struct parameter *list, unsigned count, const char *name)
{
    for (unsigned i = 0; i < count; i++)
        if (strcmp(list[i].name, name) == 0 ||
            (list[i].alias[0] && strcmp(list[i].alias, name) == 0))
            return &list[i];
    return NULL;
}

const struct parameter *method_parameter(const struct method *method, const char *name)
{
    const struct parameter *found = find(method->parameters, method->parameter_count, name);
    return found ? found : find(method->options, method->option_count, name);
}
