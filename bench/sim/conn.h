/* conn.h: one client's connection: bytes to requests, answers to bytes.
 *
 * HTTP/1.1 as uvicorn speaks it: requests in turn, keep-alive that ends after
 * idle seconds, end of input means the client is gone, even while an answer
 * is being made. Answers are queued and sent as the socket takes them. */
#ifndef SLUICE_SIM_CONN_H
#define SLUICE_SIM_CONN_H

#include "bench/sim/sim.h"
#include "gateway/http/h1.h"

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
	struct sl_sim *sim;
	struct sl_sim_engine *engine; /* NULL: admin listener */
	int fd;
	struct event read_event, write_event, idle_timer;
	enum sl_sim_conn_state state;
	bool feeding;
	int handler;         /* of http_requests_total; -1: not counted */
	int status;          /* of the answer */
	uint64_t started_us; /* the request was complete */
	size_t answer_bytes;
	struct sl_sim_buf in, out;
	size_t out_at;
	size_t resume;
	struct sl_h1_body framing;
	struct sl_sim_head head;
	struct sl_sim_buf raw_head, body;
	struct sl_sim_gen *gen; /* owned; the request under way, if it takes time */
};

/* Takes the socket. */
struct sl_sim_conn *sl_sim_conn_new(struct sl_sim *sim, struct sl_sim_engine *engine, int fd);
/* Closes now; with reset, by RST. Its generation is aborted. */
void sl_sim_conn_close(struct sl_sim_conn *conn, bool reset);
/* Frees what was closed. */
void sl_sim_conn_sweep(struct sl_sim *sim);

/* A whole answer, its header fields in uvicorn's order. `extra` is complete
 * header lines ("allow: POST\r\n") or NULL; content_type NULL: no field. */
void sl_sim_conn_reply(struct sl_sim_conn *conn, int status, const char *content_type,
                       const char *extra, struct sl_span body);
/* {"error": ...} */
void sl_sim_conn_error(struct sl_sim_conn *conn, int status, const char *type, const char *param,
                       struct sl_span message, const char *extra);
/* An event stream: its head (sent at once), its chunks, its end. */
void sl_sim_conn_stream(struct sl_sim_conn *conn);
void sl_sim_conn_chunk(struct sl_sim_conn *conn, struct sl_span data);
void sl_sim_conn_stream_end(struct sl_sim_conn *conn);
/* All of that in one go; `chunks` are framed already, but for the last. */
void sl_sim_conn_stream_whole(struct sl_sim_conn *conn, struct sl_span chunks);
/* Bytes as they are. */
void sl_sim_conn_raw(struct sl_sim_conn *conn, struct sl_span data);
/* The answer is complete: the next request may be read. */
void sl_sim_conn_done(struct sl_sim_conn *conn);
/* Sends what the socket takes. May close the connection. */
void sl_sim_conn_flush(struct sl_sim_conn *conn);
/* Closes when all is sent. */
void sl_sim_conn_finish(struct sl_sim_conn *conn);
size_t sl_sim_conn_backlog(const struct sl_sim_conn *conn);

#endif
