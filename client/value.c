/* SPDX-License-Identifier: Apache-2.0 */
/* Readers of single MessagePack values; safe on any bytes (see client.h). */
#include <assert.h>
#include <string.h>

#include "client/walk.h"

/* The head of a value whose own bytes (not its children's) are all there. */
static bool read_token(stockd_value value, struct token *out)
{
    if (!value.data || stk_token_read(value.data, value.len, out) != WALK_DONE)
        return false;
    return out->body <= value.len - out->head;
}

/* Signed integers of a width, 0xd0 to 0xd3: the digits sign-extended. */
static int64_t signed_digits(const struct token *token, const unsigned char *digits)
{
    assert(token->body >= 1);
    assert(token->body <= 8);
    unsigned shift = 64 - 8 * (unsigned)token->body;
    uint64_t raw = stk_load_be(digits, (unsigned)token->body) << shift;

    return (int64_t)raw >> shift;
}

static bool is_signed_form(const struct token *token)
{
    return token->lead >= 0xd0 && token->lead <= 0xd3;
}

stockd_kind stockd_value_kind(stockd_value value)
{
    struct token token;

    if (!read_token(value, &token))
        return STOCKD_KIND_NONE;
    if (is_signed_form(&token) && signed_digits(&token, value.data + token.head) < 0)
        return STOCKD_KIND_INT;
    return token.kind;
}

size_t stockd_value_count(stockd_value value)
{
    struct token token;

    if (!read_token(value, &token) || token.children > value.len - token.head)
        return 0;
    return (size_t)(token.kind == STOCKD_KIND_MAP ? token.children / 2 : token.children);
}

bool stockd_value_bool(stockd_value value, bool *out)
{
    struct token token;

    if (!read_token(value, &token) || token.kind != STOCKD_KIND_BOOL)
        return false;
    *out = token.lead == 0xc3;
    return true;
}

bool stockd_value_u64(stockd_value value, uint64_t *out)
{
    struct token token;

    if (!read_token(value, &token) || token.kind != STOCKD_KIND_UINT)
        return false;
    if (token.body == 0) {
        *out = token.lead;
        return true;
    }
    const unsigned char *digits = value.data + token.head;
    if (is_signed_form(&token) && signed_digits(&token, digits) < 0)
        return false;
    *out = stk_load_be(digits, (unsigned)token.body);
    return true;
}

bool stockd_value_i64(stockd_value value, int64_t *out)
{
    struct token token;
    uint64_t positive;

    if (stockd_value_u64(value, &positive)) {
        if (positive > INT64_MAX)
            return false;
        *out = (int64_t)positive;
        return true;
    }
    if (stockd_value_kind(value) != STOCKD_KIND_INT || !read_token(value, &token))
        return false;
    *out = token.body == 0 ? (int8_t)token.lead : signed_digits(&token, value.data + token.head);
    return true;
}

static double float_digits(const struct token *token, const unsigned char *digits)
{
    uint64_t raw = stk_load_be(digits, (unsigned)token->body);

    if (token->body == 4) {
        uint32_t raw32 = (uint32_t)raw;
        float narrow;

        memcpy(&narrow, &raw32, sizeof narrow);
        return (double)narrow;
    }
    double wide;

    assert(token->body == 8);
    memcpy(&wide, &raw, sizeof wide);
    return wide;
}

bool stockd_value_double(stockd_value value, double *out)
{
    struct token token;
    uint64_t positive;
    int64_t negative;

    if (!read_token(value, &token))
        return false;
    if (token.kind == STOCKD_KIND_FLOAT)
        *out = float_digits(&token, value.data + token.head);
    else if (stockd_value_u64(value, &positive))
        *out = (double)positive;
    else if (stockd_value_i64(value, &negative))
        *out = (double)negative;
    else
        return false;
    return true;
}

bool stockd_value_str(stockd_value value, const char **out, size_t *len)
{
    struct token token;

    if (!read_token(value, &token) || token.kind != STOCKD_KIND_STR)
        return false;
    *out = (const char *)value.data + token.head;
    *len = (size_t)token.body;
    return true;
}

bool stockd_value_copy_str(stockd_value value, char *out, size_t size)
{
    const char *bytes;
    size_t len;

    if (!stockd_value_str(value, &bytes, &len) || len >= size)
        return false;
    memcpy(out, bytes, len);
    out[len] = '\0';
    return true;
}

stockd_iter stockd_iterate(stockd_value value)
{
    struct token token;
    stockd_iter it = { 0 };

    it.left = stockd_value_count(value);
    if (it.left == 0 || !read_token(value, &token))
        return (stockd_iter){ 0 };
    it.at = value.data + token.head;
    it.end = value.data + value.len;
    it.pairs = token.kind == STOCKD_KIND_MAP;
    return it;
}

static bool take(stockd_iter *it, stockd_value *out)
{
    size_t len = stk_walk_length(it->at, (size_t)(it->end - it->at));

    if (len == 0)
        return false;
    *out = (stockd_value){ it->at, len };
    it->at += len;
    return true;
}

bool stockd_next(stockd_iter *it, stockd_value *key, stockd_value *element)
{
    stockd_value first = { 0 };
    stockd_value second;

    if (it->left == 0)
        return false;
    it->left--;
    if ((it->pairs && !take(it, &first)) || !take(it, &second)) {
        it->left = 0;
        return false;
    }
    if (key)
        *key = first;
    *element = second;
    return true;
}

bool stockd_map_find(stockd_value map, const char *key, stockd_value *out)
{
    size_t want = strlen(key);
    stockd_iter it = stockd_iterate(map);
    stockd_value name;
    stockd_value element;

    if (!it.pairs)
        return false;
    while (stockd_next(&it, &name, &element)) {
        const char *bytes;
        size_t len;

        if (stockd_value_str(name, &bytes, &len) && len == want && !memcmp(bytes, key, len)) {
            *out = element;
            return true;
        }
    }
    return false;
}

bool stockd_map_u64(stockd_value map, const char *key, uint64_t *out)
{
    stockd_value element;

    return stockd_map_find(map, key, &element) && stockd_value_u64(element, out);
}

bool stockd_map_i64(stockd_value map, const char *key, int64_t *out)
{
    stockd_value element;

    return stockd_map_find(map, key, &element) && stockd_value_i64(element, out);
}

bool stockd_map_str(stockd_value map, const char *key, const char **out, size_t *len)
{
    stockd_value element;

    return stockd_map_find(map, key, &element) && stockd_value_str(element, out, len);
}

bool stockd_array_at(stockd_value array, size_t index, stockd_value *out)
{
    stockd_iter it = stockd_iterate(array);
    stockd_value element;

    if (it.pairs)
        return false;
    while (stockd_next(&it, NULL, &element)) {
        if (index-- == 0) {
            *out = element;
            return true;
        }
    }
    return false;
}
