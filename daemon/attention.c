#include "daemon/attention.h"

#include "base/show.h"
#include "daemon/segments.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	ATTENTION_TEXT = 8192,
	ATTENTION_ABOUT = 320,
	ATTENTION_ANSWER = 320,
	ATTENTION_SEGMENTS = 10, /* that are named; likewise properties */
	ATTENTION_LEFT_OUT = 5,
};

/* QUIET: it waits by itself, or because the operator wants it to, and no notice
 * is posted. */
enum level { WRONG, WAITING, QUIET, LEVELS };

struct attention {
	const struct status *status;
	const char *only; /* about this, or NULL */
	bool outside;
	attention_fn *fn;
	void *arg;
	enum level level; /* of this turn */

	/* the present one */
	bool open;
	char about[ATTENTION_ABOUT], condition[ATTENTION_ABOUT];
	struct buf what, help, path;
};

/* A number, and a duration, as people read them. */
struct shown {
	char text[SHOW_TEXT];
};
#define NUMBER(number)	  number_shown(number).text
#define DURATION(seconds) duration_shown(seconds).text
/* Of "%s %s%s": "1 event waits", "2 events wait". */
#define WAITS(of)                                                              \
	NUMBER((of)->queued), (of)->noun,                                      \
	    (of)->queued == 1 ? " waits" : "s wait"

static struct shown
number_shown(int64_t number)
{
	struct shown shown = {.text = ""};

	show_number(number, shown.text, sizeof(shown.text));
	return shown;
}

static struct shown
duration_shown(int64_t seconds)
{
	struct shown shown = {.text = ""};

	show_duration(
	    seconds > 0 ? seconds : 0, shown.text, sizeof(shown.text));
	return shown;
}

static int
percent(int64_t bytes, int64_t most)
{
	return (int)((double)bytes * 100 / (double)most);
}

/* As a segment of a path. */
static void
path_write(struct buf *out, const char *name)
{
	for (; *name != '\0'; name++) {
		if (strchr("-._~", *name) != NULL ||
		    (*name >= '0' && *name <= '9') ||
		    (*name >= 'A' && *name <= 'Z') ||
		    (*name >= 'a' && *name <= 'z'))
			(void)buf_char(out, *name);
		else
			(void)buf_printf(out, "%%%02X", (unsigned char)*name);
	}
}

/* The path of the call that does it. */
static void
attention_action(struct attention *attention, const char *noun,
    const char *name, const char *verb)
{
	(void)buf_printf(&attention->path, "/%s/", noun);
	path_write(&attention->path, name);
	(void)buf_printf(&attention->path, "/%s", verb);
}

/* A destination's answer: to the outside only its status, because the rest may
 * name a person. */
struct answer {
	char text[ATTENTION_ANSWER];
};
#define ANSWER(why) answer_shown(attention, why).text

static struct answer
answer_shown(const struct attention *attention, const char *why)
{
	static const char head[] = "HTTP ";
	struct answer answer;
	char *status;

	(void)snprintf(answer.text, sizeof(answer.text), "%s", why);
	status = attention->outside ? strstr(answer.text, head) : NULL;
	if (status != NULL) {
		status += sizeof(head) - 1;
		status[strspn(status, "0123456789")] = '\0';
	}
	return answer;
}

static void
attention_end(struct attention *attention)
{
	const struct buf *what = &attention->what, *help = &attention->help;
	const struct buf *path = &attention->path;
	const struct attention_item item = {
	    .level = attention->level == WRONG ? "wrong" : "waiting",
	    .about = attention->about,
	    .condition = attention->condition,
	    .what = str_bytes(what->data, what->len),
	    .help = str_bytes(help->data, help->len),
	    .path = str_bytes(path->data, path->len),
	    .quiet = attention->level == QUIET,
	};

	if (attention->open)
		attention->fn(attention->arg, &item);
	attention->open = false;
}

/* End the one before; is it this one's turn? */
static bool
attention_begin(struct attention *attention, enum level level, const char *kind,
    const char *name, const char *condition)
{
	attention_end(attention);
	(void)snprintf(attention->about, sizeof(attention->about), "%s%s%s",
	    kind, name != NULL ? ":" : "", name != NULL ? name : "");
	(void)snprintf(attention->condition, sizeof(attention->condition), "%s",
	    condition);
	buf_reset(&attention->what);
	buf_reset(&attention->help);
	buf_reset(&attention->path);
	attention->open = attention->level == level &&
			  (attention->only == NULL ||
			      strcmp(attention->only, attention->about) == 0);
	return attention->open;
}

