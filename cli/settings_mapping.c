/*
 * How a destination maps, out of its settings: what the words of lists mean,
 * and the key of the hashes. Mistakes are found here, before serving, since
 * what was sent to Heap cannot be taken back.
 */

#include "cli/settings.h"
#include "schema/redact.h"
#include "schema/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
	KEY_MAX = 4096, /* bytes of a key file */
	CLASSES = 2,	/* that settings decide about */
};

static const char *const class_names[CLASSES] = {"content", "contact"};

struct settings_mapping {
	enum track_anonymous anonymous[2];
	struct track_rename *renames; /* into text */
	size_t rename_count;
	char *text;
	size_t key_len;
	unsigned char key[KEY_MAX + 1];
};

void
settings_mapping_free(struct settings_mapping *mapping)
{
	if (mapping == NULL)
		return;
	explicit_bzero(mapping->key, sizeof(mapping->key));
	free(mapping->renames);
	free(mapping->text);
	free(mapping);
}

static bool
anonymous_fault(
    const struct settings_destination *destination, struct err *reterr)
{
	return err_set(reterr, ERR_CONFIG,
	    "destination \"%s\": CURRENTSD_HEAP_ANONYMOUS (in the file: "
	    "anonymous) should be device, braze_id, both in the order you "
	    "like, or skip",
	    destination->name);
}

static bool
anonymous_make(const struct settings_destination *destination,
    struct settings_mapping *mapping, struct err *reterr)
{
	const struct settings_list *list = &destination->anonymous;
	size_t count = 0;

	if (list->count == 1 && strcmp(list->items[0], "skip") == 0)
		return true;
	if (list->count == 0 || list->count > 2)
		return anonymous_fault(destination, reterr);
	for (; count < list->count; count++) {
		if (strcmp(list->items[count], "device") == 0)
			mapping->anonymous[count] = TRACK_ANONYMOUS_DEVICE;
		else if (strcmp(list->items[count], "braze_id") == 0)
			mapping->anonymous[count] = TRACK_ANONYMOUS_BRAZE;
		else
			return anonymous_fault(destination, reterr);
	}
	return mapping->anonymous[0] != mapping->anonymous[1] ||
	       anonymous_fault(destination, reterr);
}

static bool
rename_valid(const char *text)
{
	const char *equals = strchr(text, '=');

	/* Heap drops blank names. */
	return equals != NULL && equals != text &&
	       !text_blank(str_text(equals + 1));
}

static bool
renames_make(const struct settings_destination *destination,
    struct settings_mapping *mapping, struct err *reterr)
{
	const struct settings_list *list = &destination->rename;
	size_t room = 1;
	char *at;

	for (size_t i = 0; i < list->count; i++) {
		if (!rename_valid(list->items[i]))
			return err_set(reterr, ERR_CONFIG,
			    "destination \"%s\": CURRENTSD_HEAP_RENAME (in the "
			    "file: rename), number %zu: should be OLD=NEW",
			    destination->name, i + 1);
		room += strlen(list->items[i]) + 1;
	}
	mapping->renames = calloc(list->count + 1, sizeof(*mapping->renames));
	mapping->text = at = malloc(room);
	if (mapping->renames == NULL || mapping->text == NULL)
		return err_set_nomem(reterr);
	for (size_t i = 0; i < list->count; i++) {
		struct track_rename *rename = &mapping->renames[i];

		memcpy(at, list->items[i], strlen(list->items[i]) + 1);
		rename->from = at;
		at += strcspn(at, "=");
		*at++ = '\0';
		rename->to = at;
		at += strlen(at) + 1;
	}
	mapping->rename_count = list->count;
	return true;
}

/* With the key the hashes of all known addresses can be tried. */
static bool
key_file_check(const char *path, const struct stat *st, struct err *reterr)
{
	if ((st->st_mode & (S_IRWXO | S_IWGRP)) == 0)
		return true;
	return err_set(reterr, ERR_CONFIG,
	    "other users can read or write the key file %s (mode %03o), and "
	    "could undo the hashes: chmod 600 %s",
	    path, (unsigned)st->st_mode & 0777, path);
}

