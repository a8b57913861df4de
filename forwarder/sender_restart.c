/*
 * What a sender leaves for the next sender of its destination, and how much of
 * it that one trusts: how much was sent within the last minute, how long the
 * destination asked us to wait, when the last of the deferred events is due,
 * and which events are in doubt.
 *
 * A planned stop saves the log of sends. After a crash there is only the note
 * of the last post, which was written before that post. The sender then cools
 * down for a window from the latest time at which anything can have arrived at
 * the destination: when we died, or at the timeout of the last post.
 *
 * Neither is trusted blindly, because an exceeded quota cannot be repaired:
 *
 * - Ages are measured with the monotonic clock, and only if the machine has not
 *   been rebooted since, and if the wall clock agrees to a second.
 * - The state must be from the same app at the same URL: a destination that was
 *   given another name, or another app, is a new one.
 * - No sender may have posted after a log was saved: it may have posted to the
 *   same app.
 * - The log must be for the current quotas.
 *
 * Otherwise the sender cools down for a whole window, except at a first start,
 * when no sender has ever posted.
 *
 * As bytes, little-endian. A stamp:
 *
 *	u64 boot	i64 mono	i64 wall	u64 target
 *
 * With each post: a stamp and the doubt (doubt.c). At a planned stop this, too:
 *
 *	"CR1\n"	a stamp	u8 1: a log, 2: of identities too
 *	i64 retry-after, ms	u32 length, why	i64 last due	the log (quota.c)
 */

#include "base/log.h"
#include "forwarder/bytes.h"
#include "forwarder/sender_private.h"

#include <stdio.h>
#include <string.h>

enum {
	SENDER_CLOCKS_MS = 1000, /* by which two clocks may differ */
	SENDER_SAVED_LOG = 1,
	SENDER_SAVED_IDENTITIES = 2,
};

static const char sender_magic[4] = {'C', 'R', '1', '\n'};

/* When, and for which target, something was written down. */
struct sender_stamp {
	uint64_t boot;
	int64_t mono_ms, wall_ms;
	uint64_t target;
};

/* What a planned stop saved. */
struct sender_saved {
	struct sender_stamp stamp;
	unsigned has; /* SENDER_SAVED_LOG, ... */
	int64_t retry_after_ms;
	struct str retry_after_why;
	int64_t last_due_ms;
	struct str log;
};

static void
sender_stamp_write(
    const struct sender *sender, const struct clock_times *now, struct buf *buf)
{
	bytes_write(buf, sender->boot, 8);
	bytes_write(buf, (uint64_t)now->mono_ms, 8);
	bytes_write(buf, (uint64_t)now->wall_ms, 8);
	bytes_write(buf, sender->target, 8);
}

static struct sender_stamp
sender_stamp_read(struct bytes_reader *reader)
{
	struct sender_stamp stamp;

	stamp.boot = bytes_read(reader, 8);
	stamp.mono_ms = (int64_t)bytes_read(reader, 8);
	stamp.wall_ms = (int64_t)bytes_read(reader, 8);
	stamp.target = bytes_read(reader, 8);
	return stamp;
}

/* Can its age be told? */
static bool
sender_stamp_has_age(const struct sender *sender,
    const struct sender_stamp *stamp, const struct clock_times *now)
{
	int64_t mono_ms = now->mono_ms - stamp->mono_ms;
	int64_t apart_ms = now->wall_ms - stamp->wall_ms - mono_ms;

	return stamp->boot != 0 && stamp->boot == sender->boot &&
	       mono_ms >= 0 && apart_ms <= SENDER_CLOCKS_MS &&
	       apart_ms >= -SENDER_CLOCKS_MS;
}

/* ---- what is left ---- */