#define ABOUT(...) attention_begin(attention, __VA_ARGS__)
#define SAY(...)   ((void)buf_printf(&attention->what, __VA_ARGS__))
#define HELP(...)  ((void)buf_printf(&attention->help, __VA_ARGS__))

/* ---- the daemon and its queue ---- */

static void
about_daemon(struct attention *attention)
{
	const struct status *status = attention->status;
	int64_t untold_s = status_since_s(
	    status->now_ms, atomic_load(&status->daemon->untold_since_ms));
	int64_t tls_ms = status->tls_until_ms - status->now_ms;

	if (!status->running && ABOUT(WRONG, "daemon", NULL, "stopped")) {
		SAY("The daemon is not running: nothing is accepted and "
		    "nothing is sent.");
		HELP("Start it: systemctl start currentsd, or currentsd serve");
	}
	if (status->running && !status->alive &&
	    ABOUT(WRONG, "daemon", NULL, "stalled")) {
		SAY("A thread has stalled.");
		HELP("The log says what it did last; a service manager with a "
		     "watchdog restarts the daemon.");
	}
	if (status->tls_until_ms != 0 && tls_ms < SERVER_CERTIFICATE_MS &&
	    ABOUT(WRONG, "tls", NULL, "expiring")) {
		SAY("The certificate of tls_certificate %s%s.",
		    tls_ms > 0 ? "expires in " : "has expired",
		    tls_ms > 0 ? DURATION(tls_ms / 1000) : "");
		HELP("Sources do not connect then. Renew it, and: currentsd "
		     "reload");
	}
	if (status->reload_failed &&
	    ABOUT(WRONG, "settings", NULL, "reload_failed")) {
		SAY("The last reload failed: %s", status->reload.failed);
		HELP("The settings before are in force. Correct these, then: "
		     "currentsd reload");
	}
	if (status->reload.restart[0] != '\0' &&
	    ABOUT(WAITING, "settings", NULL, "restart")) {
		SAY("Needs a restart: %s.", status->reload.restart);
		HELP("Until then these settings stay as they were: systemctl "
		     "restart currentsd");
	}
	if (status->log_dropped > 0 &&
	    ABOUT(WAITING, "daemon", NULL, "log_dropped")) {
		SAY("Lines of the log were dropped, because nobody read it: "
		    "%s.",
		    NUMBER(status->log_dropped));
		HELP("Look at what reads the daemon's standard error.");
	}
	if (untold_s >= 0 && ABOUT(QUIET, "daemon", NULL, "untold")) {
		SAY("Notices could not be posted to notify_url for %s.",
		    DURATION(untold_s));
		HELP("The log says why. Try it: currentsd check --notify");
	}
}

static void
about_disk(struct attention *attention)
{
	const struct stats_totals *totals = &attention->status->queue.totals;

	if (totals->gone != NULL && ABOUT(WRONG, "queue", NULL, "gone")) {
		SAY("The queue's files are gone: %s. Nothing is accepted.",
		    totals->gone);
		HELP("Do not stop the daemon: put them back, or copy the "
		     "queue: currentsd queue backup PATH");
	}
	if (totals->broken && ABOUT(WRONG, "queue", NULL, "broken")) {
		SAY("The disk failed: nothing is accepted until the queue can "
		    "be reopened, which is tried all the time.");
		HELP("Look at the daemon's log and at the kernel's.");
	}
	if (totals->held_ms >= STATS_PATIENCE_MS &&
	    ABOUT(WRONG, "queue", NULL, "hangs")) {
		SAY("The disk hangs: no answer for %s.",
		    DURATION(totals->held_ms / 1000));
		HELP("Look at the kernel's log; the daemon goes on as soon as "
		     "the disk does.");
	}
	if (totals->quarantined_batches > 0 &&
	    ABOUT(WRONG, "queue", NULL, "quarantined")) {
		SAY("Damaged batches are quarantined: %s.",
		    NUMBER(totals->quarantined_batches));
		HELP("See what is wrong with the file: currentsd queue check");
	}
	if (!totals->reserve && ABOUT(WAITING, "queue", NULL, "reserve")) {
		SAY("There is no reserve file: on a full disk, nothing more "
		    "could be sent either.");
		HELP("It is made again once the file system has room: %s MiB "
		     "are free.",
		    NUMBER(totals->free_bytes >> 20));
	}
}

