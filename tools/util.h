/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * util.h - macros that every C project has
 */

#ifndef XVB_UTIL_H
#define XVB_UTIL_H

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define BIT64(n)	(1ULL << (n))
#define IS_POWER_OF_2(n) ((n) && !((n) & ((n) - 1)))
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

#endif /* XVB_UTIL_H */
