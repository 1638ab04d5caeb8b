/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replication through etcd (docs/CLUSTER.md): three nodes, of which two may become primary. Nodes
 * crash, disks are lost, and etcd applies a transaction late, more than once, or never.
 *
 * etcd is linearizable: one step here is one transaction, or one read. `appending` carries the
 * appends of one term: what was sent once may be applied at any later time, again and again, also
 * after its sender is gone. That is more than etcd does, and includes what a client does that sends
 * again what was not answered. A primary learns the outcome only by reading log/N.
 *
 * A batch is named by the term that made it, and the term that made the one before it: so a batch
 * with another content differs, and the chain shows. A journal is what a node has in memory, of
 * which the first on_disk batches survive a crash. A standby writes a batch before it applies it; a
 * primary's local write may be late. A node that lost its disk comes back empty, under a new id. A
 * disk is lost only when cluster status says that this loss is survived: the node that lost one
 * before is back, and another node keeps all that was trimmed.
 *
 * Checked at each step: what was acknowledged is in etcd's log or on a disk; who begins to serve
 * has all of it at its place, and so has a later primary when an earlier one acknowledges; no two
 * acknowledge in conflict; no number is committed twice; what a standby has is a prefix of what was
 * committed (so journals are the same byte by byte); a standby never meets a batch that does not
 * continue its chain.
 *
 * Bounded: 3 batches, 2 of them under way; 2 terms; two faults, each a crash of a candidate or a
 * lost disk (a refused primary ends besides); a copy from a peer is one step, and what a node says
 * that it keeps is not late. docs/CLUSTER.md tells of searches with other bounds. Not here: time,
 * segments, and what clients read.
 *
 * Append, by the primary of a term:
 *   -DNO_TERM          etcd does not compare the term: refuted
 *   -DNO_PREVIOUS      nor does it ask for the batch before: refuted
 *   -DREUSE_NUMBER     what was not answered failed; its number gets another content: refuted
 *   -DREPLY_AT_WRITE   a reply leaves when the local journal has the batch: refuted
 * Takeover:
 *   -DSERVE_EARLY      it serves before it has read the log to its end: refuted
 *   -DSWAP_BEHIND      it takes the term although it lacks what was trimmed: refuted
 * A refused primary, and a restart:
 *   -DKEEP_MEMORY      a refused primary goes on as a standby without a restart: refuted
 *   -DNO_CUT           a start keeps a tail that was never committed: refuted
 *   -DKEPT_BEFORE_CUT  a start says that it keeps that tail, and then cuts it: refuted
 *   -DKEPT_LOCAL       a primary says that it keeps what is not committed yet: refuted
 *   -DCUT_BLINDLY      a start cuts what the node said that it keeps: refuted
 * Trimming and joining:
 *   -DTRIM_BY_ONE      one journal that keeps a batch is enough to trim it: refuted
 *   -DKEPT_EARLY       a joiner says that it keeps all that is committed before it has it: refuted
 *   -DCOPY_UNCUT       a joiner keeps all that it copied from a peer: refuted
 *   -DSAME_ID          a lost disk comes back under its old id, which still counts: refuted
 */
#ifndef TERMS
#define TERMS 2               /* at most 3 */
#endif
#ifndef FAULTS
#define FAULTS 2
#endif
#define BATCHES 3
#define UNDER_WAY 2
#define NODES 3
#define CANDIDATES 2

#define BATCH(maker, previous) ((previous) << 3 | (maker))
#define MAKER(batch) ((batch) & 7)
#define PREVIOUS(batch) ((batch) >> 3)
#ifdef REUSE_NUMBER
#define OTHER 4               /* or-ed to the maker of another content */
#define MAKERS 7
#else
#define MAKERS TERMS
#endif

/* ---- etcd ---- */

byte term = 1;                /* stands for its mod_revision, too */
byte log[BATCHES];            /* a batch; 0: absent */
byte trimmed = 0;             /* the last batch that was trimmed, and its content */
byte trimmed_batch = 0;
byte kept[NODES];             /* that node keeps the first so many batches on its disk */

byte sent[BATCHES * MAKERS];  /* appends */
byte trim_sent = 0;           /* trim up to there, in this term */
#ifdef LATE_KEPT
byte kept_sent[NODES];
#define SAID(n) kept_sent[n]
#else
#define SAID(n) kept[n]
#endif

/* ---- nodes ---- */

