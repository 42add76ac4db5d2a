// SPDX-License-Identifier: GPL-2.0-only
/*
 * registers - are a process's vector registers its own?
 *
 *	registers SECONDS NUMBER
 *
 * Fills the AVX registers with values of its own, waits for a little, in which others
 * run, and looks whether they are still there; again and again.  NUMBER, 0 to 6, is
 * what makes the values different from those of others that do the same.
 *
 * Exit status: 0; 1 when a register had changed, said on standard error; 2 without AVX.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define REGISTERS	16
#define BYTES		32

static char mine[REGISTERS][BYTES] __attribute__((aligned(BYTES)));
static char found[REGISTERS][BYTES] __attribute__((aligned(BYTES)));

#define EACH	".irp i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"

/* The compiler must not use them meanwhile. */
static void hold(void)
{
	asm volatile(EACH "vmovdqa \\i*32(%[mine]), %%ymm\\i\n.endr\n"
		     "mov $50000, %%ecx\n1: dec %%ecx\njnz 1b\n"
		     EACH "vmovdqa %%ymm\\i, \\i*32(%[found])\n.endr\n"
		     "vzeroupper\n"
		     : : [mine] "r" (mine), [found] "r" (found)
		     : "ecx", "memory", "cc",
		       "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6",
		       "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",
		       "xmm13", "xmm14", "xmm15");
}

static long long now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

int main(int argc, char **argv)
{
	long long end;
	long rounds = 0, bad = 0;
	int i, j;

	if (argc != 3 || !__builtin_cpu_supports("avx"))
		return 2;
	for (i = 0; i < REGISTERS; i++)
		for (j = 0; j < BYTES; j++)
			mine[i][j] = atoi(argv[2]) * 37 + i * 11 + j * 3 + 1;
	end = now() + atoi(argv[1]) * 1000000000LL;
	while (now() < end) {
		hold();
		rounds++;
		bad += !!memcmp(mine, found, sizeof(mine));
	}
	if (bad)
		fprintf(stderr, "registers: changed in %ld of %ld rounds\n",
			bad, rounds);
	return bad ? 1 : 0;
}
