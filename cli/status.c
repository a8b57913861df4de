/*
 * currentsd status: the state of everything, for an operator who was woken at
 * night. Its JSON is the same as that of /status.
 */

#include "base/clock.h"
#include "base/counters.h"
#include "cli/segment.h"
#include "cli/show.h"
#include "daemon/status.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
	STATUS_TOP = 3,	     /* reasons that are shown */
	STATUS_LEFT_OUT = 5, /* properties */
	STATUS_SEGMENTS = 10,
	STATUS_COUNT = 24
};

struct top {
	struct buf *out;
	bool any;
};

static bool
top_one(void *arg, const char *text, int status, int64_t count)
{
	struct top *top = arg;

	(void)buf_printf(
	    top->out, "%s%" PRId64 " %s", top->any ? ", " : "", count, text);
	if (status != 0)
		(void)buf_printf(top->out, " (%d)", status);
	top->any = true;
	return true;
}

/* The most frequent rules, or reasons. */
static void
top_show(struct queue *queue, enum stats_top which, const char *head,
    struct buf *out)
{
	struct top top = {.out = out};

	(void)buf_printf(out, "           %s: ", head);
	(void)!stats_top(queue, which, STATUS_TOP, top_one, &top, NULL);
	(void)buf_char(out, '\n');
}

/* What will be deleted soon. */
static void
bounds_show(const struct daemon *daemon, const struct stats_totals *totals,
    struct buf *out)
{
	const struct queue_settings *settings = &daemon->settings->queue;
	int64_t most = queue_dead_max_bytes(settings);
	char left[SHOW_DURATION];

	if (status_is_near(totals->dead_bytes, most))
		(void)buf_printf(out,
		    "           DEAD LETTERS use %" PRId64 "%% of "
		    "dead_max_bytes: at 100%% the oldest expire\n",
		    totals->dead_bytes * 100 / most);
	if (totals->dead_left_ms <= STATUS_EXPIRING_MS) {
		show_duration(totals->dead_left_ms / 1000, left, sizeof(left));
		(void)buf_printf(out,
		    "           the first DEAD LETTERS EXPIRE in %s: "
		    "`currentsd dead export` saves them\n",
		    left);
	}
	if (status_is_near(
		totals->unreadable_bytes, settings->unreadable_max_bytes))
		(void)buf_printf(out,
		    "           UNREADABLE BODIES use %" PRId64 "%% of "
		    "unreadable_max_bytes: at 100%% the oldest are deleted\n",
		    totals->unreadable_bytes * 100 /
			settings->unreadable_max_bytes);
}

