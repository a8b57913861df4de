/* /segments: the segments that are kept up to date at destinations. */

#include "base/digest.h"
#include "base/log.h"
#include "daemon/api_routes.h"
#include "daemon/segments.h"

#include <stdlib.h>
#include <string.h>

enum { VERIFY_PRESET = 200, VERIFY_MOST = 5000 };

/* The segment that a call names. */
struct one {
	struct segments segments;
	const struct segment *segment; /* of them */
};

static bool
one_find(struct api *api, struct one *ret_one, struct err *reterr)
{
	struct segments segments;

	if (!segments_read(
		api->daemon, api->settings, api->now_ms, &segments, reterr))
		return false;
	if (!segments_find(&segments, api->call->name,
		call_param(api->call, "source"),
		call_param(api->call, "destination"), &ret_one->segment,
		reterr)) {
		segments_fini(&segments);
		return false;
	}
	ret_one->segments = segments;
	return true;
}

static void
one_log(const struct api *api, const char *verb, const struct one *one)
{
	const struct stats_group *group = &one->segment->of;

	api_log(api, "%s segment=%s source=\"%s\" destination=\"%s\"", verb,
	    LOG_QUOTE(group->id), group->source, group->destination);
}

/* ---- look-ups ---- */

bool
api_segments(struct api *api, struct err *reterr)
{
	const char *source = call_param(api->call, "source");
	const char *destination = call_param(api->call, "destination");
	struct segments segments;
	int64_t rows = 0;
	bool attention, ok = true;

	if (!api_flag(api, "attention", &attention, reterr) ||
	    !segments_read(
		api->daemon, api->settings, api->now_ms, &segments, reterr))
		return false;
	api_lines(api);
	for (size_t i = 0; ok && i < segments.count; i++) {
		const struct segment *segment = &segments.list[i];

		if (!segment_selected(segment, source, destination) ||
		    (attention && !segment_needs_attention(segment)))
			continue;
		rows++;
		api_row_open(api);
		segment_json(segment, api->now_ms, &api->json);
		api_row_close(api);
		ok = api->out.len < JOB_PIECE || api_flush(api, reterr);
	}
	if (ok) {
		api_summary_open(api);
		json_int(&api->json, "rows", rows);
		json_int(&api->json, "segments", (int64_t)segments.count);
		api_summary_close(api);
	}
	segments_fini(&segments);
	return ok;
}

bool
api_segment(struct api *api, struct err *reterr)
{
	struct one one;

	if (!one_find(api, &one, reterr))
		return false;
	json_object_open(&api->json, NULL);
	segment_json(one.segment, api->now_ms, &api->json);
	json_object_close(&api->json);
	segments_fini(&one.segments);
	return true;
}

static int64_t
sync_waiting(const struct stats_sync *sync)
{
	return sync->entered + sync->left - sync->delivered - sync->superseded -
	       sync->no_change - sync->dropped - sync->dead;
}

static const char *
sync_state(const struct stats_sync *sync)
{
	if (sync->held)
		return "held";
	if (sync->incomplete)
		return "incomplete";
	if (sync->pages < sync->total)
		return "arriving";
	return sync_waiting(sync) > 0 ? "sending" : "done";
}

static bool
sync_row(void *arg, const struct stats_sync *sync)
{
	struct api *api = arg;
	struct json *json = &api->json;

	api_row_open(api);
	json_int(json, "number", sync->number);
	json_text(json, "id", sync->id);
	json_time(json, "first_page", sync->first_ms);
	json_time(json, "last_page", sync->last_ms);
	json_int(json, "pages", sync->pages);
	json_int(json, "pages_total", sync->total);
	json_int(json, "entered", sync->entered);
	json_int(json, "left", sync->left);
	json_int(json, "delivered", sync->delivered);
	json_int(json, "superseded", sync->superseded);
	json_int(json, "no_change", sync->no_change);
	json_int(json, "dropped", sync->dropped);
	json_int(json, "dead", sync->dead);
	json_int(json, "waiting", sync_waiting(sync));
	json_text(json, "state", sync_state(sync));
	api_row_close(api);
	return true;
}

bool
api_segment_syncs(struct api *api, struct err *reterr)
{
	struct one one;
	bool ok;

	if (!one_find(api, &one, reterr))
		return false;
	api_lines(api);
	ok = stats_syncs(
	    api->daemon->queue, one.segment->of.number, sync_row, api, reterr);
	if (ok) {
		api_summary_open(api);
		segment_json(one.segment, api->now_ms, &api->json);
		api_summary_close(api);
	}
	segments_fini(&one.segments);
	return ok;
}

