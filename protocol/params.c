/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/params.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "engine/base/limits.h"
#include "engine/log/log.h"
#include "engine/store/calendar.h"
#include "protocol/scope.h"

/* ---- messages ---- */

void refuse(struct refusal *refusal, enum code code, const char *param, const char *format, ...)
{
    if (refusal->code != CODE_OK)
        return;
    refusal->code = code;
    refusal->param = param;
    refusal->right = NULL;
    refusal->retry_ms = 0;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(refusal->message, sizeof refusal->message, format, arguments);
    va_end(arguments);
}

struct words {
    char at[96];
};

/* A text made fit for a message: short, one line, well-formed. */
static struct words quoted(struct text text)
{
    enum { SHOWN = 40 };
    struct words words;
    char shown[SHOWN + 1];
    uint32_t length = text.len < SHOWN ? text.len : SHOWN;
    for (uint32_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text.at[i];
        shown[i] = '?';
        if (c >= 0x20 && c < 0x7f)
            shown[i] = text.at[i];
    }
    shown[length] = '\0';
    const char *rest = text.len > SHOWN ? "..." : "";
    snprintf(words.at, sizeof words.at, "\"%s%s\" (%" PRIu32 " bytes)", shown, rest, text.len);
    return words;
}

static struct words described(const struct wire_value *value)
{
    struct words words = { "" };
    switch (value->kind) {
    case WIRE_NONE:
        snprintf(words.at, sizeof words.at, "nothing");
        break;
    case WIRE_NIL:
        snprintf(words.at, sizeof words.at, "nil");
        break;
    case WIRE_BOOL:
        snprintf(words.at, sizeof words.at, "%s", value->truth ? "true" : "false");
        break;
    case WIRE_INT:
        if (value->negative)
            snprintf(words.at, sizeof words.at, "%" PRId64, (int64_t)value->bits);
        else
            snprintf(words.at, sizeof words.at, "%" PRIu64, value->bits);
        break;
    case WIRE_FLOAT:
        snprintf(words.at, sizeof words.at, "the floating-point number %g", value->number);
        break;
    case WIRE_TEXT:
        return quoted(value->text);
    case WIRE_ARRAY:
        snprintf(words.at, sizeof words.at, "a list of %" PRIu32, value->count);
        break;
    case WIRE_MAP:
        snprintf(words.at, sizeof words.at, "a map of %" PRIu32, value->count);
        break;
    case WIRE_EXT:
        snprintf(words.at, sizeof words.at, "an extension value");
        break;
    }
    return words;
}

/* The parameter's name with its position: "lines[2] qty"; of a list of codes "groups[1]". */
static struct words path_of(const struct params *params, const char *name)
{
    struct words words;
    if (params->level == 0)
        snprintf(words.at, sizeof words.at, "%s", name);
    else if (strcmp(name, params->list) == 0)
        snprintf(words.at, sizeof words.at, "%s[%" PRIu32 "]", name, params->index - 1);
    else
        snprintf(words.at, sizeof words.at, "%s[%" PRIu32 "] %s", params->list, params->index - 1,
                 name);
    return words;
}

static void must_be(struct params *params, const char *name, const char *what,
                    const struct wire_value *value)
{
    refuse(params->refusal, CODE_BAD_REQUEST, name, "%s must be %s, not %s",
           path_of(params, name).at, what, described(value).at);
}

/* ---- taking ---- */

/* True if there is a next value, which then counts as taken. */
static bool begin_param(struct params *params, const char *name)
{
    if (!params_good(params))
        return false;
    params->index += params->level == 1;
    if (params->left[params->level] == 0) {
        refuse(params->refusal, CODE_BAD_REQUEST, name, "%s is missing", path_of(params, name).at);
        return false;
    }
    params->left[params->level]--;
    params->taken += params->level == 0;
    return true;
}

void params_begin(struct params *params, struct wire wire, struct refusal *refusal)
{
    *params = (struct params){ .wire = wire, .refusal = refusal };
    if (wire_short_array(&params->wire, &params->left[0]))
        return;
    struct wire_value value = wire_next(&params->wire);
    if (value.kind == WIRE_ARRAY)
        params->left[0] = value.count;
    else
        must_be(params, "params", "a list", &value);
}

static struct text no_text(void)
{
    return (struct text){ NULL, 0 };
}

/* The next value if it is a text; the caller checks the rest. */
static struct text next_text(struct params *params, const char *name, const char *what)
{
    struct text text;
    if (!begin_param(params, name))
        return no_text();
    if (wire_short_text(&params->wire, &text))
        return text;
    struct wire_value value = wire_next(&params->wire);
    if (value.kind == WIRE_TEXT)
        return value.text;
    must_be(params, name, what, &value);
    return no_text();
}

