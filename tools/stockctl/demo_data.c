/* SPDX-License-Identifier: Apache-2.0 */
/*
 * demo_data.c - a fictitious retailer: clothes and household goods, sold in 300 stores and on six
 * channels. How well items sell follows Zipf's law, and the stock follows the sales.
 */
#include "tools/stockctl/demo.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

struct named {
    const char *code;
    const char *name;
};

static const struct named garments[] = {
    { "TEE", "T-shirt" },
    { "TANK", "Tank top" },
    { "POLO", "Polo shirt" },
    { "HENLEY", "Henley shirt" },
    { "OXFORD", "Oxford shirt" },
    { "LINEN", "Linen shirt" },
    { "FLANNEL", "Flannel shirt" },
    { "HOOD", "Hoodie" },
    { "SWEAT", "Sweatshirt" },
    { "CREW", "Merino crew" },
    { "CARDI", "Cardigan" },
    { "TURTLE", "Roll-neck" },
    { "JEANS", "Jeans" },
    { "CHINO", "Chinos" },
    { "CORD", "Corduroys" },
    { "JOG", "Joggers" },
    { "SHORT", "Shorts" },
    { "SKIRT", "Skirt" },
    { "DRESS", "Dress" },
    { "PARKA", "Parka" },
    { "RAIN", "Rain jacket" },
    { "DOWN", "Down jacket" },
    { "VEST", "Quilted vest" },
    { "PYJAMA", "Pyjamas" },
    { "SOCK", "Socks" },
};

static const struct named colours[] = {
    { "BLK", "black" },      { "WHT", "white" }, { "NVY", "navy" },    { "RED", "red" },
    { "OLV", "olive" },      { "GRY", "grey" },  { "MUS", "mustard" }, { "SKY", "sky blue" },
    { "TER", "terracotta" }, { "ROS", "rosé" },
};

static const struct named sizes[] = {
    { "XS", "XS" }, { "S", "S" }, { "M", "M" }, { "L", "L" }, { "XL", "XL" }, { "XXL", "XXL" },
};

static const struct named goods[] = {
    { "MUG", "Mug" },
    { "ESPR", "Espresso cup" },
    { "BOWL", "Cereal bowl" },
    { "PLATE", "Dinner plate" },
    { "SIDEP", "Side plate" },
    { "TEAPOT", "Teapot" },
    { "JUG", "Milk jug" },
    { "EGGCUP", "Egg cup" },
    { "TRAY", "Tray" },
    { "BOARD", "Chopping board" },
    { "APRON", "Apron" },
    { "TEATOW", "Tea towel" },
    { "OVENGL", "Oven glove" },
    { "NAPKIN", "Napkins" },
    { "TABLEC", "Tablecloth" },
    { "RUNNER", "Table runner" },
    { "COAST", "Coasters" },
    { "VASE", "Vase" },
    { "PLANT", "Plant pot" },
    { "CANDLE", "Scented candle" },
    { "LANT", "Lantern" },
    { "CUSH", "Cushion cover" },
    { "THROW", "Throw" },
    { "DUVET", "Duvet cover" },
    { "PILLOW", "Pillowcase" },
    { "SHEET", "Fitted sheet" },
    { "TOWEL", "Bath towel" },
    { "HANDT", "Hand towel" },
    { "BATHM", "Bath mat" },
    { "SOAPD", "Soap dish" },
    { "MIRROR", "Hand mirror" },
    { "CLOCK", "Wall clock" },
    { "FRAME", "Picture frame" },
    { "PRINT", "Art print" },
    { "BASKET", "Basket" },
    { "BOX", "Storage box" },
    { "TIN", "Biscuit tin" },
    { "LUNCH", "Lunch box" },
    { "BOTTLE", "Water bottle" },
    { "TUMBL", "Travel mug" },
    { "TOTE", "Tote bag" },
    { "POUCH", "Pouch" },
    { "WALLET", "Wallet" },
    { "KEYR", "Key ring" },
    { "UMBR", "Umbrella" },
    { "SCARF", "Scarf" },
    { "BEANIE", "Beanie" },
    { "GLOVE", "Gloves" },
    { "NOTEB", "Notebook" },
    { "DIARY", "Diary" },
    { "PENCIL", "Pencil case" },
    { "CARD", "Greeting card" },
    { "WRAP", "Gift wrap" },
    { "STICK", "Stickers" },
    { "PUZZLE", "Puzzle" },
    { "KITE", "Kite" },
    { "BLANK", "Picnic blanket" },
    { "DOORM", "Doormat" },
    { "HOOK", "Coat hook" },
    { "LAMP", "Lampshade" },
};

