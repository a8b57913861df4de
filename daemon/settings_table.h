#ifndef DAEMON_SETTINGS_TABLE_H
#define DAEMON_SETTINGS_TABLE_H

/* The rows of the table of settings, and the functions that read and write a
 * value. */

#include "daemon/settings.h"

enum setting_type {
	SETTING_TEXT,	  /* const char * */
	SETTING_PATH,	  /* const char * */
	SETTING_ADDRESS,  /* const char *: ADDRESS:PORT or [V6]:PORT */
	SETTING_LISTEN,	  /* LIST of such, or of unix:PATH */
	SETTING_MODE,	  /* unsigned: of a file, octal */
	SETTING_INTEGER,  /* an integer of 32 or 64 bits, like the next two */
	SETTING_SIZE,	  /* in bytes: 16M */
	SETTING_DURATION, /* in milliseconds: 30s */
	SETTING_SECONDS,  /* the same, kept in seconds, rounded up */
	SETTING_FLAG,	  /* bool: yes or no */
	SETTING_WORD,	  /* enum or bool: the word's position in the row */
	SETTING_WORDS,	  /* array of enums: several such, the first alone */
	SETTING_LIST,	  /* const char *const *: NULL-terminated */
	SETTING_NETWORKS, /* the same, of what server_network_valid() takes */
	SETTING_PAIRS,	  /* const struct track_rename *: OLD=NEW */
};

/* The default places; a variable names another file. */
#define SETTINGS_ETC_CONFIG "/etc/currentsd/currentsd.conf"
#define SETTINGS_CONFIG	    "CURRENTSD_CONFIG"
#define SETTINGS_ETC_ENV    "/etc/currentsd/currentsd.env"
#define SETTINGS_ENV_FILE   "CURRENTSD_ENV_FILE"
#define SETTINGS_STATE_DIR  "/var/lib/currentsd"

/* Where the value of a member was set; the newest comes first. */
struct setting_origin {
	const struct setting_origin *next;
	const char *key;
	const char *path; /* the file, or NULL: the environment itself */
	int line;
	const char *variable; /* or NULL: a line of the settings file */
};

/* A variable of the file of variables; the newest comes first. */
struct settings_variable {
	struct settings_variable *next;
	const char *name, *value, *path;
	int line;
	bool put; /* into the environment, which did not have it */
};

struct setting {
	const char *key;
	enum setting_type type;
	size_t at, size;     /* of the member, in the struct of its section */
	size_t count_at;     /* LIST, PAIRS: of their count (size_t); 0: none */
	int64_t least, most; /* of numbers; sizes in bytes, durations in ms */
	const char *words;   /* "us|eu" */
	bool file_only;	     /* there is no variable */
	bool secret;	     /* never shown */
	bool live;	     /* at the top: see setting_is_live() */
	const char *help;
};

/* The rows that a kind of source or destination has beside those of all. */
struct setting_kind {
	const char *name;   /* NULL: of the main section, which has no kinds */
	const char *head;   /* of its rows in the help */
	const char *prefix; /* a variable is this and the key in capitals */
	bool set;	    /* of changes of a set, not of events */
	const struct setting *rows;
};

enum setting_section_name {
	SETTING_MAIN,	     /* struct settings */
	SETTING_SOURCE,	     /* struct settings_source */
	SETTING_DESTINATION, /* struct settings_destination */
	SETTING_SECTIONS     /* how many */
};

/* The part of the file, and the struct that it fills. */
struct setting_section {
	const char *name; /* in the file: "source"; NULL: the top */
	const char *head; /* of the rows that all kinds have */
	const struct setting *rows;
	const struct setting_kind *kinds;
	size_t kind_count;
};

extern const struct setting_section setting_sections[SETTING_SECTIONS];

/* The kind of the section's struct. */
size_t setting_kind_of(enum setting_section_name section, const void *base);

/* Row `i` of a section for one of its kinds: first the rows of all kinds, then
 * its own; NULL after the last. */
