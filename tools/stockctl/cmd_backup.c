/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backup: asks the engine where its data is, and has stock-journal, which knows the files, copy
 * them. Not over the protocol: sealed segments never change, so a process beside the engine copies
 * them as fast as the disk is, and no worker has to serve gigabytes between two orders.
 */
#include "tools/stockctl/ctl.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CANNOT_RUN = 2 };

/* A string of the section `journal`, to be freed; NULL: it has none. */
static char *word_of(stockd_value journal, const char *key)
{
    stockd_value value = { 0 };
    const char *bytes;
    size_t len;

    if (!stockd_map_find(journal, key, &value) || !stockd_value_str(value, &bytes, &len))
        return NULL;
    return strndup(bytes, len);
}

/* stock-journal is installed beside stockctl. Returns only if it cannot be run. */
static int become(const struct ctl *ctl, const char *const arguments[])
{
    char path[PATH_MAX + 16];
    ssize_t length = readlink("/proc/self/exe", path, PATH_MAX - 1);
    if (length > 0) {
        path[length] = '\0';
        memcpy(strrchr(path, '/'), "/stock-journal", sizeof "/stock-journal");
        execv(path, (char *const *)arguments);
    }
    execvp("stock-journal", (char *const *)arguments);
    return ctl_error(ctl, CANNOT_RUN, "failed", "cannot run stock-journal: %s", strerror(errno));
}

static int back_up(const struct ctl *ctl, const char *data, const char *id, const char *backup)
{
    const char *const arguments[] = { "stock-journal",
                                      "backup",
                                      data,
                                      backup,
                                      "--directory-id",
                                      id,
                                      ctl->json ? "--json" : NULL,
                                      NULL };
    if (access(data, F_OK) != 0)
        return ctl_error(ctl, CANNOT_RUN, "failed",
                         "the engine's data directory %s is not here (%s): run this on the "
                         "engine's machine",
                         data, strerror(errno));
    return become(ctl, arguments);
}

int run_backup(struct ctl *ctl, const struct args *args)
{
    stockd_pack pack;
    stockd_reply reply;
    stockd_value journal = { 0 };
    int failed;

    stockd_pack_init(&pack, NULL, 0);
    stockd_pack_array(&pack, 1);
    stockd_pack_str(&pack, "journal");
    failed = ctl_call(ctl, "info", &pack, STOCKD_RETRY_SAFE, &reply);
    stockd_pack_free(&pack);
    if (failed != CTL_DONE)
        return failed;
    stockd_map_find(reply.result, "journal", &journal);
    char *data = word_of(journal, "directory");
    char *id = word_of(journal, "directory_id");
    if (data != NULL && id != NULL)
        failed = back_up(ctl, data, id, args->positional[0]);
    else
        failed = ctl_error(ctl, CANNOT_RUN, "failed",
                           "the engine does not say where its data is: use stock-journal backup");
    free(data);
    free(id);
    return failed;
}
