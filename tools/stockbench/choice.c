/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/stockbench/choice.h"

#include <math.h>
#include <stdlib.h>

/*
 * Vose's construction: slots with less than their share are filled up from slots with more, until
 * each holds exactly one share of at most two items. weight[] is in shares, so 1 on average.
 */
static void fill_table(struct alias *table, double *weight, uint32_t *stack, uint32_t items)
{
    uint32_t small = 0;     /* stack grows from the front ... */
    uint32_t large = items; /* ... and from the back */

    for (uint32_t i = 0; i < items; i++) {
        table[i] = (struct alias){ .share = UINT32_MAX, .other = i };
        if (weight[i] < 1)
            stack[small++] = i;
        else
            stack[--large] = i;
    }
    while (small > 0 && large < items) {
        uint32_t poor = stack[--small];
        uint32_t rich = stack[large];

        table[poor] =
            (struct alias){ .share = (uint32_t)(weight[poor] * 4294967295.0), .other = rich };
        weight[rich] -= 1 - weight[poor];
        if (weight[rich] < 1) {
            large++;
            stack[small++] = rich;
        }
    }
}

bool choice_init(struct choice *choice, uint32_t items, double exponent)
{
    *choice = (struct choice){ .items = items };
    if (exponent == 0)
        return true;
    struct alias *table = calloc(items, sizeof *table);
    double *weight = calloc(items, sizeof *weight);
    uint32_t *stack = calloc(items, sizeof *stack);
    double sum = 0;

    if (table && weight && stack) {
        for (uint32_t i = 0; i < items; i++)
            sum += weight[i] = pow((double)i + 1, -exponent);
        for (uint32_t i = 0; i < items; i++)
            weight[i] *= items / sum;
        fill_table(table, weight, stack, items);
        choice->table = table;
    } else {
        free(table);
    }
    free(weight);
    free(stack);
    return choice->table != NULL;
}

void choice_destroy(struct choice *choice)
{
    free((void *)choice->table);
    choice->table = NULL;
}
