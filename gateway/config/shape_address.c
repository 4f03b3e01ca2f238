/* shape_address.c: the three places an address can stand, which differ in
 * what a port alone means. */
#include "gateway/config/address.h"
#include "gateway/config/table.h"

#define ADDRESS "an address such as 8080, 127.0.0.1:8080, [::1]:8080 or host:8080"

static bool read_address(const struct conf_reader *reader, const struct conf_word *word,
                         struct sl_addr_conf *out_addr)
{
	const char *problem = conf_address_parse(reader->arena, word->text, out_addr);

	if (problem)
		conf_mismatch(reader, word, problem);
	return !problem;
}

static bool read_listen(const struct conf_reader *reader, const struct conf_word *word, void *field)
{
	return read_address(reader, word, field);
}

static bool read_admin(const struct conf_reader *reader, const struct conf_word *word, void *field)
{
	struct sl_addr_conf *addr = field, read;

	if (conf_find_word(reader->directive, word->text) >= 0) {
		addr->host = conf_strndup(reader->arena, "", 0);
		addr->port = 0;
		return true;
	}
	if (!read_address(reader, word, &read))
		return false;
	/* Only `*` opens it to the network. */
	if (*read.host == '\0' && word->text[0] != '*')
		read.host = conf_strndup(reader->arena, "127.0.0.1", 9);
	*addr = read;
	return true;
}

static bool read_server(const struct conf_reader *reader, const struct conf_word *word, void *field)
{
	struct sl_addr_conf addr;

	if (!read_address(reader, word, &addr))
		return false;
	if (*addr.host == '\0') {
		conf_mismatch(reader, word, "has no host");
		return false;
	}
	*(struct sl_addr_conf *)field = addr;
	return true;
}

static bool write_address(FILE *out, const struct conf_directive *d, const void *field)
{
	const struct sl_addr_conf *addr = field;

	if (addr->port == 0)
		fputs(d->words[0], out);
	else
		conf_address_write(out, addr);
	return true;
}

const struct conf_shape conf_shape_listen = { "ADDRESS", ADDRESS, NULL, read_listen,
	                                      write_address };
const struct conf_shape conf_shape_admin = { "ADDRESS", ADDRESS, NULL, read_admin, write_address };
const struct conf_shape conf_shape_server = {
	"ADDRESS", "an address such as 127.0.0.1:8000, [::1]:8000 or host:8000", NULL, read_server,
	write_address
};
