/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * util.h - macros that every C project has
 */

#ifndef XVB_UTIL_H
#define XVB_UTIL_H

#include <stdbool.h>
#include <stdint.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define BIT64(n)	(1ULL << (n))
#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)

/**
 * container_of() - the structure that a member is embedded in
 * @ptr: pointer to the member
 * @type: type of the structure
 * @member: name of the member
 */
#define container_of(ptr, type, member) \
	((type *)((char *)(ptr) - offsetof(type, member)))

/**
 * is_power_of_two() - is there exactly one bit?
 * @n: any value
 *
 * Return: whether there is.
 */
static inline bool is_power_of_two(uint64_t n)
{
	return n && !(n & (n - 1));
}

#endif /* XVB_UTIL_H */
