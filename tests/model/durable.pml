/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rule A (docs/CONCURRENCY.md), with a crash at any point: what was answered is in what is recovered,
 * and what is recovered promises no unit twice.
 *
 * A receiver gives a unit and two buyers take one if it is there (rules T and G). The journal drains
 * whole published records in order. Two batches of them are written at once and come back in any
 * order; the disk's watermark `durable` rises over a batch when it and all before it are back, and
 * `acknowledged` follows it in a step of its own (W2, W3): between the two other batches may be made.
 * A reply leaves when its record is acknowledged. The crash comes when it likes; what had been written whole is
 * recovered, up to the first batch that is missing; a write that was under way came through or not.
 *
 * Each batch promises what was taken back before it was made (F6). Of a batch that was under way the
 * header may have come through and the rest not: it is believed all the same (F16), and may never
 * promise what a crash can take (F8).
 *
 *   -DANSWER_AT_PUBLISH   a reply does not wait for the journal: refuted
 *   -DACK_BEFORE_WRITE    acknowledged moves when a batch is drained: refuted
 *   -DACK_OUT_OF_ORDER    acknowledged moves over a batch as soon as it is back: refuted
 *   -DPROMISE_IN_FLIGHT   a batch promises the one before it, though that is under way: refuted
 *   -DDRAIN_THE_TAIL      the journal drains what is claimed, published or not: refuted
 */
#define PLACES 4

byte tail = 0;
bool published[PLACES];
short change[PLACES];
byte answered = 0;            /* a bit for each place */
short available = 0;
byte head = 0;                /* drained */
byte durable = 0;
byte acknowledged = 0;
short disk[PLACES];
bool whole[PLACES];           /* the record was there when it was drained */
bool crashed = false;

inline claim(place) { atomic { place = tail; tail++ } }
inline publish(place, by) { atomic { change[place] = by; published[place] = true } }

inline answer(place)
{
#ifdef ANSWER_AT_PUBLISH
    atomic { answered = answered | (1 << place) }
#else
    atomic { acknowledged > place -> answered = answered | (1 << place) }
#endif
}

proctype receiver()
{
    byte place;
    { claim(place); available++; publish(place, 1); answer(place) } unless { crashed }
}

proctype buyer()
{
    byte place;
    bool got = false;
    {
        atomic { if :: available > 0 -> available--; got = true :: else fi };
        if
        :: got -> claim(place); publish(place, -1); answer(place)
        :: else
        fi
    } unless { crashed }
}

#ifdef DRAIN_THE_TAIL
#define MORE head < tail
#else
#define MORE head < PLACES && published[head]
#endif

#define UNDER_WAY 2           /* batches, at most */

byte framed = 0;              /* batches that were drained, each to be written in one go */
byte taken = 0;               /* of them, those that were acknowledged */
byte end[PLACES + 1];         /* of a batch, by its number from 1 */
bool done[PLACES + 1];        /* its write came back */
byte promise[PLACES + 1];     /* that its header bears */

/* Not one step with what follows it: others look, and the crash comes, in between. */
inline write_back(number)
{
    atomic {
        number <= framed && !done[number] ->
        done[number] = true;
#ifdef ACK_OUT_OF_ORDER
        if :: end[number] > acknowledged -> acknowledged = end[number] :: else fi
#endif
    }
}

proctype journal()
{
    {
        do
        :: atomic {
            framed - taken < UNDER_WAY && MORE ->
            do
            :: MORE -> disk[head] = change[head]; whole[head] = published[head]; head++
            :: else -> break
            od;
            framed++;
            end[framed] = head;
#ifdef PROMISE_IN_FLIGHT
            promise[framed] = framed - 1
#else
            promise[framed] = taken
#endif
#ifdef ACK_BEFORE_WRITE
            ; acknowledged = head
#endif
           }
        :: write_back(taken + 1)
        :: framed > taken + 1 -> write_back(taken + 2)
        :: atomic {
            taken < framed && done[taken + 1] ->
            taken++;
            durable = end[taken]
           }
        :: atomic { durable > acknowledged -> acknowledged = durable }
        od
    } unless { crashed }
}

/* The engine is gone; the next one recovers the batches up to the first that is not there. */
proctype crash()
{
    byte place = 0, batch = 0;
    short recovered = 0;
    atomic {
        crashed = true;
        do
        :: batch < framed -> batch++ /* a write that was under way came through, too */
        :: batch == framed || !done[batch + 1] -> break
        od;
        do
        :: place < end[batch] ->
            assert(whole[place]);
            recovered = recovered + disk[place];
            assert(recovered >= 0);
            place++
        :: else -> break
        od;
        assert((answered >> end[batch]) == 0);
        place = 0;
        do
        :: place < framed -> place++; assert(promise[place] <= batch) /* any header came through */
        :: else -> break
        od
    }
}

init {
    atomic { run receiver(); run buyer(); run buyer(); run receiver(); run journal(); run crash() }
}
