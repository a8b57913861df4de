/*
 * As bytes, little-endian:
 *
 *	"CD1\n"	u8 times	times: u32 length, rules of who it is
 *	u32 events		events: u64 event, u8 time
 */

#include "forwarder/doubt.h"

#include "base/log.h"
#include "forwarder/bytes.h"

#include <stdlib.h>
#include <string.h>

enum {
	DOUBT_SLOTS_FIRST = 1024,
	DOUBT_WHO_MAX = 1 << 20, /* bytes of rules */
};

struct doubt_slot {
	uint64_t event; /* 0: free */
	unsigned char time;
};

static const char doubt_magic[4] = {'C', 'D', '1', '\n'};

bool
doubt_init(
    struct doubt *doubt, const struct track_rules *rules, struct err *reterr)
{
	struct doubt_rules *now = &doubt->times[0];

	*doubt = (struct doubt){.time_count = 1};
	now->rules = *rules;
	buf_init(&now->bytes, DOUBT_WHO_MAX);
	track_who_write(rules, &now->bytes);
	if (buf_ok(&now->bytes, reterr))
		return true;
	doubt_fini(doubt);
	return false;
}

void
doubt_fini(struct doubt *doubt)
{
	size_t i;

	for (i = 0; i < doubt->time_count; i++) {
		buf_fini(&doubt->times[i].bytes);
		free(doubt->times[i].items);
	}
	free(doubt->slots);
	*doubt = (struct doubt){.time_count = 0};
}

/* FNV-1a, 64 bits; never 0. */
uint64_t
doubt_event(const char *data, size_t len)
{
	uint64_t event = 0xcbf29ce484222325U;
	size_t i;

	for (i = 0; i < len; i++)
		event = (event ^ (unsigned char)data[i]) * 0x100000001b3U;
	return event != 0 ? event : 1;
}

/* ---- the table ---- */

static size_t
doubt_home(const struct doubt *doubt, uint64_t event)
{
	return (size_t)(event ^ (event >> 32)) & (doubt->cap - 1);
}

/* Where the event is, or would be; there is a table. */
static size_t
doubt_place(const struct doubt *doubt, uint64_t event)
{
	size_t i = doubt_home(doubt, event);

	while (doubt->slots[i].event != 0 && doubt->slots[i].event != event)
		i = (i + 1) & (doubt->cap - 1);
	return i;
}

static struct doubt_slot *
doubt_find(const struct doubt *doubt, uint64_t event)
{
	struct doubt_slot *slot;

	if (doubt->count == 0)
		return NULL;
	slot = &doubt->slots[doubt_place(doubt, event)];
	return slot->event != 0 ? slot : NULL;
}

bool
doubt_has(const struct doubt *doubt, uint64_t event)
{
	return doubt_find(doubt, event) != NULL;
}

const struct track_rules *
doubt_rules(const struct doubt *doubt, uint64_t event)
{
	const struct doubt_slot *slot;

	if (doubt->count == doubt->times[0].events)
		return NULL; /* as good as always */
	slot = doubt_find(doubt, event);
	if (slot == NULL || slot->time == 0)
		return NULL;
	return &doubt->times[slot->time].rules;
}

static bool
doubt_grow(struct doubt *doubt)
{
	struct doubt grown = *doubt;
	size_t i;

	grown.cap = doubt->cap == 0 ? DOUBT_SLOTS_FIRST : doubt->cap * 2;
	grown.slots = calloc(grown.cap, sizeof(*grown.slots));
	if (grown.slots == NULL)
		return false;
	for (i = 0; i < doubt->cap; i++) {
		const struct doubt_slot *slot = &doubt->slots[i];

		if (slot->event != 0)
			grown.slots[doubt_place(&grown, slot->event)] = *slot;
	}
	free(doubt->slots);
	doubt->slots = grown.slots;
	doubt->cap = grown.cap;
	return true;
}

/* Free a slot, and let those behind it that it had pushed away come home. */
static void
doubt_slot_free(struct doubt *doubt, size_t hole)
{
	size_t mask = doubt->cap - 1, i = hole;

	doubt->times[doubt->slots[hole].time].events--;
	doubt->count--;
	for (;;) {
		i = (i + 1) & mask;
		if (doubt->slots[i].event == 0)
			break;
		/* Only if its home does not lie between hole and i. */
		if (((i - doubt_home(doubt, doubt->slots[i].event)) & mask) <
		    ((i - hole) & mask))
			continue;
		doubt->slots[hole] = doubt->slots[i];
		hole = i;
	}
	doubt->slots[hole].event = 0;
}

/* The oldest rules that have any: only what waits for years, or was deleted
 * by hand, is still there when the table is full. */
static void
doubt_evict(struct doubt *doubt)
{
	size_t time = doubt->time_count - 1, i = 0;

	while (doubt->times[time].events == 0)
		time--;
	log_line(LOG_ERROR, "forwarder",
	    "doubt given_up=%zu why=\"more than %d events with an unknown "
	    "outcome\"",
	    doubt->times[time].events, DOUBT_EVENTS_MAX);
	while (doubt->times[time].events > 0) {
		if (doubt->slots[i].event != 0 && doubt->slots[i].time == time)
			doubt_slot_free(doubt, i);
		else
			i = (i + 1) & (doubt->cap - 1);
	}
}

