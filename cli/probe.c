/*
 * currentsd check --url: posts what Braze posts to test a connection, through
 * the public URL, and proves that the answer is our own: a proxy that answers
 * 200 by itself makes Braze believe that its events are stored. The proof is
 * keyed with the source's token (server_probe_proof()).
 */

#include "cli/probe.h"

#include "base/digest.h"
#include "base/json.h"
#include "cli/reach.h"
#include "cli/show.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
	PROBE_TIMEOUT_MS = 15000,
	PROBE_NONCE = 33,  /* bytes, including the NUL */
	PROBE_SHOWN = 200, /* bytes of an answer */
	PROBE_WHY_MAX = 4096,
	PROBE_INDENT = 13, /* columns before what a line says */
};

struct probe {
	const char *url;
	const struct settings *settings;
	const struct server_source *source;
	char nonce[PROBE_NONCE];
	struct reach reach;
	struct reach_answer answer;
	bool proven;
	struct buf why; /* what is wrong, if it is not proven */
};

/* ---- the source ---- */

/* Does the path of the URL end with this one? A proxy may put its own before
 * it. */
static bool
path_ends(struct str path, const char *end)
{
	size_t len = strlen(end);

	return path.len >= len &&
	       memcmp(path.data + path.len - len, end, len) == 0;
}

static struct str
url_path(const char *url)
{
	const char *path = strstr(url, "://");
	size_t len;

	path = path != NULL ? path + 3 : url;
	path += strcspn(path, "/?");
	len = strcspn(path, "?#");
	while (len > 0 && path[len - 1] == '/')
		len--;
	return str_bytes(path, len);
}

/* The source that the URL is for: the one of its path, or else the first that
 * has tokens. */
static const struct server_source *
source_of_url(const struct settings *settings, const char *url)
{
	const struct server_source *first = NULL;
	struct str path = url_path(url);
	char wanted[128];

	for (size_t i = 0; i < settings->source_count; i++) {
		const struct server_source *source =
		    &settings->sources[i].server;

		if (source->intake->proof != INTAKE_BEARER)
			continue;
		if (first == NULL)
			first = source;
		(void)snprintf(wanted, sizeof(wanted), "%s/%s",
		    source->intake->path, source->name);
		if (path_ends(path, wanted))
			return source;
	}
	return first;
}

static bool
source_choose(const struct command_context *context,
    const struct settings *settings, struct probe *probe, struct err *reterr)
{
	const char *name = options_value(context->options, "--source");
	const struct settings_source *source;

	if (name == NULL) {
		probe->source = source_of_url(settings, probe->url);
		return probe->source != NULL ||
		       err_set(reterr, ERR_INPUT,
			   "the settings have no source of Currents, and only "
			   "such a source can be probed");
	}
	source = settings_source_find(settings, name);
	if (source == NULL)
		return err_set(
		    reterr, ERR_INPUT, "there is no source %s", name);
	if (source->server.intake->proof != INTAKE_BEARER)
		return err_set(reterr, ERR_INPUT,
		    "source %s is not of Currents, and only such a source can "
		    "be probed",
		    name);
	probe->source = &source->server;
	return true;
}

/* The probe has the token in it. */
static bool
url_check(const char *url, struct err *reterr)
{
	return settings_url_private(url) ||
	       err_set(reterr, ERR_INPUT,
		   "--url should be the URL that Braze is given, with https:// "
		   "(http:// only for this machine, because the probe has the "
		   "token in it)");
}

/* ---- what the answer means ---- */

/* Does it look like a receipt? Its keys are in server/ingest.c. */
static bool
answer_is_receipt(const struct reach_answer *answer)
{
	static const char *const keys[] = {"\"received\":", "\"queued\":",
	    "\"dead\":", "\"duplicates\":", "\"dropped\":"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (strstr(answer->body, keys[i]) == NULL)
			return false;
	}
	return true;
}

