#ifndef HEAPSIM_STRICT_H
#define HEAPSIM_STRICT_H

/* What nothing documented of Heap's refuses, and strict mode does. */

#include "tests/sim/sim_json.h"

/* One identity for many people merges all of them, for ever. */
bool heapsim_is_placeholder(const char *identity);

/* A string of nothing but white space: Heap's clients drop such names and
 * values. */
bool heapsim_is_blank(const struct sim_json *string);

#endif
