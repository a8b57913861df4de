/* The shelf of small tools: buffers, JSON, digests, clocks, errors. */

#include "base/buf.h"
#include "base/clock.h"
#include "base/counters.h"
#include "base/digest.h"
#include "base/json.h"
#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void
test_buf_keeps_its_limit(void **state)
{
	struct buf buf;
	struct err err;

	(void)state;
	buf_init(&buf, 1000);
	for (int i = 0; i < 10; i++)
		assert_true(buf_printf(&buf, "%099d;", i));
	assert_int_equal(buf.len, 1000);
	assert_true(buf_ok(&buf, &err));
	assert_false(buf_char(&buf, 'x'));
	assert_false(buf_ok(&buf, &err));
	assert_int_equal(err.code, ERR_LIMIT);
	assert_int_equal(buf.len, 1000);
	buf_reset(&buf);
	assert_true(buf_text(&buf, "again"));
	assert_memory_equal(buf.data, "again", 5);
	buf_fini(&buf);
}

static void
test_buf_failure_is_sticky(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 4);
	assert_true(buf_text(&buf, "ab"));
	assert_false(buf_text(&buf, "cde"));
	assert_false(buf_char(&buf, 'c')); /* would fit, but leave a gap */
	assert_int_equal(buf.len, 2);
	buf_fini(&buf);
}

static void
test_buf_prints_what_is_long(void **state)
{
	struct buf buf;
	char *taken;
	size_t len;

	(void)state;
	buf_init(&buf, 4096);
	assert_true(buf_printf(&buf, "%0500d", 7));
	taken = buf_take(&buf, &len);
	assert_int_equal(len, 500);
	assert_int_equal(taken[499], '7');
	assert_null(buf.data);
	free(taken);
}

static void
test_buf_wrap(void **state)
{
	static const struct {
		const char *text, *lines;
	} cases[] = {
	    {"", "\n"},
	    {"one", "  one\n"},
	    {" one  two three", "  one two\n  three\n"},
	    {"a-word-that-is-too-long for it",
		"  a-word-that-is-too-long\n  for it\n"},
	    {"do `a b c` now", "  do\n  `a b c`\n  now\n"},
	    {"a `b c`, d", "  a `b c`,\n  d\n"},
	    {"one `is too long` or `not", "  one `is\n  too\n  long` or\n"
					  "  `not\n"},
	};
	struct buf buf;

	(void)state;
	buf_init(&buf, 4096);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buf_reset(&buf);
		buf_wrap(&buf, cases[i].text, 2, 10);
		assert_int_equal(buf.len, strlen(cases[i].lines));
		assert_memory_equal(buf.data, cases[i].lines, buf.len);
	}
	buf_reset(&buf);
	buf_wrap_beside(&buf, "at", "one two three", 4, 12);
	assert_int_equal(buf.len, 22);
	assert_memory_equal(buf.data, "at  one two\n    three\n", 22);
	buf_fini(&buf);
}

static void
test_json_writes_commas_and_escapes(void **state)
{
	static const char expected[] =
	    "{\"a\":1,\"b\":[true,null,\"x\\\"\\\\\\n\\u0001\"],\"c\":{},"
	    "\"d\":0.5,\"e\":[1],\"f\":\"2025-11-24T22:05:01.123Z\","
	    "\"g\":null}";
	struct json json;
	struct buf buf;

	(void)state;
	buf_init(&buf, 4096);
	json_init(&json, &buf);
	json_object_open(&json, NULL);
	json_int(&json, "a", 1);
	json_array_open(&json, "b");
	json_bool(&json, NULL, true);
	json_null_value(&json, NULL);
	json_text(&json, NULL, "x\"\\\n\001");
	json_array_close(&json);
	json_object_open(&json, "c");
	json_object_close(&json);
	json_double(&json, "d", 0.5);
	json_raw(&json, "e", "[1]", 3);
	json_time(&json, "f", 1764021901123);
	json_time(&json, "g", 0);
	json_object_close(&json);
	assert_int_equal(buf.len, strlen(expected));
	assert_memory_equal(buf.data, expected, buf.len);
	buf_fini(&buf);
}

