/* SPDX-License-Identifier: Apache-2.0 */
#include "access/grant.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const verb_names[VERB_COUNT] = {
#define X(name, text) text,
    VERBS(X)
#undef X
};

const char *verb_name(enum verb verb)
{
    for (unsigned i = 0; i < VERB_COUNT; i++)
        if (verb == 1u << i)
            return verb_names[i];
    return "";
}

bool grant_is_code(const char *at, size_t length)
{
    if (length < 1 || length > GRANT_CODE_MAX)
        return false;
    for (size_t i = 0; i < length; i++) {
        char c = at[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && c != '.' && c != '_' && c != '-')
            return false;
    }
    return true;
}

void grant_free(struct grant *grant)
{
    free(grant->channels.at);
    free(grant->locations.at);
    *grant = (struct grant){ .name = "" };
}

/* ---- patterns ---- */

static bool matches(const struct pattern *pattern, const char *code, size_t length)
{
    if (pattern->prefix ? length < pattern->length : length != pattern->length)
        return false;
    return memcmp(pattern->text, code, pattern->length) == 0;
}

static bool match_any(const struct patterns *patterns, bool group, const char *code, size_t length)
{
    for (uint32_t i = 0; i < patterns->count; i++)
        if (patterns->at[i].group == group && matches(&patterns->at[i], code, length))
            return true;
    return false;
}

bool patterns_match(const struct patterns *patterns, const char *code, size_t length)
{
    return patterns->all || match_any(patterns, false, code, length);
}

bool patterns_match_group(const struct patterns *patterns, const char *group, size_t length)
{
    return patterns->all || match_any(patterns, true, group, length);
}

static bool same_patterns(const struct patterns *a, const struct patterns *b)
{
    if (a->count != b->count)
        return false;
    for (uint32_t i = 0; i < a->count; i++) {
        const struct pattern *one = &a->at[i], *other = &b->at[i];
        if (strcmp(one->text, other->text) != 0 || one->prefix != other->prefix ||
            one->group != other->group)
            return false;
    }
    return true;
}

bool grant_same_rights(const struct grant *a, const struct grant *b)
{
    return a->verbs == b->verbs && same_patterns(&a->channels, &b->channels) &&
           same_patterns(&a->locations, &b->locations);
}

bool grant_same_key(const struct grant *a, const struct grant *b)
{
    if (a->key != b->key)
        return false;
    switch (a->key) {
    case KEY_TOKEN:
        return secret_same(a->hash, b->hash);
    case KEY_UID:
        return a->uid == b->uid;
    case KEY_CERT:
        return strcmp(a->common_name, b->common_name) == 0;
    }
    return false;
}

/* ---- lists of words ---- */

/* The words between commas, one after another: false after the last. */
static bool next_word(const char **at, const char *end, const char **word, size_t *length)
{
    if (!*at)
        return false;
    const char *comma = memchr(*at, ',', (size_t)(end - *at));
    *word = *at;
    *length = (size_t)((comma ? comma : end) - *at);
    *at = comma ? comma + 1 : NULL;
    return true;
}

static size_t count_words(const char *value, size_t length)
{
    size_t count = 1;
    for (size_t i = 0; i < length; i++)
        count += value[i] == ',';
    return count;
}

bool grant_read_verbs(struct grant *grant, const char *value, size_t length, char *why, size_t size)
{
    const char *word;
    size_t word_length, number = 0;
    grant->verbs = 0;
    for (const char *at = value; next_word(&at, value + length, &word, &word_length);) {
        number++;
        unsigned found = word_length == 1 && *word == '*' ? VERBS_ALL : 0;
        for (unsigned i = 0; i < VERB_COUNT; i++)
            if (strlen(verb_names[i]) == word_length &&
                memcmp(verb_names[i], word, word_length) == 0)
                found = 1u << i;
        if (found == 0) {
            snprintf(why, size,
                     "can: number %zu is no right; there are read, order, stock, catalogue, supply "
                     "and admin",
                     number);
            return false;
        }
        grant->verbs |= found;
    }
    return true;
}

static bool read_pattern(struct pattern *pattern, bool groups, const char *word, size_t length)
{
    *pattern = (struct pattern){ .group = groups && length > 0 && *word == '@' };
    word += pattern->group;
    length -= pattern->group;
    pattern->prefix = length > 0 && word[length - 1] == '*';
    length -= pattern->prefix;
    bool any = pattern->prefix && !pattern->group && length == 0;
    if (!any && !grant_is_code(word, length))
        return false;
    pattern->length = (uint8_t)length;
    memcpy(pattern->text, word, length);
    return true;
}

