/* SPDX-License-Identifier: Apache-2.0 */
/*
 * demo_holidays.h - the national holidays of the trial network's countries, computed for any year.
 * A day is a number: days since 1970-01-01.
 */
#ifndef STOCKCTL_DEMO_HOLIDAYS_H
#define STOCKCTL_DEMO_HOLIDAYS_H

#include <stddef.h>
#include <stdint.h>

/* GB: the bank holidays of England and Wales, and Easter Sunday, on which large shops must stay
 * closed. */
enum demo_country { DEMO_DE, DEMO_FR, DEMO_GB, DEMO_COUNTRIES };

#define DEMO_HOLIDAYS_MAX 16 /* of one country in one year */
#define DEMO_DATE_SIZE 11

int32_t demo_day(int year, int month, int day);
int demo_weekday(int32_t day);                         /* 1 is Monday, 7 is Sunday */
void demo_date(int32_t day, char out[DEMO_DATE_SIZE]); /* YYYY-MM-DD; years of four digits */

int32_t demo_easter(int year); /* Easter Sunday */

/* Writes the holidays, each once, in no particular order; returns how many there are. */
size_t demo_holidays(enum demo_country country, int year, int32_t out[DEMO_HOLIDAYS_MAX]);

#endif
