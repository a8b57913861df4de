#ifndef SCHEMA_DIALECT_H
#define SCHEMA_DIALECT_H

/*
 * The two seams to the outside: an *intake* is what a source posts to us, an
 * *outlet* is what a destination accepts from us. Each is a constant table of
 * facts and functions, one per dialect; the server and the forwarder know
 * dialects only through these tables.
 *
 * A dialect does no I/O, reads no clock and starts no thread. All threads
 * share a table. A context is made once, of the settings of one source or
 * destination, and any thread may use it. A reader belongs to one request at
 * a time.
 */

#include "base/buf.h"
#include "base/item.h"

#include <stddef.h>
#include <stdint.h>

/* ======== intake ======== */

/* What became of a request; the table has a status for each. */
enum intake_cause {
	INTAKE_TAKEN,	      /* its items are durable */
	INTAKE_PROBE,	      /* it has no items: a test of the connection */
	INTAKE_PROOF_MISSING, /* the source did not prove itself */
	INTAKE_PROOF_BAD,     /* it tried to, and failed */
	INTAKE_PROOF_STALE,   /* its proof is of another time */
	INTAKE_UNREADABLE,    /* not of the format; the body is kept */
	INTAKE_SHAPE,	      /* readable, but not what is posted here; kept */
	INTAKE_TOO_LARGE,     /* more bytes or items than the limits allow */
	INTAKE_ENCODING,      /* an unknown Content-Encoding */
	INTAKE_METHOD,	      /* not a POST */
	INTAKE_PATH,	      /* there is no such source */
	INTAKE_BUSY,  /* our fault: full, failing, no memory, stopping */
	INTAKE_CAUSES /* how many */
};

/* How a source proves itself. */
enum intake_proof {
	INTAKE_BEARER,	  /* by a token in Authorization, before the body */
	INTAKE_SIGNATURE, /* of the body as it came, before it is inflated */
};

/* The value of a header of the current request (or of an answer), or NULL. */
typedef const char *intake_header_fn(void *arg, const char *name);

/* Called before a body takes more memory than its own bytes: may so many bytes
 * more be used? */
typedef bool intake_pay_fn(void *arg, size_t bytes);

/* The kind of what is left out though no one decided so: see
 * outlet_prepared.left_out. */
#define INTAKE_DRIFT_LEFT_OUT "left out"

/* Something new in the format. It never contains a value, because values may be
 * personal. */
struct intake_drift {
	const char *kind; /* one of intake.drift_kinds, for counting */
	const char *text; /* what is new, in full, for storing */
	size_t items;	  /* in so many items */
};

/* Of an intake of sets: which part of which sync a body is. All texts are
 * empty, and the numbers 0, where the body does not say. A page may have no
 * items. */
struct intake_page {
	struct str group, name; /* its id, and how people call it */
	struct str sync;	/* the id of the sync, or empty */
	unsigned number, total; /* from 1 */
};

/* What a body holds. The reader lends it until it reads again or is freed. */
struct intake_batch {
	struct item *items;
	size_t count;
	const struct intake_drift *drift;
	size_t drift_count;
	struct intake_page page; /* of an intake of sets */
	size_t at;		 /* UNREADABLE, SHAPE: the byte that is wrong */
	char why[240]; /* UNREADABLE, SHAPE, TOO_LARGE: what is wrong */
};

struct intake_context; /* each dialect has its own */
struct intake_reader;

struct intake {
	const char *kind;      /* in the settings: "currents" */
	const char *path;      /* a source is at PATH/NAME, the first at PATH */
	const char *item_noun; /* "event" */
	bool set; /* its items are changes of a set (base/item.h), and a body is
		   * a page of a sync */
	enum intake_proof proof;
	unsigned short status[INTAKE_CAUSES]; /* HTTP, 200 to 599 */
	size_t body_least; /* a smaller limit for a body would lose items */
	size_t item_bytes; /* of memory that reading an item takes, at most */
	const char *const *drift_kinds; /* NULL-terminated; static */

