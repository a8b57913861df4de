/*
 * Makes events as Braze sends them, including what is valid but often
 * overlooked: properties that are absent, null or blank. Everything but the
 * values comes from the catalogue, so that a new type needs no line here.
 *
 * Values are made from templates: alternatives separated by |, in which
 *
 *	%h 24 hex digits   %u a UUID        %x 8 hex digits
 *	%d 1 to 999        %D one digit     %w a word
 *	%f a first name    %l a last name
 *	%t UNIX seconds    %T the same in ms
 *
 * A property without a rule of its own gets a value that the catalogue
 * documents, or one that its kind allows: a new property needs nothing here.
 */

#include "schema/currents/currents.h"

#include "base/json.h"
#include "schema/currents/catalogue.h"

#include <inttypes.h>
#include <stdio.h>

enum {
	SAMPLE_VALUE_MAX = 1024,
	SAMPLE_PEOPLE = 100000, /* people recur, so that they have histories */
	SAMPLE_CAMPAIGNS = 40,	/* likewise, and Canvases */

	/* per cent of the properties that are not required */
	SAMPLE_ABSENT = 3,
	SAMPLE_NULL = 6,
	SAMPLE_BLANK = 2,
};

/* ---- values ---- */

struct sample_rule {
	const char *pattern; /* a name, or * and how a name ends */
	enum catalogue_kind kind;
	const char *template;
};