/* 2xx, but not with our proof. */
static void
impostor_explain(const struct reach_answer *answer, struct buf *why)
{
	if (answer->proof[0] != '\0')
		(void)buf_text(why,
		    "a currentsd answered that does not have this token, or "
		    "something answered from a cache: compare the settings of "
		    "the daemon behind the URL with these");
	else if (answer_is_receipt(answer))
		(void)buf_text(why,
		    "the answer looks like a receipt, but proves nothing: a "
		    "proxy removes the headers " SERVER_PROBE_HEADER
		    " and " SERVER_PROOF_HEADER
		    ", or the daemon there is of an older version");
	else
		(void)buf_text(why,
		    "something on the way answers by itself, and the probe "
		    "did not come to currentsd: a proxy, a login page, another "
		    "site. Braze would take its events for stored, and lose "
		    "them");
}

static void
unauthorised_explain(const struct probe *probe, struct buf *why)
{
	const struct reach_answer *answer = &probe->answer;

	if (strncmp(answer->challenge, "Bearer", 6) != 0)
		(void)buf_text(why,
		    "a proxy asks for credentials of its own: let requests for "
		    "this path pass without");
	else if (strstr(answer->body, "no Authorization header") != NULL)
		(void)buf_text(why,
		    "the header Authorization did not arrive: a proxy removes "
		    "it");
	else
		(void)buf_printf(why,
		    "currentsd does not take this token for source %s: it may "
		    "run with other settings than these (restart it after a "
		    "change), or the URL leads to another source",
		    probe->source->name);
}

/* Does the URL lead to a source of segments? */
static bool
set_path(const struct probe *probe)
{
	const struct settings *settings = probe->settings;
	struct str path = url_path(probe->url);
	char wanted[128];

	for (size_t i = 0; i < settings->source_count; i++) {
		const struct server_source *source =
		    &settings->sources[i].server;

		(void)snprintf(wanted, sizeof(wanted), "%s/%s",
		    source->intake->path, source->name);
		if (source->intake->proof != INTAKE_BEARER &&
		    (path_ends(path, source->intake->path) ||
			path_ends(path, wanted)))
			return true;
	}
	return false;
}

/* What a status means that is not 2xx. */
static void
status_explain(const struct probe *probe, struct buf *why)
{
	const struct reach_answer *answer = &probe->answer;
	const char *path = probe->source->intake->path;

	if (answer->status >= 300 && answer->status < 400)
		(void)buf_printf(why,
		    "a redirect%s%s, which a sender of events does not follow: "
		    "use the address that it leads to",
		    answer->location[0] != '\0' ? " to " : "",
		    answer->location);
	else if (answer->status == 401)
		unauthorised_explain(probe, why);
	else if (answer->status == 403)
		(void)buf_text(why,
		    "a proxy or firewall refuses the request; currentsd never "
		    "answers 403");
	else if (answer->status == 404)
		(void)buf_printf(why,
		    "nothing is at this path: the URL should end with %s or "
		    "%s/%s, and a proxy should pass the path on as it is",
		    path, path, probe->source->name);
	else if (answer->status == 405)
		(void)buf_text(
		    why, "a proxy does not let POST pass to this path");
	else if (answer->status == 413)
		(void)buf_text(why,
		    "a proxy refuses even a small body: check its limit of "
		    "bodies");
	else if (answer->status == 502 || answer->status == 504)
		(void)buf_text(why,
		    "the proxy does not reach currentsd: is the daemon "
		    "running, and does the proxy use the address of listen?");
	else if (answer->status == 503)
		(void)buf_text(why,
		    "the proxy does not reach currentsd, or currentsd cannot "
		    "store at present: see `currentsd status`");
	else if (answer->status == 400 && set_path(probe))
		(void)buf_text(why,
		    "this path takes changes of segments, which Heap signs: "
		    "such a source cannot be probed. See SEGMENTS.md, "
		    "\"Try the webhook\"");
	else
		(void)buf_printf(why,
		    "currentsd does not answer a probe by %u: something on the "
		    "way does",
		    answer->status);
}