	/* While we answer with failures, the source goes on trying: for so
	 * long until it alerts its operators, and until it gives up. 0:
	 * unknown. */
	int64_t alarms_ms, gives_up_ms;
	/* Of sets: while a group is switched on at the source, it posts a sync
	 * of it once in so long. 0: unknown. */
	int64_t sync_gap_ms;
	/* Does this status make the source hold back or delete what it posted,
	 * until its operators act? */
	bool (*strands)(unsigned status);
	/* Are the headers other than expected? This is only counted. May be
	 * NULL. */
	bool (*headers_odd)(intake_header_fn *header, void *arg);

	/*
	 * INTAKE_SIGNATURE only. The state of a request is so many bytes,
	 * zeroed, which the caller frees. `secrets` are the source's, at most
	 * secrets_most, NULL-terminated, and lent until the end. proof_begin
	 * and proof_end return TAKEN, or one of the three causes of a proof.
	 */
	size_t proof_size, secrets_most;
	enum intake_cause (*proof_begin)(void *proof,
	    const char *const *secrets, intake_header_fn *header, void *arg);
	void (*proof_add)(void *proof, const void *raw, size_t len);
	enum intake_cause (*proof_end)(
	    void *proof, const struct intake_context *context, int64_t now_ms);

	/* `settings` is the dialect's own struct; what it points to stays
	 * lent. Freeing takes NULL. */
	bool (*context_new)(const void *settings,
	    struct intake_context **ret_context, struct err *reterr);
	void (*context_free)(struct intake_context *context);

	/* NULL: no memory. The context stays lent. Freeing takes NULL. */
	struct intake_reader *(*reader_new)(
	    const struct intake_context *context);
	void (*reader_free)(struct intake_reader *reader);

	/*
	 * Make items of a body, which stays lent. TAKEN, PROBE, UNREADABLE,
	 * SHAPE, TOO_LARGE (more than max_items), or BUSY: there is no memory,
	 * or `pay` refused. `pay` may be NULL. `accepted_once`: an import
	 * brings back items that were accepted before, so none is refused for
	 * a defect.
	 */
	enum intake_cause (*read)(struct intake_reader *reader, struct str body,
	    size_t max_items, bool accepted_once, intake_pay_fn *pay, void *arg,
	    struct intake_batch *ret_batch);

	/* Append a drift, by its text, as key=value pairs for the log; nothing
	 * if the text is not of this dialect. */
	void (*drift_write)(const char *text, struct buf *out);
};

/* ======== outlet ======== */

enum outlet_unit { OUTLET_ITEMS, OUTLET_REQUESTS };
enum outlet_scope { OUTLET_DESTINATION, OUTLET_KEY };

/* The destination accepts at most `amount` of the unit in any window of this
 * length, counted by when requests arrive there. */
struct outlet_limit {
	enum outlet_unit unit;
	enum outlet_scope scope;
	unsigned amount; /* at least 1 */
	int64_t window_ms;
	bool on_the_hour; /* windows begin at full multiples of window_ms, UTC,
			   * and do not slide */
};
enum { OUTLET_LIMITS_MAX = 4 };

enum outlet_fate {
	OUTLET_SEND,
	OUTLET_DROP, /* by a rule of the settings */
	OUTLET_DEAD, /* the destination accepts it in no form */
};

/* A property of an item that was not sent as it came: cut, left out, sent as
 * text. The texts are static. */
struct outlet_omission {
	const char *property, *what;
	unsigned count;
};
enum {
	OUTLET_OMISSIONS_MAX = 64,
	OUTLET_LEFT_OUT_MAX = 2100,
};