static void
queue_show(struct daemon *daemon, int64_t now_ms, struct buf *out)
{
	char live[SHOW_BYTES], most[SHOW_BYTES], room[SHOW_BYTES];
	char oldest[SHOW_AGO];
	struct stats_totals totals;
	const struct stats_line *line = &totals.events;
	int64_t replays;

	stats_totals(daemon->queue, &totals);
	(void)buf_printf(out,
	    "queue      %" PRId64 " queued, %" PRId64 " dead, %" PRId64
	    " unreadable\n",
	    line->queued, line->dead, totals.unreadable);
	if (totals.unreadable_removed > 0)
		(void)buf_printf(out,
		    "           unreadable bodies removed: %" PRId64 "\n",
		    totals.unreadable_removed);
	if (line->dead > 0)
		top_show(daemon->queue, STATS_TOP_DEAD,
		    line->dead > STATS_TOP_RECENT ? "dead recently" : "dead",
		    out);
	bounds_show(daemon, &totals, out);
	if (line->queued > 0) {
		show_ago(now_ms, status_oldest_ms(daemon, NULL), oldest,
		    sizeof(oldest));
		(void)buf_printf(out,
		    "           the oldest of them was accepted %s\n", oldest);
	}
	show_bytes(totals.live_bytes, live, sizeof(live));
	show_bytes(daemon->settings->queue.max_bytes, most, sizeof(most));
	show_bytes(totals.free_bytes, room, sizeof(room));
	(void)buf_printf(out,
	    "           %s of %s, %s free on the file system%s\n", live, most,
	    room, totals.reserve ? "" : ", NO RESERVE FILE");
	(void)buf_printf(out,
	    "ledger     received %" PRId64 ", delivered %" PRId64
	    ", dropped %" PRId64 ", duplicates %" PRId64 "\n",
	    line->received, line->delivered, line->dropped, line->duplicates);
	replays =
	    line->replayed - line->replay_delivered - line->replay_refused;
	if (replays > 0)
		(void)buf_printf(out,
		    "           %" PRId64 " replays are still to be sent, "
		    "behind the live traffic\n",
		    replays);
	if (line->dropped > 0)
		top_show(daemon->queue, STATS_TOP_DROPS, "dropped", out);
	if (stats_imbalance(line) != 0)
		(void)buf_printf(out,
		    "           THE LEDGER IS OFF BY %" PRId64
		    ": run currentsd ledger --check\n",
		    stats_imbalance(line));
	if (totals.broken)
		(void)buf_text(out,
		    "           THE DISK FAILED: nothing is accepted "
		    "until the queue can be reopened\n");
	if (totals.gone != NULL)
		(void)buf_printf(out,
		    "           THE FILES ARE GONE: %s. Nothing is accepted. "
		    "Do "
		    "not stop the daemon: put them back, or copy the queue "
		    "with currentsd queue backup\n",
		    totals.gone);
	if (totals.held_ms >= STATS_PATIENCE_MS)
		(void)buf_printf(out,
		    "           THE DISK HANGS: no answer for %" PRId64 " s\n",
		    totals.held_ms / 1000);
	if (totals.quarantined_batches > 0)
		(void)buf_printf(out,
		    "           %" PRId64 " DAMAGED BATCHES are quarantined: "
		    "run currentsd queue check\n",
		    totals.quarantined_batches);
}

/* ---- sources ---- */

static void
failing_show(const struct server_source_status *status,
    const struct intake *intake, int64_t now_ms, struct buf *out)
{
	const struct {
		const char *soon, *past;
		int64_t after_ms; /* 0: it is not known */
	} deadlines[] = {
	    {"alerts its own staff in ", "has probably alerted its own staff",
		intake->alarms_ms},
	    {"switches the connector off in ",
		"HAS PROBABLY SWITCHED THE CONNECTOR OFF", intake->gives_up_ms},
	};
	int64_t seconds = status_since_s(now_ms, status->failing_since_ms);
	char text[SHOW_DURATION];

	show_duration(seconds, text, sizeof(text));
	(void)buf_printf(out,
	    "           FAILING for %s; the last answer was %u\n",
	    seconds < 0 ? "an unknown time (clock set back)" : text,
	    status->failing_status);
	if (status->failing_why[0] != '\0')
		(void)buf_printf(
		    out, "           why: %s\n", status->failing_why);
	for (size_t i = 0; i < sizeof(deadlines) / sizeof(deadlines[0]); i++) {
		int64_t left =
		    status_source_left_s(status, deadlines[i].after_ms, now_ms);

		if (deadlines[i].after_ms == 0)
			continue;
		show_duration(left, text, sizeof(text));
		(void)buf_printf(out, "           Braze %s%s\n",
		    left > 0 ? deadlines[i].soon : deadlines[i].past,
		    left > 0 ? text : "");
	}
}

/* What the source does with what is refused; NULL: it is of any kind. */
static const char *
refused_effect(const struct intake *intake)
{
	if (intake != NULL && intake->set)
		return "if they came from Heap, their secret is not ours, and "
		       "Heap may not send them again: set it, then press sync "
		       "now in Heap";
	return "if they came from Braze, it holds those events back until "
	       "someone fixes its connector";
}

