/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Supply on its way (docs/CONCURRENCY.md, "Supply"; engine/store/incoming.h): ship, arrive, close
 * (withdraw changes the same words) and reschedule against orders, cancels, fulfils and sweeps on
 * the pool of a line.
 *
 * The pool's word {on hand, reserved, undecided} changes by one swap. Beside it lie two words that
 * only the owner of the supply's entry writes: `mark` {expected, version} and `eta` (0: nothing is
 * promised). Units that have come are on_hand - expected; `shared` is what is free in the shared
 * pool of the place. The owner runs up to OPERATIONS of its four operations one after the other, in
 * any order, each at most once: two, as all four take some gigabytes. Others may see its plain
 * stores to `mark` late, but not later than its next swap.
 *
 * The pool has two units and two draws; none or one of the units has come. One draw is cancelled
 * (then swept), one is fulfilled, and a third order comes, which may fail and undo its take. A
 * process that goes round its loop is what the engine defers or plans again. A fulfil's last look
 * and its take are one step here: the take's own condition repeats the look (ops/precedence.c).
 *
 * Every claim also applies its record to l_*, the ledger that the log's prefix gives. There: units
 * are neither made nor lost, none is promised twice, none is fulfilled before it has come, and an
 * order has the eta of the last reschedule before it. At rest: the words are what the log gives,
 * and what has come and is free lies in the shared pool.
 *
 * X1, the mark:
 *   -DRAISE_LATE        begin_lines (supply_step.c) raises it after the give: refuted
 *   -DLOWER_FIRST       an arrive lowers it before it takes and claims (supply_step_show): refuted
 *   -DNO_FLOOR          a fulfil does not ask whether its unit has come (settle.c, @floor): refuted
 *   -DSTALE_FULFIL      nor whether the mark is still the same (settle.c, @mark): refuted
 *   -DSTALE_SWEEP       nor does a sweep (sweep.c, check_mark): refuted
 *   -DREFUSE_STALE      a fulfil refuses though the mark has changed (is_sure): refuted
 *   -DREFUSE_UNDECIDED  a fulfil refuses while a take is undecided (is_sure): refuted
 *   -DREFUSE_RAISING    a fulfil refuses while the mark is raised (is_sure): refuted
 * What has come and is free is swept (sweep.c):
 *   -DSWEEP_ONCE        a sweep that is not sure ends (@unsure): refuted
 *   -DLATE_MARK         a sweep does not look at the mark before the word too (@unsure): refuted
 *   -DPLAIN_LOOK        a sweep reads the word by a plain load (@sweep-swap): refuted
 *   -DCLOSE_NO_SWEEP    a close does not sweep (ledger_arrive, note_sweep): refuted
 * Nobody is short for an order that is undone (supply_arrive.c, divide):
 *   -DEARLY_LOSS        a close leaves the pool short under an undecided order: refuted
 * X2, the eta:
 *   -DNO_VALIDATION     an order does not look at it again (reserve.c, etas_hold): refuted
 *   -DETA_FIRST         a reschedule shows it before its claim (stop_promising): refuted
 */
#ifndef OPERATIONS
#ifdef CLOSE_NO_SWEEP
#define OPERATIONS 3
#else
#define OPERATIONS 2
#endif
#endif

#define OLD_ETA 1
#define NEW_ETA 2

short on_hand = 2, reserved = 2; /* the pool's word */
byte undecided = 0;
short expected;                /* `mark`: with the version, one word */
byte version = 0;              /* rises with expected; odd until on hand has risen too */
byte eta = OLD_ETA;
short shared = 0;

bool late = false;             /* the owner's store to `mark` that others do not see yet */
short late_expected;
byte late_version;

short l_on_hand = 2, l_reserved = 2, l_expected, l_shared = 0;
byte l_eta = OLD_ETA;
short shipped = 2, fulfilled = 0, lost = 0;
short lacking = 0;             /* promised units that a close found lost */
short here;                    /* units that have come, are in the pool, and are seen to be */
short late_here = 0;
byte ended = 0;

inline check_prefix()
{
    assert(l_on_hand >= 0 && l_reserved >= 0 && l_expected >= 0 && l_shared >= 0);
    assert(l_on_hand >= l_expected);
    assert(l_reserved <= l_on_hand + lacking);
    assert(l_on_hand + l_shared + fulfilled + lost == shipped)
}

