/*
 * A window has a list of buckets: what ended at about the same time, within a
 * small part of the window, and counts until a window after the last of it.
 * Beside it is the sum. So the list is short, however many the requests.
 *
 * The keys are an array with a table over it. Nothing is taken out one by
 * one: when the array is full, those that count no more are dropped together.
 *
 * What is saved of a long window has an advance in it: units that may start
 * before it is saved again. After a crash they count as if they had.
 *
 * As bytes, little-endian:
 *
 *	u8 windows	for each of them:
 *		u8 unit	u8 on the hour	i64 window, ms
 *		u64 units in flight or in advance	u32 rows, for each:
 *			i64 end by the wall clock, or number of the hour
 *			u64 units
 */

#include "forwarder/limits.h"

#include "forwarder/bytes.h"

#include <stdlib.h>
#include <string.h>

enum {
	LIMITS_BUCKETS_FIRST = 16,
	LIMITS_BUCKETS = 256, /* in a window, at most */
	LIMITS_KEYS_FIRST = 512,
	LIMITS_ADVANCE = 64, /* that part of an amount */
};

struct limits_send {
	uint64_t number;
	int64_t start_wall_ms;
	uint64_t *keys; /* owned; NULL without a limit by key */
	size_t count;
};

static bool
window_by_key(const struct limits_window *window)
{
	return window->limit.scope == OUTLET_KEY;
}

static bool
window_on_the_hour(const struct limits_window *window)
{
	return window->limit.on_the_hour && !window_by_key(window);
}

static bool
window_long(const struct limits_window *window)
{
	return window->limit.window_ms > LIMITS_SHORT_MS &&
	       !window_by_key(window);
}

static size_t
window_units(const struct limits_window *window, size_t items)
{
	return window->limit.unit == OUTLET_ITEMS || window_by_key(window)
		   ? items
		   : 1;
}

/* Units in flight. */
static size_t
window_flying(const struct limits *limits, const struct limits_window *window)
{
	return window->limit.unit == OUTLET_ITEMS ? limits->items
						  : limits->send_count;
}

void
limits_init(
    struct limits *limits, const struct outlet_limit *rows, size_t count)
{
	*limits = (struct limits){0};
	CHECK(count <= OUTLET_LIMITS_MAX);
	for (size_t i = 0; i < count; i++) {
		CHECK(rows[i].amount > 0 && rows[i].window_ms > 0);
		limits->windows[limits->count++].limit = rows[i];
	}
}

bool
limits_set_amounts(
    struct limits *limits, const struct outlet_limit *rows, size_t count)
{
	bool same = count == limits->count;

	for (size_t i = 0; same && i < count; i++) {
		const struct outlet_limit *old = &limits->windows[i].limit;

		same = rows[i].unit == old->unit &&
		       rows[i].scope == old->scope &&
		       rows[i].window_ms == old->window_ms &&
		       rows[i].on_the_hour == old->on_the_hour;
	}
	for (size_t i = 0; same && i < count; i++)
		limits->windows[i].limit.amount = rows[i].amount;
	return same;
}

void
limits_fini(struct limits *limits)
{
	for (size_t i = 0; i < limits->count; i++) {
		struct limits_window *window = &limits->windows[i];

		for (size_t k = window->head; k < window->end; k++)
			free(window->buckets[k].keys);
		free(window->buckets);
		free(window->keys);
		table_fini(&window->key_table);
	}
	for (size_t i = 0; i < limits->send_count; i++)
		free(limits->sends[i].keys);
	free(limits->sends);
	*limits = (struct limits){0};
}

/* ---- keys ---- */

/* The table takes the low bits. */
static uint64_t
key_hash(uint64_t id)
{
	uint64_t x = id * UINT64_C(0x9e3779b97f4a7c15);

	return x ^ (x >> 32);
}

struct key_lookup {
	const struct limits_key *keys;
	uint64_t id;
};

static bool
key_equal(const void *arg, uint32_t position)
{
	const struct key_lookup *lookup = arg;

	return lookup->keys[position].id == lookup->id;
}

