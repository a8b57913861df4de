/*
 * Braze's /users/track behind the seam: what a group is called, the bodies, and
 * what its answers mean for each change.
 */

#include "schema/attributes/attributes.h"

#define OUTLET attributes_outlet
#include "audience_help.h"

#define HASH_VIP "f9505a739a8fb8e8"

static const struct outlet_group vip = {
    .id = STR("7"),
    .name = STR("VIP"),
    .label = STR("heap_vip_7"),
};

static struct attributes_settings
settings_make(void)
{
	struct attributes_settings settings;

	attributes_settings_init(&settings);
	settings.url = "https://rest.example";
	settings.api_key = "secret-key";
	return settings;
}

static void
test_context(void **state)
{
	struct attributes_settings settings = settings_make();
	struct outlet_context *context = context_make(&settings);
	struct outlet_address address;
	struct err err;
	char large[1100];

	(void)state;
	attributes_outlet.address(context, false, &address);
	assert_string_equal(address.url, "https://rest.example/users/track");
	assert_string_equal(
	    address.headers[0], "Content-Type: application/json");
	assert_string_equal(address.headers[1], "Accept: application/json");
	assert_string_equal(
	    address.headers[2], "Authorization: Bearer secret-key");
	assert_null(address.headers[3]);
	assert_true(
	    str_equal_text(attributes_outlet.rules(context), "external_id"));
	assert_int_equal(attributes_outlet.hold_ms(context), 300000);
	assert_true(attributes_outlet.set);
	assert_false(attributes_outlet.group_alone);
	assert_null(attributes_outlet.announce);
	attributes_outlet.context_free(context);
	attributes_outlet.context_free(NULL);

	settings.url = "http://127.0.0.1:8080//";
	settings.match = "alias:crm:id";
	settings.hold_ms = 7;
	context = context_make(&settings);
	attributes_outlet.address(context, true, &address);
	assert_string_equal(address.url, "http://127.0.0.1:8080/users/track");
	assert_true(
	    str_equal_text(attributes_outlet.rules(context), "alias:crm:id"));
	assert_int_equal(attributes_outlet.hold_ms(context), 7);
	attributes_outlet.context_free(context);

	starved = true;
	assert_false(attributes_outlet.context_new(&settings, &context, &err));
	starved = false;
	assert_int_equal(err.code, ERR_NOMEM);

	memset(large, 'a', sizeof(large) - 1);
	large[sizeof(large) - 1] = '\0';
	settings = settings_make();
	settings.url = NULL;
	assert_refused(&settings, "URL");
	settings.url = "///";
	assert_refused(&settings, "URL");
	settings.url = large;
	assert_refused(&settings, "URL");
	settings = settings_make();
	settings.api_key = NULL;
	assert_refused(&settings, "API key");
	settings.api_key = "";
	assert_refused(&settings, "API key");
	settings.api_key = "secret-key\nHost: other";
	assert_refused(&settings, "API key");
	settings.api_key = large;
	assert_refused(&settings, "API key");
}

static void
test_match(void **state)
{
	static const char *const wrong[] = {NULL, "", "external", "device_id",
	    "alias", "alias:", "EMAIL", "email "};
	struct attributes_settings settings = settings_make();
	char label[sizeof("alias:") + 256];

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		settings.match = wrong[i];
		assert_refused(&settings, "match");
	}
	settings.match = "device_id";
	assert_refused(&settings, "external_id, alias:LABEL, braze_id, email");
	memset(label, 'x', sizeof(label) - 1);
	label[sizeof(label) - 1] = '\0';
	memcpy(label, "alias:", 6);
	settings.match = label;
	assert_refused(&settings, "label");
	label[sizeof(label) - 2] = '\0';
	attributes_outlet.context_free(context_make(&settings));
}

/* ---- what a group is called ---- */

