#!/bin/sh
test_description='push and pull over ssh: both transports, cuts, and what goes wrong'
. "${0%/*}/test-lib.sh"
. "$TESTS_DIR/lib-sshd.sh"

test_have_prereq SSHD || skip_all 'sshd and ssh are needed'

make_data () {
	mkdir -p data/sub &&
	test_bytes 20000 "$1" >data/a &&
	test_bytes 3000000 "${1}1" >data/sub/b
}

# A clone of testhost:NAME.git with data committed, using transport $2.
new_pair () {
	git init -q --bare "$1.git" &&
	git clone -q "testhost:$TRASH/$1.git" "$1" 2>/dev/null &&
	git -C "$1" deepops init &&
	git -C "$1" config deepops.sshTransport "$2" &&
	(cd "$1" && make_data "${#1}" && git deepops track data && git commit -q -m data)
}

# arrived NAME TRANSPORT: a fresh clone gets the data.
arrived () {
	rm -rf there && git clone -q "testhost:$TRASH/$1.git" there && git -C there deepops init &&
	git -C there config deepops.sshTransport "$2" &&
	(cd there && git deepops pull) && diff -r "$1/data" there/data
}

test_expect_success 'start a server' '
	sshd_start main
'

for kind in libssh2 ssh auto; do
	test_expect_success "git push and git deepops pull over $kind" '
		new_pair with-'$kind' '$kind' &&
		git -C with-'$kind' push -q origin main &&
		arrived with-'$kind' '$kind'
	'
done

test_expect_success 'git deepops remote check says which transport and why' '
	(
		cd with-auto &&
		git deepops remote check >out &&
		test_grep "transport  *libssh2 to testhost: ssh-ed25519" out &&
		sed "s/BatchMode yes/Compression yes/" "$SSHD_DIR/ssh_config" >../config &&
		GIT_SSH_COMMAND="ssh -F $TRASH/config" git deepops remote check >out &&
		test_grep "transport  *ssh child to testhost (not libssh2: testhost: Compression yes)" out &&
		unset GIT_SSH_COMMAND &&
		git config core.sshCommand "ssh -F $SSHD_DIR/ssh_config" &&
		git deepops remote check >out &&
		test_grep "libssh2 to testhost" out
	)
'

for kind in libssh2 ssh; do
	test_expect_success "the server dies in the middle of a push over $kind, the same push then succeeds" '
		new_pair cut-'$kind' '$kind' &&
		sshd_env DEEPOPS_KILL_AT=serve-put:20 &&
		(cd cut-'$kind' && test_expect_code 128 git deepops push --data-only origin 2>../err) &&
		test_grep "^fatal: testhost" err &&
		sshd_env &&
		(cd cut-'$kind' && git deepops push origin main) &&
		arrived cut-'$kind' '$kind'
	'
done

test_expect_success 'an unknown and a changed host key stop a push, by name' '
	sed "/UserKnownHostsFile/s|known_hosts|none|" "$SSHD_DIR/ssh_config" >config &&
	ssh-keygen -q -t ed25519 -N "" -f other &&
	printf "[127.0.0.1]:%s %s\n" "$SSHD_PORT" "$(cut -d" " -f1,2 other.pub)" >changed &&
	sed "/UserKnownHostsFile/s|$SSHD_DIR/known_hosts|$TRASH/changed|" "$SSHD_DIR/ssh_config" >config2 &&
	(
		cd with-auto &&
		git config --unset core.sshCommand &&
		export GIT_SSH_COMMAND="ssh -F $TRASH/config" &&
		test_expect_code 128 git deepops push --data-only origin 2>err &&
		test_grep "^fatal: testhost: the host key is not known: ssh-ed25519 SHA256:" err &&
		test_grep "^hint: .*ssh-keyscan" err &&
		export GIT_SSH_COMMAND="ssh -F $TRASH/config2" &&
		test_expect_code 128 git deepops push --data-only origin 2>err &&
		test_grep "^fatal: testhost: the host key has changed: ssh-ed25519 SHA256:" err &&
		test_grep "^hint: .*ssh-keygen -R" err
	)
'

test_expect_success 'a host that does not answer is named' '
	git clone -q with-auto alone &&
	git -C alone deepops init &&
	git -C alone remote set-url origin ssh://testhost:1/srv/p.git &&
	(cd alone && test_expect_code 128 git deepops fetch --all 2>err && cat err &&
	 test_grep "^fatal: .*127.0.0.1 port 1: Connection refused" err)
'

test_expect_success 'a server program that is not in PATH' '
	(
		cd with-auto &&
		git config remote.origin.deepopsServe /nonexistent/serve &&
		test_expect_code 128 git deepops remote check 2>err &&
		test_grep "^fatal: .*testhost: /nonexistent/serve is not installed there" err &&
		test_grep "^hint: .*deepopsServe" err &&
		: "words of a shell there, as for the programs of git itself" &&
		git config remote.origin.deepopsServe "'\''$DEEPOPS_BUILD/git-deepops-serve'\''" &&
		git deepops remote check
	)
'

test_done
