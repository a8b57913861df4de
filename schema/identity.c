#include "schema/identity.h"

#include "schema/json/text.h"

static const struct str identity_placeholders[] = {STR("null"),
    STR("undefined"), STR("none"), STR("nil"), STR("0"), STR("user"),
    STR("guest"), STR("anonymous"), STR("unknown"), STR("[redacted]"),
    STR("00000000-0000-0000-0000-000000000000"),
    /* SHA-256 of nothing */
    STR("e3b0c44298fc1c149afbf4c8996fb924"
	"27ae41e4649b934ca495991b7852b855")};

bool
identity_placeholder(struct str id, const char *const *more, size_t more_count)
{
	id = text_trim(id);
	if (id.len == 0)
		return true; /* nothing visible */
	for (size_t i = 0;
	     i < sizeof(identity_placeholders) / sizeof(*identity_placeholders);
	     i++) {
		if (text_equal_folded(identity_placeholders[i], id))
			return true;
	}
	for (size_t i = 0; i < more_count; i++) {
		if (text_equal_folded(text_trim(str_text(more[i])), id))
			return true;
	}
	return false;
}