bool
sender_doubt_add(struct sender *sender, const struct request *request,
    const struct clock_times *now, struct err *reterr)
{
	struct buf bytes;
	bool ok = true;

	buf_init(&bytes, SIZE_MAX / 2);
	for (size_t i = 0; ok && i < request->count; i++)
		ok = doubt_add(&sender->doubt, request->items[i].from.hash);
	if (!ok)
		(void)err_set_nomem(reterr);
	sender_stamp_write(sender, now, &bytes);
	doubt_write(&sender->doubt, &bytes);
	ok = ok && buf_ok(&bytes, reterr) &&
	     queue_destination_post(sender->queue, sender->id, now->wall_ms,
		 bytes.data, bytes.len, reterr);
	buf_fini(&bytes);
	if (!ok)
		sender_doubt_remove(sender, request);
	return ok;
}

void
sender_doubt_remove(struct sender *sender, const struct request *request)
{
	for (size_t i = 0; i < request->count; i++) {
		if (!request->items[i].doubt)
			doubt_remove(
			    &sender->doubt, request->items[i].from.hash);
	}
}

void
sender_save(struct sender *sender, const struct clock_times *now)
{
	struct str why = str_text(sender->retry_after_why);
	int64_t retry_after_ms = 0;
	struct buf state, doubt;
	struct err err;
	unsigned has = 0;

	buf_init(&state, SIZE_MAX / 2);
	buf_init(&doubt, SIZE_MAX / 2);
	if (sender->quota.allowed > 0 || sender->quota.identity_allowed > 0)
		has |= SENDER_SAVED_LOG;
	if (sender->quota.identity_allowed > 0)
		has |= SENDER_SAVED_IDENTITIES;
	if (sender->retry_after_ms > now->mono_ms)
		retry_after_ms = sender->retry_after_ms - now->mono_ms;
	(void)buf_append(&state, sender_magic, sizeof(sender_magic));
	sender_stamp_write(sender, now, &state);
	bytes_write(&state, has, 1);
	bytes_write(&state, (uint64_t)retry_after_ms, 8);
	bytes_write(&state, why.len, 4);
	(void)buf_append(&state, why.data, why.len);
	bytes_write(&state,
	    sender->last_due_known ? (uint64_t)sender->last_due_ms : 0, 8);
	quota_write(&sender->quota, now, &state);
	if (sender->doubt.count > 0)
		sender_stamp_write(sender, now, &doubt);
	doubt_write(&sender->doubt, &doubt);
	if (!buf_ok(&state, &err) || !buf_ok(&doubt, &err) ||
	    !queue_destination_stop(sender->queue, sender->id, now->wall_ms,
		&(struct queue_stop_state){
		    .sends = state.data,
		    .sends_len = state.len,
		    .doubt = doubt.data,
		    .doubt_len = doubt.len,
		},
		&err))
		log_line(LOG_WARN, "forwarder", "save destination=%s error=%s",
		    sender->settings.name, LOG_QUOTE(err.text));
	buf_fini(&state);
	buf_fini(&doubt);
}

/* ---- what is found ---- */

/* What a planned stop saved, if there was one, to the same target. */
static bool
sender_saved_read(const struct sender *sender,
    const struct queue_destination *saved, struct sender_saved *ret_saved)
{
	struct bytes_reader reader = {
	    .data = saved->sends,
	    .len = saved->sends_len,
	};
	struct sender_saved found;
	size_t why_len;

	if (saved->clean_ms == 0 || !bytes_magic(&reader, sender_magic))
		return false;
	found.stamp = sender_stamp_read(&reader);
	found.has = (unsigned)bytes_read(&reader, 1);
	found.retry_after_ms = (int64_t)bytes_read(&reader, 8);
	why_len = (size_t)bytes_read(&reader, 4);
	found.retry_after_why =
	    str_bytes(bytes_take(&reader, why_len), why_len);
	found.last_due_ms = (int64_t)bytes_read(&reader, 8);
	found.log = str_bytes(reader.data, reader.len);
	*ret_saved = found;
	return !reader.failed && found.stamp.target == sender->target;
}

