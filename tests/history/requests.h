/* SPDX-License-Identifier: Apache-2.0 */
/* Requests: the parts of which the workloads put theirs together. */
#ifndef STOCKD_TESTS_HISTORY_REQUESTS_H
#define STOCKD_TESTS_HISTORY_REQUESTS_H

#include "tests/history/workload.h"

enum { PLACES = 2 };

extern const char *const request_places[PLACES];

/* An id that nobody else makes. */
void request_id(struct workload *workload, char kind, char id[STOCKD_ID_MAX + 1]);
void request_begin(struct request *request, stockd_pack *pack, const char *method, size_t params);
void request_finish(struct request *request, stockd_pack *pack);

void pack_sku(stockd_pack *pack, unsigned item);
/* The options of a step: an id of its own. */
void pack_op(struct workload *workload, stockd_pack *pack);

unsigned any_item(struct workload *workload);
/* An order that was granted lately; false: there is none yet. */
bool any_order(struct workload *workload, struct order_note *order);
bool any_supply(struct workload *workload, struct supply_note *supply);

/* Of one item. */
void ask_movement(struct workload *workload, struct request *request, const char *method,
                  unsigned item, int64_t qty);
void ask_reserve(struct workload *workload, struct request *request);
void ask_step(struct workload *workload, struct request *request);
void ask_move(struct workload *workload, struct request *request, const struct order_note *order);
void ask_reject(struct workload *workload, struct request *request);
void ask_stock(struct workload *workload, struct request *request);
void ask_availability(struct workload *workload, struct request *request);
void ask_reservation(struct workload *workload, struct request *request);
/* A change that was asked for before. */
void ask_again(struct workload *workload, struct request *request);

/* The workload of supplies: units that are on their way, and promised. */
void choose_supply(struct workload *workload, struct request *request);

#endif
