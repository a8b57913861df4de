#ifndef SCHEMA_CURRENTS_SAMPLE_VALUES_H
#define SCHEMA_CURRENTS_SAMPLE_VALUES_H

/* Plausible values, shared by sample.c and sample_odd.c. */

#include "schema/currents/catalogue.h"
#include "schema/currents/currents.h"

enum { SAMPLE_VALUE_MAX = 1024 };

/* A random number below a limit. */
unsigned sample_below(struct sample *sample, unsigned limit);

/*
 * Write a value of that kind which suits the property's name; returns its
 * length. A string is written without quotes and escapes, anything else as
 * JSON.
 */
size_t sample_value_write(struct sample *sample,
    const struct catalogue_property *property, enum catalogue_kind kind,
    char ret[SAMPLE_VALUE_MAX]);

/* The same from a template (see sample.c). */
size_t sample_template_write(
    struct sample *sample, const char *template, char ret[SAMPLE_VALUE_MAX]);

#endif
