/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/stockbench/traffic.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "tools/stockbench/network.h"

#define HEAD(method) "\x94\x00\xce\0\0\0\0" method
#define SOME_ID "0123456789abcdef"
#define SOME_SKU "SKU-0000000"

static const char reserve[] = HEAD("\xa7reserve") "\x93\xb0" SOME_ID "\xa7"
                                                  "default\x91";
static const char line[] = "\x92\xab" SOME_SKU "\x01";
static const char confirmed[] = "\x81\xa7"
                                "confirm\xc3";
static const char cancel[] = HEAD("\xa6"
                                  "cancel") "\x91\xb0" SOME_ID;
static const char confirm[] = HEAD("\xa7"
                                   "confirm") "\x91\xb0" SOME_ID;
static const char fulfil[] = HEAD("\xa6"
                                  "fulfil") "\x91\xb0" SOME_ID;
static const char availability[] = HEAD("\xac"
                                        "availability") "\x92\xa7"
                                                        "default";
static const char locate[] = HEAD("\xa6"
                                  "locate") "\x93\xa7"
                                            "network\x91";
static const char transfer[] = HEAD("\xa8transfer") "\x95\xb0" SOME_ID "\xa4"
                                                    "N001\xa4"
                                                    "N002\x91";
static const char eta[] = "\x81\xa6"
                          "eta_ms\xcf";
static const char arrive[] = HEAD("\xa6"
                                  "arrive") "\x91\xb0" SOME_ID;
static const char latitude[] = "\x82\xa3"
                               "lat\xcb";
static const char longitude[] = "\xa3"
                                "lon\xcb";

enum {
    RESERVE_BYTES = sizeof reserve - 1,
    LINE_BYTES = sizeof line - 1,
    CONFIRMED_BYTES = sizeof confirmed - 1,
    AVAILABILITY_BYTES = sizeof availability - 1,
    LOCATE_BYTES = sizeof locate - 1,
    LATITUDE_BYTES = sizeof latitude - 1,
    LONGITUDE_BYTES = sizeof longitude - 1,
    TRANSFER_BYTES = sizeof transfer - 1,
    ETA_BYTES = sizeof eta - 1,
    NUMBER_BYTES = 8,
    DOUBLE_BYTES = 8,
    POINT_BYTES = LATITUDE_BYTES + LONGITUDE_BYTES + 2 * DOUBLE_BYTES,
    RESERVE_PARAMS_AT = 15,
    RESERVE_ID_AT = 17,
    RESERVE_CHANNEL_AT = RESERVE_BYTES - 8,
    TRANSFER_ID_AT = 18,
    TRANSFER_FROM_AT = TRANSFER_BYTES - 10,
    TRANSFER_TO_AT = TRANSFER_BYTES - 5,
    DAY_MS = 24 * 60 * 60 * 1000,
    CONNECTION_BYTES = 3,
    SERIAL_AT = RUN_ID_BYTES + CONNECTION_BYTES,
    PREFIX_BYTES = 4,
};

static_assert(RESERVE_BYTES + LINE_BYTES == 56, "as the header says");
static_assert(sizeof cancel - 1 == 32, "as the header says");
static_assert(sizeof confirm - 1 == 33, "as the header says");
static_assert(sizeof fulfil - 1 == 32, "as the header says");
static_assert(AVAILABILITY_BYTES + 1 + 1 + SKU_BYTES == 42, "as the header says");
static_assert(LOCATE_BYTES + LINE_BYTES + POINT_BYTES == 65, "as the header says");

static_assert(TRANSFER_BYTES + LINE_BYTES + ETA_BYTES + NUMBER_BYTES == 76, "as the header says");
static_assert(sizeof arrive - 1 == 32, "as the header says");

static const char digits[] = "0123456789abcdef";
static unsigned char echo_template[MAX_MESSAGE] = { 0x94, 0x00, 0xce };
static char pairs[200];     /* "00" "01" ... "99" */
static char hex_pairs[512]; /* "00" ... "ff" */
static char run[RUN_ID_BYTES + 1];

