/*
 * The rules of a destination's mapping: the key of the hashes, and what they
 * mean for privacy. Mistakes are found here, before serving, because what was
 * sent to Heap cannot be taken back.
 */

#include "base/log.h"
#include "daemon/settings_table.h"
#include "schema/track/track.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
	KEY_MAX = 4096, /* bytes of a key file */
	CLASSES = 3,	/* that settings decide about */
};

static const char *const class_names[CLASSES] = {
    "content", "contact", "unclassified"};

static bool
key_read(struct settings *settings, const char *path, struct track_rules *rules,
    struct err *reterr)
{
	FILE *file = fopen(path, "re");
	char *key = settings_alloc(settings, KEY_MAX + 1);
	bool ok = false;
	struct stat st;
	size_t len;

	if (key == NULL) {
		(void)err_set_nomem(reterr);
		goto out;
	}
	if (file == NULL || fstat(fileno(file), &st) != 0) {
		(void)err_set(reterr, ERR_CONFIG,
		    "cannot read the key file %s: %s", path, strerror(errno));
		goto out;
	}
	/* With the key one can try the hashes of all known addresses. */
	if ((st.st_mode & (S_IRWXO | S_IWGRP)) != 0) {
		(void)err_set(reterr, ERR_CONFIG,
		    "other users can read or write the key file %s (mode "
		    "%03o), and could undo the hashes: run chmod 600 %s",
		    path, (unsigned)st.st_mode & 0777, path);
		goto out;
	}
	len = fread(key, 1, KEY_MAX + 1, file);
	/* An editor's last newline is not part of the key. */
	while (len > 0 && memchr("\r\n", key[len - 1], 2) != NULL)
		len--;
	if (ferror(file) != 0 || len > KEY_MAX || len < TRACK_KEY_FILE_MIN) {
		(void)err_set(reterr, ERR_CONFIG,
		    "the key file %s should have %d to %d bytes; make one "
		    "with: openssl rand -hex 32",
		    path, TRACK_KEY_FILE_MIN, KEY_MAX);
		goto out;
	}
	rules->key = str_bytes(key, len);
	ok = true;
out:
	if (file != NULL)
		(void)fclose(file);
	return ok;
}

/* ---- the summary of privacy ---- */

static const char *
class_fate(enum track_extent extent)
{
	switch (extent) {
	case TRACK_EXTENT_OUT:
		return "left-out";
	case TRACK_EXTENT_HASH_PART:
		return "hashed-in-part";
	case TRACK_EXTENT_HASH:
		return "hashed";
	case TRACK_EXTENT_SEND_PART:
		return "in-part";
	case TRACK_EXTENT_SEND:
		return "SENT";
	}
	return NULL;
}

/* Append " content=... contact=... unclassified=..."; true if any of it is
 * sent. */
static bool
classes_write(const struct track_rules *rules, struct buf *out)
{
	bool sent = false;

	for (size_t i = 0; i < CLASSES; i++) {
		enum track_extent extent =
		    track_class_extent(rules, class_names[i]);

		sent |= extent == TRACK_EXTENT_SEND_PART ||
			extent == TRACK_EXTENT_SEND;
		(void)buf_printf(
		    out, " %s=%s", class_names[i], class_fate(extent));
	}
	return sent;
}

static void
selectors_warn(const struct settings_destination *destination, const char *key,
    const struct track_list *list, struct buf *warnings)
{
	for (size_t i = 0; i < list->count; i++) {
		const char *what = NULL;

		switch (track_selector_check(
		    destination->track.rules.catalogue, list->items[i])) {
		case TRACK_SELECTED_NOTHING:
			what = "selects nothing in the catalogue: check the "
			       "spelling, unless `currentsd drift` shows it";
			break;
		case TRACK_SELECTED_SECRETS:
			if (list == &destination->track.rules.keep)
				what = "selects only secret properties, which "
				       "are never sent";
			break;
		case TRACK_SELECTED:
			break;
		}
		if (what != NULL)
			(void)buf_printf(warnings,
			    "destination \"%s\": %s: %s %s\n",
			    destination->forwarder.name, key, list->items[i],
			    what);
	}
}

