#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/origin.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

static struct networks *
networks_of(const char *a, const char *b, const char *c)
{
	const char *const list[] = {a, b, c, NULL};
	struct networks *networks;
	struct err err;

	assert_true(networks_new(list, &networks, &err));
	return networks;
}

static struct origin
origin_from(const char *text)
{
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	struct sockaddr_in v4 = {.sin_family = AF_INET};

	if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1)
		return origin_of((const struct sockaddr *)&v6);
	assert_int_equal(inet_pton(AF_INET, text, &v4.sin_addr), 1);
	return origin_of((const struct sockaddr *)&v4);
}

static void
test_peers(void **state)
{
	struct sockaddr_un local = {.sun_family = AF_UNIX};
	struct sockaddr_in6 v6 = {
	    .sin6_family = AF_INET6, .sin6_port = htons(443)};
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(80)};
	static const struct {
		const char *address, *text;
	} cases[] = {
	    {"2001:db8::7", "[2001:db8::7]:443"},
	    {"::1", "[::1]:443"},
	    /* as a socket of both families shows it */
	    {"::ffff:192.0.2.1", "192.0.2.1:443"},
	    {"ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255",
		"[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:443"},
	};
	struct origin origin;
	char text[ORIGIN_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(
		    inet_pton(AF_INET6, cases[i].address, &v6.sin6_addr), 1);
		origin = origin_of((const struct sockaddr *)&v6);
		origin_write(&origin, text);
		assert_string_equal(text, cases[i].text);
	}
	assert_int_equal(inet_pton(AF_INET, "192.0.2.1", &v4.sin_addr), 1);
	origin = origin_of((const struct sockaddr *)&v4);
	origin_write(&origin, text);
	assert_string_equal(text, "192.0.2.1:80");
	origin.port = 0;
	origin_write(&origin, text);
	assert_string_equal(text, "192.0.2.1");
	origin = origin_of((const struct sockaddr *)&local);
	origin_write(&origin, text);
	assert_string_equal(text, "unix");
	origin = origin_of(NULL);
	assert_true(origin.local);
}

static void
test_valid(void **state)
{
	static const char *const good[] = {"unix", "127.0.0.1", "10.0.0.0/8",
	    "0.0.0.0/0", "192.0.2.1/32", "::1", "::/0", "2001:db8::/32",
	    "2001:db8::1/128", "::ffff:192.0.2.1", "10.1.2.3/8"};
	static const char *const bad[] = {"", "/", "/8", "10.0.0.0/", "10/8",
	    "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8/8", "10.0.0.0/8 ",
	    "10.0.0.0/ 8", "10.0.0.0/0x8", "::1/129", "[::1]", "[::1]:80",
	    "10.0.0.1:80", "localhost", "fe80::1%lo", "unix:", "Unix",
	    "10.0.0.0/000000008", "10.0.0.0/4294967304",
	    "2001:0db8:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000/32"};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		if (!network_valid(good[i]))
			fail_msg("%s", good[i]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (network_valid(bad[i]))
			fail_msg("%s", bad[i]);
	}
}

static void
test_networks(void **state)
{
	static const struct {
		const char *network, *address;
		bool inside;
	} cases[] = {
	    {"10.0.0.0/8", "10.255.255.255", true},
	    {"10.0.0.0/8", "11.0.0.0", false},
	    {"10.0.0.0/8", "9.255.255.255", false},
	    {"10.9.9.9/8", "10.1.1.1", true},
	    {"10.0.0.0/9", "10.127.255.255", true},
	    {"10.0.0.0/9", "10.128.0.0", false},
	    {"192.0.2.1", "192.0.2.1", true},
	    {"192.0.2.1", "192.0.2.0", false},
	    {"192.0.2.0/31", "192.0.2.1", true},
	    {"0.0.0.0/0", "203.0.113.1", true},
	    {"0.0.0.0/0", "2001:db8::1", false},
	    {"::/0", "2001:db8::1", true},
	    {"2001:db8::/33", "2001:db8:7fff::1", true},
	    {"2001:db8::/33", "2001:db8:8000::1", false},
	    {"::1", "::1", true},
	    {"::1", "::2", false},
	    {"::1", "127.0.0.1", false},
	    {"127.0.0.0/8", "::ffff:127.0.0.1", true},
	    {"::ffff:10.0.0.0/104", "10.1.1.1", true},
	    {"unix", "127.0.0.1", false},
	    {"unix", "::", false},
	};
	struct networks *networks;
	struct origin local = origin_of(NULL), origin;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		networks = networks_of(cases[i].network, NULL, NULL);
		origin = origin_from(cases[i].address);
		if (networks_have(networks, &origin) != cases[i].inside)
			fail_msg("%s %s", cases[i].network, cases[i].address);
		assert_int_equal(networks_have(networks, &local),
		    strcmp(cases[i].network, "unix") == 0);
		networks_free(networks);
	}
	networks = networks_of("10.0.0.0/8", "::1", "unix");
	origin = origin_from("::1");
	assert_true(networks_have(networks, &origin));
	assert_true(networks_have(networks, &local));
	networks_free(networks);
	networks = networks_of(NULL, NULL, NULL);
	assert_false(networks_have(networks, &origin));
	assert_false(networks_have(networks, &local));
	networks_free(networks);
	networks_free(NULL);
}

