/* SPDX-License-Identifier: MIT */
/*
 * banned.h - functions whose use is a bug here; included by the build for every file (-include)
 */
#ifndef BASE_BANNED_H
#define BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What is a macro already cannot be poisoned: one of stdlib.h, two of a fortified stdio.h. */
#undef alloca
#undef sprintf
#undef vsprintf

#pragma GCC poison strcpy strcat sprintf vsprintf strtok atoi atol atoll gets gmtime localtime     \
	asctime system mktemp tmpnam alloca strncpy strncat

/* libgit2 has a member of this name, so only calls are refused: no such identifier. */
#define ctime(when) ctime_is_banned_use_clock_text

#endif
