/*
 * What a lane leaves for its next life, and what it believes of what it
 * finds: how much was sent within the last minute, how long the destination
 * asked to be left alone, and when the last of what is set aside is due.
 *
 * A planned stop leaves the log of sends. After a crash there is the note of
 * the last post, which was written before it: the lane rests until all that
 * could have arrived at the destination, at the latest when we died or at its
 * time-out, is a window ago.
 *
 * Neither is believed blindly, for a quota that is broken cannot be mended:
 *
 * - Ages are taken by the monotonic clock, and only if the machine has not
 *   started anew since, and the wall clock agrees to a second.
 * - It has to be of the same app at the same URL: a destination that was
 *   given another name, or another app, knows nothing of it.
 * - No lane may have posted after a log was saved: it may have been there.
 * - The log has to be of the quotas that there are now.
 *
 * Else the lane rests for a whole window, unless no lane has ever posted: a
 * first start does not rest.
 *
 * As bytes, little-endian. A note, in front of what is in doubt:
 *
 *	u64 boot	i64 mono	i64 wall	u64 whither
 *
 * A planned stop:
 *
 *	"CR1\n"	a note	u8 1: a log, 2: of identities too
 *	i64 hold, ms	u32 length, why	i64 last due	the log (quota_bytes.c)
 */

#include "base/log.h"
#include "forwarder/bytes.h"
#include "forwarder/lane_inside.h"

#include <stdio.h>
#include <string.h>

enum {
	REST_CLOCKS_MS = 1000, /* by which two clocks may differ */
	REST_LOG = 1,
	REST_LOG_WHO = 2,
};

static const char rest_magic[4] = {'C', 'R', '1', '\n'};

/* What a planned stop left. */
struct rest {
	struct lane_note note;
	unsigned has; /* REST_LOG, ... */
	int64_t hold_ms;
	const unsigned char *why;
	size_t why_len;
	int64_t last_due_ms;
	const unsigned char *log;
	size_t log_len;
};

uint64_t
lane_whither(const struct forwarder_destination *settings)
{
	const char *url = settings->url != NULL ? settings->url : "";

	return doubt_event(settings->app_id, strlen(settings->app_id)) *
		   UINT64_C(0x9e3779b97f4a7c15) ^
	       doubt_event(url, strlen(url));
}

/* ---- notes ---- */

void
lane_note_write(
    const struct lane *lane, const struct moment *now, struct buf *buf)
{
	bytes_number_write(buf, lane->boot, 8);
	bytes_number_write(buf, (uint64_t)now->mono_ms, 8);
	bytes_number_write(buf, (uint64_t)now->wall_ms, 8);
	bytes_number_write(buf, lane->whither, 8);
}

void
lane_note_read(struct bytes_reader *reader, struct lane_note *ret_note)
{
	ret_note->boot = bytes_number_read(reader, 8);
	ret_note->mono_ms = (int64_t)bytes_number_read(reader, 8);
	ret_note->wall_ms = (int64_t)bytes_number_read(reader, 8);
	ret_note->whither = bytes_number_read(reader, 8);
}

/* Can an age be told from it? */
static bool
lane_note_clock(const struct lane *lane, const struct lane_note *note,
    const struct moment *now)
{
	int64_t mono_ms = now->mono_ms - note->mono_ms;
	int64_t apart_ms = now->wall_ms - note->wall_ms - mono_ms;

	return note->boot != 0 && note->boot == lane->boot && mono_ms >= 0 &&
	       apart_ms <= REST_CLOCKS_MS && apart_ms >= -REST_CLOCKS_MS;
}

/* ---- a planned stop ---- */

void
lane_rest(struct lane *lane, const struct moment *now)
{
	struct buf rest, doubt;
	struct err err;
	unsigned has = 0;
	int64_t hold_ms = 0;

	buf_init(&rest, SIZE_MAX / 2);
	buf_init(&doubt, SIZE_MAX / 2);
	if (lane->quota.allowed > 0 || lane->quota.identity > 0)
		has |= REST_LOG;
	if (lane->quota.identity > 0)
		has |= REST_LOG_WHO;
	if (lane->hold_ms > now->mono_ms)
		hold_ms = lane->hold_ms - now->mono_ms;
	(void)buf_append(&rest, rest_magic, sizeof(rest_magic));
	lane_note_write(lane, now, &rest);
	bytes_number_write(&rest, has, 1);
	bytes_number_write(&rest, (uint64_t)hold_ms, 8);
	bytes_number_write(&rest, strlen(lane->hold_why), 4);
	(void)buf_append(&rest, lane->hold_why, strlen(lane->hold_why));
	bytes_number_write(
	    &rest, lane->last_due_known ? (uint64_t)lane->last_due_ms : 0, 8);
	quota_write(&lane->quota, now, &rest);
	if (lane->unknown.count > 0)
		lane_note_write(lane, now, &doubt);
	doubt_write(&lane->unknown, &doubt);
	if (!buf_ok(&rest, &err) || !buf_ok(&doubt, &err) ||
	    !queue_destination_stop(lane->queue, lane->id, now->wall_ms,
		&(struct queue_stop_state){
		    .sends = rest.data,
		    .sends_len = rest.len,
		    .doubt = doubt.data,
		    .doubt_len = doubt.len,
		},
		&err))
		log_line(LOG_WARN, "forwarder", "rest destination=%s error=%s",
		    lane->settings.name, LOG_QUOTE(err.text));
	buf_fini(&rest);
	buf_fini(&doubt);
}

