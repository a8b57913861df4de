/*
 * One event on its way out: read it flat, find who it is, judge each
 * property, name them, and write the JSON. Nothing is written before all is
 * known, so an event that is dropped or dead leaves no trace in *out.
 */
#include "schema/track_parts.h"

#include "base/json.h"
#include "schema/scan_plain.h"
#include "schema/text.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The years that ISO 8601 writes with four digits. */
#define TRACK_TIME_LEAST (-62135596800)
#define TRACK_TIME_MOST	 253402300799

enum {
	TRACK_VALUES_FACTOR = 40, /* "0," becomes a hash with its mark */
	TRACK_VALUES_LEAF = 2 * TRACK_HEX,
};

void
track_rules_init(struct track_rules *rules)
{
	*rules = (struct track_rules){
	    .identity = TRACK_IDENTITY_EXTERNAL,
	    .anonymous = {TRACK_ANONYMOUS_DEVICE, TRACK_ANONYMOUS_BRAZE},
	    .no_user_dead = true,
	    .add_channel = true,
	    .add_event_id = true,
	    .add_user_id = true,
	    .add_device_id = true,
	    .add_timezone = true,
	};
}

struct str
track_text_of(const struct flat_node *node)
{
	struct str none = {NULL, 0};

	if (node == NULL ||
	    (node->kind != SCAN_STRING && node->kind != SCAN_NUMBER) ||
	    text_blank(node->text.data, node->text.len))
		return none;
	return node->text;
}

static const struct flat_node *
track_object(const struct track_job *job, const char *name)
{
	const struct flat_node *node = flat_find(&job->flat, FLAT_ROOT, name);

	return node != NULL && node->kind == SCAN_OBJECT ? node : NULL;
}

static void
track_user_read(struct track_job *job)
{
	uint32_t user;

	job->user_id = job->device_id = job->timezone = NULL;
	job->user = track_object(job, "user");
	if (job->user == NULL)
		return;
	user = flat_index(&job->flat, job->user);
	job->user_id = flat_find(&job->flat, user, "user_id");
	job->device_id = flat_find(&job->flat, user, "device_id");
	job->timezone = flat_find(&job->flat, user, "timezone");
}

bool
track_members_read(
    struct track_job *job, const char *event, size_t len, struct err *reterr)
{
	size_t known;

	if (!flat_read(&job->flat, event, len, reterr))
		return false;
	job->type =
	    track_text_of(flat_find(&job->flat, FLAT_ROOT, "event_type"));
	job->id = track_text_of(flat_find(&job->flat, FLAT_ROOT, "id"));
	known = catalogue_type_find(job->type.data, job->type.len);
	job->known =
	    known < catalogue_type_count() ? catalogue_type_at(known) : NULL;
	track_user_read(job);
	job->properties = track_object(job, "properties");
	return true;
}

/* What currents_read() saw in it too, or it would not be sound. */
static bool
track_envelope_read(struct track_job *job)
{
	const struct flat_node *time = flat_find(&job->flat, FLAT_ROOT, "time");

	if (job->type.len == 0)
		return track_dead(job, "no event_type");
	if (job->id.len == 0)
		return track_dead(job, "no id");
	if (time == NULL || time->kind != SCAN_NUMBER ||
	    !scan_number_int64(time->text.data, time->text.len, &job->time_s) ||
	    job->time_s < TRACK_TIME_LEAST || job->time_s > TRACK_TIME_MOST)
		return track_dead(job, "time is none that Heap can read");
	return true;
}

static void
track_put(struct buf *out, const char *literal)
{
	(void)buf_text(out, literal);
}

/* A quoted text and a byte after it. Most need no escapes: one copy. */
static void
track_put_text(struct buf *out, const struct str *text, char after)
{
	const char *end = text->data + text->len;
	char *at;

	if (scan_plain(text->data, end) != end) {
		(void)buf_char(out, '"');
		json_escape(out, text->data, text->len);
		(void)buf_char(out, '"');
		(void)buf_char(out, after);
		return;
	}
	if (!buf_reserve(out, text->len + 3))
		return;
	at = out->data + out->len;
	*at++ = '"';
	memcpy(at, text->data, text->len);
	at[text->len] = '"';
	at[text->len + 1] = after;
	out->len += text->len + 3;
}

static void
track_put_digits(char *ret, int width, int value)
{
	for (int i = width; i-- > 0; value /= 10)
		ret[i] = (char)('0' + value % 10);
}

static void
track_put_time(struct buf *out, int64_t time_s)
{
	char text[] = "\"0000-00-00T00:00:00Z\"";
	time_t clock = (time_t)time_s;
	struct tm tm;

	CHECK(gmtime_r(&clock, &tm) != NULL);
	track_put_digits(text + 1, 4, tm.tm_year + 1900);
	track_put_digits(text + 6, 2, tm.tm_mon + 1);
	track_put_digits(text + 9, 2, tm.tm_mday);
	track_put_digits(text + 12, 2, tm.tm_hour);
	track_put_digits(text + 15, 2, tm.tm_min);
	track_put_digits(text + 18, 2, tm.tm_sec);
	(void)buf_append(out, text, sizeof(text) - 1);
}