static struct limits_key *
key_find(const struct limits_window *window, uint64_t id)
{
	uint32_t at = table_find(&window->key_table, key_hash(id), key_equal,
	    &(struct key_lookup){window->keys, id});

	return at == TABLE_NONE ? NULL : &window->keys[at];
}

/* Drop the keys that count no more. If more than half of them remain make room
 * for twice as many. False if there is no room then. */
static bool
keys_renew(struct limits_window *window, int64_t mono_ms)
{
	struct limits_key *keys = window->keys;
	size_t count = window->key_count, live = 0, cap;

	CHECK(keys != NULL || count == 0);
	table_clear(&window->key_table);
	for (size_t i = 0; i < count; i++) {
		if (keys[i].count == 0 && keys[i].waiting == 0 &&
		    keys[i].defer_ms <= mono_ms)
			continue;
		keys[live] = keys[i];
		table_add(&window->key_table, key_hash(keys[live].id),
		    (uint32_t)live);
		live++;
	}
	window->key_count = live;
	cap = live * 2;
	if (cap < LIMITS_KEYS_FIRST)
		cap = LIMITS_KEYS_FIRST;
	if (cap > LIMITS_KEYS_MAX)
		cap = LIMITS_KEYS_MAX;
	if (cap <= window->key_cap)
		return live < window->key_cap;
	keys = realloc(keys, cap * sizeof(*keys));
	if (keys == NULL)
		return live < window->key_cap;
	window->keys = keys;
	if (!table_reserve(&window->key_table, cap))
		return live < window->key_cap;
	window->key_cap = cap;
	return true;
}

/* Made if need be; NULL: no memory, or too many keys. */
static struct limits_key *
key_make(struct limits_window *window, uint64_t id, int64_t mono_ms)
{
	struct limits_key *key = key_find(window, id);

	if (key != NULL)
		return key;
	if (window->key_count == window->key_cap &&
	    !keys_renew(window, mono_ms))
		return NULL;
	table_add(
	    &window->key_table, key_hash(id), (uint32_t)window->key_count);
	key = &window->keys[window->key_count++];
	*key = (struct limits_key){.id = id};
	return key;
}

static void
key_release(struct limits_window *window, uint64_t id)
{
	struct limits_key *key = key_find(window, id);

	CHECK(key != NULL && key->count > 0);
	key->count--;
}

/* ---- windows ---- */

/* Drop what does not count any more. */
static void
window_expire(struct limits_window *window, int64_t mono_ms)
{
	int64_t span_ms = window->limit.window_ms + LIMITS_MARGIN_MS;

	for (; window->head < window->end; window->head++) {
		struct limits_bucket *bucket = &window->buckets[window->head];

		if (bucket->last_ms + span_ms > mono_ms)
			return;
		for (size_t i = 0; i < bucket->key_count; i++)
			key_release(window, bucket->keys[i]);
		free(bucket->keys);
		window->used -= bucket->units;
	}
}

/* Room for one more bucket. */
static bool
window_reserve(struct limits_window *window)
{
	size_t live = window->end - window->head, cap;
	struct limits_bucket *buckets;

	if (window->end < window->cap)
		return true;
	if (window->head > 0 && window->head >= window->cap / 2) {
		CHECK(window->buckets != NULL);
		memmove(window->buckets, window->buckets + window->head,
		    live * sizeof(*buckets));
		window->head = 0;
		window->end = live;
		return true;
	}
	cap = window->cap == 0 ? LIMITS_BUCKETS_FIRST : window->cap * 2;
	buckets = realloc(window->buckets, cap * sizeof(*buckets));
	if (buckets == NULL)
		return false;
	window->buckets = buckets;
	window->cap = cap;
	return true;
}

/*
 * So many units ended; copies the keys. Without memory they join the last
 * bucket, or stay for ever in the counts of their keys (see limits_end()).
 */