static const struct named designs[] = {
    { "FERN", "fern" },    { "FOX", "fox" },       { "OWL", "owl" },      { "HERON", "heron" },
    { "HARE", "hare" },    { "WHALE", "whale" },   { "BEE", "bees" },     { "IVY", "ivy" },
    { "OAK", "oak leaf" }, { "POPPY", "poppies" }, { "TULIP", "tulips" }, { "LEMON", "lemons" },
    { "OLIVE", "olives" }, { "FIG", "figs" },      { "DOTS", "dots" },    { "STRIPE", "stripes" },
    { "CHECK", "checks" }, { "WAVES", "waves" },   { "STARS", "stars" },  { "MOON", "moon" },
    { "ALPS", "Alps" },    { "CITY", "skyline" },  { "MAP", "old map" },  { "PLAIN", "plain" },
    { "CAFE", "café" },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define CLOTHES (COUNT(garments) * COUNT(colours) * COUNT(sizes))

_Static_assert(CLOTHES + COUNT(goods) * COUNT(designs) == DEMO_ITEMS, "each item has a name");

#define MINUTES (INT64_C(60) * 1000)

const struct demo_channel demo_channels[DEMO_CHANNELS] = {
    { "web",
      "web",
      "Web shop",
      "nearest",
      { "warehouses", "stores" },
      0,
      15 * MINUTES,
      false,
      false,
      3 * 24 * 3600,
      0,
      8,
      35 },
    { "app",
      "app",
      "App",
      "priority",
      { "warehouses", "stores" },
      0,
      15 * MINUTES,
      false,
      false,
      0,
      0,
      8,
      20 },
    { "bazaar",
      "marketplace",
      "Bazaar marketplace",
      "priority",
      { DEMO_WAREHOUSE },
      3,
      60 * MINUTES,
      false,
      false,
      0,
      0,
      0,
      12 },
    { "trove",
      "marketplace",
      "Trove marketplace",
      "priority",
      { DEMO_WAREHOUSE },
      5,
      60 * MINUTES,
      false,
      false,
      0,
      0,
      0,
      8 },
    { "collect",
      "web",
      "Click and collect",
      "priority",
      { "stores" },
      0,
      60 * MINUTES,
      false,
      true,
      0,
      1,
      8,
      5 },
    { "pos",
      "pos",
      "Stores' tills",
      "priority",
      { "stores" },
      0,
      5 * MINUTES,
      true,
      false,
      0,
      1,
      8,
      20 },
};

#define BUFFER_MOST 5

void demo_sku(size_t item, char out[DEMO_SKU_SIZE])
{
    assert(item < DEMO_ITEMS);
    if (item < CLOTHES) {
        size_t style = item / COUNT(sizes);
        snprintf(out, DEMO_SKU_SIZE, "%s-%s-%s", garments[style / COUNT(colours)].code,
                 colours[style % COUNT(colours)].code, sizes[item % COUNT(sizes)].code);
        return;
    }
    item -= CLOTHES;
    snprintf(out, DEMO_SKU_SIZE, "%s-%s", goods[item / COUNT(designs)].code,
             designs[item % COUNT(designs)].code);
}

void demo_name(size_t item, char out[DEMO_NAME_SIZE])
{
    assert(item < DEMO_ITEMS);
    if (item < CLOTHES) {
        size_t style = item / COUNT(sizes);
        snprintf(out, DEMO_NAME_SIZE, "%s, %s, %s", garments[style / COUNT(colours)].name,
                 colours[style % COUNT(colours)].name, sizes[item % COUNT(sizes)].name);
        return;
    }
    item -= CLOTHES;
    snprintf(out, DEMO_NAME_SIZE, "%s, %s", goods[item / COUNT(designs)].name,
             designs[item % COUNT(designs)].name);
}

/* An EAN-13 from the range for internal use: 2, eleven digits, and the check digit. */
void demo_barcode(size_t item, char out[DEMO_BARCODE_SIZE])
{
    int sum = 0;

    snprintf(out, DEMO_BARCODE_SIZE, "2%011zu", item * 7919 + 10007);
    for (size_t i = 0; i < 12; i++)
        sum += (out[i] - '0') * (i % 2 == 0 ? 1 : 3);
    out[12] = (char)('0' + (10 - sum % 10) % 10);
    out[13] = '\0';
}

/* Whether it is one of the goods with that code. */
static bool is_good(size_t item, const char *code)
{
    return item >= CLOTHES && strcmp(goods[(item - CLOTHES) / COUNT(designs)].code, code) == 0;
}

bool demo_is_display(size_t item)
{
    return is_good(item, "LAMP") || is_good(item, "MIRROR") || is_good(item, "CLOCK");
}

bool demo_is_made_to_order(size_t item)
{
    return is_good(item, "APRON"); /* embroidered with a name */
}

/* 1237 shares no factor with 3000, so that each item has a rank of its own. */
size_t demo_rank(size_t item)
{
    return (item * 1237 + 511) % DEMO_ITEMS;
}

static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

unsigned demo_below(uint64_t *state, unsigned limit)
{
    return (unsigned)(splitmix64(state) % limit);
}

/* The better it sells, the more of it there is, and the more stores have it. */
static void make_stock(struct demo *demo, uint64_t *random)
{
    for (size_t item = 0; item < DEMO_ITEMS; item++) {
        unsigned rank = (unsigned)demo_rank(item);
        unsigned odds = rank < 300 ? 90 : rank < 1200 ? 55 : 30; /* of a hundred stores */
        demo->stock[item][0] = (int)(4 + 9000 / (rank + 15) + demo_below(random, 6));
        if (rank > 2000 && demo_below(random, 100) < 6)
            demo->stock[item][0] = 0; /* sold out */
        for (size_t place = 1; place < DEMO_MAIN_PLACES; place++)
            if (demo_below(random, 100) < odds)
                demo->stock[item][place] = (int)(1 + 500 / (rank + 25) + demo_below(random, 4));
    }
}

/* Zipf: an item of rank r is drawn with a weight of 1/(r + 5). */
static size_t draw_item(const uint32_t *cumulated, const size_t *by_rank, uint64_t *random)
{
    uint32_t at = (uint32_t)(splitmix64(random) % cumulated[DEMO_ITEMS - 1]);
    size_t low = 0;
    size_t high = DEMO_ITEMS - 1;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (cumulated[middle] > at)
            high = middle;
        else
            low = middle + 1;
    }
    return by_rank[low];
}

