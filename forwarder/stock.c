#include "forwarder/stock.h"

static bool
stock_take(struct stock *stock, struct queue *queue, int64_t lane,
    int64_t now_ms, struct err *reterr)
{
	struct queue_lease *lease = NULL;

	if (!queue_take(queue, lane, now_ms, &lease, reterr))
		return false;
	if (lease == NULL)
		return true;
	stock->lot = lot_new(queue, lease);
	stock->next = 0;
	if (stock->lot == NULL)
		return err_set_nomem(reterr);
	/* A parcel without events holds nothing open: it frees itself. */
	if (stock->lot->open == 0) {
		lot_close(queue, stock->lot, 0);
		stock->lot = NULL;
	}
	return true;
}

bool
stock_peek(struct stock *stock, struct queue *queue, int64_t lane,
    int64_t now_ms, struct lot **ret_lot, size_t *ret_event, struct err *reterr)
{
	*ret_lot = NULL;
	if (stock->lot == NULL &&
	    !stock_take(stock, queue, lane, now_ms, reterr))
		return false;
	*ret_lot = stock->lot;
	*ret_event = stock->next;
	return true;
}

void
stock_pass(struct stock *stock)
{
	CHECK(stock->lot != NULL);
	stock->next++;
	/* The lot lives on through its open events. */
	if (stock->next == stock->lot->lease->count)
		stock->lot = NULL;
}

void
stock_return(struct stock *stock, struct queue *queue)
{
	if (stock->lot == NULL)
		return;
	lot_close(queue, stock->lot, stock->lot->lease->count - stock->next);
	stock->lot = NULL;
}