inline seen()
{
    if
    :: late ->
        expected = late_expected;
        version = late_version;
        here = here + late_here;
        late_expected = 0;
        late_version = 0;
        late_here = 0;
        late = false
    :: else
    fi
}

inline store(e, v, came)
{
    atomic {
        seen();
        late_expected = e;
        late_version = v;
        late_here = came;
        late = true
    }
}

inline take(units, draws)
{
    on_hand = on_hand - units;
    reserved = reserved - draws;
    here = here - units;
    undecided++
}

inline undo(units, draws)
{
    on_hand = on_hand + units;
    reserved = reserved + draws;
    here = here + units;
    undecided--
}

/* A swap that changes nothing; after it the owner's stores are seen. */
inline look(owns, s, u)
{
    atomic {
#ifndef PLAIN_LOOK
        if :: owns -> seen() :: !owns fi;
#endif
        s = on_hand - reserved;
        u = undecided
    }
}

/* Moves what has come and is free to the shared pool, until there is none and none can appear. */
inline sweep(owns, s, e, v, u)
{
    do
    ::  atomic { e = expected; v = version };
        look(owns, s, u);
        atomic {
#ifndef LATE_MARK
            if :: expected != e || version != v -> u++ :: else fi; /* not sure */
#endif
            e = expected;
            v = version;
            s = s - e
        };
        if
        :: atomic {
                s <= 0 ->
#ifdef SWEEP_ONCE
                v = 0; u = 0;
#endif
                if :: u == 0 && v % 2 == 0 -> s = 0; e = 0; v = 0; break :: else fi
           }
        :: else ->
            atomic {
                if
                :: on_hand - reserved >= s + e -> take(s, 0)
                :: else -> s = 0
                fi
            };
            if
            :: s == 0
#ifndef STALE_SWEEP
            :: s > 0 && (expected != e || version != v) -> atomic { undo(s, 0) }
            :: s > 0 && expected == e && version == v ->
#else
            :: s > 0 ->
#endif
                atomic { l_on_hand = l_on_hand - s; l_shared = l_shared + s; check_prefix() };
                shared = shared + s;
                undecided--
            fi
        fi
    od
}

proctype canceller()
{
    short s, e;
    byte v, u;
    atomic { l_reserved--; check_prefix() };
    reserved--;
    sweep(false, s, e, v, u);
    ended++
}

proctype fulfiller()
{
    short e;
    byte v, u;
    bool taken, lacked;
    do
    ::  atomic { e = expected; v = version; lacked = (here < 1) };
        atomic {
            u = undecided;
            lacked = lacked || here < 1; /* a refusal is true at an instant of the call */
            taken = (on_hand - 1 >= e);
#ifdef NO_FLOOR
            taken = true;
#endif
            if :: taken -> take(1, 1) :: else fi
        };
        if
#ifndef STALE_FULFIL
        :: taken && (expected != e || version != v) -> atomic { undo(1, 1) }
        :: taken && expected == e && version == v ->
#else
        :: taken ->
#endif
            atomic { l_on_hand--; l_reserved--; fulfilled++; check_prefix() };
            undecided--;
            break
        :: !taken ->
            if
#ifndef REFUSE_UNDECIDED
            :: u > 0
#endif
#ifndef REFUSE_RAISING
            :: v % 2 == 1
#endif
#ifndef REFUSE_STALE
            :: expected != e || version != v
#endif
            :: else -> assert(lacked); break
            fi
        fi
    od;
    ended++
}

proctype order()
{
    byte planned;
    do
    ::  atomic { eta != 0 -> planned = eta };
        if
        :: atomic { on_hand - reserved >= 1 -> take(0, -1) }
        :: atomic { else -> break }
        fi;
        if
#ifndef NO_VALIDATION
        :: atomic { eta != planned -> undo(0, -1) }
        :: eta == planned ->
#else
        :: true ->
#endif
            if
            :: atomic { undo(0, -1) } /* another line is short */
            :: atomic {
                    assert(planned == l_eta);
                    assert(l_on_hand - l_reserved >= 1);
                    l_reserved++;
                    check_prefix()
               };
               undecided--
            fi;
            break
        fi
    od;
    ended++
}

inline ship()
{
#ifndef RAISE_LATE
    e++;
    v++;
    store(e, v, 0);
#endif
    atomic { seen(); shipped++; l_on_hand++; l_expected++; check_prefix() };
    atomic { seen(); on_hand++ };
#ifdef RAISE_LATE
    e++;
    v++;
#endif
    v++;
    store(e, v, 0)
}

