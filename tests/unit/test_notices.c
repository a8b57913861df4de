/*
 * When something is told, and when not: the thread of daemon/notices.c in a
 * time of its own, in which a wait takes no time. What is there, and whether
 * the receiver takes posts, is a function of that time.
 */

#include "base/clock.h"
#include "daemon/attention.h"
#include "daemon/daemon.h"
#include "daemon/notices.h"
#include "forwarder/post.h"

#include <jansson.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum {
	THINGS = 4,
	WINDOWS = 3,
	MANY = 30,
	CROWD = 600,
	NEVER_S = 1 << 30,
	WALL_S = 2000000000
};

/* In seconds; from..to: until before `to`. */
struct window {
	int from, to;
};

struct scene {
	const char *name;
	int again, per_hour;
	struct {
		const char *condition; /* NULL: none */
		bool quiet;
		struct window there[WINDOWS];
	} things[THINGS];
	struct window many;    /* MANY more of them */
	struct window crowd;   /* of destinations, CROWD */
	struct window dead;    /* letters; see dead_letters() */
	struct window down[2]; /* the receiver answers 503 */
	int restart;	       /* 0: never */
	int end;
	const char *told; /* "AT STATE CONDITION\n" ... */
};

enum { AFTER_S = 10 };

/* Of the present scene. Thread and test take turns by the semaphores. */
static struct {
	const struct scene *scene;
	int64_t now_s;
	bool sent;
	char body[1 << 20];
	size_t len;
	char told[8192];
	char saved[1 << 20];
	sem_t ended, woken;
} world;

static bool
within(struct window window)
{
	return world.now_s >= window.from && world.now_s < window.to;
}

/* 1, from 100 on 2; one was dropped at 1200, and one more came at 1500. */
static int
dead_letters(void)
{
	int64_t now_s = world.now_s;

	return within(world.scene->dead)
		   ? 1 + (now_s >= 100 && (now_s < 1200 || now_s >= 1500))
		   : 0;
}

/* ---- what is wrapped ---- */

__typeof__(clock_mono_ms) __wrap_clock_mono_ms;
__typeof__(clock_wall_ms) __wrap_clock_wall_ms;
__typeof__(status_read) __wrap_status_read;
__typeof__(status_fini) __wrap_status_fini;
__typeof__(attention_each) __wrap_attention_each;
__typeof__(poster_new) __wrap_poster_new;
__typeof__(poster_free) __wrap_poster_free;
__typeof__(poster_send) __wrap_poster_send;
__typeof__(poster_run) __wrap_poster_run;
__typeof__(poster_wake) __wrap_poster_wake;
__typeof__(poster_drop_all) __wrap_poster_drop_all;
__typeof__(queue_clocks_save) __wrap_queue_clocks_save;
__typeof__(queue_clocks_read) __wrap_queue_clocks_read;

int64_t
__wrap_clock_mono_ms(void)
{
	return world.now_s * 1000;
}

int64_t
__wrap_clock_wall_ms(void)
{
	return (WALL_S + world.now_s) * 1000;
}

bool
__wrap_status_read(struct daemon *daemon, const struct settings *settings,
    int64_t now_ms, int64_t mono_ms, struct status *ret_status,
    struct err *reterr)
{
	(void)now_ms, (void)mono_ms, (void)reterr;
	*ret_status = (struct status){.daemon = daemon, .settings = settings};
	ret_status->queue.ledger.line.dead = dead_letters();
	return true;
}

void
__wrap_status_fini(struct status *status)
{
	(void)status;
}

static void
show(attention_fn *fn, void *arg, const char *about, const char *condition,
    bool quiet)
{
	const struct attention_item item = {
	    .level = "wrong",
	    .about = about,
	    .condition = condition,
	    .what = str_text("It is @here <b>."),
	    .help = str_text("Do it."),
	    .quiet = quiet,
	};

	fn(arg, &item);
}

