#include "server/budget.h"

void
budget_init(struct budget *budget, size_t bytes)
{
	atomic_init(&budget->left, bytes);
}

bool
budget_take(struct budget *budget, size_t bytes)
{
	size_t left = atomic_load(&budget->left);

	do {
		if (bytes > left)
			return false;
	} while (
	    !atomic_compare_exchange_weak(&budget->left, &left, left - bytes));
	return true;
}

void
budget_give(struct budget *budget, size_t bytes)
{
	atomic_fetch_add(&budget->left, bytes);
}

size_t
budget_left(struct budget *budget)
{
	return atomic_load(&budget->left);
}

void
tray_init(struct tray *tray, size_t limit, struct budget *budget)
{
	*tray = (struct tray){.budget = budget};
	buf_init(&tray->buf, limit);
}

void
tray_fini(struct tray *tray)
{
	buf_fini(&tray->buf);
	if (tray->paid > 0)
		budget_give(tray->budget, tray->paid);
	tray->paid = 0;
}

/* Doubles, so that a body of unknown length is not copied too often. This
 * is never less than what buf_reserve() would choose: what is paid is what
 * is held. */
static size_t
tray_next_cap(const struct tray *tray, size_t need)
{
	size_t cap = tray->buf.cap * 2;

	if (cap < TRAY_FREE)
		cap = TRAY_FREE;
	if (cap < need)
		cap = need;
	return cap < tray->buf.limit ? cap : tray->buf.limit;
}

enum tray_result
tray_reserve(struct tray *tray, size_t more)
{
	struct buf *buf = &tray->buf;
	size_t cap, cost;

	if (more > buf->limit - buf->len)
		return TRAY_LIMIT;
	if (more <= buf->cap - buf->len)
		return TRAY_OK;
	cap = tray_next_cap(tray, buf->len + more);
	cost = cap > TRAY_FREE ? cap - TRAY_FREE : 0;
	if (!budget_take(tray->budget, cost - tray->paid))
		return TRAY_SPENT;
	/* What was taken stays booked if there is no memory: tray_fini()
	 * gives it back, and nothing more is read by then. */
	tray->paid = cost;
	return buf_reserve(buf, cap - buf->len) ? TRAY_OK : TRAY_SPENT;
}

enum tray_result
tray_append(struct tray *tray, const void *data, size_t len)
{
	enum tray_result result = tray_reserve(tray, len);

	if (result == TRAY_OK && !buf_append(&tray->buf, data, len))
		return TRAY_SPENT;
	return result;
}