static void
test_label(void **state)
{
	static const struct {
		const char *template, *name, *id, *label;
	} cases[] = {
	    {"heap_{name}_{id}", "VIP", "7", "heap_vip_7"},
	    {"heap_{name}_{id}", "Abandoned  the -- funnel!", "1234567890123",
		"heap_abandoned_the_funnel_1234567890123"},
	    {"heap_{name}_{id}", "__a__b__", "7", "heap_a_b_7"},
	    /* other scripts, and no name: the id tells them apart */
	    {"heap_{name}_{id}", "Ünïcode Käufer", "8", "heap_n_code_k_ufer_8"},
	    {"heap_{name}_{id}", "顧客", "9", "heap_9"},
	    {"heap_{name}_{id}", "", "9", "heap_9"},
	    {"heap_{name}_{id}", "a\"b\\c\nd", "9", "heap_a_b_c_d_9"},
	    {"Heap-{id}-{name} now", "VIP", "7", "heap_7_vip_now"},
	    {"x {id}", "VIP", "7", "x_7"},
	    /* Ids that are no numbers are hashed: so two never meet, and none
	     * becomes the end of another name. */
	    {"heap_{name}_{id}", "a", "vip", "heap_a_" HASH_VIP},
	};
	struct attributes_settings settings = settings_make();

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct outlet_context *context;

		settings.attribute = cases[i].template;
		context = context_make(&settings);
		assert_string_equal(
		    label_of(context, cases[i].name, cases[i].id),
		    cases[i].label);
		attributes_outlet.context_free(context);
	}
}

static void
test_labels_differ(void **state)
{
	static const char *const ids[] = {"7", "07", "a", "A", "a-b", "a_b",
	    "a b", "-7", "\xc3\xa4", "\xc3\xb6", "since", "7_1", ""};
	struct attributes_settings settings = settings_make();
	struct outlet_context *context = context_make(&settings);
	char labels[sizeof(ids) / sizeof(*ids)][256];

	(void)state;
	for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++) {
		(void)snprintf(labels[i], sizeof(labels[i]), "%s",
		    label_of(context, i % 2 == 0 ? "n" : "N!", ids[i]));
		for (size_t n = 0; n < i; n++)
			assert_string_not_equal(labels[i], labels[n]);
	}
	attributes_outlet.context_free(context);
}

/* However long the parts are: the name is cut, and never the id. */
static void
test_label_long(void **state)
{
	static const char id[] = "1234567890123456789012345678901234567890";
	struct attributes_settings settings = settings_make();
	char template[ATTRIBUTES_TEMPLATE_MOST + 2], name[1025], far[1025];
	struct outlet_group group = {.name = str_bytes(name, 1024)};
	struct outlet_context *context;
	const char *label;
	struct buf out;
	struct err err;

	(void)state;
	memset(name, 'N', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	memset(far, '8', sizeof(far) - 1);
	far[sizeof(far) - 1] = '\0';
	context = context_make(&settings);
	label = label_of(context, name, id);
	assert_true(strlen(label) > 180);
	assert_true(strlen(label) <= ATTRIBUTES_LABEL_MOST);
	assert_memory_equal(label, "heap_nnn", 8);
	assert_string_equal(
	    label + strlen(label) - sizeof(id), strcat(strcpy(far, "_"), id));
	memset(far, '8', sizeof(far) - 1);
	/* a longer id is hashed */
	label = label_of(context, name, far);
	assert_true(strlen(label) <= ATTRIBUTES_LABEL_MOST);
	assert_null(strstr(label, "88888888"));
	/* a cut leaves no _ at the end of the name */
	for (size_t i = 1; i < sizeof(name) - 1; i += 2)
		name[i] = '-';
	assert_null(strstr(label_of(context, name, id), "__"));
	attributes_outlet.context_free(context);

	memset(template, 't', sizeof(template) - 1);
	template[sizeof(template) - 1] = '\0';
	memcpy(template + sizeof(template) - 13, "_{name}_{id}", 13);
	settings.attribute = template;
	assert_refused(&settings, "attribute");
	settings.attribute = template + 1;
	context = context_make(&settings);
	label = label_of(context, name, id);
	assert_true(strlen(label) <= ATTRIBUTES_LABEL_MOST);
	assert_string_equal(label + strlen(label) - strlen(id), id);

	group.id = str_text(id);
	buf_init(&out, 4096);
	starved = true;
	assert_false(attributes_outlet.label(context, &group, &out, &err));
	starved = false;
	assert_int_equal(err.code, ERR_NOMEM);
	buf_fini(&out);
	buf_init(&out, 20);
	assert_false(attributes_outlet.label(context, &group, &out, &err));
	assert_int_equal(err.code, ERR_LIMIT);
	buf_fini(&out);
	attributes_outlet.context_free(context);
}

static void
test_label_template(void **state)
{
	static const char *const wrong[] = {NULL, "", "{id}", "_{id}", "7_{id}",
	    "heap_{name}", "heap", "heap{id}", "heap_{name}{id}",
	    "heap_{id}{name}", "heap_{id}x", "heap_{id}_{id}",
	    "heap_{id}_{name}_{name}", "heap_{id}_{", "heap_{id}_}",
	    "heap_{id}_{other}", "heap_{id"};
	struct attributes_settings settings = settings_make();

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		settings.attribute = wrong[i];
		assert_refused(&settings, "attribute");
	}
}

