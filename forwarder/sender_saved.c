/*
 * What a sender leaves for the next one of its destination: when something may
 * have arrived there last, what was sent within long windows, how long the
 * destination asked to be left alone, which types are parked, and when what
 * was deferred is due.
 *
 * It is saved at a planned stop, and before that whenever something in it must
 * not be lost: before the first post, when a type is parked, when a long
 * window needs an advance. So an empty state means that nothing was ever
 * posted.
 *
 * What the next one believes of it:
 *
 * - Ages are taken by the monotonic clock, and only if the machine has not
 *   started anew since, and the wall clock agrees to a second. Otherwise, and
 *   after a crash, all that was sent counts as of now.
 * - The wall clock was right. Until it is there again, it is wrong: no item's
 *   time is judged by it.
 * - What was sent is of the same target, or it does not count; then it is not
 *   known what was sent to the target of now. The same holds for a new
 *   destination beside others, of which one may have been of this target.
 *
 * As bytes, little-endian; a text is u32 length and bytes:
 *
 *	"CS1\n"	u64 boot	i64 mono	i64 wall	u64 target
 *	i64 since the last arrival, ms, -1: none	u32 bytes: the limits
 *	i64 retry-after, ms	text why	i64 last due (-1: unknown)
 *	u32 types	for each that is parked: text name	u8 how
 *		i64 since	i64 age	u64 items	u64 bytes
 *		u32 status	text why
 *	text suspects' last answer	u32 times	i64 due for each
 */

#include "forwarder/sender_private.h"

#include "base/log.h"
#include "forwarder/bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SENDER_CLOCKS_MS = 1000 }; /* by which two clocks may differ */

static const char sender_magic[4] = {'C', 'S', '1', '\n'};

static void
text_write(struct buf *buf, const char *text)
{
	bytes_write(buf, strlen(text), 4);
	(void)buf_text(buf, text);
}

static struct str
text_read(struct bytes_reader *reader)
{
	size_t len = (size_t)bytes_read(reader, 4);
	const char *text = bytes_take(reader, len);

	return str_bytes(text, text == NULL ? 0 : len);
}

static void
text_copy(char *to, size_t size, struct str text)
{
	(void)snprintf(to, size, "%.*s", STR_ARGS(text));
}

/* ---- writing ---- */

static void
types_write(
    struct sender *sender, const struct clock_times *now, struct buf *out)
{
	struct fault_type *type;
	size_t position = 0;

	bytes_write(out, sender->fault.parked_count, 4);
	while ((type = fault_type_parked(&sender->fault, &position)) != NULL) {
		text_write(out, type->name);
		bytes_write(out, type->parked, 1);
		bytes_write(out, (uint64_t)type->since_ms, 8);
		bytes_write(
		    out, (uint64_t)fault_type_age_ms(type, now->mono_ms), 8);
		bytes_write(out, type->count, 8);
		bytes_write(out, type->bytes, 8);
		bytes_write(out, (unsigned)type->status, 4);
		text_write(out, type->why);
	}
}

static void
state_write(struct sender *sender, bool stop, const struct clock_times *now,
    struct buf *out)
{
	size_t items = stop ? 0 : sender->request_items, at;
	int64_t retry_after_ms = 0;
	struct buf limits;

