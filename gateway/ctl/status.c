/* status.c: the fleet as a person wants to see it: what is wrong first, then a
 * row an endpoint, then what is known of the models.
 *
 * Everything comes from the JSON of GET /fleet. A member that is missing or
 * null shows as "-", so that an older or newer gateway can be looked at. */
#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "gateway/ctl/ctl.h"

#define CLUSTER_COLUMN 2
#define PEERS_COLUMN 7
#define TROUBLES_MAX 10
#define SOURCES_MAX 10
#define EVENTS_MAX 5

static const struct ctl_column endpoint_columns[] = {
	{ .title = "ENDPOINT" },
	{ .title = "POOL", .drop = 4 },
	{ .title = "CLUSTER", .drop = 5 },
	{ .title = "ROLE", .drop = 1 },
	{ .title = "HEALTH" },
	{ .title = "SINCE", .right = true, .drop = 7 },
	{ .title = "LIVE", .right = true },
	{ .title = "PEERS", .right = true, .drop = 11 },
	{ .title = "QUEUE", .right = true, .drop = 3 },
	{ .title = "KV %", .right = true, .drop = 2 },
	{ .title = "INDEX", .right = true, .drop = 9 },
	{ .title = "SLOW", .right = true, .drop = 8 },
	{ .title = "SENT", .right = true, .drop = 10 },
	{ .title = "MODELS", .drop = 6, .cut = true },
};

#define MODEL_CLUSTERS 1

static const struct ctl_column model_columns[] = {
	{ .title = "MODEL" },
	{ .title = "CLUSTERS" },
	{ .title = "REQUESTS", .right = true },
	{ .title = "OUT TOKENS", .right = true, .drop = 1 },
	{ .title = "BYTES/TOKEN", .right = true, .drop = 2 },
	{ .title = "ALIASES", .drop = 3, .cut = true },
};

/* ---- members --------------------------------------------------------- */

static const char *text_of(const cJSON *object, const char *key)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));

	return text ? text : "";
}

/* For loops over a list that may not be there. */
static const cJSON *first(const cJSON *list)
{
	return list ? list->child : NULL;
}

/* NaN if it is not there. */
static double number_of(const cJSON *object, const char *key)
{
	const cJSON *member = cJSON_GetObjectItemCaseSensitive(object, key);

	return cJSON_IsNumber(member) ? member->valuedouble : (double)NAN;
}

static void add_text(struct ctl_table *t, const char *text)
{
	ctl_table_add(t, CTL_PLAIN, *text ? text : "-");
}

/* 7, 1234, 12.3k, 4.5M */
static void add_count(struct ctl_table *t, double n)
{
	static const char *const units[] = { "", "k", "M", "G", "T" };
	size_t unit = 0;
	char text[32];

	if (!isfinite(n)) {
		add_text(t, "-");
		return;
	}
	while (n >= (unit ? 999.95 : 9999.5) && unit + 1 < SL_COUNT(units)) {
		n /= 1000;
		unit++;
	}
	snprintf(text, sizeof(text), "%.*f%s", unit ? 1 : 0, n, units[unit]);
	add_text(t, text);
}

static void add_fixed(struct ctl_table *t, double n, const char *suffix, int decimals)
{
	char text[48] = "-";

	if (isfinite(n))
		snprintf(text, sizeof(text), "%.*f%s", decimals, n, suffix);
	add_text(t, text);
}

static void add_wait(struct ctl_table *t, double ms)
{
	if (ms < 999.5)
		add_fixed(t, ms, " ms", 0);
	else
		add_fixed(t, ms / 1000, " s", 1);
}

/* 12s, 3m, 5h, 2d */
static void write_age(char *out, size_t size, double ms)
{
	static const struct {
		double seconds;
		char unit;
	} steps[] = { { 172800, 'd' }, { 7200, 'h' }, { 120, 'm' }, { 0, 's' } };
	static const double divisors[] = { 86400, 3600, 60, 1 };
	double seconds = ms / 1000;

	snprintf(out, size, "-");
	for (size_t i = 0; i < SL_COUNT(steps) && isfinite(ms); i++) {
		if (seconds >= steps[i].seconds) {
			snprintf(out, size, "%.0f%c", floor(seconds / divisors[i]), steps[i].unit);
			return;
		}
	}
}

