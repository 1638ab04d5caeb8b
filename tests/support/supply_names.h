/* SPDX-License-Identifier: Apache-2.0 */
/* The names in an engine of what the model of supply knows by numbers. */
#ifndef STOCKD_TESTS_SUPPORT_SUPPLY_NAMES_H
#define STOCKD_TESTS_SUPPORT_SUPPLY_NAMES_H

#include "engine/base/text.h"

struct name {
    char at[24];
};

struct text item_name(struct name *to, int item);
struct text place_name(struct name *to, int place);
struct text channel_name(struct name *to, int channel);
struct text id_name(struct name *to, int id);
/* The number in any of those names; 0 for "main". */
int number_in(struct text t);

/* From now on the numbers behind that one are those of the transfers that are made with it. */
void name_sends(int id);
void forget_names(void);

#endif