static struct text bad_text(struct params *params, const char *name, const char *what,
                            struct text text)
{
    struct wire_value value = { .kind = WIRE_TEXT, .text = text };
    must_be(params, name, what, &value);
    return no_text();
}

struct text param_id(struct params *params, const char *name)
{
    static const char what[] = "a string of 1 to 40 bytes";
    _Static_assert(ID_MAX == 40, "what is said is so");
    struct text text = next_text(params, name, what);
    if (text_given(text) && (text.len < 1 || text.len > ID_MAX))
        return bad_text(params, name, what, text);
    return text;
}

/* Most texts are plain ASCII, which is well-formed UTF-8. */
static bool is_ascii(struct text text)
{
    uint64_t high = 0;
    uint32_t i = 0;
    for (; i + 8 <= text.len; i += 8) {
        uint64_t word;
        memcpy(&word, text.at + i, sizeof word);
        high |= word;
    }
    for (; i < text.len; i++)
        high |= (uint64_t)(unsigned char)text.at[i];
    return (high & UINT64_C(0x8080808080808080)) == 0;
}

struct text param_sku(struct params *params, const char *name)
{
    static const char what[] = "a string of 1 to 64 bytes of UTF-8";
    _Static_assert(SKU_MAX == 64, "what is said is so");
    struct text text = next_text(params, name, what);
    if (!text_given(text))
        return text;
    bool plain = text.len >= 1 && text.len <= SKU_MAX && is_ascii(text);
    if (!plain && !text_is_sku(text))
        return bad_text(params, name, what, text);
    return text;
}

struct text param_code(struct params *params, const char *name)
{
    static const char what[] = "1 to 32 characters of A-Z a-z 0-9 . _ -";
    _Static_assert(CODE_MAX == 32, "what is said is so");
    struct text text = next_text(params, name, what);
    if (text_given(text) && !text_is_code(text))
        return bad_text(params, name, what, text);
    return text;
}

struct text param_own_channel(struct params *params, const char *name, struct text code)
{
    if (!text_given(code) || scope_has_channel(params->scope, code))
        return code;
    refuse_channel(params->refusal, params->scope, name, code);
    return no_text();
}

struct text param_own_place(struct params *params, const char *name, struct text code)
{
    if (!text_given(code) || scope_has_place(params->scope, code))
        return code;
    refuse_place(params->refusal, params->scope, name, code);
    return no_text();
}

struct text param_own_source(struct params *params, const char *name, struct text code)
{
    if (!text_given(code) || scope_has_source(params->scope, code))
        return code;
    refuse_place(params->refusal, params->scope, name, code);
    return no_text();
}

struct text param_words(struct params *params, const char *name, uint32_t max)
{
    char what[64];
    struct text text = next_text(params, name, "a string");
    if (!text_given(text) || (text.len <= max && text_is_utf8(text)))
        return text;
    snprintf(what, sizeof what, "a string of at most %" PRIu32 " bytes of UTF-8", max);
    return bad_text(params, name, what, text);
}

int32_t param_date(struct params *params, const char *name)
{
    static const char what[] = "a date like 2026-12-24, from 1970 to 2199";
    int32_t day = 0;
    struct text text = next_text(params, name, what);
    if (text_given(text) && !date_day(text, &day))
        bad_text(params, name, what, text);
    return day;
}

static void must_be_number(struct params *params, const char *name, int64_t min, int64_t max,
                           const struct wire_value *value)
{
    char what[96];
    snprintf(what, sizeof what, "a whole number from %" PRId64 " to %" PRId64, min, max);
    must_be(params, name, what, value);
}

int64_t param_number(struct params *params, const char *name, int64_t min, int64_t max)
{
    assert(min <= max);
    uint32_t small;
    int64_t number;
    if (!begin_param(params, name))
        return 0;
    struct wire_value value;
    if (wire_short_number(&params->wire, &small)) {
        if (small >= min && small <= max)
            return small;
        value = (struct wire_value){ .kind = WIRE_INT, .bits = small };
    } else {
        value = wire_next(&params->wire);
        if (wire_fits_int64(&value, &number) && number >= min && number <= max)
            return number;
    }
    must_be_number(params, name, min, max, &value);
    return 0;
}

uint64_t param_lsn(struct params *params, const char *name)
{
    if (!begin_param(params, name))
        return 0;
    struct wire_value value = wire_next(&params->wire);
    if (value.kind == WIRE_INT && !value.negative)
        return value.bits;
    must_be(params, name, "an LSN: a whole number of at most 64 bits, from 0", &value);
    return 0;
}

