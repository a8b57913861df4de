/*
 * As bytes, little-endian:
 *
 *	"CD1\n"	u8 rules	for each of them: u32 length, bytes
 *	u32 events		for each of them: u64 hash, u8 rules
 */

#include "forwarder/doubt.h"

#include "base/log.h"
#include "forwarder/bytes.h"

#include <stdlib.h>

enum {
	DOUBT_EVENTS_FIRST = 512,
	DOUBT_IDENTITY_MAX = 1 << 20, /* bytes of rules */
};

static const char doubt_magic[4] = {'C', 'D', '1', '\n'};

bool
doubt_init(
    struct doubt *doubt, const struct track_rules *rules, struct err *reterr)
{
	struct doubt_rules *now = &doubt->rules[0];

	*doubt = (struct doubt){.rules_count = 1};
	now->rules = *rules;
	buf_init(&now->bytes, DOUBT_IDENTITY_MAX);
	track_identity_rules_write(rules, &now->bytes);
	if (buf_ok(&now->bytes, reterr))
		return true;
	doubt_fini(doubt);
	return false;
}

void
doubt_fini(struct doubt *doubt)
{
	for (size_t i = 0; i < doubt->rules_count; i++) {
		buf_fini(&doubt->rules[i].bytes);
		free(doubt->rules[i].items);
	}
	doubt_clear(doubt);
	doubt->rules_count = 0;
}

/* ---- the events ---- */

struct doubt_lookup {
	const struct doubt_event *events;
	uint64_t hash;
};

static bool
doubt_equal(const void *arg, uint32_t position)
{
	const struct doubt_lookup *lookup = arg;

	return lookup->events[position].hash == lookup->hash;
}

static uint32_t
doubt_find(const struct doubt *doubt, uint64_t hash)
{
	return table_find(&doubt->table, hash, doubt_equal,
	    &(struct doubt_lookup){doubt->events, hash});
}

bool
doubt_has(const struct doubt *doubt, uint64_t hash)
{
	return doubt_find(doubt, hash) != TABLE_NONE;
}

const struct track_rules *
doubt_rules(const struct doubt *doubt, uint64_t hash)
{
	uint32_t at;

	if (doubt->count == doubt->rules[0].events)
		return NULL; /* nearly always */
	at = doubt_find(doubt, hash);
	if (at == TABLE_NONE || doubt->events[at].rules == 0)
		return NULL;
	return &doubt->rules[doubt->events[at].rules].rules;
}

/* The last event takes the place of the one that goes. */
static void
doubt_remove_at(struct doubt *doubt, uint32_t at)
{
	struct doubt_event *event = &doubt->events[at];
	uint32_t last = (uint32_t)--doubt->count;

	doubt->rules[event->rules].events--;
	table_remove(&doubt->table, event->hash, at);
	if (at == last)
		return;
	*event = doubt->events[last];
	table_remove(&doubt->table, event->hash, last);
	table_add(&doubt->table, event->hash, at);
}

void
doubt_remove(struct doubt *doubt, uint64_t hash)
{
	uint32_t at = doubt_find(doubt, hash);

	if (at != TABLE_NONE)
		doubt_remove_at(doubt, at);
}

/* When the table is full, only events that have waited for years, or that were
 * deleted by hand, are still in it. */
static void
doubt_evict(struct doubt *doubt)
{
	size_t oldest = doubt->rules_count - 1;

	while (doubt->rules[oldest].events == 0)
		oldest--;
	log_line(LOG_ERROR, "forwarder",
	    "doubt given_up=%zu why=\"more than %d events with an unknown "
	    "outcome\"",
	    doubt->rules[oldest].events, DOUBT_EVENTS_MAX);
	for (size_t i = doubt->count; i-- > 0;) {
		if (doubt->events[i].rules == oldest)
			doubt_remove_at(doubt, (uint32_t)i);
	}
}

static bool
doubt_put(struct doubt *doubt, uint64_t hash, unsigned char rules)
{
	size_t cap = doubt->cap == 0 ? DOUBT_EVENTS_FIRST : doubt->cap * 2;
	struct doubt_event *events;

	if (doubt_has(doubt, hash))
		return true;
	if (doubt->count == DOUBT_EVENTS_MAX)
		doubt_evict(doubt);
	if (doubt->count == doubt->cap) {
		events = realloc(doubt->events, cap * sizeof(*events));
		if (events == NULL)
			return false;
		doubt->events = events;
		doubt->cap = cap;
	}
	if (!table_reserve(&doubt->table, doubt->count + 1))
		return false;
	table_add(&doubt->table, hash, (uint32_t)doubt->count);
	doubt->events[doubt->count++] = (struct doubt_event){hash, rules};
	doubt->rules[rules].events++;
	return true;
}