#define DOWN 0
#define STANDBY 1
#define TAKING_OVER 2         /* has swapped the term, reads the log to its end */
#define PRIMARY 3

byte role[NODES];
byte mine[NODES];             /* the term that it took */
byte journal[NODES * BATCHES];
byte in_memory[NODES];
byte on_disk[NODES];
byte committed[NODES];        /* as the primary knows */
bool lost[NODES];             /* the disk, and the node is not back yet */

byte faults = 0;              /* crashes and lost disks so far */

/* ---- for the assertions ---- */

byte chosen[BATCHES];         /* what etcd once committed there */
byte acknowledged[BATCHES];

hidden byte x, k;             /* within one step */

#define LOG(number) log[(number) - 1]
#define SENT(number, maker) sent[((number) - 1) * MAKERS + (maker) - 1]
#define AT(n, number) journal[(n) * BATCHES + (number) - 1]
#define LAST(n) (in_memory[n] == 0 -> 0 : AT(n, in_memory[n]))
#define IS_UP(n) (role[n] != DOWN)
#define FOLLOWS(n) (role[n] == STANDBY || role[n] == TAKING_OVER)
#define HAS(n, number) (on_disk[n] >= number && AT(n, number) == acknowledged[number - 1])

inline check_nothing_lost()
{
    k = 1;
    do
    :: k <= BATCHES ->
        assert(acknowledged[k - 1] == 0 || LOG(k) == acknowledged[k - 1] ||
               HAS(0, k) || HAS(1, k) || HAS(2, k));
        k++
    :: else -> break
    od;
    skip
}

inline check_prefix(n)
{
    k = 1;
    do
    :: k <= in_memory[n] -> assert(AT(n, k) == chosen[k - 1]); k++
    :: else -> break
    od;
    skip
}

inline check_has_all(n)
{
    k = 1;
    do
    :: k <= BATCHES ->
        assert(acknowledged[k - 1] == 0 ||
               (in_memory[n] >= k && AT(n, k) == acknowledged[k - 1]));
        k++
    :: else -> break
    od;
    skip
}

inline acknowledge(n, number)
{
    assert(acknowledged[number - 1] == 0 || acknowledged[number - 1] == AT(n, number));
    acknowledged[number - 1] = AT(n, number);
    k = 0;
    do
    :: k < NODES ->
        assert(role[k] != PRIMARY || mine[k] <= mine[n] ||
               (in_memory[k] >= number && AT(k, number) == AT(n, number)));
        k++
    :: else -> break
    od;
    skip
}

/* ---- what a node does with its journal ---- */

inline truncate(n, to)
{
    k = to + 1;
    do
    :: k <= BATCHES -> AT(n, k) = 0; k++
    :: else -> break
    od;
    in_memory[n] = to;
    if :: on_disk[n] > to -> on_disk[n] = to :: else fi
}

/* The process ends. */
inline stop(n)
{
    truncate(n, on_disk[n]);
    role[n] = DOWN;
    mine[n] = 0;
    committed[n] = 0
}

/* The first x batches are known to be committed. Cuts off all from the first one on that is not:
 * it is neither in etcd's log, nor before a batch that etcd states was trimmed. */
inline cut(n)
{
    do
    :: x < on_disk[n] && LOG(x + 1) != 0 && LOG(x + 1) == AT(n, x + 1) -> x++
    :: x < on_disk[n] && x < trimmed && LOG(x + 1) == 0 && on_disk[n] >= trimmed &&
       AT(n, trimmed) == trimmed_batch -> x = trimmed
    :: else -> break
    od;
    truncate(n, x)
}

/* A header states what was committed when its batch was made: all but UNDER_WAY at least. And a
 * node says that it keeps only what is committed. */
inline start(n)
{
    role[n] = STANDBY;
    if
    :: lost[n] ->
        lost[n] = false;
#ifndef SAME_ID
        kept[n] = 0;
        SAID(n) = 0
#endif
    :: else
    fi;
    x = (on_disk[n] > UNDER_WAY -> on_disk[n] - UNDER_WAY : 0);
#ifdef CUT_BLINDLY
    truncate(n, x);
#else
    if :: kept[n] > x && kept[n] <= on_disk[n] -> x = kept[n] :: else fi;
#ifdef KEPT_BEFORE_CUT
    kept[n] = on_disk[n];
#endif
#ifdef NO_CUT
    x = on_disk[n];
#endif
    cut(n);
#endif
#ifdef KEPT_EARLY
    k = 1;
    do
    :: on_disk[n] == 0 && k <= BATCHES && chosen[k - 1] != 0 -> kept[n] = k; k++
    :: else -> break
    od;
#endif
    check_prefix(n);
    check_nothing_lost()
}

