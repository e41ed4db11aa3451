#!/bin/sh
test_description='one transport suite over pipe, ssh child and libssh2'
. "${0%/*}/test-lib.sh"
. "$TESTS_DIR/lib-sshd.sh"

suite () {
	"$DEEPOPS_BUILD/helper/transport" "$@" >out 2>err ||
	{
		grep -A2 "^not ok" out
		cat err
		return 1
	}
}

test_expect_success 'pipe' '
	suite pipe "/a b'\''c;d"
'

test_expect_success SSHD 'start a server' '
	sshd_start main
'

test_expect_success SSHD 'ssh child' '
	suite ssh "testhost:/a b'\''c;d"
'

test_expect_success SSHD 'libssh2' '
	suite libssh2 "testhost:/a b'\''c;d"
'

# The server re-reads its configuration without changing port or process.
sshd_reload () {
	echo "$1" >>"$SSHD_DIR/sshd_config" &&
	kill -HUP "$SSHD_PID" &&
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		test "$(grep -c "^Server listening" "$SSHD_DIR/sshd.log")" -gt "$2" && return 0
		sleep 0.1
	done
	return 1
}

test_expect_success SSHD 'both, with session keys changed every MiB' '
	sshd_reload "RekeyLimit 1M" 1 &&
	suite -e ssh testhost:/x &&
	suite -e libssh2 testhost:/x
'

# What the transport says about itself when it chooses.
describe () {
	"$DEEPOPS_BUILD/helper/transport" -d "$1" "$2" >out 2>err
}

test_expect_success SSHD 'auto takes libssh2 when it can honour the configuration' '
	describe auto testhost:/x &&
	test_grep "^libssh2 to testhost: ssh-ed25519, aes" out
'

test_expect_success SSHD 'and the child when it cannot, with the reason' '
	while read -r line reason
	do
		sed "/IdentitiesOnly/a\\	$line" "$SSHD_DIR/ssh_config" >config &&
		{
			GIT_SSH_COMMAND="ssh -F $TRASH/config" describe auto testhost:/x ||
			test_grep ssh-nc-not-there err
		} &&
		test_grep "^ssh child to testhost (not libssh2: testhost: $reason)$" out || return 1
	done <<-\END
	Compression=yes Compression yes
	MACs=hmac-sha2-256-etm@openssh.com ssh_config allows none of libssh2.s MACs
	Ciphers=aes128-gcm@openssh.com ssh_config allows none of libssh2.s ciphers
	ProxyCommand=ssh-nc-not-there ProxyCommand ssh-nc-not-there
	StrictHostKeyChecking=accept-new StrictHostKeyChecking accept-new
	END
'

test_expect_success 'a command that is not OpenSSH is taken as it is' '
	cat >my-ssh <<-\END &&
	#!/bin/sh
	test "$1" != -G || exit 1
	shift
	eval "$1"
	END
	chmod +x my-ssh &&
	GIT_SSH_COMMAND="$TRASH/my-ssh" describe auto testhost:/x &&
	test_grep "^ssh child to testhost (not libssh2: the ssh command does not know -G)$" out &&
	test_grep "^hello$" out &&
	test_must_fail env GIT_SSH_COMMAND="$TRASH/my-ssh" \
		"$DEEPOPS_BUILD/helper/transport" -d libssh2 testhost:/x 2>err &&
	test_grep "does not know -G" err
'

test_done