static void
about_queue(struct attention *attention)
{
	const struct status_queue *queue = &attention->status->queue;
	const struct queue_settings *settings =
	    &attention->status->settings->queue;
	int64_t bytes;

	if (queue->ledger.imbalance != 0 &&
	    ABOUT(WRONG, "ledger", NULL, "imbalance")) {
		SAY("The ledger is off by %s.",
		    NUMBER(queue->ledger.imbalance));
		HELP("See where: currentsd ledger --check");
	}
	bytes = queue->totals.dead_bytes;
	if (status_is_near(bytes, queue->dead_max_bytes) &&
	    ABOUT(WRONG, "dead", NULL, "space")) {
		SAY("Dead letters use %d %% of dead_max_bytes: at 100 %% the "
		    "oldest expire.",
		    percent(bytes, queue->dead_max_bytes));
		HELP("Keep them elsewhere, then drop them: currentsd dead "
		     "export > FILE");
	}
	if (queue->totals.dead_left_ms <= STATUS_EXPIRING_MS &&
	    ABOUT(WRONG, "dead", NULL, "expiring")) {
		SAY("The first dead letters expire in %s.",
		    DURATION(queue->dead_left_s));
		HELP("Keep them elsewhere: currentsd dead export > FILE");
	}
	bytes = queue->totals.unreadable_bytes;
	if (status_is_near(bytes, settings->unreadable_max_bytes) &&
	    ABOUT(WRONG, "unreadable", NULL, "space")) {
		SAY("Unreadable bodies use %d %% of unreadable_max_bytes: at "
		    "100 %% the oldest are deleted.",
		    percent(bytes, settings->unreadable_max_bytes));
		HELP("Keep them elsewhere, then drop them: currentsd "
		     "unreadable export > FILE");
	}
}

/* ---- sources ---- */

/* What Braze does meanwhile, as far as that is known. */
static void
source_clock(struct attention *attention, int64_t left_s, const char *soon,
    const char *past)
{
	if (left_s > 0)
		SAY(" Braze %s in %s.", soon, DURATION(left_s));
	else if (left_s == 0)
		SAY(" Braze has probably %s.", past);
}

static void
about_failing(struct attention *attention, const struct status_source *source,
    const struct intake *intake)
{
	const struct server_source_status *of = &source->of;
	int64_t seconds =
	    status_since_s(attention->status->now_ms, of->failing_since_ms);

	if (of->failing_since_ms == 0 ||
	    !ABOUT(WRONG, "source", source->name, "failing"))
		return;
	SAY("Source %s has been failing for %s: %u %s.", source->name,
	    seconds < 0 ? "an unknown time (the clock was set back)"
			: DURATION(seconds),
	    of->failing_status, of->failing_why);
	source_clock(attention, source->alerts_s, "alerts its own staff",
	    "alerted its own staff");
	source_clock(attention, source->gives_up_s,
	    "switches the connector off", "switched the connector off");
	if (of->failing_status == 503 || of->failing_status == 413)
		HELP("Correct that; the source sends all of it again. See: "
		     "currentsd sources show %s",
		    source->name);
	else
		HELP("What came is kept here, as it may not come again: "
		     "currentsd unreadable list%s",
		    intake->set ? ". If a segment has ended: currentsd "
				  "segments retire SEGMENT"
				: "");
}

/* What the source does with what is refused; NULL: it is of any kind. */
static const char *
refused_effect(const struct intake *intake, unsigned status)
{
	if (intake == NULL && server_unread(status))
		return "If they came from Braze, it sends those events again, "
		       "for 5 days.";
	if (intake != NULL && intake->set)
		return "If they came from Heap, their secret is not ours, and "
		       "Heap may not send them again: set it, then press sync "
		       "now in Heap.";
	if (status == 401)
		return "If they came from Braze, it holds those events back "
		       "until the tokens agree: correct its connector, or list "
		       "its token here beside yours, then: currentsd reload";
	return "If they came from Braze, it holds those events back until "
	       "someone fixes its connector. Compare its URL with the paths "
	       "that this shows: currentsd check";
}

