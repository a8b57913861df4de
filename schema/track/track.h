#ifndef SCHEMA_TRACK_TRACK_H
#define SCHEMA_TRACK_TRACK_H

/*
 * The outgoing format of Heap's bulk track API: maps one Currents event to one
 * Heap event. No I/O, no clock; the same input and rules give the same bytes,
 * or none if the event's time is too far ahead of the time that is passed in.
 * The facts come from Heap's server-side API reference (1000 events per
 * request, identity at most 255 characters, keys and values below 1024
 * characters).
 *
 * It reads Currents events, so it uses the catalogue of schema/currents, which
 * knows nothing of this folder. The mapping of a destination decides what must
 * not be stored of an event; so redaction is here, and daemon/ gives it to the
 * intake.
 *
 * A finished struct track_rules is only read: any thread.
 */

#include "schema/dialect.h"

enum {
	TRACK_EVENTS_MAX = 1000,  /* in one request */
	TRACK_IDENTITY_MAX = 255, /* characters; never cut */
	TRACK_KEY_MAX = 512,	  /* UTF-16 units of an event's or key's name */
	TRACK_VALUE_MAX = 1023,	  /* UTF-16 units of a value */
	TRACK_OMISSIONS_MAX = OUTLET_OMISSIONS_MAX, /* different ones */
	TRACK_LEFT_OUT_MAX = OUTLET_LEFT_OUT_MAX,
	TRACK_KEY_FILE_MIN = 16, /* fewest bytes of a key file */
};

enum track_fate {
	TRACK_SEND, /* the Heap event was appended */
	TRACK_DROP, /* by a rule; nothing was appended */
	TRACK_DEAD, /* Heap accepts it in no form; nothing was appended */
};

/* What was done to a property, other than sending it whole. */
enum track_omission_kind {
	TRACK_OMISSION_BLANK,	 /* null, empty or white space: left out; also
				  * for an element, and for a value that is
				  * blank up to the cut */
	TRACK_OMISSION_PRIVATE,	 /* left out by its class or a `drop` rule */
	TRACK_OMISSION_CUT,	 /* a string cut at TRACK_VALUE_MAX */
	TRACK_OMISSION_ELEMENTS, /* elements of an array that did not fit */
	TRACK_OMISSION_TOO_LONG, /* left out: a number, array or key that is too
				  * long */
	TRACK_OMISSION_KEY_CUT,	 /* the name was cut at TRACK_KEY_MAX */
	TRACK_OMISSION_REPEATED, /* left out: a later one has its name */
	TRACK_OMISSION_NUMBER_AS_TEXT, /* a number sent as text, because Heap
					* would read another one */
	TRACK_OMISSIONS		       /* how many kinds */
};

struct track_omission {
	const char *property; /* the catalogue's name of the property it is in,
				 "event", or "other"; static */
	enum track_omission_kind kind;
	unsigned count;
};

struct track_result {
	enum track_fate fate;
	const char *reason; /* the rule or the reason; static; NULL for SEND */
	uint64_t user_hash; /* the same for the same Heap user, for quotas */
	unsigned omission_count;
	unsigned omissions_lost; /* counted as "other", for lack of room */
	struct track_omission omissions[TRACK_OMISSIONS_MAX];
	/* Of properties that no one decided about: see outlet_prepared. */
	size_t left_out_len;
	char left_out[TRACK_LEFT_OUT_MAX];
	struct item_label label; /* likewise; the kind is NULL: not known */
};

/* Which id is the identity in Heap. */
enum track_identity {
	TRACK_IDENTITY_EXTERNAL, /* external_user_id, else an alias: alias,
				    user_alias, alias_name in the user */
	TRACK_IDENTITY_BRAZE,	 /* user.user_id */
};

/* Which id stands for a person who has neither external id nor alias. */
enum track_anonymous {
	TRACK_ANONYMOUS_NONE, /* ends the list; first: "skip" */
	TRACK_ANONYMOUS_DEVICE,
	TRACK_ANONYMOUS_BRAZE,
};

struct track_list {
	const char *const *items; /* lent */
	size_t count;
};

/* An event_type or a property's flattened name, and its name in Heap, which is
 * used unchanged, without the prefix. */
struct track_rename {
	const char *from, *to;
};

/* Called for each decision, with its subject ("identity", "email_address") and
 * what was decided. `as`: the name that a property is sent by; else empty. */
typedef void track_explain_fn(
    void *arg, struct str subject, const char *decision, struct str as);

