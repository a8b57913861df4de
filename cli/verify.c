/*
 * currentsd segments verify: asks the destination what it has of a sample of a
 * segment's members, and compares that with what it was sent.
 */

#include "base/digest.h"
#include "cli/segment.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLE_PRESET = 200, SAMPLE_MOST = 5000, SHOWN_MOST = 10 };

const struct option_row command_segments_verify_options[] = {
    SEGMENT_NARROW_OPTIONS,
    {"--sample", "N", "Ask for so many members (default 200)."},
    {"--json", NULL, "Print JSON."},
    {NULL, NULL, NULL},
};

/* The members that are asked for, drawn from all that were sent: each has the
 * same chance. */
struct verify {
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
verify_sample(struct command_context *context, const struct segment *segment,
    struct verify *verify, struct err *reterr)
{
	struct jobs_group job = {.group = segment->of.number};

	verify->members = calloc(verify->most, sizeof(*verify->members));
	verify->in = calloc(verify->most, sizeof(*verify->in));
	verify->has = calloc(verify->most, sizeof(*verify->has));
	if (verify->members == NULL || verify->in == NULL ||
	    verify->has == NULL)
		return err_set_nomem(reterr);
	do {
		if (!jobs_members(context->daemon->queue, &job, verify_member,
			verify, reterr) ||
		    !job_progress(context->caller, reterr,
			"looked at %zu members", job.members))
			return false;
	} while (job.more && !verify->no_memory);
	return !verify->no_memory || err_set_nomem(reterr);
}

static bool
verify_ask(void *arg, struct err *reterr)
{
	struct verify *verify = arg;

	return forwarder_verify(&verify->destination, &verify->group,
	    verify->members, verify->count, verify->has, reterr);
}

/* ---- what came of it ---- */

static bool
verify_right(const struct verify *verify, size_t at)
{
	return verify->has[at] ==
	       (verify->in[at] ? OUTLET_HAS_IN : OUTLET_HAS_OUT);
}

static void
verify_json(
    const struct verify *verify, size_t right, size_t nobody, struct buf *out)
{
	struct json json;

	json_init(&json, out);
	json_object_open(&json, NULL);
	json_int(&json, "asked", (int64_t)verify->count);
	json_int(&json, "right", (int64_t)right);
	json_int(&json, "other", (int64_t)(verify->count - right - nobody));
	json_int(&json, "no_profile", (int64_t)nobody);
	json_array_open(&json, "wrong");
	for (size_t i = 0; i < verify->count; i++) {
		if (verify_right(verify, i))
			continue;
		json_object_open(&json, NULL);
		json_bytes(&json, "member", verify->members[i].data,
		    verify->members[i].len);
		json_bool(&json, "sent", verify->in[i]);
		if (verify->has[i] == OUTLET_HAS_NOBODY)
			json_null_value(&json, "has");
		else
			json_bool(
			    &json, "has", verify->has[i] == OUTLET_HAS_IN);
		json_object_close(&json);
	}
	json_array_close(&json);
	json_object_close(&json);
	(void)buf_char(out, '\n');
}

static void
verify_text(const struct verify *verify, size_t right, size_t nobody,
    const char *destination, struct buf *out)
{
	size_t other = verify->count - right - nobody, shown = 0;

	(void)buf_printf(out,
	    "asked %s for %zu of %zu members, by %.*s:\n"
	    "%8zu have the value that was sent\n"
	    "%8zu have the other value\n"
	    "%8zu have no profile there\n",
	    destination, verify->count, verify->seen,
	    STR_ARGS(verify->group.label), right, other, nobody);
	for (size_t i = 0; i < verify->count && shown < SHOWN_MOST; i++) {
		if (verify->has[i] == OUTLET_HAS_NOBODY ||
		    verify_right(verify, i))
			continue;
		shown++;
		(void)buf_printf(out,
		    "  %.*s is %s there, and was sent as %s\n",
		    STR_ARGS(verify->members[i]), verify->in[i] ? "out" : "in",
		    verify->in[i] ? "in" : "out");
	}
	if (other > 0)
		(void)buf_printf(out,
		    "What was sent in the last minutes may not show yet. Else "
		    "`currentsd segments resend` sends\nall members again.\n");
	if (nobody > 0)
		(void)buf_text(out,
		    "A profile that does not exist is not made, unless "
		    "create_profiles is yes; check `match` if\nmany are "
		    "missing.\n");
}

/* ---- the command ---- */

static bool
verify_run(struct command_context *context, const struct segment *segment,
    struct verify *verify, struct err *reterr)
{
	struct settings *settings = context->daemon->settings;
	struct err err;
	int64_t most;

	if (!options_integer(context->options, "--sample", SAMPLE_PRESET, 1,
		SAMPLE_MOST, &most, reterr))
		return false;
	if (!segment->verifiable)
		return err_set(reterr, ERR_UNSUPPORTED,
		    segment->served
			? "%s does not tell what it has: only a destination of "
			  "kind attributes does"
			: "the settings have no destination %s",
		    segment->of.destination);
	/* A daemon has done that. */
	if (atomic_load(&context->daemon->forwarder) == NULL &&
	    !settings_complete(settings, reterr))
		return false;
	daemon_destination(settings,
	    settings_destination_find(settings, segment->of.destination),
	    &verify->destination);
	verify->most = (size_t)most;
	verify->group = (struct outlet_group){
	    .id = str_text(segment->of.id),
	    .name = str_text(segment->of.name),
	    .label = str_text(segment->of.label),
	};
	if (!verify_sample(context, segment, verify, reterr))
		return false;
	if (verify->count == 0)
		return true;
	if (job_run_beside(context->caller, "waiting for the destination",
		verify_ask, verify, &err))
		return true;
	return err_set(reterr, err.code, "%s%s", err.text,
	    err.code == ERR_IO
		? "; the API key needs the permission users.export.ids"
		: "");
}

int
command_segments_verify(struct command_context *context, struct buf *out)
{
	size_t right = 0, nobody = 0;
	struct verify verify = {.count = 0};
	const struct segment *segment;
	struct segments segments;
	struct err err;
	int code = EXIT_FINE;

	if (!segment_find(context, &segments, &segment, &err))
		return command_fail(out, &err);
	if (!verify_run(context, segment, &verify, &err)) {
		code = command_fail(out, &err);
		goto out;
	}
	for (size_t i = 0; i < verify.count; i++) {
		right += verify_right(&verify, i);
		nobody += verify.has[i] == OUTLET_HAS_NOBODY;
	}
	if (options_has(context->options, "--json"))
		verify_json(&verify, right, nobody, out);
	else if (verify.count == 0)
		(void)buf_text(out, "nothing of it is sent for certain yet\n");
	else
		verify_text(
		    &verify, right, nobody, segment->of.destination, out);
	if (verify.count > right + nobody)
		code = EXIT_FOUND;
out:
	verify_fini(&verify);
	segments_fini(&segments);
	return code;
}