static void
refused_show(const struct server_source_status *status,
    const struct intake *intake, int64_t now_ms, struct buf *out)
{
	int64_t refused = status_source_refused(status, now_ms);
	char last[SHOW_AGO], first[SHOW_AGO];

	if (refused == 0)
		return;
	show_ago(now_ms, status->refused_since_ms, first, sizeof(first));
	show_ago(now_ms, status->refused_ms, last, sizeof(last));
	(void)buf_printf(out,
	    "           REFUSED requests: %" PRId64
	    ", the first %s, the last %s\n",
	    refused, first, last);
	if (status->refused_status == SERVER_HUNG_UP)
		(void)buf_printf(out,
		    "           why: closed without an answer, %s\n"
		    "           if they came from Braze, it sends those events "
		    "again, for 5 days\n",
		    status->refused_why);
	else
		(void)buf_printf(out,
		    "           why: %u, %s\n"
		    "           %s\n",
		    status->refused_status, status->refused_why,
		    refused_effect(intake));
}

/* Requests that do not look like a source's: nobody has to act. */
static void
strangers_show(struct daemon *daemon, int64_t now_ms, struct buf *out)
{
	struct server_source_status status;
	char last[SHOW_AGO];
	int64_t refused;

	if (!status_source_read(
		daemon, daemon->settings->source_count + 1, &status))
		return;
	refused = status_source_refused(&status, now_ms);
	if (refused == 0)
		return;
	show_ago(now_ms, status.refused_ms, last, sizeof(last));
	(void)buf_printf(out,
	    "strangers  %" PRId64 " requests of others, the last %s: %u, %s\n",
	    refused, last, status.refused_status, status.refused_why);
}

static void
source_show(
    struct daemon *daemon, size_t source, int64_t now_ms, struct buf *out)
{
	struct server *server = atomic_load(&daemon->server);
	char request[SHOW_AGO], success[SHOW_AGO];
	struct server_source_status status;

	if (!status_source_read(daemon, source, &status))
		return;
	show_ago(now_ms, status.last_request_ms, request, sizeof(request));
	show_ago(now_ms, status.last_success_ms, success, sizeof(success));
	(void)buf_printf(out,
	    "source     %-16s last request %s, last success %s\n",
	    daemon->settings->sources[source].server.name, request, success);
	for (size_t i = 0; server != NULL && i < server_tokens(server, source);
	     i++) {
		show_ago(now_ms, server_token_last_used_ms(server, source, i),
		    request, sizeof(request));
		(void)buf_printf(
		    out, "           token %zu last used %s\n", i + 1, request);
	}
	if (status.failing_since_ms != 0)
		failing_show(&status,
		    daemon->settings->sources[source].server.intake, now_ms,
		    out);
	refused_show(&status, daemon->settings->sources[source].server.intake,
	    now_ms, out);
}

static void
no_source_show(struct daemon *daemon, int64_t now_ms, struct buf *out)
{
	struct server_source_status status;

	if (!status_source_read(
		daemon, daemon->settings->source_count, &status) ||
	    status_source_refused(&status, now_ms) == 0)
		return;
	(void)buf_text(out, "no source  matches these requests:\n");
	refused_show(&status, NULL, now_ms, out);
}

/* ---- destinations ---- */

/* "15,000": in the thousands, as a quota is. */
static void
count_show(unsigned count, char *ret, size_t size)
{
	if (count < 1000)
		(void)snprintf(ret, size, "%u", count);
	else
		(void)snprintf(
		    ret, size, "%u,%03u", count / 1000, count % 1000);
}

/* How long until that time, rounded up. */
static void
until_show(int64_t now_ms, int64_t until_ms, char *ret, size_t size)
{
	int64_t left_ms = until_ms - now_ms;

	show_duration(left_ms > 0 ? (left_ms + 999) / 1000 : 0, ret, size);
}