void
__wrap_attention_each(const struct status *status, const char *about,
    bool outside, attention_fn *fn, void *arg)
{
	const struct scene *scene = world.scene;
	char condition[16], name[32];

	(void)status;
	assert_null(about);
	assert_true(outside);
	for (size_t i = 0; i < THINGS; i++) {
		bool there = false;

		for (size_t w = 0; w < WINDOWS; w++)
			there |= within(scene->things[i].there[w]);
		if (there)
			show(fn, arg, "x", scene->things[i].condition,
			    scene->things[i].quiet);
	}
	for (int i = 0; i < MANY && within(scene->many); i++) {
		(void)snprintf(condition, sizeof(condition), "many%d", i);
		show(fn, arg, "x", condition, false);
	}
	for (int i = 0; i < CROWD && within(scene->crowd); i++) {
		(void)snprintf(name, sizeof(name), "destination:%d", i);
		show(fn, arg, name, "halted", false);
	}
}

bool
__wrap_poster_new(struct poster **ret_poster, struct err *reterr)
{
	(void)reterr;
	*ret_poster = (struct poster *)(void *)&world;
	return true;
}

void
__wrap_poster_free(struct poster *poster)
{
	(void)poster;
}

bool
__wrap_poster_send(struct poster *poster, const struct post_target *target,
    const char *const *headers, struct str body, void *owner, void *tag,
    struct err *reterr)
{
	(void)poster, (void)headers, (void)owner, (void)tag, (void)reterr;
	assert_string_equal(target->address.url, "https://example.com/");
	assert_false(world.sent);
	assert_true(body.len < sizeof(world.body));
	memcpy(world.body, body.data, body.len);
	world.len = body.len;
	world.sent = true;
	return true;
}

/* What was accepted, as the scene has it. */
static void
take(void)
{
	json_t *body = json_loadb(world.body, world.len, 0, NULL);
	const char *state, *condition = "", *text;
	size_t at = strlen(world.told);

	assert_non_null(body);
	state = json_string_value(json_object_get(body, "state"));
	text = json_string_value(json_object_get(body, "text"));
	assert_non_null(state);
	assert_non_null(text);
	assert_ptr_equal(strstr(text, "currentsd on "), text);
	assert_null(strchr(text, '@'));
	assert_null(strchr(text, '<'));
	if (strcmp(state, "summary") != 0) {
		condition =
		    json_string_value(json_object_get(body, "condition"));
		assert_non_null(condition);
		assert_true((strstr(text, "Resolved: ") != NULL) ==
			    (strcmp(state, "resolved") == 0));
	}
	(void)snprintf(world.told + at, sizeof(world.told) - at,
	    "%d %s %s%.0zu\n", (int)world.now_s, state, condition,
	    json_array_size(json_object_get(body, "notices")));
	json_decref(body);
}

/* A wait takes as long as it says, and the answer to a post no time. */
bool
__wrap_poster_run(struct poster *poster, int64_t timeout_ms,
    poster_answer_fn *fn, void *arg, struct err *reterr)
{
	const struct scene *scene = world.scene;
	bool down = within(scene->down[0]) || within(scene->down[1]);
	struct outlet_answer answer = {
	    .status = down ? 503 : 204, .trouble = ""};

	(void)poster, (void)reterr;
	if (world.sent) {
		world.sent = false;
		if (!down)
			take();
		fn(arg, NULL, NULL, &answer);
		return true;
	}
	assert_int_equal(timeout_ms, AFTER_S * 1000 / 10);
	world.now_s++;
	if (world.now_s == scene->end || world.now_s == scene->restart) {
		assert_int_equal(sem_post(&world.ended), 0);
		assert_int_equal(sem_wait(&world.woken), 0);
	}
	return true;
}

void
__wrap_poster_wake(struct poster *poster)
{
	(void)poster;
	assert_int_equal(sem_post(&world.woken), 0);
}

void
__wrap_poster_drop_all(struct poster *poster)
{
	(void)poster;
	world.sent = false;
}

bool
__wrap_queue_clocks_save(struct queue *queue, enum queue_clocks what,
    const void *data, size_t len, struct err *reterr)
{
	(void)queue, (void)reterr;
	assert_int_equal(what, QUEUE_CLOCKS_NOTICES);
	assert_true(len < sizeof(world.saved));
	memcpy(world.saved, data, len);
	world.saved[len] = '\0';
	return true;
}