static const struct sample_rule sample_rules[] = {
    {"campaign_name", CATALOGUE_STRING,
	"Spring sale %d|Welcome series: day %D|Cart reminder (%w)|"
	"Win-back \"%w\"|Rückgabe & Umtausch|新規登録キャンペーン %d"},
    {"canvas_name", CATALOGUE_STRING,
	"Onboarding %d|Lifecycle / %w|Re-engagement v%D"},
    {"canvas_step_name", CATALOGUE_STRING,
	"Step %D: email|Delay %D days|Message %D|Decision split"},
    {"*_variation_name", CATALOGUE_STRING, "Variant %D|Control|Variation 1"},
    {"name", CATALOGUE_STRING,
	"completed_checkout|viewed_item|added_to_cart|started_trial|"
	"Shared a %w"},
    {"first_name", CATALOGUE_STRING, "%f"},
    {"last_name", CATALOGUE_STRING, "%l"},
    {"home_city", CATALOGUE_STRING,
	"New York|Berlin|São Paulo|Tokyo|Singapore"},
    {"dob", CATALOGUE_STRING, "19%D%D-0%D-1%D"},
    {"country", CATALOGUE_STRING, "US|DE|GB|BR|JP|SG"},
    {"language", CATALOGUE_STRING, "en|de|pt|ja"},
    {"locale_key", CATALOGUE_STRING, "en-US|de-DE|pt-BR"},
    {"currency", CATALOGUE_STRING, "USD|EUR|GBP|JPY|BRL"},
    {"product_id", CATALOGUE_STRING, "sku-%d-%d|plan_annual|%w-%d"},
    {"email_address", CATALOGUE_STRING, "%f.%l%d@example.com"},
    {"*phone_number", CATALOGUE_STRING, "+120255501%D%D"},
    {"*_rcs_sender", CATALOGUE_STRING, "+120255501%D%D"},
    {"channel_identifier", CATALOGUE_STRING, "+120255501%D%D|%f%d@example.com"},
    {"*domain", CATALOGUE_STRING, "example.com|mail.example.com"},
    {"user_agent", CATALOGUE_STRING,
	"Mozilla/5.0 (iPhone; CPU iPhone OS 17_%D like Mac OS X) "
	"AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148|"
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 "
	"(KHTML, like Gecko) Chrome/12%D.0.0.0 Safari/537.36|"
	"Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36"},
    {"url", CATALOGUE_STRING,
	"https://www.example.com/%w/%w?utm_source=braze&utm_medium=email"
	"&utm_campaign=%x&q=a%%20b|https://example.com/"},
    {"endpoint_url", CATALOGUE_STRING, "https://hooks.example.com/%x"},
    {"short_url", CATALOGUE_STRING, "https://go.example.com/%x"},
    {"url_path", CATALOGUE_STRING, "/hooks/%x"},
    {"host", CATALOGUE_STRING, "hooks.example.com"},
    {"browser", CATALOGUE_STRING, "Chrome|Mobile Safari|Outlook"},
    {"device_class", CATALOGUE_STRING, "phone|tablet|desktop"},
    {"device_os", CATALOGUE_STRING, "iOS|Android|Windows"},
    {"device_model", CATALOGUE_STRING,
	"iPhone15,%D|Pixel 8|SM-S91%DB|Mac OS X"},
    {"os_version", CATALOGUE_STRING, "17.%D|14|Android 1%D"},
    {"sdk_version", CATALOGUE_STRING, "9.%D.0|30.%D.1"},
    {"carrier", CATALOGUE_STRING, "T-Mobile|Verizon|Vodafone"},
    {"resolution", CATALOGUE_STRING, "1170x2532|1080x2400"},
    {"*_ip", CATALOGUE_STRING, "192.0.2.%D%D|198.51.100.%D"},
    {"ip_pool", CATALOGUE_STRING, "Marketing|Transactional"},
    {"esp", CATALOGUE_STRING, "SparkPost|SendGrid"},
    {"mailbox_provider", CATALOGUE_STRING, "Gmail|Outlook.com|Yahoo"},
    {"bounce_reason", CATALOGUE_STRING,
	"550 5.1.1 <%f@example.com>: user unknown"},
    {"deferral_reason", CATALOGUE_STRING, "421 4.7.0 try again later"},
    {"message_extras", CATALOGUE_STRING,
	"{\"test\":\"%w\",\"score\":%d}|{\"segment\":\"%w\"}"},
    {"conversion_behavior", CATALOGUE_STRING,
	"{\"type\":\"Performs Custom Event\",\"window\":259200,"
	"\"custom_event_name\":\"%w\"}"},
    {"flow_response_json", CATALOGUE_STRING,
	"{\"screen_0_Choose_0\":\"0_%w\",\"flow_token\":\"%x\"}"},
    {"tool_arguments", CATALOGUE_STRING, "{\"query\":\"%w %w\",\"limit\":%D}"},
    {"custom_attributes", CATALOGUE_STRING, "{\"tier\":\"%w\",\"visits\":%d}"},
    {"message_body", CATALOGUE_STRING,
	"Yes, I'd like to know more!\nThanks 😀|STOP|HELP %d"},
    {"quick_reply_text", CATALOGUE_STRING, "Yes|Not now"},
    {"raw_response", CATALOGUE_STRING, "{\"error\":\"%w\"}"},
    {"*token", CATALOGUE_STRING, "%h%h%x"},
    {"ad_id", CATALOGUE_STRING, "%u"},
    {"session_id", CATALOGUE_STRING, "%u"},
    {"dispatch_id", CATALOGUE_STRING, "%x%h"},
    {"*_entry_id", CATALOGUE_STRING, "%u"},
    {"*_device_id", CATALOGUE_STRING, "%u"},
    {"*_api_id", CATALOGUE_STRING, "%u"},
    {"*_variation_id", CATALOGUE_STRING, "%u"},
    {"*_id", CATALOGUE_STRING, "%h"},
    {"latitude", CATALOGUE_NUMBER, "4%D.%D%D%D%D%D1"},
    {"longitude", CATALOGUE_NUMBER, "-7%D.%D%D%D%D%D9"},
    {"price", CATALOGUE_NUMBER, "%d.99|%d|0.5"},
    {"send_time", CATALOGUE_INTEGER, "%t"},
    {"*_at", CATALOGUE_INTEGER, "%t"},
    {"time_ms", CATALOGUE_INTEGER, "%T"},
    {"http_status_code", CATALOGUE_INTEGER, "400|404|429|500|503"},
    {"media_urls", CATALOGUE_STRINGS_NULLS,
	"[\"https://media.example.com/%x.jpg\"]|[]|"
	"[\"https://media.example.com/%x.jpg\",null]"},
    {"suspected_bot_click_reason", CATALOGUE_STRINGS,
	"[\"user_agent\",\"ip_address\"]|[]"},
    {"custom_properties", CATALOGUE_OBJECT,
	"{\"item\":\"%w\",\"quantity\":%D,\"price\":%d.5,\"gift\":false}|"
	"{\"cart\":{\"total\":%d.25,\"items\":[{\"sku\":\"%w-%d\"},"
	"{\"sku\":\"%w-%d\"}]},\"tags\":[\"%w\",\"%w\"]}|"
	"{\"plan\":\"%w\",\"note\":\"caf\\u00e9 %w\",\"ref\":null}|{}"},
    {"purchase_properties", CATALOGUE_OBJECT,
	"{\"color\":\"%w\",\"size\":%D,\"coupon\":\"%x\"}|{}"},
};

/* For the properties that have no rule. */
static const char *
sample_default(enum catalogue_kind kind)
{
	switch (kind) {
	case CATALOGUE_STRING:
		return "%w|%w_%w|%w %d";
	case CATALOGUE_INTEGER:
		return "%d|0|1";
	case CATALOGUE_NUMBER:
		return "%d.%D5|%d";
	case CATALOGUE_BOOLEAN:
		return "true|false";
	case CATALOGUE_OBJECT:
		return "{\"%w\":\"%w\"}|{}";
	case CATALOGUE_STRINGS:
		return "[\"%w\",\"%w\"]|[]";
	case CATALOGUE_STRINGS_NULLS:
		return "[\"%w\",null]|[]";
	}
	NEVER("a catalogue_kind");
}