/* ---- a change ---- */

static void
test_boolean(void **state)
{
	static const struct {
		const char *match, *change, *expected;
	} cases[] = {
	    {"external_id", "+ann",
		"{\"external_id\":\"ann\",\"_update_existing_only\":true,"
		"\"heap_vip_7\":true}"},
	    {"external_id", "-ann",
		"{\"external_id\":\"ann\",\"_update_existing_only\":true,"
		"\"heap_vip_7\":false}"},
	    {"external_id", "+-a\"\\\n\xc3\xa4",
		"{\"external_id\":\"-a\\\"\\\\\\n\xc3\xa4\","
		"\"_update_existing_only\":true,\"heap_vip_7\":true}"},
	    {"alias:c\"rm", "+ann",
		"{\"user_alias\":{\"alias_name\":\"ann\",\"alias_label\":"
		"\"c\\\"rm\"},\"_update_existing_only\":true,"
		"\"heap_vip_7\":true}"},
	    {"braze_id", "-5f1e",
		"{\"braze_id\":\"5f1e\",\"_update_existing_only\":true,"
		"\"heap_vip_7\":false}"},
	    {"email", "+ann@example.com",
		"{\"email\":\"ann@example.com\",\"_update_existing_only\":true,"
		"\"heap_vip_7\":true}"},
	};
	struct attributes_settings settings = settings_make();

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct outlet_context *context;

		settings.match = cases[i].match;
		context = context_make(&settings);
		assert_sent(context, &vip, cases[i].change, cases[i].expected);
		assert_whole_or_nothing(context, &vip, cases[i].change);
		attributes_outlet.context_free(context);
	}
}

/* Whoever left needs no profile, and no time. */
static void
test_since_and_create(void **state)
{
	struct attributes_settings settings = settings_make();
	struct outlet_prepared prepared;
	struct outlet_context *context;

	(void)state;
	settings.since = settings.create_profiles = true;
	context = context_make(&settings);
	assert_sent(context, &vip, "+ann",
	    "{\"external_id\":\"ann\",\"_update_existing_only\":false,"
	    "\"heap_vip_7\":true,\"heap_vip_7_since\":"
	    "\"2026-11-23T22:05:01.123Z\"}");
	assert_sent(context, &vip, "-ann",
	    "{\"external_id\":\"ann\",\"_update_existing_only\":true,"
	    "\"heap_vip_7\":false}");
	/* no time by a clock that is wrong */
	assert_string_equal(
	    prepare(context, &vip, str_text("+ann"), 0, &prepared),
	    "{\"external_id\":\"ann\",\"_update_existing_only\":false,"
	    "\"heap_vip_7\":true}");
	attributes_outlet.context_free(context);
}

static void
test_array(void **state)
{
	struct attributes_settings settings = settings_make();
	struct outlet_context *context;

	(void)state;
	settings.value = ATTRIBUTES_ARRAY;
	context = context_make(&settings);
	assert_sent(context, &vip, "+ann",
	    "{\"external_id\":\"ann\",\"_update_existing_only\":true,"
	    "\"heap_segments\":{\"add\":[\"heap_vip_7\"]}}");
	assert_sent(context, &vip, "-ann",
	    "{\"external_id\":\"ann\",\"_update_existing_only\":true,"
	    "\"heap_segments\":{\"remove\":[\"heap_vip_7\"]}}");
	attributes_outlet.context_free(context);
	settings.since = true;
	context = context_make(&settings);
	assert_sent(context, &vip, "+ann",
	    "{\"external_id\":\"ann\",\"_update_existing_only\":true,"
	    "\"heap_segments\":{\"add\":[\"heap_vip_7\"]},"
	    "\"heap_vip_7_since\":\"2026-11-23T22:05:01.123Z\"}");
	attributes_outlet.context_free(context);
	settings.array = NULL;
	assert_refused(&settings, "array");
	settings.array = "$array";
	assert_refused(&settings, "array");
	settings.value = ATTRIBUTES_BOOLEAN;
	attributes_outlet.context_free(context_make(&settings));
}

