/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/gateway/arguments.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

enum { DEPTH_MAX = 6 };

static const double whole_max = 9007199254740992.0; /* beyond 2^53 a double skips integers */

void complain(struct complaint *why, const char *param, const char *format, ...)
{
    va_list list;
    snprintf(why->param, sizeof why->param, "%s", param ? param : "");
    va_start(list, format);
    vsnprintf(why->message, sizeof why->message, format, list);
    va_end(list);
}

/* ---- values ---- */

static bool is_whole(const json_t *value)
{
    double real = json_real_value(value);
    return json_is_real(value) && fabs(real) < whole_max && trunc(real) == real;
}

/* NOLINTNEXTLINE(misc-no-recursion): at most DEPTH_MAX deep */
static bool pack_any(stockd_pack *pack, const json_t *value, unsigned depth)
{
    size_t index;
    const char *key;
    json_t *element;
    if (depth > DEPTH_MAX)
        return false;
    switch (json_typeof(value)) {
    case JSON_NULL:
        stockd_pack_nil(pack);
        return true;
    case JSON_TRUE:
    case JSON_FALSE:
        stockd_pack_bool(pack, json_is_true(value));
        return true;
    case JSON_INTEGER:
        stockd_pack_i64(pack, json_integer_value(value));
        return true;
    case JSON_REAL:
        if (is_whole(value))
            stockd_pack_i64(pack, (int64_t)json_real_value(value));
        else
            stockd_pack_double(pack, json_real_value(value));
        return true;
    case JSON_STRING:
        stockd_pack_str_n(pack, json_string_value(value), json_string_length(value));
        return true;
    case JSON_ARRAY:
        stockd_pack_array(pack, json_array_size(value));
        json_array_foreach((json_t *)value, index,
                           element) if (!pack_any(pack, element, depth + 1)) return false;
        return true;
    case JSON_OBJECT:
        stockd_pack_map(pack, json_object_size(value));
        json_object_foreach((json_t *)value, key, element)
        {
            stockd_pack_str(pack, key);
            if (!pack_any(pack, element, depth + 1))
                return false;
        }
        return true;
    }
    return false;
}

static const char *must_be(enum form form)
{
    switch (form) {
    case FORM_TEXT:
        return "a string";
    case FORM_INTEGER:
        return "a whole number of at most 64 bits";
    case FORM_FLAG:
        return "true or false";
    case FORM_REAL:
        return "a number";
    case FORM_LIST:
    case FORM_ROWS:
        return "a list";
    case FORM_TYPES:
        return "true, or a list of strings";
    case FORM_ANY:
        break;
    }
    return "a value";
}

static bool fits(enum form form, const json_t *value)
{
    switch (form) {
    case FORM_TEXT:
        return json_is_string(value);
    case FORM_INTEGER:
        return json_is_integer(value) || is_whole(value);
    case FORM_FLAG:
        return json_is_boolean(value);
    case FORM_REAL:
        return json_is_number(value);
    case FORM_LIST:
    case FORM_ROWS:
        return json_is_array(value);
    case FORM_TYPES:
        return json_is_boolean(value) || json_is_array(value);
    case FORM_ANY:
        break;
    }
    return true;
}

/* One row given as an object, as the list that the engine takes. */
static bool pack_row(stockd_pack *pack, const char *list, const struct kind *kind,
                     const json_t *row, struct complaint *why)
{
    const char *key;
    json_t *element;
    unsigned given = 0, known = 0;
    for (unsigned i = 0; i < kind->column_count; i++) {
        const struct parameter *column = &kind->columns[i];
        const json_t *value = json_object_get(row, column->name);
        known += value != NULL;
        if (value && !json_is_null(value))
            given = i + 1;
        else if (!column->optional)
            return complain(why, list, "%s: a line without %s", list, column->name), false;
    }
    if (known < json_object_size(row))
        json_object_foreach((json_t *)row, key, element)
        {
            known = 0;
            for (unsigned i = 0; i < kind->column_count; i++)
                known |= strcmp(kind->columns[i].name, key) == 0;
            if (!known)
                return complain(why, list, "%s: a line has no \"%.40s\"", list, key), false;
        }
    stockd_pack_array(pack, given);
    for (unsigned i = 0; i < given; i++) {
        const struct parameter *column = &kind->columns[i];
        const json_t *value = json_object_get(row, column->name);
        if (!value || json_is_null(value))
            stockd_pack_nil(pack);
        else if (!fits(column->kind->form, value) || !pack_any(pack, value, 0))
            return complain(why, list, "%s: %s must be %s", list, column->name,
                            must_be(column->kind->form)),
                   false;
    }
    return true;
}

