#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/proxy.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define V2	    "\r\n\r\n\0\r\nQUIT\n"
#define V6	    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07"
#define CASE(bytes) "" bytes, sizeof(bytes) - 1

/* The address as text, or "". */
static const char *
from_text(const struct proxy_from *from)
{
	static char text[80];
	char host[64], port[8];

	if (from->len == 0)
		return "";
	assert_int_equal(
	    getnameinfo(&from->address.any, from->len, host, sizeof(host), port,
		sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV),
	    0);
	(void)snprintf(text, sizeof(text), "%s %s", host, port);
	return text;
}

/* In memory of its exact size, so that a step beyond it is seen. */
static enum proxy_state
read_exactly(
    const char *data, size_t len, size_t *ret_len, struct proxy_from *ret_from)
{
	char *bytes = malloc(len > 0 ? len : 1);
	enum proxy_state state;

	assert_non_null(bytes);
	memcpy(bytes, data, len);
	state = proxy_read(str_bytes(bytes, len), ret_len, ret_from);
	free(bytes);
	return state;
}

static void
test_whole(void **state)
{
	static const struct {
		const char *data;
		size_t len;
		const char *from;
	} cases[] = {
	    {CASE("PROXY TCP4 192.0.2.1 192.0.2.2 50000 443\r\n"),
		"192.0.2.1 50000"},
	    {CASE("PROXY TCP6 2001:db8::7 ::1 1 65535\r\n"), "2001:db8::7 1"},
	    {CASE("PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n"), "0.0.0.0 0"},
	    {CASE("PROXY UNKNOWN\r\n"), ""},
	    {CASE("PROXY UNKNOWN ffff::f ffff::f 65535 65535\r\n"), ""},
	    {CASE(V2 "\x21\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\xc3\x50\x01"
		     "\xbb"),
		"192.0.2.1 50000"},
	    {CASE(V2 "\x21\x21\0\x24" V6 V6 "\0\x07\x01\xbb"), "2001:db8::7 7"},
	    /* more than the addresses, as clouds send it */
	    {CASE(V2 "\x21\x11\0\x10\xc0\0\x02\x01\xc0\0\x02\x02\xc3\x50\x01"
		     "\xbb\x04\0\x01x"),
		"192.0.2.1 50000"},
	    /* a check by the balancer itself, datagrams, UNIX, nothing */
	    {CASE(V2 "\x20\0\0\0"), ""},
	    {CASE(V2 "\x20\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\xc3\x50\x01"
		     "\xbb"),
		""},
	    {CASE(V2 "\x21\x12\0\x01y"), ""},
	    {CASE(V2 "\x21\0\0\0"), ""},
	};
	char more[256];
	struct proxy_from from;
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (size_t cut = 0; cut < cases[i].len; cut++)
			assert_int_equal(
			    read_exactly(cases[i].data, cut, &len, &from),
			    PROXY_PART);
		memcpy(more, cases[i].data, cases[i].len);
		memcpy(more + cases[i].len, "POST ", 5);
		for (size_t after = 0; after <= 5; after += 5) {
			assert_int_equal(read_exactly(more,
					     cases[i].len + after, &len, &from),
			    PROXY_WHOLE);
			assert_int_equal(len, cases[i].len);
			assert_string_equal(from_text(&from), cases[i].from);
		}
	}
}

static void
test_none_and_bad(void **state)
{
	static const struct {
		const char *data;
		size_t len;
		enum proxy_state want;
	} cases[] = {
	    {CASE("POST /currents HTTP/1.1\r\n"), PROXY_NONE},
	    {CASE("PO"), PROXY_NONE},
	    {CASE("PROXZ"), PROXY_NONE},
	    {CASE("PROXYTCP4"), PROXY_NONE},
	    {CASE("\r\nPOST"), PROXY_NONE},
	    {CASE("\r\n\r\n\r\n"), PROXY_NONE},
	    {CASE("\0"), PROXY_NONE},
	    {CASE("PROXY \n"), PROXY_BAD},
	    {CASE("PROXY \r\n"), PROXY_BAD},
	    {CASE("PROXY TCP4\r\n"), PROXY_BAD},
	    {CASE("PROXY UNKNOWNX\r\n"), PROXY_BAD},
	    {CASE("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n"), PROXY_BAD},
	    {CASE("PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n"), PROXY_BAD},
	    {CASE("PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n"), PROXY_BAD},
	    {CASE("PROXY TCP4 192.0.2.1  192.0.2.2 1 2\r\n"), PROXY_BAD},
	    {CASE("PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n"), PROXY_BAD},
	    {CASE("PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n"), PROXY_BAD},
	    {CASE("PROXY TCP4 192.0.2.1 192.0.2.2 -1 2\r\n"), PROXY_BAD},
	    {CASE("PROXY TCP4 192.0.2.256 192.0.2.2 1 2\r\n"), PROXY_BAD},
	    {CASE("PROXY TCP4 ::1 ::1 1 2\r\n"), PROXY_BAD},
	    {CASE("PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n"), PROXY_BAD},
	    {CASE("PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n"), PROXY_BAD},
	    {CASE("PROXY TCP4 192.0.2.1\0 192.0.2.2 1 2\r\n"), PROXY_BAD},
	    /* another version, another command, too long, too short */
	    {CASE(V2 "\x11\x11\0\0"), PROXY_BAD},
	    {CASE(V2 "\x22\x11\0\0"), PROXY_BAD},
	    {CASE(V2 "\x21\x11\x0f\xf1"), PROXY_BAD},
	    {CASE(V2 "\x21\x11\0\x0b___________"), PROXY_BAD},
	    {CASE(V2 "\x21\x21\0\x0c____________"), PROXY_BAD},
	};
	char line[PROXY_V1_MOST + 1];
	struct proxy_from from;
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(
		    read_exactly(cases[i].data, cases[i].len, &len, &from),
		    cases[i].want);
	/* A line of the longest length, and one that is longer. */
	memset(line, 'x', sizeof(line));
	memcpy(line, "PROXY UNKNOWN ", 14);
	memcpy(line + PROXY_V1_MOST - 2, "\r\n", 2);
	assert_int_equal(
	    read_exactly(line, PROXY_V1_MOST, &len, &from), PROXY_WHOLE);
	memcpy(line + PROXY_V1_MOST - 2, "x\r\n", 3);
	assert_int_equal(
	    read_exactly(line, PROXY_V1_MOST + 1, &len, &from), PROXY_BAD);
	assert_int_equal(
	    read_exactly(line, PROXY_V1_MOST - 1, &len, &from), PROXY_PART);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_whole),
	    cmocka_unit_test(test_none_and_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
