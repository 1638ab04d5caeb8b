/* SPDX-License-Identifier: Apache-2.0 */
#include "access/grants.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access/whole_file.h"

void grants_free(struct grants *grants)
{
    for (uint32_t i = 0; i < grants->count; i++)
        grant_free(&grants->at[i]);
    free(grants->at);
    *grants = (struct grants){ .count = 0 };
}

/* ---- reading ---- */

struct reading {
    struct grants *grants;
    uint32_t capacity;
    char *why;
    size_t size;
};

static bool wrong(const struct reading *r, unsigned line, const char *what)
{
    snprintf(r->why, r->size, "line %u: %s", line, what);
    return false;
}

/* Whether another grant has the name, or the key: then nobody could say which of them counts. */
static const char *clash(const struct grants *grants, const struct grant *grant)
{
    for (uint32_t i = 0; i < grants->count; i++) {
        if (strcmp(grants->at[i].name, grant->name) == 0)
            return "the name is there already";
        if (grant_same_key(&grants->at[i], grant))
            return "another name has the same token, user or certificate";
    }
    return NULL;
}

static bool keep(struct reading *r, unsigned line, const struct grant *grant)
{
    struct grants *grants = r->grants;
    if (grants->count == GRANTS_MAX)
        return wrong(r, line, "too many tokens: at most 4096");
    _Static_assert(GRANTS_MAX == 4096, "what is said is so");
    const char *clashes = clash(grants, grant);
    if (clashes)
        return wrong(r, line, clashes);
    if (grants->count == r->capacity) {
        uint32_t capacity = r->capacity ? 2 * r->capacity : 16;
        struct grant *at = realloc(grants->at, capacity * sizeof *at);
        if (!at)
            return wrong(r, line, "no memory");
        grants->at = at;
        r->capacity = capacity;
    }
    grants->at[grants->count++] = *grant;
    return true;
}

static bool is_comment(const char *line, size_t length)
{
    while (length > 0 && (*line == ' ' || *line == '\t' || *line == '\r')) {
        line++;
        length--;
    }
    return length == 0 || *line == '#';
}

static bool read_line(struct reading *r, unsigned number, const char *line, size_t length)
{
    struct grant grant;
    char why[256];
    if (is_comment(line, length))
        return true;
    if (!grant_read(&grant, line, length, why, sizeof why))
        return wrong(r, number, why);
    if (keep(r, number, &grant))
        return true;
    grant_free(&grant);
    return false;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct grant *)a)->name, ((const struct grant *)b)->name);
}

bool grants_read(struct grants *grants, const char *bytes, size_t length, char *why, size_t size)
{
    struct reading r = { .grants = grants, .why = why, .size = size };
    const char *at = bytes, *end = bytes + length;
    *grants = (struct grants){ .count = 0 };
    for (unsigned number = 1; at < end; number++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *line_end = newline ? newline : end;
        if (!read_line(&r, number, at, (size_t)(line_end - at))) {
            grants_free(grants);
            return false;
        }
        at = newline ? newline + 1 : end;
    }
    if (grants->count > 0)
        qsort(grants->at, grants->count, sizeof *grants->at, by_name);
    return true;
}

bool grants_load(struct grants *grants, const char *path, char *why, size_t size)
{
    struct whole_file file;
    char wrong_line[320];
    *grants = (struct grants){ .count = 0 };
    int error = whole_file_read(&file, path, GRANTS_FILE_MAX);
    if (error) {
        snprintf(why, size, "tokens file %s: %s", path, strerror(-error));
        return false;
    }
    bool good = grants_read(grants, file.bytes, file.length, wrong_line, sizeof wrong_line);
    if (!good)
        snprintf(why, size, "tokens file %s, %s", path, wrong_line);
    whole_file_free(&file);
    return good;
}

/* ---- finding ---- */

const struct grant *grants_with_hash(const struct grants *grants, const unsigned char *hash)
{
    const struct grant *found = NULL;
    for (uint32_t i = 0; i < grants->count; i++) {
        const struct grant *grant = &grants->at[i];
        if (secret_same(grant->hash, hash) && grant->key == KEY_TOKEN)
            found = grant;
    }
    return found;
}

const struct grant *grants_with_uid(const struct grants *grants, uint32_t uid)
{
    for (uint32_t i = 0; i < grants->count; i++)
        if (grants->at[i].key == KEY_UID && grants->at[i].uid == uid)
            return &grants->at[i];
    return NULL;
}

const struct grant *grants_with_certificate(const struct grants *grants, const char *common_name)
{
    for (uint32_t i = 0; i < grants->count; i++)
        if (grants->at[i].key == KEY_CERT && strcmp(grants->at[i].common_name, common_name) == 0)
            return &grants->at[i];
    return NULL;
}

const struct grant *grants_named(const struct grants *grants, const char *name)
{
    uint32_t low = 0, high = grants->count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        int order = strcmp(name, grants->at[middle].name);
        if (order == 0)
            return &grants->at[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}