static void
test_members(void **state)
{
	static const struct {
		struct str change;
		const char *reason;
	} dead[] = {
	    {STR(""), "neither entered nor left"},
	    {STR("+"), "neither entered nor left"},
	    {STR("ann"), "neither entered nor left"},
	    {STR("+ \xe2\x80\x83\t"), "the id is blank"},
	    {STR("+a\xff"), "the id has an unreadable character"},
	    {STR("+a\xef\xbf\xbd"), "the id has an unreadable character"},
	    {STR("+a\0b"), "the id has an unreadable character"},
	};
	static const char *const no_email[] = {
	    "+ann", "-ann", "+@", "+@a", "+a@", "+a b@c", "+a@b\n", "+@@"};
	static const char *const email[] = {"+a@b", "-\"a@b\"@c", "+ä@ö"};
	struct attributes_settings settings = settings_make();
	struct outlet_context *context = context_make(&settings);
	struct outlet_group group = vip;
	struct outlet_prepared prepared, other;
	char large[990];

	(void)state;
	for (size_t i = 0; i < sizeof(dead) / sizeof(*dead); i++)
		assert_dead(context, &vip, dead[i].change, dead[i].reason);
	memset(large, 'x', sizeof(large));
	large[0] = '-';
	assert_dead(context, &vip, str_bytes(large, 989),
	    "the id is longer than 987 bytes");
	(void)prepare(context, &vip, str_bytes(large, 988), 0, &prepared);
	assert_int_equal(prepared.fate, OUTLET_SEND);
	/* one key for one member */
	large[0] = '+';
	(void)prepare(context, &vip, str_bytes(large, 988), 0, &other);
	assert_true(prepared.key == other.key);
	(void)prepare(context, &vip, str_bytes(large, 987), 0, &other);
	assert_true(prepared.key != other.key);
	/* a name that another kind of destination chose */
	group.label = str_bytes(large, ATTRIBUTES_LABEL_MOST);
	(void)prepare(context, &group, str_text("+a"), 0, &prepared);
	assert_int_equal(prepared.fate, OUTLET_SEND);
	group.label.len++;
	assert_dead(
	    context, &group, str_text("+a"), "no attribute can have that name");
	group.label.len = 0;
	assert_dead(
	    context, &group, str_text("+a"), "no attribute can have that name");
	attributes_outlet.context_free(context);

	settings.match = "email";
	context = context_make(&settings);
	for (size_t i = 0; i < sizeof(no_email) / sizeof(*no_email); i++)
		assert_dead(context, &vip, str_text(no_email[i]),
		    "the id is not an e-mail address");
	for (size_t i = 0; i < sizeof(email) / sizeof(*email); i++) {
		(void)prepare(context, &vip, str_text(email[i]), 0, &prepared);
		assert_int_equal(prepared.fate, OUTLET_SEND);
	}
	attributes_outlet.context_free(context);
}

/* A change goes where the settings of now say, whatever its first post was. */
static void
test_rules_of_then(void **state)
{
	const struct item item = {.data = STR("+ann")};
	struct attributes_settings settings = settings_make();
	struct outlet_context *context = context_make(&settings);
	struct outlet_prepared prepared;
	struct buf out;
	struct err err;

	(void)state;
	buf_init(&out, 4096);
	assert_true(attributes_outlet.prepare(context, str_text("email"), &vip,
	    &item, NOW_MS, &out, &prepared, &err));
	assert_int_equal(prepared.fate, OUTLET_SEND);
	assert_memory_equal(out.data, "{\"external_id\":\"ann\"", 20);
	buf_fini(&out);
	attributes_outlet.context_free(context);
}

/* ---- a request ---- */

static void
test_frame(void **state)
{
	struct attributes_settings settings = settings_make();
	struct outlet_context *context = context_make(&settings);
	struct str items[ATTRIBUTES_OBJECTS_MOST] = {
	    STR("{\"a\":1}"), STR("{\"b\":2}")};
	struct buf body;
	struct err err;

	(void)state;
	buf_init(&body, 4096);
	assert_true(
	    attributes_outlet.frame(context, NULL, items, 2, &body, &err));
	assert_string_equal(
	    buf_string(&body), "{\"attributes\":[{\"a\":1},{\"b\":2}]}");
	assert_int_equal(
	    attributes_outlet.request_items_most, ATTRIBUTES_OBJECTS_MOST);
	for (size_t i = 0; i < ATTRIBUTES_OBJECTS_MOST; i++)
		items[i] = str_text("{}");
	assert_true(attributes_outlet.frame(
	    context, NULL, items, ATTRIBUTES_OBJECTS_MOST, &body, &err));
	assert_true(body.len <= 2 * ATTRIBUTES_OBJECTS_MOST +
				    attributes_outlet.frame_bytes);
	buf_fini(&body);
	buf_init(&body, 10);
	assert_false(
	    attributes_outlet.frame(context, NULL, items, 2, &body, &err));
	assert_int_equal(err.code, ERR_LIMIT);
	buf_fini(&body);
	starved = true;
	buf_init(&body, 4096);
	assert_false(
	    attributes_outlet.frame(context, NULL, items, 2, &body, &err));
	starved = false;
	assert_int_equal(err.code, ERR_NOMEM);
	buf_fini(&body);
	attributes_outlet.context_free(context);
}

