/*
 * Requires what serve needs: tokens unless a source is open, secrets, keys, an
 * app id and a URL, and names that match.
 */

#include "daemon/settings_table.h"

#include "base/clock.h"
#include "daemon/zone.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define TRACK_PATH "/api/track"

static const char *const region_urls[] = {
    /* Heap's server-side API reference: EU tenants never use the US host. */
    [SETTINGS_US] = "https://heapanalytics.com",
    [SETTINGS_EU] = "https://c.eu.heap-api.com",
};

/* ---- tokens, and other secrets ---- */

enum {
	TOKEN_MAX = 4096,
	TOKENS_MAX = 64, /* of a file */
	TOKEN_SHORT = 16,
	LABEL_MAX = 4096, /* bytes of what messages call a source's tokens */
};

/* Bearer tokens are visible ASCII without blanks, and so is what Heap and Braze
 * hand out. */
static bool
token_valid(const char *token)
{
	if (*token == '\0')
		return false;
	for (; *token != '\0'; token++) {
		if (*token <= ' ' || *token > '~')
			return false;
	}
	return true;
}

static bool
token_line_read(struct settings *settings, const char *path, const char *what,
    size_t number, char *line, const char **tokens, size_t *count,
    struct err *reterr)
{
	size_t len = strlen(line);

	while (len > 0 && strchr(" \t\r\n", line[len - 1]) != NULL)
		line[--len] = '\0';
	line += strspn(line, " \t");
	if (*line == '\0')
		return true;
	if (!token_valid(line))
		return err_set(reterr, ERR_CONFIG,
		    "%s, line %zu: not a %s: it contains a space or a "
		    "character that is not ASCII (write one %s per line, "
		    "and no comments)",
		    path, number, what, what);
	if (*count == TOKENS_MAX)
		return err_set(reterr, ERR_CONFIG, "%s: more than %d %ss", path,
		    TOKENS_MAX, what);
	tokens[*count] = settings_copy(settings, line);
	return tokens[(*count)++] != NULL || err_set_nomem(reterr);
}

/* One token (secret, key) a line, blank lines are passed over. There are no
 * comments: a token could look like one. */
static bool
token_file_read(struct settings *settings, const char *path, const char *what,
    const char **tokens, size_t *ret_count, struct err *reterr)
{
	FILE *file = fopen(path, "re");
	size_t number = 0;
	char line[TOKEN_MAX];
	bool ok = false;
	struct stat st;

	*ret_count = 0;
	if (file == NULL || fstat(fileno(file), &st) != 0) {
		(void)err_set(reterr, ERR_CONFIG,
		    "cannot read the %s file %s: %s", what, path,
		    strerror(errno));
		goto out;
	}
	while (fgets(line, sizeof(line), file) != NULL) {
		number++;
		if (strlen(line) == sizeof(line) - 1) {
			(void)err_set(reterr, ERR_CONFIG,
			    "%s, line %zu: longer than a %s may be", path,
			    number, what);
			goto out;
		}
		if (!token_line_read(settings, path, what, number, line, tokens,
			ret_count, reterr))
			goto out;
	}
	if (ferror(file) != 0) {
		(void)err_set(reterr, ERR_CONFIG,
		    "cannot read the %s file %s: %s", what, path,
		    strerror(errno));
		goto out;
	}
	if (*ret_count == 0) {
		(void)err_set(reterr, ERR_CONFIG,
		    "the %s file %s has no %s: write one %s per line", what,
		    path, what, what);
		goto out;
	}
	if ((st.st_mode & S_IROTH) != 0)
		(void)buf_printf(&settings->warnings,
		    "every user of this machine can read the %s file %s: "
		    "run chmod o-r %s\n",
		    what, path, path);
	ok = true;
out:
	explicit_bzero(line, sizeof(line));
	if (file != NULL)
		(void)fclose(file);
	return ok;
}

/* Add the tokens of the file (NULL: none) to those of the settings, and judge
 * them all; `label` is what messages call them. */
