/* jobs.c: threads that take the next job until there is none. See jobs.h. */
#include "bench/whatif/jobs.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#define MAX_THREADS 1024u

struct jobs {
	void (*fn)(void *ctx, uint32_t job);
	void *ctx;
	uint32_t n;
	_Atomic uint32_t next;
};

static void *work(void *arg)
{
	struct jobs *j = arg;
	uint32_t job;

	while ((job = atomic_fetch_add_explicit(&j->next, 1, memory_order_relaxed)) < j->n)
		j->fn(j->ctx, job);
	return NULL;
}

static uint32_t thread_count(uint32_t asked, uint32_t n)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	uint32_t threads = asked;

	if (threads == 0)
		threads = online < 1 ? 1 : (uint32_t)online;
	if (threads > n)
		threads = n;
	return threads > MAX_THREADS ? MAX_THREADS : threads;
}

void jobs_run(uint32_t threads, uint32_t n, void (*fn)(void *ctx, uint32_t job), void *ctx)
{
	struct jobs jobs = { .fn = fn, .ctx = ctx, .n = n };
	pthread_t helpers[MAX_THREADS];
	uint32_t want = thread_count(threads, n), started = 0;

	/* A thread that the system refuses is work for the others. */
	while (started + 1 < want && pthread_create(&helpers[started], NULL, work, &jobs) == 0)
		started++;
	work(&jobs);
	for (uint32_t i = 0; i < started; i++)
		pthread_join(helpers[i], NULL);
}