static bool pack_rows(stockd_pack *pack, const char *name, const struct kind *kind,
                      const json_t *rows, struct complaint *why)
{
    size_t index;
    json_t *row;
    stockd_pack_array(pack, json_array_size(rows));
    json_array_foreach((json_t *)rows, index, row)
    {
        if (json_is_object(row)) {
            if (!pack_row(pack, name, kind, row, why))
                return false;
        } else if (!json_is_array(row) || !pack_any(pack, row, 1)) {
            return complain(why, name, "%s: a line must be a list [%s], or an object", name,
                            kind->fields),
                   false;
        }
    }
    return true;
}

static bool pack_parameter(stockd_pack *pack, const struct parameter *parameter,
                           const json_t *value, struct complaint *why)
{
    const struct kind *kind = parameter->kind;
    if (!fits(kind->form, value))
        return complain(why, parameter->name, "%s must be %s", parameter->name,
                        must_be(kind->form)),
               false;
    if (kind->form == FORM_ROWS)
        return pack_rows(pack, parameter->name, kind, value, why);
    if (!pack_any(pack, value, 0))
        return complain(why, parameter->name, "%s is nested too deep", parameter->name), false;
    return true;
}

/* ---- a body of named parameters ---- */

/* NULL: it is not there; null counts as that. */
static const json_t *given(const json_t *body, const struct parameter *parameter)
{
    const json_t *value = json_object_get(body, parameter->name);
    if ((!value || json_is_null(value)) && parameter->alias[0])
        value = json_object_get(body, parameter->alias);
    return json_is_null(value) ? NULL : value;
}

static bool knows_all(const struct method *method, const json_t *body, struct complaint *why)
{
    const char *name;
    json_t *value;
    json_object_foreach(
        (json_t *)body, name,
        value) if (!method_parameter(method, name)) return complain(why, name,
                                                                    "%s has no parameter \"%.60s\"",
                                                                    method->name, name),
        false;
    return true;
}

/* What the key stands for: the id where the body has none, else the step's `op`. */
static bool use_key(const struct method *method, json_t *body, const char *key,
                    struct complaint *why)
{
    const char *name = "id";
    if (!key[0] || method->parameter_count == 0 || strcmp(method->parameters[0].name, "id") != 0 ||
        method->lane == LANE_QUESTION)
        return true;
    if (given(body, &method->parameters[0])) {
        const struct parameter *op = method_parameter(method, "op");
        if (!op || given(body, op))
            return true;
        name = "op";
    }
    json_t *text = json_string(key);
    if (!text)
        return complain(why, "Idempotency-Key", "Idempotency-Key must be UTF-8"), false;
    return json_object_set_new(body, name, text) == 0;
}

static bool pack_options(stockd_pack *pack, const struct method *method, const json_t *body,
                         unsigned count, struct complaint *why)
{
    stockd_pack_map(pack, count);
    for (unsigned i = 0; i < method->option_count; i++) {
        const json_t *value = given(body, &method->options[i]);
        if (!value)
            continue;
        stockd_pack_str(pack, method->options[i].name);
        if (!pack_parameter(pack, &method->options[i], value, why))
            return false;
    }
    return true;
}

static bool pack_object(const struct method *method, const json_t *body,
                        struct arguments *arguments, struct complaint *why)
{
    stockd_pack *pack = &arguments->pack;
    unsigned options = 0, last = 0;
    for (unsigned i = 0; i < method->option_count; i++)
        options += given(body, &method->options[i]) != NULL;
    for (unsigned i = 0; i < method->parameter_count; i++)
        if (given(body, &method->parameters[i]))
            last = i + 1;
        else if (!method->parameters[i].optional)
            return complain(why, method->parameters[i].name, "%s is missing",
                            method->parameters[i].name),
                   false;
    if (options > 0)
        last = method->parameter_count;
    stockd_pack_array(pack, last + (options > 0));
    for (unsigned i = 0; i < last; i++) {
        const json_t *value = given(body, &method->parameters[i]);
        if (!value)
            stockd_pack_nil(pack);
        else if (!pack_parameter(pack, &method->parameters[i], value, why))
            return false;
    }
    return options == 0 || pack_options(pack, method, body, options, why);
}

/* ---- a body that is a list ---- */

