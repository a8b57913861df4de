#ifndef DAEMON_SETTINGS_H
#define DAEMON_SETTINGS_H

/*
 * The settings. Each is stored in one place, in the struct of the module that
 * uses it. The modules' own functions fill in the defaults, and a row of the
 * table in settings_table.c gives the name, the syntax and the limits of a
 * member. The file, the environment, `currentsd help settings` and the manual
 * page all use this table.
 *
 * A source and a destination have a kind, and each kind has rows of its own.
 * Half of the kinds are of events, the others of changes of a set: a source
 * sends to a destination of its half.
 *
 * The order of precedence is environment, file of variables
 * (settings_envfile.c), file of settings, default. A variable of a source
 * or a destination sets the only one of the kinds that have it. If there is
 * none, the variable makes one; if there are several, it is an error, because
 * it is unclear which one the variable is for.
 *
 * Read before threads start, and again while they run (daemon/reload.h); what
 * was read does not change.
 */

#include "base/buf.h"
#include "base/log.h"
#include "daemon/notices.h"
#include "forwarder/forwarder.h"
#include "queue/queue.h"
#include "schema/attributes/attributes.h"
#include "schema/cohorts/cohorts.h"
#include "schema/currents/currents.h"
#include "schema/segments/segments.h"
#include "schema/track/track.h"
#include "server/server.h"

#include <stddef.h>
#include <stdint.h>

enum { SETTINGS_DIGEST = 32 };

struct setting_origin;	  /* see settings_table.h */
struct settings_variable; /* likewise */

enum settings_source_kind { SETTINGS_CURRENTS, SETTINGS_SEGMENTS };
enum settings_on_delete { SETTINGS_ON_DELETE_LIST, SETTINGS_ON_DELETE_ERASE };

struct settings_source {
	enum settings_source_kind kind;
	struct server_source server; /* without its context */
	const char *secrets_file;

	/* of currents */
	enum settings_on_delete on_delete;
	struct currents_settings currents;

	struct segments_settings segments; /* of this kind */

	const struct setting_origin *origins;
};

enum settings_destination_kind {
	SETTINGS_TRACK,
	SETTINGS_ATTRIBUTES,
	SETTINGS_COHORTS,
};
enum settings_region { SETTINGS_NO_REGION = -1, SETTINGS_US, SETTINGS_EU };

struct settings_destination {
	enum settings_destination_kind kind;
	const char *formerly; /* the name of a destination that it continues */
	/* see settings_forwarder_destination() */
	struct forwarder_destination forwarder;
	size_t request_items[SETTINGS_COHORTS + 1]; /* at most, by kind */

	/* of track */
	struct track_settings track;
	enum settings_region region;
	const char *hash_key_file;
	bool rules_complete; /* see settings_rules_complete() */

	/* of attributes */
	struct attributes_settings attributes;
	const char *api_key_file;

	/* of cohorts */
	struct cohorts_settings cohorts;
	const char *partner_key_file, *import_key_file;

	const struct setting_origin *origins;
};

struct settings {
	const char *config;    /* the file, or NULL */
	const char *env_file;  /* the file of variables, or NULL */
	const char *unread;    /* the same, if this user may not read it */
	const char *catalogue; /* the file that adds to it, or NULL */
	unsigned char catalogue_digest[SETTINGS_DIGEST]; /* of its text */
	const struct catalogue *types; /* with what the file adds */
	bool allow_volatile_state;
	struct log_settings log;
	int64_t stop_timeout_ms;
	int64_t erase_interval_ms;
	int64_t silence_ms; /* of a source, at most; 0: any */
	struct notices_settings notices;
	const char *notify_url_file;
	const char *report_timezone; /* daemon/zone.h */
	bool cohorts; /* the kind of the destination that variables make; else
		       * it is attributes */
	struct queue_settings queue;   /* its directory is the state's */
	struct server_settings server; /* without sources and views */
	const char *view_tokens_file, *admin_tokens_file;

	struct settings_source *sources;
	size_t source_count;
	struct settings_destination *destinations;
	size_t destination_count;

	const struct settings *first; /* that this program read; NULL: these */
	const struct setting_origin *origins;
	struct settings_variable *variables; /* of env_file */
	struct buf warnings;		/* lines, each ended by a newline */
	struct settings_memory *memory; /* what all pointers above point to */
};

/*
 * Read the file (config, or $CURRENTSD_CONFIG, or /etc/currentsd/currentsd.conf
 * if there is one), the file of variables ($CURRENTSD_ENV_FILE, or
 * /etc/currentsd/currentsd.env if there is one that this user may read), and
 * the environment. The result has at least one source and one destination, and
 * each value is valid; but what serve needs may still be missing.
 * The catalogue with what its file adds is in use, for the whole program, until
 * settings_fini(). ERR_CONFIG with a sentence that says what to do, and
 * contains no secret.
 */
MUST_USE bool settings_read(
    const char *config, struct settings *ret_settings, struct err *reterr);

