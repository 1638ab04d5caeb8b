/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a node of a cluster asks of its own journal: functions that whoever has the journal
 * provides, so that cluster/ knows neither files nor the ledger. The node's thread alone calls
 * them. While one runs the node neither beats nor follows; only `copy` and `begin` may take long.
 *
 * A function that returns false writes one line that says why.
 *
 * The order of calls:
 *
 *   found?  join  copy?  last...  cut  begin            the start (N10)
 *   take...  keeps...                                   follows
 *   serve  committed...  keeps...  hinder  hold  held   is primary
 *   ended                                               once, as the last
 */
#ifndef STOCKD_CLUSTER_OWN_JOURNAL_H
#define STOCKD_CLUSTER_OWN_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cluster/values.h"

enum { NODE_WHY_MAX = 320, NODE_PEERS_MAX = 16 };

struct batch_name {
    uint64_t number, checksum;
};

struct journal_founding {
    struct cluster_common common;
    struct text batch;             /* the last one: it has no records */
    struct cluster_trimmed before; /* the one before; 0, 0: there is none */
};

/* Why a primary takes no changes now. */
enum node_hindrance {
    NODE_UNHINDERED,
    NODE_CUT_OFF, /* etcd does not answer: it may not be the primary any more */
    NODE_FULL,    /* etcd's quota is nearly used up */
};

enum node_end {
    NODE_STOPPED,     /* by node_stop */
    NODE_REFUSED,     /* as a primary: what it has in memory may never have been (N9) */
    NODE_HANDED_OVER, /* as NODE_REFUSED, but on demand */
    NODE_BEHIND,      /* what comes next was trimmed: it must copy */
    NODE_REPLACED,    /* another process registered in its name, or had it leave */
    NODE_MISPLACED,   /* the set-up is wrong: a person has to act */
};

struct own_journal {
    void *context;

    /* One line for the log. */
    void (*say)(void *context, const char *line);

    /* The name of a batch, from its bytes. */
    bool (*name)(void *context, struct text batch, struct batch_name *name, char *why, size_t size);
    /* Of the journal's last batch; number 0: it is empty. */
    struct batch_name (*last)(void *context);

    /* ---- the start ---- */

    /* There is no cluster yet: what to found it with. The batch is borrowed until `join`. */
    bool (*found)(void *context, struct journal_founding *founding, char *why, size_t size);
    /* The journal shall be one of this cluster's. False: it is another's, or of another size. */
    bool (*join)(void *context, const struct cluster_common *common, uint64_t etcd_cluster,
                 char *why, size_t size);
    /* Does a node answer at that address, which is not this node's? NULL: none does. */
    bool (*answers)(void *context, const char *address);
    /* The last batch that the journal itself states was committed. */
    uint64_t (*sure)(void *context);
    /* The checksum of a batch. False: it is not there (any more); no line. */
    bool (*checksum)(void *context, uint64_t number, uint64_t *checksum);
    /* Removes all batches after that one, durably. */
    bool (*cut)(void *context, uint64_t after, char *why, size_t size);
    /* Replaces the journal by that of one of the peers' (addresses), which has the batch that was
     * trimmed. Tried again after a while. NULL: cannot. */
    bool (*copy)(void *context, const struct cluster_trimmed *trimmed,
                 const char *const addresses[], size_t count, char *why, size_t size);
    /* All that the journal has is committed now: it is applied, and batches will come. */
    bool (*begin)(void *context, char *why, size_t size);

    /* ---- following ---- */

    /* The next batch, read in etcd (N6): checks that it continues the chain, writes and applies it.
     * False: it does not, or the disk fails; the node ends. */
    bool (*take)(void *context, struct text batch, char *why, size_t size);
    /* The last batch, at most `limit`, up to which all are synced on this disk, and the LSN of its
     * end (N11). */
    uint64_t (*keeps)(void *context, uint64_t limit, uint64_t *lsn);

    /* ---- as the primary ---- */

    /* Make batches from now on, and hand them to node_append: first one without records. Changes
     * are served once that is committed. Must not wait for it. */
    bool (*serve)(void *context, const struct cluster_term *term, char *why, size_t size);
    /* All batches up to this number are committed. */
    void (*committed)(void *context, uint64_t number);
    /* Changes are refused for this reason from now on, or for none any more. */
    void (*hinder)(void *context, enum node_hindrance hindrance);
    /* Hold back further changes, for a handover; or go on. NULL: cannot. */
    void (*hold)(void *context, bool held);
    /* True: they are held, and all before them is in batches that were handed over: *last. */
    bool (*held)(void *context, uint64_t *last);

    /* What node_ask asked for is done, or not, and why. */
    void (*replied)(void *context, bool done, const char *why);

    /* The node has ended; nothing more is called. */
    void (*ended)(void *context, enum node_end end, const char *why);
};

#endif