struct outlet_prepared {
	enum outlet_fate fate;
	const char *reason; /* DROP: the rule; DEAD: why; static; else NULL */
	uint64_t key;	    /* equal for equal keys, for OUTLET_KEY limits */
	unsigned omission_count;
	unsigned omissions_lost; /* too many to be told apart */
	struct outlet_omission omissions[OUTLET_OMISSIONS_MAX];
	/* SEND: what is missing though no one decided so, as texts of drift,
	 * each with its NUL. It is counted when the item was delivered. */
	size_t left_out_len;
	char left_out[OUTLET_LEFT_OUT_MAX];
	/* SEND: what the item is counted under, lent by it, if that came to
	 * light on the way: else whoever counts has to read the item again.
	 * Its kind is NULL before the call. */
	struct item_label label;
};

/* The group that items of a set are changes of; NULL for a log. */
struct outlet_group {
	struct str id, name; /* as its source calls it */
	struct str label;    /* what outlet.label() made of that */
};

/* How a request is addressed; the context lends it. */
struct outlet_address {
	const char *url;
	const char *const *headers; /* "Name: value", NULL-terminated; may be
				     * secret */
};

/* How far a request and its answer came. */
enum outlet_transport {
	OUTLET_UNSENT,	/* it certainly did not arrive */
	OUTLET_UNKNOWN, /* it may have arrived; there is no status */
	OUTLET_CUT,	/* a status came, but not all of the body, or more of
			 * it than answer_max */
	OUTLET_WHOLE,
};

struct outlet_answer {
	enum outlet_transport transport;
	const char *trouble; /* what the transport says of it, or "" */
	bool trouble_ours;   /* certificates, URL, proxy: the operator acts */
	unsigned status;     /* HTTP; 0 = none */
	intake_header_fn *header;
	void *arg;	 /* of `header` */
	struct str body; /* at most answer_max bytes of it */
	int64_t now_ms;	 /* wall clock */
};

/* What became of an item of a request. */
enum outlet_outcome {
	OUTLET_ACCEPTED,
	OUTLET_REFUSED,
	OUTLET_FAILED,	  /* it may have been taken; try again */
	OUTLET_NOT_TAKEN, /* certainly not taken, and not its fault */
};

/* And of the request as a whole. */
enum outlet_verdict_kind {
	OUTLET_VERDICT_ACCEPTED, /* or each item by its own outcome */
	OUTLET_VERDICT_REFUSED,	 /* because of one or more of its items */
	OUTLET_VERDICT_FAILED,	 /* the destination, or the way there */
	OUTLET_VERDICT_DENIED,	 /* credentials, address: the operator acts */
};

struct outlet_verdict {
	enum outlet_verdict_kind kind;
	bool unknown;	 /* FAILED: it may have been taken all the same */
	bool slower;	 /* the destination says that we send too fast */
	bool smaller;	 /* REFUSED: it may only have been too large */
	bool fewer;	 /* REFUSED: it may only have had too many items */
	int64_t wait_ms; /* as the destination asked; 0: it did not */
	/* Static, or NULL. DENIED: what to check. FAILED: what is wrong with
	 * an answer whose status is 2xx; such answers are counted. */
	const char *advice;
};

/* What the destination has of a member. */
enum outlet_has {
	OUTLET_HAS_NOBODY, /* no such person */
	OUTLET_HAS_OUT,
	OUTLET_HAS_IN,
};

struct outlet_context; /* each dialect has its own */

struct outlet {
	const char *kind;      /* in the settings: "track" */
	const char *item_noun; /* "event" */
	bool set;	       /* it delivers changes of a set (base/item.h) */
	/* Of a set: a request has items of one group alone, and no other of
	 * that group is in flight meanwhile. */
	bool group_alone;
	size_t answer_max;  /* bytes of an answer's body that are read */
	size_t frame_bytes; /* the most that a request's body has beside its
			     * items' own bytes, for any number of items */
	size_t request_items_most; /* the destination's own limit */

	/* `settings` is the dialect's own struct; what it points to stays
	 * lent. Freeing takes NULL. */
	bool (*context_new)(const void *settings,
	    struct outlet_context **ret_context, struct err *reterr);
	void (*context_free)(struct outlet_context *context);