static void
track_put_leaves(const struct track_job *job, struct buf *out)
{
	for (size_t i = 0; i < job->count; i++) {
		const struct track_leaf *leaf = &job->leaves[i];
		char after = i + 1 < job->count ? ',' : '}';

		track_put_text(out, &leaf->name, ':');
		if (!leaf->number) {
			track_put_text(out, &leaf->value, after);
			continue;
		}
		(void)buf_append(out, leaf->value.data, leaf->value.len);
		(void)buf_char(out, after);
	}
	if (job->count == 0)
		(void)buf_char(out, '}');
	(void)buf_char(out, '}');
}

static void
track_put_event(const struct track_job *job, struct buf *out)
{
	track_put(out, "{\"event\":");
	track_put_text(out, &job->event, ',');
	if (job->numeric) {
		(void)buf_printf(out, "\"user_id\":\"%llu\",",
		    (unsigned long long)job->number);
	} else {
		track_put(out, "\"identity\":");
		track_put_text(out, &job->identity, ',');
	}
	track_put(out, "\"timestamp\":");
	track_put_time(out, job->time_s);
	track_put(out, ",\"idempotency_key\":\"");
	json_escape(out, job->type.data, job->type.len);
	(void)buf_char(out, ':');
	json_escape(out, job->id.data, job->id.len);
	track_put(out, "\",\"properties\":{");
	track_put_leaves(job, out);
}

void
track_values_init(struct track_job *job, size_t len)
{
	buf_init(&job->values,
	    len * TRACK_VALUES_FACTOR +
		(job->flat.count + TRACK_FEW) * TRACK_VALUES_LEAF);
}

/* Decide on the fate; false is trouble of ours, whose code is in reterr. */
static bool
track_map(
    struct track_job *job, const char *event, size_t len, struct err *reterr)
{
	if (!track_members_read(job, event, len, reterr))
		return false;
	if (!track_envelope_read(job))
		return true;
	if (track_erasure(job)) {
		track_erasure_read(job);
		return true;
	}
	if (!track_identity_find(job))
		return true;
	if (job->properties != NULL &&
	    !flat_paths(&job->flat, flat_index(&job->flat, job->properties),
		len, reterr))
		return false;
	track_values_init(job, len);
	if (!track_event_name_find(job, reterr))
		return false;
	return job->result->fate != TRACK_SEND ||
	       (track_leaves_read(job, reterr) &&
		   track_names_find(job, reterr));
}

void
track_job_init(struct track_job *job, const struct track_rules *rules,
    struct track_result *result)
{
	job->rules = rules;
	job->result = result;
	job->identified = false;
	job->identity_node = NULL;
	job->identity_hashed = false;
	job->leaves = job->few;
	job->count = 0;
	job->cap = TRACK_FEW;
	buf_init(&job->event_name, 0);
	buf_init(&job->names, 0);
	buf_init(&job->suffixed, 0);
	buf_init(&job->values, 0);
	result->fate = TRACK_SEND;
	result->reason = NULL;
	result->who = 0;
	result->erase_len = 0;
	result->note_count = 0;
	result->notes_lost = 0;
}

void
track_job_fini(struct track_job *job)
{
	if (job->leaves != job->few)
		free(job->leaves);
	buf_fini(&job->event_name);
	buf_fini(&job->names);
	buf_fini(&job->suffixed);
	buf_fini(&job->values);
	flat_fini(&job->flat);
}

bool
track_write(const struct track_rules *rules, const char *event, size_t len,
    struct buf *out, struct track_result *ret_result, struct err *reterr)
{
	struct err err = {.code = ERR_NONE};
	size_t before = out->len;
	struct track_job job;
	bool ok;

	track_job_init(&job, rules, ret_result);
	ok = track_map(&job, event, len, &err);
	if (!ok && err.code == ERR_INPUT) {
		(void)track_dead(&job, "not a readable event");
		ok = true;
	} else if (!ok && err.code == ERR_LIMIT) {
		(void)track_dead(&job, "its properties take too much room");
		ok = true;
	} else if (!ok) {
		(void)err_set_nomem(reterr);
	} else if (ret_result->fate == TRACK_SEND) {
		track_put_event(&job, out);
		ok = buf_ok(out, reterr);
	}
	if (!ok) {
		buf_truncate(out, before);
		out->failed = false;
	}
	track_job_fini(&job);
	return ok;
}

void
track_head_write(struct buf *out, const char *app_id)
{
	track_put(out, "{\"app_id\":\"");
	json_escape(out, app_id, strlen(app_id));
	track_put(out, "\",\"events\":[");
}

void
track_tail_write(struct buf *out)
{
	track_put(out, "]}");
}

uint64_t
track_anonymous_user(const char *id, size_t len)
{
	unsigned char md5[DIGEST_MD5];
	uint64_t low = 0, high = 0;

	digest_md5(id, len, md5);
	for (unsigned i = 0; i < 4; i++) {
		low |= (uint64_t)md5[i] << (8 * i);
		high |= (uint64_t)md5[8 + i] << (8 * i);
	}
	return (high & 0x1fffff) << 32 | low;
}