static void
probe_judge(struct probe *probe)
{
	const struct reach_answer *answer = &probe->answer;
	const char *const *tokens = probe->source->secrets;
	char proof[SERVER_PROOF];

	server_probe_proof(
	    probe->source->open ? NULL : tokens[0], probe->nonce, proof);
	if (!probe->reach.reached)
		(void)buf_text(&probe->why, probe->reach.why);
	else if (answer->status < 200 || answer->status > 299)
		status_explain(probe, &probe->why);
	else if (strcmp(answer->proof, proof) != 0)
		impostor_explain(answer, &probe->why);
	else if (!answer_is_receipt(answer))
		(void)buf_text(&probe->why,
		    "currentsd answered, but something on the way changed its "
		    "answer");
	else
		probe->proven = true;
}

/* ---- what is shown ---- */

static void
probe_text(const struct probe *probe, struct buf *out)
{
	const struct reach_answer *answer = &probe->answer;

	(void)buf_printf(out, "posted to    %s (source %s)\n", probe->url,
	    probe->source->name);
	if (probe->reach.address[0] != '\0')
		(void)buf_printf(out, "reached      %s, %" PRId64 " ms\n",
		    probe->reach.address, probe->reach.took_ms);
	if (answer->status != 0) {
		(void)buf_printf(out, "answer       HTTP %u", answer->status);
		if (answer->server[0] != '\0') {
			(void)buf_text(out, " of ");
			show_foreign(out, answer->server,
			    strlen(answer->server), PROBE_SHOWN);
		}
		if (answer->body_len > 0) {
			(void)buf_text(out, ": ");
			show_foreign(out, answer->body,
			    strcspn(answer->body, "\r\n"), PROBE_SHOWN);
		}
		(void)buf_char(out, '\n');
	}
	if (!probe->proven) {
		(void)buf_printf(out, "problem      %.*s\n",
		    (int)probe->why.len, probe->why.data);
		return;
	}
	(void)buf_printf(out,
	    "proven       this currentsd answered, with the receipt of source "
	    "%s\n",
	    probe->source->name);
	if (probe->reach.internal)
		(void)buf_text(out,
		    "warning      the name leads to an internal address here; "
		    "Braze comes from outside, and may see another one or "
		    "none\n");
}

static void
probe_json(const struct probe *probe, struct buf *out)
{
	struct json json;

	json_init(&json, out);
	json_object_open(&json, NULL);
	json_text(&json, "url", probe->url);
	json_text(&json, "source", probe->source->name);
	json_bool(&json, "proven", probe->proven);
	json_int(&json, "status", probe->answer.status);
	json_text(&json, "address", probe->reach.address);
	json_bool(&json, "internal", probe->reach.internal);
	json_int(&json, "took_ms", probe->reach.took_ms);
	if (probe->proven)
		json_null_value(&json, "problem");
	else
		json_bytes(&json, "problem", probe->why.data, probe->why.len);
	json_object_close(&json);
	(void)buf_char(out, '\n');
}

int
probe_url(struct command_context *context, const struct settings *settings,
    struct buf *out)
{
	struct probe probe = {
	    .url = options_value(context->options, "--url"),
	    .settings = settings,
	};
	const struct reach_target target = {
	    .url = probe.url,
	    .timeout_ms = PROBE_TIMEOUT_MS,
	};
	unsigned char nonce[(PROBE_NONCE - 1) / 2];
	int code = EXIT_FOUND;
	struct err err;

	buf_init(&probe.why, PROBE_WHY_MAX);
	digest_random(nonce, sizeof(nonce));
	for (size_t i = 0; i < sizeof(nonce); i++)
		(void)snprintf(probe.nonce + 2 * i, 3, "%02x", nonce[i]);
	if (!url_check(probe.url, &err) ||
	    !source_choose(context, settings, &probe, &err) ||
	    !reach_probe(&target,
		probe.source->open ? NULL : probe.source->secrets[0],
		probe.nonce, &probe.reach, &probe.answer, &err)) {
		code = command_fail(out, &err);
		goto out;
	}
	probe_judge(&probe);
	if (!buf_ok(&probe.why, &err)) {
		code = command_fail(out, &err);
		goto out;
	}
	if (options_has(context->options, "--json")) {
		probe_json(&probe, out);
	} else {
		probe_text(&probe, out);
		screen_fit(context->screen, out, 0, PROBE_INDENT);
	}
	if (probe.proven)
		code = EXIT_FINE;
out:
	buf_fini(&probe.why);
	return code;
}