static const char *const words[] = {"autumn", "basket", "coffee", "delta",
    "evergreen", "festival", "garden", "harbour", "island", "jacket", "kiosk",
    "lantern", "meadow", "notebook", "orchard", "premium"};
static const char *const first_names[] = {
    "ada", "ben", "chidi", "dana", "emil", "fatima", "grace", "hiro"};
static const char *const last_names[] = {
    "anders", "brown", "costa", "diaz", "evans", "fischer", "garcia", "haddad"};

/* SplitMix64: small, and good enough to look random. */
static uint64_t
sample_random(struct sample *sample)
{
	uint64_t mixed = sample->state += 0x9e3779b97f4a7c15u;

	mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9u;
	mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebu;
	return mixed ^ mixed >> 31;
}

static unsigned
sample_below(struct sample *sample, unsigned limit)
{
	return (unsigned)(sample_random(sample) % limit);
}

static int
sample_code_write(struct sample *sample, char code, char *ret, size_t size)
{
	uint64_t high = sample_random(sample), low = sample_random(sample);
	int64_t time_s = sample->now_s - (int64_t)(high % 3600);

	switch (code) {
	case 'h':
		return snprintf(
		    ret, size, "%016" PRIx64 "%08" PRIx64, high, low >> 32);
	case 'u':
		return snprintf(ret, size,
		    "%08" PRIx64 "-%04" PRIx64 "-4%03" PRIx64 "-%04" PRIx64
		    "-%012" PRIx64,
		    high >> 32, high >> 16 & 0xffff, high & 0xfff,
		    (low >> 48 & 0x3fff) | 0x8000, low & 0xffffffffffff);
	case 'x':
		return snprintf(ret, size, "%08" PRIx64, high >> 32);
	case 'd':
		return snprintf(ret, size, "%" PRIu64, 1 + high % 999);
	case 'D':
		return snprintf(ret, size, "%" PRIu64, high % 10);
	case 'w':
		return snprintf(ret, size, "%s", words[high % 16]);
	case 'f':
		return snprintf(ret, size, "%s", first_names[high % 8]);
	case 'l':
		return snprintf(ret, size, "%s", last_names[high % 8]);
	case 't':
		return snprintf(ret, size, "%" PRId64, time_s);
	case 'T':
		return snprintf(
		    ret, size, "%" PRId64 "%03" PRIu64, time_s, low % 1000);
	}
	return snprintf(ret, size, "%c", code);
}

/* Choose one of the alternatives, all equally likely. */
static const char *
sample_alternative(struct sample *sample, const char *template)
{
	unsigned count = 1, chosen;

	for (const char *c = template; *c != '\0'; c++)
		count += *c == '|';
	for (chosen = sample_below(sample, count); chosen > 0; chosen--)
		template = strchr(template, '|') + 1;
	return template;
}

/* Write a value made from a template; returns its length. */
static size_t
sample_template_write(
    struct sample *sample, const char *template, char ret[SAMPLE_VALUE_MAX])
{
	size_t len = 0;

	template = sample_alternative(sample, template);
	for (; *template != '\0' && *template != '|'; template ++) {
		CHECK(len + 1 < SAMPLE_VALUE_MAX);
		if (*template != '%') {
			ret[len++] = *template;
			continue;
		}
		len += (size_t)sample_code_write(
		    sample, *++template, ret + len, SAMPLE_VALUE_MAX - len);
	}
	return len;
}

static bool
sample_rule_fits(const struct sample_rule *rule, struct str name)
{
	size_t tail = strlen(rule->pattern) - 1;

	if (rule->pattern[0] != '*')
		return str_equal_text(name, rule->pattern);
	return tail <= name.len &&
	       strcmp(name.data + name.len - tail, rule->pattern + 1) == 0;
}

/* Write a value of that kind which suits the property's name; returns its
 * length. A string is written without quotes and escapes, anything else as
 * JSON. */
static size_t
sample_value_write(struct sample *sample,
    const struct catalogue_property *property, enum catalogue_kind kind,
    char ret[SAMPLE_VALUE_MAX])
{
	const char *template = sample_default(kind);
	size_t seen = 0;

	/* they are of its usual kind, and a type may have another */
	while (kind == property->kind && property->seen != NULL &&
	       property->seen[seen] != NULL)
		seen++;
	if (seen > 0) {
		const char *value =
		    property->seen[sample_below(sample, (unsigned)seen)];

		return (size_t)snprintf(ret, SAMPLE_VALUE_MAX, "%s", value);
	}
	for (size_t i = 0; i < sizeof(sample_rules) / sizeof(sample_rules[0]);
	     i++) {
		if (sample_rules[i].kind == kind &&
		    sample_rule_fits(&sample_rules[i], property->name)) {
			template = sample_rules[i].template;
			break;
		}
	}
	return sample_template_write(sample, template, ret);
}