static bool
tokens_complete(struct settings *settings, const char *label, const char *what,
    const char *path, const char *const **tokens, struct err *reterr)
{
	const char *const *list = *tokens;
	size_t count = settings_list_count(list), more;
	const char **all, *from_file[TOKENS_MAX];

	for (size_t i = 0; i < count; i++) {
		if (!token_valid(list[i]))
			return err_set(reterr, ERR_CONFIG,
			    "%s number %zu contains a space or a character "
			    "that is not ASCII, so it is not what was handed "
			    "out",
			    label, i + 1);
	}
	if (path == NULL)
		return true;
	if (!token_file_read(settings, path, what, from_file, &more, reterr))
		return false;
	all = settings_alloc(settings, (count + more + 1) * sizeof(*all));
	if (all == NULL)
		return err_set_nomem(reterr);
	for (size_t i = 0; i < count; i++)
		all[i] = list[i];
	for (size_t i = 0; i < more; i++)
		all[count++] = from_file[i];
	*tokens = all;
	return true;
}

/* Those that we ask for can be of any length; others come from a vendor. */
static void
tokens_warn(const char *label, const char *const *tokens, struct buf *warnings)
{
	for (size_t i = 0; i < settings_list_count(tokens); i++) {
		if (strlen(tokens[i]) < TOKEN_SHORT)
			(void)buf_printf(warnings,
			    "%s number %zu is shorter than %d characters and "
			    "can be guessed; make a better one with: openssl "
			    "rand -hex 32\n",
			    label, i + 1, TOKEN_SHORT);
	}
}

static bool
source_tokens_complete(struct settings *settings,
    struct settings_source *source, struct err *reterr)
{
	const char *what = settings_secret_noun(source->server.intake);
	size_t most = source->server.intake->secrets_most;
	struct buf label;
	bool ok;

	buf_init(&label, LABEL_MAX);
	(void)buf_printf(
	    &label, "source \"%s\": %s", source->server.name, what);
	(void)buf_char(&label, '\0');
	ok = buf_ok(&label, reterr) &&
	     tokens_complete(settings, label.data, what, source->secrets_file,
		 &source->server.secrets, reterr);
	if (ok && source->kind == SETTINGS_CURRENTS)
		tokens_warn(
		    label.data, source->server.secrets, &settings->warnings);
	buf_fini(&label);
	return ok && (most == 0 ||
			 settings_list_count(source->server.secrets) <= most ||
			 err_set(reterr, ERR_CONFIG,
			     "source \"%s\" may have at most %zu %ss at once",
			     source->server.name, most, what));
}

static bool
admin_tokens_complete(struct settings *settings, struct err *reterr)
{
	struct server_settings *server = &settings->server;

	if (!tokens_complete(settings, "view_token", "token",
		settings->view_tokens_file, &server->view_tokens, reterr) ||
	    !tokens_complete(settings, "admin_token", "token",
		settings->admin_tokens_file, &server->admin_tokens, reterr))
		return false;
	tokens_warn("view_token", server->view_tokens, &settings->warnings);
	tokens_warn("admin_token", server->admin_tokens, &settings->warnings);
	return true;
}

/* ---- notices ---- */

/* The path and the query of a chat's webhook are its secret. */
static bool
notify_complete(struct settings *settings, struct err *reterr)
{
	const char **url = &settings->notices.url;
	const char *from_file[TOKENS_MAX];
	size_t count = 1;

	if (settings->notify_url_file != NULL) {
		if (*url != NULL)
			return err_set(reterr, ERR_CONFIG,
			    "notify_url and notify_url_file are both set: "
			    "remove one of the two");
		if (!token_file_read(settings, settings->notify_url_file, "URL",
			from_file, &count, reterr))
			return false;
		*url = from_file[0];
	}
	return *url == NULL ||
	       (count == 1 && token_valid(*url) &&
		   (strncmp(*url, "https://", 8) == 0 ||
		       strncmp(*url, "http://", 7) == 0)) ||
	       err_set(reterr, ERR_CONFIG,
		   "CURRENTSD_NOTIFY_URL (in the file: notify_url, "
		   "notify_url_file) should be one URL that begins with "
		   "https:// or http://");
}

/* ---- sources ---- */

