/* Looking into a body that was kept as it came. */

#include "server/body.h"
#include "server/server.h"

bool
server_body_decode(const char *encoding, const char *data, size_t len,
    struct buf *ret_text, bool *ret_whole, struct err *reterr)
{
	enum inflater_result result;
	struct inflater *inflater;
	struct budget budget;
	enum coding coding;
	struct tray tray;

	if (!coding_read(encoding, &coding) || coding == CODING_IDENTITY) {
		*ret_whole = coding_read(encoding, &coding);
		return buf_append(ret_text, data, len) ||
		       buf_ok(ret_text, reterr);
	}
	inflater = inflater_new(coding);
	if (inflater == NULL)
		return err_set_nomem(reterr);
	budget_init(&budget, SIZE_MAX / 2);
	tray_init(&tray, ret_text->limit - ret_text->len, &budget);
	result = inflater_add(inflater, data, len, &tray);
	*ret_whole = result == INFLATER_OK && inflater_ended(inflater);
	(void)buf_append(ret_text, tray.buf.data, tray.buf.len);
	tray_fini(&tray);
	inflater_free(inflater);
	if (result == INFLATER_SPENT)
		return err_set_nomem(reterr);
	return buf_ok(ret_text, reterr);
}