	/* Returns how many limits there are. */
	size_t (*limits)(const struct outlet_context *context,
	    struct outlet_limit ret_limits[OUTLET_LIMITS_MAX]);
	/* Where items go, or announcements. */
	void (*address)(const struct outlet_context *context, bool announcement,
	    struct outlet_address *ret_address);

	/* The settings that decide which person an item is about, as bytes:
	 * equal bytes, equal identities. They are stored with what is posted.
	 * The context lends them. */
	struct str (*rules)(const struct outlet_context *context);

	/*
	 * Of a set. `label`: append what the destination is to call a group,
	 * which is decided when the group is first seen, and kept whatever its
	 * name becomes. `announce`: append the body of a request that must be
	 * accepted before the group's first items, and again when its name has
	 * changed; NULL: none is needed. Only with group_alone. `first_ms` is
	 * when the group was first seen, wall clock. `hold_ms`: a member of a
	 * group is not written again before so much time is over.
	 */
	bool (*label)(const struct outlet_context *context,
	    const struct outlet_group *group, struct buf *ret_label,
	    struct err *reterr);
	bool (*announce)(const struct outlet_context *context,
	    const struct outlet_group *group, int64_t first_ms,
	    struct buf *body, struct err *reterr);
	int64_t (*hold_ms)(const struct outlet_context *context);

	/*
	 * Of a set, for checks by an operator; NULL: the destination does not
	 * tell. `verify`: append the body of a request that asks what it has of
	 * the first of these members, and say of how many. `verify_read`: read
	 * the answer, whole and of a status of 2xx; ERR_INPUT if it is not
	 * legible.
	 */
	int64_t verify_gap_ms; /* between two of these, at least */
	bool (*verify)(const struct outlet_context *context,
	    const struct str *members, size_t count,
	    struct outlet_address *ret_address, struct buf *body,
	    size_t *ret_count, struct err *reterr);
	bool (*verify_read)(const struct outlet_context *context,
	    const struct outlet_group *group, const struct str *members,
	    size_t count, struct str answer, enum outlet_has *ret_has,
	    struct err *reterr);

	/*
	 * Append an item's bytes to *out (SEND), or say why not. `rules` are
	 * those of its first post, or empty: those of now. `now_ms` is wall
	 * time, by which the item's own time is judged; 0: the clock is wrong,
	 * so it is not judged. False without memory, or if *out has no room;
	 * then *out is as before, and usable.
	 */
	bool (*prepare)(const struct outlet_context *context, struct str rules,
	    const struct outlet_group *group, const struct item *item,
	    int64_t now_ms, struct buf *out,
	    struct outlet_prepared *ret_prepared, struct err *reterr);

	/* Append the body of a request of at least one item. */
	bool (*frame)(const struct outlet_context *context,
	    const struct outlet_group *group, const struct str *items,
	    size_t count, struct buf *body, struct err *reterr);

	/* As intake.drift_write, for a text of outlet_prepared.left_out. */
	void (*left_out_write)(const char *text, struct buf *out);

	/* Judge the answer to a request of so many items. */
	void (*judge)(const struct outlet_context *context,
	    const struct outlet_answer *answer, size_t count,
	    enum outlet_outcome *ret_items, struct outlet_verdict *ret_verdict);
};

/*
 * The plain reading of an HTTP answer, where a dialect knows no better: 2xx
 * accepted; 400, 413 and 422 refused; redirects, 401, 403, 404
 * and 407 denied; 429 failed, and slower; everything else failed. So is an
 * answer that is not whole, whatever its status. Retry-After is obeyed up to
 * retry_after_most_ms when the request failed.
 */
void outlet_judge_http(const struct outlet_answer *answer,
    int64_t retry_after_most_ms, size_t count, enum outlet_outcome *ret_items,
    struct outlet_verdict *ret_verdict);

/* How long to wait by the value of Retry-After (seconds, or a date), at most
 * most_ms; 0 if it is not legible. */
int64_t
outlet_retry_after_read(const char *header, int64_t now_ms, int64_t most_ms);

#endif
