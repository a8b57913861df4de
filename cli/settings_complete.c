/*
 * What is needed to serve: tokens or open doors, an app id and a place to
 * send to, and names that fit together.
 */

#include "cli/settings.h"
#include "schema/currents.h"
#include "schema/document.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TRACK_PATH "/api/track"

static const char *const region_urls[] = {
    /* Heap's server-side API reference: EU tenants never use the US host. */
    [SETTINGS_US] = "https://heapanalytics.com",
    [SETTINGS_EU] = "https://c.eu.heap-api.com",
};

static bool
source_tokens_complete(
    struct settings_source *source, struct buf *warnings, struct err *reterr)
{
	enum { TOKEN_SHORT = 16 };

	for (size_t i = 0; i < source->tokens.count; i++) {
		if (!settings_token_valid(source->tokens.items[i]))
			return err_set(reterr, ERR_CONFIG,
			    "source \"%s\": its token number %zu is empty or "
			    "has a blank or a character that is not ASCII: no "
			    "request could carry it",
			    source->name, i + 1);
	}
	if (source->token_file != NULL &&
	    !settings_tokens_read(
		source->token_file, &source->tokens, warnings, reterr))
		return false;
	for (size_t i = 0; i < source->tokens.count; i++) {
		if (strlen(source->tokens.items[i]) < TOKEN_SHORT)
			(void)buf_printf(warnings,
			    "source \"%s\": its token number %zu is shorter "
			    "than %d characters and can be guessed; make one "
			    "with: openssl rand -hex 32\n",
			    source->name, i + 1, TOKEN_SHORT);
	}
	return true;
}

/* A pattern that no known type matches is mostly a slip of the pen. */
static void
source_types_check(const struct settings_source *source, const char *key,
    const struct settings_list *list, struct buf *warnings)
{
	for (size_t i = 0; i < list->count; i++) {
		bool any = false;

		for (size_t t = 0; t < document_types() && !any; t++) {
			any = currents_type_matches(
			    str_text(document_type_at(t).name), list->items[i]);
		}
		if (!any)
			(void)buf_printf(warnings,
			    "source \"%s\": %s has \"%s\", which no known "
			    "type matches (`currentsd schema` lists them)\n",
			    source->name, key, list->items[i]);
	}
}

static bool
source_complete(struct settings *settings, struct settings_source *source,
    struct err *reterr)
{
	if (!source_tokens_complete(source, &settings->warnings, reterr))
		return false;
	if (source->tokens.count == 0 && !source->open)
		return err_set(reterr, ERR_CONFIG,
		    "source \"%s\" has no token: set CURRENTSD_TOKEN or "
		    "CURRENTSD_TOKEN_FILE (in the file: token, token_file) to "
		    "what Braze will send, or CURRENTSD_OPEN=yes (open = yes) "
		    "to accept events from anyone",
		    source->name);
	if (source->tokens.count > 0 && source->open)
		return err_set(reterr, ERR_CONFIG,
		    "source \"%s\" is open and has a token: remove one of "
		    "them, since an open source looks at no token",
		    source->name);
	if (source->open)
		(void)buf_printf(&settings->warnings,
		    "source \"%s\" is open: anyone who reaches the address "
		    "can send events\n",
		    source->name);
	source_types_check(
	    source, "include", &source->include, &settings->warnings);
	source_types_check(
	    source, "exclude", &source->exclude, &settings->warnings);
	if (source->parameter != NULL &&
	    (strchr(source->parameter, '=') == NULL ||
		source->parameter[0] == '='))
		return err_set(reterr, ERR_CONFIG,
		    "source \"%s\": parameter should be key=value",
		    source->name);
	return true;
}

/* Two sources may not claim the same requests. */
static bool
sources_differ(const struct settings *settings, struct err *reterr)
{
	for (size_t i = 0; i < settings->source_count; i++) {
		const char *a = settings->sources[i].parameter;

		for (size_t j = 0; j < i && a != NULL; j++) {
			const char *b = settings->sources[j].parameter;

			if (b != NULL && strcmp(a, b) == 0)
				return err_set(reterr, ERR_CONFIG,
				    "sources \"%s\" and \"%s\" have the same "
				    "parameter: give each its own",
				    settings->sources[j].name,
				    settings->sources[i].name);
		}
	}
	return true;
}

/* Link a source to its destination: the first, or one that is there. */
static bool
source_link(const struct settings *settings, struct settings_source *source,
    struct err *reterr)
{
	if (source->destination == NULL) {
		source->destination = strdup(settings->destinations[0].name);
		return source->destination != NULL || err_set_nomem(reterr);
	}
	for (size_t i = 0; i < settings->destination_count; i++) {
		if (strcmp(source->destination,
			settings->destinations[i].name) == 0)
			return true;
	}
	return err_set(reterr, ERR_CONFIG,
	    "source \"%s\": there is no destination \"%s\"; write a section "
	    "destination \"%s\" { ... } or name another",
	    source->name, source->destination, source->destination);
}

static bool
host_loopback(const char *host)
{
	return strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
	       (strncmp(host, "127.", 4) == 0 &&
		   host[strspn(host, "0123456789.")] == '\0');
}

/*
 * Plain http shows the people's data to everyone on the way, so it may go to
 * this machine only. Credentials in a URL would be shown in logs.
 */