static bool
window_add(struct limits_window *window, size_t units, const uint64_t *keys,
    int64_t mono_ms)
{
	struct limits_bucket *bucket = window->end > window->head
					   ? &window->buckets[window->end - 1]
					   : NULL;
	uint64_t *more;

	if (bucket == NULL || mono_ms - bucket->first_ms >=
				  window->limit.window_ms / LIMITS_BUCKETS) {
		if (window_reserve(window)) {
			CHECK(window->buckets != NULL);
			bucket = &window->buckets[window->end++];
			*bucket = (struct limits_bucket){.first_ms = mono_ms};
		} else if (bucket == NULL)
			return false;
	}
	CHECK(bucket != NULL);
	bucket->last_ms = mono_ms;
	bucket->units += units;
	window->used += units;
	if (keys == NULL || !window_by_key(window))
		return true;
	more =
	    realloc(bucket->keys, (bucket->key_count + units) * sizeof(*more));
	if (more == NULL)
		return false;
	memcpy(more + bucket->key_count, keys, units * sizeof(*more));
	bucket->keys = more;
	bucket->key_count += units;
	return true;
}

/* ---- on the hour ---- */

static int64_t
hour_number(const struct limits_window *window, int64_t wall_ms)
{
	return wall_ms / window->limit.window_ms;
}

static size_t
hour_units(const struct limits_window *window, int64_t number)
{
	for (size_t i = 0; i < LIMITS_HOURS; i++) {
		if (window->hours[i].number == number)
			return window->hours[i].units;
	}
	return 0;
}

/* The oldest gives way. */
static void
hour_add(struct limits_window *window, int64_t number, size_t units)
{
	struct limits_hour *hour = &window->hours[0];

	for (size_t i = 0; i < LIMITS_HOURS; i++) {
		if (window->hours[i].number == number) {
			window->hours[i].units += units;
			return;
		}
		if (window->hours[i].number < hour->number)
			hour = &window->hours[i];
	}
	if (number > hour->number)
		*hour = (struct limits_hour){number, units};
}

/* In each window that they may have arrived in. */
static void
hours_add(struct limits_window *window, size_t units, int64_t start_wall_ms,
    int64_t end_wall_ms)
{
	int64_t first = hour_number(window, start_wall_ms - LIMITS_SKEW_MS);
	int64_t last = hour_number(window, end_wall_ms + LIMITS_SKEW_MS);

	if (last - first >= LIMITS_HOURS || last < first)
		first = last - LIMITS_HOURS + 1; /* the clock was set */
	for (; first <= last; first++)
		hour_add(window, first, units);
}

/* ---- room ---- */

/* Units that count in a window that one arriving now would be in. */
static size_t
window_used(const struct limits *limits, struct limits_window *window,
    const struct clock_times *now)
{
	size_t before, after;

	if (!window_on_the_hour(window)) {
		window_expire(window, now->mono_ms);
		return window->used + window_flying(limits, window);
	}
	before = hour_units(
	    window, hour_number(window, now->wall_ms - LIMITS_SKEW_MS));
	after = hour_units(
	    window, hour_number(window, now->wall_ms + LIMITS_SKEW_MS));
	return (before > after ? before : after) +
	       window_flying(limits, window);
}

size_t
limits_used(struct limits *limits, size_t window, const struct clock_times *now)
{
	return window_used(limits, &limits->windows[window], now);
}

size_t
limits_room(struct limits *limits, const struct clock_times *now)
{
	size_t room = SIZE_MAX;

	for (size_t i = 0; i < limits->count; i++) {
		struct limits_window *window = &limits->windows[i];
		size_t used, free_units;

		if (window_by_key(window))
			continue;
		used = window_used(limits, window, now);
		free_units = used < window->limit.amount
				 ? window->limit.amount - used
				 : 0;
		if (window->limit.unit == OUTLET_REQUESTS && free_units > 0)
			continue;
		if (free_units < room)
			room = free_units;
	}
	return room;
}