static bool param_flag(struct params *params, const char *name)
{
    if (!begin_param(params, name))
        return false;
    struct wire_value value = wire_next(&params->wire);
    if (value.kind != WIRE_BOOL)
        must_be(params, name, "true or false", &value);
    return value.truth;
}

static double param_real(struct params *params, const char *name, int64_t min, int64_t max)
{
    if (!begin_param(params, name))
        return 0;
    struct wire_value value = wire_next(&params->wire);
    int64_t whole;
    double number = value.number;
    bool good = value.kind == WIRE_FLOAT;
    if (wire_fits_int64(&value, &whole)) {
        number = (double)whole;
        good = true;
    }
    if (good && number >= (double)min && number <= (double)max) /* false for NaN */
        return number;
    char what[64];
    snprintf(what, sizeof what, "a number from %" PRId64 " to %" PRId64, min, max);
    must_be(params, name, what, &value);
    return 0;
}

/* ---- lists ---- */

uint32_t param_list(struct params *params, const char *name, uint32_t max, const char *what)
{
    assert(params->level == 0);
    if (!begin_param(params, name))
        return 0;
    uint32_t count;
    if (!wire_short_array(&params->wire, &count)) {
        struct wire_value value = wire_next(&params->wire);
        if (value.kind != WIRE_ARRAY) {
            must_be(params, name, "a list", &value);
            return 0;
        }
        count = value.count;
    }
    if (count > max) {
        refuse(params->refusal, CODE_TOO_LARGE, name,
               "%s: %" PRIu32 " %s exceed the limit of %" PRIu32, name, count, what, max);
        return 0;
    }
    if (count == 0)
        return 0;
    params->level = 1;
    params->left[1] = count;
    params->list = name;
    params->index = 0;
    return count;
}

uint32_t param_tuple(struct params *params, uint32_t min, uint32_t max, const char *form)
{
    assert(params->level == 1);
    if (!begin_param(params, form))
        return 0;
    uint32_t count = 0;
    bool is_list = wire_short_array(&params->wire, &count);
    struct wire_value value = { .kind = WIRE_ARRAY, .count = count };
    if (!is_list)
        value = wire_next(&params->wire);
    if (value.kind != WIRE_ARRAY || value.count < min || value.count > max) {
        refuse(params->refusal, CODE_BAD_REQUEST, params->list,
               "%s[%" PRIu32 "] must be %s, not %s", params->list, params->index - 1, form,
               described(&value).at);
        return 0;
    }
    params->level = 2;
    params->left[2] = value.count;
    return value.count;
}

void params_up(struct params *params)
{
    if (!params_good(params))
        return;
    assert(params->level > 0);
    assert(params->left[params->level] == 0);
    params->level--;
}

enum wire_kind params_peek(const struct params *params)
{
    if (!params_good(params) || params->left[params->level] == 0)
        return WIRE_NONE;
    struct wire ahead = params->wire;
    return wire_next(&ahead).kind;
}

bool params_skip_nil(struct params *params)
{
    if (params_peek(params) != WIRE_NIL)
        return false;
    return begin_param(params, "nil") && wire_next(&params->wire).kind == WIRE_NIL;
}

/* ---- options ---- */

static void take_codes(struct params *params, const struct option *option,
                       struct option_codes *codes)
{
    struct params list = *params;
    list.level = 0;
    list.left[0] = 1;
    uint32_t count = param_list(&list, option->name, (uint32_t)option->max, "codes");
    for (uint32_t i = 0; i < count; i++)
        codes->at[i] = option->kind == OPTION_PLACES    ? param_place(&list, option->name)
                       : option->kind == OPTION_SOURCES ? param_source(&list, option->name)
                                                        : param_code(&list, option->name);
    codes->count = params_good(params) ? count : 0;
    params->wire = list.wire;
}

static void take_types(struct params *params, const struct option *option,
                       struct option_types *types)
{
    if (params_peek(params) == WIRE_BOOL) {
        types->all = param_flag(params, option->name);
        return;
    }
    struct params list = *params;
    list.level = 0;
    list.left[0] = 1;
    uint32_t count = param_list(&list, option->name, (uint32_t)option->max, "types");
    for (uint32_t i = 0; i < count; i++)
        types->at[i] = param_words(&list, "type", CODE_MAX);
    types->count = params_good(params) ? count : 0;
    params->wire = list.wire;
}

static void take_rows(struct params *params, const struct option *option, struct option_rows *rows)
{
    struct params list = *params;
    list.level = 0;
    list.left[0] = 1;
    uint32_t count = param_list(&list, option->name, (uint32_t)option->max, option->what);
    for (uint32_t i = 0; i < count && params_good(&list); i++) /* a bad row stays entered */
        option->row(&list, rows->at, i);
    rows->count = params_good(params) ? count : 0;
    params->wire = list.wire;
}

