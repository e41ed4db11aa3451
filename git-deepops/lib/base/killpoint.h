/* SPDX-License-Identifier: MIT */
/*
 * killpoint.h - places where a test can make the process die
 *
 * DEEPOPS_KILL_AT=<name>[:n] ends the process by SIGKILL at the nth (default
 * first) passage of killpoint("<name>").  Names are `<area>-<what>` and listed
 * by `grep -rho 'killpoint("[^"]*"'`; the crash tests sweep over that list.
 */
#ifndef BASE_KILLPOINT_H
#define BASE_KILLPOINT_H

void killpoint(const char *name);

#endif