/* A pattern that no known type matches is probably a typing error. */
static void
source_types_check(const struct settings_source *source, const char *key,
    const char *const *list, struct buf *warnings)
{
	const struct catalogue *types = source->currents.catalogue;

	for (size_t i = 0; list != NULL && list[i] != NULL; i++) {
		bool any = false;

		for (size_t t = 0; t < document_types(types) && !any; t++) {
			struct str type =
			    str_text(document_type_at(types, t).name);

			any = currents_type_matches(type, list[i]);
		}
		if (!any)
			(void)buf_printf(warnings,
			    "source \"%s\": %s contains \"%s\", which matches "
			    "no known type (`currentsd schema` lists the "
			    "types)\n",
			    source->server.name, key, list[i]);
	}
}

static bool
source_currents_complete(struct settings *settings,
    struct settings_source *source, struct err *reterr)
{
	const struct server_source *server = &source->server;
	bool any = server->secrets[0] != NULL;

	if (!any && !server->open)
		return err_set(reterr, ERR_CONFIG,
		    "source \"%s\" has no token: set CURRENTSD_TOKEN or "
		    "CURRENTSD_TOKEN_FILE (in the file: token, token_file) to "
		    "what Braze will send, or CURRENTSD_OPEN=yes (open = yes) "
		    "to accept events from anyone",
		    server->name);
	if (any && server->open)
		return err_set(reterr, ERR_CONFIG,
		    "source \"%s\" is open and has a token: remove one of the "
		    "two, because an open source ignores tokens",
		    server->name);
	if (server->open)
		(void)buf_printf(&settings->warnings,
		    "source \"%s\" is open: anyone who can reach the address "
		    "can send events\n",
		    server->name);
	source_types_check(
	    source, "include", source->currents.include, &settings->warnings);
	source_types_check(
	    source, "exclude", source->currents.exclude, &settings->warnings);
	if (server->parameter != NULL &&
	    (strchr(server->parameter, '=') == NULL ||
		server->parameter[0] == '='))
		return err_set(reterr, ERR_CONFIG,
		    "source \"%s\": parameter should be key=value",
		    server->name);
	return true;
}

static bool
source_complete(struct settings *settings, struct settings_source *source,
    struct err *reterr)
{
	if (!source_tokens_complete(settings, source, reterr))
		return false;
	switch (source->kind) {
	case SETTINGS_CURRENTS:
		if (!source_currents_complete(settings, source, reterr))
			return false;
		break;
	case SETTINGS_SEGMENTS:
		if (source->server.secrets[0] == NULL)
			return err_set(reterr, ERR_CONFIG,
			    "source \"%s\" has no secret: set "
			    "CURRENTSD_SEGMENTS_SECRET or "
			    "CURRENTSD_SEGMENTS_SECRET_FILE (in the file: "
			    "secret, secret_file) to what Heap signs with",
			    source->server.name);
		break;
	}
	return settings_source_link(settings, source, reterr);
}

/* Two sources may not claim the same requests. */
static bool
sources_differ(const struct settings *settings, struct err *reterr)
{
	for (size_t i = 0; i < settings->source_count; i++) {
		const char *a = settings->sources[i].server.parameter;

		for (size_t j = 0; j < i && a != NULL; j++) {
			const char *b = settings->sources[j].server.parameter;

			if (b != NULL && strcmp(a, b) == 0)
				return err_set(reterr, ERR_CONFIG,
				    "sources \"%s\" and \"%s\" have the same "
				    "parameter: give each its own",
				    settings->sources[j].server.name,
				    settings->sources[i].server.name);
		}
	}
	return true;
}

/* A currents_redact_fn: what the mapping of the destination leaves out. */
static bool
source_redact(
    const void *rules, struct str event, struct buf *out, struct err *reterr)
{
	return redact_write(rules, event, out, reterr);
}

/* A currents_left_out_fn: the same, for want of a decision. */
static bool
source_left_out(const void *rules, struct str type, struct str property)
{
	return track_leaves_out(rules, type, property);
}