/* The client as a text, or "" if the header names none. */
static const char *
walked(bool forwarded, const char *const *values, const struct networks *list)
{
	static char text[ORIGIN_TEXT];
	struct origin_walk walk = {.trusted = list};

	for (; *values != NULL; values++) {
		/* In memory of its exact size, so that a step beyond it is
		 * seen. */
		char *copy = strdup(*values);

		assert_non_null(copy);
		if (forwarded)
			origin_walk_forwarded(&walk, copy);
		else
			origin_walk_list(&walk, copy);
		free(copy);
		assert_true(walk.present);
	}
	text[0] = '\0';
	if (walk.found)
		origin_write(&walk.client, text);
	return text;
}

/* 10.0.0.0/8 and fd00::/8 are trusted. */
static void
test_list(void **state)
{
	static const struct {
		const char *values[4], *client;
	} cases[] = {
	    {{"192.0.2.1"}, "192.0.2.1"},
	    {{"192.0.2.1:4711"}, "192.0.2.1:4711"},
	    {{"2001:db8::1"}, "2001:db8::1"},
	    {{"[2001:db8::1]"}, "2001:db8::1"},
	    {{"[2001:db8::1]:4711"}, "[2001:db8::1]:4711"},
	    {{"::ffff:192.0.2.1"}, "192.0.2.1"},
	    {{" 192.0.2.1\t, 10.0.0.1 "}, "192.0.2.1"},
	    /* the client wrote what stands before its own address */
	    {{"203.0.113.9, 192.0.2.1"}, "192.0.2.1"},
	    {{"10.0.0.9, 192.0.2.1, 10.0.0.1"}, "192.0.2.1"},
	    {{"garbage, 192.0.2.1, 10.0.0.1"}, "192.0.2.1"},
	    {{"203.0.113.9,192.0.2.1,10.0.0.1,fd00::1"}, "192.0.2.1"},
	    {{"203.0.113.9", "192.0.2.1", "10.0.0.1"}, "192.0.2.1"},
	    {{"203.0.113.9", "192.0.2.1,10.0.0.1", ""}, "192.0.2.1"},
	    /* all of them are proxies: the first */
	    {{"10.0.0.3, 10.0.0.2, 10.0.0.1"}, "10.0.0.3"},
	    /* a proxy that does not say: itself */
	    {{"192.0.2.1, unknown, 10.0.0.1"}, "10.0.0.1"},
	    {{"192.0.2.1, _hidden, 10.0.0.2, 10.0.0.1"}, "10.0.0.2"},
	    {{"192.0.2.1, unknown"}, ""},
	    {{"192.0.2.1", "unknown"}, ""},
	    {{"unknown"}, ""},
	    {{"_hidden"}, ""},
	    {{""}, ""},
	    {{","}, ""},
	    {{",,192.0.2.1,,"}, "192.0.2.1"},
	    /* no addresses */
	    {{"192.0.2.256"}, ""},
	    {{"192.0.2"}, ""},
	    {{"192.0.2.1:65536"}, ""},
	    {{"192.0.2.1:"}, ""},
	    {{"192.0.2.1:-1"}, ""},
	    {{"192.0.2.1:80:80"}, ""},
	    {{"192.0.2.1:123456"}, ""},
	    {{"[192.0.2.1]"}, ""},
	    {{"[2001:db8::1"}, ""},
	    {{"[2001:db8::1]4711"}, ""},
	    {{"[2001:db8::1]:"}, ""},
	    {{"[]"}, ""},
	    {{"["}, ""},
	    {{":"}, ""},
	    {{"fe80::1%eth0"}, ""},
	    {{"\"192.0.2.1\""}, ""},
	    {{"192.0.2.1\n192.0.2.2"}, ""},
	    {{"unix"}, ""},
	    {{"192.0.2.1 what=\"ever\" status=200"}, ""},
	    {{"00000000000000000000000000000000000000000000000000000000000000"
	      "00000000000000000000000000000000000000000000192.0.2.1"},
		""},
	};
	struct networks *list = networks_of("10.0.0.0/8", "fd00::/8", NULL);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *client = walked(false, cases[i].values, list);

		if (strcmp(client, cases[i].client) != 0)
			fail_msg("%s: %s", cases[i].values[0], client);
	}
	networks_free(list);
}

