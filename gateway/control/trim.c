/* trim.c: see trim.h. */
#include "gateway/control/trim.h"

#include <malloc.h>

#include "gateway/telemetry/process.h"

#define PERIOD_US 1000000u
#define WORTH_BYTES ((size_t)4 * 1024 * 1024)

/* Resident bytes that are not allocated: free pages, and the program's own. */
static size_t free_bytes(void)
{
	struct mallinfo2 info = mallinfo2();
	double resident = process_resident_bytes();
	double used = (double)(info.uordblks + info.hblkhd);

	return resident > used ? (size_t)(resident - used) : 0;
}

static void on_timer(void *arg)
{
	struct sl_trim *t = arg;
	size_t now = free_bytes();

	/* while it grows, the storm is not over; what is left is not worth a second look */
	if (now > t->floor_bytes + WORTH_BYTES && now <= t->last_bytes + WORTH_BYTES) {
		malloc_trim(0);
		now = free_bytes();
		t->floor_bytes = now;
	}
	if (now < t->floor_bytes)
		t->floor_bytes = now;
	t->last_bytes = now;
	sl_timer_arm(t->loop, &t->timer, PERIOD_US);
}

void sl_trim_start(struct sl_trim *t, struct sl_loop *loop)
{
	*t = (struct sl_trim){ .loop = loop, .timer = { .fn = on_timer, .arg = t } };
	t->floor_bytes = free_bytes();
	sl_timer_arm(loop, &t->timer, PERIOD_US);
}

void sl_trim_stop(struct sl_trim *t)
{
	sl_timer_disarm(t->loop, &t->timer);
}