static bool
key_make(const char *path, struct settings_mapping *mapping, struct err *reterr)
{
	FILE *file = fopen(path, "re");
	bool ok = false;
	struct stat st;
	size_t len;

	if (file == NULL || fstat(fileno(file), &st) != 0) {
		(void)err_set(reterr, ERR_CONFIG,
		    "cannot read the key file %s: %s", path, strerror(errno));
		goto out;
	}
	if (!key_file_check(path, &st, reterr))
		goto out;
	len = fread(mapping->key, 1, sizeof(mapping->key), file);
	/* An editor's last newline is not part of the key. */
	while (len > 0 && strchr("\r\n", mapping->key[len - 1]) != NULL &&
	       mapping->key[len - 1] != '\0')
		len--;
	if (ferror(file) != 0 || len > KEY_MAX || len < TRACK_KEY_FILE_MIN) {
		(void)err_set(reterr, ERR_CONFIG,
		    "the key file %s should have %d to %d bytes; make one "
		    "with: openssl rand -hex 32",
		    path, TRACK_KEY_FILE_MIN, KEY_MAX);
		goto out;
	}
	mapping->key_len = len;
	ok = true;
out:
	if (file != NULL)
		(void)fclose(file);
	return ok;
}

static bool
key_needed(const struct settings_destination *destination, struct err *reterr)
{
	if (destination->hash.count == 0 && !destination->identity_hash)
		return true;
	return err_set(reterr, ERR_CONFIG,
	    "destination \"%s\": %s needs a key: set "
	    "CURRENTSD_HEAP_HASH_KEY_FILE (in the file: hash_key_file) to a "
	    "file made with: (umask 077; openssl rand -hex 32 >FILE)",
	    destination->name,
	    destination->identity_hash ? "identity_hash" : "hash");
}

static struct track_list
list_lend(const struct settings_list *list)
{
	return (struct track_list){
	    (const char *const *)list->items, list->count};
}

void
settings_rules(
    const struct settings_destination *destination, struct track_rules *rules)
{
	const struct settings_mapping *mapping = destination->mapping;

	track_rules_init(rules);
	rules->identity = destination->identity == SETTINGS_USER_ID
			      ? TRACK_IDENTITY_BRAZE
			      : TRACK_IDENTITY_EXTERNAL;
	rules->alias_label = destination->alias_label;
	rules->no_user_dead = destination->no_user == SETTINGS_INVALID_DEAD;
	rules->placeholders = list_lend(&destination->placeholders);
	rules->identity_hash = destination->identity_hash;
	rules->prefix = destination->prefix;
	rules->custom_event_name =
	    destination->custom_event_name == SETTINGS_NAME_NAME;
	rules->add_channel = destination->add_channel;
	rules->add_event_id = destination->add_event_id;
	rules->add_user_id = destination->add_user_id;
	rules->add_device_id = destination->add_device_id;
	rules->add_timezone = destination->add_timezone;
	rules->keep = list_lend(&destination->keep);
	rules->drop = list_lend(&destination->drop);
	rules->hash = list_lend(&destination->hash);
	if (mapping == NULL)
		return;
	memcpy(rules->anonymous, mapping->anonymous, sizeof(rules->anonymous));
	rules->renames = mapping->renames;
	rules->rename_count = mapping->rename_count;
	if (mapping->key_len > 0)
		rules->key =
		    str_bytes((const char *)mapping->key, mapping->key_len);
}

/* ---- the summary of privacy ---- */

static const char *
class_fate(enum redact_extent extent)
{
	switch (extent) {
	case REDACT_LEAVES_OUT:
		return "left-out";
	case REDACT_HASHES_PART:
		return "hashed-in-part";
	case REDACT_HASHES:
		return "hashed";
	case REDACT_SENDS_PART:
		return "in-part";
	case REDACT_SENDS:
		return "SENT";
	}
	return NULL;
}