static void
about_refused(struct attention *attention, const struct status_source *source,
    const struct intake *intake)
{
	const struct server_source_status *of = &source->of;
	int64_t now_ms = attention->status->now_ms;

	if (source->refused == 0 ||
	    !ABOUT(WRONG, "source", intake != NULL ? source->name : "none",
		"refused"))
		return;
	if (intake != NULL)
		SAY("Source %s: ", source->name);
	if (source->refused == 1)
		SAY("1 request %s, ",
		    intake != NULL ? "was refused" : "matches no source");
	else
		SAY("%s requests %s, the first %s ago, the last ",
		    NUMBER(source->refused),
		    intake != NULL ? "were refused" : "match no source",
		    DURATION(status_since_s(now_ms, of->refused_since_ms)));
	SAY("%s ago: ", DURATION(status_since_s(now_ms, of->refused_ms)));
	if (of->refused_status == SERVER_HUNG_UP)
		SAY("closed without an answer, %s.", of->refused_why);
	else
		SAY("%u %s.", of->refused_status, of->refused_why);
	if (of->last_success_ms > of->refused_ms)
		SAY(" Since then others were accepted.");
	HELP("%s", refused_effect(intake, of->refused_status));
}

/* A source that never sent anything is still being set up. */
static void
about_silent(struct attention *attention, const struct status_source *source,
    const struct intake *intake)
{
	int64_t most_ms = attention->status->settings->silence_ms;
	int64_t silent_s = status_since_s(
	    attention->status->now_ms, source->of.last_success_ms);

	if (most_ms == 0 || intake->set || silent_s * 1000 < most_ms ||
	    !attention->status->running || source->of.failing_since_ms != 0 ||
	    !ABOUT(WAITING, "source", source->name, "silent"))
		return;
	SAY("Source %s is silent: no event came for %s.", source->name,
	    DURATION(silent_s));
	HELP("Is its connector at Braze switched on, with this address and "
	     "token? See: currentsd sources show %s",
	    source->name);
}

static void
about_sources(struct attention *attention)
{
	const struct status *status = attention->status;
	const struct settings *settings = status->settings;

	for (size_t i = 0; i < status->source_count; i++) {
		about_failing(attention, &status->sources[i],
		    settings->sources[i].server.intake);
		about_refused(attention, &status->sources[i],
		    settings->sources[i].server.intake);
		about_silent(attention, &status->sources[i],
		    settings->sources[i].server.intake);
	}
	about_refused(attention, &status->sources[status->source_count], NULL);
}

/* ---- destinations ---- */

static void
about_state(
    struct attention *attention, const struct status_destination *destination)
{
	const struct forwarder_destination_status *sender =
	    &destination->sender;
	const char *name = destination->name;
	int64_t next_s =
	    (sender->until_ms - attention->status->now_ms + 999) / 1000;

	if (destination->paused) {
		if (!ABOUT(QUIET, "destination", name, "paused"))
			return;
		SAY("Destination %s is paused by the operator, %s %s%s.", name,
		    WAITS(destination));
		HELP("Send again: currentsd destinations resume %s", name);
		attention_action(attention, "destinations", name, "resume");
		return;
	}
	if (!destination->running)
		return;
	if (sender->state == FORWARDER_HALTED &&
	    ABOUT(WRONG, "destination", name, "halted")) {
		SAY("Destination %s is halted: %s.", name, ANSWER(sender->why));
		HELP("%s %s%s, next try in %s. When that is fixed: currentsd "
		     "destinations retry %s",
		    WAITS(destination), DURATION(next_s), name);
		attention_action(attention, "destinations", name, "retry");
	}
	if (sender->state == FORWARDER_BACKING_OFF &&
	    ABOUT(WAITING, "destination", name, "backing_off")) {
		SAY("Destination %s has trouble: %s.", name,
		    ANSWER(sender->why));
		HELP("%s %s%s, next try in %s. At once: currentsd destinations "
		     "retry %s",
		    WAITS(destination), DURATION(next_s), name);
		attention_action(attention, "destinations", name, "retry");
	}
	if (sender->state == FORWARDER_TRIAL &&
	    ABOUT(QUIET, "destination", name, "trial")) {
		SAY("Destination %s is on trial, nothing is sent: %s would "
		    "have been sent, %s dropped, %s dead.",
		    name, NUMBER((int64_t)sender->trial_sent),
		    NUMBER((int64_t)sender->trial_dropped),
		    NUMBER((int64_t)sender->trial_dead));
		HELP("To send, take dry_run out of the settings.");
	}
}