static void add_names(struct ctl_table *t, const cJSON *names)
{
	const cJSON *name;
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		abort();
	for (name = first(names); name; name = name->next)
		fprintf(out, "%s%s", name == names->child ? "" : ", ",
		        cJSON_IsString(name) ? name->valuestring : "?");
	if (fclose(out) != 0)
		abort();
	add_text(t, text);
	free(text);
}

/* ---- endpoints ------------------------------------------------------- */

static bool is_draining(const cJSON *endpoint)
{
	return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(endpoint, "draining"));
}

/* What decides whether it gets requests; an unhealthy one is just that, even
 * when it is being drained, or its source holds it back. */
static const char *state_of(const cJSON *endpoint)
{
	const char *health = text_of(endpoint, "health");

	if (strcmp(health, "unhealthy") == 0)
		return health;
	if (*text_of(endpoint, "held"))
		return "held";
	return is_draining(endpoint) ? "draining" : health;
}

static enum ctl_colour colour_of(const char *state)
{
	if (strcmp(state, "healthy") == 0)
		return CTL_GREEN;
	return strcmp(state, "unhealthy") == 0 ? CTL_RED : CTL_YELLOW;
}

static void add_endpoint(struct ctl_table *t, const cJSON *endpoint)
{
	const char *state = state_of(endpoint);
	char since[32];

	write_age(since, sizeof(since), number_of(endpoint, "since_ms"));
	add_text(t, text_of(endpoint, "endpoint"));
	add_text(t, text_of(endpoint, "pool"));
	add_text(t, text_of(endpoint, "cluster"));
	add_text(t, text_of(endpoint, "role"));
	ctl_table_add(t, colour_of(state), *state ? state : "-");
	add_text(t, since);
	add_count(t, number_of(endpoint, "inflight"));
	add_count(t, number_of(endpoint, "peers_inflight"));
	add_wait(t, number_of(endpoint, "queue_ms"));
	add_fixed(t, 100 * number_of(endpoint, "kv_usage"), "", 0);
	add_count(t, number_of(endpoint, "index_entries"));
	add_fixed(t, number_of(endpoint, "slowness"), "", 2);
	add_count(t, number_of(endpoint, "dispatched"));
	add_names(t, cJSON_GetObjectItemCaseSensitive(endpoint, "models"));
}

static bool any_cluster(const cJSON *endpoints)
{
	const cJSON *endpoint;

	for (endpoint = first(endpoints); endpoint; endpoint = endpoint->next)
		if (*text_of(endpoint, "cluster"))
			return true;
	return false;
}

/* By pool, then by address, numbers as numbers. */
static int compare_endpoints(const void *a, const void *b)
{
	const cJSON *x = *(const cJSON *const *)a, *y = *(const cJSON *const *)b;
	int order = strcmp(text_of(x, "pool"), text_of(y, "pool"));

	return order ? order : strverscmp(text_of(x, "endpoint"), text_of(y, "endpoint"));
}

/* The gateway's order is that in which engines came and went. */
static void add_endpoints(struct ctl_table *t, const cJSON *endpoints)
{
	size_t n = 0, size = (size_t)cJSON_GetArraySize(endpoints);
	const cJSON **sorted = malloc((size + 1) * sizeof(*sorted));

	if (!sorted)
		abort();
	for (const cJSON *e = first(endpoints); e; e = e->next)
		sorted[n++] = e;
	qsort(sorted, n, sizeof(*sorted), compare_endpoints);
	for (size_t i = 0; i < n; i++)
		add_endpoint(t, sorted[i]);
	free(sorted);
}

static void write_endpoints(FILE *out, const cJSON *endpoints, bool has_peers,
                            const struct ctl_view *view)
{
	struct ctl_column columns[SL_COUNT(endpoint_columns)];
	struct ctl_table t;

	memcpy(columns, endpoint_columns, sizeof(columns));
	if (!any_cluster(endpoints))
		columns[CLUSTER_COLUMN].title = NULL;
	if (!has_peers)
		columns[PEERS_COLUMN].title = NULL;
	ctl_table_init(&t, columns, SL_COUNT(columns));
	add_endpoints(&t, endpoints);
	fputc('\n', out);
	ctl_table_write(&t, out, view->width, view->colours);
	ctl_table_fini(&t);
}

/* ---- the whole ------------------------------------------------------- */

