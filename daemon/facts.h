#ifndef DAEMON_FACTS_H
#define DAEMON_FACTS_H

/*
 * The facts that people and programs read: a row for each. The members of
 * /status, the series of /metrics, what commands print of them, and their list
 * in the manual come out of these rows.
 *
 * A table is about one kind of thing, a struct of daemon/status.h, of which a
 * row names a member. A metric is a counter if its name ends with "_total", as
 * is the custom of Prometheus, else a histogram or a gauge.
 */

#include "base/json.h"

/* How a value is meant. */
enum fact_form {
	FACT_TEXT,
	FACT_ESCAPED, /* a text whose content is escaped JSON already */
	FACT_FLAG,
	FACT_NUMBER,
	FACT_STATUS, /* of HTTP; 0: there was none, and there is no member */
	FACT_BYTES,
	FACT_REAL,
	FACT_SECONDS,
	FACT_LEFT,	/* seconds until something; below 0: it is not known */
	FACT_HISTOGRAM, /* only a metric; NULL: none */
	FACT_TIME,	/* ms since 1970; 0: never; as a metric in seconds */
	/* Such a time, as seconds since then in JSON. */
	FACT_SINCE,
	FACT_AGE, /* likewise as a metric, too; then never is 0 */
};

/* How it is stored. A table ends with a row that is only zeroes. */
enum fact_type {
	FACT_INT64,
	FACT_UINT64,
	FACT_UNSIGNED,
	FACT_DOUBLE,
	FACT_BOOL,
	FACT_CHARS,   /* an array */
	FACT_POINTER, /* a text, NULL: there is none; or a histogram */
};

/* There are many of them: they are packed. */
struct fact {
	/* The member, or "group.member" of an object in the object. NULL: only
	 * a metric, or a label. */
	const char *name;
	/* Without "currentsd_", unless it begins with "process_", as is the
	 * custom; NULL: none. Without help, the label that the metrics of its
	 * table have. */
	const char *metric;
	const char *help; /* NULL: it is a label */
	uint8_t form;	  /* enum fact_form */
	uint8_t type;	  /* enum fact_type */
	uint16_t at;
};

static inline bool
fact_ends(const struct fact *fact)
{
	return fact->name == NULL && fact->metric == NULL;
}

/* The tables, and what they are about. Those that are marked with a star: not
 * every such thing has them. */
extern const struct fact facts_daemon[];    /* struct status */
extern const struct fact facts_running[];   /* struct status * */
extern const struct fact facts_build[];	    /* struct status */
extern const struct fact facts_no_source[]; /* struct status_source */
extern const struct fact facts_strangers[]; /* struct status_source */
extern const struct fact facts_more[];	    /* struct status */
extern const struct fact facts_process[];   /* struct process * */
extern const struct fact facts_ledger[];    /* struct status_ledger */
extern const struct fact facts_sum[];	    /* struct stats_sum */
extern const struct fact facts_rule[];	    /* struct status_rule */
extern const struct fact facts_queue[];	    /* struct status_queue */
extern const struct fact facts_store[];	    /* struct status_store */
extern const struct fact facts_reason[];    /* struct status_reason */
extern const struct fact facts_source[];    /* struct status_source */
extern const struct fact facts_failing[];   /* struct status_source * */
extern const struct fact facts_refused[];   /* struct server_source_status * */
extern const struct fact facts_token[];	    /* struct status_token */
extern const struct fact facts_answer[];    /* struct server_answer */
extern const struct fact facts_answers[];   /* struct status_answers */
extern const struct fact facts_destination[]; /* struct status_destination */
extern const struct fact facts_sender[];      /* struct status_destination * */
extern const struct fact facts_trial[];	      /* struct status_destination * */
extern const struct fact facts_result[];      /* struct status_result */
extern const struct fact facts_limit[];	      /* struct status_limit */
extern const struct fact facts_state[];	      /* struct status_state */
extern const struct fact facts_parked[];      /* struct status_parked */
extern const struct fact facts_property[];    /* struct status_property */
extern const struct fact facts_stranded[];    /* struct status_stranded */
extern const struct fact facts_left_out[];    /* struct status_left_out */
extern const struct fact facts_segments[];    /* struct segments */
extern const struct fact facts_segment_state[]; /* status_segment_state */
extern const struct fact facts_segment[];	/* struct stats_group */

/* All of them, for the manual. */
struct facts_table {
	const char *title;
	const struct fact *rows;
};
extern const struct facts_table facts_tables[]; /* ends without a title */

/* The members of the open object. */
void facts_json(const struct fact *rows, const void *thing, int64_t now_ms,
    struct json *json);

/* An array of such objects, `stride` bytes apart. */
void
facts_json_array(const char *key, const struct fact *rows, const void *things,
    size_t count, size_t stride, int64_t now_ms, struct json *json);

/* All series of these things, in the Prometheus text format. */
void facts_metrics(const struct fact *rows, const void *things, size_t count,
    size_t stride, int64_t now_ms, struct buf *out);

/* Likewise in pieces, for a table with a single metric, whose things do not lie
 * in a row: its head, then each thing. */
void facts_metric_head(const struct fact *rows, struct buf *out);
void facts_metric_add(const struct fact *rows, const void *thing,
    int64_t now_ms, struct buf *out);

/* The name of its metric, in two parts. */
const char *fact_metric_prefix(const struct fact *fact);

/* All facts, for `currentsd help metrics`. */
void facts_help_write(struct buf *out);

#endif