static void
sender_show(const struct status_destination *status, const char *noun,
    int64_t now_ms, struct buf *out)
{
	const struct forwarder_destination_status *sender = &status->sender;
	char pace[STATUS_COUNT], full[STATUS_COUNT];
	char text[SHOW_DURATION], when[CLOCK_TEXT];

	if (sender->why[0] != '\0')
		(void)buf_printf(out, "           why: %s\n", sender->why);
	if (sender->until_ms > now_ms) {
		until_show(now_ms, sender->until_ms, text, sizeof(text));
		(void)buf_printf(out, "           next try in %s\n", text);
	}
	if (sender->deferred > 0) {
		until_show(now_ms, sender->deferred_due_ms, text, sizeof(text));
		(void)buf_printf(out,
		    "           %zu deferred: refused or failed alone, but it "
		    "is not yet certain that the %ss are at fault;\n"
		    "           next try in %s; last answer: %s\n",
		    sender->deferred, noun, text, sender->deferred_why);
	}
	if (sender->pace_request_items > 0)
		noun = "request"; /* what the pace counts */
	if (sender->pace_per_minute != sender->pace_full_per_minute) {
		count_show(sender->pace_per_minute, pace, sizeof(pace));
		count_show(sender->pace_full_per_minute, full, sizeof(full));
		(void)buf_printf(out,
		    "           pace %s of %s %ss a minute, after HTTP 429\n",
		    pace, full, noun);
	}
	if (sender->state == FORWARDER_TRIAL)
		(void)buf_printf(out,
		    "           dry run: %" PRIu64
		    " would have been sent, %" PRIu64 " dropped, %" PRIu64
		    " dead\n",
		    sender->trial_sent, sender->trial_dropped,
		    sender->trial_dead);
	if (status->held > 0)
		(void)buf_printf(out,
		    "           %" PRId64 " of them are held until you release "
		    "them: see segments below\n",
		    status->held);
	if (status->drain_s < 0 && status->queued > status->held)
		(void)buf_text(
		    out, "           cannot forecast when it will be empty\n");
	if (status->queued == 0 || status->drain_s < 0)
		return;
	show_duration(status->drain_s, text, sizeof(text));
	clock_text(now_ms + status->drain_s * 1000, when, sizeof(when));
	(void)buf_printf(out,
	    "           empty in %s, at %.16sZ, at %u %ss a minute%s\n", text,
	    when, sender->pace_per_minute, noun,
	    sender->deferred > 0 ? ", not counting what is deferred"
	    : status->held > 0	 ? ", not counting what is held"
				 : "");
}

/* The types whose items wait until one is accepted. */
static void
parked_show(
    struct daemon *daemon, size_t index, const char *noun, struct buf *out)
{
	struct forwarder *forwarder = atomic_load(&daemon->forwarder);
	struct forwarder_parked *parked =
	    calloc(FORWARDER_PARKED_MAX, sizeof(*parked));
	size_t count = 0;

	if (parked != NULL && forwarder != NULL)
		count = forwarder_destination_parked(forwarder, index, parked);
	for (size_t i = 0; i < count; i++)
		(void)buf_printf(out,
		    "           parked: %s (%s), %zu %ss; one is tried each "
		    "minute; last answer: %s\n",
		    parked[i].name,
		    parked[i].whole ? "all of it is refused"
				    : "those that were refused",
		    parked[i].count, noun, parked[i].why);
	free(parked);
}

static void
destination_show(
    struct daemon *daemon, size_t index, int64_t now_ms, struct buf *out)
{
	const char *noun =
	    daemon->settings->destinations[index].forwarder.outlet->item_noun;
	struct status_destination status;
	char accepted[SHOW_AGO];

	status_destination_read(daemon, index, now_ms, &status);
	show_ago(now_ms, status.accepted_ms, accepted, sizeof(accepted));
	(void)buf_printf(out,
	    "to         %-16s %s, %" PRId64 " queued, last accepted %s\n",
	    status.name, status.state, status.queued, accepted);
	if (status_is_near(status.bytes, status.bytes_max))
		(void)buf_printf(out,
		    "           USES %" PRId64
		    "%% of the space that it may: at "
		    "100%% its sources are answered 503\n",
		    status.bytes * 100 / status.bytes_max);
	if (status.running) {
		sender_show(&status, noun, now_ms, out);
		if (status.sender.parked > 0)
			parked_show(daemon, index, noun, out);
	} else if (status.paused)
		(void)buf_printf(out,
		    "           run `currentsd destinations resume %s` to "
		    "resume it\n",
		    status.name);
}

/* ---- segments ---- */