static bool has_item(const struct demo_order *order, size_t item)
{
    for (size_t i = 0; i < order->lines; i++)
        if (order->line[i].item == item)
            return true;
    return false;
}

static enum demo_fate fate_of(size_t number)
{
    static const enum demo_fate fates[] = {
        FATE_FULFILLED, FATE_HELD,      FATE_CONFIRMED,        FATE_FULFILLED, FATE_CANCELLED,
        FATE_HELD,      FATE_FULFILLED, FATE_PARTLY_FULFILLED, FATE_CONFIRMED, FATE_EXPIRED,
        FATE_FULFILLED, FATE_HELD,      FATE_CONFIRMED,        FATE_RETURNED,  FATE_FULFILLED,
        FATE_CANCELLED, FATE_CONFIRMED, FATE_PARTLY_CANCELLED, FATE_FULFILLED, FATE_HELD,
    };
    return fates[number % COUNT(fates)];
}

static size_t channel_of(unsigned percent)
{
    size_t channel = 0;
    while (percent >= demo_channels[channel].share)
        percent -= demo_channels[channel++].share;
    return channel;
}

/*
 * Orders take only what remains when everything else is reserved as well, so that none is refused
 * in whatever sequence they arrive. `left` is what no order has taken yet.
 */
static void make_order(struct demo_order *order, int (*left)[DEMO_PLACES],
                       const uint32_t *cumulated, const size_t *by_rank, uint64_t *random)
{
    unsigned wanted = 1 + demo_below(random, DEMO_LINES_MAX);

    order->channel = channel_of(demo_below(random, 100));
    bool in_store = demo_channels[order->channel].first_place > 0;
    bool collect = demo_channels[order->channel].last_place > 0 && demo_below(random, 4) == 0;
    order->place = in_store || collect ? (int)(1 + demo_below(random, DEMO_MAIN_PLACES - 1)) : -1;
    size_t from = order->place >= 0 ? (size_t)order->place : 0;
    int keep = from == 0 ? BUFFER_MOST : DEMO_STORE_SAFETY; /* what a channel may not take */
    while (order->lines < wanted) {
        size_t item = draw_item(cumulated, by_rank, random);
        /* At least two of the first, so that it can be done in parts. */
        int qty =
            order->lines == 0 ? 2 + (int)demo_below(random, 2) : 1 + (int)demo_below(random, 2);
        if (has_item(order, item) || left[item][from] < qty + keep)
            continue;
        left[item][from] -= qty;
        order->line[order->lines++] = (struct demo_line){ .item = item, .qty = qty };
    }
}

void demo_make(struct demo *demo, int year)
{
    static int left[DEMO_ITEMS][DEMO_PLACES];
    static uint32_t cumulated[DEMO_ITEMS];
    static size_t by_rank[DEMO_ITEMS];
    uint64_t random = 20250301;

    memset(demo, 0, sizeof(*demo));
    demo->year = year;
    demo_make_places(demo);
    make_stock(demo, &random);
    memcpy(left, demo->stock, sizeof(left));
    for (size_t item = 0; item < DEMO_ITEMS; item++)
        by_rank[demo_rank(item)] = item;
    for (uint32_t rank = 0; rank < DEMO_ITEMS; rank++)
        cumulated[rank] = (rank > 0 ? cumulated[rank - 1] : 0) + 1000000 / (rank + 5);
    for (size_t i = 0; i < DEMO_ORDERS; i++) {
        demo->order[i].fate = fate_of(i);
        make_order(&demo->order[i], left, cumulated, by_rank, &random);
    }
    demo_make_network(demo);
}
