/*
 * A strict JSON scanner. Every scan_ function takes the place where its
 * piece begins and returns the place behind it; on a fault it returns NULL
 * and leaves the place in *fault.
 */

#include "tests/sim/sim_json.h"

#include <stdlib.h>
#include <string.h>

enum {
	DEPTH_MAX = 512,
};

struct scan {
	const char *end;
	const char *fault;
};

static const char *
scan_fault(struct scan *scan, const char *at)
{
	scan->fault = at;
	return NULL;
}

static const char *
skip_white(const char *at, const char *end)
{
	while (at < end &&
	       (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r'))
		at++;
	return at;
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int
hex_digit(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* The bytes of the UTF-8 sequence at that place; 0 if it is none. */
static size_t
utf8_len(const char *text, const char *end)
{
	const unsigned char *at = (const unsigned char *)text;
	size_t left = (size_t)(end - text);
	size_t len = at[0] < 0x80 ? 1 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
	size_t i;

	if (len == 1)
		return 1;
	if (at[0] < 0xc2 || at[0] > 0xf4 || left < len)
		return 0;
	for (i = 1; i < len; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	/* Too long a form, a surrogate, or above U+10FFFF. */
	if ((at[0] == 0xe0 && at[1] < 0xa0) ||
	    (at[0] == 0xed && at[1] > 0x9f) ||
	    (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f))
		return 0;
	return len;
}

static const char *
scan_escape(struct scan *scan, const char *at)
{
	int i;

	if (at + 1 >= scan->end)
		return scan_fault(scan, at);
	if (at[1] != 'u') {
		if (at[1] == '\0' || strchr("\"\\/bfnrt", at[1]) == NULL)
			return scan_fault(scan, at);
		return at + 2;
	}
	if (scan->end - at < 6)
		return scan_fault(scan, at);
	for (i = 2; i < 6; i++)
		if (hex_digit(at[i]) < 0)
			return scan_fault(scan, at + i);
	return at + 6;
}

/* Most of every body are plain characters of strings: skip them eight at a
 * time. A byte of the result is marked if there is one below 0x20, above
 * 0x7e, a quote or a backslash; a false mark only costs a closer look. */
static const char *
skip_plain(const char *at, const char *end)
{
	const uint64_t ones = 0x0101010101010101u;
	const uint64_t tops = 0x8080808080808080u;
	uint64_t word;
	uint64_t quote;
	uint64_t escape;

	while (end - at >= 8) {
		memcpy(&word, at, sizeof(word));
		quote = word ^ ones * '"';
		escape = word ^ ones * '\\';
		if (((word | (word - ones * 0x20) | (quote - ones) |
			 (escape - ones)) &
			tops) != 0)
			break;
		at += 8;
	}
	while (
	    at < end && *at >= 0x20 && *at < 0x7f && *at != '"' && *at != '\\')
		at++;
	return at;
}

static const char *
scan_string(struct scan *scan, const char *at)
{
	size_t len;

	for (at = skip_plain(at + 1, scan->end); at < scan->end && *at != '"';
	     at = skip_plain(at, scan->end)) {
		if (*at == '\\') {
			at = scan_escape(scan, at);
			if (at == NULL)
				return NULL;
			continue;
		}
		len = (unsigned char)*at < 0x20 ? 0 : utf8_len(at, scan->end);
		if (len == 0)
			return scan_fault(scan, at);
		at += len;
	}
	return at < scan->end ? at + 1 : scan_fault(scan, at);
}

static const char *
scan_digits(struct scan *scan, const char *at)
{
	if (at >= scan->end || !is_digit(*at))
		return scan_fault(scan, at);
	while (at < scan->end && is_digit(*at))
		at++;
	return at;
}

static const char *
scan_number(struct scan *scan, const char *at)
{
	if (*at == '-')
		at++;
	if (at < scan->end && *at == '0')
		at++;
	else
		at = scan_digits(scan, at);
	if (at != NULL && at < scan->end && *at == '.')
		at = scan_digits(scan, at + 1);
	if (at != NULL && at < scan->end && (*at == 'e' || *at == 'E')) {
		at++;
		if (at < scan->end && (*at == '+' || *at == '-'))
			at++;
		at = scan_digits(scan, at);
	}
	return at;
}

static const char *
scan_word(struct scan *scan, const char *at, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(scan->end - at) < len || memcmp(at, word, len) != 0)
		return scan_fault(scan, at);
	return at + len;
}

static const char *scan_value(
    struct scan *scan, const char *at, int depth, enum sim_json_type *ret_type);

static const char *
scan_name(struct scan *scan, const char *at)
{
	if (at >= scan->end || *at != '"')
		return scan_fault(scan, at);
	at = scan_string(scan, at);
	if (at == NULL)
		return NULL;
	at = skip_white(at, scan->end);
	if (at >= scan->end || *at != ':')
		return scan_fault(scan, at);
	return at + 1;
}

/* Both kinds: an object is an array of "name": value. */
static const char *
scan_container(struct scan *scan, const char *at, int depth, char last)
{
	enum sim_json_type type;

	if (depth >= DEPTH_MAX)
		return scan_fault(scan, at);
	at = skip_white(at + 1, scan->end);
	if (at < scan->end && *at == last)
		return at + 1;
	for (;;) {
		if (last == '}')
			at = scan_name(scan, skip_white(at, scan->end));
		if (at != NULL)
			at = scan_value(scan, at, depth + 1, &type);
		if (at == NULL)
			return NULL;
		at = skip_white(at, scan->end);
		if (at < scan->end && *at == last)
			return at + 1;
		if (at >= scan->end || *at != ',')
			return scan_fault(scan, at);
		at++;
	}
}

/* ret_type is written before the value is known to be good. */
static const char *
scan_value(
    struct scan *scan, const char *at, int depth, enum sim_json_type *ret_type)
{
	at = skip_white(at, scan->end);
	if (at >= scan->end)
		return scan_fault(scan, at);
	switch (*at) {
	case '{':
		*ret_type = SIM_JSON_OBJECT;
		return scan_container(scan, at, depth, '}');
	case '[':
		*ret_type = SIM_JSON_ARRAY;
		return scan_container(scan, at, depth, ']');
	case '"':
		*ret_type = SIM_JSON_STRING;
		return scan_string(scan, at);
	case 't':
		*ret_type = SIM_JSON_BOOLEAN;
		return scan_word(scan, at, "true");
	case 'f':
		*ret_type = SIM_JSON_BOOLEAN;
		return scan_word(scan, at, "false");
	case 'n':
		*ret_type = SIM_JSON_NULL;
		return scan_word(scan, at, "null");
	default:
		*ret_type = SIM_JSON_NUMBER;
		return scan_number(scan, at);
	}
}

bool
sim_json_read(const char *text, size_t len, struct sim_json *ret_value,
    size_t *ret_offset)
{
	struct scan scan = {.end = text + len};
	const char *at = skip_white(text, scan.end);
	const char *behind = scan_value(&scan, at, 0, &ret_value->type);

	if (behind != NULL && skip_white(behind, scan.end) != scan.end)
		behind = scan_fault(&scan, skip_white(behind, scan.end));
	if (behind == NULL) {
		*ret_offset = (size_t)(scan.fault - text);
		return false;
	}
	ret_value->at = at;
	ret_value->len = (size_t)(behind - at);
	return true;
}

struct sim_json_walk
sim_json_enter(const struct sim_json *container)
{
	struct sim_json_walk walk;

	walk.at = container->at + 1;
	walk.end = container->at + container->len - 1;
	return walk;
}

/* Walks over the separator before a value, a comma or a colon: the document
 * was checked, so whichever stands there is the right one. */
bool
sim_json_element(struct sim_json_walk *walk, struct sim_json *ret_value)
{
	struct scan scan = {.end = walk->end};

	walk->at = skip_white(walk->at, walk->end);
	if (walk->at < walk->end && (*walk->at == ',' || *walk->at == ':'))
		walk->at = skip_white(walk->at + 1, walk->end);
	if (walk->at >= walk->end)
		return false;
	ret_value->at = walk->at;
	walk->at = scan_value(&scan, walk->at, 0, &ret_value->type);
	if (walk->at == NULL) /* was checked before: cannot be */
		abort();
	ret_value->len = (size_t)(walk->at - ret_value->at);
	return true;
}

bool
sim_json_member(struct sim_json_walk *walk, struct sim_json *ret_name,
    struct sim_json *ret_value)
{
	return sim_json_element(walk, ret_name) &&
	       sim_json_element(walk, ret_value);
}