bool
doubt_add(struct doubt *doubt, uint64_t hash)
{
	return doubt_put(doubt, hash, 0);
}

void
doubt_clear(struct doubt *doubt)
{
	for (size_t i = 0; i < doubt->rules_count; i++)
		doubt->rules[i].events = 0;
	free(doubt->events);
	doubt->events = NULL;
	doubt->cap = doubt->count = 0;
	table_fini(&doubt->table);
}

/* ---- as bytes ---- */

void
doubt_write(const struct doubt *doubt, struct buf *buf)
{
	unsigned char number[DOUBT_RULES_MAX], rules = 0;

	if (doubt->count == 0)
		return;
	for (size_t i = 0; i < doubt->rules_count; i++) {
		number[i] = rules;
		if (doubt->rules[i].events > 0)
			rules++;
	}
	(void)buf_append(buf, doubt_magic, sizeof(doubt_magic));
	bytes_write(buf, rules, 1);
	for (size_t i = 0; i < doubt->rules_count; i++) {
		const struct buf *bytes = &doubt->rules[i].bytes;

		if (doubt->rules[i].events == 0)
			continue;
		bytes_write(buf, bytes->len, 4);
		(void)buf_append(buf, bytes->data, bytes->len);
	}
	bytes_write(buf, doubt->count, 4);
	for (size_t i = 0; i < doubt->count; i++) {
		bytes_write(buf, doubt->events[i].hash, 8);
		bytes_write(buf, number[doubt->events[i].rules], 1);
	}
}

/* The saved rules are the current ones, or one change older than those before.
 * An event that saw more changes than are remembered is mapped by the current
 * rules. */
static bool
doubt_rules_read(struct doubt *doubt, struct bytes_reader *reader,
    unsigned char *ret_position, struct err *reterr)
{
	struct doubt_rules *rules = &doubt->rules[doubt->rules_count];
	const struct buf *now = &doubt->rules[0].bytes;
	size_t len = (size_t)bytes_read(reader, 4);
	const char *bytes = bytes_take(reader, len);

	if (reader->failed || len > DOUBT_IDENTITY_MAX)
		return err_set(
		    reterr, ERR_DAMAGED, "the rules of identity are cut short");
	*ret_position = 0;
	if (str_equal(str_bytes(bytes, len), str_bytes(now->data, now->len)) ||
	    doubt->rules_count == DOUBT_RULES_MAX)
		return true;
	rules->rules = doubt->rules[0].rules;
	buf_init(&rules->bytes, DOUBT_IDENTITY_MAX);
	(void)buf_append(&rules->bytes, bytes, len);
	if (!buf_ok(&rules->bytes, reterr) ||
	    !track_identity_rules_read(str_bytes(rules->bytes.data, len),
		&rules->rules, &rules->items, reterr)) {
		buf_fini(&rules->bytes);
		return false;
	}
	*ret_position = (unsigned char)doubt->rules_count++;
	return true;
}

static bool
doubt_parse(struct doubt *doubt, struct str bytes, struct err *reterr)
{
	struct bytes_reader reader = {.data = bytes.data, .len = bytes.len};
	unsigned char positions[DOUBT_RULES_MAX]; /* by what is in the bytes */
	bool ok = bytes_magic(&reader, doubt_magic);
	size_t rules = (size_t)bytes_read(&reader, 1);
	uint64_t count;

	if (!ok || rules > DOUBT_RULES_MAX)
		return err_set(
		    reterr, ERR_DAMAGED, "not a list of events in doubt");
	for (size_t i = 0; i < rules; i++) {
		if (!doubt_rules_read(doubt, &reader, &positions[i], reterr))
			return false;
	}
	for (count = bytes_read(&reader, 4); count > 0; count--) {
		uint64_t hash = bytes_read(&reader, 8);
		uint64_t number = bytes_read(&reader, 1);

		if (reader.failed || number >= rules)
			return err_set(reterr, ERR_DAMAGED,
			    "an event is cut short, or its rules are missing");
		if (!doubt_put(doubt, hash, positions[number]))
			return err_set_nomem(reterr);
	}
	return (!reader.failed && reader.len == 0) ||
	       err_set(reterr, ERR_DAMAGED, "there is data after the end");
}

bool
doubt_read(struct doubt *doubt, struct str bytes, struct err *reterr)
{
	struct err err;

	if (bytes.len == 0 || doubt_parse(doubt, bytes, &err))
		return true;
	doubt_clear(doubt);
	return err_set(reterr, err.code,
	    "cannot read which events had an unknown outcome at the last stop");
}