/* " content=... contact=..."; true if anything of them is sent. */
static bool
classes_write(const struct settings_destination *destination, struct buf *out)
{
	struct track_rules rules;
	bool sent = false;

	settings_rules(destination, &rules);
	for (size_t i = 0; i < CLASSES; i++) {
		enum redact_extent extent =
		    redact_class_extent(&rules, class_names[i]);

		sent |= extent == REDACT_SENDS_PART || extent == REDACT_SENDS;
		(void)buf_printf(
		    out, " %s=%s", class_names[i], class_fate(extent));
	}
	return sent;
}

static void
selectors_warn(const struct settings_destination *destination, const char *key,
    const struct settings_list *list, struct buf *warnings)
{
	for (size_t i = 0; i < list->count; i++) {
		const char *what = NULL;

		switch (redact_selector_check(list->items[i])) {
		case REDACT_SELECTS_NOTHING:
			what = "selects nothing that the catalogue has: is it "
			       "written right?";
			break;
		case REDACT_SELECTS_SECRETS:
			if (list == &destination->keep)
				what = "selects only what is secret, which is "
				       "never sent";
			break;
		case REDACT_SELECTS:
			break;
		}
		if (what != NULL)
			(void)buf_printf(warnings,
			    "destination \"%s\": %s: %s %s\n",
			    destination->name, key, list->items[i], what);
	}
}

/* What is sent cannot be taken back, so it gets a warning of its own. */
static void
privacy_warn(
    const struct settings_destination *destination, struct buf *warnings)
{
	size_t before;

	selectors_warn(destination, "keep", &destination->keep, warnings);
	selectors_warn(destination, "drop", &destination->drop, warnings);
	selectors_warn(destination, "hash", &destination->hash, warnings);
	if (destination->keep.count == 0)
		return;
	before = warnings->len;
	(void)buf_printf(warnings,
	    "destination \"%s\": private properties are sent to Heap, which "
	    "cannot be undone:",
	    destination->name);
	if (classes_write(destination, warnings))
		(void)buf_char(warnings, '\n');
	else
		buf_truncate(warnings, before);
}

static void
list_write(const char *key, const struct settings_list *list, struct buf *out)
{
	if (list->count == 0)
		return;
	(void)buf_printf(out, " %s=", key);
	for (size_t i = 0; i < list->count; i++)
		(void)buf_printf(out, "%s%s", i > 0 ? "," : "", list->items[i]);
}

void
settings_privacy_write(
    const struct settings_destination *destination, struct buf *out)
{
	(void)buf_text(out, "secret=never-sent");
	(void)classes_write(destination, out);
	list_write("keep", &destination->keep, out);
	list_write("drop", &destination->drop, out);
	list_write("hash", &destination->hash, out);
	(void)buf_printf(out, " identity=%s%s",
	    destination->identity == SETTINGS_USER_ID ? "user_id"
						      : "external_user_id",
	    destination->identity_hash ? ",hashed" : "");
}

/* ---- all of it ---- */

bool
settings_mapping_make(struct settings_destination *destination,
    struct buf *warnings, struct err *reterr)
{
	struct settings_mapping *mapping = calloc(1, sizeof(*mapping));

	if (mapping == NULL)
		return err_set_nomem(reterr);
	settings_mapping_free(destination->mapping);
	destination->mapping = mapping;
	if (!anonymous_make(destination, mapping, reterr) ||
	    !renames_make(destination, mapping, reterr))
		return false;
	if (destination->hash_key_file == NULL) {
		if (!key_needed(destination, reterr))
			return false;
	} else if (!key_make(destination->hash_key_file, mapping, reterr)) {
		return false;
	}
	if (destination->identity == SETTINGS_USER_ID)
		(void)buf_printf(warnings,
		    "destination \"%s\": identity = user_id: when Braze merges "
		    "two profiles (users.UserOrphan), the person remains two "
		    "users in Heap, which cannot merge them\n",
		    destination->name);
	if (destination->dry_run)
		(void)buf_printf(warnings,
		    "destination \"%s\": dry_run: nothing is sent; the events "
		    "stay queued and fill the queue\n",
		    destination->name);
	privacy_warn(destination, warnings);
	return true;
}
