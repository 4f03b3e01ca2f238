/* h1_client.h: what an HTTP/1.1 client says and gets to hear in these tests. */
#ifndef SLUICE_TEST_H1_CLIENT_H
#define SLUICE_TEST_H1_CLIENT_H

#include "tests/unit/gateway/downstream/client.h"

#define GET(path) "GET " path " HTTP/1.1\r\nhost: a\r\n\r\n"
#define POST(path, fields) "POST " path " HTTP/1.1\r\nhost: a\r\n" fields "\r\n"
#define OK_HEAD "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n"
#define OK_ANSWER OK_HEAD "content-length: 2\r\n\r\nok"
#define LAST_ANSWER OK_HEAD "content-length: 2\r\nconnection: close\r\n\r\nok"

static int setup(void **state)
{
	rig_new(state);
	connect_client(*state);
	return 0;
}

/* One request, seen whole and not answered yet. */
static struct request *ask(struct rig *r, const char *bytes)
{
	unsigned before = r->n;

	wire_send(&r->client, bytes);
	TURN_UNTIL(&r->loop, r->n == before + 1 && r->requests[before].ends == 1);
	return &r->requests[before];
}

static bool is_over(struct rig *r)
{
	return r->sessions.count == 0;
}

#endif
