/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tokens file: a grant a line (grant.h). Blank lines and lines that begin with # are comments,
 * and are kept when the file is changed. It is only ever replaced as a whole, so that a reader sees
 * the old one or the new one.
 */
#ifndef STOCKD_ACCESS_GRANTS_H
#define STOCKD_ACCESS_GRANTS_H

#include "access/grant.h"

enum { GRANTS_MAX = 4096, GRANTS_FILE_MAX = 16 << 20 };

struct grants {
    struct grant *at; /* by name; owned */
    uint32_t count;
};

/* Reads the contents of a file. False: why says in one line what is wrong and in which line of the
 * file, and there are none. */
bool grants_read(struct grants *grants, const char *bytes, size_t length, char *why, size_t size);
/* Reads the file; why names it. */
bool grants_load(struct grants *grants, const char *path, char *why, size_t size);
void grants_free(struct grants *grants);

/* Each: NULL if there is none. The first looks at every token, however many match. */
const struct grant *grants_with_hash(const struct grants *grants, const unsigned char *hash);
const struct grant *grants_with_uid(const struct grants *grants, uint32_t uid);
const struct grant *grants_with_certificate(const struct grants *grants, const char *common_name);
const struct grant *grants_named(const struct grants *grants, const char *name);

enum edited { EDIT_DONE, EDIT_REFUSED, EDIT_FAILED };

/* Adds a line at the end; the file is made if there is none. REFUSED: the name is taken, or there
 * are too many. why says what, also for FAILED. Two edits at once do not lose each other. */
enum edited grants_add(const char *path, const struct grant *grant, char *why, size_t size);
/* Takes the line of that name away. REFUSED: there is none. */
enum edited grants_remove(const char *path, const char *name, char *why, size_t size);

#endif