/* A peer's journal is as good as etcd's log up to `trimmed`, if its batch there is the one that
 * etcd names. What comes after it may be a tail that is never committed. */
#define CAN_COPY(n, from) (role[n] == STANDBY && in_memory[n] < trimmed && n != from && \
                           on_disk[from] >= trimmed && AT(from, trimmed) == trimmed_batch)

inline copy(n, from)
{
    on_disk[n] = on_disk[from];
    k = 1;
    do
    :: k <= BATCHES -> AT(n, k) = (k <= on_disk[from] -> AT(from, k) : 0); k++
    :: else -> break
    od;
    x = trimmed;
#ifdef COPY_UNCUT
    x = on_disk[n];
#endif
    cut(n);
    check_prefix(n)
}

#ifdef SWAP_BEHIND
#define MAY_SWAP(n) true
#else
#define MAY_SWAP(n) (in_memory[n] >= trimmed)
#endif

#ifdef SERVE_EARLY
#define HAS_READ_ALL(n) true
#else
#define HAS_READ_ALL(n) (in_memory[n] == BATCHES || LOG(in_memory[n] + 1) == 0)
#endif

/* What the node may say that it keeps. */
#ifdef KEPT_LOCAL
#define KEEPS(n) on_disk[n]
#else
#define KEEPS(n) (role[n] == PRIMARY && committed[n] < on_disk[n] -> committed[n] : on_disk[n])
#endif

/* cluster status: the loss of this disk is survived. */
#define KEEPS_ALL(n) (kept[n] >= trimmed)
#define IS_SURVIVED(n) (!lost[0] && !lost[1] && !lost[2] && \
    (n != 0 && KEEPS_ALL(0) || n != 1 && KEEPS_ALL(1) || n != 2 && KEEPS_ALL(2)))

proctype node(byte me)
{
end:
    do
    :: d_step { role[me] == DOWN -> start(me) }
    :: d_step { CAN_COPY(me, 0) -> copy(me, 0) }
    :: d_step { CAN_COPY(me, 1) -> copy(me, 1) }
    :: d_step { CAN_COPY(me, 2) -> copy(me, 2) }
    :: d_step { /* reads the next batch, writes and applies it */
        FOLLOWS(me) && in_memory[me] >= trimmed && in_memory[me] < BATCHES &&
        LOG(in_memory[me] + 1) != 0 ->
        x = LOG(in_memory[me] + 1);
        assert(PREVIOUS(x) == MAKER(LAST(me)));
        in_memory[me]++;
        on_disk[me] = in_memory[me];
        AT(me, in_memory[me]) = x;
        check_prefix(me)
       }
    :: d_step { IS_UP(me) && KEEPS(me) > SAID(me) -> SAID(me) = KEEPS(me) }
    :: d_step { /* swaps the term */
        role[me] == STANDBY && me < CANDIDATES && term < TERMS && MAY_SWAP(me) ->
        term++;
        mine[me] = term;
        trim_sent = 0;        /* of the term before: refused from now on */
        role[me] = TAKING_OVER
       }
    :: d_step { /* has read the log to its end */
        role[me] == TAKING_OVER && (mine[me] != term || HAS_READ_ALL(me)) ->
        if
        :: mine[me] != term -> role[me] = STANDBY; mine[me] = 0
        :: else -> role[me] = PRIMARY; committed[me] = in_memory[me]; check_has_all(me)
        fi
       }
    :: d_step { /* makes a batch, and sends it */
        role[me] == PRIMARY && in_memory[me] < BATCHES &&
        in_memory[me] - committed[me] < UNDER_WAY ->
        x = BATCH(mine[me], MAKER(LAST(me)));
        in_memory[me]++;
        AT(me, in_memory[me]) = x;
        SENT(in_memory[me], mine[me]) = x
       }
    :: d_step { /* the local write */
        role[me] == PRIMARY && on_disk[me] < in_memory[me] ->
        on_disk[me]++;
#ifdef REPLY_AT_WRITE
        if
        :: on_disk[me] > committed[me] -> acknowledge(me, on_disk[me])
        :: else
        fi
#endif
       }
    :: d_step { /* settles the oldest batch under way */
        role[me] == PRIMARY && committed[me] < in_memory[me] &&
        (LOG(committed[me] + 1) != 0 || mine[me] != term) ->
        if
#ifdef REUSE_NUMBER
        :: LOG(committed[me] + 1) != 0 && mine[me] == term ->
            committed[me]++;
            acknowledge(me, committed[me]);
            assert(acknowledged[committed[me] - 1] == chosen[committed[me] - 1])
#endif
        :: LOG(committed[me] + 1) == AT(me, committed[me] + 1) ->
            committed[me]++;
            acknowledge(me, committed[me])
        :: else ->
#ifdef KEEP_MEMORY
            role[me] = STANDBY; mine[me] = 0; committed[me] = 0; on_disk[me] = in_memory[me]
#else
            stop(me)
#endif
        fi
       }
#ifdef REUSE_NUMBER
    :: d_step {
        role[me] == PRIMARY && in_memory[me] == committed[me] + 1 && on_disk[me] < in_memory[me] &&
        LOG(in_memory[me]) == 0 && MAKER(LAST(me)) == mine[me] ->
        x = AT(me, in_memory[me]) | OTHER;
        AT(me, in_memory[me]) = x;
        SENT(in_memory[me], MAKER(x)) = x
       }
#endif
    :: d_step { /* asks for a trim; never of the last batch */
        role[me] == PRIMARY && mine[me] == term && committed[me] > trim_sent + 1 ->
        trim_sent = committed[me] - 1
       }
    :: d_step { me < CANDIDATES && IS_UP(me) && faults < FAULTS -> faults++; stop(me) }
    :: d_step { /* the disk is lost */
        faults < FAULTS && on_disk[me] > 0 && IS_SURVIVED(me) ->
        faults++;
        lost[me] = true;
        on_disk[me] = 0;
        stop(me);
        check_nothing_lost()
       }
    od
}