static void
test_limits(void **state)
{
	static const struct {
		unsigned minute, window;
	} cases[] = {
	    {0, 3000},
	    {1, 1},
	    {19, 1},
	    {20, 1},
	    {3000, 150},
	    {59999, 2999},
	    {60000, 3000},
	    {4000000000, 3000},
	};
	struct attributes_settings settings = settings_make();

	(void)state;
	assert_int_equal(settings.requests_per_minute, 3000);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct outlet_limit limits[OUTLET_LIMITS_MAX];
		struct outlet_context *context;
		size_t count;

		settings.requests_per_minute = cases[i].minute;
		context = context_make(&settings);
		count = attributes_outlet.limits(context, limits);
		assert_int_equal(count, cases[i].minute > 0 ? 2 : 1);
		assert_int_equal(limits[0].amount, cases[i].window);
		assert_int_equal(limits[0].window_ms, 3000);
		for (size_t n = 0; n < count; n++) {
			assert_int_equal(limits[n].unit, OUTLET_REQUESTS);
			assert_int_equal(limits[n].scope, OUTLET_DESTINATION);
			assert_false(limits[n].on_the_hour);
		}
		if (count > 1) {
			assert_int_equal(limits[1].amount, cases[i].minute);
			assert_int_equal(limits[1].window_ms, 60000);
		}
		attributes_outlet.context_free(context);
	}
}

/* ---- the answer ---- */

#define ERRORS(list) "{\"message\":\"success\",\"errors\":[" list "]}"
#define AT(index)                                                              \
	"{\"type\":\"BLACKLISTED_EXTERNAL_USER_ID\",\"input_array\":"          \
	"\"attributes\",\"index\":" #index "}"

