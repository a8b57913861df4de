#ifndef TESTS_UNIT_TRACK_HELP_H
#define TESTS_UNIT_TRACK_HELP_H

/* Events under rules: what is sent of them, and what may be kept. */

#include "schema/track/track.h"

#include <string.h>

enum { ROOM = 1 << 20 };

#define LIST(...)                                                              \
	{                                                                      \
		(const char *const[]){__VA_ARGS__},                            \
		    sizeof((const char *const[]){__VA_ARGS__}) /               \
			sizeof(char *)                                         \
	}

#define DATA "what do ya want for nothing?"
/* RFC 4231, test case 2: of DATA with the key "Jefe" */
#define HEX                                                                    \
	"5bdcc146bf60754e6a042426089575c7"                                     \
	"5a003f089d2739839dec58b964ec3843"
#define MARK "hmac-sha256:" HEX

struct fixture {
	struct track_rules rules;
	struct track_result result;
	struct buf event, out, kept;
};

static inline int
setup(void **state)
{
	static const char *const unclassified = "unclassified";
	static struct fixture f;

	track_rules_init(&f.rules);
	/* most names below are of no type */
	f.rules.keep = (struct track_list){&unclassified, 1};
	f.rules.add_channel = f.rules.add_event_id = false;
	f.rules.key = str_text("Jefe");
	buf_init(&f.event, ROOM);
	buf_init(&f.out, ROOM);
	buf_init(&f.kept, ROOM);
	*state = &f;
	return 0;
}

static inline int
teardown(void **state)
{
	struct fixture *f = *state;

	buf_fini(&f->event);
	buf_fini(&f->out);
	buf_fini(&f->kept);
	return 0;
}

static inline struct str
view(const struct buf *buf)
{
	return str_bytes(buf->data, buf->len);
}

static inline void
map(struct fixture *f, struct str event)
{
	buf_reset(&f->out);
	assert_true(
	    track_write(&f->rules, event, 0, &f->out, &f->result, NULL));
	(void)buf_char(&f->out, '\0');
}

/* What may be kept; that, kept again, is the same. */
static inline void
keep(struct fixture *f, struct str event)
{
	struct buf again;

	buf_reset(&f->kept);
	buf_init(&again, ROOM);
	assert_true(redact_write(&f->rules, event, &f->kept, NULL));
	assert_true(redact_write(&f->rules, view(&f->kept), &again, NULL));
	assert_int_equal(again.len, f->kept.len);
	assert_memory_equal(again.data, f->kept.data, again.len);
	buf_fini(&again);
}

/* An event with those members beside the usual three. */
static inline void
put(struct fixture *f, const char *type, const char *user, const char *more)
{
	buf_reset(&f->event);
	(void)buf_printf(&f->event,
	    "{\"event_type\":\"%s\",\"id\":\"i\",\"time\":1,\"user\":%s,", type,
	    user);
	(void)buf_printf(&f->event, "%s}", more);
	assert_true(buf_ok(&f->event, NULL));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
