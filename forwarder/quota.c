/*
 * The log is a list of requests in the order of their start. They end out of
 * order, so each is dropped when its own window is over, and the list is
 * shortened from the front. There are few within a minute, so the list is
 * walked, and the sum of what counts is kept beside it.
 *
 * The identities are an array with a table over it. They are not removed one by
 * one: when the array is full, those that no longer count are dropped together.
 *
 * The log as bytes, little-endian:
 *
 *	"CQ1\n"	u32 requests	for each of them:
 *		i64 wall time of the end	u32 events
 *		u32 identities (0, or as many as events)	u64 each
 *
 * Ages survive, not clock readings: the monotonic clock starts over with the
 * machine. An end in the future, because the wall clock was set back, counts as
 * now, which errs on the side of waiting.
 */

#include "forwarder/quota.h"

#include "forwarder/bytes.h"

#include <stdlib.h>
#include <string.h>

enum { QUOTA_SENDS_FIRST = 64, QUOTA_IDENTITIES_FIRST = 512 };

struct quota_send {
	int64_t start_ms;
	int64_t end_ms;	      /* INT64_MAX while in flight */
	uint64_t *identities; /* owned; NULL without a quota for identities */
	size_t count;
	bool gone; /* does not count any more */
};

struct quota_identity {
	uint64_t id;
	int64_t defer_ms; /* the window that reservations go to */
	unsigned left;	  /* reservations that it still takes */
	unsigned count;	  /* events held or in the log */
	unsigned waiting; /* events */
};

static const char quota_magic[4] = {'C', 'Q', '1', '\n'};

void
quota_init(struct quota *quota, unsigned allowed, unsigned identity_allowed)
{
	*quota = (struct quota){
	    .allowed = allowed, .identity_allowed = identity_allowed};
}

void
quota_fini(struct quota *quota)
{
	for (size_t i = quota->head; i < quota->end; i++)
		free(quota->sends[i].identities);
	free(quota->sends);
	free(quota->identities);
	table_fini(&quota->identity_table);
	quota_init(quota, quota->allowed, quota->identity_allowed);
}

/* ---- identities ---- */

/* The table takes the low bits. */
static uint64_t
quota_identity_hash(uint64_t id)
{
	uint64_t x = id * UINT64_C(0x9e3779b97f4a7c15);

	return x ^ (x >> 32);
}

struct quota_lookup {
	const struct quota_identity *identities;
	uint64_t id;
};

static bool
quota_identity_equal(const void *arg, uint32_t position)
{
	const struct quota_lookup *lookup = arg;

	return lookup->identities[position].id == lookup->id;
}

static struct quota_identity *
quota_identity_find(const struct quota *quota, uint64_t id)
{
	uint32_t at = table_find(&quota->identity_table,
	    quota_identity_hash(id), quota_identity_equal,
	    &(struct quota_lookup){quota->identities, id});

	return at == TABLE_NONE ? NULL : &quota->identities[at];
}

/* Drop the identities that count no more. If more than half of them remain
 * make room for twice as many. False if there is no room then. */
static bool
quota_identities_renew(struct quota *quota, int64_t mono_ms)
{
	struct quota_identity *identities = quota->identities;
	size_t live = 0, cap;

	table_clear(&quota->identity_table);
	for (size_t i = 0; i < quota->identity_count; i++) {
		if (identities[i].count == 0 && identities[i].waiting == 0 &&
		    identities[i].defer_ms <= mono_ms)
			continue;
		identities[live] = identities[i];
		table_add(&quota->identity_table,
		    quota_identity_hash(identities[live].id), (uint32_t)live);
		live++;
	}
	quota->identity_count = live;
	cap = live * 2;
	if (cap < QUOTA_IDENTITIES_FIRST)
		cap = QUOTA_IDENTITIES_FIRST;
	if (cap > QUOTA_IDENTITIES_MAX)
		cap = QUOTA_IDENTITIES_MAX;
	if (cap <= quota->identity_cap)
		return live < quota->identity_cap;
	identities = realloc(identities, cap * sizeof(*identities));
	if (identities == NULL)
		return live < quota->identity_cap;
	quota->identities = identities;
	if (!table_reserve(&quota->identity_table, cap))
		return live < quota->identity_cap;
	quota->identity_cap = cap;
	return true;
}

/* Made if need be; NULL: no memory, or too many identities. */
static struct quota_identity *
quota_identity_make(struct quota *quota, uint64_t id, int64_t mono_ms)
{
	struct quota_identity *identity = quota_identity_find(quota, id);

	if (identity != NULL)
		return identity;
	if (quota->identity_count == quota->identity_cap &&
	    !quota_identities_renew(quota, mono_ms))
		return NULL;
	table_add(&quota->identity_table, quota_identity_hash(id),
	    (uint32_t)quota->identity_count);
	identity = &quota->identities[quota->identity_count++];
	*identity = (struct quota_identity){.id = id};
	return identity;
}

/* ---- the log ---- */

/* Nothing to remember. */
static bool
quota_off(const struct quota *quota)
{
	return quota->allowed == 0 && quota->identity_allowed == 0;
}

