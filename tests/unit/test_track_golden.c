/* Whole events, against what was written by hand in tests/unit/golden. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "schema/track/track.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MAX = 1 << 16, ROOM = 1 << 16 };

static const char *const fates[] = {"send", "drop", "dead"};

static size_t
read_file(const char *name, const char *end, char *ret)
{
	char path[512];
	size_t len;
	FILE *file;

	snprintf(path, sizeof(path), "%s/tests/unit/golden/%s.%s.json",
	    SOURCE_DIR, name, end);
	file = fopen(path, "rb");
	assert_non_null(file);
	len = fread(ret, 1, FILE_MAX, file);
	assert_true(len > 0 && len < FILE_MAX);
	fclose(file);
	return len;
}

static void
check_event(const char *name, json_t *want, const struct buf *out)
{
	json_t *got =
	    json_loadb(out->data, out->len, JSON_REJECT_DUPLICATES, NULL);

	assert_non_null(got);
	if (!json_equal(got, json_object_get(want, "event")))
		fail_msg("%s: %.*s", name, (int)out->len, out->data);
	json_decref(got);
}

static void
test_golden(void **state)
{
	const char *name = *state;
	static char in[FILE_MAX], text[FILE_MAX];
	struct track_result result;
	struct track_rules rules;
	struct buf out;
	size_t len, text_len;
	json_t *want, *reason;

	len = read_file(name, "in", in);
	text_len = read_file(name, "out", text);
	want = json_loadb(text, text_len, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(want);
	track_rules_init(&rules);
	buf_init(&out, ROOM);
	assert_true(
	    track_write(&rules, str_bytes(in, len), 0, &out, &result, NULL));
	assert_string_equal(fates[result.fate],
	    json_string_value(json_object_get(want, "fate")));
	reason = json_object_get(want, "reason");
	if (reason == NULL) {
		assert_null(result.reason);
		check_event(name, want, &out);
	} else {
		assert_string_equal(result.reason, json_string_value(reason));
		assert_int_equal(out.len, 0);
	}
	json_decref(want);
	buf_fini(&out);
}

#define GOLDEN(file)                                                           \
	{                                                                      \
		.name = file, .test_func = test_golden,                        \
		.initial_state = (void *)(uintptr_t)file                       \
	}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    GOLDEN("custom_event"),
	    GOLDEN("purchase"),
	    GOLDEN("location"),
	    GOLDEN("session_start"),
	    GOLDEN("token_state_change"),
	    GOLDEN("global_state_change"),
	    GOLDEN("email_click"),
	    GOLDEN("whatsapp_inbound"),
	    GOLDEN("user_orphan"),
	    GOLDEN("tool_invocation"),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