/* When a window has room for so many units. */
static int64_t
window_start_ms(const struct limits *limits, struct limits_window *window,
    size_t units, const struct clock_times *now)
{
	size_t used = window_used(limits, window, now), i;
	size_t most = window->limit.amount;
	int64_t wall_ms;

	if (used + units <= most)
		return now->mono_ms;
	if (window_flying(limits, window) + units > most)
		return INT64_MAX;
	if (window_on_the_hour(window)) {
		wall_ms = (hour_number(window, now->wall_ms) + 1) *
			      window->limit.window_ms +
			  LIMITS_SKEW_MS;
		if (wall_ms > now->wall_ms + window->limit.window_ms)
			wall_ms -= window->limit.window_ms;
		/* The clock may be set meanwhile: look now and then. */
		if (wall_ms > now->wall_ms + LIMITS_SHORT_MS)
			wall_ms = now->wall_ms + LIMITS_SHORT_MS;
		return now->mono_ms + (wall_ms - now->wall_ms);
	}
	for (i = window->head; used + units > most; i++) {
		CHECK(i < window->end);
		used -= window->buckets[i].units;
	}
	return window->buckets[i - 1].last_ms + window->limit.window_ms +
	       LIMITS_MARGIN_MS;
}

int64_t
limits_start_ms(
    struct limits *limits, size_t items, const struct clock_times *now)
{
	int64_t start_ms = now->mono_ms;

	for (size_t i = 0; i < limits->count; i++) {
		struct limits_window *window = &limits->windows[i];
		int64_t ms;

		if (window_by_key(window))
			continue;
		ms = window_start_ms(
		    limits, window, window_units(window, items), now);
		if (ms > start_ms)
			start_ms = ms;
	}
	return start_ms;
}

bool
limits_half_free(
    struct limits *limits, size_t items, const struct clock_times *now)
{
	for (size_t i = 0; i < limits->count; i++) {
		struct limits_window *window = &limits->windows[i];
		size_t used;

		if (window_by_key(window))
			continue;
		used = window_used(limits, window, now);
		if (used > 0 && used + window_units(window, items) >
				    ((size_t)window->limit.amount + 1) / 2)
			return false;
	}
	return true;
}

/* ---- a key's room ---- */

bool
limits_key_hold(
    struct limits *limits, uint64_t id, bool waited, int64_t mono_ms)
{
	struct limits_key *held[OUTLET_LIMITS_MAX];
	size_t count = 0;

	for (size_t i = 0; i < limits->count; i++) {
		struct limits_window *window = &limits->windows[i];
		struct limits_key *key;

		if (!window_by_key(window))
			continue;
		window_expire(window, mono_ms);
		key = key_make(window, id, mono_ms);
		if (key == NULL || key->count + (waited ? 0 : key->waiting) >=
				       window->limit.amount)
			return false;
		held[count++] = key;
	}
	while (count > 0)
		held[--count]->count++;
	return true;
}

void
limits_key_release(struct limits *limits, uint64_t id)
{
	for (size_t i = 0; i < limits->count; i++) {
		if (window_by_key(&limits->windows[i]))
			key_release(&limits->windows[i], id);
	}
}

void
limits_key_wait(struct limits *limits, uint64_t id, int64_t mono_ms)
{
	for (size_t i = 0; i < limits->count; i++) {
		struct limits_key *key;

		if (!window_by_key(&limits->windows[i]))
			continue;
		/* Without memory newcomers may go first; nothing is lost by
		 * that. */
		key = key_make(&limits->windows[i], id, mono_ms);
		if (key != NULL)
			key->waiting++;
	}
}

void
limits_key_wait_end(struct limits *limits, uint64_t id)
{
	for (size_t i = 0; i < limits->count; i++) {
		struct limits_key *key;

		if (!window_by_key(&limits->windows[i]))
			continue;
		key = key_find(&limits->windows[i], id);
		if (key != NULL && key->waiting > 0)
			key->waiting--;
	}
}

bool
limits_key_half_free(struct limits *limits, uint64_t id, int64_t mono_ms)
{
	for (size_t i = 0; i < limits->count; i++) {
		struct limits_window *window = &limits->windows[i];
		const struct limits_key *key;

		if (!window_by_key(window))
			continue;
		window_expire(window, mono_ms);
		key = key_find(window, id);
		if (key != NULL &&
		    key->count + key->waiting >= (window->limit.amount + 1) / 2)
			return false;
	}
	return true;
}