static void
test_judge(void **state)
{
	static const struct judge_case cases[] = {
	    {OUTLET_WHOLE, 201,
		"{\"message\":\"success\",\"attributes_processed\":2}", "AA",
		OUTLET_VERDICT_ACCEPTED, "", NULL},
	    {OUTLET_WHOLE, 200, "{\"message\":\"queued\"}\n", "AA",
		OUTLET_VERDICT_ACCEPTED, "", NULL},
	    {OUTLET_WHOLE, 201, "", "AA", OUTLET_VERDICT_ACCEPTED, "", NULL},
	    {OUTLET_WHOLE, 201, ERRORS(""), "AA", OUTLET_VERDICT_ACCEPTED, "",
		NULL},
	    {OUTLET_WHOLE, 201, "{\"errors\":null}", "AA",
		OUTLET_VERDICT_ACCEPTED, "", NULL},

	    /* errors settle each by its index */
	    {OUTLET_WHOLE, 201, ERRORS(AT(1)), "ARA", OUTLET_VERDICT_ACCEPTED,
		"", NULL},
	    {OUTLET_WHOLE, 201, ERRORS(AT(2) "," AT(0) "," AT(2)), "RAR",
		OUTLET_VERDICT_ACCEPTED, "", NULL},
	    {OUTLET_WHOLE, 201, ERRORS(AT(0) "," AT(1)), "RR",
		OUTLET_VERDICT_ACCEPTED, "", NULL},
	    {OUTLET_WHOLE, 201, ERRORS("{\"type\":\"A sentence\",\"index\":0}"),
		"RA", OUTLET_VERDICT_ACCEPTED, "", NULL},
	    {OUTLET_WHOLE, 201, ERRORS(AT(0)), "R", OUTLET_VERDICT_REFUSED, "",
		NULL},
	    /* an error that names no object is of the request: halve it */
	    {OUTLET_WHOLE, 201, ERRORS(AT(2)), "RR", OUTLET_VERDICT_REFUSED, "",
		NULL},
	    {OUTLET_WHOLE, 201, ERRORS(AT(0) "," AT(-1)), "RR",
		OUTLET_VERDICT_REFUSED, "", NULL},
	    {OUTLET_WHOLE, 201, ERRORS(AT(0.5)), "RR", OUTLET_VERDICT_REFUSED,
		"", NULL},
	    {OUTLET_WHOLE, 201, ERRORS(AT("0")), "RR", OUTLET_VERDICT_REFUSED,
		"", NULL},
	    {OUTLET_WHOLE, 201, ERRORS(AT(99999999999999999999)), "RR",
		OUTLET_VERDICT_REFUSED, "", NULL},
	    {OUTLET_WHOLE, 201, ERRORS("{\"type\":\"x\"}"), "RR",
		OUTLET_VERDICT_REFUSED, "", NULL},
	    {OUTLET_WHOLE, 201,
		ERRORS("{\"input_array\":\"events\",\"index\":0}"), "RR",
		OUTLET_VERDICT_REFUSED, "", NULL},
	    {OUTLET_WHOLE, 201, ERRORS("{\"input_array\":null,\"index\":0}"),
		"RR", OUTLET_VERDICT_REFUSED, "", NULL},
	    {OUTLET_WHOLE, 201, ERRORS("\"a sentence\""), "RR",
		OUTLET_VERDICT_REFUSED, "", NULL},
	    {OUTLET_WHOLE, 201, ERRORS(AT(0) ",[]"), "RR",
		OUTLET_VERDICT_REFUSED, "", NULL},
	    {OUTLET_WHOLE, 201, "{\"errors\":\"a sentence\"}", "RR",
		OUTLET_VERDICT_REFUSED, "", NULL},

	    /* An answer that is not Braze's, or not whole, is none. */
	    {OUTLET_WHOLE, 200, "<html>Log in</html>", "FF",
		OUTLET_VERDICT_FAILED, "u", "not from Braze"},
	    {OUTLET_WHOLE, 200, "[]", "FF", OUTLET_VERDICT_FAILED, "u",
		"not from Braze"},
	    {OUTLET_WHOLE, 201, "{\"message\":", "FF", OUTLET_VERDICT_FAILED,
		"u", "not from Braze"},
	    {OUTLET_WHOLE, 201, "{}{}", "FF", OUTLET_VERDICT_FAILED, "u",
		"not from Braze"},
	    {OUTLET_CUT, 201, "{\"message\":\"success\",", "FF",
		OUTLET_VERDICT_FAILED, "u", NULL},
	    {OUTLET_CUT, 201, ERRORS(AT(0)), "FF", OUTLET_VERDICT_FAILED, "u",
		NULL},
	    {OUTLET_CUT, 400, ERRORS(AT(0)), "FF", OUTLET_VERDICT_FAILED, "u",
		NULL},
	    {OUTLET_UNKNOWN, 0, "", "FF", OUTLET_VERDICT_FAILED, "u", NULL},
	    {OUTLET_UNSENT, 0, "", "NN", OUTLET_VERDICT_FAILED, "", NULL},

	    /* 400: nothing was taken */
	    {OUTLET_WHOLE, 400,
		"{\"message\":\"Valid data must be provided in the "
		"'attributes' fields.\",\"errors\":[" AT(0) "," AT(1) "]}",
		"RR", OUTLET_VERDICT_ACCEPTED, "", NULL},
	    {OUTLET_WHOLE, 400, ERRORS(AT(1)), "NRN", OUTLET_VERDICT_ACCEPTED,
		"", NULL},
	    {OUTLET_WHOLE, 400, ERRORS(AT(0)), "R", OUTLET_VERDICT_REFUSED, "",
		NULL},
	    {OUTLET_WHOLE, 400, ERRORS(AT(1) ",\"other\""), "RRR",
		OUTLET_VERDICT_REFUSED, "", NULL},
	    {OUTLET_WHOLE, 400, "{\"message\":\"Invalid\"}", "RR",
		OUTLET_VERDICT_REFUSED, "", NULL},
	    {OUTLET_WHOLE, 400, ERRORS(""), "RR", OUTLET_VERDICT_REFUSED, "",
		NULL},
	    {OUTLET_WHOLE, 400, "", "RR", OUTLET_VERDICT_REFUSED, "", NULL},
	    {OUTLET_WHOLE, 400, "<html>", "RR", OUTLET_VERDICT_REFUSED, "",
		NULL},
	    {OUTLET_WHOLE, 422, ERRORS(AT(1)), "RR", OUTLET_VERDICT_REFUSED, "",
		NULL},

	    /* too much is no one's fault */
	    {OUTLET_WHOLE, 400, "{\"message\":\"Max Input Length Exceeded\"}",
		"NN", OUTLET_VERDICT_REFUSED, "fe", NULL},
	    {OUTLET_WHOLE, 400,
		"{\"message\":\"max input length exceeded\",\"errors\":[" AT(
		    0) "]}",
		"NN", OUTLET_VERDICT_REFUSED, "fe", NULL},
	    {OUTLET_WHOLE, 400, "Max Input Length Exceeded", "N",
		OUTLET_VERDICT_FAILED, "", "single object"},
	    {OUTLET_WHOLE, 400, "Max Input Length Exceede", "RR",
		OUTLET_VERDICT_REFUSED, "", NULL},
	    {OUTLET_WHOLE, 413, "", "RR", OUTLET_VERDICT_REFUSED, "sm", NULL},

	    {OUTLET_WHOLE, 401, "{\"message\":\"Invalid API key\"}", "NN",
		OUTLET_VERDICT_DENIED, "", "cluster"},
	    {OUTLET_WHOLE, 403, "", "NN", OUTLET_VERDICT_DENIED, "",
		"users.track"},
	    {OUTLET_WHOLE, 404, "", "NN", OUTLET_VERDICT_DENIED, "",
		"REST endpoint"},
	    {OUTLET_WHOLE, 301, "", "NN", OUTLET_VERDICT_DENIED, "",
		"redirects"},
	    {OUTLET_WHOLE, 407, "", "NN", OUTLET_VERDICT_DENIED, "", "proxy"},
	    {OUTLET_WHOLE, 429, "", "NN", OUTLET_VERDICT_FAILED, "sl", NULL},
	    {OUTLET_WHOLE, 500, "", "FF", OUTLET_VERDICT_FAILED, "u", NULL},
	    {OUTLET_WHOLE, 503, ERRORS(AT(0)), "FF", OUTLET_VERDICT_FAILED, "u",
		NULL},
	    {OUTLET_WHOLE, 423, "", "FF", OUTLET_VERDICT_FAILED, "u", NULL},
	};
	struct attributes_settings settings = settings_make();
	struct outlet_context *context = context_make(&settings);

	(void)state;
	assert_judged(context, cases, sizeof(cases) / sizeof(*cases));
	attributes_outlet.context_free(context);
}