/* Read the log, if it is whole and no sender posted after it. */
static bool
sender_log_restore(struct sender *sender, const struct queue_destination *saved,
    const struct sender_saved *found, const struct clock_times *now)
{
	unsigned needs = sender->quota.identity_allowed > 0
			     ? SENDER_SAVED_LOG | SENDER_SAVED_IDENTITIES
			     : SENDER_SAVED_LOG;
	/* The wall clock as it would be if it had not been set since. */
	struct clock_times then = {
	    .mono_ms = now->mono_ms,
	    .wall_ms =
		found->stamp.wall_ms + now->mono_ms - found->stamp.mono_ms,
	};
	struct err err;

	if (saved->any_post_ms > saved->clean_ms ||
	    (found->has & needs) != needs ||
	    !sender_stamp_has_age(sender, &found->stamp, now))
		return false;
	if (quota_read(&sender->quota, found->log, &then, &err))
		return true;
	log_line(LOG_WARN, "forwarder", "restore destination=%s error=%s",
	    sender->settings.name, LOG_QUOTE(err.text));
	return false;
}

/* After a crash: when may the last post have arrived at the latest? */
static int64_t
sender_last_arrival_ms(const struct sender *sender,
    const struct queue_destination *saved, const struct sender_stamp *post,
    const struct clock_times *now)
{
	int64_t last_ms;

	if (saved->clean_ms != 0 || post->target != sender->target ||
	    !sender_stamp_has_age(sender, post, now))
		return now->mono_ms;
	last_ms = post->mono_ms;
	if (saved->any_post_ms > post->wall_ms)
		last_ms += saved->any_post_ms - post->wall_ms;
	last_ms += sender->settings.timeout_ms;
	return last_ms < now->mono_ms ? last_ms : now->mono_ms;
}

bool
sender_restore(struct sender *sender, const struct queue_destination *saved,
    const struct clock_times *now, struct err *reterr)
{
	struct bytes_reader reader = {
	    .data = saved->doubt,
	    .len = saved->doubt_len,
	};
	struct sender_stamp post = sender_stamp_read(&reader);
	struct sender_saved found;
	int64_t retry_after_ms;
	bool is_found;
	struct err err;

	if (!doubt_init(&sender->doubt, &sender->rules, reterr))
		return false;
	if (!doubt_read(
		&sender->doubt, str_bytes(reader.data, reader.len), &err)) {
		if (err.code == ERR_NOMEM)
			return err_set_nomem(reterr);
		log_line(LOG_ERROR, "forwarder",
		    "doubt destination=%s error=%s", sender->settings.name,
		    LOG_QUOTE(err.text));
	}
	sender->last_due_known =
	    queue_due_ms(sender->queue, sender->id) == INT64_MAX;

	is_found = sender_saved_read(sender, saved, &found);
	if (is_found) {
		/* It holds whatever became of the clocks: then all of it, from
		 * now. */
		retry_after_ms = found.retry_after_ms;
		if (sender_stamp_has_age(sender, &found.stamp, now))
			retry_after_ms -= now->mono_ms - found.stamp.mono_ms;
		if (retry_after_ms > sender->settings.retry_after_most_ms)
			retry_after_ms = sender->settings.retry_after_most_ms;
		if (retry_after_ms > 0) {
			sender->retry_after_ms = now->mono_ms + retry_after_ms;
			(void)snprintf(sender->retry_after_why,
			    sizeof(sender->retry_after_why), "%.*s",
			    STR_ARGS(found.retry_after_why));
		}
		sender->last_due_ms = found.last_due_ms;
		if (found.last_due_ms > 0)
			sender->last_due_known = true;
	}
	if (saved->any_post_ms == 0 ||
	    (sender->quota.allowed == 0 && sender->quota.identity_allowed == 0))
		return true;
	if (is_found && sender_log_restore(sender, saved, &found, now))
		return true;
	sender->cool_until_ms =
	    sender_last_arrival_ms(sender, saved, &post, now) + QUOTA_SPAN_MS;
	return true;
}