static bool
doubt_put(struct doubt *doubt, uint64_t event, unsigned char time)
{
	size_t at;

	if (doubt_has(doubt, event))
		return true;
	if (doubt->count == DOUBT_EVENTS_MAX)
		doubt_evict(doubt);
	if (doubt->count * 2 >= doubt->cap && !doubt_grow(doubt))
		return false;
	at = doubt_place(doubt, event);
	doubt->slots[at] = (struct doubt_slot){event, time};
	doubt->times[time].events++;
	doubt->count++;
	return true;
}

bool
doubt_add(struct doubt *doubt, uint64_t event)
{
	return doubt_put(doubt, event, 0);
}

void
doubt_remove(struct doubt *doubt, uint64_t event)
{
	if (doubt_has(doubt, event))
		doubt_slot_free(doubt, doubt_place(doubt, event));
}

void
doubt_clear(struct doubt *doubt)
{
	size_t i;

	for (i = 0; i < doubt->time_count; i++)
		doubt->times[i].events = 0;
	free(doubt->slots);
	doubt->slots = NULL;
	doubt->cap = doubt->count = 0;
}

/* ---- as bytes ---- */

void
doubt_write(const struct doubt *doubt, struct buf *buf)
{
	unsigned char number[DOUBT_RULES_MAX], times = 0;
	size_t i;

	if (doubt->count == 0)
		return;
	for (i = 0; i < doubt->time_count; i++) {
		number[i] = times;
		if (doubt->times[i].events > 0)
			times++;
	}
	(void)buf_append(buf, doubt_magic, sizeof(doubt_magic));
	bytes_number_write(buf, times, 1);
	for (i = 0; i < doubt->time_count; i++) {
		const struct buf *bytes = &doubt->times[i].bytes;

		if (doubt->times[i].events == 0)
			continue;
		bytes_number_write(buf, bytes->len, 4);
		(void)buf_append(buf, bytes->data, bytes->len);
	}
	bytes_number_write(buf, doubt->count, 4);
	for (i = 0; i < doubt->cap; i++) {
		const struct doubt_slot *slot = &doubt->slots[i];

		if (slot->event == 0)
			continue;
		bytes_number_write(buf, slot->event, 8);
		bytes_number_write(buf, number[slot->time], 1);
	}
}

struct doubt_reader {
	struct bytes_reader in;
	unsigned char times[DOUBT_RULES_MAX]; /* as they are numbered now */
};

/* Rules of then: those of now, or one step further back. What is in doubt
 * after more changes than we remember is mapped as of now. */
static bool
doubt_time_read(struct doubt *doubt, struct doubt_reader *reader, size_t number,
    struct err *reterr)
{
	size_t len = (size_t)bytes_number_read(&reader->in, 4);
	const struct buf *now = &doubt->times[0].bytes;
	struct doubt_rules *time = &doubt->times[doubt->time_count];

	if (reader->in.failed || len > reader->in.len || len > DOUBT_WHO_MAX)
		return err_set(reterr, ERR_DAMAGED, "too short");
	reader->times[number] = 0;
	if ((len == now->len && memcmp(reader->in.data, now->data, len) == 0) ||
	    doubt->time_count == DOUBT_RULES_MAX)
		goto read;
	time->rules = doubt->times[0].rules;
	buf_init(&time->bytes, DOUBT_WHO_MAX);
	(void)buf_append(&time->bytes, reader->in.data, len);
	if (!buf_ok(&time->bytes, reterr) ||
	    !track_who_read(
		time->bytes.data, len, &time->rules, &time->items, reterr)) {
		buf_fini(&time->bytes);
		return false;
	}
	reader->times[number] = (unsigned char)doubt->time_count++;
read:
	reader->in.data += len;
	reader->in.len -= len;
	return true;
}

static bool
doubt_events_read(struct doubt *doubt, struct doubt_reader *reader,
    size_t times, struct err *reterr)
{
	uint64_t count = bytes_number_read(&reader->in, 4), event, time;

	for (; count > 0 && !reader->in.failed; count--) {
		event = bytes_number_read(&reader->in, 8);
		time = bytes_number_read(&reader->in, 1);
		if (reader->in.failed || event == 0 || time >= times)
			return err_set(reterr, ERR_DAMAGED, "no event");
		if (!doubt_put(doubt, event, reader->times[time]))
			return err_set_nomem(reterr);
	}
	return (!reader->in.failed && reader->in.len == 0) ||
	       err_set(reterr, ERR_DAMAGED, "wrong length");
}

bool
doubt_read(
    struct doubt *doubt, const void *data, size_t len, struct err *reterr)
{
	struct doubt_reader reader = {.in = {.data = data, .len = len}};
	struct err err = {.code = ERR_DAMAGED};
	size_t times, i;

	if (len == 0)
		return true;
	if (len < sizeof(doubt_magic) ||
	    memcmp(data, doubt_magic, sizeof(doubt_magic)) != 0)
		goto fail;
	reader.in.data += sizeof(doubt_magic);
	reader.in.len -= sizeof(doubt_magic);
	times = (size_t)bytes_number_read(&reader.in, 1);
	if (reader.in.failed || times > DOUBT_RULES_MAX)
		goto fail;
	for (i = 0; i < times; i++) {
		if (!doubt_time_read(doubt, &reader, i, &err))
			goto fail;
	}
	if (doubt_events_read(doubt, &reader, times, &err))
		return true;
fail:
	doubt_clear(doubt);
	return err_set(reterr, err.code,
	    "what was in doubt at the last stop cannot be read");
}
