/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rule A (docs/CONCURRENCY.md), with a crash at any point: every answered change is recovered, and
 * the recovered state promises no unit twice.
 *
 * A receiver gives a unit and two buyers each take one if there is one (rules T and G). The journal
 * drains whole published records in order. Two batches of them are written at once and complete in
 * any order; the disk's watermark `durable` rises over a batch when it and all before it are
 * complete, and `acknowledged` follows it in a step of its own (W2, W3): between the two steps
 * other batches may be made. A reply leaves when its record is acknowledged. A crash may come at
 * any point; completely written batches are recovered, up to the first missing one; a write under
 * way may or may not have come through.
 *
 * Each batch header states what was durable when the batch was made (F6). Of a batch under way the
 * header may have come through without the rest: it is believed all the same (F16), and may never
 * state what a crash can take (F8).
 *
 *   -DANSWER_AT_PUBLISH   a reply does not wait for the journal: refuted
 *   -DACK_BEFORE_WRITE    acknowledged moves when a batch is drained: refuted
 *   -DACK_OUT_OF_ORDER    acknowledged moves over a batch as soon as it is back: refuted
 *   -DPROMISE_IN_FLIGHT   a header states the batch before its own, still under way: refuted
 *   -DDRAIN_THE_TAIL      the journal drains claimed records, published or not: refuted
 */
#define PLACES 4

byte tail = 0;
bool published[PLACES];
short change[PLACES];
byte answered = 0;            /* one bit per place */
short available = 0;
byte head = 0;                /* drained */
byte durable = 0;
byte acknowledged = 0;
short disk[PLACES];
bool whole[PLACES];           /* the record was published when it was drained */
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

byte framed = 0;              /* drained batches, each to be written in one go */
byte taken = 0;               /* of them, those taken over in order: durable */
byte end[PLACES + 1];         /* of a batch, by its number from 1 */
bool done[PLACES + 1];        /* its write is complete */
byte promise[PLACES + 1];     /* what its header states */

/* Not atomic with what follows: others may look, and the crash may come, in between. */
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

/* The engine has crashed; the next one recovers the batches up to the first missing one. */
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
