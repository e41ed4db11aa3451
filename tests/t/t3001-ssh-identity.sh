#!/bin/sh
test_description='who the host is and who we are: libssh2 and the ssh child agree'
. "${0%/*}/test-lib.sh"
. "$TESTS_DIR/lib-sshd.sh"

# What the transport says about itself when it chooses.
describe () {
	"$DEEPOPS_BUILD/helper/transport" -d "$1" "$2" >out 2>err
}

# A configuration of its own for one test: lines given here come first and win.
with_config () {
	{
		echo "Host *" &&
		printf "	%s\\n" "$@" &&
		cat "$SSHD_DIR/ssh_config"
	} >"$TRASH/config" &&
	export GIT_SSH_COMMAND="ssh -F $TRASH/config" &&
	test_when_finished "sshd_use main"
}

test_expect_success SSHD 'start a server' '
	sshd_start main
'

test_expect_success SSHD 'an unknown host key is refused, with its fingerprint' '
	with_config "UserKnownHostsFile $TRASH/none" &&
	print=$(ssh-keygen -l -f "$SSHD_DIR/host.pub" | cut -d" " -f2) &&
	for kind in auto libssh2
	do
		test_must_fail describe $kind testhost:/x &&
		test_grep "^fatal: testhost: the host key is not known: ssh-ed25519 $print$" err &&
		test_grep "^hint: .*ssh-keyscan -p $SSHD_PORT 127.0.0.1 >>$TRASH/none$" err || return 1
	done &&
	test_must_fail describe ssh testhost:/x &&
	test_grep "^fatal: ssh to testhost: .*Host key verification failed" err &&
	test_path_is_missing none
'

test_expect_success SSHD 'a changed host key is refused, with its fingerprint' '
	ssh-keygen -q -t ed25519 -N "" -f other &&
	printf "[127.0.0.1]:%s %s\n" "$SSHD_PORT" "$(cut -d" " -f1,2 other.pub)" >changed &&
	with_config "UserKnownHostsFile $TRASH/changed" &&
	print=$(ssh-keygen -l -f "$SSHD_DIR/host.pub" | cut -d" " -f2) &&
	for kind in auto libssh2
	do
		test_must_fail describe $kind testhost:/x &&
		test_grep "^fatal: testhost: the host key has changed: ssh-ed25519 $print$" err &&
		test_grep "ssh-keygen -R .\[127.0.0.1\]:$SSHD_PORT. -f $TRASH/changed$" err || return 1
	done &&
	test_must_fail describe ssh testhost:/x &&
	test_grep "^fatal: ssh to testhost: the host key has changed: $print$" err
'

test_expect_success SSHD 'hashed names and aliases are found' '
	cp "$SSHD_DIR/known_hosts" hashed &&
	ssh-keygen -q -H -f hashed &&
	with_config "UserKnownHostsFile $TRASH/hashed" &&
	describe libssh2 testhost:/x &&
	printf "alias %s\n" "$(cut -d" " -f2,3 "$SSHD_DIR/known_hosts")" >aliased &&
	with_config "UserKnownHostsFile $TRASH/aliased" "HostKeyAlias alias" &&
	describe libssh2 testhost:/x
'

test_expect_success SSHD 'a key known for another port is no key for this one' '
	printf "127.0.0.1 %s\n" "$(cut -d" " -f2,3 "$SSHD_DIR/known_hosts")" >port22 &&
	with_config "UserKnownHostsFile $TRASH/port22" &&
	test_must_fail describe libssh2 testhost:/x &&
	test_grep "the host key is not known" err
'

test_expect_success SSHD 'patterns, markers and RSA keys in known_hosts are for the child' '
	ssh-keygen -q -t rsa -b 2048 -N "" -f rsa &&
	key=$(cut -d" " -f2,3 "$SSHD_DIR/known_hosts") &&
	echo "* $key" >pattern &&
	{
		cat "$SSHD_DIR/known_hosts" &&
		echo "@revoked * $key"
	} >marker &&
	printf "[127.0.0.1]:%s %s\n" "$SSHD_PORT" "$(cut -d" " -f1,2 rsa.pub)" >rsa-only &&
	for file in pattern marker
	do
		with_config "UserKnownHostsFile $TRASH/$file" &&
		test_must_fail describe libssh2 testhost:/x &&
		test_grep "patterns or markers in $TRASH/$file" err || return 1
	done &&
	test_must_fail describe auto testhost:/x &&
	test_grep "Host key verification failed" err &&
	with_config "UserKnownHostsFile $TRASH/pattern" &&
	describe auto testhost:/x &&
	test_grep "^ssh child .*patterns or markers" out &&
	test_grep "^hello$" out &&
	with_config "UserKnownHostsFile $TRASH/rsa-only" &&
	test_must_fail describe libssh2 testhost:/x &&
	test_grep "its known host key is RSA" err
