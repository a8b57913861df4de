/* The books: windows and keys. The writing of them is heapsim_report.c. */

#include "tests/sim/heapsim_ledger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct heapsim_books *
heapsim_books_new(void)
{
	struct heapsim_books *books = sim_alloc(sizeof(*books));

	books->apps = sim_table_new(sizeof(struct heapsim_app));
	books->names = sim_table_new(sizeof(struct heapsim_name));
	books->start_ms = sim_now_ms();
	return books;
}

static void
app_fini(struct heapsim_app *app)
{
	struct heapsim_stored *stored;
	struct heapsim_stored *other;
	struct heapsim_stored *next;
	struct heapsim_user *user;

	for (stored = sim_table_first(app->keys); stored != NULL;
	     stored = sim_record_next(stored)) {
		free(stored->json);
		for (other = stored->other; other != NULL; other = next) {
			next = other->other;
			free(other->json);
			free(other);
		}
	}
	for (user = sim_table_first(app->users); user != NULL;
	     user = sim_record_next(user))
		sim_window_fini(&user->window);
	sim_table_free(app->keys);
	sim_table_free(app->users);
	sim_window_fini(&app->window);
}

/* The records own what hangs on them; the tables only the records. */
void
heapsim_books_free(struct heapsim_books *books)
{
	struct heapsim_app *app;

	if (books == NULL)
		return;
	for (app = sim_table_first(books->apps); app != NULL;
	     app = sim_record_next(app))
		app_fini(app);
	sim_table_free(books->apps);
	sim_table_free(books->names);
	free(books);
}

void
heapsim_books_count(
    struct heapsim_books *books, enum heapsim_count what, uint64_t n)
{
	books->counts[what] += n;
}

void
heapsim_books_answered(struct heapsim_books *books, unsigned status)
{
	if (status < HEAPSIM_STATUSES)
		books->by_status[status]++;
}

void
heapsim_books_refused(struct heapsim_books *books, const char *why)
{
	books->counts[HEAPSIM_REFUSED]++;
	snprintf(books->last_refusal, sizeof(books->last_refusal), "%s", why);
}

static struct heapsim_app *
app_of(struct heapsim_books *books, const struct heapsim_request *request)
{
	struct heapsim_app *app = sim_table_put(
	    books->apps, request->app_id, strlen(request->app_id));

	if (app->users == NULL) {
		app->users = sim_table_new(sizeof(struct heapsim_user));
		app->keys = sim_table_new(sizeof(struct heapsim_stored));
	}
	return app;
}

/* The user is found anew where it is needed: one look-up is cheaper than a
 * place for it in every event of every request. */
static struct heapsim_user *
user_of(struct heapsim_app *app, const struct heapsim_request *request,
    const struct heapsim_event *event)
{
	if (event->user.len == 0)
		return NULL;
	return sim_table_put(app->users,
	    heapsim_request_text(request, event->user), event->user.len);
}

/* 32 bits of milliseconds are 49 days: longer than any test. */
static uint32_t
since_start(const struct heapsim_books *books, int64_t now_ms)
{
	return now_ms > books->start_ms ? (uint32_t)(now_ms - books->start_ms)
					: 0;
}

/* Kept as it goes: looking for the fullest of a million users in /books
 * would stop the simulator for too long. */
static void
app_meet_user(struct heapsim_app *app, struct heapsim_user *user, uint64_t n)
{
	sim_window_meet(&user->window, n);
	if (user->window.max > app->user_max) {
		app->user_max = user->window.max;
		app->user_max_of = user;
	}
}

/*
 * pending counts a user's events within this request, so that a request that
 * exceeds the quota by itself is noticed. A second pass over the events clears
 * it again.
 */
bool
heapsim_books_arrive(struct heapsim_books *books,
    const struct heapsim_request *request,
    const struct heapsim_settings *settings, int64_t now_ms)
{
	struct heapsim_app *app = app_of(books, request);
	uint32_t length_ms = (uint32_t)settings->quota_window_ms;
	uint32_t now = since_start(books, now_ms);
	struct heapsim_user *user;
	bool over;
	size_t i;

	books->counts[HEAPSIM_RECEIVED] += request->n;
	app->counts[HEAPSIM_RECEIVED] += request->n;
	over = sim_window_slide(&app->window, now, length_ms) + request->n >
	       (uint64_t)settings->app_quota;
	sim_window_meet(&app->window, request->n);
	for (i = 0; i < request->n; i++) {
		user = user_of(app, request, &request->events[i]);
		if (user == NULL)
			continue;
		user->pending++;
		if (sim_window_slide(&user->window, now, length_ms) +
			user->pending >
		    (uint64_t)settings->user_quota)
			over = true;
		app_meet_user(app, user, user->pending);
	}
	for (i = 0; i < request->n; i++) {
		user = user_of(app, request, &request->events[i]);
		if (user != NULL)
			user->pending = 0;
	}
	return over;
}

