#!/bin/sh
test_description='over ssh: forced commands, roles, cuts and kills'
. "${0%/*}/test-lib.sh"
. "$TESTS_DIR/lib-sshd.sh"

remote () {
	timeout 60 "$DEEPOPS_BUILD/helper/remote" "$@"
}

# Force the key of the test: forced ARGUMENTS of git-deepops-serve.
forced () {
	printf 'restrict,command="git-deepops-serve %s" %s\n' "$*" "$(cat "$SSHD_DIR/id.pub")" \
		>"$SSHD_DIR/authorized_keys"
}

test_expect_success SSHD 'setup' '
	sshd_start main &&
	git init -q --bare p.git &&
	git init -q --bare other.git &&
	git clone -q p.git work &&
	(cd work && test_commit one && git push -q origin main) &&
	test_bytes 5000 1 >f
'

for kind in ssh libssh2; do
	test_expect_success SSHD "a session over $kind" '
		git init -q --bare '$kind'.git &&
		remote transport='$kind' "testhost:$TRASH/'$kind'.git" hello put=f flood=300:1 commit \
			fetch=300:1 get=f >out &&
		printf "%s\n" "role push generation 0 quota none" committed 300 same >want &&
		test_cmp want out
	'

	test_expect_success SSHD "over $kind a repository that is not there is named" '
		test_must_fail remote transport='$kind' "testhost:$TRASH/nowhere" hello 2>err &&
		test_grep "^fatal: testhost: $TRASH/nowhere is not a git repository$" err
	'

	test_expect_success SSHD "over $kind a missing server program gets a hint" '
		test_must_fail remote transport='$kind' serve=/nonexistent/serve \
			"testhost:$TRASH/p.git" hello 2>err &&
		test_grep "^fatal: testhost: /nonexistent/serve is not installed there$" err &&
		test_grep "^hint: .*deepopsServe" err
	'

	test_expect_success SSHD "over $kind noise of a shell is quoted" '
		test_must_fail remote transport='$kind' serve="echo Welcome; git-deepops-serve" \
			"testhost:$TRASH/p.git" hello 2>err &&
		test_grep "^fatal: testhost:.*says .Welcome" err
	'

	test_expect_success SSHD "killed in the middle of an upload over $kind, the next resumes" '
		rm -rf k.git && git init -q --bare k.git &&
		nonce=00112233445566778899aabbccddeeff &&
		sshd_env DEEPOPS_KILL_AT=serve-put:700 &&
		test_must_fail remote transport='$kind' "testhost:$TRASH/k.git" begin=$nonce \
			flood=1500:1 commit 2>err &&
		test_grep "^fatal: testhost" err &&
		sshd_env &&
		remote transport='$kind' "testhost:$TRASH/k.git" begin=$nonce have=1500:1 flood=1500:1 \
			commit fetch=1500:1 >out &&
		held=$(sed -n 1p out) &&
		test "$held" -ge 512 &&
		printf "%s\n" $held committed 1500 >want &&
		test_cmp want out
	'
done

test_expect_success SSHD 'a forced command decides about repository, user and role' '
	forced --user alice --role push "$TRASH/p.git" &&
	remote testhost:/anything/else hello put=f commit >out &&
	test_grep "^role push" out &&
	test_path_is_dir p.git/deepops/packs &&
	forced --user bob --role read "$TRASH/p.git" &&
	remote testhost:/anything/else hello get=f >out &&
	printf "%s\n" "role read generation 1 quota none" same >want &&
	test_cmp want out &&
	test_must_fail remote testhost:/anything/else put=f 2>err &&
	test_grep "role read may not push" err &&
	test_must_fail remote serve="git-deepops-serve --role maintain" testhost:/x put=f 2>err &&
	test_grep "role read may not push" err
'

test_expect_success SSHD 'git goes through the same line, for the same repository' '
	forced --user alice --role push "$TRASH/p.git" &&
	printf "#!/bin/sh\necho \"\$DEEPOPS_USER \$DEEPOPS_ROLE\" >%s\n" "$TRASH/who" >p.git/hooks/pre-receive &&
	chmod +x p.git/hooks/pre-receive &&
	git clone -q "testhost:$TRASH/other.git" forced &&
	(cd forced && test_path_is_file one.t && test_commit two && git push -q origin main) &&
	echo "alice push" >want &&
	test_cmp want who &&
	git -C p.git rev-parse main >got &&
	git -C forced rev-parse main >want &&
	test_cmp want got &&
	test_must_fail git -C other.git rev-parse --verify -q main
'

test_expect_success SSHD 'role read may fetch with git, not push' '
	forced --user bob --role read "$TRASH/p.git" &&
	(
		cd forced &&
		git fetch -q origin &&
		test_commit three &&
		test_must_fail git push -q origin main 2>../err
	) &&
	test_grep "role read may not run git-receive-pack" err
'

test_expect_success SSHD 'nothing else runs' '
	forced --user alice --role push "$TRASH/p.git" &&
	ssh=${GIT_SSH_COMMAND} &&
	for command in "touch $TRASH/hacked" "git-receive-pack2 x" "sh" "" "git config -l" \
		"git-upload-pack; touch $TRASH/hacked" "\$(touch $TRASH/hacked)"
	do
		test_expect_code 128 $ssh testhost "$command" </dev/null 2>err ||
		test -z "$command" || return 1
		test -z "$command" || test_grep "^fatal: this key does not run" err || return 1
	done &&
	test_path_is_missing hacked
'

test_expect_success SSHD 'a line without user and role, of a wrapper, forces nothing' '
	printf "restrict,command=\"sh -c \\\\\"\$SSH_ORIGINAL_COMMAND\\\\\"\" %s\n" "$(cat "$SSHD_DIR/id.pub")" \
		>"$SSHD_DIR/authorized_keys" &&
	remote "testhost:$TRASH/other.git" put=f commit get=f >out &&
	printf "%s\n" committed same >want &&
	test_cmp want out
'

test_done