	(void)buf_append(out, sender_magic, sizeof(sender_magic));
	bytes_write(out, sender->shared->boot, 8);
	bytes_write(out, (uint64_t)now->mono_ms, 8);
	bytes_write(out, (uint64_t)now->wall_ms, 8);
	bytes_write(out, sender->target, 8);
	bytes_write(out,
	    sender->arrived ? (uint64_t)(now->mono_ms - sender->arrived_ms)
			    : UINT64_MAX,
	    8);
	buf_init(&limits, SIZE_MAX / 2);
	limits_write(&sender->limits, items, now, &limits);
	out->failed = out->failed || limits.failed;
	bytes_write(out, limits.len, 4);
	(void)buf_append(out, limits.data, limits.len);
	buf_fini(&limits);
	if (sender->retry_after_ms > now->mono_ms)
		retry_after_ms = sender->retry_after_ms - now->mono_ms;
	bytes_write(out, (uint64_t)retry_after_ms, 8);
	text_write(out, sender->retry_after_why);
	bytes_write(out,
	    sender->last_due_known ? (uint64_t)sender->last_due_ms : UINT64_MAX,
	    8);
	types_write(sender, now, out);
	text_write(out, sender->suspect_why);
	bytes_write(out, sender->deferred_count, 4);
	for (at = 0; at < sender->deferred_count; at++)
		bytes_write(out, (uint64_t)sender->deferred[at], 8);
}

bool
sender_save(struct sender *sender, bool stop, const struct clock_times *now,
    struct err *reterr)
{
	struct buf state;
	bool ok;

	buf_init(&state, SIZE_MAX / 2);
	/* A destination that was never posted to has an empty state. */
	if (!stop || sender->arrived || sender->saved)
		state_write(sender, stop, now, &state);
	ok = buf_ok(&state, reterr) &&
	     queue_destination_save(sender->shared->queue, sender->id,
		 state.data, state.len, stop, reterr);
	buf_fini(&state);
	if (ok) {
		sender->saved = true;
		sender->save_first = false;
		sender->save_ms = INT64_MAX;
	} else
		sender->lost = sender->lost || reterr->code == ERR_BUSY;
	return ok;
}

/* ---- reading ---- */

/* For so long after something arrived the limits may be used up. */
static int64_t
cool_span_ms(const struct sender *sender)
{
	/* What a dead sender has in flight is of some group. */
	int64_t span_ms =
	    sender->outlet->group_alone ? sender->settings.timeout_ms : 0;

	for (size_t i = 0; i < sender->limits.count; i++) {
		int64_t ms = sender->limits.windows[i].limit.window_ms +
			     LIMITS_MARGIN_MS;

		if (ms > LIMITS_SHORT_MS + LIMITS_MARGIN_MS)
			ms = LIMITS_SHORT_MS + LIMITS_MARGIN_MS;
		if (ms > span_ms)
			span_ms = ms;
	}
	return span_ms;
}

/* Something may have arrived so long ago. */
static void
sender_cool(
    struct sender *sender, int64_t age_ms, const struct clock_times *now)
{
	sender->arrived = true;
	sender->arrived_ms = now->mono_ms - age_ms;
	sender->cool_until_ms = sender->arrived_ms + cool_span_ms(sender);
}

static bool
types_read(struct sender *sender, struct bytes_reader *reader,
    const struct clock_times *now, struct err *reterr)
{
	uint64_t count = bytes_read(reader, 4);

	for (; count > 0 && !reader->failed; count--) {
		struct str name = text_read(reader);
		enum fault_parked parked =
		    (enum fault_parked)bytes_read(reader, 1);
		int64_t since_ms = (int64_t)bytes_read(reader, 8);
		int64_t age_ms = (int64_t)bytes_read(reader, 8);
		size_t items = (size_t)bytes_read(reader, 8);
		size_t bytes = (size_t)bytes_read(reader, 8);
		int status = (int)bytes_read(reader, 4);
		struct str why = text_read(reader);
		struct fault_type *type;

		if (reader->failed || parked > FAULT_PARKED_ALL)
			break;
		type = fault_type_at(&sender->fault, name);
		if (type == NULL)
			return err_set_nomem(reterr);
		fault_type_park(&sender->fault, type, parked, now);
		type->since_ms = since_ms;
		type->age_ms = age_ms;
		type->count = items;
		type->bytes = bytes;
		type->status = status;
		text_copy(type->why, sizeof(type->why), why);
	}
	return true;
}