/* From here on the events stand against those that come later. */
void
heapsim_books_admit(struct heapsim_books *books,
    const struct heapsim_request *request,
    const struct heapsim_settings *settings, int64_t now_ms)
{
	struct heapsim_app *app = app_of(books, request);
	uint32_t length_ms = (uint32_t)settings->quota_window_ms;
	uint32_t now = since_start(books, now_ms);
	struct heapsim_user *user;
	size_t i;

	sim_window_slide(&app->window, now, length_ms);
	sim_window_add(&app->window, now, (uint32_t)request->n);
	for (i = 0; i < request->n; i++) {
		user = user_of(app, request, &request->events[i]);
		if (user == NULL)
			continue;
		sim_window_slide(&user->window, now, length_ms);
		sim_window_add(&user->window, now, 1);
	}
}

/* One event of a request of which only a part fits; false if it does not. */
static bool
event_admit(const struct heapsim_books *books, struct heapsim_app *app,
    struct heapsim_user *user, const struct heapsim_settings *settings,
    int64_t now_ms)
{
	uint32_t length_ms = (uint32_t)settings->quota_window_ms;
	uint32_t now = since_start(books, now_ms);

	if (sim_window_slide(&app->window, now, length_ms) >=
		(uint64_t)settings->app_quota ||
	    sim_window_slide(&user->window, now, length_ms) >=
		(uint64_t)settings->user_quota)
		return false;
	sim_window_add(&app->window, now, 1);
	sim_window_add(&user->window, now, 1);
	return true;
}

static void
both_count(struct heapsim_books *books, struct heapsim_app *app,
    enum heapsim_count what)
{
	books->counts[what]++;
	app->counts[what]++;
}

/* The record of this key under this user; made if there is none. */
/* Hardly any key has more than one user, so a list is enough. */
static struct heapsim_stored *
stored_of(struct heapsim_books *books, struct heapsim_app *app,
    const struct heapsim_user *user, struct heapsim_stored *stored)
{
	bool split = stored->times > 0;

	if (stored->times == 0)
		stored->user = user;
	while (stored->user != user && stored->other != NULL)
		stored = stored->other;
	if (stored->user != user) {
		stored->other = sim_alloc(sizeof(*stored));
		stored = stored->other;
		stored->user = user;
	}
	if (split && stored->times == 0)
		both_count(books, app, HEAPSIM_SPLIT);
	return stored;
}

/* The first arrival is what Heap keeps: a repeat changes nothing, not even
 * if its name or properties are others. */
static void
event_store(struct heapsim_books *books, struct heapsim_app *app,
    const struct heapsim_request *request, const struct heapsim_event *event,
    const struct heapsim_settings *settings)
{
	struct heapsim_user *user = user_of(app, request, event);
	struct heapsim_stored *stored = sim_table_put(app->keys,
	    heapsim_request_text(request, event->key), event->key.len);
	struct heapsim_name *name;

	stored = stored_of(books, app, user, stored);
	if (stored->times++ > 0) {
		both_count(books, app, HEAPSIM_REPEATED);
		return;
	}
	name = sim_table_put(books->names,
	    heapsim_request_text(request, event->name), event->name.len);
	name->events++;
	stored->name = name;
	both_count(books, app, HEAPSIM_ACCEPTED);
	if (!settings->forget_bodies &&
	    books->kept < (uint64_t)settings->keep_events) {
		stored->json = sim_copy(event->json.at, event->json.len);
		books->kept++;
	}
}

/* In the order of the request: what is over the quota is its tail. */
void
heapsim_books_store(struct heapsim_books *books,
    const struct heapsim_request *request,
    const struct heapsim_settings *settings, int64_t now_ms, bool drop_over)
{
	struct heapsim_app *app = app_of(books, request);
	const struct heapsim_event *event;
	size_t i;

	for (i = 0; i < request->n; i++) {
		event = &request->events[i];
		if (event->flaw.len > 0)
			both_count(books, app, HEAPSIM_REFUSED_EVENTS);
		else if (drop_over &&
			 !event_admit(books, app, user_of(app, request, event),
			     settings, now_ms))
			both_count(books, app, HEAPSIM_DROPPED);
		else
			event_store(books, app, request, event, settings);
	}
}