static void
test_waits(void **state)
{
	struct attributes_settings settings = settings_make();
	struct outlet_context *context;

	(void)state;
	settings.retry_after_most_ms = 600000;
	context = context_make(&settings);
	assert_waits(context, 600000);
	attributes_outlet.context_free(context);
}

/* ---- what Braze has ---- */

/* "I": in, "O": out, "N": nobody; or "?": not legible. */
static const char *
has(const struct outlet_context *context, const struct str *members,
    size_t count, const char *answer)
{
	static const char letters[] = "NOI";
	static char text[4];
	const struct outlet_group group = {.label = str_text("heap_a_7")};
	enum outlet_has has[3];
	struct err err;

	assert_in_range(count, 1, 3);
	memset(text, 0, sizeof(text));
	if (!attributes_outlet.verify_read(
		context, &group, members, count, str_text(answer), has, &err)) {
		assert_int_equal(err.code, ERR_INPUT);
		return "?";
	}
	for (size_t i = 0; i < count; i++)
		text[i] = letters[has[i]];
	return text;
}

static void
test_verify(void **state)
{
	static const struct {
		const char *match, *body;
		size_t asked;
		const char *answer, *has;
	} cases[] = {
	    {"external_id",
		"{\"external_ids\":[\"a\",\"b\\\"\",\"c\"],"
		"\"fields_to_export\":[\"external_id\",\"custom_attributes\"]}",
		3,
		"{\"message\":\"success\",\"users\":["
		"{\"external_id\":\"b\\u0022\","
		"\"custom_attributes\":{\"x\":[1],\"heap_a_7\":true}},"
		"{\"external_id\":\"a\","
		"\"custom_attributes\":{\"heap_a_7\":false}}]}",
		"OIN"},
	    /* never written, or of another type */
	    {"external_id", NULL, 3,
		"{\"users\":[{\"external_id\":\"a\"},"
		"{\"external_id\":\"c\",\"custom_attributes\":"
		"{\"heap_a_7\":\"true\"}}]}",
		"ONO"},
	    {"external_id", NULL, 3, "{\"users\":[]}", "NNN"},
	    {"external_id", NULL, 3, "{\"users\":[{\"external_id\":\"a\"}",
		"?"},
	    {"external_id", NULL, 3, "{\"users\":{}}", "?"},
	    {"external_id", NULL, 3, "<html>", "?"},
	    {"alias:crm",
		"{\"user_aliases\":["
		"{\"alias_name\":\"a\",\"alias_label\":\"crm\"},"
		"{\"alias_name\":\"b\\\"\",\"alias_label\":\"crm\"},"
		"{\"alias_name\":\"c\",\"alias_label\":\"crm\"}],"
		"\"fields_to_export\":[\"user_aliases\","
		"\"custom_attributes\"]}",
		3,
		"{\"users\":[{\"user_aliases\":["
		"{\"alias_name\":\"b\",\"alias_label\":\"crm\"},"
		"{\"alias_name\":\"a\",\"alias_label\":\"other\"},"
		"{\"alias_name\":\"c\",\"alias_label\":\"crm\"}],"
		"\"custom_attributes\":{\"heap_a_7\":true}}]}",
		"NNI"},
	    /* of several profiles with the address one was written */
	    {"email",
		"{\"email_address\":\"a\",\"fields_to_export\":"
		"[\"external_id\",\"custom_attributes\"]}",
		1,
		"{\"users\":[{\"custom_attributes\":{\"heap_a_7\":true}},"
		"{\"custom_attributes\":{}}]}",
		"I"},
	    {"braze_id",
		"{\"braze_id\":\"a\",\"fields_to_export\":"
		"[\"external_id\",\"custom_attributes\"]}",
		1, "{\"users\":[{\"custom_attributes\":{}}]}", "O"},
	};
	const struct str members[] = {
	    str_text("a"), str_text("b\""), str_text("c")};
	struct attributes_settings settings = settings_make();
	struct outlet_address address;
	struct outlet_context *context;
	struct buf body;
	struct err err;
	size_t asked;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		settings.match = cases[i].match;
		context = context_make(&settings);
		buf_init(&body, 4096);
		assert_true(attributes_outlet.verify(
		    context, members, 3, &address, &body, &asked, &err));
		assert_string_equal(
		    address.url, "https://rest.example/users/export/ids");
		assert_int_equal(asked, cases[i].asked);
		if (cases[i].body != NULL)
			assert_string_equal(buf_string(&body), cases[i].body);
		else
			buf_fini(&body);
		assert_string_equal(
		    has(context, members, asked, cases[i].answer),
		    cases[i].has);
		attributes_outlet.context_free(context);
	}
}

