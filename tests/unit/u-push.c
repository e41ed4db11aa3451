/* SPDX-License-Identifier: MIT */
/* u-push.c - who pushes: whose word counts, and when */
#include "policy/push.h"

#include <stdlib.h>

#include "tap.h"

static const char *const variables[] = {"DEEPOPS_USER",
					"DEEPOPS_ROLE",
					"GL_USER",
					"GL_USERNAME",
					"GITEA_PUSHER_NAME",
					"GIT_PUSH_CERT_STATUS",
					"GIT_PUSH_CERT_NONCE_STATUS",
					"GIT_PUSH_CERT_SIGNER"};

static void forget(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(variables); i++)
		unsetenv(variables[i]);
}

/* The name; "" for nobody. */
static const char *who(bool trust_forge)
{
	struct push p;

	push_init(&p);
	push_identify(&p, trust_forge);
	return p.pusher.name ? p.pusher.name : "";
}

static bool certified(void)
{
	struct push p;

	push_init(&p);
	push_identify(&p, false);
	return p.pusher.certified;
}

static void test_command(void)
{
	forget();
	is_str(who(true), "", "without any word nobody pushes");
	setenv("DEEPOPS_USER", "boss", 1);
	is_str(who(true), "", "a name alone is what anybody can set");
	setenv("DEEPOPS_ROLE", "push", 1);
	is_str(who(false), "boss", "beside a role it is the forced command's");
	setenv("GL_USER", "other", 1);
	is_str(who(true), "boss", "which comes first");
	setenv("DEEPOPS_USER", "", 1);
	is_str(who(false), "", "an empty name is none");
}

static void test_forges(void)
{
	static const char *const names[] = {"GL_USER", "GL_USERNAME", "GITEA_PUSHER_NAME"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		forget();
		setenv(names[i], "alice", 1);
		is_str(who(true), "alice", names[i]);
		is_str(who(false), "", "not without a forge");
	}
	setenv("GL_USERNAME", "bob", 1);
	is_str(who(true), "bob", "in this order");
	setenv("GL_USER", "carol", 1);
	is_str(who(true), "carol", "the first first");
}

static void test_certificate(void)
{
	forget();
	setenv("GIT_PUSH_CERT_SIGNER", "dave", 1);
	is_str(who(false), "", "a signer without a status is nobody");
	setenv("GIT_PUSH_CERT_STATUS", "G", 1);
	ok(!certified() && !*who(false), "nor without a nonce");
	setenv("GIT_PUSH_CERT_NONCE_STATUS", "SLOP", 1);
	ok(!certified() && !*who(false), "nor with an old one, which a replay has");
	setenv("GIT_PUSH_CERT_NONCE_STATUS", "BAD", 1);
	ok(!certified() && !*who(false), "nor with a wrong one");
	setenv("GIT_PUSH_CERT_NONCE_STATUS", "OK", 1);
	ok(certified(), "signature and nonce are good");
	is_str(who(false), "dave", "then it is the signer");
	setenv("GIT_PUSH_CERT_STATUS", "B", 1);
	ok(!certified() && !*who(false), "a bad signature is none");
}

int main(void)
{
	test_command();
	test_forges();
	test_certificate();
	return done_testing();
}