static void write_summary(FILE *out, const char *addr, const cJSON *root, const cJSON *endpoints)
{
	static const char *const states[] = { "healthy", "degraded", "draining",
		                              "held",    "unknown",  "unhealthy" };
	int total = cJSON_GetArraySize(endpoints);
	const char *gap = ":";

	fprintf(out, "sluice %s at %s, %d endpoint%s", text_of(root, "version"), addr, total,
	        total == 1 ? "" : "s");
	for (size_t i = 0; i < SL_COUNT(states); i++) {
		const cJSON *endpoint;
		int n = 0;

		for (endpoint = first(endpoints); endpoint; endpoint = endpoint->next)
			n += strcmp(state_of(endpoint), states[i]) == 0;
		if (n)
			fprintf(out, "%s %d %s", gap, n, states[i]);
		if (n)
			gap = ",";
	}
	fputc('\n', out);
}

/* "redis redis://10.0.0.5:6379/0: connected for 3m, 2 other gateways" */
static void write_redis(FILE *out, const cJSON *redis)
{
	bool connected = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(redis, "connected"));
	const char *reason = text_of(redis, "reason");
	double peers = number_of(redis, "peers");
	char since[32];

	if (!redis)
		return;
	write_age(since, sizeof(since), number_of(redis, "since_ms"));
	fprintf(out, "redis %s: %s for %s%s%s", text_of(redis, "url"),
	        connected ? "connected" : "not connected", since, *reason ? ": " : "", reason);
	if (connected && isfinite(peers))
		fprintf(out, ", %.0f other gateway%s", peers, peers == 1 ? "" : "s");
	fputc('\n', out);
}

/* "and 5 more", if there are */
static void add_rest(struct ctl_table *t, int n)
{
	char line[32];

	snprintf(line, sizeof(line), "and %d more", n);
	if (n > 0)
		add_text(t, line);
}

/* GPUs that take an endpoint out, or slow it down, and exporters that do not
 * tell; below the others. */
static void add_gpu_trouble(struct ctl_table *t, const cJSON *endpoint)
{
	const char *reason = text_of(endpoint, "gpu_reason");
	bool failed = strcmp(text_of(endpoint, "gpu_state"), "failed") == 0;
	char line[512];

	if (!*reason)
		return;
	snprintf(line, sizeof(line), "%s %s", text_of(endpoint, "endpoint"), reason);
	ctl_table_add(t, failed ? CTL_RED : CTL_YELLOW, line);
}

static void add_exporter_trouble(struct ctl_table *t, const cJSON *exporter)
{
	double ms = number_of(exporter, "age_ms");
	char age[32], last[48] = "; no page so far", line[512];

	if (!*text_of(exporter, "trouble"))
		return;
	write_age(age, sizeof(age), ms);
	if (isfinite(ms))
		snprintf(last, sizeof(last), "; last page %s ago", age);
	snprintf(line, sizeof(line), "exporter %s: %s%s", text_of(exporter, "url"),
	         text_of(exporter, "trouble"), last);
	ctl_table_add(t, CTL_YELLOW, line);
}

static void write_gpu_troubles(FILE *out, const cJSON *endpoints, const cJSON *exporters,
                               const struct ctl_view *view)
{
	static const struct ctl_column columns[] = { { .title = "GPU TROUBLE" } };
	const cJSON *item;
	struct ctl_table t;

	ctl_table_init(&t, columns, SL_COUNT(columns));
	for (item = first(endpoints); item && t.n_cells < TROUBLES_MAX; item = item->next)
		add_gpu_trouble(&t, item);
	for (item = first(exporters); item && t.n_cells < 2 * TROUBLES_MAX; item = item->next)
		add_exporter_trouble(&t, item);
	if (t.n_cells) {
		fputc('\n', out);
		ctl_table_write(&t, out, 0, view->colours);
	}
	ctl_table_fini(&t);
}

/* ", back in 8s" of one that is ejected for a time. */
static void write_return(char *out, size_t size, const cJSON *endpoint)
{
	double ms = number_of(endpoint, "returns_in_ms");
	char in[32];

	*out = '\0';
	if (!isfinite(ms))
		return;
	write_age(in, sizeof(in), ms);
	snprintf(out, size, ", on trial in %s", in);
}

/* What GPUs do to it is told below. */
static bool is_trouble(const cJSON *endpoint, const char *state)
{
	if (strcmp(state, "degraded") == 0)
		return *text_of(endpoint, "gpu_reason") == '\0';
	return strcmp(state, "healthy") != 0 && strcmp(state, "draining") != 0;
}