static int64_t
window_defer_ms(struct limits_window *window, uint64_t id, int64_t mono_ms)
{
	struct limits_key *key = key_make(window, id, mono_ms);
	int64_t span_ms = window->limit.window_ms + LIMITS_SLACK_MS;

	if (key == NULL)
		return mono_ms + span_ms;
	if (key->defer_ms > mono_ms + LIMITS_DEFER_MOST_MS)
		return mono_ms + LIMITS_DEFER_MOST_MS;
	if (key->defer_ms <= mono_ms || key->left == 0) {
		if (key->defer_ms < mono_ms)
			key->defer_ms = mono_ms;
		key->defer_ms += span_ms;
		key->left = window->limit.amount;
	}
	key->left--;
	return key->defer_ms;
}

int64_t
limits_key_defer_ms(struct limits *limits, uint64_t id, int64_t mono_ms)
{
	int64_t defer_ms = mono_ms;

	for (size_t i = 0; i < limits->count; i++) {
		struct limits_window *window = &limits->windows[i];
		int64_t ms;

		if (!window_by_key(window))
			continue;
		ms = window_defer_ms(window, id, mono_ms);
		if (ms > defer_ms)
			defer_ms = ms;
	}
	return defer_ms;
}

/* ---- requests ---- */

bool
limits_begin(struct limits *limits, uint64_t *keys, size_t count,
    const struct clock_times *now, uint64_t *ret_send, struct err *reterr)
{
	struct limits_send *sends = limits->sends;
	size_t cap = limits->send_cap == 0 ? 4 : 2 * limits->send_cap;
	bool by_key = false;

	if (limits->send_count == limits->send_cap) {
		sends = realloc(sends, cap * sizeof(*sends));
		if (sends == NULL) {
			free(keys);
			return err_set_nomem(reterr);
		}
		limits->sends = sends;
		limits->send_cap = cap;
	}
	for (size_t i = 0; i < limits->count; i++) {
		struct limits_window *window = &limits->windows[i];
		size_t units = window_units(window, count);

		by_key = by_key || window_by_key(window);
		window->advance -=
		    units < window->advance ? units : window->advance;
	}
	if (!by_key) {
		free(keys);
		keys = NULL;
	}
	sends[limits->send_count++] = (struct limits_send){
	    .number = limits->next,
	    .start_wall_ms = now->wall_ms,
	    .keys = keys,
	    .count = count,
	};
	limits->items += count;
	*ret_send = limits->next++;
	return true;
}

void
limits_end(
    struct limits *limits, uint64_t number, const struct clock_times *now)
{
	struct limits_send *send = limits->sends;

	for (; send->number != number; send++)
		CHECK(send + 1 < limits->sends + limits->send_count);
	for (size_t i = 0; i < limits->count; i++) {
		struct limits_window *window = &limits->windows[i];
		size_t units = window_units(window, send->count);

		window_expire(window, now->mono_ms);
		if (window_on_the_hour(window))
			hours_add(
			    window, units, send->start_wall_ms, now->wall_ms);
		else if (!window_add(window, units, send->keys, now->mono_ms) &&
			 window_by_key(window)) {
			/* No memory: the key's quota may break, which is less
			 * than to hold the key up for ever. */
			for (size_t k = 0; k < send->count; k++)
				key_release(window, send->keys[k]);
		}
	}
	limits->items -= send->count;
	free(send->keys);
	*send = limits->sends[--limits->send_count];
}

/* ---- as bytes ---- */

bool
limits_must_save(const struct limits *limits, size_t items)
{
	for (size_t i = 0; i < limits->count; i++) {
		const struct limits_window *window = &limits->windows[i];

		if (window_long(window) &&
		    window_units(window, items) > window->advance)
			return true;
	}
	return false;
}

void
limits_write(struct limits *limits, size_t items, const struct clock_times *now,
    struct buf *out)
{
	size_t count = 0;