/* What is sent cannot be taken back, so it gets a warning of its own. */
static void
privacy_warn(
    const struct settings_destination *destination, struct buf *warnings)
{
	const struct track_rules *rules = &destination->track.rules;
	size_t before;

	selectors_warn(destination, "keep", &rules->keep, warnings);
	selectors_warn(destination, "drop", &rules->drop, warnings);
	selectors_warn(destination, "hash", &rules->hash, warnings);
	if (rules->keep.count == 0)
		return;
	before = warnings->len;
	(void)buf_printf(warnings,
	    "destination \"%s\": private properties are sent to Heap, which "
	    "cannot be undone:",
	    destination->forwarder.name);
	if (classes_write(rules, warnings))
		(void)buf_char(warnings, '\n');
	else
		buf_truncate(warnings, before);
}

bool
settings_rules_complete(struct settings *settings,
    struct settings_destination *destination, struct err *reterr)
{
	struct track_rules *rules = &destination->track.rules;
	const char *name = destination->forwarder.name;

	if (destination->rules_complete || destination->kind != SETTINGS_TRACK)
		return true;
	if (destination->hash_key_file == NULL) {
		if (rules->hash.count > 0 || rules->identity_hash)
			return err_set(reterr, ERR_CONFIG,
			    "destination \"%s\": %s needs a key: set "
			    "CURRENTSD_HEAP_HASH_KEY_FILE (in the file: "
			    "hash_key_file) to a file made with: (umask 077; "
			    "openssl rand -hex 32 >FILE)",
			    name,
			    rules->identity_hash ? "identity_hash" : "hash");
	} else if (!key_read(
		       settings, destination->hash_key_file, rules, reterr)) {
		return false;
	}
	destination->rules_complete = true;
	if (rules->identity == TRACK_IDENTITY_BRAZE)
		(void)buf_printf(&settings->warnings,
		    "destination \"%s\": identity = user_id: when Braze merges "
		    "two profiles (users.UserOrphan), the person remains two "
		    "users in Heap, which cannot merge them\n",
		    name);
	privacy_warn(destination, &settings->warnings);
	return true;
}

static void
list_write(const char *key, const struct track_list *list, struct buf *out)
{
	bool quote = false;

	if (list->count == 0)
		return;
	for (size_t i = 0; i < list->count; i++)
		quote = quote || strpbrk(list->items[i], " \"\\") != NULL;
	(void)buf_printf(out, " %s=%s", key, quote ? "\"" : "");
	for (size_t i = 0; i < list->count; i++) {
		const char *item = LOG_QUOTE(list->items[i]);

		(void)buf_printf(out, "%s%.*s", i > 0 ? "," : "",
		    (int)strlen(item) - 2, item + 1);
	}
	if (quote)
		(void)buf_char(out, '"');
}

void
settings_privacy_write(
    const struct settings_destination *destination, struct buf *out)
{
	const struct track_rules *rules = &destination->track.rules;

	(void)buf_text(out, "secret=never-sent");
	(void)classes_write(rules, out);
	list_write("keep", &rules->keep, out);
	list_write("drop", &rules->drop, out);
	list_write("hash", &rules->hash, out);
	(void)buf_printf(out, " identity=%s%s",
	    rules->identity == TRACK_IDENTITY_BRAZE ? "user_id"
						    : "external_user_id",
	    rules->identity_hash ? ",hashed" : "");
}

bool
settings_identity_write(struct settings *settings,
    struct settings_destination *destination, struct buf *out,
    struct err *reterr)
{
	if (destination->kind != SETTINGS_TRACK)
		return true;
	if (!settings_rules_complete(settings, destination, reterr))
		return false;
	track_identity_rules_write(&destination->track.rules, out);
	return buf_ok(out, reterr);
}
