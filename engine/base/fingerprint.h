/* SPDX-License-Identifier: Apache-2.0 */
/* Fingerprints of requests: the same content always gives the same number. */
#ifndef STOCKD_ENGINE_BASE_FINGERPRINT_H
#define STOCKD_ENGINE_BASE_FINGERPRINT_H

#include <stdint.h>

#include "engine/base/text.h"

uint64_t mix_number(uint64_t so_far, uint64_t number);
uint64_t mix_text(uint64_t so_far, struct text t);

#endif