/* "e unhealthy for 3s: refused, on trial in 8s", "e held: the pod is not ready", or both */
static void write_trouble(char *out, size_t size, const cJSON *endpoint)
{
	const char *state = state_of(endpoint), *held = text_of(endpoint, "held");
	const char *reason = text_of(endpoint, "reason");
	char since[32], back[64];

	if (strcmp(state, "held") == 0) {
		snprintf(out, size, "%s held: %s", text_of(endpoint, "endpoint"), held);
		return;
	}
	write_age(since, sizeof(since), number_of(endpoint, "since_ms"));
	write_return(back, sizeof(back), endpoint);
	snprintf(out, size, "%s %s for %s%s%s%s%s%s", text_of(endpoint, "endpoint"), state, since,
	         *reason ? ": " : "", reason, back, *held ? "; held: " : "", held);
}

/* Why an endpoint does not get requests, below the table: reasons are long. */
static void write_troubles(FILE *out, const cJSON *endpoints, const struct ctl_view *view)
{
	static const struct ctl_column columns[] = { { .title = "TROUBLE" } };
	const cJSON *endpoint;
	struct ctl_table t;
	int n = 0;

	ctl_table_init(&t, columns, SL_COUNT(columns));
	for (endpoint = first(endpoints); endpoint; endpoint = endpoint->next) {
		const char *state = state_of(endpoint);
		char line[512];

		if (!is_trouble(endpoint, state) || ++n > TROUBLES_MAX)
			continue;
		write_trouble(line, sizeof(line), endpoint);
		ctl_table_add(&t, colour_of(state), line);
	}
	add_rest(&t, n - TROUBLES_MAX);
	if (n) {
		fputc('\n', out);
		ctl_table_write(&t, out, 0, view->colours);
	}
	ctl_table_fini(&t);
}

/* Who names the engines, and when that was last heard. */
static void write_sources(FILE *out, const cJSON *sources, const struct ctl_view *view)
{
	static const struct ctl_column columns[] = {
		{ .title = "SOURCE" },
		{ .title = "ENGINES", .right = true },
		{ .title = "LAST HEARD", .right = true },
	};
	int n = 0, total = cJSON_GetArraySize(sources);
	struct ctl_table t;

	if (!total)
		return;
	ctl_table_init(&t, columns, SL_COUNT(columns));
	for (const cJSON *s = first(sources); s && n < SOURCES_MAX; s = s->next, n++) {
		double ms = number_of(s, "synced_ms");
		char age[32], heard[48];

		write_age(age, sizeof(age), ms);
		snprintf(heard, sizeof(heard), "%s ago", age);
		add_text(&t, text_of(s, "source"));
		add_count(&t, number_of(s, "engines"));
		add_text(&t, isfinite(ms) ? heard : "never");
	}
	fputc('\n', out);
	ctl_table_write(&t, out, view->width, view->colours);
	ctl_table_fini(&t);
	if (total > n)
		fprintf(out, "and %d more\n", total - n);
}

/* "kubernetes:llm/llama: the API server does not answer; its 4 engines stay" */
static void write_source_troubles(FILE *out, const cJSON *sources, const struct ctl_view *view)
{
	static const struct ctl_column columns[] = { { .title = "SOURCE TROUBLE" } };
	struct ctl_table t;
	int n = 0;

	ctl_table_init(&t, columns, SL_COUNT(columns));
	for (const cJSON *s = first(sources); s; s = s->next) {
		const char *trouble = text_of(s, "trouble");
		double engines = number_of(s, "engines");
		char line[1024], stay[64] = "";

		if (!*trouble || ++n > TROUBLES_MAX)
			continue;
		if (engines > 0)
			snprintf(stay, sizeof(stay), "; its %.0f engine%s", engines,
			         engines > 1 ? "s stay" : " stays");
		snprintf(line, sizeof(line), "%s: %s%s", text_of(s, "source"), trouble, stay);
		ctl_table_add(&t, CTL_YELLOW, line);
	}
	add_rest(&t, n - TROUBLES_MAX);
	if (n) {
		fputc('\n', out);
		ctl_table_write(&t, out, 0, view->colours);
	}
	ctl_table_fini(&t);
}

/* Not what every start shows. */
static bool is_news(const cJSON *event)
{
	return strcmp(text_of(event, "from"), "unknown") != 0 ||
	       strcmp(text_of(event, "to"), "healthy") != 0;
}

