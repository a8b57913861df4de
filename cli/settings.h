#ifndef CLI_SETTINGS_H
#define CLI_SETTINGS_H

/*
 * The settings. One table (settings_table.c) stands behind the file, the
 * environment, `currentsd help settings`, and the manual page: a setting is
 * one row there and one member here.
 *
 * The order of precedence: environment, file, default. Variables of a source
 * or a destination mean the only one there is; with several it is an error,
 * since it could not be told which is meant.
 *
 * Read once, before threads start; read only from then on.
 */

#include "base/buf.h"
#include "schema/track.h"

#include <stddef.h>
#include <stdint.h>

enum settings_type {
	SETTINGS_TEXT,	   /* char * */
	SETTINGS_PATH,	   /* char * */
	SETTINGS_ADDRESS,  /* char *: ADDRESS:PORT or [V6]:PORT */
	SETTINGS_INTEGER,  /* int64_t */
	SETTINGS_SIZE,	   /* int64_t, bytes: 16M */
	SETTINGS_DURATION, /* int64_t, milliseconds: 30s */
	SETTINGS_FLAG,	   /* bool: yes or no */
	SETTINGS_WORD,	   /* int64_t: position in the row's words, -1: unset */
	SETTINGS_LIST,	   /* struct settings_list */
};

enum settings_section {
	SETTINGS_MAIN,
	SETTINGS_SOURCE,
	SETTINGS_DESTINATION,
};

/* One row of the table. */
struct setting {
	enum settings_section section;
	const char *key;
	const char *variable; /* of the environment; NULL: only in the file */
	enum settings_type type;
	size_t at;	     /* offset of the member in its struct */
	const char *preset;  /* the default as one would write it, or NULL */
	int64_t least, most; /* of numbers */
	const char *words;   /* SETTINGS_WORD: "us|eu" */
	const char *help;
};

/* Ends with a row whose key is NULL. */
extern const struct setting settings_table[];

struct settings_list {
	char **items; /* NULL-ended once there is an item */
	size_t count;
};

/* The positions of words, as the table spells them. */
enum settings_rule { SETTINGS_FORWARD, SETTINGS_DEAD, SETTINGS_DROP };
enum settings_invalid { SETTINGS_INVALID_DEAD, SETTINGS_INVALID_DROP };
enum settings_region { SETTINGS_US, SETTINGS_EU };
enum settings_private_at { SETTINGS_AT_DELIVERY, SETTINGS_AT_ACCEPT };
enum settings_on_delete { SETTINGS_ON_DELETE_LIST, SETTINGS_ON_DELETE_ERASE };
enum settings_identity { SETTINGS_EXTERNAL_USER_ID, SETTINGS_USER_ID };
enum settings_event_name { SETTINGS_NAME_TYPE, SETTINGS_NAME_NAME };

struct settings_source {
	char *name;
	char *parameter;
	char *destination;
	struct settings_list tokens; /* once complete: the file's too */
	char *token_file;
	bool open;
	int64_t unknown_type; /* enum settings_rule */
	int64_t invalid;      /* enum settings_invalid */
	struct settings_list include, exclude;
	int64_t private_at; /* enum settings_private_at */
	int64_t on_delete;  /* enum settings_on_delete */
};

struct settings_destination {
	char *name;
	char *app_id;
	int64_t region; /* enum settings_region, -1 if not set */
	char *url;	/* once complete: that of track */
	char *ca_file, *proxy;
	int64_t share;
	int64_t events_per_minute, identity_per_minute;
	int64_t request_events, request_bytes, in_flight;
	int64_t linger_ms, connect_timeout_ms, timeout_ms;
	int64_t backoff_first_ms, backoff_most_ms, retry_after_most_ms;
	int64_t probe_ms, defer_ms;
	bool dry_run;

	/* the mapping: see schema/track.h */
	int64_t identity; /* enum settings_identity */
	char *alias_label;
	struct settings_list anonymous;
	int64_t no_user; /* enum settings_invalid */
	struct settings_list placeholders;
	bool identity_hash;
	char *prefix;
	struct settings_list rename;
	int64_t custom_event_name; /* enum settings_event_name */
	bool add_channel, add_event_id, add_user_id, add_device_id;
	bool add_timezone;
	struct settings_list keep, drop, hash;
	char *hash_key_file;
	struct settings_mapping *mapping; /* what is made of these, or NULL */
};