/* The first destination that takes what an intake makes. */
static struct settings_destination *
destination_taking(const struct settings *settings, const struct intake *intake)
{
	for (size_t i = 0; i < settings->destination_count; i++) {
		struct settings_destination *destination =
		    &settings->destinations[i];

		if (destination->forwarder.outlet->set == intake->set)
			return destination;
	}
	NEVER("a half of the settings has no destination");
}

bool
settings_source_link(struct settings *settings, struct settings_source *source,
    struct err *reterr)
{
	const struct intake *intake = source->server.intake;
	struct settings_destination *destination =
	    source->server.destination != NULL
		? settings_destination_find(
		      settings, source->server.destination)
		: destination_taking(settings, intake);
	const struct outlet *outlet;

	if (destination == NULL)
		return err_set(reterr, ERR_CONFIG,
		    "source \"%s\": there is no destination \"%s\"; add a "
		    "section destination \"%s\" { ... }, or name another "
		    "destination",
		    source->server.name, source->server.destination,
		    source->server.destination);
	outlet = destination->forwarder.outlet;
	if (outlet->set != intake->set)
		return err_set(reterr, ERR_CONFIG,
		    "source \"%s\" sends %ss, but destination \"%s\" (kind "
		    "%s) takes %ss: name another destination",
		    source->server.name, intake->item_noun,
		    destination->forwarder.name, outlet->kind,
		    outlet->item_noun);
	source->server.destination = destination->forwarder.name;
	/* Accepting removes what the destination would not get. */
	if (source->kind != SETTINGS_CURRENTS ||
	    source->currents.private_at != CURRENTS_AT_ACCEPT)
		return true;
	source->currents.redact = source_redact;
	source->currents.left_out = source_left_out;
	source->currents.redact_rules = &destination->track.rules;
	return settings_rules_complete(settings, destination, reterr);
}

bool
settings_source_context(const struct settings_source *source,
    struct intake_context **ret_context, struct err *reterr)
{
	const void *settings = NULL;

	switch (source->kind) {
	case SETTINGS_CURRENTS:
		settings = &source->currents;
		break;
	case SETTINGS_SEGMENTS:
		settings = &source->segments;
		break;
	}
	return source->server.intake->context_new(
	    settings, ret_context, reterr);
}

/* ---- destinations ---- */

static bool
host_loopback(const char *host)
{
	return strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
	       (strncmp(host, "127.", 4) == 0 &&
		   host[strspn(host, "0123456789.")] == '\0');
}

bool
settings_url_private(const char *url)
{
	static const char plain[] = "http://";
	char host[256], *port;
	size_t len;

	if (strncmp(url, "https://", 8) == 0)
		return true;
	if (strncmp(url, plain, strlen(plain)) != 0 || strchr(url, '@') != NULL)
		return false;
	url += strlen(plain);
	len = strcspn(url, "/?#");
	if (len >= sizeof(host))
		return false;
	(void)snprintf(host, sizeof(host), "%.*s", (int)len, url);
	port = strrchr(host, ':');
	if (port != NULL && strchr(port, ']') == NULL)
		*port = '\0';
	return host_loopback(host);
}

/* Credentials in a URL would be shown in logs. */
static bool
url_check(const char *url, struct err *reterr)
{
	const char *host = strstr(url, "://");

	if (strncmp(url, "https://", 8) != 0 && strncmp(url, "http://", 7) != 0)
		return err_set(reterr, ERR_CONFIG,
		    "should begin with https:// (or http:// for this machine)");
	if (url[strcspn(url, "@?# \t")] != '\0')
		return err_set(reterr, ERR_CONFIG,
		    "should be a base URL without user, query or fragment");
	if (host[3] == '\0' || host[3] == '/')
		return err_set(reterr, ERR_CONFIG, "should name a host");
	return settings_url_private(url) ||
	       err_set(reterr, ERR_CONFIG,
		   "is plain http to another machine, which anyone along the "
		   "way can read: use https://");
}

static bool
track_url_complete(struct settings *settings,
    struct settings_destination *destination, struct err *reterr)
{
	const char *name = destination->forwarder.name;
	const char *base = destination->track.url;
	size_t len, tail = strlen(TRACK_PATH);
	struct err err;
	char *url;