/* ---- changes ---- */

/* The forwarder holds changes that it took before, and takes the segment for
 * announced. */
static void
forwarder_forget(struct daemon *daemon)
{
	struct forwarder *forwarder = atomic_load(&daemon->forwarder);

	if (forwarder != NULL)
		forwarder_reread(forwarder);
}

/* Queue what each member is to be, or that it has left. */
static bool
resend_run(struct api *api, const struct segment *segment, bool retire,
    size_t *ret_members, struct err *reterr)
{
	struct jobs_group job = {.group = segment->of.number};
	bool ok, first = true;

	if (!segment->served)
		return err_set(reterr, ERR_NOT_FOUND,
		    "the settings have no destination %s: add it again, or "
		    "give the one that takes its place formerly = \"%s\"",
		    segment->of.destination, segment->of.destination);
	do {
		ok = jobs_resend(api->daemon->queue, &job, retire, reterr) &&
		     job_progress(&api->caller, reterr, "queued %zu changes",
			 job.members);
		if (first)
			forwarder_forget(api->daemon);
		first = false;
	} while (ok && job.more);
	*ret_members = job.members;
	return ok;
}

/* In both, the line of the log comes first: what was done stays done, even if
 * it ends early. */
static bool
resend_serve(struct api *api, bool retire, struct err *reterr)
{
	size_t members, syncs;
	struct one one;
	bool ok;

	if (!one_find(api, &one, reterr))
		return false;
	api_lines(api);
	one_log(api, retire ? "retire" : "resend", &one);
	ok = resend_run(api, one.segment, retire, &members, reterr);
	/* What is held is overtaken, and goes. */
	if (ok && retire)
		ok = jobs_release(
		    api->daemon->queue, one.segment->of.number, &syncs, reterr);
	segments_fini(&one.segments);
	if (!ok)
		return false;
	api_summary_open(api);
	json_int(&api->json, retire ? "retired" : "resent", (int64_t)members);
	api_summary_close(api);
	return true;
}

bool
api_segment_resend(struct api *api, struct err *reterr)
{
	return resend_serve(api, false, reterr);
}

bool
api_segment_retire(struct api *api, struct err *reterr)
{
	return resend_serve(api, true, reterr);
}

bool
api_segment_release(struct api *api, struct err *reterr)
{
	struct one one;
	size_t syncs;
	bool ok;

	if (!one_find(api, &one, reterr))
		return false;
	one_log(api, "release", &one);
	ok = jobs_release(
	    api->daemon->queue, one.segment->of.number, &syncs, reterr);
	segments_fini(&one.segments);
	if (!ok)
		return false;
	json_object_open(&api->json, NULL);
	json_int(&api->json, "released", (int64_t)syncs);
	json_object_close(&api->json);
	return true;
}

/* ---- verify ---- */

/* The members that are asked for, drawn from all that were sent: each has the
 * same chance. */
struct verify {
	struct api *api;
	struct forwarder_destination destination;
	struct outlet_group group;
	size_t most, seen, count;
	struct str *members; /* owned, as are their bytes */
	bool *in;	     /* what each was sent */
	enum outlet_has *has;
	bool no_memory;
};

static void
verify_fini(struct verify *verify)
{
	for (size_t i = 0; i < verify->count; i++)
		free((void *)(uintptr_t)verify->members[i].data);
	free(verify->members);
	free(verify->in);
	free(verify->has);
}

/* What may or may not have been taken is not asked for, and neither is what is
 * about to change. */
static bool
verify_member(void *arg, const struct stats_member *member)
{
	struct verify *verify = arg;
	uint64_t random;
	size_t at;
	char *copy;

	if (member->waiting ||
	    (member->sent != ENGINE_SENT_IN && member->sent != ENGINE_SENT_OUT))
		return true;
	at = verify->seen++;
	if (at >= verify->most) {
		digest_random(&random, sizeof(random));
		at = random % verify->seen;
		if (at >= verify->most)
			return true;
	}
	copy = malloc(member->person.len + 1);
	if (copy == NULL) {
		verify->no_memory = true;
		return false;
	}
	memcpy(copy, member->person.data, member->person.len);
	if (at < verify->count)
		free((void *)(uintptr_t)verify->members[at].data);
	else
		verify->count++;
	verify->members[at] = str_bytes(copy, member->person.len);
	verify->in[at] = member->sent == ENGINE_SENT_IN;
	return true;
}

