/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/stockd/tokens.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "protocol/access.h"
#include "protocol/clock.h"
#include "tools/service/notice.h"

/* What tells one state of the file from another. */
struct file_mark {
    int error; /* of stat */
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec changed;
};

struct tokens {
    const char *path;
    struct access *access;
    struct server *server;
    struct file_mark mark; /* of the file as it was last read, or tried */
};

static struct file_mark mark_of(const char *path)
{
    struct stat status;
    struct file_mark mark = { .error = 0 };
    if (stat(path, &status) < 0) {
        mark.error = errno;
        return mark;
    }
    mark.device = status.st_dev;
    mark.inode = status.st_ino;
    mark.size = status.st_size;
    mark.changed = status.st_ctim; /* a change of the contents or of the name moves it */
    return mark;
}

static bool same_mark(const struct file_mark *a, const struct file_mark *b)
{
    return a->error == b->error && a->device == b->device && a->inode == b->inode &&
           a->size == b->size && a->changed.tv_sec == b->changed.tv_sec &&
           a->changed.tv_nsec == b->changed.tv_nsec;
}

/* ---- opening ---- */

static struct access_limits limits_of(const struct options *options)
{
    return (struct access_limits){
        .rate = (uint32_t)options->token_rate,
        .burst = (uint32_t)options->token_burst,
        .connections = (uint32_t)options->token_connections,
        .subscriptions = (uint32_t)options->token_subscriptions,
        .stranger_ms = (uint32_t)options->hello_ms,
        .strangers = (uint32_t)options->max_strangers,
        .strangers_each = (uint32_t)options->max_strangers_each,
    };
}

bool tokens_open(struct tokens **tokens, const struct options *options, char *why, size_t size)
{
    struct grants grants;
    struct access_limits limits = limits_of(options);
    *tokens = NULL;
    if (!options->tokens[0])
        return true;
    struct file_mark mark = mark_of(options->tokens); /* first: a change after it is seen later */
    if (!grants_load(&grants, options->tokens, why, size))
        return false;
    struct tokens *made = calloc(1, sizeof *made);
    struct access *access =
        access_create(&limits, (unsigned)options->workers, &grants, clock_ms(CLOCK_REALTIME));
    if (!made || !access) {
        snprintf(why, size, "no memory for the tokens of %s", options->tokens);
        access_destroy(access);
        free(made);
        return false;
    }
    *made = (struct tokens){ .path = options->tokens, .access = access, .mark = mark };
    *tokens = made;
    return true;
}

bool tokens_check(const struct options *options, char *why, size_t size)
{
    struct grants grants = { .count = 0 };
    bool good = !options->tokens[0] || grants_load(&grants, options->tokens, why, size);
    grants_free(&grants);
    return good;
}

void tokens_close(struct tokens *tokens)
{
    if (!tokens)
        return;
    access_destroy(tokens->access);
    free(tokens);
}

struct access *tokens_access(const struct tokens *tokens)
{
    return tokens ? tokens->access : NULL;
}

void tokens_serve(struct tokens *tokens, struct server *server)
{
    if (tokens)
        tokens->server = server;
}

/* ---- reading again ---- */

static bool reload(struct tokens *tokens)
{
    struct grants grants;
    char why[1024];
    if (!grants_load(&grants, tokens->path, why, sizeof why)) {
        atomic_fetch_add_explicit(&tokens->access->failures, 1, memory_order_relaxed);
        notice(LOG_ERR, "tokens", "%s; the tokens stay as they were", why);
        return false;
    }
    uint32_t count = grants.count;
    if (!access_publish(tokens->access, &grants, clock_ms(CLOCK_REALTIME))) {
        notice(LOG_ERR, "tokens", "no memory for the tokens of %s; they stay as they were",
               tokens->path);
        return false;
    }
    const struct notice_field fields[] = { { .name = "count", .number = count }, { .name = NULL } };
    notice_with(LOG_INFO, "tokens", fields, "read %s again: %" PRIu32 " token%s", tokens->path,
                count, count == 1 ? "" : "s");
    return true;
}

void tokens_look(void *context, bool asked)
{
    struct tokens *tokens = context;
    struct file_mark mark = mark_of(tokens->path);
    bool changed = !same_mark(&mark, &tokens->mark);
    bool news = false;
    if (changed || asked) {
        tokens->mark = mark;
        news = reload(tokens);
    }
    news |= access_look(tokens->access, clock_ms(CLOCK_REALTIME));
    if (news)
        server_wake(tokens->server);
}

/* ---- who can reach the engine ---- */

static bool reach_good(const char *address, enum reach reach, const struct options *options,
                       char *why, size_t size)
{
    bool certified = address_encrypted(address) && options->tls_client_ca[0];
    if (options->tokens[0] || options->insecure || reach == REACH_LOCAL)
        return true;
    snprintf(why, size,
             "other machines can reach %s%s, and %s: give --tokens FILE, listen on 127.0.0.1 or "
             "unix:PATH, or say --insecure",
             address, reach == REACH_ALL ? " (every address of this machine)" : "",
             certified ? "every certificate has every right" : "there is no authentication");
    return false;
}

bool exposure_good(const struct server *server, const struct options *options, char *why,
                   size_t size)
{
    const char *address;
    for (unsigned i = 0; (address = server_address(server, i)); i++)
        if (!reach_good(address, server_reach(server, i), options, why, size))
            return false;
    return true;
}

bool exposure_check(const struct options *options, char *why, size_t size)
{
    enum reach reach;
    for (unsigned i = 0; i < options->listen_count; i++)
        if (address_reach(options->listen[i], &reach, why, size) ||
            !reach_good(options->listen[i], reach, options, why, size))
            return false;
    return true;
}

void exposure_warn(const struct server *server, const struct options *options)
{
    const char *address;
    for (unsigned i = 0; (address = server_address(server, i)); i++) {
        enum reach reach = server_reach(server, i);
        if (reach == REACH_LOCAL)
            continue;
        notice(LOG_WARNING, "access", "other machines can reach %s%s, and %s", address,
               reach == REACH_ALL ? " (every address of this machine)" : "",
               options->tokens[0] ? "tokens cross the network there unencrypted"
                                  : "there is no authentication: trust the network");
    }
}