	if (base == NULL && destination->region == SETTINGS_NO_REGION)
		return err_set(reterr, ERR_CONFIG,
		    "destination \"%s\" has no region: set "
		    "CURRENTSD_HEAP_REGION (in the file: region) to us or eu, "
		    "depending on where your Heap account is hosted",
		    name);
	if (base == NULL)
		base = region_urls[destination->region];
	if (!url_check(base, &err))
		return err_set(reterr, err.code,
		    "destination \"%s\": CURRENTSD_HEAP_URL (in the file: url) "
		    "%s",
		    name, err.text);
	len = strlen(base);
	while (base[len - 1] == '/')
		len--;
	if (len > tail && strncmp(base + len - tail, TRACK_PATH, tail) == 0)
		len -= tail;
	url = settings_alloc(settings, len + tail + 1);
	if (url == NULL)
		return err_set_nomem(reterr);
	memcpy(url, base, len);
	memcpy(url + len, TRACK_PATH, tail + 1);
	destination->track.url = url;
	return true;
}

/* Find a useless file of certificates before the first event is sent. */
static bool
ca_file_check(
    const struct settings_destination *destination, struct err *reterr)
{
	static const char mark[] = "CERTIFICATE-----";
	const char *path = destination->forwarder.ca_file;
	bool found = false;
	char line[1024];
	FILE *file;
	int error;

	if (path == NULL)
		return true;
	errno = 0;
	file = fopen(path, "re");
	while (
	    file != NULL && !found && fgets(line, sizeof(line), file) != NULL)
		found = strstr(line, mark) != NULL;
	error = errno;
	if (file != NULL)
		(void)fclose(file);
	if (found)
		return true;
	return err_set(reterr, ERR_CONFIG,
	    "destination \"%s\": %sCA_FILE (in the file: ca_file) %s: %s; name "
	    "a PEM file that the daemon's user can read, or unset it to trust "
	    "the system's certificates",
	    destination->forwarder.name,
	    setting_sections[SETTING_DESTINATION]
		.kinds[destination->kind]
		.prefix,
	    path, error != 0 ? strerror(error) : "has no certificate in PEM");
}

/* A text that there must be, from the settings or a file of its own. */
struct needed {
	const char **text;
	const char *file; /* or NULL */
	const char *key, *what;
};

static bool
needed_complete(struct settings *settings,
    const struct settings_destination *destination, const struct needed *needed,
    struct err *reterr)
{
	const char *name = destination->forwarder.name;
	const struct setting_section *section =
	    &setting_sections[SETTING_DESTINATION];
	const char *from_file[TOKENS_MAX];
	char variable[SETTING_NAME];
	size_t count;

	if (needed->file != NULL && *needed->text != NULL)
		return err_set(reterr, ERR_CONFIG,
		    "destination \"%s\": %s and %s_file are both set: remove "
		    "one of the two",
		    name, needed->key, needed->key);
	if (needed->file != NULL) {
		if (!token_file_read(settings, needed->file, "key", from_file,
			&count, reterr))
			return false;
		if (count != 1)
			return err_set(reterr, ERR_CONFIG,
			    "destination \"%s\": %s should have one key only",
			    name, needed->file);
		*needed->text = from_file[0];
	}
	if (*needed->text != NULL)
		return true;
	CHECK(setting_variable(
	    setting_find(section, destination->kind, needed->key),
	    &section->kinds[destination->kind], variable));
	return err_set(reterr, ERR_CONFIG,
	    "destination \"%s\" has no %s: set %s (in the file: %s) to %s",
	    name, needed->key, variable, needed->key, needed->what);
}

/* The outlet itself judges what it is given. */
static bool
outlet_check(const struct settings_destination *destination, struct err *reterr)
{
	const struct outlet *outlet = destination->forwarder.outlet;
	struct outlet_context *context;
	struct err err;

	if (!outlet->context_new(
		settings_outlet_settings(destination), &context, &err))
		return err_set(reterr, err.code, "destination \"%s\": %s",
		    destination->forwarder.name, err.text);
	outlet->context_free(context);
	return true;
}

