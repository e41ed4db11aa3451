# shellcheck shell=sh
# lib-sshd.sh - a private sshd on loopback, for tests that cross a real ssh
#
#	. "$TESTS_DIR/lib-sshd.sh"	after test-lib.sh
#	test_expect_success 'start a server' 'sshd_start one'
#	...	git clone "ssh://testhost/$TRASH/repo.git" uses it
#
# Each server has its own host key, user key, known_hosts and port; it ends with
# the script, by its own process id.  `sshd_start NAME` sets
#	SSHD_DIR	$TEST_ROOT/sshd-NAME: sshd.log, ssh_config, known_hosts, id, authorized_keys
#	SSHD_PORT	on 127.0.0.1
#	GIT_SSH_COMMAND	ssh -F $SSHD_DIR/ssh_config, which knows the host as `testhost`
# and `sshd_use NAME` switches between several.  Sessions find the binaries under test
# and git in PATH and an isolated HOME ($SSHD_DIR/home).

SSHD_PROGRAM=${SSHD_PROGRAM:-/usr/sbin/sshd}

# Server-side environment of later sessions: `sshd_env DEEPOPS_KILL_AT=serve-x`;
# without arguments, none.  Reaches git-deepops-serve and what git runs.
sshd_env () {
	for sshd_pair_; do
		printf "export %s='%s'\n" "${sshd_pair_%%=*}" "${sshd_pair_#*=}"
	done >"$SSHD_DIR/env"
}

# Entry points in front of PATH, which read that environment.
sshd_entry_points_ () {
	mkdir "$SSHD_DIR/bin" &&
	for sshd_cmd_ in git git-deepops-serve git-receive-pack git-upload-pack; do
		case $sshd_cmd_ in
		git-deepops-serve) sshd_real_="$DEEPOPS_BUILD/git-deepops-serve" ;;
		*) sshd_real_=$(command -v "$sshd_cmd_") ;;
		esac &&
		cat >"$SSHD_DIR/bin/$sshd_cmd_" <<-END &&
		#!/bin/sh
		. '$SSHD_DIR/env'
		exec '$sshd_real_' "\$@"
		END
		chmod +x "$SSHD_DIR/bin/$sshd_cmd_" || return 1
	done
}

sshd_config_ () {
	cat >"$SSHD_DIR/sshd_config" <<-END &&
	ListenAddress 127.0.0.1
	Port $SSHD_PORT
	HostKey $SSHD_DIR/host
	PidFile none
	Subsystem sftp internal-sftp
	AuthorizedKeysFile $SSHD_DIR/authorized_keys
	StrictModes no
	UsePAM no
	PasswordAuthentication no
	KbdInteractiveAuthentication no
	PermitRootLogin prohibit-password
	PermitUserRC no
	PrintMotd no
	PrintLastLog no
	UseDNS no
	MaxStartups 100
	LogLevel INFO
	SetEnv HOME=$SSHD_DIR/home "PATH=$SSHD_DIR/bin:$DEEPOPS_BUILD:/usr/local/bin:/usr/bin:/bin" GIT_CONFIG_NOSYSTEM=1 DEEPOPS_FSYNC=0 GIT_TEST_FSYNC=0 LC_ALL=C
	END
	cat >"$SSHD_DIR/ssh_config" <<-END &&
	Host testhost 127.0.0.1 localhost
		HostName 127.0.0.1
		Port $SSHD_PORT
		User $(id -un)
		IdentityFile $SSHD_DIR/id
		IdentitiesOnly yes
		UserKnownHostsFile $SSHD_DIR/known_hosts
		GlobalKnownHostsFile /dev/null
		StrictHostKeyChecking yes
		BatchMode yes
		LogLevel ERROR
	END
	printf '[127.0.0.1]:%s %s\n' "$SSHD_PORT" "$(cut -d' ' -f1,2 <"$SSHD_DIR/host.pub")" \
		>"$SSHD_DIR/known_hosts"
}

# Listen on a random port below the range the kernel gives out; taken: try another.
sshd_listen_ () {
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		SSHD_PORT=$((10000 + $(od -An -N2 -tu2 /dev/urandom) % 20000)) &&
		sshd_config_ || return 1
		"$SSHD_PROGRAM" -D -e -f "$SSHD_DIR/sshd_config" \
			</dev/null >"$SSHD_DIR/sshd.log" 2>&1 3>&- 4>&- 5>&- &
		SSHD_PID=$!
		sshd_wait_=0
		while kill -0 "$SSHD_PID" 2>/dev/null && test "$sshd_wait_" -lt 100; do
			if grep -q '^Server listening' "$SSHD_DIR/sshd.log"; then
				return 0
			fi
			sleep 0.05
			sshd_wait_=$((sshd_wait_ + 1))
		done
		kill "$SSHD_PID" 2>/dev/null
		wait "$SSHD_PID" 2>/dev/null
	done
	cat "$SSHD_DIR/sshd.log" >&2
	return 1
}

sshd_start () {
	SSHD_DIR=$TEST_ROOT/sshd-${1:-main}
	mkdir "$SSHD_DIR" "$SSHD_DIR/home" || return 1
	cp "$HOME/.gitconfig" "$SSHD_DIR/home/" || return 1
	# As root, sshd insists on its empty directory; a bare chroot lacks it.
	if test "$(id -u)" -eq 0; then
		mkdir -p /run/sshd || return 1
	fi
	ssh-keygen -q -t ed25519 -N '' -C host -f "$SSHD_DIR/host" &&
	ssh-keygen -q -t ed25519 -N '' -C user -f "$SSHD_DIR/id" &&
	cp "$SSHD_DIR/id.pub" "$SSHD_DIR/authorized_keys" &&
	sshd_env &&
	sshd_entry_points_ &&
	sshd_listen_ || return 1
	echo "$SSHD_PID" >"$SSHD_DIR/pid"
	echo "$SSHD_PORT" >"$SSHD_DIR/port"
	test_atexit "kill $SSHD_PID 2>/dev/null"
	sshd_use "${1:-main}"
}

sshd_use () {
	SSHD_DIR=$TEST_ROOT/sshd-$1
	SSHD_PID=$(cat "$SSHD_DIR/pid") &&
	SSHD_PORT=$(cat "$SSHD_DIR/port") &&
	export GIT_SSH_COMMAND="ssh -F $SSHD_DIR/ssh_config"
}

# End the current server; its port is refused from then on.
sshd_stop () {
	kill "$SSHD_PID" && wait "$SSHD_PID" 2>/dev/null
	! kill -0 "$SSHD_PID" 2>/dev/null
}