'

test_expect_success SSHD 'RSA user keys are for the child' '
	ssh-keygen -q -t rsa -b 2048 -N "" -f rsa-user &&
	cat rsa-user.pub >>"$SSHD_DIR/authorized_keys" &&
	sed "s|$SSHD_DIR/id$|$TRASH/rsa-user|" "$SSHD_DIR/ssh_config" >config &&
	test_when_finished "sshd_use main" &&
	export GIT_SSH_COMMAND="ssh -F $TRASH/config" &&
	test_must_fail describe libssh2 testhost:/x &&
	test_grep "no ed25519 or ecdsa key" err &&
	describe auto testhost:/x &&
	test_grep "^ssh child to testhost (not libssh2: .*no ed25519" out &&
	test_grep "^hello$" out
'

test_expect_success SSHD 'keys of an agent are used, only the named ones where asked' '
	eval "$(ssh-agent -s -a "$TRASH/agent")" >/dev/null &&
	test_when_finished "kill $SSH_AGENT_PID; unset SSH_AUTH_SOCK SSH_AGENT_PID" &&
	mkdir agentkey &&
	cp "$SSHD_DIR/id" agentkey/id &&
	chmod 600 agentkey/id &&
	ssh-add -q agentkey/id &&
	sed -e "/IdentityFile/d" -e "/IdentitiesOnly/d" "$SSHD_DIR/ssh_config" >config &&
	test_when_finished "sshd_use main" &&
	export GIT_SSH_COMMAND="ssh -F $TRASH/config" &&
	describe libssh2 testhost:/x &&
	test_grep "^hello$" out &&
	ssh-keygen -q -t ed25519 -N "" -f stranger &&
	sed "s|$SSHD_DIR/id$|$TRASH/stranger|" "$SSHD_DIR/ssh_config" >config &&
	test_must_fail describe libssh2 testhost:/x &&
	cp "$SSHD_DIR/id.pub" agentkey/id.pub &&
	rm agentkey/id &&
	sed "s|$SSHD_DIR/id$|$TRASH/agentkey/id|" "$SSHD_DIR/ssh_config" >config &&
	describe libssh2 testhost:/x &&
	sed "/IdentitiesOnly/a\\	IdentityAgent none" "$SSHD_DIR/ssh_config" | sed "/IdentityFile/d" >config &&
	test_must_fail describe libssh2 testhost:/x
'

test_expect_success SSHD 'a host that is not there is named' '
	with_config "HostName nowhere.invalid" &&
	test_must_fail describe auto testhost:/x &&
	test_grep "^fatal: nowhere.invalid: " err &&
	with_config "Port 1" &&
	test_must_fail describe libssh2 testhost:/x &&
	test_grep "^fatal: 127.0.0.1 port 1: Connection refused" err
'

# A server that says nothing for long, then a connection that is dead: `stalled` is what the
# client says in the end, `alive` whether it was still waiting before.
stall () {
	"$DEEPOPS_BUILD/helper/remote" transport=libssh2 serve="sleep 60; :" testhost:/x hello \
		>/dev/null 2>stalled &
	client=$!
	sleep 5
	kill -0 $client 2>/dev/null && echo waiting >alive
	session=$(cat "/proc/$SSHD_PID/task/$SSHD_PID/children")
	# shellcheck disable=SC2086 # several words, when sshd separates privileges
	kill -STOP $session
	wait $client
	echo $? >rc
	# shellcheck disable=SC2086
	kill -KILL $session
}

test_expect_success SSHD 'a silent server is waited for, a dead connection is not' '
	with_config "ServerAliveInterval 1" "ServerAliveCountMax 2" &&
	stall &&
	test_file_not_empty alive &&
	echo 128 >want &&
	test_cmp want rc &&
	test_grep "^fatal: .*testhost: silent for [0-9]* s: Connection timed out" stalled
'

test_done