bool
__wrap_queue_clocks_read(struct queue *queue, enum queue_clocks what,
    struct buf *ret_data, struct err *reterr)
{
	(void)queue, (void)reterr;
	assert_int_equal(what, QUEUE_CLOCKS_NOTICES);
	return buf_text(ret_data, world.saved);
}

/* ---- scenes ---- */

#define ONCE(from, to)                                                         \
	{                                                                      \
		{                                                              \
			from, to                                               \
		}                                                              \
	}

/* clang-format off */
static const struct scene scenes[] = {
    {"nothing is wrong", .end = 100, .told = ""},
    {"what lasts is told once, and when it is resolved",
	.things = {{"halted", .there = ONCE(5, 50)}}, .end = 200,
	.told = "15 new halted\n60 resolved halted\n"},
    {"what comes and goes is not told",
	.things = {{"halted", .there = {{5, 14}, {16, 25}, {27, 36}}}},
	.end = 100, .told = ""},
    {"what goes and comes is not told again",
	.things = {{"halted", .there = {{5, 30}, {39, 60}, {65, NEVER_S}}}},
	.end = 200, .told = "15 new halted\n"},
    {"what comes back later is new",
	.things = {{"halted", .there = {{0, 20}, {50, 70}}}}, .end = 100,
	.told = "10 new halted\n30 resolved halted\n60 new halted\n"
		"80 resolved halted\n"},
    {"each has its own time",
	.things = {{"halted", .there = ONCE(0, NEVER_S)},
	    {"space", .there = ONCE(3, 40)}},
	.end = 100, .told = "10 new halted\n13 new space\n50 resolved space\n"},
    {"nobody need be told of what is quiet",
	.things = {{"paused", .quiet = true, .there = ONCE(0, NEVER_S)}},
	.end = 100, .told = ""},
    {"it is told again once a day", .again = 1000,
	.things = {{"halted", .there = ONCE(0, 2500)}}, .end = 3000,
	.told = "10 new halted\n1010 still halted\n2010 still halted\n"
		"2510 resolved halted\n"},
    {"dead letters are told again if there are more", .again = 1000,
	.dead = {0, 2500}, .end = 3000,
	.told = "10 new new\n1010 still new\n2010 still new\n"
		"2510 resolved new\n"},
    {"dead letters that are kept are told once", .again = 1000,
	.dead = {1600, NEVER_S}, .restart = 1700, .end = 4000,
	.told = "1610 new new\n"},
    {"a few at once are told singly", .per_hour = 4,
	.things = {{"a", .there = ONCE(0, NEVER_S)},
	    {"b", .there = ONCE(0, NEVER_S)}, {"c", .there = ONCE(0, NEVER_S)}},
	.end = 100, .told = "10 new a\n10 new b\n10 new c\n"},
    {"many are summed up", .per_hour = 4, .many = {0, NEVER_S}, .end = 100,
	.told = "10 summary 30\n"},
    {"a crowd of destinations leaves room for the queue", .per_hour = 4,
	.things = {{"gone", .there = ONCE(100, NEVER_S)}},
	.crowd = {0, NEVER_S}, .end = 200,
	.told = "10 summary 480\n110 new gone\n"},
    {"the last post of the hour sums up, then an hour passes", .per_hour = 2,
	.things = {{"a", .there = ONCE(0, NEVER_S)},
	    {"b", .there = ONCE(100, NEVER_S)},
	    {"c", .there = ONCE(200, NEVER_S)}},
	.many = {300, 400}, .end = 4000,
	.told = "10 new a\n110 new b\n3610 new c\n"},
    {"while the receiver is away nothing piles up",
	.things = {{"a", .there = ONCE(0, NEVER_S)},
	    {"b", .there = ONCE(20, 60)}},
	.down = {{0, 80}}, .end = 300, .told = "80 new a\n"},
    {"it waits longer from try to try",
	.things = {{"a", .there = ONCE(0, NEVER_S)}}, .down = {{0, 81}},
	.end = 300, .told = "160 new a\n"},
    {"a post that was taken ends the waiting",
	.things = {{"a", .there = ONCE(0, 100)}}, .down = {{0, 15}, {105, 115}},
	.end = 300, .told = "20 new a\n120 resolved a\n"},
    {"a restart does not tell it again",
	.things = {{"a", .there = ONCE(0, NEVER_S)}}, .restart = 50,
	.end = 300, .told = "10 new a\n"},
    {"what is resolved meanwhile is told after a restart",
	.things = {{"a", .there = ONCE(0, 50)}}, .restart = 50, .end = 300,
	.told = "10 new a\n60 resolved a\n"},
    {"what was not told before a restart is told after it",
	.things = {{"a", .there = ONCE(45, NEVER_S)}}, .restart = 50,
	.end = 300, .told = "60 new a\n"},
    {"a restart does not forget the day", .again = 1000,
	.things = {{"a", .there = ONCE(0, NEVER_S)}}, .restart = 500,
	.end = 1500, .told = "10 new a\n1010 still a\n"},
};
/* clang-format on */