struct settings {
	char *config; /* the file, or NULL */
	char *listen, *admin, *state_dir;
	bool allow_volatile_state;
	int64_t log_level; /* enum log_level */
	int64_t threads, max_connections, max_events;
	int64_t body_limit, body_memory;
	int64_t request_timeout_ms, idle_timeout_ms, retry_after_ms;
	int64_t queue_max_bytes, queue_min_free, queue_reserve;
	int64_t queue_window, queue_pending;
	int64_t unreadable_max_bytes;
	int64_t keep_archive_ms, archive_max_bytes;
	int64_t queue_drift;
	int64_t erase_interval_ms;

	struct settings_source *sources;
	size_t source_count;
	struct settings_destination *destinations;
	size_t destination_count;

	struct buf warnings; /* lines, each ended by a newline */
};

enum {
	SETTINGS_SOURCES_MAX = 256,
	SETTINGS_DESTINATIONS_MAX = 64,
};

/*
 * Read file (config, or $CURRENTSD_CONFIG, or none) and environment. What is
 * needed to serve is not yet asked for, not even a state directory, but each
 * value is valid. ERR_CONFIG with a sentence that says what to do, and no secret.
 */
MUST_USE bool settings_read(
    const char *config, struct settings *ret_settings, struct err *reterr);

/* Ask for what is needed to serve: token files are read, URLs made, names
 * linked; *settings gains warnings. */
MUST_USE bool settings_complete(struct settings *settings, struct err *reterr);

/* The destination of that name (NULL: the first), or NULL. */
struct settings_destination *
settings_destination_find(struct settings *settings, const char *name);

/* Is there one of that name? */
bool
settings_destination_has(const struct settings *settings, const char *name);

/* Ask for a state directory; settings_complete() does, too. */
MUST_USE bool
settings_place(const struct settings *settings, struct err *reterr);

/* Make of a destination's settings how to map; settings_complete() does it
 * for all. The key file is read. */
MUST_USE bool settings_mapping_make(struct settings_destination *destination,
    struct buf *warnings, struct err *reterr);
void settings_mapping_free(struct settings_mapping *mapping);

/* The rules that were made; they lend from the destination. */
void settings_rules(const struct settings_destination *destination,
    struct track_rules *ret_rules);

/* What personal data goes to Heap, as one line: key=value for the log. */
void settings_privacy_write(
    const struct settings_destination *destination, struct buf *out);

/* Takes what settings_read() made, once. */
void settings_fini(struct settings *settings);

/* For `currentsd help settings`, and the same as lines of roff. */
void settings_help_write(struct buf *out);
void settings_roff_write(struct buf *out);
void settings_roff_text(struct buf *out, const char *text);

/* ---- the parts of settings_read(); for them and for tests ---- */

/* Defaults for all of a section's members. */
MUST_USE bool
settings_preset(enum settings_section section, void *base, struct err *reterr);

/* Read one value into its member. The error says what it should be, and
 * never what it is: it may be a secret in the wrong place. */
MUST_USE bool settings_value_read(const struct setting *setting,
    const char *text, void *base, struct err *reterr);

/* Empty it. */
void settings_list_clear(struct settings_list *list);

/* Take back the memory of a section's members. */
void settings_values_fini(enum settings_section section, void *base);

MUST_USE bool settings_list_add(
    struct settings_list *list, const char *item, struct err *reterr);

MUST_USE bool settings_source_add(struct settings *settings, const char *name,
    struct settings_source **ret_source, struct err *reterr);
MUST_USE bool
settings_destination_add(struct settings *settings, const char *name,
    struct settings_destination **ret_destination, struct err *reterr);

MUST_USE bool settings_file_read(
    const char *path, struct settings *settings, struct err *reterr);
MUST_USE bool settings_environment_read(
    char *const *environment, struct settings *settings, struct err *reterr);

/* Does every ${NAME} in the text have a value, and every brace its mate? */
MUST_USE bool
settings_text_check(const char *path, const char *text, struct err *reterr);

/* Read a file of tokens, one a line, into the list. */
MUST_USE bool settings_tokens_read(const char *path, struct settings_list *list,
    struct buf *warnings, struct err *reterr);

/* Bearer tokens are visible ASCII without blanks. */
MUST_USE bool settings_token_valid(const char *token);

/* The known word that is nearest to one that is not known, or NULL if none
 * is near. */
const char *settings_nearest(const char *word, bool variables);

/* The word at a position of "a|b|c". */
void settings_word_write(const char *words, int64_t at, char *ret, size_t size);

#endif