/*
 * How to map; defaults are in track_rules_init(). All pointers are lent.
 *
 * A selector in keep, drop and hash is a class (content, contact,
 * unclassified), a property's flattened name ("custom_properties.plan"), or
 * TYPE/ and one of these; `*` stands for any characters. A name may contain a
 * slash, and also selects everything nested in it. A member inside an array is
 * named as if there were no array around it. If several lists select something,
 * the most private one wins: secret is never sent; then drop, hash and keep
 * apply, in this order; last the class decides, which sends only what is plain.
 */
struct track_rules {
	const struct catalogue *catalogue; /* of which classes are */

	/* the identity */
	enum track_identity identity;
	const char *alias_label;	   /* NULL: any label */
	enum track_anonymous anonymous[2]; /* the first that is usable */
	bool no_user_dead;		   /* else dropped: "no user" */
	struct track_list placeholders;	   /* beside the built-in ones */
	bool identity_hash; /* send its HMAC-SHA-256 in hex, and that of
			     * orphaned_by_id if it is an id of the same kind */

	/* names */
	const char *prefix; /* of events and properties; NULL: none */
	const struct track_rename *renames;
	size_t rename_count;
	bool custom_event_name; /* a CustomEvent gets its own name */

	int64_t time_ahead_ms; /* see track_write(); 0: events of any time are
				* sent */

	/* added properties, see track_write() */
	bool add_channel;  /* braze_channel and braze_action */
	bool add_event_id; /* braze_event_id */
	bool add_user_id;  /* braze_user_id */
	bool add_device_id;
	bool add_timezone;

	/* privacy */
	struct track_list keep, drop, hash;
	struct str key; /* of HMAC-SHA-256; data NULL: nothing can be hashed, so
			 * what should be hashed is not sent */

	/* called, if not NULL, for each decision */
	track_explain_fn *explain;
	void *explain_arg;
};

void track_rules_init(struct track_rules *rules);

/*
 * The rules that decide the identity, as bytes: equal bytes mean equal
 * identities. They do not contain the key, only a mark by which to recognize
 * it.
 */
void
track_identity_rules_write(const struct track_rules *rules, struct buf *out);

/*
 * Put the rules from those bytes into *rules. Texts are lent from the bytes;
 * *ret_items (the caller frees it) holds the placeholders. If identities were
 * hashed with a key other than that of *rules, *rules has no key afterwards:
 * the identity at that time cannot be computed, so track_write() makes the
 * event a dead letter. ERR_DAMAGED: the bytes are not such rules.
 */
MUST_USE bool track_identity_rules_read(struct str bytes,
    struct track_rules *rules, const char ***ret_items, struct err *reterr);

/* What becomes of a class ("content", "contact") in all types and properties of
 * the catalogue; of "unclassified", in all that the selectors may name beside
 * them. Slow, like the next: for startup and for commands. */
enum track_extent {
	TRACK_EXTENT_OUT,	/* all of it is left out */
	TRACK_EXTENT_HASH_PART, /* some of it is hashed, none sent in clear */
	TRACK_EXTENT_HASH,
	TRACK_EXTENT_SEND_PART, /* some of it is sent in clear */
	TRACK_EXTENT_SEND,
};
enum track_extent
track_class_extent(const struct track_rules *rules, const char *class);

/* What a selector selects of the catalogue and of the added properties. What
 * is inside an object is not in the catalogue: any name there counts. */
enum track_selected {
	TRACK_SELECTED_NOTHING, /* a typing error, or the catalogue is older */
	TRACK_SELECTED_SECRETS, /* only what is never sent */
	TRACK_SELECTED,
};
enum track_selected
track_selector_check(const struct catalogue *catalogue, const char *selector);

/*
 * Map the bytes of one event that currents_read() found valid, and append the
 * JSON object to *out. False only if *out has no room (it stays unchanged and
 * usable) or there is no memory.
 *
 * Heap takes the future as it is and shows it in its charts. So an event that
 * would be sent, but whose time is more than time_ahead_ms after now_ms, is
 * dead. now_ms is wall time; 0: the clock is wrong, so no event is.
 *
 * Added properties: braze_channel and braze_action are the second-to-last and
 * the last of the dotted parts of event_type ("email" and "Open" of
 * users.messages.email.Open, "behaviors" and "Purchase", "users" and
 * "UserOrphan"; no dot: no channel); braze_event_id, braze_user_id, device_id,
 * timezone are the event's id and those of its user. Names that begin with
 * braze_ get no prefix.
 *
 * Heap reads numbers as doubles. An integer (written without fraction and
 * exponent) is sent as it is up to 2^53, beyond that as text, which keeps its
 * digits. Any other number is sent as the shortest decimal that reads back as
 * the same double (1.50 as 1.5, 1e3 as 1000; below 1e-6 and from 1e16 on with
 * an exponent), and as text if it is beyond the range of a double (1e400, or
 * 1e-400, which would be 0). -0 and -0.0 are sent as 0. In an array, numbers
 * are text in any case, and stay as they were written. A number that is hashed
 * is hashed in the form in which it would be sent.
 *
 * If two properties have the same name once flattened, both are sent. One of
 * them keeps the name: the one that no rule renamed and whose path is shorter
 * (the real key), else the first in the order of the paths, part by part, else
 * the first in the document. The others get "#2", "#3", ..., the first that is
 * free. Added properties come last.
 */