void traffic_init(void)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
    unsigned char random[RUN_ID_BYTES];

    for (unsigned i = 0; i < 100; i++) {
        pairs[2 * i] = digits[i / 10];
        pairs[2 * i + 1] = digits[i % 10];
    }
    for (unsigned i = 0; i < 256; i++) {
        hex_pairs[2 * i] = digits[i / 16];
        hex_pairs[2 * i + 1] = digits[i % 16];
    }
    while (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        ;
    for (size_t i = 0; i < RUN_ID_BYTES; i++)
        run[i] = letters[random[i] % 32];
}

const char *traffic_run(void)
{
    return run;
}

uint64_t traffic_mix(uint64_t seed)
{
    uint64_t x = seed + UINT64_C(0x9e3779b97f4a7c15);

    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    x ^= x >> 31;
    return x ? x : 1; /* xorshift never leaves 0 */
}

/* A ring for as many grants as can be in flight. */
static void make_granted(struct traffic *traffic, size_t window)
{
    uint32_t places = 1;

    while (places < window)
        places *= 2;
    traffic->granted_mask = places - 1;
    traffic->granted = calloc(places, sizeof *traffic->granted);
    if (!traffic->granted) {
        fprintf(stderr, "stockbench: out of memory\n");
        exit(3);
    }
}

void traffic_start(struct traffic *traffic, const struct options *options,
                   const struct choice *choice, size_t connection)
{
    *traffic = (struct traffic){ .workload = options->workload,
                                 .choice = choice,
                                 .next_msgid = FIRST_MSGID,
                                 .random = traffic_mix(options->seed + connection),
                                 .places = (uint32_t)options->places,
                                 .eta_ms = (uint64_t)time(NULL) * 1000 + DAY_MS,
                                 .echo_bytes = options->request_bytes };
    memset(traffic->id, '0', sizeof traffic->id);
    memcpy(traffic->id, run, RUN_ID_BYTES);
    for (unsigned i = 0; i < CONNECTION_BYTES; i++)
        traffic->id[RUN_ID_BYTES + i] = (unsigned char)digits[connection >> (8 - 4 * i) & 0x0f];
    traffic_sku(options, 0, traffic->sku);
    if (options->workload->steps[0] == ASK_RESERVE_CONFIRMED)
        make_granted(traffic, options->window);
}

void traffic_end(struct traffic *traffic)
{
    free(traffic->granted);
    traffic->granted = NULL;
}

size_t traffic_request_max(const struct options *options)
{
    const struct workload *workload = options->workload;
    size_t reserving = RESERVE_BYTES + workload->lines_max * LINE_BYTES + CONFIRMED_BYTES;
    size_t locating = LOCATE_BYTES + workload->lines_max * LINE_BYTES + POINT_BYTES;
    size_t moving = TRANSFER_BYTES + LINE_BYTES + ETA_BYTES + NUMBER_BYTES;
    size_t asking = AVAILABILITY_BYTES + 3 + workload->skus * (size_t)(1 + SKU_BYTES);

    if (workload->steps[0] == ASK_ECHO)
        return options->request_bytes;
    size_t most = reserving > locating ? reserving : locating;
    most = most > moving ? most : moving;
    return most > asking ? most : asking;
}