	for (size_t i = 0; i < limits->count; i++)
		count += window_long(&limits->windows[i]);
	bytes_write(out, count, 1);
	for (size_t i = 0; i < limits->count; i++) {
		struct limits_window *window = &limits->windows[i];

		if (!window_long(window))
			continue;
		window_expire(window, now->mono_ms);
		window->advance = window_units(window, items);
		if (window->advance < window->limit.amount / LIMITS_ADVANCE)
			window->advance = window->limit.amount / LIMITS_ADVANCE;
		if (items == 0)
			window->advance = 0;
		bytes_write(out, window->limit.unit, 1);
		bytes_write(out, window->limit.on_the_hour, 1);
		bytes_write(out, (uint64_t)window->limit.window_ms, 8);
		bytes_write(
		    out, window_flying(limits, window) + window->advance, 8);
		if (window_on_the_hour(window)) {
			bytes_write(out, LIMITS_HOURS, 4);
			for (size_t k = 0; k < LIMITS_HOURS; k++) {
				bytes_write(
				    out, (uint64_t)window->hours[k].number, 8);
				bytes_write(out, window->hours[k].units, 8);
			}
			continue;
		}
		bytes_write(out, window->end - window->head, 4);
		for (size_t k = window->head; k < window->end; k++) {
			bytes_write(out,
			    (uint64_t)clock_times_wall_ms(
				now, window->buckets[k].last_ms),
			    8);
			bytes_write(out, window->buckets[k].units, 8);
		}
	}
}

/* The window that this was saved of, or NULL if the outlet has it no more. */
static struct limits_window *
window_saved(struct limits *limits, uint64_t unit, uint64_t on_the_hour,
    int64_t window_ms)
{
	for (size_t i = 0; i < limits->count; i++) {
		struct limits_window *window = &limits->windows[i];

		if (window_long(window) && window->limit.unit == unit &&
		    window->limit.on_the_hour == on_the_hour &&
		    window->limit.window_ms == window_ms)
			return window;
	}
	return NULL;
}

static bool
window_read(struct limits_window *window, struct bytes_reader *reader,
    bool clean, bool aged, const struct clock_times *now, struct err *reterr)
{
	size_t loose = (size_t)bytes_read(reader, 8);
	size_t rows = (size_t)bytes_read(reader, 4), units;
	int64_t at, age_ms;

	if (clean)
		loose = 0;
	for (; rows > 0 && !reader->failed; rows--) {
		at = (int64_t)bytes_read(reader, 8);
		units = (size_t)bytes_read(reader, 8);
		if (reader->failed || window == NULL)
			continue;
		if (!aged)
			loose += units;
		else if (window_on_the_hour(window))
			hour_add(window, at, units);
		else {
			age_ms = now->wall_ms > at ? now->wall_ms - at : 0;
			if (!window_add(
				window, units, NULL, now->mono_ms - age_ms))
				return err_set_nomem(reterr);
		}
	}
	if (window == NULL || loose == 0)
		return true;
	if (window_on_the_hour(window))
		hours_add(window, loose, now->wall_ms, now->wall_ms);
	else if (!window_add(window, loose, NULL, now->mono_ms))
		return err_set_nomem(reterr);
	return true;
}

bool
limits_read(struct limits *limits, struct str bytes, bool clean, bool aged,
    const struct clock_times *now, struct err *reterr)
{
	struct bytes_reader reader = {.data = bytes.data, .len = bytes.len};
	uint64_t count = bytes_read(&reader, 1);

	for (; count > 0 && !reader.failed; count--) {
		uint64_t unit = bytes_read(&reader, 1);
		uint64_t on_the_hour = bytes_read(&reader, 1);
		int64_t window_ms = (int64_t)bytes_read(&reader, 8);

		if (!window_read(
			window_saved(limits, unit, on_the_hour, window_ms),
			&reader, clean, aged, now, reterr))
			return false;
	}
	return (!reader.failed && reader.len == 0) ||
	       err_set(reterr, ERR_DAMAGED,
		   "the saved counts of the limits cannot be read");
}