/* One unit comes. What nobody was promised of it moves to the shared pool. */
inline arrive()
{
    do
    ::  atomic {
            s = on_hand - e + 1 - reserved;
            if :: s > 0 -> s = 1 :: else -> s = 0 fi
        };
#ifdef LOWER_FIRST
        store(e - 1, v, 1 - s);
#endif
        if
        :: s == 0 -> break
        :: else ->
            atomic {
                seen();
                if
                :: on_hand - reserved >= s + e - 1 -> on_hand = on_hand - s; undecided++; break
                :: else
                fi
            }
        fi
    od;
    atomic {
        seen();
        l_on_hand = l_on_hand - s;
        l_expected--;
        l_shared = l_shared + s;
        check_prefix()
    };
    shared = shared + s;
    e--;
#ifndef LOWER_FIRST
    store(e, v, 1 - s);
#endif
    if :: s > 0 -> atomic { seen(); undecided-- } :: else fi;
    sweep(true, s, se, sv, u)
}

#ifdef EARLY_LOSS
#define SETTLED true
#else
#define SETTLED (lack == 0 || undecided == 0)
#endif

/* All that is expected is lost. Free shared units stand in for those that were promised. */
inline close()
{
    do
    ::  atomic {
            lack = reserved - (on_hand - e);
            if :: lack < 0 -> lack = 0 :: else fi
        };
        atomic {
            stand = shared;
            if :: stand > lack -> stand = lack :: else fi;
            s = e - stand /* what on_hand falls by */
        };
        atomic {
            seen();
            if
            :: s == 0
            :: s > 0 && on_hand - reserved >= e - lack && SETTLED -> on_hand = on_hand - s; undecided++
            :: else -> lack = -1 /* plans again */
            fi
        };
        if
        :: lack < 0
        :: lack >= 0 ->
            atomic {
                if
                :: shared >= stand -> shared = shared - stand; break
                :: else -> if :: s > 0 -> on_hand = on_hand + s; undecided-- :: else fi
                fi
            }
        fi
    od;
    atomic {
        seen();
        l_on_hand = l_on_hand - s;
        l_expected = l_expected - e;
        l_shared = l_shared - stand;
        lost = lost + e;
        lacking = lacking + lack - stand;
        check_prefix()
    };
    e = 0;
    store(e, v, stand);
    lack = 0;
    stand = 0;
    if :: s > 0 -> atomic { seen(); undecided-- } :: else fi;
#ifndef CLOSE_NO_SWEEP
    sweep(true, s, se, sv, u)
#endif
}

/* Without an eta no order plans; the swap that follows meets those that have taken. */
inline reschedule()
{
    do
#ifdef ETA_FIRST
    ::  eta = NEW_ETA;
#else
    ::  eta = 0;
#endif
        atomic { seen(); u = undecided };
        if
        :: u > 0 -> eta = OLD_ETA
        :: else -> break
        fi
    od;
    l_eta = NEW_ETA;
    eta = NEW_ETA
}

proctype owner()
{
    bool has_shipped = false, has_arrived = false, has_closed = false, has_rescheduled = false;
    short e = expected;
    short s, se, lack, stand;
    byte v = 0, sv, u;
    byte left = OPERATIONS;
    do
    :: atomic { left > 0 && !has_shipped && !has_closed -> has_shipped = true; left-- }; ship()
    :: atomic { left > 0 && !has_arrived && e > 0 -> has_arrived = true; left-- }; arrive()
    :: atomic { left > 0 && !has_closed && e > 0 -> has_closed = true; left-- }; close()
    :: atomic { left > 0 && !has_rescheduled -> has_rescheduled = true; left-- }; reschedule()
    :: break
    od;
    atomic { seen() };
    ended++
}

/* A plain store is seen at some time. */
active proctype memory()
{
end:
    do
    :: atomic { late -> seen() }
    od
}

init {
    atomic {
        if :: expected = 1 :: expected = 2 fi;
        l_expected = expected;
        here = on_hand - expected;
        run owner(); run canceller(); run fulfiller(); run order()
    };
    (ended == 4);
    assert(undecided == 0 && on_hand == l_on_hand && reserved == l_reserved);
    assert(expected == l_expected && shared == l_shared && eta == l_eta);
    assert(on_hand - expected <= reserved)
}