static void
about_parked(struct attention *attention, size_t index)
{
	const struct status *status = attention->status;
	const struct status_destination *destination =
	    &status->destinations[index];
	struct status_parked *parked;
	size_t count;

	if (destination->sender.parked == 0)
		return;
	parked = status_parked(status->daemon, destination->name, &count);
	for (size_t i = 0; i < count; i++) {
		const struct forwarder_parked *of = &parked[i].of;
		char condition[sizeof(of->name) + sizeof("parked:")];

		(void)snprintf(
		    condition, sizeof(condition), "parked:%s", of->name);
		if (!ABOUT(WRONG, "destination", destination->name, condition))
			break;
		SAY("Destination %s: %s is parked (%s), %s %ss; last answer: "
		    "%s.",
		    destination->name, of->name,
		    of->whole ? "all of it is refused"
			      : "those that were refused",
		    NUMBER((int64_t)of->count), destination->noun,
		    ANSWER(of->why));
		HELP("One is tried each minute, and all go once it is "
		     "accepted. See what is refused: currentsd events list "
		     "--type %s",
		    of->name);
	}
	free(parked);
}

static void
about_destination(struct attention *attention, size_t index)
{
	const struct status *status = attention->status;
	const struct status_destination *destination =
	    &status->destinations[index];
	const struct forwarder_destination_status *sender =
	    &destination->sender;
	const char *name = destination->name;

	about_state(attention, destination);
	if (status_is_near(destination->bytes, destination->bytes_max) &&
	    ABOUT(WRONG, "destination", name, "space")) {
		SAY("Destination %s uses %d %% of the space that it may: at "
		    "100 %% its sources are answered 503.",
		    name, percent(destination->bytes, destination->bytes_max));
		HELP("See when it will be empty: currentsd destinations; a "
		     "larger queue_max_bytes, or disk, makes more room.");
	}
	if (!destination->running)
		return;
	about_parked(attention, index);
	if (sender->deferred > 0 &&
	    ABOUT(QUIET, "destination", name, "deferred")) {
		SAY("Destination %s: %s deferred, which were refused or failed "
		    "alone, but it is not yet certain that the %ss are at "
		    "fault; last answer: %s.",
		    name, NUMBER((int64_t)sender->deferred), destination->noun,
		    ANSWER(sender->deferred_why));
		HELP("Nothing to do yet, next try in %s.",
		    DURATION((sender->deferred_due_ms - status->now_ms + 999) /
			     1000));
	}
	if (sender->pace_per_minute != sender->pace_full_per_minute &&
	    ABOUT(QUIET, "destination", name, "pace")) {
		SAY("Destination %s: pace %s of %s %ss a minute, after HTTP "
		    "429.",
		    name, NUMBER(sender->pace_per_minute),
		    NUMBER(sender->pace_full_per_minute),
		    sender->pace_request_items > 0 ? "request"
						   : destination->noun);
		HELP("It rises by itself. If that comes again, something else "
		     "uses the same quota: lower the setting share.");
	}
}

static void
stranded_one(void *arg, const char *name, int64_t queued)
{
	struct attention *attention = arg;

	if (!ABOUT(WRONG, "destination", name, "stranded"))
		return;
	SAY("Destination %s is not in the settings, so what is queued for it "
	    "is not sent: %s.",
	    name, NUMBER(queued));
	HELP("Add it again, or give the one that takes its place the "
	     "setting: formerly = \"%s\"",
	    name);
}

/* ---- segments, properties ---- */

/* The name may come with the id. */
static void
about_segment(struct attention *attention, const struct segment *segment)
{
	const char *id = segment->of.id;
	struct segment shown = *segment;

	if (!ABOUT(WAITING, "segment", id, segment_state_name(segment->state)))
		return;
	if (attention->outside)
		shown.why = NULL;
	SAY("Segment ");
	if (*segment->of.name != '\0')
		SAY("%s (%s)", segment->of.name, id);
	else
		SAY("%s", id);
	SAY(" is %s: ", segment_state_name(segment->state));
	segment_trouble_write(
	    &shown, attention->status->now_ms, &attention->what);
	SAY(".");
	HELP("All of it: currentsd segments show %s", id);
	if (segment->state == SEGMENT_HELD) {
		attention_action(attention, "segments", id, "release");
		(void)buf_text(&attention->path, "?source=");
		path_write(&attention->path, segment->of.source);
		(void)buf_text(&attention->path, "&destination=");
		path_write(&attention->path, segment->of.destination);
	}
}