/* "12:34:56Z 10.0.0.1:8000 healthy -> unhealthy: connection refused" */
static void add_event(struct ctl_table *t, const cJSON *event)
{
	const char *to = text_of(event, "to");
	double ms = number_of(event, "time_ms");
	time_t seconds = isfinite(ms) ? (time_t)(ms / 1000) : 0;
	char at[32] = "-", line[512];
	struct tm tm;

	if (isfinite(ms) && gmtime_r(&seconds, &tm))
		strftime(at, sizeof(at), "%H:%M:%SZ", &tm);
	snprintf(line, sizeof(line), "%s %s %s -> %s: %s", at, text_of(event, "endpoint"),
	         text_of(event, "from"), to, text_of(event, "reason"));
	ctl_table_add(t, colour_of(to), line);
}

static void write_events(FILE *out, const cJSON *events, const struct ctl_view *view)
{
	static const struct ctl_column columns[] = { { .title = "LATELY" } };
	struct ctl_table t;
	int n = 0;

	ctl_table_init(&t, columns, SL_COUNT(columns));
	for (const cJSON *e = first(events); e && n < EVENTS_MAX; e = e->next) {
		if (!is_news(e))
			continue;
		add_event(&t, e);
		n++;
	}
	if (n) {
		fputc('\n', out);
		ctl_table_write(&t, out, 0, view->colours);
	}
	ctl_table_fini(&t);
}

static bool any_model_cluster(const cJSON *models)
{
	for (const cJSON *m = first(models); m; m = m->next)
		if (cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(m, "clusters")))
			return true;
	return false;
}

static void write_models(FILE *out, const cJSON *models, const struct ctl_view *view)
{
	struct ctl_column columns[SL_COUNT(model_columns)];
	const cJSON *model;
	struct ctl_table t;

	memcpy(columns, model_columns, sizeof(columns));
	if (!any_model_cluster(models))
		columns[MODEL_CLUSTERS].title = NULL;
	ctl_table_init(&t, columns, SL_COUNT(columns));
	for (model = first(models); model; model = model->next) {
		add_text(&t, text_of(model, "name"));
		add_names(&t, cJSON_GetObjectItemCaseSensitive(model, "clusters"));
		add_count(&t, number_of(model, "requests"));
		add_fixed(&t, number_of(model, "output_tokens"), "", 0);
		add_fixed(&t, number_of(model, "bytes_per_token"), "", 2);
		add_names(&t, cJSON_GetObjectItemCaseSensitive(model, "aliases"));
	}
	fputc('\n', out);
	ctl_table_write(&t, out, view->width, view->colours);
	ctl_table_fini(&t);
}

int ctl_status_write(FILE *out, const char *addr, const char *json, size_t len,
                     const struct ctl_view *view)
{
	cJSON *root = cJSON_ParseWithLength(json, len);
	const cJSON *endpoints = cJSON_GetObjectItemCaseSensitive(root, "endpoints");
	const cJSON *models = cJSON_GetObjectItemCaseSensitive(root, "models");
	const cJSON *redis = cJSON_GetObjectItemCaseSensitive(root, "redis");
	const cJSON *exporters = cJSON_GetObjectItemCaseSensitive(root, "gpu_exporters");
	const cJSON *sources = cJSON_GetObjectItemCaseSensitive(root, "sources");
	bool is_fleet = cJSON_IsArray(endpoints);

	if (is_fleet) {
		write_summary(out, addr, root, endpoints);
		write_redis(out, redis);
		if (cJSON_GetArraySize(endpoints))
			write_endpoints(out, endpoints, redis != NULL, view);
		write_sources(out, sources, view);
		write_source_troubles(out, sources, view);
		write_troubles(out, endpoints, view);
		write_gpu_troubles(out, endpoints, exporters, view);
		write_events(out, cJSON_GetObjectItemCaseSensitive(root, "events"), view);
		if (cJSON_GetArraySize(models))
			write_models(out, models, view);
	}
	cJSON_Delete(root);
	return is_fleet ? 0 : -1;
}

int ctl_fleet_version(const char *json, size_t len, char *out_version, size_t size)
{
	cJSON *root = cJSON_ParseWithLength(json, len);
	const char *version = cJSON_GetStringValue(cJSON_GetObjectItem(root, "version"));

	if (version)
		snprintf(out_version, size, "%s", version);
	cJSON_Delete(root);
	return version ? 0 : -1;
}