/* The same while threads run on `first`, which was read so and stays lent. The
 * environment stays as it is, and the catalogue in use does until
 * catalogue_use(). One thread at a time. */
MUST_USE bool settings_read_again(const struct settings *first,
    const char *config, struct settings *ret_settings, struct err *reterr);

/* Give the settings, which were read again, the values that are in force of
 * those that need a restart. */
MUST_USE bool settings_keep(struct settings *settings,
    const struct settings *in_force, struct err *reterr);

/* Require everything that serve needs: read the files of secrets, complete
 * URLs, link sources to destinations. *settings gains warnings. */
MUST_USE bool settings_complete(struct settings *settings, struct err *reterr);

/* The time zone of report_timezone (daemon/zone.h), for zone_free(). */
struct zone;
MUST_USE bool settings_zone_open(const struct settings *settings,
    struct zone **ret_zone, struct err *reterr);

/* The parts of this that commands need while no daemon runs; each is done only
 * once. The rules of a destination get their key. A source gets its destination
 * (the first that takes what it sends, if none is named) and, with private_at =
 * accept, the completed rules of that destination. */
MUST_USE bool settings_rules_complete(struct settings *settings,
    struct settings_destination *destination, struct err *reterr);
MUST_USE bool settings_source_link(struct settings *settings,
    struct settings_source *source, struct err *reterr);

/* Make a context of the source's intake, for server_source.context or for
 * reading events without a server. The settings stay lent. */
MUST_USE bool settings_source_context(const struct settings_source *source,
    struct intake_context **ret_context, struct err *reterr);

/* The dialect's own settings of a destination, for its outlet. */
const void *
settings_outlet_settings(const struct settings_destination *destination);

/* Make the forwarder's settings of a destination, which lend from *settings. */
void settings_forwarder_destination(const struct settings *settings,
    const struct settings_destination *destination,
    struct forwarder_destination *ret_destination);

/* Append them as key=value pairs for the log, without secrets. */
void settings_outlet_write(
    const struct settings_destination *destination, struct buf *out);

/* The source, or destination, of that name (NULL: the first), or NULL. */
struct settings_source *
settings_source_find(const struct settings *settings, const char *name);
struct settings_destination *
settings_destination_find(const struct settings *settings, const char *name);

/* Append the rules of identity as the queue has them with what was posted; of
 * a destination of changes there are none. */
MUST_USE bool settings_identity_write(struct settings *settings,
    struct settings_destination *destination, struct buf *out,
    struct err *reterr);

/* The warning at *at, which is 0 for the first one and advances; false after
 * the last. */
bool settings_warning_next(
    const struct settings *settings, size_t *at, struct str *ret_line);

/* Can nobody on the way read what is sent there? It is https, or plain http
 * to this machine. */
bool settings_url_private(const char *url);

/* What a source of an intake proves itself with: "token" or "secret". */
const char *settings_secret_noun(const struct intake *intake);

/* How many items a NULL-terminated list has. */
size_t settings_list_count(const char *const *list);

/* Which personal data goes to Heap, as one line: key=value for the log. Of the
 * kind track. */
void settings_privacy_write(
    const struct settings_destination *destination, struct buf *out);

/* Where a value comes from. */
enum settings_origin {
	SETTINGS_DEFAULT,
	SETTINGS_FILE,	      /* a line of the file of settings */
	SETTINGS_ENVIRONMENT, /* a variable, perhaps of the file of those */
	SETTINGS_CREDENTIAL,  /* a file that has nothing but the secret */
};

/* A setting as it was read, or once the settings are complete, as it is in
 * force. All is lent for the call. */
struct settings_row {
	const char *section; /* "source"; NULL: of the daemon */
	const char *name;    /* of the source or destination */
	const char *key;
	struct str value, preset; /* as the file has them, but a secret is
				   * masked; empty: there is none */
	const char *const *items; /* of a list: the same, NULL-terminated */
	unsigned char digest[SETTINGS_DIGEST]; /* of the value, not masked, and
						* of what its file has */
	bool changed;			       /* it is not the default */
	bool secret;
	bool restart; /* read again, it takes effect only at a restart */
	enum settings_origin origin;
	const char *path;     /* of origin; NULL: the environment itself */
	int line;	      /* of path; 0: all of it */
	const char *variable; /* of ENVIRONMENT */
};

/* Call `fn` for each setting, in the order of the table: those of the daemon,
 * then those of each source, then of each destination. */
typedef void settings_row_fn(void *arg, const struct settings_row *row);
MUST_USE bool settings_rows(const struct settings *settings,
    settings_row_fn *fn, void *arg, struct err *reterr);

/* Append the row's value in the syntax of the file. */
void settings_row_write(const struct settings_row *row, struct buf *out);

/* Free what settings_read() made, and wipe secrets. With what the program read
 * first, catalogues end, too. */
void settings_fini(struct settings *settings);

/* For `currentsd help settings`. */
void settings_help_write(struct buf *out);

#endif
