/* The list of all facts, for people: as text, and for the manual page. */

#include "base/counters.h"
#include "daemon/facts.h"
#include "daemon/settings.h"

enum { FACTS_INDENT = 6, FACTS_WIDTH = 78 };

typedef void table_fn(const char *title, struct buf *out);
typedef void fact_fn(const struct fact *fact, struct buf *out);

static void
facts_walk(table_fn *head, fact_fn *each, struct buf *out)
{
	for (const struct facts_table *t = facts_tables; t->title != NULL;
	     t++) {
		head(t->title, out);
		for (const struct fact *fact = t->rows; !fact_ends(fact);
		     fact++) {
			if (fact->help != NULL)
				each(fact, out);
		}
	}
}

/* ---- as text ---- */

static void
text_head(const char *title, struct buf *out)
{
	(void)buf_printf(out, "\n%s\n", title);
}

static void
text_fact(const struct fact *fact, struct buf *out)
{
	(void)buf_printf(out, "  %s%s%s%s\n",
	    fact->name != NULL ? fact->name : "",
	    fact->name != NULL && fact->metric != NULL ? ", " : "",
	    fact->metric != NULL ? "currentsd_" : "",
	    fact->metric != NULL ? fact->metric : "");
	buf_wrap(out, fact->help, FACTS_INDENT, FACTS_WIDTH);
}

static void
text_counter(void *arg, const char *name, const char *help)
{
	(void)buf_printf(arg, "  %s\n", name);
	buf_wrap(arg, help, FACTS_INDENT, FACTS_WIDTH);
}

void
facts_help_write(struct buf *out)
{
	(void)buf_text(out,
	    "What /status and `currentsd status --json` have, by its name, "
	    "and /metrics, by\nits name with currentsd_ before it.\n");
	facts_walk(text_head, text_fact, out);
	text_head("Since the start, only in /metrics", out);
	counters_each(text_counter, out);
}

/* ---- for the manual page ---- */

static void
roff_head(const char *title, struct buf *out)
{
	(void)buf_text(out, ".SS ");
	settings_roff_text(out, title);
	(void)buf_char(out, '\n');
}

static void
roff_fact(const struct fact *fact, struct buf *out)
{
	(void)buf_text(out, ".TP\n");
	if (fact->name != NULL)
		(void)buf_printf(out, "\\fB%s\\fR", fact->name);
	if (fact->name != NULL && fact->metric != NULL)
		(void)buf_text(out, ", ");
	if (fact->metric != NULL)
		(void)buf_printf(out, "\\fBcurrentsd_%s\\fR", fact->metric);
	(void)buf_char(out, '\n');
	settings_roff_text(out, fact->help);
	(void)buf_char(out, '\n');
}

static void
roff_counter(void *arg, const char *name, const char *help)
{
	(void)buf_printf(arg, ".TP\n\\fB%s\\fR\n", name);
	settings_roff_text(arg, help);
	(void)buf_char(arg, '\n');
}

void
facts_roff_write(struct buf *out)
{
	facts_walk(roff_head, roff_fact, out);
	roff_head("Since the start, only in /metrics", out);
	counters_each(roff_counter, out);
}
