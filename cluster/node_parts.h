/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Within cluster/: a node, and what its roles share. All of it is its thread's, unless a field says
 * otherwise.
 *
 * The thread waits in one place only, node_wait. As long as the node is primary, batches are
 * appended and beats sent there, whatever it waits for: so chores are written one step after
 * another.
 */
#ifndef STOCKD_CLUSTER_NODE_PARTS_H
#define STOCKD_CLUSTER_NODE_PARTS_H

#include <pthread.h>

#include "cluster/appender.h"
#include "cluster/node.h"

enum { LOG_MARKS = 64 };

/* Where the log had how many bytes: one mark for each 1/64 of what is not trimmed. */
struct log_marks {
    uint64_t bytes; /* read or committed in this life */
    uint32_t count;
    struct {
        uint64_t number, bytes;
    } marks[LOG_MARKS];
};

struct node {
    struct node_config config; /* its texts are in `texts` */
    struct node_limits limits;
    char texts[3][NODE_ADDRESS_MAX];
    struct own_journal journal;
    struct etcd *etcd;
    struct cluster cluster;
    uint32_t members; /* of etcd: its endpoints */
    pthread_t thread;
    bool started;

    /* ---- from other threads ---- */
    int wake; /* an eventfd */
    _Atomic bool stopping, suspected;
    _Atomic uint64_t answered_ms; /* relaxed: a time; 0: it was never primary */
    _Atomic bool asked;           /* release: `ask` is filled */
    pthread_mutex_t lock;         /* of the next two */
    struct node_status status;
    struct {
        enum node_request request;
        char name[NODE_NAME_MAX];
    } ask;

    /* ---- the thread's ---- */
    enum node_role role;
    enum node_end end;
    char why[NODE_WHY_MAX];
    uint64_t tags;
    struct cluster_term term; /* as last read */
    struct term_held term_at; /* its revision and version */
    bool has_term;            /* this node has taken it: that is what it holds */
    int64_t registered;       /* N13 */
    uint64_t last;            /* read and applied, or committed */
    struct cluster_trimmed trimmed;
    int64_t trimmed_at;  /* its revision */
    uint64_t saw_end_ms; /* when it last had read all of the log */
    struct log_marks marks;
    uint32_t chore; /* how many it has done */
    uint64_t chores_ms, fade_ms, compact_ms;
    uint64_t kept, kept_at_bytes; /* what it said it keeps */
    uint32_t peer_count;          /* as being read; then they are published */
    struct node_peer peers[NODE_PEERS_MAX];
    enum node_hindrance hindrance;
    bool is_full;
    bool does_request;
    bool hands_over;

    /* As a standby: how long the beat has not moved. */
    struct {
        int64_t revision, of_term;
        uint64_t since_ms;                /* it has not moved */
        uint64_t read_ms;                 /* the last read that was answered was sent */
        struct cluster_handover handover; /* term 0: none */
    } watch;

    /* As the primary. */
    struct appender appender;
    struct commit_times times; /* any thread reads */
    struct {
        uint64_t tag; /* of the one under way; 0: none */
        uint64_t sent_ms, next_ms, counter;
    } beat;
    uint64_t reported; /* to the journal, as committed */
};

uint64_t node_now_ms(void);

/* ---- waiting ---- */

/* What goes with the next call. */
struct cluster_call node_call(struct node *node);

/* Waits for the reply to the call that was submitted last; submitted: what that returned. NULL: it
 * must go. The reply lives until the next wait. */
const struct etcd_reply *node_reply(struct node *node, int submitted);

/* The node is to stop, or its term is another's: its role returns. */
bool node_must_go(const struct node *node);
/* That long, or until the node is woken. */
void node_pause(struct node *node, uint64_t ms);

enum node_read { NODE_READ, NODE_ABSENT, NODE_UNREAD };

/* One key as a value. at: its revision and version; may be NULL. UNREAD: etcd has not answered, or
 * the value is none. */
enum node_read node_read_value(struct node *node, const char *folder, const char *name,
                               enum cluster_kind kind, void *value, struct term_held *at);
/* Into node->term and node->trimmed. False: not read. */
bool node_read_term(struct node *node);
bool node_read_trimmed(struct node *node);

/* ---- ending ---- */

/* The next role is NODE_ENDED, for that reason. */
enum node_role node_ends(struct node *node, enum node_end end, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void node_say(struct node *node, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- the roles: each returns the next one; its own, if it must go ---- */

enum node_role node_joins(struct node *node);
enum node_role node_follows(struct node *node);
enum node_role node_stands(struct node *node);
enum node_role node_is_primary(struct node *node);

/* ---- parts of several ---- */

enum log_read {
    LOG_SOME,   /* some batches, which were taken */
    LOG_END,    /* there was nothing after `last` when it was read */
    LOG_BEHIND, /* what comes next is trimmed */
    LOG_UNREAD,
    LOG_ENDS, /* the node has to end */
};

/* Reads and takes the next batches. strictly: an end is compared with what is trimmed. */
enum log_read node_read_log(struct node *node, bool strictly);

/* The term's primary hands over to this node, which has all that it had. */
bool node_is_handed_over(const struct node *node);

/* Reads the beat, a handover and the term. False: not all of it. */
bool node_watches(struct node *node);

/* More of the log, up to this batch, was read or committed. */
void node_mark(struct node *node, uint64_t number, uint64_t bytes);
/* The last batch behind which that many bytes of log are known to come; 0: none is. */
uint64_t node_marked(const struct node *node, uint64_t bytes);

/* Now and then: says what it keeps, reads what others keep, and who they are; as the primary trims.
 * False: the node has to end. */
bool node_does_chores(struct node *node);
/* Trims what two nodes keep, and has etcd forget old revisions. */
void node_trims(struct node *node, struct cluster_keeper *keepers, size_t count);

/* Does what another thread asked for. False: the node has to end. */
bool node_does_request(struct node *node);
void node_hands_over(struct node *node, const char *to);

/* As the primary: beats and appends. */
void node_primary_turn(struct node *node, uint64_t now_ms);
void node_primary_takes(struct node *node, const struct etcd_reply *reply);
/* When it has something to do again by itself. */
uint64_t node_primary_due_ms(const struct node *node);

/* The figures that change all the time. */
void node_publish(struct node *node);

#endif
