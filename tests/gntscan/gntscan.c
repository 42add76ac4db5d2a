// SPDX-License-Identifier: GPL-2.0-only
/*
 * gntscan - look for words in all that a domain has granted to this one
 *
 * usage: gntscan DOMID CANARY KIND...
 *
 * Maps each grant reference of the domain, read-only, as any process here that
 * may open the grant device could, whether or not a backend was told of it, and
 * counts where a word begins: CANARY and a KIND, each padded with blanks to
 * eight characters, as tests/kernel/plant.c writes them.  Prints "pages N", the
 * pages that could be mapped, and "KIND N" for each.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <xengnttab.h>
#include <xentoollog.h>

#define PAGE		4096
#define WORD		16
/* More than a domain of the lab can have: 64 frames of 512 references. */
#define REFS		(64 * 512)
#define KINDS_MAX	8

struct word {
	const char *kind;
	char text[WORD + 1];
	unsigned long count;
};

static void scan_page(const unsigned char *page, struct word *words,
		      int nr_words)
{
	const unsigned char *at, *end = page + PAGE;
	int i;

	for (i = 0; i < nr_words; i++)
		for (at = page; (at = memmem(at, end - at, words[i].text,
					     WORD)); at += WORD)
			words[i].count++;
}

/* Returns 1 if the reference could be mapped, 0 if not, or -errno. */
static int scan_ref(xengnttab_handle *gnttab, uint32_t domid, uint32_t ref,
		    struct word *words, int nr_words)
{
	void *page = xengnttab_map_grant_ref(gnttab, domid, ref, PROT_READ);

	if (!page)
		return 0;
	scan_page(page, words, nr_words);
	return xengnttab_unmap(gnttab, page, 1) ? -errno : 1;
}

int main(int argc, char **argv)
{
	struct word words[KINDS_MAX];
	int nr_words = argc - 3, i, got;
	xentoollog_logger *logger;
	xengnttab_handle *gnttab;
	unsigned long pages = 0, domid;
	unsigned int ref;
	char *end;

	if (nr_words < 1 || nr_words > KINDS_MAX) {
		fputs("usage: gntscan DOMID CANARY KIND...\n", stderr);
		return 2;
	}
	domid = strtoul(argv[1], &end, 10);
	if (*end || domid > 0x7fef) {
		fprintf(stderr, "gntscan: '%s' is no domain\n", argv[1]);
		return 2;
	}
	for (i = 0; i < nr_words; i++) {
		words[i].kind = argv[i + 3];
		words[i].count = 0;
		snprintf(words[i].text, sizeof(words[i].text), "%-8.8s%-8.8s",
			 argv[2], words[i].kind);
	}
	/* It would log each reference that cannot be mapped. */
	logger = (xentoollog_logger *)
		xtl_createlogger_stdiostream(stderr, XTL_CRITICAL, 0);
	gnttab = logger ? xengnttab_open(logger, 0) : NULL;
	if (!gnttab) {
		perror("gntscan: opening the grant device");
		return 1;
	}
	for (ref = 0; ref < REFS; ref++) {
		got = scan_ref(gnttab, (uint32_t)domid, ref, words, nr_words);
		if (got < 0) {
			fprintf(stderr, "gntscan: reference %u: %s\n",
				ref, strerror(-got));
			return 1;
		}
		pages += (unsigned int)got;
	}
	xengnttab_close(gnttab);
	xtl_logger_destroy(logger);
	printf("pages %lu\n", pages);
	for (i = 0; i < nr_words; i++)
		printf("%s %lu\n", words[i].kind, words[i].count);
	return 0;
}
