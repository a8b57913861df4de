#ifndef SCHEMA_CURRENTS_CURRENTS_H
#define SCHEMA_CURRENTS_CURRENTS_H

/*
 * The incoming format of Braze Currents. The facts about it come from Braze's
 * documentation of the Custom HTTP connector; events.json, the catalogue,
 * collects them.
 *
 *	the intake	turns a body into items, for the server
 *	reading		finds the exact bytes of each event, and judges each
 *	drift		what Braze changed, as text
 *	the catalogue	what the operator adds to it
 *	documents	the catalogue in a form for other programs
 *	samples		makes realistic events
 *	persons		is an event about a certain person?
 *	campaigns	which campaign or Canvas an event is of, and when
 *
 * No I/O, no clock. Any thread, unless a function says otherwise; one struct
 * currents_batch or struct sample belongs to one thread at a time.
 */

#include "base/table.h"
#include "schema/dialect.h"

/* ---- the intake ---- */

/* The type of event that requests the erasure of a person. */
#define CURRENTS_ERASURE "users.UserDeleteRequest"

enum currents_rule { CURRENTS_FORWARD, CURRENTS_DEAD, CURRENTS_DROP };
enum currents_private_at { CURRENTS_AT_DELIVERY, CURRENTS_AT_ACCEPT };

/*
 * Append an event's bytes without those that must not be stored: at most
 * CURRENTS_REDACT_GROWTH times as many bytes, plus CURRENTS_REDACT_MORE. False
 * without memory, or with ERR_INPUT if the event is not readable JSON; then
 * nothing was appended.
 */
typedef bool currents_redact_fn(
    const void *rules, struct str event, struct buf *out, struct err *reterr);
enum { CURRENTS_REDACT_GROWTH = 40, CURRENTS_REDACT_MORE = 4096 };

/* Does that remove a property that the catalogue does not know, only because
 * no one has decided about it? */
typedef bool
currents_left_out_fn(const void *rules, struct str type, struct str property);

/* The settings of a source of this kind. The defaults are all zero. */
struct currents_settings {
	enum currents_rule unknown_type; /* events that the catalogue lacks */
	bool invalid_dropped;		 /* else they are dead letters */

	/* Types, with `*`, NULL-terminated. NULL or empty: include all, exclude
	 * none. */
	const char *const *include, *const *exclude;

	const struct catalogue *catalogue; /* NULL: the one in use */

	/* When to remove from an event what its destination does not get. At
	 * acceptance, `redact` removes it, so that it is never stored; an event
	 * or a whole body that is not readable JSON is stored as received. */
	enum currents_private_at private_at;
	currents_redact_fn *redact;
	currents_left_out_fn *left_out;
	const void *redact_rules;
};

extern const struct intake currents_intake;

/* ---- reading ---- */

enum { CURRENTS_DRIFT_MAX = 256 }; /* different drifts of one batch */

/* Why an event is invalid. */
enum currents_defect {
	CURRENTS_VALID,
	CURRENTS_NOT_OBJECT,	   /* a number, a string, ... */
	CURRENTS_BAD_UTF8,	   /* RFC 3629 */
	CURRENTS_TOO_DEEP,	   /* deeper than SCAN_DEPTH */
	CURRENTS_NO_TYPE,	   /* no usable event_type */
	CURRENTS_NO_ID,		   /* no usable id */
	CURRENTS_NO_TIME,	   /* no usable time */
	CURRENTS_WRONG_TYPE,	   /* of a property that the catalogue knows */
	CURRENTS_REQUIRED_MISSING, /* absent or null */
};

struct currents_event {
	size_t at, len;	     /* the event's bytes in the body */
	struct str type, id; /* decoded, lent by the batch; may be empty */
	struct str
	    user;	/* its only "user", an object, if the event is valid and
			  * no id of a person stands elsewhere; else empty */
	int64_t time_s; /* UNIX seconds, if valid */
	bool known;	/* the catalogue has the type */
	enum currents_defect defect; /* the first that was met */
	size_t defect_at;	     /* its offset in the body */
	const char *defect_field;    /* "price", "user", ... or NULL; static */
	const char *defect_want;     /* its type, in words, or NULL; static */
};

/* What Braze changed since the catalogue was written. Never contains a value,
 * because values may be personal. */
enum currents_drift_kind {
	CURRENTS_DRIFT_TYPE,	 /* an event type that is not known */
	CURRENTS_DRIFT_PROPERTY, /* a property that its type does not have */
	CURRENTS_DRIFT_USER,	 /* the same, for a member of "user" */
	CURRENTS_DRIFT_MEMBER,	 /* the same, for the event itself */
	CURRENTS_DRIFT_BLANK,	 /* a required property is "", null or absent */
	CURRENTS_DRIFT_JSON,	 /* a new JSON type: the event is invalid,
				  * unless a file described the property */
	CURRENTS_DRIFT_LEFT_OUT, /* a property of a name that no type has was
				  * not sent; also observed on the way out */
	CURRENTS_DRIFT_KINDS	 /* how many kinds */
};

