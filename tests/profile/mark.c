// SPDX-License-Identifier: GPL-2.0-only
/*
 * mark.c - end one measurement and begin the next
 *
 * Runs in the emulated machine, in any domain.  The instruction that insn.c
 * looks for is a nop with an operand that no compiler makes:
 * nopl 0x6b72616d(%rax,%rax,1), "mark" in ASCII.
 */

int main(void)
{
	__asm__ volatile(".byte 0x0f, 0x1f, 0x84, 0x00; .ascii \"mark\"");
	return 0;
}
