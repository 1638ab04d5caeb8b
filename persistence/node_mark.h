/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DIR/node: which node of a cluster this data directory is. Everything else in a node's journal is
 * the same on all nodes (F20).
 *
 * A node with an empty directory makes an id and writes the mark, once it has locked the directory,
 * before it tells the cluster of itself. So a directory with a journal and no mark is that of an
 * engine that ran alone; and a mark without a journal that of a node which has got nothing yet.
 */
#ifndef STOCKD_PERSISTENCE_NODE_MARK_H
#define STOCKD_PERSISTENCE_NODE_MARK_H

#include <stdint.h>

#include "persistence/error.h"
#include "persistence/file.h"

#define NODE_MARK_NAME "node"
#define NODE_MARK_UNFINISHED "node.tmp"
#define NODE_MARK_MAGIC "SDNODE01"

enum { NODE_MARK_VERSION = 1, NODE_NAME_MAX = 63 };

/* The whole file. */
struct node_mark {
    char magic[8];
    uint32_t version;
    uint32_t zero;
    uint64_t id;                  /* random, not 0; another one for each empty disk (N13) */
    uint64_t log_id;              /* of the cluster that holds the log: etcd's own id */
    char name[NODE_NAME_MAX + 1]; /* a text; the bytes after it are zero */
    uint64_t checksum;            /* XXH3-64 of the 96 bytes before */
};

_Static_assert(sizeof(struct node_mark) == 104, "as in the file");

/* directory: the data directory. Without a mark, mark->id is 0. 0; -EILSEQ: it is damaged;
 * -ENOTSUP: a later version wrote it; or another -errno; and why, which names the file. */
int node_mark_read(struct node_mark *mark, const struct file_ops *files, const char *directory,
                   struct error *why);

/* Fills in magic, version and checksum, and replaces the mark if there is one; returns once it is
 * durable. The name must end within its bytes. 0, or -errno and why. */
int node_mark_write(const struct node_mark *mark, const struct file_ops *files,
                    const char *directory, struct error *why);

#endif