/* ---- events ---- */

void
sample_init(struct sample *sample, uint64_t seed, int64_t now_s)
{
	*sample = (struct sample){.state = seed, .now_s = now_s};
}

size_t
sample_types(void)
{
	return catalogue_type_count(catalogue_in_use());
}

const char *
sample_type_name(size_t type)
{
	return catalogue_type_at(catalogue_in_use(), type)->name.data;
}

size_t
sample_type_find(const char *name)
{
	return catalogue_type_find(catalogue_in_use(), str_text(name));
}

static void
sample_text(struct sample *sample, struct json *json, const char *key,
    const char *template)
{
	char value[SAMPLE_VALUE_MAX];
	size_t len = sample_template_write(sample, template, value);

	json_bytes(json, key, value, len);
}

/* A person: the same number has the same ids in every event. */
static void
sample_user_write(
    struct sample *sample, const struct catalogue_type *type, struct json *json)
{
	unsigned number = sample_below(sample, SAMPLE_PEOPLE);
	struct sample person;
	char external[32];

	(void)snprintf(external, sizeof(external), "customer-%06u", number);
	json_object_open(json, "user");
	for (size_t i = 0; i < catalogue_user_count(catalogue_in_use()); i++) {
		const char *member = catalogue_user_name(catalogue_in_use(), i);

		if ((type->user >> i & 1) == 0)
			continue;
		/* seeded for each member, since types differ in them */
		sample_init(&person, (uint64_t)number << 8 | i, 0);
		if (strcmp(member, "user_id") == 0)
			sample_text(&person, json, member, "%h");
		else if (strcmp(member, "timezone") == 0)
			sample_text(&person, json, member,
			    "America/New_York|Europe/Berlin|Asia/Tokyo");
		else if (strcmp(member, "external_user_id") != 0)
			sample_text(&person, json, member, "%u");
		else if (sample_below(&person, 100) >=
			 sample->anonymous_percent)
			json_text(json, member, external);
	}
	json_object_close(json);
}

/* Is it what a campaign or a Canvas is called by? */
static bool
sample_is_campaign(struct str name)
{
	return str_equal_text(name, "campaign_id") ||
	       str_equal_text(name, "campaign_name") ||
	       str_equal_text(name, "canvas_id") ||
	       str_equal_text(name, "canvas_name");
}

static void
sample_property_write(struct sample *sample, const struct catalogue_type *type,
    uint16_t index, struct json *json)
{
	const struct catalogue_property *property =
	    catalogue_property_at(catalogue_in_use(), index);
	enum catalogue_kind kind = (enum catalogue_kind)type->kinds[index];
	unsigned chance = sample_below(sample, 100);
	const char *name = property->name.data;
	char value[SAMPLE_VALUE_MAX];
	struct sample campaign;
	size_t len;

	if (catalogue_type_requires(type, index))
		chance = 100; /* neither absent nor null nor blank */
	if (chance < SAMPLE_ABSENT)
		return;
	if (sample_is_campaign(property->name)) {
		sample_init(&campaign, (uint64_t)sample->campaign << 16 | index,
		    sample->now_s);
		len = sample_value_write(&campaign, property, kind, value);
	} else {
		len = sample_value_write(sample, property, kind, value);
	}
	if (chance < SAMPLE_ABSENT + SAMPLE_NULL)
		json_null_value(json, name);
	else if (chance < SAMPLE_ABSENT + SAMPLE_NULL + SAMPLE_BLANK)
		json_text(json, name, "");
	else if (kind == CATALOGUE_STRING)
		json_bytes(json, name, value, len);
	else
		json_raw(json, name, value, len);
}

void
sample_write(struct sample *sample, size_t type, struct buf *out)
{
	const struct catalogue_type *described =
	    catalogue_type_at(catalogue_in_use(), type);
	int64_t time_s = sample->now_s - (int64_t)sample_below(sample, 3600);
	struct json json;

	sample->campaign = sample_below(sample, SAMPLE_CAMPAIGNS);
	json_init(&json, out);
	json_object_open(&json, NULL);
	/* the five members of every published example */
	json_text(&json, "event_type", described->name.data);
	sample_text(sample, &json, "id", "%u");
	json_int(&json, "time", time_s < 0 ? 0 : time_s);
	sample_user_write(sample, described, &json);
	json_object_open(&json, "properties");
	for (size_t i = 0; i < described->property_count; i++)
		sample_property_write(
		    sample, described, described->properties[i], &json);
	json_object_close(&json);
	json_object_close(&json);
}
