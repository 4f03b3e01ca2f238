/* conn.h: one client's connection: bytes to requests, answers to bytes.
 *
 * HTTP/1.1 as uvicorn speaks it: requests in turn, keep-alive that ends after
 * idle seconds, end of input means the client is gone, even while an answer
 * is being made. Answers are queued and sent as the socket takes them.
 *
 * Connections live in lists, one for each port that clients come to. What
 * their requests mean is known to the owner of the list alone, who is told of
 * them by its ops. Nothing is freed inside its own callback: what was closed
 * waits in the net's graveyard for the next turn of the loop. */
#ifndef SLUICE_SIM_CONN_H
#define SLUICE_SIM_CONN_H

#include <event2/event.h>
#include <event2/event_struct.h>

#include "bench/sim/buf.h"
#include "bench/sim/clock.h"
#include "gateway/http/h1.h"

struct sl_sim_conn;

/* What all connections of the process share. */
struct sl_sim_net {
	struct event_base *base; /* borrowed */
	uint64_t keep_alive_us;
	const char *api_key; /* borrowed; NULL: everybody is authorized */
	struct sl_sim_date date;
	struct sl_sim_conn *graveyard;
	struct event sweep;
};

/* What the owner of a list is told. drained and left come only for a
 * connection that has a job. */
struct sl_sim_conn_ops {
	/* A whole request has arrived: answer it, now or by and by. */
	void (*request)(struct sl_sim_conn *conn);
	/* Its answer is complete. May be NULL. */
	void (*answered)(struct sl_sim_conn *conn);
	/* All that the job said so far was sent. */
	void (*drained)(struct sl_sim_conn *conn);
	/* The connection was closed; its job must not speak any more. */
	void (*left)(struct sl_sim_conn *conn);
};

struct sl_sim_conn_list {
	struct sl_sim_net *net; /* borrowed */
	const struct sl_sim_conn_ops *ops;
	void *owner; /* the ops know what it is */
	struct sl_sim_conn *first;
	uint32_t n;
	bool closing;       /* every answer is its connection's last */
	const char *fields; /* header lines of every answer; NULL: uvicorn's, and vary */
};

enum sl_sim_conn_state {
	SL_SIM_CONN_HEAD, /* between requests, or inside a head */
	SL_SIM_CONN_BODY,
	SL_SIM_CONN_BUSY,    /* its request is being answered */
	SL_SIM_CONN_CLOSING, /* closes when all is sent */
	SL_SIM_CONN_DEAD,    /* in the graveyard */
};

/* What is kept of a request's head. */
struct sl_sim_head {
	char method[16];
	char path[512]; /* without the query */
	char query[256];
	char request_id[256]; /* X-Request-Id, or empty */
	char orca[8];         /* endpoint-load-metrics-format: "JSON" or "TEXT" */
	bool authorized;
	bool keep_alive, content_json, head_request;
};

struct sl_sim_conn {
	struct sl_sim_conn *next, *prev;
	struct sl_sim_conn_list *list; /* borrowed */
	int fd;
	struct event read_event, write_event, idle_timer;
	enum sl_sim_conn_state state;
	bool feeding;
	uint64_t started_us; /* the request was complete */
	size_t answer_bytes;
	int status; /* of the answer */
	struct sl_sim_buf in, out;
	size_t out_at;
	struct sl_span tail; /* borrowed: goes out behind `out` */
	size_t resume;
	struct sl_h1_body framing;
	struct sl_sim_head head;
	struct sl_sim_buf raw_head, body;

	/* The list owner's. */
	void *job;     /* what makes an answer that takes time, or NULL */
	int handler;   /* what the request is counted as; -1 when it arrives */
	bool held;     /* a fault keeps its request from being answered */
	bool released; /* it did; its owner is about to ask again */
	bool late;     /* it was delayed, and is due now */
};

void sl_sim_net_init(struct sl_sim_net *net, struct event_base *base);
/* All connections must be closed. */
void sl_sim_net_fini(struct sl_sim_net *net);

/* Takes the socket. */
struct sl_sim_conn *sl_sim_conn_new(struct sl_sim_conn_list *list, int fd);
/* Closes now; with reset, by RST. */
void sl_sim_conn_close(struct sl_sim_conn *conn, bool reset);

/* A whole answer, its header fields in uvicorn's order. `extra` is complete
 * header lines ("allow: POST\r\n") or NULL; content_type NULL: no field. */
void sl_sim_conn_reply(struct sl_sim_conn *conn, int status, const char *content_type,
                       const char *extra, struct sl_span body);
/* The same; the body goes on with `tail`, which must stay where it is for as
 * long as there are connections. */
void sl_sim_conn_reply_long(struct sl_sim_conn *conn, int status, const char *content_type,
                            struct sl_span body, struct sl_span tail);
/* The same, the body in one chunk. */
void sl_sim_conn_reply_chunked(struct sl_sim_conn *conn, const char *content_type,
                               struct sl_span body);
/* Its request comes to the owner again after this time, with conn->late. */
void sl_sim_conn_delay(struct sl_sim_conn *conn, uint64_t us);
/* An event stream: its head (sent at once), its chunks, its end. */
void sl_sim_conn_stream(struct sl_sim_conn *conn);
void sl_sim_conn_chunk(struct sl_sim_conn *conn, struct sl_span data);
void sl_sim_conn_stream_end(struct sl_sim_conn *conn);
/* All of that in one go; `chunks` are framed already, but for the last. */
void sl_sim_conn_stream_whole(struct sl_sim_conn *conn, struct sl_span chunks);
/* Bytes as they are; and that they make a whole answer, so that the next
 * request may be read. */
void sl_sim_conn_raw(struct sl_sim_conn *conn, struct sl_span data);
void sl_sim_conn_end(struct sl_sim_conn *conn);
/* Sends what the socket takes. May close the connection. */
void sl_sim_conn_flush(struct sl_sim_conn *conn);
/* Closes when all is sent. */
void sl_sim_conn_finish(struct sl_sim_conn *conn);
size_t sl_sim_conn_backlog(const struct sl_sim_conn *conn);

#endif