/* Of a destination at Braze. */
static bool
braze_complete(struct settings *settings,
    struct settings_destination *destination, struct err *reterr)
{
	struct attributes_settings *attributes = &destination->attributes;
	struct cohorts_settings *cohorts = &destination->cohorts;
	static const char url[] = "the REST endpoint of the workspace";
	const struct needed of_attributes[] = {
	    {&attributes->url, NULL, "url", url},
	    {&attributes->api_key, destination->api_key_file, "api_key",
		"a REST API key with the permission users.track"},
	};
	const struct needed of_cohorts[] = {
	    {&cohorts->url, NULL, "url", url},
	    {&cohorts->partner, NULL, "partner", "the partner's name at Braze"},
	    {&cohorts->partner_key, destination->partner_key_file,
		"partner_key", "the partner's key"},
	    {&cohorts->import_key, destination->import_key_file, "import_key",
		"the customer's data import key"},
	};
	bool partner = destination->kind == SETTINGS_COHORTS;
	const struct needed *needed = partner ? of_cohorts : of_attributes;
	size_t count = partner
			   ? sizeof(of_cohorts) / sizeof(of_cohorts[0])
			   : sizeof(of_attributes) / sizeof(of_attributes[0]);
	struct err err;

	for (size_t i = 0; i < count; i++) {
		if (!needed_complete(settings, destination, &needed[i], reterr))
			return false;
	}
	if (!url_check(*needed[0].text, &err))
		return err_set(reterr, err.code,
		    "destination \"%s\": CURRENTSD_BRAZE_URL (in the file: "
		    "url) %s",
		    destination->forwarder.name, err.text);
	return outlet_check(destination, reterr);
}

static bool
track_complete(struct settings *settings,
    struct settings_destination *destination, struct err *reterr)
{
	const char *name = destination->forwarder.name;
	const char *id = destination->track.app_id;

	if (id == NULL)
		return err_set(reterr, ERR_CONFIG,
		    "destination \"%s\" has no app id: set "
		    "CURRENTSD_HEAP_APP_ID (in the file: app_id) to the id of "
		    "the Heap environment",
		    name);
	/* Heap answers 200 to a wrong id and loses the events. */
	if (strlen(id) > 20 || id[strspn(id, "0123456789")] != '\0')
		return err_set(reterr, ERR_CONFIG,
		    "destination \"%s\": CURRENTSD_HEAP_APP_ID (in the file: "
		    "app_id) should be digits only",
		    name);
	return track_url_complete(settings, destination, reterr) &&
	       settings_rules_complete(settings, destination, reterr);
}

static bool
destination_complete(struct settings *settings,
    struct settings_destination *destination, struct err *reterr)
{
	const struct forwarder_destination *forwarder = &destination->forwarder;

	if (forwarder->backoff_first_ms > forwarder->backoff_most_ms)
		return err_set(reterr, ERR_CONFIG,
		    "destination \"%s\": backoff_first should be at most "
		    "backoff_most",
		    forwarder->name);
	if (forwarder->dry_run)
		(void)buf_printf(&settings->warnings,
		    "destination \"%s\": dry_run: nothing is sent; its %ss "
		    "stay queued, and fill up the queue\n",
		    forwarder->name, forwarder->outlet->item_noun);
	return (destination->kind == SETTINGS_TRACK
		       ? track_complete(settings, destination, reterr)
		       : braze_complete(settings, destination, reterr)) &&
	       ca_file_check(destination, reterr);
}

/* Does it send at all, and within quotas? */
static bool
destination_counts(const struct settings_destination *destination)
{
	return destination->kind == SETTINGS_TRACK &&
	       !destination->forwarder.dry_run &&
	       (destination->track.events_per_minute > 0 ||
		   destination->track.identity_per_minute > 0);
}

/* Each destination counts its quota alone, so those of one app must share
 * it. */