static int64_t
quota_send_expiry(const struct quota_send *send)
{
	if (send->end_ms == INT64_MAX)
		return INT64_MAX;
	return send->end_ms + QUOTA_SPAN_MS;
}

/* Drop what does not count any more. */
static void
quota_expire(struct quota *quota, int64_t mono_ms)
{
	for (size_t i = quota->head; i < quota->end; i++) {
		struct quota_send *send = &quota->sends[i];

		/* Those that started later end later than this, too. */
		if (send->start_ms + QUOTA_SPAN_MS > mono_ms)
			break;
		if (send->gone || quota_send_expiry(send) > mono_ms)
			continue;
		for (size_t k = 0; send->identities != NULL && k < send->count;
		     k++)
			quota_release(quota, send->identities[k]);
		free(send->identities);
		send->identities = NULL;
		quota->sent -= send->count;
		send->gone = true;
	}
	while (quota->head < quota->end && quota->sends[quota->head].gone)
		quota->head++;
}

/* Append to the log, taking the identities; false without memory. */
static bool
quota_send_add(struct quota *quota, const struct quota_send *send)
{
	size_t live = quota->end - quota->head, cap;
	struct quota_send *sends;

	if (quota->end == quota->cap && quota->head > 0 &&
	    quota->head >= quota->cap / 2) {
		memmove(quota->sends, quota->sends + quota->head,
		    live * sizeof(*sends));
		quota->first += quota->head;
		quota->head = 0;
		quota->end = live;
	}
	if (quota->end == quota->cap) {
		cap = quota->cap == 0 ? QUOTA_SENDS_FIRST : quota->cap * 2;
		sends = realloc(quota->sends, cap * sizeof(*sends));
		if (sends == NULL)
			return false;
		quota->sends = sends;
		quota->cap = cap;
	}
	quota->sends[quota->end++] = *send;
	quota->sent += send->count;
	return true;
}

size_t
quota_room(struct quota *quota, int64_t mono_ms)
{
	/* Without a quota for the app the log still has a bound. */
	size_t most = quota->allowed > 0 ? quota->allowed : QUOTA_LOG_MAX;

	if (quota_off(quota))
		return SIZE_MAX;
	quota_expire(quota, mono_ms);
	return quota->sent < most ? most - quota->sent : 0;
}

int64_t
quota_room_ms(struct quota *quota, size_t events, int64_t mono_ms)
{
	size_t room = quota_room(quota, mono_ms);
	int64_t at_ms = mono_ms;

	for (size_t i = quota->head; i < quota->end && room < events; i++) {
		const struct quota_send *send = &quota->sends[i];

		if (send->gone || send->end_ms == INT64_MAX)
			continue;
		room += send->count;
		if (quota_send_expiry(send) > at_ms)
			at_ms = quota_send_expiry(send);
	}
	return room < events ? INT64_MAX : at_ms;
}

bool
quota_half_free(struct quota *quota, size_t more, int64_t mono_ms)
{
	if (quota->allowed == 0)
		return true;
	quota_expire(quota, mono_ms);
	return quota->sent + more < (quota->allowed + 1) / 2;
}

bool
quota_begin(struct quota *quota, uint64_t *identities, size_t count,
    int64_t mono_ms, uint64_t *ret_send, struct err *reterr)
{
	struct quota_send send = {
	    .start_ms = mono_ms,
	    .end_ms = INT64_MAX,
	    .count = count,
	};

	*ret_send = 0;
	if (!quota_off(quota)) {
		quota_expire(quota, mono_ms);
		if (quota->identity_allowed > 0)
			send.identities = identities;
		if (!quota_send_add(quota, &send))
			return err_set_nomem(reterr);
		*ret_send = quota->first + quota->end - 1;
	}
	if (send.identities == NULL)
		free(identities);
	return true;
}

void
quota_end(struct quota *quota, uint64_t send, int64_t mono_ms)
{
	size_t at = (size_t)(send - quota->first);

	if (quota_off(quota))
		return;
	/* One in flight is never dropped, so it must be there. */
	CHECK(send >= quota->first && at >= quota->head && at < quota->end);
	quota->sends[at].end_ms = mono_ms;
}

/* ---- an identity's room ---- */

bool
quota_hold(struct quota *quota, uint64_t id, bool waited, int64_t mono_ms)
{
	struct quota_identity *identity;

	if (quota->identity_allowed == 0)
		return true;
	quota_expire(quota, mono_ms);
	identity = quota_identity_make(quota, id, mono_ms);
	if (identity == NULL)
		return false;
	if (identity->count + (waited ? 0 : identity->waiting) >=
	    quota->identity_allowed)
		return false;
	identity->count++;
	return true;
}

void
quota_release(struct quota *quota, uint64_t id)
{
	struct quota_identity *identity;

	if (quota->identity_allowed == 0)
		return;
	identity = quota_identity_find(quota, id);
	CHECK(identity != NULL && identity->count > 0);
	identity->count--;
}