static bool
url_check(const char *url, struct err *reterr)
{
	const char *rest, *end;
	char host[256];
	size_t len;

	if (strncmp(url, "https://", 8) == 0)
		rest = url + 8;
	else if (strncmp(url, "http://", 7) == 0)
		rest = url + 7;
	else
		return err_set(reterr, ERR_CONFIG,
		    "should begin with https:// (or http:// for this machine)");
	if (url[strcspn(url, "@?# \t")] != '\0')
		return err_set(reterr, ERR_CONFIG,
		    "should be a base URL without user, query or fragment");
	len = strcspn(rest, "/");
	if (len == 0 || len >= sizeof(host))
		return err_set(reterr, ERR_CONFIG, "should have a host");
	(void)snprintf(host, sizeof(host), "%.*s", (int)len, rest);
	end = strrchr(host, ':');
	if (end != NULL && strchr(end, ']') == NULL)
		host[end - host] = '\0';
	if (strncmp(url, "https://", 8) == 0 || host_loopback(host))
		return true;
	return err_set(reterr, ERR_CONFIG,
	    "is plain http to another machine, which anyone on the way can "
	    "read: use https://");
}

static bool
url_complete(struct settings_destination *destination, struct err *reterr)
{
	const char *base = destination->url;
	size_t len, tail = strlen(TRACK_PATH);
	char *url = NULL;
	struct err err;

	if (base == NULL && destination->region < 0)
		return err_set(reterr, ERR_CONFIG,
		    "destination \"%s\" has no region: set "
		    "CURRENTSD_HEAP_REGION (in the file: region) to us or eu, "
		    "where your Heap account lives",
		    destination->name);
	if (base == NULL)
		base = region_urls[destination->region];
	if (!url_check(base, &err))
		return err_set(reterr, err.code,
		    "destination \"%s\": CURRENTSD_HEAP_URL (in the file: url) "
		    "%s",
		    destination->name, err.text);
	len = strlen(base);
	while (base[len - 1] == '/')
		len--;
	if (len > tail && strncmp(base + len - tail, TRACK_PATH, tail) == 0)
		tail = 0;
	if (asprintf(&url, "%.*s%s", (int)len, base,
		tail == 0 ? "" : TRACK_PATH) < 0)
		return err_set_nomem(reterr);
	free(destination->url);
	destination->url = url;
	return true;
}

/* A file of certificates that cannot serve would be found only when the first
 * event is on its way. */
static bool
ca_file_check(
    const struct settings_destination *destination, struct err *reterr)
{
	static const char mark[] = "CERTIFICATE-----";
	const char *path = destination->ca_file;
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
	    "destination \"%s\": CURRENTSD_HEAP_CA_FILE (in the file: ca_file) "
	    "%s: %s; name a PEM file that the daemon's user can read, or unset "
	    "it to trust the system's certificates",
	    destination->name, path,
	    error != 0 ? strerror(error) : "has no certificate in PEM");
}

static bool
destination_complete(struct settings_destination *destination,
    struct buf *warnings, struct err *reterr)
{
	const char *id = destination->app_id;

	if (id == NULL)
		return err_set(reterr, ERR_CONFIG,
		    "destination \"%s\" has no app id: set "
		    "CURRENTSD_HEAP_APP_ID (in the file: app_id) to the id of "
		    "the Heap environment",
		    destination->name);
	/* Heap answers 200 to a wrong id and loses the events. */
	if (strlen(id) > 20 || id[strspn(id, "0123456789")] != '\0')
		return err_set(reterr, ERR_CONFIG,
		    "destination \"%s\": CURRENTSD_HEAP_APP_ID (in the file: "
		    "app_id) should be digits only",
		    destination->name);
	if (destination->backoff_first_ms > destination->backoff_most_ms)
		return err_set(reterr, ERR_CONFIG,
		    "destination \"%s\": backoff_first should be at most "
		    "backoff_most",
		    destination->name);
	return url_complete(destination, reterr) &&
	       ca_file_check(destination, reterr) &&
	       settings_mapping_make(destination, warnings, reterr);
}

/* Does it send at all, and within quotas? */
static bool
destination_counts(const struct settings_destination *destination)
{
	return !destination->dry_run &&
	       (destination->events_per_minute > 0 ||
		   destination->identity_per_minute > 0);
}

/* Each keeps the quota for itself, so those to one app must share it. */
static bool
destinations_share(const struct settings *settings, struct err *reterr)
{
	for (size_t i = 0; i < settings->destination_count; i++) {
		const struct settings_destination *a =
		    &settings->destinations[i];
		const struct settings_destination *other = NULL;
		int64_t share = a->share;

		for (size_t j = 0; j < i && destination_counts(a); j++) {
			const struct settings_destination *b =
			    &settings->destinations[j];

			if (!destination_counts(b) ||
			    strcmp(a->app_id, b->app_id) != 0 ||
			    strcasecmp(a->url, b->url) != 0)
				continue;
			share += b->share;
			other = b;
		}
		if (other != NULL && share > 100)
			return err_set(reterr, ERR_CONFIG,
			    "destinations \"%s\" and \"%s\" send to the same "
			    "app at the same URL, and would together exceed "
			    "Heap's quota: let their sources name one "
			    "destination, or set share in each, so that it is "
			    "at most 100 in all",
			    other->name, a->name);
	}
	return true;
}

bool
settings_complete(struct settings *settings, struct err *reterr)
{
	if (!settings_place(settings, reterr))
		return false;
	if (settings->body_memory < settings->body_limit)
		return err_set(reterr, ERR_CONFIG,
		    "CURRENTSD_BODY_MEMORY (in the file: body_memory) should "
		    "be at least CURRENTSD_BODY_LIMIT (body_limit)");
	for (size_t i = 0; i < settings->source_count; i++) {
		if (!source_complete(settings, &settings->sources[i], reterr) ||
		    !source_link(settings, &settings->sources[i], reterr))
			return false;
	}
	for (size_t i = 0; i < settings->destination_count; i++) {
		if (!destination_complete(&settings->destinations[i],
			&settings->warnings, reterr))
			return false;
	}
	return sources_differ(settings, reterr) &&
	       destinations_share(settings, reterr);
}
