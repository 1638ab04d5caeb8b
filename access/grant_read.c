/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a grant from its line. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "access/grant.h"

/* A word of the line: neither terminated nor owned. */
struct word {
    const char *at;
    size_t length;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static bool take_word(const char **at, const char *end, struct word *word)
{
    while (*at < end && is_blank(**at))
        ++*at;
    word->at = *at;
    while (*at < end && !is_blank(**at))
        ++*at;
    word->length = (size_t)(*at - word->at);
    return word->length > 0;
}

static bool begins(struct word word, const char *text, struct word *rest)
{
    size_t length = strlen(text);
    if (word.length < length || memcmp(word.at, text, length) != 0)
        return false;
    *rest = (struct word){ word.at + length, word.length - length };
    return true;
}

/* Decimal digits alone, at most 2^32 - 1. */
static bool read_number(struct word word, uint32_t *number)
{
    uint64_t value = 0;
    if (word.length < 1 || word.length > 10)
        return false;
    for (size_t i = 0; i < word.length; i++) {
        if (word.at[i] < '0' || word.at[i] > '9')
            return false;
        value = 10 * value + (uint64_t)(word.at[i] - '0');
    }
    *number = (uint32_t)value;
    return value <= UINT32_MAX;
}

/* ---- times ---- */

/* A number of exactly so many digits, then that character, if there is one. */
static bool take_digits(const char **at, const char *end, int digits, char then, int *number)
{
    *number = 0;
    for (int i = 0; i < digits; i++, ++*at) {
        if (*at >= end || **at < '0' || **at > '9')
            return false;
        *number = 10 * *number + (**at - '0');
    }
    if (!then)
        return true;
    return *at < end && *(*at)++ == then;
}

static bool is_date(const struct tm *date)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    int year = date->tm_year + 1900;
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (year < 1970 || date->tm_mon < 0 || date->tm_mon > 11 || date->tm_mday < 1)
        return false;
    return date->tm_mday <= days[date->tm_mon] + (leap && date->tm_mon == 1) &&
           date->tm_hour <= 23 && date->tm_min <= 59 && date->tm_sec <= 59;
}

bool grant_read_expires(struct grant *grant, const char *value, size_t length, char *why,
                        size_t size)
{
    struct tm date = { 0 };
    const char *at = value, *end = value + length;
    bool good = take_digits(&at, end, 4, '-', &date.tm_year) &&
                take_digits(&at, end, 2, '-', &date.tm_mon) &&
                take_digits(&at, end, 2, '\0', &date.tm_mday);
    if (good && at < end)
        good = *at++ == 'T' && take_digits(&at, end, 2, ':', &date.tm_hour) &&
               take_digits(&at, end, 2, ':', &date.tm_min) &&
               take_digits(&at, end, 2, 'Z', &date.tm_sec);
    date.tm_year -= 1900;
    date.tm_mon -= 1;
    if (!good || at != end || !is_date(&date)) {
        snprintf(why, size, "expires: not a time of UTC like 2027-01-31 or 2027-01-31T18:30:00Z");
        return false;
    }
    grant->expires_ms = (uint64_t)timegm(&date) * 1000;
    return true;
}

void grant_write_time(uint64_t time_ms, char *to, size_t size)
{
    time_t seconds = (time_t)(time_ms / 1000);
    struct tm date;
    to[0] = '\0';
    if (time_ms > 0 && gmtime_r(&seconds, &date))
        strftime(to, size, "%Y-%m-%dT%H:%M:%SZ", &date);
}

/* ---- the key ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_hash(struct word hex, unsigned char *hash)
{
    if (hex.length != 2 * (size_t)SECRET_HASH_BYTES)
        return false;
    for (size_t i = 0; i < SECRET_HASH_BYTES; i++) {
        int high = hex_digit(hex.at[2 * i]), low = hex_digit(hex.at[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        hash[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

static bool read_common_name(struct word name, char *to)
{
    if (name.length < 1 || name.length > GRANT_COMMON_NAME_MAX || memchr(name.at, 0, name.length))
        return false;
    memcpy(to, name.at, name.length);
    to[name.length] = '\0';
    return true;
}

static bool read_key(struct grant *grant, struct word word, char *why, size_t size)
{
    struct word rest;
    bool good = false;
    if (begins(word, "sha256:", &rest)) {
        grant->key = KEY_TOKEN;
        good = read_hash(rest, grant->hash);
    } else if (begins(word, "uid:", &rest)) {
        grant->key = KEY_UID;
        good = read_number(rest, &grant->uid);
    } else if (begins(word, "cert:", &rest)) {
        grant->key = KEY_CERT;
        good = read_common_name(rest, grant->common_name);
    }
    if (!good) /* not quoted: somebody may have put a token here */
        snprintf(why, size,
                 "after the name comes sha256: with 64 hexadecimal digits, uid:NUMBER or "
                 "cert:COMMON-NAME");
    return good;
}

/* ---- what follows ---- */

/* The numbers that a line may set. */
static const struct {
    const char *name;
    size_t offset;
} numbers[] = {
    { "rate=", offsetof(struct grant, rate) },
    { "burst=", offsetof(struct grant, burst) },
    { "connections=", offsetof(struct grant, connections) },
    { "subscriptions=", offsetof(struct grant, subscriptions) },
};

static bool read_setting(struct grant *grant, struct word word, char *why, size_t size)
{
    struct word value;
    if (begins(word, "can=", &value))
        return grant_read_verbs(grant, value.at, value.length, why, size);
    if (begins(word, "channels=", &value))
        return grant_read_patterns(&grant->channels, false, value.at, value.length, why, size);
    if (begins(word, "locations=", &value))
        return grant_read_patterns(&grant->locations, true, value.at, value.length, why, size);
    if (begins(word, "expires=", &value))
        return grant_read_expires(grant, value.at, value.length, why, size);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        uint32_t *number = (uint32_t *)(void *)((char *)grant + numbers[i].offset);
        if (!begins(word, numbers[i].name, &value))
            continue;
        if (read_number(value, number) && *number > 0)
            return true;
        snprintf(why, size, "%.*s: a whole number from 1 on is needed",
                 (int)strlen(numbers[i].name) - 1, numbers[i].name);
        return false;
    }
    snprintf(why, size,
             "an unknown setting; there are can, channels, locations, expires, rate, burst, "
             "connections and subscriptions");
    return false;
}

static bool read_all(struct grant *grant, const char *line, size_t length, char *why, size_t size)
{
    const char *at = line, *end = line + length;
    struct word word;
    if (!take_word(&at, end, &word) || !grant_is_code(word.at, word.length)) {
        snprintf(why, size, "a line begins with a name: 1 to 32 characters of A-Z a-z 0-9 . _ -");
        return false;
    }
    memcpy(grant->name, word.at, word.length);
    take_word(&at, end, &word);
    if (!read_key(grant, word, why, size))
        return false;
    while (take_word(&at, end, &word))
        if (!read_setting(grant, word, why, size))
            return false;
    return true;
}

bool grant_read(struct grant *grant, const char *line, size_t length, char *why, size_t size)
{
    *grant = (struct grant){ .name = "" };
    if (read_all(grant, line, length, why, size))
        return true;
    grant_free(grant);
    return false;
}