bool grant_read_patterns(struct patterns *patterns, bool groups, const char *value, size_t length,
                         char *why, size_t size)
{
    const char *word;
    size_t word_length;
    const char *what = groups ? "locations" : "channels";
    size_t most = count_words(value, length);
    free(patterns->at);
    *patterns = (struct patterns){ .count = 0 };
    if (most > GRANT_PATTERNS_MAX) {
        snprintf(why, size, "%s: more than %d", what, GRANT_PATTERNS_MAX);
        return false;
    }
    patterns->at = calloc(most, sizeof *patterns->at);
    if (!patterns->at) {
        snprintf(why, size, "no memory");
        return false;
    }
    for (const char *at = value; next_word(&at, value + length, &word, &word_length);) {
        struct pattern *pattern = &patterns->at[patterns->count];
        if (!read_pattern(pattern, groups, word, word_length)) {
            snprintf(why, size, "%s: number %u is no code, and no prefix with a * behind it%s",
                     what, patterns->count + 1, groups ? ", with an @ before it or not" : "");
            return false;
        }
        patterns->all |= pattern->prefix && pattern->length == 0;
        patterns->count++;
    }
    return true;
}

/* ---- writing ---- */

/* Appends to a list of words, in three parts; what does not fit is left out. */
static void add_word(char *to, size_t size, const char *before, const char *word, const char *after)
{
    size_t used = strlen(to);
    snprintf(to + used, size - used, "%s%s%s%s", used > 0 ? "," : "", before, word, after);
}

void grant_write_verbs(const struct grant *grant, char *to, size_t size)
{
    to[0] = '\0';
    for (unsigned i = 0; i < VERB_COUNT; i++)
        if (grant->verbs & 1u << i)
            add_word(to, size, "", verb_names[i], "");
}

void grant_write_patterns(const struct patterns *patterns, char *to, size_t size)
{
    to[0] = '\0';
    for (uint32_t i = 0; i < patterns->count; i++) {
        const struct pattern *pattern = &patterns->at[i];
        add_word(to, size, pattern->group ? "@" : "", pattern->text, pattern->prefix ? "*" : "");
    }
}

static void write_key(const struct grant *grant, char *to, size_t size)
{
    size_t used;
    switch (grant->key) {
    case KEY_TOKEN:
        used = (size_t)snprintf(to, size, "sha256:");
        for (unsigned i = 0; i < SECRET_HASH_BYTES; i++)
            snprintf(to + used + 2 * (size_t)i, 3, "%02x", grant->hash[i]);
        break;
    case KEY_UID:
        snprintf(to, size, "uid:%u", grant->uid);
        break;
    case KEY_CERT:
        snprintf(to, size, "cert:%s", grant->common_name);
        break;
    }
}

static void add_number(char *to, size_t size, const char *name, uint32_t number)
{
    size_t used = strlen(to);
    if (number > 0)
        snprintf(to + used, size - used, " %s=%u", name, number);
}

static void add_value(char *to, size_t size, const char *name, const char *value)
{
    size_t used = strlen(to);
    if (*value)
        snprintf(to + used, size - used, " %s=%s", name, value);
}

void grant_write(const struct grant *grant, char *to, size_t size)
{
    enum { KEY_SIZE = 8 + 2 * SECRET_HASH_BYTES + GRANT_COMMON_NAME_MAX };
    char key[KEY_SIZE], value[GRANT_LINE_MAX / 2];
    assert(size >= GRANT_LINE_MAX);
    write_key(grant, key, sizeof key);
    snprintf(to, size, "%s %s", grant->name, key);
    grant_write_verbs(grant, value, sizeof value);
    add_value(to, size, "can", value);
    grant_write_patterns(&grant->channels, value, sizeof value);
    add_value(to, size, "channels", value);
    grant_write_patterns(&grant->locations, value, sizeof value);
    add_value(to, size, "locations", value);
    grant_write_time(grant->expires_ms, value, sizeof value);
    add_value(to, size, "expires", value);
    add_number(to, size, "rate", grant->rate);
    add_number(to, size, "burst", grant->burst);
    add_number(to, size, "connections", grant->connections);
    add_number(to, size, "subscriptions", grant->subscriptions);
}