const struct setting *
setting_row(const struct setting_section *section, size_t kind, size_t i);

/* The row of that key, likewise; NULL if the kind has none. */
const struct setting *setting_find(
    const struct setting_section *section, size_t kind, const char *key);

/* Is it put in force when the settings are read again? Else by a restart. */
bool setting_is_live(
    const struct setting_section *section, const struct setting *row);

enum { SETTING_NAME = 64 }; /* bytes of a variable, including its NUL */

/* The row's variable, for a kind; false if it has none. */
bool setting_variable(const struct setting *row,
    const struct setting_kind *kind, char ret[SETTING_NAME]);

/* The known variable or key that is closest to an unknown one; false if none is
 * close. */
bool setting_nearest(const char *word, bool variable, char ret[SETTING_NAME]);

/* Fill a section's struct with the defaults. */
void setting_defaults(enum setting_section_name section, void *ret_base);

/* Read a value, or the items of a list, into the member of *base; `settings`
 * owns the memory. The error says what the value should be, and never what it
 * is, because it may be a secret in the wrong place. */
MUST_USE bool setting_read(const struct setting *row, struct settings *settings,
    const char *text, void *base, struct err *reterr);
MUST_USE bool
setting_read_items(const struct setting *row, struct settings *settings,
    const char *const *items, size_t count, void *base, struct err *reterr);

/* Does its value have several items? */
bool setting_is_list(const struct setting *row);

/* Append the member of *base in the syntax of the settings; nothing if it is
 * unset. */
void
setting_write(const struct setting *row, const void *base, struct buf *out);

/* A row as the help and the manual show it. */
struct setting_shown {
	const struct setting *row;
	const char *form;     /* of its value: "SIZE", "yes|no" */
	struct buf variables; /* "A, B"; may be empty, like the next */
	struct buf preset;    /* the default */
};

/* Show all rows: of each section those of all kinds, then those of each
 * kind. */
typedef void setting_head_fn(const char *head, struct buf *out);
typedef void
setting_shown_fn(const struct setting_shown *shown, struct buf *out);
void
settings_show(setting_head_fn *head, setting_shown_fn *fn, struct buf *out);

/* Note where the value of a member comes from: a file and a line of it, or a
 * variable; `path` and `line` of a variable say where it is set, if not in the
 * environment itself. The texts are lent. */
MUST_USE bool setting_origin_add(struct settings *settings,
    const struct setting_origin **origins, const char *key, const char *path,
    int line, const char *variable, struct err *reterr);

/* Where the last value of the member comes from; NULL: it is the default. */
const struct setting_origin *
setting_origin_find(const struct setting_origin *origins, const char *key);

/* Read the pairs of the file of variables, unless there is no such file. If
 * these are the first settings, they also go into the environment, until
 * settings_fini(). A file in the default place that may not be read is noted in
 * settings.unread. */
MUST_USE bool
settings_envfile_read(struct settings *settings, struct err *reterr);

/* The value of a variable, of the environment or else of that file; NULL: it is
 * not set. */
const char *settings_getenv(const struct settings *settings, const char *name);

/* The line of that file that set a variable, and the file; 0: none did. */
int settings_variable_line(
    const struct settings *settings, const char *name, const char **ret_path);

/* A file could not be opened: say so by errno, and which user may read it. */
void
settings_unreadable(const char *path, const char *what, struct err *reterr);

/* Reading or completing the settings failed with *reterr: add that the file of
 * variables could not be read, if so. Returns false. */
bool settings_unread_tell(const struct settings *settings, struct err *reterr);

/* Memory that lives as long as the settings; NULL if there is none. */
void *settings_alloc(struct settings *settings, size_t size);
char *settings_copy(struct settings *settings, const char *text);

/* Append a source or destination with its defaults. */
MUST_USE bool settings_source_add(struct settings *settings, const char *name,
    struct settings_source **ret_source, struct err *reterr);
MUST_USE bool
settings_destination_add(struct settings *settings, const char *name,
    struct settings_destination **ret_destination, struct err *reterr);

#endif
