/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The nodes that a client may speak to, and which of them is next. No I/O.
 *
 * A list "A,B,C" names several nodes of one cluster. One of them, the primary, takes changes; the
 * others refuse them with `not_primary {address, term}`.
 *
 *   K1  node[0] to node[listed - 1] are those of the list, each once. Behind them are at most
 *       STK_FURTHER more, which a `not_primary` has named: the current one, and where to go next.
 *   K2  After a failure the next node in turn is tried: it may know more than the one that is gone.
 *   K3  `term` is the highest that was heard of. An answer with a lower one is old: its address is
 *       not followed.
 *   K4  Once as many tries have failed as there are nodes, a pause is due, each one longer. So two
 *       nodes that name each other keep nobody busy.
 *   K5  A node that is not on the list is connected to no less safely than those that are: see
 *       stk_nodes_redirect.
 */
#ifndef STOCKD_CLIENT_NODES_H
#define STOCKD_CLIENT_NODES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    STK_NODES_MAX = 16, /* on a list */
    STK_FURTHER = 2,
    STK_NO_NODE = STK_NODES_MAX + STK_FURTHER,
    STK_ADDRESS_MAX = 287, /* bytes of an address */
    STK_WHY_MAX = 255,
};

struct stk_node {
    char address[STK_ADDRESS_MAX + 1];
    char why[STK_WHY_MAX + 1]; /* it was left for another; "": it was not */
    bool stopped;              /* it was left because it takes no changes */
};

struct stk_nodes {
    struct stk_node *node; /* listed + STK_FURTHER of them */
    size_t listed;
    size_t count;
    size_t at;       /* the one that is or was connected to, or tried */
    size_t next;     /* if moved */
    size_t primary;  /* the one that `term` names, or STK_NO_NODE */
    uint64_t term;   /* 0: none was heard of */
    unsigned tries;  /* that failed since the last pause */
    unsigned pauses; /* since it began */
    bool moved;      /* `at` is left: `next` says for which */
    bool redirected; /* it was left because it is not the primary */
};

/* Reads a list. False: it is none, with why filled in, and nodes is empty. */
bool stk_nodes_read(struct stk_nodes *nodes, const char *list, char *why, size_t size);
void stk_nodes_free(struct stk_nodes *nodes); /* it is empty then */

/* A new search: no tries, no reasons. */
void stk_nodes_begin(struct stk_nodes *nodes);

static inline bool stk_nodes_several(const struct stk_nodes *nodes)
{
    return nodes->count > 1;
}

static inline const char *stk_nodes_address(const struct stk_nodes *nodes)
{
    return nodes->count > 0 ? nodes->node[nodes->at].address : "";
}

/* Some node of the list is at tls://. */
bool stk_nodes_encrypted(const struct stk_nodes *nodes);

/* Makes the next one the current one, if there is one. */
void stk_nodes_go(struct stk_nodes *nodes);

/* The current one is lost or cannot be reached. why may begin with its address. Nothing happens if
 * it is left already. */
void stk_nodes_failed(struct stk_nodes *nodes, const char *why);

/*
 * The current one is not the primary; address (of len bytes) is, or NULL: there is none. If it is
 * left already, only a later term changes where to.
 *
 * An address that is not on the list is taken as tls:// if one on the list is. A Unix socket that
 * is not on the list is not followed. With a token, neither is an address without TLS, unless one
 * such is on the list.
 */
void stk_nodes_redirect(struct stk_nodes *nodes, const char *address, size_t len, uint64_t term,
                        bool with_token);

/* The current one refuses changes, say because it is cut off from the others. True: it is left, to
 * ask another one; false: it was before, and the others have led back to it. */
bool stk_nodes_stopped(struct stk_nodes *nodes, const char *why);

/* Milliseconds to wait before the next try: 0 unless it is due. */
int64_t stk_nodes_pause(struct stk_nodes *nodes, int64_t first_ms);

/* "A: REASON; B: REASON", of all nodes. */
void stk_nodes_reasons(const struct stk_nodes *nodes, char *out, size_t size);

#endif