static void
test_json_replaces_what_is_not_utf8(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
	    {"\xc3\xa9", "\xc3\xa9"}, {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
	    {"a\xff"
	     "b",
		"a\xef\xbf\xbd"
		"b"},
	    {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"}, /* over-long */
	    {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
	    {"\xf4\x90\x80\x80",
		"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
	    {"\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd"}, /* cut off */
	};
	struct buf buf;

	(void)state;
	buf_init(&buf, 4096);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		buf_reset(&buf);
		json_escape(&buf, rows[i].in, strlen(rows[i].in));
		assert_int_equal(buf.len, strlen(rows[i].out));
		assert_memory_equal(buf.data, rows[i].out, buf.len);
	}
	buf_fini(&buf);
}

static void
assert_hex(const unsigned char *bytes, size_t len, const char *hex)
{
	char text[80];

	for (size_t i = 0; i < len; i++)
		(void)snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	assert_string_equal(text, hex);
}

static void
test_digests(void **state)
{
	struct digest_hmac hmac;
	unsigned char out[DIGEST_SHA256];

	(void)state;
	/* RFC 1321, FIPS 180-2, RFC 4231 case 2 */
	digest_md5("abc", 3, out);
	assert_hex(out, DIGEST_MD5, "900150983cd24fb0d6963f7d28e17f72");
	digest_sha256("abc", 3, out);
	assert_hex(out, DIGEST_SHA256,
	    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015"
	    "ad");
	digest_hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, out);
	assert_hex(out, DIGEST_SHA256,
	    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec38"
	    "43");
	digest_hmac_begin(&hmac, "Jefe", 4);
	digest_hmac_add(&hmac, "what do ya want ", 16);
	digest_hmac_add(&hmac, NULL, 0);
	digest_hmac_add(&hmac, "for nothing?", 12);
	digest_hmac_end(&hmac, out);
	assert_hex(out, DIGEST_SHA256,
	    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec38"
	    "43");
}

static void
test_short_digest(void **state)
{
	unsigned char a[DIGEST_SHORT], b[DIGEST_SHORT], key[DIGEST_KEY] = {1};
	struct digest_short *digest = digest_short_new(key);

	(void)state;
	assert_non_null(digest);
	digest_short_add(digest, "hello ", 6);
	digest_short_add(digest, "world", 5);
	digest_short_end(digest, a);
	digest_short_add(digest, "hello world", 11);
	digest_short_end(digest, b);
	assert_true(digest_equal(a, b, DIGEST_SHORT)); /* starts anew */
	digest_short_add(digest, "hello worle", 11);
	digest_short_end(digest, b);
	assert_false(digest_equal(a, b, DIGEST_SHORT));
	digest_short_free(digest);

	key[0] = 2;
	digest = digest_short_new(key);
	assert_non_null(digest);
	digest_short_add(digest, "hello world", 11);
	digest_short_end(digest, b);
	assert_false(digest_equal(a, b, DIGEST_SHORT)); /* keyed */
	digest_short_free(digest);
}

/* The paper's own example, and its neighbours. */
static void
test_word_digest(void **state)
{
	unsigned char key[DIGEST_KEY], data[16];

	(void)state;
	for (unsigned char i = 0; i < 16; i++)
		key[i] = data[i] = i;
	assert_int_equal(
	    digest_word(key, data, 15), UINT64_C(0xa129ca6149be45e5));
	assert_int_equal(
	    digest_word(key, data, 0), UINT64_C(0x726fdb47dd0e0e31));
	assert_int_not_equal(
	    digest_word(key, data, 16), digest_word(key, data, 15));
	key[15] = 0;
	assert_int_not_equal(
	    digest_word(key, data, 15), UINT64_C(0xa129ca6149be45e5));
}

static void
test_clock_text(void **state)
{
	struct clock_times times;
	char text[CLOCK_TEXT];

	(void)state;
	clock_text(1764021901123, text, sizeof(text));
	assert_string_equal(text, "2025-11-24T22:05:01.123Z");
	clock_text(-1, text, sizeof(text));
	assert_string_equal(text, "1969-12-31T23:59:59.999Z");
	assert_true(clock_mono_ms() <= clock_mono_ms());
	times = clock_times_now();
	assert_true(times.mono_ms <= clock_mono_ms());
	times = (struct clock_times){.mono_ms = 500, .wall_ms = 9000};
	assert_int_equal(clock_times_wall_ms(&times, 300), 8800);
}

static void
test_err_set(void **state)
{
	struct err err;

	(void)state;
	assert_false(err_set(&err, ERR_INPUT, "%d of %s", 3, "x"));
	assert_int_equal(err.code, ERR_INPUT);
	assert_string_equal(err.text, "3 of x");
	assert_false(err_set_nomem(NULL));
}

static void
test_counters(void **state)
{
	struct buf buf;

	(void)state;
	counter_add(COUNTER_PROBES, 2);
	counter_answers_add(503, 1);
	counter_answers_add(403, 0);
	counter_drift_add("new", 3);
	counter_drift_add("newer", 0);
	counter_drift_add("new", 4);
	assert_int_equal(counter_answers_read(503), 1);
	assert_int_equal(counter_read(COUNTER_PROBES), 2);
	buf_init(&buf, 65536);
	counters_write(&buf);
	assert_true(buf_char(&buf, '\0'));
	assert_non_null(strstr(buf.data, "\ncurrentsd_probes_total 2\n"));
	assert_non_null(
	    strstr(buf.data, "currentsd_answers_total{code=\"503\"} 1\n"));
	assert_non_null(
	    strstr(buf.data, "currentsd_answers_total{code=\"403\"} 0\n"));
	assert_null(strstr(buf.data, "{code=\"200\"}"));
	assert_non_null(
	    strstr(buf.data, "currentsd_drift_total{what=\"new\"} 7\n"));
	assert_non_null(
	    strstr(buf.data, "currentsd_drift_total{what=\"newer\"} 0\n"));
	buf_fini(&buf);
}

static void
test_log_quotes(void **state)
{
	static const struct {
		const char *text, *quoted;
	} rows[] = {
	    {"", "\"\""},
	    {"plain words", "\"plain words\""},
	    {"a\" why=\"b", "\"a\\\" why=\\\"b\""},
	    {"end\\", "\"end\\\\\""},
	};
	char quotes[LOG_QUOTED * 2];
	const char *quoted;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_string_equal(LOG_QUOTE(rows[i].text), rows[i].quoted);
	assert_string_equal(LOG_QUOTE_BYTES("ab\"", 2), "\"ab\"");
	/* cut short, it ends all the same, and not in the middle of a pair */
	memset(quotes, '"', sizeof(quotes));
	quoted = LOG_QUOTE_BYTES(quotes, sizeof(quotes));
	assert_true(strlen(quoted) < LOG_QUOTED);
	assert_true(strlen(quoted) % 2 == 0);
	assert_string_equal(quoted + strlen(quoted) - 3, "\\\"\"");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_buf_keeps_its_limit),
	    cmocka_unit_test(test_buf_failure_is_sticky),
	    cmocka_unit_test(test_buf_prints_what_is_long),
	    cmocka_unit_test(test_buf_wrap),
	    cmocka_unit_test(test_json_writes_commas_and_escapes),
	    cmocka_unit_test(test_json_replaces_what_is_not_utf8),
	    cmocka_unit_test(test_digests),
	    cmocka_unit_test(test_short_digest),
	    cmocka_unit_test(test_word_digest),
	    cmocka_unit_test(test_clock_text),
	    cmocka_unit_test(test_err_set),
	    cmocka_unit_test(test_counters),
	    cmocka_unit_test(test_log_quotes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
