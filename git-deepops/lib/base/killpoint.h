/* SPDX-License-Identifier: MIT */
/*
 * killpoint.h - places where a test can make the process die, or wait for another one
 *
 * DEEPOPS_KILL_AT=<name>[:n] ends the process by SIGKILL at the nth (default
 * first) passage of killpoint("<name>").  DEEPOPS_STOP_AT=<name>[:n] makes it
 * wait there: it creates $DEEPOPS_STOP_FILE.here, and goes on when there is
 * $DEEPOPS_STOP_FILE.go, so that a test decides what other processes do in
 * between.  Names are `<area>-<what>` and listed by
 * `grep -rho 'killpoint("[^"]*"'`; tests sweep over that list.
 */
#ifndef BASE_KILLPOINT_H
#define BASE_KILLPOINT_H

void killpoint(const char *name);

#endif
