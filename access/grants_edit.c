/* SPDX-License-Identifier: Apache-2.0 */
/* Changes a tokens file: the lines that are not concerned stay as they are. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "access/grants.h"
#include "access/whole_file.h"

static enum edited failed(char *why, size_t size, const char *path, int error)
{
    snprintf(why, size, "tokens file %s: %s", path, strerror(-error));
    return EDIT_FAILED;
}

/* The file as it is, checked: a file with a bad line is not changed. */
struct edit {
    int lock;
    struct whole_file file;
    struct grants grants;
};

static void end_edit(struct edit *edit)
{
    grants_free(&edit->grants);
    whole_file_free(&edit->file);
    if (edit->lock >= 0)
        close(edit->lock);
}

static enum edited begin_edit(struct edit *edit, const char *path, bool make, char *why,
                              size_t size)
{
    char wrong_line[320];
    *edit = (struct edit){ .lock = whole_file_lock(path, make) };
    if (edit->lock < 0)
        return failed(why, size, path, edit->lock);
    int error = whole_file_read(&edit->file, path, GRANTS_FILE_MAX);
    if (error)
        return failed(why, size, path, error);
    if (grants_read(&edit->grants, edit->file.bytes, edit->file.length, wrong_line,
                    sizeof wrong_line))
        return EDIT_DONE;
    snprintf(why, size, "tokens file %s, %s", path, wrong_line);
    return EDIT_FAILED;
}

/* ---- adding ---- */

static enum edited add_line(struct edit *edit, const char *path, const struct grant *grant,
                            char *why, size_t size)
{
    const struct whole_file *file = &edit->file;
    size_t most = file->length + GRANT_LINE_MAX + 2;
    char *bytes = malloc(most);
    if (!bytes)
        return failed(why, size, path, -ENOMEM);
    memcpy(bytes, file->bytes, file->length);
    size_t length = file->length;
    if (length > 0 && bytes[length - 1] != '\n')
        bytes[length++] = '\n';
    grant_write(grant, bytes + length, GRANT_LINE_MAX);
    length += strlen(bytes + length);
    bytes[length++] = '\n';
    int error = whole_file_replace(path, edit->lock, bytes, length);
    free(bytes);
    return error ? failed(why, size, path, error) : EDIT_DONE;
}

static bool may_add(const struct edit *edit, const char *path, const struct grant *grant, char *why,
                    size_t size)
{
    for (uint32_t i = 0; i < edit->grants.count; i++) {
        const struct grant *other = &edit->grants.at[i];
        bool named = strcmp(other->name, grant->name) == 0;
        if (!named && !grant_same_key(other, grant))
            continue;
        snprintf(why, size, "tokens file %s: %s \"%s\" %s", path, "the name", other->name,
                 named ? "is there already" : "has that user or certificate already");
        return false;
    }
    if (edit->grants.count < GRANTS_MAX)
        return true;
    snprintf(why, size, "tokens file %s has %d tokens, which is the most", path, GRANTS_MAX);
    return false;
}

enum edited grants_add(const char *path, const struct grant *grant, char *why, size_t size)
{
    struct edit edit;
    enum edited edited = begin_edit(&edit, path, true, why, size);
    if (edited == EDIT_DONE && !may_add(&edit, path, grant, why, size))
        edited = EDIT_REFUSED;
    if (edited == EDIT_DONE)
        edited = add_line(&edit, path, grant, why, size);
    end_edit(&edit);
    return edited;
}

/* ---- removing ---- */

/* Whether that line is the grant of that name. */
static bool is_line_of(const char *line, size_t length, const char *name)
{
    struct grant grant;
    char why[256];
    while (length > 0 && (*line == ' ' || *line == '\t')) {
        line++;
        length--;
    }
    if (length == 0 || *line == '#' || !grant_read(&grant, line, length, why, sizeof why))
        return false;
    bool is = strcmp(grant.name, name) == 0;
    grant_free(&grant);
    return is;
}

/* Takes the line out of the bytes. */
static void cut_line(struct whole_file *file, const char *name)
{
    char *at = file->bytes, *end = file->bytes + file->length;
    while (at < end) {
        char *newline = memchr(at, '\n', (size_t)(end - at));
        char *next = newline ? newline + 1 : end;
        if (is_line_of(at, (size_t)((newline ? newline : end) - at), name)) {
            memmove(at, next, (size_t)(end - next));
            file->length -= (size_t)(next - at);
            return;
        }
        at = next;
    }
}

enum edited grants_remove(const char *path, const char *name, char *why, size_t size)
{
    struct edit edit;
    enum edited edited = begin_edit(&edit, path, false, why, size);
    if (edited == EDIT_DONE && !grants_named(&edit.grants, name)) {
        snprintf(why, size, "tokens file %s: there is no \"%s\"", path, name);
        edited = EDIT_REFUSED;
    }
    if (edited == EDIT_DONE) {
        cut_line(&edit.file, name);
        int error = whole_file_replace(path, edit.lock, edit.file.bytes, edit.file.length);
        if (error)
            edited = failed(why, size, path, error);
    }
    end_edit(&edit);
    return edited;
}