struct currents_drift {
	enum currents_drift_kind what;
	struct str type, field; /* as in an event; field may be "" */
	const char *json;	/* the JSON type of the value, or ""; static */
	size_t events;
};

/* Grows as needed up to max_events, and is reused from body to body. */
struct currents_batch {
	/* by which the next body is judged; NULL: the one in use */
	const struct catalogue *catalogue;

	struct currents_event *events;
	size_t count; /* 0: a probe (Braze testing the credentials) */

	/* of all events; each different one once */
	struct currents_drift *drifts;
	size_t drift_count;
	size_t drifts_lost; /* not kept: too many different ones */

	/* internal */
	struct table drift_table;
	size_t cap;
	struct currents_arena *arena;
};

/* Why a whole body cannot be read. */
struct currents_fault {
	size_t at; /* byte offset */
	char text[200];
};

enum currents_result {
	CURRENTS_READ,	  /* *batch is filled */
	CURRENTS_FAULT,	  /* no event in it can be found: see *ret_fault */
	CURRENTS_NO_ROOM, /* no memory, or more events than max_events: then
			   * batch->count is max_events */
};

void currents_batch_init(struct currents_batch *batch);
void currents_batch_fini(struct currents_batch *batch);

/*
 * Read a body. A batch is {"events":[...]}, a bare array or a bare event; white
 * space only, {}, {"events":[]} and {"events":null} are probes, unless another
 * member holds something. A body is at fault, too, if nothing in it is an event
 * of this format: the storage (Avro) form, batches inside of something else,
 * another product's events. The body stays lent to *batch.
 */
MUST_USE enum currents_result currents_read(struct str body, size_t max_events,
    struct currents_batch *batch, struct currents_fault *ret_fault);

/* Does a type match a pattern in which `*` stands for any characters? */
bool currents_type_matches(struct str type, const char *pattern);

/* One clause that says what is wrong: "property price should be number"; it
 * becomes the reason of a dead letter. Worded in judge.c. */
void currents_defect_write(
    const struct currents_event *event, char *ret, size_t size);

/* ---- drift: what Braze changed, as text that is stored and read back ---- */

/* "unknown type", "unknown property", "unknown user member", "unknown
 * member", "blank required", "new json type", "left out" */
const char *currents_drift_name(enum currents_drift_kind what);

enum {
	DRIFT_NAME_MAX = 128, /* bytes of a type or field; more is cut */
	DRIFT_NAME_WHOLE = DRIFT_NAME_MAX - 4, /* up to here: it was not cut */
	DRIFT_TEXT_MAX = 2048,		       /* of a text, including its
					        * NUL */
};

/*
 * Four words separated by tabs: what (currents_drift_name()), the type, the
 * field, the JSON type. Type and field are escaped as in JSON.
 */
void
drift_text_write(const struct currents_drift *drift, char ret[DRIFT_TEXT_MAX]);

struct drift {
	enum currents_drift_kind what;
	struct str type, field, json; /* in the text, escaped */
};

/* False if the text is not a drift: the queue counts drifts above its limit as
 * "(more)". */
MUST_USE bool drift_text_read(const char *text, struct drift *ret_drift);

/* The JSON type of a property or member of the user in other event types; NULL
 * if no type has it. Static. */
const char *drift_known_as(const struct drift *drift);

/* Does the catalogue have by now what was drift when it was stored? */
bool drift_known(const struct drift *drift);

/* Append the line of a destination's settings that sends what is left out:
 * "keep += TYPE/FIELD", or all that is unclassified of a type whose field no
 * selector can name. */
void drift_settings_write(const struct drift *drift, struct buf *out);

/* Append a drift, by its text, as key=value pairs for the log; nothing if the
 * text is no drift. */
void drift_log_write(const char *text, struct buf *out);

/* ---- the catalogue: what the operator adds to it ---- */

extern const struct catalogue catalogue_builtin; /* of events.json */

/*
 * Make a catalogue of the built-in one and what a JSON text of the form of
 * events.json adds to it. `name` is the file's, for messages. ERR_CONFIG with a
 * sentence that names the entry if the text is wrong; ERR_CONFLICT if too many
 * different ones were made. What the text says in vain is told as lines of
 * *warnings. The text is copied; the same text makes the same catalogue, which
 * lasts until catalogue_reset(). One thread at a time.
 */
MUST_USE bool
catalogue_add(struct str text, const char *name, struct buf *warnings,
    const struct catalogue **ret_catalogue, struct err *reterr);

/*
 * The one for what is not told another: at first the built-in one. Sources and
 * destinations are told, so that they change it together with their rules.
 * Whoever looks up twice asks for it once. Any thread.
 */
const struct catalogue *catalogue_in_use(void);
void catalogue_use(const struct catalogue *catalogue);

/* Use the built-in one again, and free the others; after threads ended. */
void catalogue_reset(void);