static bool
state_read(struct sender *sender, struct bytes_reader *reader, bool clean,
    const struct clock_times *now, struct err *reterr)
{
	bool ours = bytes_magic(reader, sender_magic), aged;
	uint64_t boot = bytes_read(reader, 8);
	int64_t mono_ms = (int64_t)bytes_read(reader, 8);
	int64_t wall_ms = (int64_t)bytes_read(reader, 8);
	uint64_t target = bytes_read(reader, 8);
	int64_t arrived_ms = (int64_t)bytes_read(reader, 8);
	size_t limits_len = (size_t)bytes_read(reader, 4);
	struct str limits =
	    str_bytes(bytes_take(reader, limits_len), limits_len);
	int64_t retry_after_ms = (int64_t)bytes_read(reader, 8);
	struct str why = text_read(reader);
	int64_t last_due_ms = (int64_t)bytes_read(reader, 8);
	int64_t passed_ms = now->mono_ms - mono_ms;
	int64_t apart_ms = now->wall_ms - wall_ms - passed_ms;
	size_t times;

	if (!ours || reader->failed)
		return err_set(reterr, ERR_DAMAGED, "no state");
	aged = boot != 0 && boot == sender->shared->boot && passed_ms >= 0 &&
	       apart_ms <= SENDER_CLOCKS_MS && apart_ms >= -SENDER_CLOCKS_MS;
	if (wall_ms > sender->clock_least_ms)
		sender->clock_least_ms = wall_ms;
	if (target != sender->target)
		sender_cool(sender, 0, now);
	else {
		if (!limits_read(
			&sender->limits, limits, clean, aged, now, reterr))
			return false;
		if (!clean || !aged)
			sender_cool(sender, 0, now);
		else if (arrived_ms >= 0)
			sender_cool(sender, arrived_ms + passed_ms, now);
		/* It holds whatever became of the clocks: then all of it, from
		 * now. */
		if (aged)
			retry_after_ms -= passed_ms;
		if (retry_after_ms > 0) {
			sender->retry_after_ms = now->mono_ms + retry_after_ms;
			text_copy(sender->retry_after_why,
			    sizeof(sender->retry_after_why), why);
		}
	}
	sender->last_due_ms = last_due_ms >= 0 ? last_due_ms : 0;
	sender->last_due_known = clean && last_due_ms >= 0;
	if (!types_read(sender, reader, now, reterr))
		return false;
	text_copy(sender->suspect_why, sizeof(sender->suspect_why),
	    text_read(reader));
	times = (size_t)bytes_read(reader, 4);
	if (reader->failed || times > SENDER_DEFERRED_MAX ||
	    reader->len != times * 8)
		return err_set(reterr, ERR_DAMAGED, "cut");
	free(sender->deferred);
	sender->deferred_count = 0;
	sender->deferred = calloc(times + 1, sizeof(*sender->deferred));
	if (sender->deferred == NULL)
		return err_set_nomem(reterr);
	sender->deferred_cap = times + 1;
	while (sender->deferred_count < times)
		sender->deferred[sender->deferred_count++] =
		    (int64_t)bytes_read(reader, 8);
	return true;
}

bool
sender_restore(struct sender *sender, const struct queue_destination *found,
    const struct clock_times *now, struct err *reterr)
{
	struct bytes_reader reader = {
	    .data = found->state.data,
	    .len = found->state.len,
	};
	struct err err;

	sender->saved = found->state.len > 0;
	sender->last_due_known = found->clean;
	if (!sender->saved) {
		if (found->others)
			sender_cool(sender, 0, now);
		return true;
	}
	if (state_read(sender, &reader, found->clean, now, &err))
		return true;
	if (err.code == ERR_NOMEM)
		return err_set_nomem(reterr);
	/* It is not worth to stop delivery for; but all may have been sent. */
	log_line(LOG_ERROR, "forwarder", "restore why=%s destination=\"%s\"",
	    LOG_QUOTE(err.text), sender->settings.name);
	sender_cool(sender, 0, now);
	return true;
}