static bool pack_list(const struct method *method, const json_t *body, struct arguments *arguments,
                      struct complaint *why)
{
    stockd_pack *pack = &arguments->pack;
    size_t index, count = json_array_size(body);
    json_t *value;
    stockd_pack_array(pack, count);
    json_array_foreach((json_t *)body, index, value)
    {
        bool named = index < method->parameter_count && !json_is_null(value) &&
                     !(index + 1 == count && json_is_object(value));
        if (named && !pack_parameter(pack, &method->parameters[index], value, why))
            return false;
        if (!named && !pack_any(pack, value, 0))
            return complain(why, NULL, "nested too deep"), false;
    }
    return true;
}

/* Whether the request may be repeated as it is: by the table, its `op`, and its lines. */
static bool may_repeat(const struct method *method, const json_t *body)
{
    const json_t *options = body, *lines;
    if (method->repeats == REPEATS_SAFE)
        return true;
    if (json_is_array(body)) {
        options = json_array_get(body, json_array_size(body) - 1);
        lines = json_array_get(body, 1);
    } else {
        lines = json_object_get(body, "lines");
    }
    const json_t *op = json_object_get(options, "op");
    bool all = !json_is_array(lines);
    return json_is_string(op) || (method->repeats == REPEATS_STEP && all);
}

/* ---- JSON ---- */

/* A SKU may be any UTF-8, so it may contain a NUL. */
enum { LOAD_FLAGS = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL };

/* Jansson says `... near '"name"'`: takes the name out of it. */
static void name_near(const char *text, char *out, size_t size)
{
    const char *from = strstr(text, "near '\"");
    const char *to = from ? strchr(from += strlen("near '\""), '"') : NULL;
    out[0] = '\0';
    if (to && (size_t)(to - from) < size)
        snprintf(out, size, "%.*s", (int)(to - from), from);
}

static void refuse_json(const json_error_t *error, struct complaint *why)
{
    char name[64] = "";
    enum json_error_code code = json_error_code(error);
    if (code == json_error_duplicate_key)
        name_near(error->text, name, sizeof name);
    if (name[0])
        complain(why, name, "%s is given twice", name);
    else
        complain(why, NULL, "the body is not JSON: line %d, column %d: %.160s", error->line,
                 error->column, error->text);
}

/* NOLINTNEXTLINE(misc-no-recursion): Jansson has read it, and so limited its depth */
static double largest(const json_t *value)
{
    size_t index;
    const char *key;
    json_t *element;
    double most = fabs(json_real_value(value));
    if (json_is_array(value))
        json_array_foreach((json_t *)value, index, element) most = fmax(most, largest(element));
    if (json_is_object(value))
        json_object_foreach((json_t *)value, key, element) most = fmax(most, largest(element));
    return most;
}

/* Reads it once more, with all numbers as reals, to name the parameter with the one that is too
 * large: the largest. */
static void name_too_large(const struct method *method, const char *text, size_t len,
                           struct complaint *why)
{
    const char *name = NULL, *key;
    size_t index;
    json_t *value;
    double most = 0;
    json_t *body = json_loadb(text, len, LOAD_FLAGS | JSON_DECODE_INT_AS_REAL, NULL);
    if (json_is_array(body))
        json_array_foreach(body, index,
                           value) if (index < method->parameter_count && largest(value) > most)
            most = largest(value),
            name = method->parameters[index].name;
    if (json_is_object(body))
        json_object_foreach(body, key, value) if (largest(value) > most) most = largest(value),
                                                                         name = key;
    if (name)
        complain(why, name, "%.60s must be %s", name, must_be(FORM_INTEGER));
    json_decref(body);
}

static json_t *load(const struct method *method, const char *text, size_t len,
                    struct complaint *why)
{
    static const char none[] = "{}";
    json_error_t error;
    if (len == 0)
        text = none, len = sizeof none - 1;
    json_t *body = json_loadb(text, len, LOAD_FLAGS, &error);
    if (body)
        return body;
    refuse_json(&error, why);
    if (json_error_code(&error) == json_error_numeric_overflow)
        name_too_large(method, text, len, why);
    return NULL;
}

bool arguments_read(const struct method *method, const char *text, size_t len, const char *key,
                    struct arguments *arguments, struct complaint *why)
{
    stockd_pack_init(&arguments->pack, NULL, 0);
    json_t *body = load(method, text, len, why);
    bool good;
    if (!body)
        return false;
    if (json_is_array(body))
        good = pack_list(method, body, arguments, why);
    else
        good = knows_all(method, body, why) && use_key(method, body, key, why) &&
               pack_object(method, body, arguments, why);
    if (good && stockd_pack_status(&arguments->pack) != STOCKD_OK)
        good = (complain(why, NULL, "the request is too large"), false);
    arguments->again = good && may_repeat(method, body);
    json_decref(body);
    return good;
}