/*
 * ---- documents: the catalogue in a form for other programs ----
 *
 * The list of event types, and JSON Schemas (draft 2020-12) that agree with
 * currents_read(), except where a schema cannot express a rule (bytes that are
 * not UTF-8, nesting, duplicate members). There are no enums, because customers
 * can redact or hash any string property.
 */

/* A type of the catalogue. Static. */
struct document_type {
	const char *name;
	const char *family; /* "messages", "behaviors", ... */
	const char *status; /* a remark on poor documentation, or NULL */
	size_t properties;
};

size_t document_types(const struct catalogue *catalogue);
struct document_type
document_type_at(const struct catalogue *catalogue, size_t index);

/* The index of the type with that name, or document_types(). */
size_t document_type_find(const struct catalogue *catalogue, const char *name);

/* Append the JSON Schema of one event of a type. */
void document_type_write(
    const struct catalogue *catalogue, size_t index, struct buf *out);

/* Append the JSON Schema of a whole request body, with the schema of each type
 * under $defs. A body is valid if it has no fault and every event is valid. */
void document_request_write(const struct catalogue *catalogue, struct buf *out);

/* ---- samples: for trials, tests and measurements ---- */

/* Makes realistic events from the catalogue in use, which must not change
 * meanwhile. The same seed gives the same events. */
struct sample {
	uint64_t state;		    /* internal */
	unsigned campaign;	    /* likewise: of the event at hand */
	unsigned anonymous_percent; /* events without external_user_id */
	int64_t now_s;		    /* event times are in the hour before */
};

void sample_init(struct sample *sample, uint64_t seed, int64_t now_s);

/* The number of types of the catalogue, and their names in its order. */
size_t sample_types(void);
const char *sample_type_name(size_t type);

/* The type with that name, or sample_types(). */
size_t sample_type_find(const char *name);

/* Append one event of a type: one line of JSON without the newline. */
void sample_write(struct sample *sample, size_t type, struct buf *out);

/* ---- persons: for erasing people; when in doubt, the answer is yes ---- */

/* Whose an id of an event is. */
enum person_id {
	PERSON_EXTERNAL, /* user.external_user_id, which may be a number */
	PERSON_BRAZE,	 /* user.user_id */
	PERSON_ALIAS,	 /* the name of an alias, single or in a list */
	PERSON_DEVICE,	 /* user.device_id */
	PERSON_OTHER,	 /* properties.orphaned_by_id of UserOrphan: the person
		       * who took over the events */
	PERSON_NONE	 /* the event's own id; of person_each_key() alone */
};

/* Called for each id of an event, lent for the call; false ends it. */
typedef bool person_fn(void *arg, enum person_id kind, struct str id);

/* False if the event is not such JSON that all its ids can be read; then `fn`
 * may have been called for some. An id with escapes that is longer than
 * PERSON_ID_MAX bytes is passed over. */
enum { PERSON_ID_MAX = 1024 };
bool person_each(struct str event, person_fn *fn, void *arg);

/* The same of a "user" alone. */
bool person_each_of(struct str user, person_fn *fn, void *arg);

/* The same as the first, and the event's own id, as currents_read() sees it.
 * False, too, if it has none: then it may be known by any of its words. */
bool person_each_key(struct str event, person_fn *fn, void *arg);

/*
 * Is the event about a person with one of these ids, of whatever kind? Bytes
 * that are not such JSON are searched for the id.
 */
bool person_matches(struct str event, const struct str *ids, size_t count);

/* Do the bytes, JSON or not, contain the id as a whole word, either literally
 * or with JSON escapes? */
bool person_mentioned(struct str bytes, struct str id);

/* ---- campaigns: which one an event is of, and when ---- */

enum {
	CAMPAIGN_ID_MAX = 64, /* bytes; more is cut */
	CAMPAIGN_NAME_MAX = 160,
	CAMPAIGN_RAW_MAX = 1024, /* a text with escapes that has more bytes is
				  * passed over */
};

struct campaign {
	struct item_label label; /* "campaign" or "canvas"; lent by the event,
				  * or here: */
	char id_bytes[CAMPAIGN_RAW_MAX], name_bytes[CAMPAIGN_RAW_MAX];
};

/* Of an event of any shape, valid or not, whatever of it can be read. An event
 * that names both a campaign and a Canvas is of the campaign. */
void campaign_read(struct str event, struct campaign *ret_campaign);

/* The same for those who walk over an event anyway: the property of a name, and
 * the label that the decoded texts of these make (empty: it is no string). */
enum campaign_property {
	CAMPAIGN_ID,
	CAMPAIGN_NAME,
	CANVAS_ID,
	CANVAS_NAME,
	CAMPAIGN_PROPERTIES /* none of them */
};
enum campaign_property campaign_property_of(struct str name);
void campaign_label(
    const struct str texts[CAMPAIGN_PROPERTIES], struct item_label *ret_label);

#endif
