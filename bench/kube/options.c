/* options.c: one table of options; it parses, checks and makes the help. */
#include "bench/kube/options.h"

#include <arpa/inet.h>

#include "bench/cli/cli.h"
#include "bench/kube/template.h"

#define AT(member) offsetof(struct sl_kapi_options, member)

static const char *take_listen(void *to, const char *text, const struct cli_option *option)
{
	(void)option;
	return sl_sim_address_read(text, to) ? NULL : "is no ADDRESS:PORT";
}

static const char *take_template(void *to, const char *text, const struct cli_option *option)
{
	const struct sl_kapi_template *found = sl_kapi_template_find(text);

	(void)option;
	if (found)
		*(const struct sl_kapi_template **)to = found;
	return found ? NULL : "is no template";
}

static const char *take_address(void *to, const char *text, const struct cli_option *option)
{
	struct in_addr ip;

	(void)option;
	if (inet_pton(AF_INET, text, &ip) != 1)
		return "is no IPv4 address";
	*(uint32_t *)to = ntohl(ip.s_addr);
	return NULL;
}

static const struct cli_option rows[] = {
	{ "listen", "ADDR:PORT", take_listen, AT(listen), 0, 0,
	  "where clients come to, plain HTTP (127.0.0.1:8001)" },
	{ "token", "T", cli_take_text, AT(token), 0, 0,
	  "the bearer token that may; T-denied is known and may not (all may)" },
	{ "namespace", "NAME", cli_take_text, AT(namespace_), 0, 0,
	  "of the pods that it begins with (default)" },
	{ "pods", "N", cli_take_u32, AT(pods), 0, 100000, "pods to begin with (0)" },
	{ "template", "NAME", take_template, AT(template), 0, 0,
	  "what they look like; listed below (kserve-llmisvc)" },
	{ "service", "NAME", cli_take_text, AT(service), 0, 0,
	  "the value of the label that they are selected by (sim)" },
	{ "first-address", "IP", take_address, AT(first_address), 0, 0,
	  "their addresses count up from here (10.0.0.0)" },
	{ "forbid", "RESOURCE", cli_take_text, AT(forbid), 0, 0,
	  "403 for it, or for one VERB:RESOURCE" },
	{ "page-limit", "N", cli_take_u32, AT(page_limit), 1, 1e6,
	  "no page of a list has more objects (no limit)" },
	{ "history", "N", cli_take_u32, AT(history), 1, 1e6,
	  "changes that a watch can go back (4096)" },
	{ "resource-version", "N", cli_take_u64, AT(resource_version), 1, 0x1p53,
	  "the first one is behind this (1000)" },
	{ "bookmarks", "TIME", cli_take_duration, AT(bookmark_us), 0, 86400,
	  "between the bookmarks of a watch (60s)" },
	{ "seed", "N", cli_take_u64, AT(seed), 1, 0x1p64, "for changes, names and uids (1)" },
};

static void print_templates(FILE *out)
{
	const struct sl_kapi_template *t;

	fprintf(out, "\nTemplates, and the label that holds the service:\n");
	for (size_t i = 0; (t = sl_kapi_template_at(i)); i++)
		fprintf(out, "  %-16s %s (%s)\n", t->name, t->help, t->service_label);
	fprintf(out, "\ndocs/kubernetes-stand-in.md says what it answers, and how to break it.\n");
}

int sl_kapi_options_read(struct sl_kapi_options *opt, int argc, char **argv)
{
	static const struct cli cli = {
		"sluice-bench kubernetes",
		"[OPTION...]\nA stand-in for a Kubernetes API server: lists, watches and changes "
		"of pods,\nendpointslices and inferencepools, for tests of discovery.",
		rows,
		SL_COUNT(rows),
		print_templates,
	};

	*opt = (struct sl_kapi_options){
		.listen = { "127.0.0.1", 8001 },
		.namespace_ = "default",
		.service = "sim",
		.template = sl_kapi_template_find("kserve-llmisvc"),
		.first_address = 10u << 24,
		.history = 4096,
		.seed = 1,
		.resource_version = 1000,
		.bookmark_us = 60000000,
	};
	return cli_parse(&cli, argc, argv, opt);
}