static void
test_verify_array(void **state)
{
	const struct str member = str_text("a");
	struct attributes_settings settings = settings_make();
	struct outlet_context *context;

	(void)state;
	settings.value = ATTRIBUTES_ARRAY;
	context = context_make(&settings);
	assert_string_equal(has(context, &member, 1,
				"{\"users\":[{\"external_id\":\"a\","
				"\"custom_attributes\":{\"heap_segments\":"
				"[\"heap_b_8\",\"heap_a_7\"]}}]}"),
	    "I");
	assert_string_equal(has(context, &member, 1,
				"{\"users\":[{\"external_id\":\"a\","
				"\"custom_attributes\":{\"heap_segments\":"
				"[\"heap_a_77\"],\"heap_a_7\":true}}]}"),
	    "O");
	attributes_outlet.context_free(context);
}

/* A request asks for so many that Braze answers. */
static void
test_verify_most(void **state)
{
	struct attributes_settings settings = settings_make();
	struct outlet_context *context = context_make(&settings);
	struct outlet_address address;
	struct str members[60];
	struct buf body;
	struct err err;
	size_t asked;

	(void)state;
	for (size_t i = 0; i < 60; i++)
		members[i] = str_text("a");
	buf_init(&body, 4096);
	assert_true(attributes_outlet.verify(
	    context, members, 60, &address, &body, &asked, &err));
	assert_int_equal(asked, 50);
	buf_fini(&body);
	attributes_outlet.context_free(context);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_context),
	    cmocka_unit_test(test_match),
	    cmocka_unit_test(test_label),
	    cmocka_unit_test(test_labels_differ),
	    cmocka_unit_test(test_label_long),
	    cmocka_unit_test(test_label_template),
	    cmocka_unit_test(test_boolean),
	    cmocka_unit_test(test_since_and_create),
	    cmocka_unit_test(test_array),
	    cmocka_unit_test(test_members),
	    cmocka_unit_test(test_rules_of_then),
	    cmocka_unit_test(test_frame),
	    cmocka_unit_test(test_limits),
	    cmocka_unit_test(test_judge),
	    cmocka_unit_test(test_waits),
	    cmocka_unit_test(test_verify),
	    cmocka_unit_test(test_verify_array),
	    cmocka_unit_test(test_verify_most),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