static bool
verify_sample(struct verify *verify, int64_t group, struct err *reterr)
{
	struct jobs_group job = {.group = group};

	verify->members = calloc(verify->most, sizeof(*verify->members));
	verify->in = calloc(verify->most, sizeof(*verify->in));
	verify->has = calloc(verify->most, sizeof(*verify->has));
	if (verify->members == NULL || verify->in == NULL ||
	    verify->has == NULL)
		return err_set_nomem(reterr);
	do {
		if (!jobs_members(verify->api->daemon->queue, &job,
			verify_member, verify, reterr) ||
		    !job_progress(&verify->api->caller, reterr,
			"looked at %zu members", job.members))
			return false;
	} while (job.more && !verify->no_memory);
	return !verify->no_memory || err_set_nomem(reterr);
}

static bool
verify_asked(void *arg, size_t members, struct err *reterr)
{
	struct verify *verify = arg;

	return job_progress(&verify->api->caller, reterr,
	    "asked for %zu of %zu members", members, verify->count);
}

static bool
verify_run(
    struct verify *verify, const struct segment *segment, struct err *reterr)
{
	struct daemon *daemon = verify->api->daemon;
	struct settings *settings = verify->api->settings;
	struct err err;

	if (!segment->verifiable)
		return err_set(reterr, ERR_UNSUPPORTED,
		    segment->served
			? "%s does not tell what it has: only a destination of "
			  "kind attributes does"
			: "the settings have no destination %s",
		    segment->of.destination);
	/* Those of a daemon are complete. */
	if (atomic_load(&daemon->forwarder) == NULL &&
	    !settings_complete(settings, reterr))
		return false;
	settings_forwarder_destination(settings,
	    settings_destination_find(settings, segment->of.destination),
	    &verify->destination);
	verify->group = (struct outlet_group){
	    .id = str_text(segment->of.id),
	    .name = str_text(segment->of.name),
	    .label = str_text(segment->of.label),
	};
	if (!verify_sample(verify, segment->of.number, reterr))
		return false;
	if (verify->count == 0 ||
	    forwarder_verify(&verify->destination, &verify->group,
		verify->members, verify->count, verify_asked, verify,
		verify->has, &err))
		return true;
	return err_set(reterr, err.code, "%s%s", err.text,
	    err.code == ERR_IO ? "; is the API key right, and does it have "
				 "the permission users.export.ids?"
			       : "");
}

static bool
verify_right(const struct verify *verify, size_t at)
{
	return verify->has[at] ==
	       (verify->in[at] ? OUTLET_HAS_IN : OUTLET_HAS_OUT);
}

static void
verify_wrong_write(const struct verify *verify, size_t at, struct json *json)
{
	json_object_open(json, NULL);
	json_bytes(
	    json, "member", verify->members[at].data, verify->members[at].len);
	json_bool(json, "sent", verify->in[at]);
	if (verify->has[at] == OUTLET_HAS_NOBODY)
		json_null_value(json, "has");
	else
		json_bool(json, "has", verify->has[at] == OUTLET_HAS_IN);
	json_object_close(json);
}

static void
verify_write(const struct verify *verify, struct json *json)
{
	size_t right = 0, nobody = 0;

	for (size_t i = 0; i < verify->count; i++) {
		right += verify_right(verify, i);
		nobody += verify->has[i] == OUTLET_HAS_NOBODY;
	}
	json_int(json, "asked", (int64_t)verify->count);
	json_int(json, "right", (int64_t)right);
	json_int(json, "other", (int64_t)(verify->count - right - nobody));
	json_int(json, "no_profile", (int64_t)nobody);
	json_array_open(json, "wrong");
	for (size_t i = 0; i < verify->count; i++) {
		if (!verify_right(verify, i))
			verify_wrong_write(verify, i, json);
	}
	json_array_close(json);
}

bool
api_segment_verify(struct api *api, struct err *reterr)
{
	struct verify verify = {.api = api};
	struct one one;
	int64_t most;
	bool ok;

	if (!api_integer(
		api, "sample", VERIFY_PRESET, 1, VERIFY_MOST, &most, reterr) ||
	    !one_find(api, &one, reterr))
		return false;
	verify.most = (size_t)most;
	one_log(api, "verify", &one);
	api_lines(api);
	ok = verify_run(&verify, one.segment, reterr);
	if (ok) {
		api_summary_open(api);
		verify_write(&verify, &api->json);
		api_summary_close(api);
	}
	verify_fini(&verify);
	segments_fini(&one.segments);
	return ok;
}