static void
segments_show(struct daemon *daemon, const struct options *options,
    int64_t now_ms, struct buf *out)
{
	struct segments segments;
	const char *apart = ": ";
	size_t troubled;

	if (!segments_read(daemon, now_ms, &segments, NULL))
		return;
	if (segments.count > 0)
		(void)buf_printf(out, "segments   %zu", segments.count);
	for (int s = 0; s < SEGMENT_STATES; s++) {
		if (segments.states[s] == 0)
			continue;
		(void)buf_printf(out, "%s%zu %s", apart, segments.states[s],
		    segment_state_name((enum segment_state)s));
		apart = ", ";
	}
	if (segments.count > 0)
		(void)buf_printf(
		    out, "; %" PRId64 " changes wait\n", segments.waiting);
	troubled = segments_trouble_show(
	    &segments, options, now_ms, STATUS_SEGMENTS, "           ", out);
	if (troubled > STATUS_SEGMENTS)
		(void)buf_printf(out,
		    "           and %zu more: see `currentsd segments "
		    "--attention`\n",
		    troubled - STATUS_SEGMENTS);
	segments_fini(&segments);
}

/* ---- what no one has decided about ---- */

static void
left_out_property_show(
    void *arg, const struct drift *drift, int64_t events, int64_t first_ms)
{
	struct buf *out = arg;
	char since[CLOCK_TEXT];

	clock_text(first_ms, since, sizeof(since));
	(void)buf_printf(out,
	    "left out   %.*s of %.*s, a property that is not in the catalogue: "
	    "%" PRId64 " events went without it since %.16sZ;\n"
	    "           to send it, add to the destination's settings: ",
	    STR_ARGS(drift->field), STR_ARGS(drift->type), events, since);
	drift_settings_write(drift, out);
	(void)buf_char(out, '\n');
}

static void
left_out_show(struct daemon *daemon, struct buf *out)
{
	int64_t count = status_left_out(
	    daemon, STATUS_LEFT_OUT, left_out_property_show, out);

	if (count > STATUS_LEFT_OUT)
		(void)buf_printf(out,
		    "           and %" PRId64 " more: see currentsd drift\n",
		    count - STATUS_LEFT_OUT);
}

/* ---- all of it ---- */

static void
status_show(struct daemon *daemon, const struct options *options,
    int64_t now_ms, int64_t mono_ms, struct buf *out)
{
	const struct settings *settings = daemon->settings;
	char uptime[SHOW_DURATION];
	uint64_t dropped;

	if (atomic_load(&daemon->forwarder) == NULL) {
		(void)buf_printf(
		    out, "currentsd  %s NOT RUNNING\n", CURRENTSD_VERSION);
	} else {
		show_duration((mono_ms - daemon->started_mono_ms) / 1000,
		    uptime, sizeof(uptime));
		(void)buf_printf(out, "currentsd  %s running for %s%s\n",
		    CURRENTSD_VERSION, uptime,
		    status_alive(daemon, mono_ms) ? ""
						  : ", A THREAD HAS STALLED");
		dropped = counter_read(COUNTER_LOG_DROPPED);
		if (dropped > 0)
			(void)buf_printf(out,
			    "           %" PRIu64
			    " LINES OF THE LOG were dropped: "
			    "nobody read it\n",
			    dropped);
	}
	queue_show(daemon, now_ms, out);
	for (size_t i = 0; i < settings->source_count; i++)
		source_show(daemon, i, now_ms, out);
	no_source_show(daemon, now_ms, out);
	strangers_show(daemon, now_ms, out);
	for (size_t i = 0; i < settings->destination_count; i++)
		destination_show(daemon, i, now_ms, out);
	segments_show(daemon, options, now_ms, out);
	show_stranded(daemon, out);
	left_out_show(daemon, out);
}

int
command_status(struct command_context *context, struct buf *out)
{
	int64_t mono_ms = clock_mono_ms();

	if (options_has(context->options, "--json"))
		status_write(context->daemon, context->now_ms, mono_ms, out);
	else
		status_show(context->daemon, context->options, context->now_ms,
		    mono_ms, out);
	return EXIT_FINE;
}