static void
play(const struct scene *scene)
{
	struct settings settings = {
	    .notices =
		{
		    .url = "https://example.com/",
		    .after_ms = (int64_t)AFTER_S * 1000,
		    .again_ms = (int64_t)scene->again * 1000,
		    .per_hour =
			scene->per_hour > 0 ? (unsigned)scene->per_hour : 60,
		},
	};
	struct daemon daemon;
	struct err err;

	daemon_init(&daemon, &settings);
	world.scene = scene;
	world.now_s = 0;
	world.told[0] = world.saved[0] = '\0';
	do {
		struct notices *notices = NULL;

		assert_true(notices_start(&daemon, &notices, &err));
		assert_int_equal(sem_wait(&world.ended), 0);
		notices_stop(notices);
	} while (world.now_s < scene->end);
	if (strcmp(world.told, scene->told) != 0)
		fail_msg("%s: told\n%sand not\n%s", scene->name, world.told,
		    scene->told);
}

static void
test_scenes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++)
		play(&scenes[i]);
}

/* A summary has all of them, and its text the first. */
static void
test_summary(void **state)
{
	static const struct scene scene = {
	    .per_hour = 4,
	    .many = {0, NEVER_S},
	    .end = 20,
	    .told = "10 summary 30\n",
	};
	const char *text;
	size_t lines = 0;
	json_t *body;

	(void)state;
	play(&scene);
	body = json_loadb(world.body, world.len, 0, NULL);
	assert_int_equal(
	    json_array_size(json_object_get(body, "notices")), MANY);
	text = json_string_value(json_object_get(body, "text"));
	for (const char *at = text; (at = strstr(at, "\n- ")) != NULL; at++)
		lines++;
	assert_int_equal(lines, 20);
	assert_non_null(strstr(text, "currentsd status"));
	json_decref(body);
}

/* Whatever was saved, it starts. */
static void
test_odd_saved(void **state)
{
	static const char *const odd[] = {
	    "", "[", "{}", "[1,null,{}]", "[{\"about\":1,\"told_ms\":\"x\"}]"};
	static const struct scene scene = {.end = 5};

	(void)state;
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		struct settings settings = {
		    .notices = {.url = "https://example.com/",
			.after_ms = (int64_t)AFTER_S * 1000,
			.per_hour = 1}};
		struct daemon daemon;
		struct notices *notices = NULL;
		struct err err;

		daemon_init(&daemon, &settings);
		world.scene = &scene;
		world.now_s = 0;
		world.told[0] = '\0';
		(void)snprintf(world.saved, sizeof(world.saved), "%s", odd[i]);
		assert_true(notices_start(&daemon, &notices, &err));
		assert_int_equal(sem_wait(&world.ended), 0);
		notices_stop(notices);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_scenes),
	    cmocka_unit_test(test_summary),
	    cmocka_unit_test(test_odd_saved),
	};

	assert_int_equal(sem_init(&world.ended, 0, 0), 0);
	assert_int_equal(sem_init(&world.woken, 0, 0), 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