static bool
destinations_share(const struct settings *settings, struct err *reterr)
{
	for (size_t i = 0; i < settings->destination_count; i++) {
		const struct settings_destination *a =
		    &settings->destinations[i];
		const struct settings_destination *other = NULL;
		unsigned share = a->track.share_percent;

		for (size_t j = 0; j < i && destination_counts(a); j++) {
			const struct settings_destination *b =
			    &settings->destinations[j];

			if (!destination_counts(b) ||
			    strcmp(a->track.app_id, b->track.app_id) != 0 ||
			    strcasecmp(a->track.url, b->track.url) != 0)
				continue;
			share += b->track.share_percent;
			other = b;
		}
		if (other != NULL && share > 100)
			return err_set(reterr, ERR_CONFIG,
			    "destinations \"%s\" and \"%s\" send to the same "
			    "app at the same URL, and together would exceed "
			    "Heap's quota: use one destination for their "
			    "sources, or set share in each so that the shares "
			    "add up to at most 100",
			    other->forwarder.name, a->forwarder.name);
	}
	return true;
}

/* Does it take over from a destination that is gone, and alone? */
static bool
formerly_check(
    const struct settings *settings, size_t destination, struct err *reterr)
{
	const char *formerly = settings->destinations[destination].formerly;
	const char *name = settings->destinations[destination].forwarder.name;

	if (formerly == NULL)
		return true;
	if (settings_destination_find(settings, formerly) != NULL)
		return err_set(reterr, ERR_CONFIG,
		    "destination \"%s\": formerly should be the name of a "
		    "destination that was removed, and \"%s\" is in the "
		    "settings",
		    name, formerly);
	for (size_t i = 0; i < destination; i++) {
		const struct settings_destination *other =
		    &settings->destinations[i];

		if (other->formerly != NULL &&
		    strcmp(other->formerly, formerly) == 0)
			return err_set(reterr, ERR_CONFIG,
			    "destinations \"%s\" and \"%s\" are both "
			    "formerly \"%s\"",
			    other->forwarder.name, name, formerly);
	}
	return true;
}

static bool
limits_check(const struct settings *settings, struct err *reterr)
{
	const struct queue_settings *queue = &settings->queue;

	if (settings->source_count > queue->sources_max)
		return err_set(reterr, ERR_CONFIG,
		    "%zu sources, and sources_max is %zu",
		    settings->source_count, queue->sources_max);
	if (settings->destination_count > queue->destinations_max)
		return err_set(reterr, ERR_CONFIG,
		    "%zu destinations, and destinations_max is %zu",
		    settings->destination_count, queue->destinations_max);
	return true;
}

bool
settings_zone_open(
    const struct settings *settings, struct zone **ret_zone, struct err *reterr)
{
	struct err err;

	return zone_open(settings->report_timezone, ret_zone, &err) ||
	       err_set(reterr, err.code,
		   "CURRENTSD_REPORT_TIMEZONE (in the file: report_timezone): "
		   "%s",
		   err.text);
}

static bool
zone_check(const struct settings *settings, struct err *reterr)
{
	struct zone *zone;

	if (!settings_zone_open(settings, &zone, reterr))
		return false;
	zone_free(zone);
	return true;
}

static bool
all_complete(struct settings *settings, struct err *reterr)
{
	if (!limits_check(settings, reterr) || !zone_check(settings, reterr))
		return false;
	if (settings->server.body_memory < settings->server.body_limit)
		return err_set(reterr, ERR_CONFIG,
		    "CURRENTSD_BODY_MEMORY (in the file: body_memory) should "
		    "be at least CURRENTSD_BODY_LIMIT (body_limit)");
	if (!admin_tokens_complete(settings, reterr) ||
	    !notify_complete(settings, reterr) ||
	    !server_tls_check(&settings->server, clock_wall_ms(),
		&settings->warnings, reterr))
		return false;
	for (size_t i = 0; i < settings->source_count; i++) {
		if (!source_complete(settings, &settings->sources[i], reterr))
			return false;
	}
	for (size_t i = 0; i < settings->destination_count; i++) {
		if (!formerly_check(settings, i, reterr) ||
		    !destination_complete(
			settings, &settings->destinations[i], reterr))
			return false;
	}
	return sources_differ(settings, reterr) &&
	       destinations_share(settings, reterr);
}

bool
settings_complete(struct settings *settings, struct err *reterr)
{
	return all_complete(settings, reterr) ||
	       settings_unread_tell(settings, reterr);
}