static bool
lane_rest_parse(const struct queue_destination *saved, struct rest *ret_rest)
{
	struct bytes_reader reader = {
	    .data = (const unsigned char *)saved->sends,
	    .len = saved->sends_len,
	};
	struct rest rest;

	if (saved->clean_ms == 0 || reader.len < sizeof(rest_magic) ||
	    memcmp(reader.data, rest_magic, sizeof(rest_magic)) != 0)
		return false;
	reader.data += sizeof(rest_magic);
	reader.len -= sizeof(rest_magic);
	lane_note_read(&reader, &rest.note);
	rest.has = (unsigned)bytes_number_read(&reader, 1);
	rest.hold_ms = (int64_t)bytes_number_read(&reader, 8);
	rest.why_len = (size_t)bytes_number_read(&reader, 4);
	rest.why = reader.data;
	if (reader.failed || rest.why_len > reader.len)
		return false;
	reader.data += rest.why_len;
	reader.len -= rest.why_len;
	rest.last_due_ms = (int64_t)bytes_number_read(&reader, 8);
	rest.log = reader.data;
	rest.log_len = reader.len;
	*ret_rest = rest;
	return !reader.failed;
}

/* ---- the next start ---- */

/* What the destination asked for holds whatever became of the clocks: then
 * all of it, from now. */
static void
lane_hold_restore(
    struct lane *lane, const struct rest *rest, const struct moment *now)
{
	int64_t hold_ms = rest->hold_ms;

	if (lane_note_clock(lane, &rest->note, now))
		hold_ms -= now->mono_ms - rest->note.mono_ms;
	if (hold_ms > lane->settings.retry_after_most_ms)
		hold_ms = lane->settings.retry_after_most_ms;
	if (hold_ms <= 0)
		return;
	lane->hold_ms = now->mono_ms + hold_ms;
	(void)snprintf(lane->hold_why, sizeof(lane->hold_why), "%.*s",
	    (int)rest->why_len, (const char *)rest->why);
}

/* Is the log whole, and did nobody post after it? */
static bool
lane_log_restore(struct lane *lane, const struct queue_destination *saved,
    const struct rest *rest, const struct moment *now)
{
	unsigned needs =
	    lane->quota.identity > 0 ? REST_LOG | REST_LOG_WHO : REST_LOG;
	/* The wall clock as it would be, had nobody touched it. */
	struct moment then = {
	    rest->note.wall_ms + now->mono_ms - rest->note.mono_ms,
	    now->mono_ms,
	};
	struct err err;

	if (saved->any_post_ms > saved->clean_ms ||
	    (rest->has & needs) != needs ||
	    !lane_note_clock(lane, &rest->note, now))
		return false;
	if (quota_read(&lane->quota, rest->log, rest->log_len, &then, &err))
		return true;
	log_line(LOG_WARN, "forwarder", "restore destination=%s error=%s",
	    lane->settings.name, LOG_QUOTE(err.text));
	return false;
}

/* After a crash: when may the last post have arrived at the latest? */
static int64_t
lane_last_arrival_ms(const struct lane *lane,
    const struct queue_destination *saved, const struct moment *now)
{
	struct bytes_reader reader = {
	    .data = (const unsigned char *)saved->doubt,
	    .len = saved->doubt_len,
	};
	struct lane_note note;
	int64_t last_ms;

	lane_note_read(&reader, &note);
	if (saved->clean_ms != 0 || reader.failed ||
	    note.whither != lane->whither || !lane_note_clock(lane, &note, now))
		return now->mono_ms;
	last_ms = note.mono_ms;
	if (saved->any_post_ms > note.wall_ms)
		last_ms += saved->any_post_ms - note.wall_ms;
	last_ms += lane->settings.timeout_ms;
	return last_ms < now->mono_ms ? last_ms : now->mono_ms;
}

void
lane_restore(struct lane *lane, const struct queue_destination *saved,
    const struct moment *now)
{
	struct rest rest;
	bool found =
	    lane_rest_parse(saved, &rest) && rest.note.whither == lane->whither;

	if (found) {
		lane_hold_restore(lane, &rest, now);
		lane->last_due_ms = rest.last_due_ms;
		lane->last_due_known =
		    lane->last_due_known || rest.last_due_ms > 0;
	}
	if (saved->any_post_ms == 0 ||
	    (lane->quota.allowed == 0 && lane->quota.identity == 0))
		return;
	if (found && lane_log_restore(lane, saved, &rest, now))
		return;
	lane->rest_ms = lane_last_arrival_ms(lane, saved, now) +
			QUOTA_WINDOW_MS + QUOTA_MARGIN_MS;
}
