#ifndef SIM_JSON_H
#define SIM_JSON_H

/*
 * Reads JSON where it lies: a document is checked once, strictly (RFC 8259,
 * valid UTF-8), and then walked without copying, so that a value's bytes can
 * be shown as they came. Any thread.
 */

#include "tests/sim/sim_base.h"

enum sim_json_type {
	SIM_JSON_NULL,
	SIM_JSON_BOOLEAN,
	SIM_JSON_NUMBER,
	SIM_JSON_STRING,
	SIM_JSON_ARRAY,
	SIM_JSON_OBJECT,
};

struct sim_json {
	enum sim_json_type type;
	const char *at; /* the value's bytes, quotes and braces included */
	size_t len;
};

/* Check a document; false and the offset of the fault if it is not JSON. */
bool sim_json_read(const char *text, size_t len, struct sim_json *ret_value,
    size_t *ret_offset);

/* Walks the inside of an array or an object that was checked. */
struct sim_json_walk {
	const char *at;
	const char *end;
};

struct sim_json_walk sim_json_enter(const struct sim_json *container);
/* False at the end. */
bool sim_json_element(struct sim_json_walk *walk, struct sim_json *ret_value);
bool sim_json_member(struct sim_json_walk *walk, struct sim_json *ret_name,
    struct sim_json *ret_value);

/* Of a string: its length in UTF-16 units, as JavaScript counts. */
size_t sim_json_units(const struct sim_json *string);
/* Append the string's text as UTF-8 (half a surrogate pair as three bytes). */
void sim_json_decode(const struct sim_json *string, struct sim_text *out);
bool sim_json_is(const struct sim_json *string, const char *text);

#endif
