// SPDX-License-Identifier: GPL-2.0-only
/*
 * The command: attach, detach, list and watch virtio devices
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "util.h"
#include "version.h"

static const char usage[] =
"Usage: xen-virtio COMMAND [ARGUMENT]...\n"
"Give virtio devices to Xen domains.\n"
"\n"
"  attach [--wait[=SECONDS]] DOMAIN type=TYPE[,KEY=VALUE]...\n"
"        attach a device and print its number:\n"
"        type=blk,path=FILE[,readonly][,queues=N][,serial=TEXT]   a disk\n"
"        type=rng                                                 entropy\n"
"        with every type: [,trusted=0|1][,backend=DOMAIN]\n"
"  detach [--force] [--timeout SECONDS] DOMAIN DEVICE\n"
"        take a device away\n"
"  list [--json] [DOMAIN]\n"
"        show devices\n"
"  stats [--json] [--watch[=SECONDS]] DOMAIN [DEVICE]\n"
"        show what devices have done, once or again and again\n"
"\n"
"DOMAIN is a name or an id.  xen-virtio(8) has the details.\n";

static const struct {
	const char *name;
	int (*fn)(int argc, char **argv);
} commands[] = {
	{ "attach", xvb_cli_attach },
	{ "detach", xvb_cli_detach },
	{ "list", xvb_cli_list },
	{ "stats", xvb_cli_stats },
};

int main(int argc, char **argv)
{
	size_t i;

	if (argc < 2) {
		fputs(usage, stderr);
		return XVB_EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
		fputs(usage, stdout);
		return EXIT_SUCCESS;
	}
	if (!strcmp(argv[1], "--version")) {
		printf("xen-virtio %s\n", XVB_VERSION);
		return EXIT_SUCCESS;
	}
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].fn(argc - 1, argv + 1);
	fprintf(stderr, "xen-virtio: %s: no such command (see \"xen-virtio --help\")\n",
		argv[1]);
	return XVB_EXIT_USAGE;
}
