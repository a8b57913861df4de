#include "cli/stranded.h"

#include "base/log.h"
#include "queue/books.h"

#include <inttypes.h>
#include <string.h>

typedef void stranded_fn(void *arg, const char *name, int64_t waiting);

struct stranded {
	const struct settings *settings;
	stranded_fn *fn;
	void *arg;
};

static void
stranded_lane(void *arg, const char *name, int64_t waiting)
{
	const struct stranded *stranded = arg;

	if (waiting > 0 && !settings_destination_has(stranded->settings, name))
		stranded->fn(stranded->arg, name, waiting);
}

static void
stranded_each(const struct parts *parts, stranded_fn *fn, void *arg)
{
	struct stranded stranded = {parts->settings, fn, arg};

	books_lanes(parts->queue, stranded_lane, &stranded);
}

static void
stranded_log_one(void *arg, const char *name, int64_t waiting)
{
	(void)arg;
	log_line(LOG_WARN, "serve",
	    "stranded destination=%s waiting=%" PRId64
	    " help=\"the settings do not have it: bring it back, or `currentsd "
	    "queue redirect`\"",
	    name, waiting);
}

void
stranded_log(const struct parts *parts)
{
	stranded_each(parts, stranded_log_one, NULL);
}

static void
stranded_text_one(void *arg, const char *name, int64_t waiting)
{
	(void)buf_printf(arg,
	    "to %-16s waiting %" PRId64 ", and NOBODY SENDS THEM: the settings "
	    "do not have\n%20sthis destination; bring it back, or give "
	    "`currentsd queue redirect`\n",
	    name, waiting, "");
}

void
stranded_text(const struct parts *parts, struct buf *out)
{
	stranded_each(parts, stranded_text_one, out);
}

static void
stranded_json_one(void *arg, const char *name, int64_t waiting)
{
	json_object_open(arg, NULL);
	json_text(arg, "name", name);
	json_int(arg, "waiting", waiting);
	json_object_close(arg);
}

void
stranded_json(const struct parts *parts, struct json *json)
{
	json_array_open(json, "stranded");
	stranded_each(parts, stranded_json_one, json);
	json_array_close(json);
}

static void
stranded_metric_one(void *arg, const char *name, int64_t waiting)
{
	(void)buf_printf(arg,
	    "currentsd_stranded_waiting{lane=\"%s\"} %" PRId64 "\n", name,
	    waiting);
}

void
stranded_metrics(const struct parts *parts, struct buf *out)
{
	(void)buf_text(out,
	    "# HELP currentsd_stranded_waiting Events of a destination that "
	    "the settings do not have.\n"
	    "# TYPE currentsd_stranded_waiting gauge\n");
	stranded_each(parts, stranded_metric_one, out);
}
