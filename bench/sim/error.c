/* error.c: see error.h. */
#include "bench/sim/error.h"

#include "bench/sim/render.h"

void sl_sim_error_reply(struct sl_sim_conn *conn, int status, const char *type, const char *param,
                        struct sl_span message, const char *extra)
{
	struct sl_sim_buf body = { 0 };

	sl_sim_render_error(&body, status, type, param, message);
	sl_sim_conn_reply(conn, status, "application/json", extra, sl_sim_buf_span(&body));
	sl_sim_buf_fini(&body);
}