void
quota_wait(struct quota *quota, uint64_t id, int64_t mono_ms)
{
	struct quota_identity *identity;

	if (quota->identity_allowed == 0)
		return;
	/* Without memory newcomers may go first; nothing is lost by that. */
	identity = quota_identity_make(quota, id, mono_ms);
	if (identity != NULL)
		identity->waiting++;
}

void
quota_wait_end(struct quota *quota, uint64_t id)
{
	struct quota_identity *identity;

	if (quota->identity_allowed == 0)
		return;
	identity = quota_identity_find(quota, id);
	if (identity != NULL && identity->waiting > 0)
		identity->waiting--;
}

bool
quota_identity_half_free(struct quota *quota, uint64_t id, int64_t mono_ms)
{
	const struct quota_identity *identity;

	if (quota->identity_allowed == 0)
		return true;
	quota_expire(quota, mono_ms);
	identity = quota_identity_find(quota, id);
	return identity == NULL || identity->count + identity->waiting <
				       (quota->identity_allowed + 1) / 2;
}

int64_t
quota_defer_ms(struct quota *quota, uint64_t id, int64_t mono_ms)
{
	struct quota_identity *identity =
	    quota_identity_make(quota, id, mono_ms);
	int64_t base_ms;

	if (identity == NULL)
		return mono_ms + QUOTA_WINDOW_MS + QUOTA_SLACK_MS;
	if (identity->defer_ms > mono_ms + QUOTA_DEFER_MOST_MS)
		return mono_ms + QUOTA_DEFER_MOST_MS;
	if (identity->defer_ms <= mono_ms || identity->left == 0) {
		base_ms =
		    identity->defer_ms > mono_ms ? identity->defer_ms : mono_ms;
		identity->defer_ms = base_ms + QUOTA_WINDOW_MS + QUOTA_SLACK_MS;
		identity->left = quota->identity_allowed;
	}
	identity->left--;
	return identity->defer_ms;
}

/* ---- as bytes ---- */

void
quota_write(struct quota *quota, const struct clock_times *now, struct buf *buf)
{
	size_t live = 0;

	quota_expire(quota, now->mono_ms);
	for (size_t i = quota->head; i < quota->end; i++)
		live += !quota->sends[i].gone;
	(void)buf_append(buf, quota_magic, sizeof(quota_magic));
	bytes_write(buf, live, 4);
	for (size_t i = quota->head; i < quota->end; i++) {
		const struct quota_send *send = &quota->sends[i];
		size_t identities = send->identities == NULL ? 0 : send->count;
		int64_t end_ms = send->end_ms;

		if (send->gone)
			continue;
		if (end_ms > now->mono_ms)
			end_ms = now->mono_ms;
		bytes_write(buf, (uint64_t)clock_times_wall_ms(now, end_ms), 8);
		bytes_write(buf, send->count, 4);
		bytes_write(buf, identities, 4);
		for (size_t k = 0; k < identities; k++)
			bytes_write(buf, send->identities[k], 8);
	}
}

static bool
quota_send_read(struct quota *quota, struct bytes_reader *reader,
    const struct clock_times *now)
{
	int64_t wall_ms = (int64_t)bytes_read(reader, 8);
	struct quota_send send = {.count = (size_t)bytes_read(reader, 4)};
	size_t identities = (size_t)bytes_read(reader, 4), i;

	if (reader->failed || wall_ms < 0 ||
	    (identities > 0 && identities != send.count) ||
	    identities > reader->len / 8)
		return false;
	if (wall_ms > now->wall_ms)
		wall_ms = now->wall_ms;
	send.start_ms = now->mono_ms - (now->wall_ms - wall_ms);
	send.end_ms = send.start_ms;
	/* They may have ended out of order; as if they started so. */
	if (quota->end > quota->head &&
	    send.start_ms < quota->sends[quota->end - 1].start_ms)
		send.start_ms = quota->sends[quota->end - 1].start_ms;
	if (quota->identity_allowed > 0 && identities > 0) {
		send.identities = calloc(identities, sizeof(uint64_t));
		if (send.identities == NULL)
			return false;
	}
	for (i = 0; i < identities; i++) {
		uint64_t id = bytes_read(reader, 8);
		struct quota_identity *identity;

		if (send.identities == NULL)
			continue; /* that quota was switched off since */
		identity = quota_identity_make(quota, id, now->mono_ms);
		if (identity == NULL)
			goto fail;
		identity->count++;
		send.identities[i] = id;
	}
	if (quota_send_add(quota, &send))
		return true;
fail:
	free(send.identities);
	return false;
}

bool
quota_read(struct quota *quota, struct str bytes, const struct clock_times *now,
    struct err *reterr)
{
	struct bytes_reader reader = {.data = bytes.data, .len = bytes.len};
	bool ok = bytes_magic(&reader, quota_magic);
	uint64_t count = bytes_read(&reader, 4);

	for (; ok && count > 0; count--)
		ok = quota_send_read(quota, &reader, now);
	if (ok && !reader.failed && reader.len == 0) {
		quota_expire(quota, now->mono_ms);
		return true;
	}
	quota_fini(quota);
	return err_set(
	    reterr, ERR_DAMAGED, "cannot read the saved log of sends");
}