/* Takes an option's value. Messages name a list by its option alone: "name[2] code". */
static void take_option(struct params *params, const struct option *option, void *into)
{
    void *value = (char *)into + option->value;
    switch (option->kind) {
    case OPTION_ID:
        *(struct text *)value = param_id(params, option->name);
        break;
    case OPTION_CODE:
        *(struct text *)value = param_code(params, option->name);
        break;
    case OPTION_CHANNEL:
        *(struct text *)value = param_channel(params, option->name);
        break;
    case OPTION_PLACE:
        *(struct text *)value = param_place(params, option->name);
        break;
    case OPTION_WORDS:
        *(struct text *)value = param_words(params, option->name, (uint32_t)option->max);
        break;
    case OPTION_NUMBER:
        *(int64_t *)value = param_number(params, option->name, option->min, option->max);
        break;
    case OPTION_LSN:
        *(uint64_t *)value = param_lsn(params, option->name);
        break;
    case OPTION_FLAG:
        *(bool *)value = param_flag(params, option->name);
        break;
    case OPTION_REAL:
        *(double *)value = param_real(params, option->name, option->min, option->max);
        break;
    case OPTION_CODES:
    case OPTION_PLACES:
    case OPTION_SOURCES:
        take_codes(params, option, value);
        break;
    case OPTION_TYPES:
        take_types(params, option, value);
        break;
    case OPTION_ROWS:
        take_rows(params, option, value);
        break;
    }
    if (option->given != 0)
        *((bool *)into + option->given) = params_good(params);
}

static const struct option *option_named(const struct option *options, unsigned count,
                                         struct text name)
{
    for (unsigned i = 0; i < count; i++)
        if (text_equal(name, text_of(options[i].name)))
            return &options[i];
    return NULL;
}

static const char MIN_LSN[] = "min_lsn";

static bool is_min_lsn(const struct params *params, const struct wire_value *key)
{
    return params->log && key->kind == WIRE_TEXT && text_equal(key->text, text_of(MIN_LSN));
}

static void take_options(struct params *params, const struct option *options, unsigned count,
                         uint32_t pairs, void *into)
{
    for (uint32_t i = 0; i < pairs && params_good(params); i++) {
        struct wire_value key = wire_next(&params->wire);
        const struct option *option =
            key.kind == WIRE_TEXT ? option_named(options, count, key.text) : NULL;
        if (is_min_lsn(params, &key)) {
            params->left[0] = 1;
            params->min_lsn = params_skip_nil(params) ? 0 : param_lsn(params, MIN_LSN);
            continue;
        }
        if (!option) {
            refuse(params->refusal, CODE_BAD_REQUEST, "options", "unknown option %s",
                   described(&key).at);
            return;
        }
        params->left[0] = 1;
        if (!params_skip_nil(params))
            take_option(params, option, into);
    }
}

void params_options(struct params *params, const struct option *options, unsigned count, void *into)
{
    if (!params_good(params))
        return;
    assert(params->level == 0);
    uint32_t positional = params->taken;
    bool optional = count > 0 || params->log;
    if (optional && params->left[0] > 0) {
        uint32_t after = params->left[0] - 1;
        struct wire_value value = wire_next(&params->wire);
        if (value.kind == WIRE_MAP)
            take_options(params, options, count, value.count, into);
        else if (value.kind != WIRE_NIL)
            must_be(params, "options", "a map", &value);
        params->left[0] = after;
    }
    if (params->left[0] > 0)
        refuse(params->refusal, CODE_BAD_REQUEST, "params",
               "too many parameters: at most %" PRIu32 "%s", positional,
               optional ? " and a map of options" : "");
    if (params_good(params) && params->min_lsn > 0 && log_head(params->log) < params->min_lsn)
        params->refusal->code = CODE_DEFERRED; /* @min-lsn */
}

/* Of the form [id, {...}]. */
uint64_t params_min_lsn(const struct params *params)
{
    struct params ahead = *params;
    if (!ahead.log || ahead.left[0] < 2 || wire_next(&ahead.wire).kind != WIRE_TEXT)
        return 0;
    struct wire_value value = wire_next(&ahead.wire);
    for (uint32_t i = 0; value.kind == WIRE_MAP && i < value.count; i++) {
        struct wire_value key = wire_next(&ahead.wire), of = wire_next(&ahead.wire);
        if (is_min_lsn(params, &key) && of.kind == WIRE_INT && !of.negative)
            return of.bits;
        if (of.kind == WIRE_MAP || of.kind == WIRE_ARRAY)
            break; /* what the method refuses */
    }
    return 0;
}
