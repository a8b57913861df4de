#include "schema/currents/reader.h"

#include "base/json.h"
#include "base/log.h"

#include <stdio.h>

/* An escape has at most six bytes: type and field fit, whatever they hold. */
_Static_assert(2 * 6 * DRIFT_NAME_MAX + 64 < DRIFT_TEXT_MAX, "too small");

static void
drift_name_write(struct buf *buf, struct str name)
{
	size_t len = name.len;

	if (len > DRIFT_NAME_MAX) {
		/* do not cut within a character */
		for (len = DRIFT_NAME_MAX;
		     len > 0 && (name.data[len] & 0xc0) == 0x80; len--)
			;
	}
	json_escape(buf, name.data, len);
}

void
drift_text_write(const struct currents_drift *drift, char ret[DRIFT_TEXT_MAX])
{
	struct buf buf;

	buf_init(&buf, DRIFT_TEXT_MAX - 1);
	(void)buf_printf(&buf, "%s\t", currents_drift_name(drift->what));
	drift_name_write(&buf, drift->type);
	(void)buf_char(&buf, '\t');
	drift_name_write(&buf, drift->field);
	(void)buf_printf(&buf, "\t%s", drift->json);
	(void)snprintf(ret, DRIFT_TEXT_MAX, "%.*s",
	    buf.failed ? 0 : (int)buf.len, buf.failed ? "" : buf.data);
	buf_fini(&buf);
}

/* The word up to the next tab, which must be there unless it is the last. */
static bool
drift_word_read(const char **at, bool last, struct str *ret)
{
	size_t len = strcspn(*at, "\t");

	if (((*at)[len] == '\0') != last)
		return false;
	*ret = str_bytes(*at, len);
	*at += len + !last;
	return true;
}

bool
drift_text_read(const char *text, struct drift *ret_drift)
{
	struct drift drift = {.what = CURRENTS_DRIFT_KINDS};
	struct str what;

	if (!drift_word_read(&text, false, &what) ||
	    !drift_word_read(&text, false, &drift.type) ||
	    !drift_word_read(&text, false, &drift.field) ||
	    !drift_word_read(&text, true, &drift.json))
		return false;
	for (int i = 0; i < CURRENTS_DRIFT_KINDS; i++) {
		enum currents_drift_kind kind = (enum currents_drift_kind)i;

		if (str_equal_text(what, currents_drift_name(kind)))
			drift.what = kind;
	}
	if (drift.what == CURRENTS_DRIFT_KINDS)
		return false;
	*ret_drift = drift;
	return true;
}

/* A name with an escape in it is in no catalogue. */
bool
drift_known(const struct drift *drift)
{
	const struct catalogue *catalogue = catalogue_in_use();
	size_t at = catalogue_type_find(catalogue, drift->type);
	size_t property = catalogue_property_find(catalogue, drift->field);
	const struct catalogue_type *type;

	/* a name is of one class in all types, known or not */
	if (drift->what == CURRENTS_DRIFT_LEFT_OUT)
		return property < catalogue_property_count(catalogue);
	if (at == catalogue_type_count(catalogue))
		return false;
	type = catalogue_type_at(catalogue, at);
	switch (drift->what) {
	case CURRENTS_DRIFT_TYPE:
		return true;
	case CURRENTS_DRIFT_PROPERTY:
		return property < catalogue_property_count(catalogue) &&
		       type->kinds[property] != CATALOGUE_NO_KIND;
	case CURRENTS_DRIFT_USER:
		for (size_t i = 0; i < catalogue_user_count(catalogue); i++) {
			if ((type->user >> i & 1) != 0 &&
			    str_equal_text(drift->field,
				catalogue_user_name(catalogue, i)))
				return true;
		}
		return false;
	case CURRENTS_DRIFT_LEFT_OUT:
	case CURRENTS_DRIFT_MEMBER:
	case CURRENTS_DRIFT_BLANK:
	case CURRENTS_DRIFT_JSON:
	case CURRENTS_DRIFT_KINDS:
		break;
	}
	return false;
}

const char *
drift_known_as(const struct drift *drift)
{
	const struct catalogue *catalogue = catalogue_in_use();
	size_t property = catalogue_property_find(catalogue, drift->field);

	if (drift->what == CURRENTS_DRIFT_PROPERTY &&
	    property < catalogue_property_count(catalogue))
		return catalogue_kind_name(
		    catalogue_property_at(catalogue, property)->kind);
	for (size_t i = 0; i < CURRENTS_USERS; i++) {
		if (drift->what == CURRENTS_DRIFT_USER &&
		    str_equal(drift->field, currents_users[i].name))
			return currents_users[i].want;
	}
	return NULL;
}

/* ---- what is left out ---- */

/* Can a selector name it, and stand in the file of settings without quotes? */
static bool
drift_selectable(struct str name)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "abcdefghijklmnopqrstuvwxyz0123456789._-";

	for (size_t i = 0; i < name.len; i++) {
		if (memchr(plain, name.data[i], sizeof(plain) - 1) == NULL)
			return false;
	}
	return name.len > 0 && name.len <= DRIFT_NAME_WHOLE;
}

void
drift_settings_write(const struct drift *drift, struct buf *out)
{
	static const struct str all = STR("unclassified");
	struct str field = drift_selectable(drift->field) ? drift->field : all;

	if (drift_selectable(drift->type))
		(void)buf_printf(out, "keep += %.*s/%.*s",
		    STR_ARGS(drift->type), STR_ARGS(field));
	else
		(void)buf_printf(out, "keep += %.*s", STR_ARGS(field));
}

void
drift_log_write(const char *text, struct buf *out)
{
	struct drift drift;

	if (!drift_text_read(text, &drift))
		return;
	(void)buf_printf(out, "what=%s type=%s field=%s json=%s",
	    LOG_QUOTE(currents_drift_name(drift.what)),
	    LOG_QUOTE_BYTES(drift.type.data, drift.type.len),
	    LOG_QUOTE_BYTES(drift.field.data, drift.field.len),
	    LOG_QUOTE_BYTES(drift.json.data, drift.json.len));
	if (drift.what != CURRENTS_DRIFT_LEFT_OUT)
		return;
	(void)buf_text(out, " settings=\"");
	drift_settings_write(&drift, out);
	(void)buf_char(out, '"');
}
