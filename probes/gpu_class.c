/* gpu_class.c: what is bad, and how bad: the names of classes, states and
 * causes, and the table of XIDs. */
#include "sluice/gpu.h"

static const char *const class_names[] = {
	[SL_GPU_IGNORE] = "ignore", [SL_GPU_APP] = "app",       [SL_GPU_DEGRADED] = "degraded",
	[SL_GPU_LINK] = "link",     [SL_GPU_FAILED] = "failed",
};
_Static_assert(SL_COUNT(class_names) == SL_GPU_CLASS_COUNT, "a class has no name");

static const char *const cause_labels[] = {
#define SL_GPU_CAUSE(NAME, label, text) label,
#include "sluice/gpu_cause.def"
#undef SL_GPU_CAUSE
};

static const struct xid {
	uint32_t number;
	enum sl_gpu_class class_;
	const char *text;
} xids[] = {
#define GPU_XID(number, class_, text) { number, SL_GPU_##class_, text },
#include "probes/gpu/xid.def"
#undef GPU_XID
};

const char *sl_gpu_class_name(enum sl_gpu_class c)
{
	return (size_t)c < SL_COUNT(class_names) ? class_names[c] : "invalid";
}

bool sl_gpu_class_parse(const char *name, enum sl_gpu_class *out)
{
	for (size_t i = 0; i < SL_COUNT(class_names); i++) {
		if (strcmp(name, class_names[i]) == 0) {
			*out = (enum sl_gpu_class)i;
			return true;
		}
	}
	return false;
}

const char *sl_gpu_state_name(enum sl_gpu_state s)
{
	static const char *const names[] = { "healthy", "degraded", "failed" };

	_Static_assert(SL_COUNT(names) == SL_GPU_STATE_COUNT, "a state has no name");
	return (size_t)s < SL_COUNT(names) ? names[s] : "invalid";
}

enum sl_gpu_state sl_gpu_state_of(enum sl_gpu_class c, uint32_t gpus_of_the_endpoint)
{
	if (c == SL_GPU_FAILED || (c == SL_GPU_LINK && gpus_of_the_endpoint > 1))
		return SL_GPU_STATE_FAILED;
	return c >= SL_GPU_DEGRADED ? SL_GPU_STATE_DEGRADED : SL_GPU_STATE_HEALTHY;
}

const char *sl_gpu_cause_label(enum sl_gpu_cause c)
{
	return (size_t)c < SL_COUNT(cause_labels) ? cause_labels[c] : "invalid";
}

void sl_gpu_policy_default(struct sl_gpu_policy *p)
{
	*p = (struct sl_gpu_policy){ .hold_us = 600000000u, .calm_us = 30000000u };
}

/* ---- XIDs ------------------------------------------------------------- */

static const struct xid *find_xid(uint32_t number)
{
	for (size_t i = 0; i < SL_COUNT(xids); i++)
		if (xids[i].number == number)
			return &xids[i];
	return NULL;
}

static bool is_number(const char *word, uint32_t number)
{
	uint32_t value = 0;

	for (; *word >= '0' && *word <= '9' && value < 100000; word++)
		value = 10 * value + (uint32_t)(*word - '0');
	return *word == '\0' && value == number;
}

enum sl_gpu_class sl_gpu_xid_class(const struct sl_gpu_policy *p, uint32_t xid)
{
	const struct xid *known = find_xid(xid);
	enum sl_gpu_class class_ = SL_GPU_APP;

	/* From the end: the first class met is that of the numbers before it. */
	for (uint32_t i = p->n_xids; i-- > 0;)
		if (!sl_gpu_class_parse(p->xids[i], &class_) && is_number(p->xids[i], xid))
			return class_;
	return known ? known->class_ : SL_GPU_APP;
}

const char *sl_gpu_xid_text(uint32_t xid)
{
	const struct xid *known = find_xid(xid);

	return known ? known->text : "";
}