/* ---- what etcd does ---- */

#ifdef NO_TERM
#define IN_TERM(maker) true
#else
#define IN_TERM(maker) ((maker & 3) == term)
#endif
#ifdef NO_PREVIOUS
#define HAS_PREVIOUS(number) true
#else
#define HAS_PREVIOUS(number) (number > 1 && LOG(number - 1) != 0 || number == 1 && trimmed == 0)
#endif
#define CAN_PUT(number, maker) (SENT(number, maker) != 0 && LOG(number) == 0 && \
                                IN_TERM(maker) && HAS_PREVIOUS(number))

inline put(number, maker)
{
    LOG(number) = SENT(number, maker);
    assert(chosen[number - 1] == 0 || chosen[number - 1] == LOG(number));
    chosen[number - 1] = LOG(number)
}

proctype appending(byte maker)
{
end:
    do
    :: d_step { CAN_PUT(1, maker) -> put(1, maker) }
    :: d_step { CAN_PUT(2, maker) -> put(2, maker) }
    :: d_step { CAN_PUT(3, maker) -> put(3, maker) }
    od
}

#ifdef TRIM_BY_ONE
#define KEEPERS 1
#else
#define KEEPERS 2
#endif
#define COUNTS(n, number) (kept[n] >= number -> 1 : 0)

proctype trimming()
{
end:
    do
    :: d_step {
        trim_sent > trimmed &&
        COUNTS(0, trim_sent) + COUNTS(1, trim_sent) + COUNTS(2, trim_sent) >= KEEPERS ->
        trimmed = trim_sent;
        trimmed_batch = LOG(trimmed);
        k = 1;
        do
        :: k <= trimmed -> LOG(k) = 0; k++
        :: else -> break
        od;
        check_nothing_lost()
       }
#ifdef LATE_KEPT
    :: d_step { kept_sent[0] > kept[0] -> kept[0] = kept_sent[0] }
    :: d_step { kept_sent[1] > kept[1] -> kept[1] = kept_sent[1] }
    :: d_step { kept_sent[2] > kept[2] -> kept[2] = kept_sent[2] }
#endif
    od
}

init {
    atomic {
        role[0] = PRIMARY;
        mine[0] = 1;
        role[1] = STANDBY;
        role[2] = STANDBY;
        run node(0); run node(1); run node(2); run trimming();
        x = 1;
        do
        :: x <= MAKERS -> run appending(x); x++
        :: else -> break
        od
    }
}