MUST_USE bool
track_write(const struct track_rules *rules, struct str event, int64_t now_ms,
    struct buf *out, struct track_result *ret_result, struct err *reterr);

/* Is a text or container in a property of that name left out, in whole or in
 * part, only because no type of the catalogue has the name, so that no one has
 * decided about it? */
bool track_leaves_out(
    const struct track_rules *rules, struct str type, struct str property);

/* The bytes around the events of a request: head, then events separated by
 * commas, then tail. */
void track_head_write(struct buf *out, const char *app_id);
void track_tail_write(struct buf *out);

/*
 * Heap's numeric user for an anonymous id: the 53-bit rule of Heap's own
 * server integration (low word: little-endian bytes 0 to 3 of the MD5, high
 * word: the low 21 bits of bytes 8 to 11).
 */
uint64_t track_anonymous_user(struct str id);

/* "blank", "private", "cut", "elements", "too_long", "key_cut", "repeated",
 * "number_as_text" */
const char *track_omission_name(enum track_omission_kind kind);

/* ---- the outlet ---- */

/* The settings of a destination of this kind. */
struct track_settings {
	const char *app_id; /* of the Heap environment: at most 20 digits */
	const char *url;    /* https://.../api/track */
	struct track_rules rules;
	unsigned events_per_minute;   /* Heap's quota; 0 = none */
	unsigned identity_per_minute; /* of one identity; 0 = none */
	unsigned share_percent;	      /* of both, that we use */
	int64_t retry_after_most_ms;  /* a longer one is not obeyed */
};

/* Defaults for everything but app_id and url. */
void track_settings_init(struct track_settings *settings);

extern const struct outlet track_outlet;

/*
 * ---- redaction: privacy at acceptance ----
 *
 * Everything that the mapping would leave out or hash is removed from an event
 * before it is stored, so that it never touches a disk. Mapping what is left
 * gives the same Heap event, or the same reason not to send it.
 */

/*
 * Append a JSON object of the event's members that the mapping needs. Their
 * names and values keep their bytes, except:
 *   - Values that the rules hash become "hmac-sha256:HEX". The mapping sends
 *     this as HEX, and does not hash it again as long as the rules would hash
 *     it.
 *   - With identity_hash, so do the external id and the aliases of an
 *     identified person, and user_id if it is the identity. An id that cannot
 *     be used is replaced by one that cannot be used for the same reason (see
 *     redact.c), so the event still becomes a dead letter.
 *   - An array is written without white space, and without what the rules drop
 *     in it.
 * Left out are properties that the rules drop, what is never mapped (unknown
 * members of the event and of its user, and members in a form that is not
 * read), members that a later one supersedes, and objects of which nothing is
 * left. user_id, device_id and timezone follow the rules of the properties that
 * they are sent as (braze_user_id, device_id, timezone), unless they are needed
 * to identify an anonymous person or the person of an erasure request.
 *
 * What is not an object becomes null (so the queue considers the second one a
 * duplicate of the first). What cannot be judged (names that take up too much
 * room) counts as private. ERR_INPUT: it is not readable JSON. On false nothing
 * was appended.
 */
MUST_USE bool redact_write(const struct track_rules *rules, struct str event,
    struct buf *out, struct err *reterr);

/* Is it a word that apps send as an id for many people at once? Also if there
 * is nothing visible in it. */
bool track_placeholder(const struct track_rules *rules, struct str id);

/* An id in the form in which redact_write() writes a hashed one; not
 * NUL-terminated. The rules must have a key. */
enum { REDACT_ID_BYTES = 76 };
void redact_id_write(
    const struct track_rules *rules, struct str id, char ret[REDACT_ID_BYTES]);

#endif