/* A halted destination is told once, and not for each of its segments. */
static bool
segment_is_told(const struct status *status, const struct segment *segment)
{
	for (size_t i = 0; i < status->destination_count; i++) {
		if (strcmp(status->destinations[i].name,
			segment->of.destination) == 0)
			return segment->state == SEGMENT_REFUSED &&
			       status->destinations[i].sender.state ==
				   FORWARDER_HALTED;
	}
	return false;
}

static void
about_segments(struct attention *attention)
{
	const struct segments *segments = attention->status->segments;
	size_t troubled = 0;

	for (size_t i = 0; segments != NULL && i < segments->count; i++) {
		if (segment_needs_attention(&segments->list[i]) &&
		    !segment_is_told(attention->status, &segments->list[i]) &&
		    (attention->only != NULL ||
			troubled++ < ATTENTION_SEGMENTS))
			about_segment(attention, &segments->list[i]);
	}
	if (troubled > ATTENTION_SEGMENTS &&
	    ABOUT(WAITING, "segments", NULL, "more")) {
		SAY("Further segments need attention: %s.",
		    NUMBER((int64_t)troubled - ATTENTION_SEGMENTS));
		HELP("See them: currentsd segments --attention");
	}
}

static void
about_left_out(struct attention *attention)
{
	const struct status *status = attention->status;
	int64_t more = status->left_out_count - ATTENTION_LEFT_OUT;

	for (size_t i = 0; i < status->left_out_read && i < ATTENTION_LEFT_OUT;
	     i++) {
		const struct status_left_out *left_out = &status->left_out[i];

		if (!ABOUT(WAITING, "property", left_out->property, "left_out"))
			continue;
		SAY("The new property %s of %s is left out: the catalogue "
		    "does not know it. %s event%s went without it, the first "
		    "%s ago.",
		    left_out->property, left_out->type,
		    NUMBER(left_out->events), left_out->events == 1 ? "" : "s",
		    DURATION(
			status_since_s(status->now_ms, left_out->since_ms)));
		HELP("To send it, add to the destination's settings: %s",
		    left_out->settings);
	}
	if (more > 0 && ABOUT(WAITING, "drift", NULL, "more")) {
		SAY("Further properties are left out: %s.", NUMBER(more));
		HELP("See them: currentsd drift");
	}
}

void
attention_each(const struct status *status, const char *about, bool outside,
    attention_fn *fn, void *arg)
{
	struct attention of = {
	    .status = status,
	    .only = about,
	    .outside = outside,
	    .fn = fn,
	    .arg = arg,
	};
	struct attention *attention = &of;

	buf_init(&of.what, ATTENTION_TEXT);
	buf_init(&of.help, ATTENTION_TEXT);
	buf_init(&of.path, ATTENTION_TEXT);
	for (int level = 0; level < LEVELS; level++) {
		of.level = (enum level)level;
		about_daemon(attention);
		about_disk(attention);
		about_queue(attention);
		about_sources(attention);
		for (size_t i = 0; i < status->destination_count; i++)
			about_destination(attention, i);
		status_stranded(
		    status->daemon, status->settings, stranded_one, attention);
		about_segments(attention);
		about_left_out(attention);
		attention_end(attention);
	}
	buf_fini(&of.what);
	buf_fini(&of.help);
	buf_fini(&of.path);
}

static void
attention_item_json(void *arg, const struct attention_item *item)
{
	struct json *json = arg;

	json_object_open(json, NULL);
	json_text(json, "level", item->level);
	json_text(json, "about", item->about);
	json_text(json, "condition", item->condition);
	json_bytes(json, "what", item->what.data, item->what.len);
	json_bytes(json, "help", item->help.data, item->help.len);
	if (item->path.len == 0) {
		json_null_value(json, "action");
	} else {
		json_object_open(json, "action");
		json_text(json, "method", "POST");
		json_bytes(json, "path", item->path.data, item->path.len);
		json_object_close(json);
	}
	json_object_close(json);
}

void
attention_json(
    const struct status *status, const char *about, struct json *json)
{
	attention_each(status, about, false, attention_item_json, json);
}