static void
test_forwarded(void **state)
{
	static const struct {
		const char *values[4], *client;
	} cases[] = {
	    {{"for=192.0.2.1"}, "192.0.2.1"},
	    {{"FOR=192.0.2.1"}, "192.0.2.1"},
	    {{"for=192.0.2.1;proto=https;by=10.0.0.1"}, "192.0.2.1"},
	    {{"proto=https ; host=\"a,b;for=x\" ; for=\"192.0.2.1:80\""},
		"192.0.2.1:80"},
	    {{"for=\"[2001:db8::1]:4711\""}, "[2001:db8::1]:4711"},
	    {{"for=\"[2001:db8::1]\""}, "2001:db8::1"},
	    {{"for=\"\\1\\92.0.2.1\""}, "192.0.2.1"},
	    {{"for=\"192.0.2.1:_port\""}, "192.0.2.1"},
	    {{"for=192.0.2.1, for=10.0.0.1"}, "192.0.2.1"},
	    {{"for=203.0.113.9, for=192.0.2.1;proto=http, For=10.0.0.1"},
		"192.0.2.1"},
	    {{"for=203.0.113.9", "for=192.0.2.1", "for=10.0.0.1"}, "192.0.2.1"},
	    {{", for=192.0.2.1,, "}, "192.0.2.1"},
	    {{"for=10.0.0.2, for=10.0.0.1"}, "10.0.0.2"},
	    {{"for=192.0.2.1, for=unknown, for=10.0.0.1"}, "10.0.0.1"},
	    {{"for=192.0.2.1, for=_secret, for=10.0.0.1"}, "10.0.0.1"},
	    {{"for=192.0.2.1, proto=https, for=10.0.0.1"}, "10.0.0.1"},
	    {{"for=192.0.2.1, by=10.0.0.2"}, ""},
	    {{"for=unknown"}, ""},
	    {{"for="}, ""},
	    {{"for"}, ""},
	    {{"for=\"\""}, ""},
	    {{"192.0.2.1"}, ""},
	    {{"xfor=192.0.2.1"}, ""},
	    {{"by=for=192.0.2.1"}, ""},
	    {{""}, ""},
	    {{";;;,;=;,\"\",\\"}, ""},
	    /* The quotes that a client opens swallow what its proxy adds:
	     * nothing of that is believed. */
	    {{"for=192.0.2.1;x=\", for=203.0.113.9"}, ""},
	    {{"for=\"192.0.2.1"}, ""},
	    {{"for=\"192.0.2.1\\"}, ""},
	};
	struct networks *list = networks_of("10.0.0.0/8", NULL, NULL);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *client = walked(true, cases[i].values, list);

		if (strcmp(client, cases[i].client) != 0)
			fail_msg("%s: %s", cases[i].values[0], client);
	}
	networks_free(list);
}

/* Thousands of entries, and any bytes: only an address comes out. */
static void
test_many(void **state)
{
	enum { ENTRIES = 20000, ENTRY = 11 };
	struct networks *list = networks_of("10.0.0.0/8", NULL, NULL);
	char *value = malloc(ENTRIES * ENTRY + 32);
	const char *values[] = {value, NULL};
	unsigned seed = 1;

	(void)state;
	assert_non_null(value);
	(void)strcpy(value, "192.0.2.7,");
	for (size_t i = 0; i < ENTRIES; i++)
		(void)snprintf(value + 10 + i * ENTRY, ENTRY + 1, "%10s,",
		    i == 0 ? "192.0.2.1" : "10.0.0.1");
	assert_string_equal(walked(false, values, list), "192.0.2.1");
	for (int round = 0; round < 2000; round++) {
		static const char bytes[] = "for=10.2:[]\"\\,; _\t\x80";
		struct in6_addr address;
		const char *text;

		for (size_t i = 0; i < 64; i++) {
			seed = seed * 1103515245 + 12345;
			value[i] = bytes[seed / 65536 % (sizeof(bytes) - 1)];
			value[i + 1] = '\0';
		}
		text = walked(round % 2 == 0, values, list);
		assert_true(*text == '\0' || *text == '[' ||
			    strchr(text, ':') != NULL ||
			    inet_pton(AF_INET, text, &address) == 1);
	}
	free(value);
	networks_free(list);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_peers),
	    cmocka_unit_test(test_valid),
	    cmocka_unit_test(test_networks),
	    cmocka_unit_test(test_list),
	    cmocka_unit_test(test_forwarded),
	    cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
