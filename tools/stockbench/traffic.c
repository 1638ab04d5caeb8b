/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/stockbench/traffic.h"

#include <assert.h>
#include <string.h>
#include <sys/random.h>

enum { RUN_BYTES = 5, CONNECTION_BYTES = 3 };

#define HEAD(method) "\x94\x00\xce\0\0\0\0" method
#define SOME_ID "0123456789abcdef"
#define SOME_SKU "SKU-0000000"

static const char reserve[] = HEAD("\xa7reserve") "\x93\xb0" SOME_ID "\xa7"
                                                  "default\x91\x92\xab" SOME_SKU "\x01";
static const char cancel[] = HEAD("\xa6"
                                  "cancel") "\x91\xb0" SOME_ID;
static const char availability[] = HEAD("\xac"
                                        "availability") "\x92\xa7"
                                                        "default\x91\xab" SOME_SKU;

static_assert(sizeof reserve - 1 == RESERVE_BYTES, "reserve");
static_assert(sizeof cancel - 1 == CANCEL_BYTES, "cancel");
static_assert(sizeof availability - 1 == AVAILABILITY_BYTES, "availability");

enum {
    RESERVE_ID_AT = 17,
    RESERVE_DIGITS_AT = RESERVE_BYTES - 8,
    CANCEL_ID_AT = CANCEL_BYTES - ID_BYTES,
    AVAILABILITY_DIGITS_AT = AVAILABILITY_BYTES - 7,
};

static unsigned char echo_template[MAX_MESSAGE] = { 0x94, 0x00, 0xce };
static char pairs[200]; /* "00" "01" ... "99" */
static char run[RUN_BYTES];

void traffic_init(void)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
    unsigned char random[RUN_BYTES];

    for (unsigned i = 0; i < 100; i++) {
        pairs[2 * i] = (char)('0' + i / 10);
        pairs[2 * i + 1] = (char)('0' + i % 10);
    }
    while (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        ;
    for (size_t i = 0; i < RUN_BYTES; i++)
        run[i] = letters[random[i] % 32];
}

uint64_t traffic_mix(uint64_t seed)
{
    uint64_t x = seed + UINT64_C(0x9e3779b97f4a7c15);

    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    x ^= x >> 31;
    return x ? x : 1; /* xorshift has no way out of 0 */
}

void traffic_start(struct traffic *traffic, const struct options *options, size_t connection)
{
    static const char digits[] = "0123456789abcdef";

    *traffic = (struct traffic){ .workload = options->workload,
                                 .items = (uint32_t)options->items,
                                 .next_msgid = FIRST_MSGID,
                                 .random = traffic_mix(options->seed + connection),
                                 .echo = echo_template,
                                 .echo_bytes = options->request_bytes };
    memset(traffic->id, '0', sizeof traffic->id);
    memcpy(traffic->id, run, RUN_BYTES);
    for (unsigned i = 0; i < CONNECTION_BYTES; i++)
        traffic->id[RUN_BYTES + i] = (unsigned char)digits[connection >> (8 - 4 * i) & 0x0f];
}

size_t traffic_request_max(const struct options *options)
{
    return options->workload == WORKLOAD_ECHO ? options->request_bytes : RESERVE_BYTES;
}

/* Adds one to the hexadecimal counter at the id's end. */
static void next_id(unsigned char *id)
{
    for (size_t i = ID_BYTES; i-- > RUN_BYTES + CONNECTION_BYTES;) {
        if (id[i] == 'f') {
            id[i] = '0';
            continue;
        }
        id[i] = id[i] == '9' ? 'a' : (unsigned char)(id[i] + 1);
        return;
    }
}

/* An item at random, by Lemire's multiplication instead of a division. */
static uint32_t random_item(struct traffic *traffic)
{
    uint64_t x = traffic->random;

    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    traffic->random = x;
    uint64_t high = x * UINT64_C(0x2545f4914f6cdd1d) >> 32;
    return (uint32_t)(high * traffic->items >> 32);
}

/* Seven decimal digits. */
static void put_digits(unsigned char *to, uint32_t number)
{
    uint32_t top = number / 10000;
    uint32_t low = number % 10000;

    assert(number < MAX_ITEMS);
    to[0] = (unsigned char)('0' + top / 100);
    memcpy(to + 1, pairs + 2 * (top % 100), 2);
    memcpy(to + 3, pairs + 2 * (low / 100), 2);
    memcpy(to + 5, pairs + 2 * (low % 100), 2);
}

void traffic_sku(uint32_t item, char sku[SKU_BYTES])
{
    memcpy(sku, SOME_SKU, SKU_BYTES);
    put_digits((unsigned char *)sku + 4, item);
}

static void put_msgid(unsigned char *to, uint32_t msgid)
{
    uint32_t big_endian = __builtin_bswap32(msgid);

    memcpy(to + MSGID_AT, &big_endian, sizeof big_endian);
}

static unsigned char *next_change(struct traffic *traffic, unsigned char *to)
{
    if (traffic->cancel_next) {
        traffic->cancel_next = false;
        memcpy(to, cancel, CANCEL_BYTES);
        memcpy(to + CANCEL_ID_AT, traffic->id, ID_BYTES);
        return to + CANCEL_BYTES;
    }
    traffic->cancel_next = true;
    next_id(traffic->id);
    memcpy(to, reserve, RESERVE_BYTES);
    memcpy(to + RESERVE_ID_AT, traffic->id, ID_BYTES);
    put_digits(to + RESERVE_DIGITS_AT, random_item(traffic));
    return to + RESERVE_BYTES;
}

unsigned char *traffic_next(struct traffic *traffic, unsigned char *to)
{
    unsigned char *end;

    switch (traffic->workload) {
    case WORKLOAD_AVAILABILITY:
        memcpy(to, availability, AVAILABILITY_BYTES);
        put_digits(to + AVAILABILITY_DIGITS_AT, random_item(traffic));
        end = to + AVAILABILITY_BYTES;
        break;
    case WORKLOAD_ECHO:
        memcpy(to, traffic->echo, traffic->echo_bytes);
        end = to + traffic->echo_bytes;
        break;
    case WORKLOAD_RESERVE_CANCEL:
    case WORKLOAD_HOT:
    default:
        end = next_change(traffic, to);
        break;
    }
    put_msgid(to, traffic->next_msgid++);
    return end;
}