static void put_serial(unsigned char *id, uint32_t serial)
{
    for (unsigned i = 0; i < 4; i++)
        memcpy(id + SERIAL_AT + 2 * i, hex_pairs + 2 * (serial >> (24 - 8 * i) & 0xff), 2);
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

void traffic_sku(const struct options *options, uint32_t item, char sku[SKU_BYTES])
{
    char prefix[8] = "SKU-";

    if (options->workload->flash)
        memcpy(prefix, "FLA-", PREFIX_BYTES);
    else if (options->workload->network)
        snprintf(prefix, sizeof prefix, "N%03u", (unsigned)options->places % 1000);
    else if (options->places > 1)
        snprintf(prefix, sizeof prefix, "P%03u", (unsigned)options->places % 1000);
    memcpy(sku, prefix, PREFIX_BYTES);
    put_digits((unsigned char *)sku + PREFIX_BYTES, item);
}

static void put_sku(struct traffic *traffic, unsigned char *to)
{
    memcpy(to, traffic->sku, PREFIX_BYTES);
    put_digits(to + PREFIX_BYTES, choice_item(traffic->choice, &traffic->random));
}

static void put_msgid(unsigned char *to, uint32_t msgid)
{
    uint32_t big_endian = __builtin_bswap32(msgid);

    memcpy(to + MSGID_AT, &big_endian, sizeof big_endian);
}

static unsigned char *put_lines(struct traffic *traffic, unsigned char *to, uint32_t lines)
{
    assert(lines <= 15); /* 0x90 + lines */
    to[-1] = (unsigned char)(0x90 + lines);
    for (uint32_t i = 0; i < lines; i++, to += LINE_BYTES) {
        memcpy(to, line, LINE_BYTES);
        put_sku(traffic, to + 2);
    }
    return to;
}

static uint32_t choose_lines(struct traffic *traffic)
{
    uint32_t most = traffic->workload->lines_max;

    return most == 1 ? 1 : 1 + choice_below(choice_random(&traffic->random), most);
}

/* A reserve with a new id. */
static unsigned char *put_reserve(struct traffic *traffic, unsigned char *to, bool confirm_now)
{
    uint32_t lines = choose_lines(traffic);

    put_serial(traffic->id, ++traffic->serial);
    traffic->units = (uint8_t)lines;
    memcpy(to, reserve, RESERVE_BYTES);
    memcpy(to + RESERVE_ID_AT, traffic->id, ID_BYTES);
    if (traffic->workload->network)
        memcpy(to + RESERVE_CHANNEL_AT, "network", sizeof "network" - 1);
    to[RESERVE_PARAMS_AT] = confirm_now ? 0x94 : 0x93;
    to = put_lines(traffic, to + RESERVE_BYTES, lines);
    if (!confirm_now)
        return to;
    memcpy(to, confirmed, CONFIRMED_BYTES);
    return to + CONFIRMED_BYTES;
}

/* A request in which only the id, at its end, differs. */
static unsigned char *put_step(const struct traffic *traffic, unsigned char *to,
                               const char *template, size_t len)
{
    memcpy(to, template, len);
    memcpy(to + len - ID_BYTES, traffic->id, ID_BYTES);
    return to + len;
}

static unsigned char *put_availability(struct traffic *traffic, unsigned char *to)
{
    uint32_t skus = traffic->workload->skus;

    memcpy(to, availability, AVAILABILITY_BYTES);
    to += AVAILABILITY_BYTES;
    if (skus > 15) {
        *to++ = 0xdc;
        *to++ = (unsigned char)(skus >> 8);
        *to++ = (unsigned char)(skus & 0xff);
    } else {
        *to++ = (unsigned char)(0x90 + skus);
    }
    for (uint32_t i = 0; i < skus; i++) {
        *to++ = 0xab;
        put_sku(traffic, to);
        to += SKU_BYTES;
    }
    return to;
}

static unsigned char *put_number(unsigned char *to, uint64_t number)
{
    uint64_t big_endian = __builtin_bswap64(number);

    memcpy(to, &big_endian, sizeof big_endian);
    return to + NUMBER_BYTES;
}

static unsigned char *put_double(unsigned char *to, double number)
{
    uint64_t bits;

    memcpy(&bits, &number, sizeof bits);
    return put_number(to, bits);
}

/* As network_place names it. */
static void put_place(unsigned char *to, uint32_t place)
{
    to[0] = 'N';
    to[1] = (unsigned char)('0' + (place + 1) / 100);
    memcpy(to + 2, pairs + (size_t)2 * ((place + 1) % 100), 2);
}

/* A transfer with a new id, between two different places. */
static unsigned char *put_transfer(struct traffic *traffic, unsigned char *to)
{
    uint32_t from = choice_below(choice_random(&traffic->random), traffic->places);
    uint32_t way = 1 + choice_below(choice_random(&traffic->random), traffic->places - 1);

    traffic->transfer = ++traffic->serial;
    put_serial(traffic->id, traffic->transfer);
    memcpy(to, transfer, TRANSFER_BYTES);
    memcpy(to + TRANSFER_ID_AT, traffic->id, ID_BYTES);
    put_place(to + TRANSFER_FROM_AT, from);
    put_place(to + TRANSFER_TO_AT, (from + way) % traffic->places);
    to = put_lines(traffic, to + TRANSFER_BYTES, 1);
    memcpy(to, eta, ETA_BYTES);
    return put_number(to + ETA_BYTES, traffic->eta_ms);
}

static unsigned char *put_arrive(struct traffic *traffic, unsigned char *to)
{
    put_serial(traffic->id, traffic->transfer);
    to = put_step(traffic, to, arrive, sizeof arrive - 1);
    put_serial(traffic->id, traffic->serial);
    return to;
}

static unsigned char *put_locate(struct traffic *traffic, unsigned char *to)
{
    struct point point = network_point(&traffic->random);

    memcpy(to, locate, LOCATE_BYTES);
    to = put_lines(traffic, to + LOCATE_BYTES, choose_lines(traffic));
    memcpy(to, latitude, LATITUDE_BYTES);
    to = put_double(to + LATITUDE_BYTES, point.lat);
    memcpy(to, longitude, LONGITUDE_BYTES);
    return put_double(to + LONGITUDE_BYTES, point.lon);
}

static unsigned char *put(struct traffic *traffic, enum ask ask, unsigned char *to)
{
    switch (ask) {
    case ASK_RESERVE:
        return put_reserve(traffic, to, false);
    case ASK_RESERVE_CONFIRMED:
        return put_reserve(traffic, to, true);
    case ASK_CONFIRM:
        return put_step(traffic, to, confirm, sizeof confirm - 1);
    case ASK_FULFIL:
        return put_step(traffic, to, fulfil, sizeof fulfil - 1);
    case ASK_CANCEL:
        return put_step(traffic, to, cancel, sizeof cancel - 1);
    case ASK_AVAILABILITY:
        return put_availability(traffic, to);
    case ASK_LOCATE:
        return put_locate(traffic, to);
    case ASK_TRANSFER:
        return put_transfer(traffic, to);
    case ASK_ARRIVE:
        return put_arrive(traffic, to);
    default:
        assert(ask == ASK_ECHO);
        memcpy(to, echo_template, traffic->echo_bytes);
        return to + traffic->echo_bytes;
    }
}

/* The next request; advances the script. */
static enum ask next_ask(struct traffic *traffic)
{
    const struct workload *workload = traffic->workload;

    if (workload->reads > 0 && choice_below(choice_random(&traffic->random), 100) < workload->reads)
        return ASK_AVAILABILITY;
    enum ask ask = workload->steps[traffic->step++];
    if (traffic->step == STEPS_MAX || workload->steps[traffic->step] == ASK_NONE)
        traffic->step = 0;
    return ask;
}

/* The fulfil of the oldest grant; restores the script's own id afterwards. */
static unsigned char *put_follow_up(struct traffic *traffic, unsigned char *to, struct asked *asked)
{
    uint32_t serial = traffic->granted[traffic->first_granted++ & traffic->granted_mask];

    traffic->granted_count--;
    put_serial(traffic->id, serial);
    *asked = (struct asked){ .serial = serial, .kind = ASK_FULFIL, .units = 1 };
    to = put(traffic, ASK_FULFIL, to);
    put_serial(traffic->id, traffic->serial);
    return to;
}

static_assert(MAX_MESSAGE <= UINT16_MAX, "the length of every message has room");

unsigned char *traffic_next(struct traffic *traffic, unsigned char *to, struct asked *asked)
{
    unsigned char *end;

    if (traffic->granted_count > 0) {
        end = put_follow_up(traffic, to, asked);
    } else {
        enum ask ask = next_ask(traffic);

        end = put(traffic, ask, to);
        *asked = (struct asked){ .serial = traffic->serial,
                                 .kind = (uint8_t)ask,
                                 .units = traffic->units };
    }
    asked->length = (uint16_t)(end - to);
    put_msgid(to, traffic->next_msgid++);
    return end;
}

void traffic_granted(struct traffic *traffic, const struct asked *asked)
{
    if (asked->kind != ASK_RESERVE_CONFIRMED)
        return;
    assert(traffic->granted_count <= traffic->granted_mask);
    traffic->granted[(traffic->first_granted + traffic->granted_count++) & traffic->granted_mask] =
        asked->serial;
}
