#!/bin/sh
test_description='the test library itself: what it reports can be believed'
. "${0%/*}/test-lib.sh"
. "$TESTS_DIR/lib-sshd.sh"

# Run a small script of its own against the library; its TAP stands in `out`.
sub_test () {
	mkdir -p "sub/tests/t" &&
	cp "$TESTS_DIR/test-lib.sh" sub/tests/t/ &&
	{
		echo '#!/bin/sh' &&
		echo 'test_description=sub' &&
		echo '. "${0%/*}/test-lib.sh"' &&
		cat
	} >sub/tests/t/t0099-sub.sh &&
	sh sub/tests/t/t0099-sub.sh "$@" >out 2>err
}

test_expect_success 'a passing test passes' '
	sub_test <<-\END &&
	test_expect_success pass "true"
	test_done
	END
	grep "^ok 1 - pass$" out &&
	grep "^1\.\.1$" out
'

test_expect_success 'a failing test fails, and shows its output' '
	test_expect_code 1 sub_test <<-\END &&
	test_expect_success bad "echo told && false"
	test_done
	END
	grep "^not ok 1 - bad$" out &&
	grep "^# | told$" out
'

test_expect_success 'a broken chain fails' '
	test_expect_code 1 sub_test <<-\END &&
	test_expect_success chain "
		false
		true
	"
	test_done
	END
	grep "broken &&-chain" out
'

test_expect_success 'a script that ends early is no success' '
	test_expect_code 1 sub_test <<-\END &&
	test_expect_success pass "true"
	exit 0
	END
	grep "^Bail out!" out
'

test_expect_success 'a missing prerequisite is a skip with its reason' '
	sub_test <<-\END &&
	test_need NOWHERE false "a thing"
	test_expect_success NOWHERE skip "false"
	test_done
	END
	grep "^ok 1 - skip # SKIP needs NOWHERE (a thing)$" out
'

test_expect_success 'the directory is removed, or kept with -d' '
	sub_test <<-\END &&
	test_expect_success where "echo \"\$TEST_ROOT\" >&5"
	test_done
	END
	test_path_is_missing "$(grep "^/" out)" &&
	sub_test -d <<-\END &&
	test_expect_success pass "true"
	test_done
	END
	kept=$(sed -n "s/^# kept: //p" out) &&
	test_path_is_dir "$kept/trash" &&
	rm -r "$kept"
'

test_expect_success 'test_when_finished runs after success and after failure' '
	test_expect_code 1 sub_test <<-\END &&
	test_expect_success one "
		test_when_finished \"echo first >>../log\" &&
		test_when_finished \"echo second >>../log\" &&
		false
	"
	test_expect_success two "
		test_when_finished \"false\" &&
		true
	"
	test_expect_success three "
		printf \"second\nfirst\n\" >want &&
		test_cmp want ../log
	"
	test_done
	END
	grep "^not ok 1" out &&
	grep "^not ok 2" out &&
	grep "^ok 3" out
'

test_expect_success 'test_must_fail tells failure from success, crash and absence' '
	test_must_fail false &&
	test_must_fail sh -c "exit 128" &&
	! test_must_fail true &&
	! test_must_fail no-such-command-here &&
	! test_must_fail sh -c "kill -SEGV \$\$"
'

test_expect_success 'test_grep, test_cmp and the path checks can fail' '
	echo one >file &&
	test_grep one file &&
	! test_grep two file &&
	test_grep ! two file &&
	! test_grep ! one file &&
	! test_grep ! one absent &&
	echo two >other &&
	! test_cmp file other &&
	test_path_is_file file &&
	! test_path_is_dir file &&
	! test_path_is_missing file &&
	ln -s nowhere dangling &&
	! test_path_is_missing dangling &&
	! test_must_be_empty file &&
	test_line_count = 1 file &&
	! test_line_count = 2 file
'

test_expect_success 'identity, clock and configuration are fixed' '
	git init -q repo &&
	(
		cd repo &&
		test_commit one &&
		git log -1 --format="%an %cn" >../who &&
		git symbolic-ref HEAD >../head &&
		git config --list --show-origin >../config
	) &&
	echo "A U Thor C O Mitter" >want &&
	test_cmp want who &&
	echo refs/heads/main >want &&
	test_cmp want head &&
	! grep -v -e "^file:$HOME/" -e "^file:.git/config" config
'

test_expect_success 'mode bits apply in test_unprivileged, whoever runs the tests' '
	echo secret >locked &&
	chmod 000 locked &&
	test_must_fail test_unprivileged cat locked
'

test_expect_success 'test_bytes depends on its seed alone' '
	test_bytes 100000 1 >a &&
	test_bytes 100000 1 >b &&
	test_bytes 100000 2 >c &&
	test_cmp_bin a b &&
	! cmp a c &&
	test "$(wc -c <a)" -eq 100000
'

test_expect_success SSHD 'a private sshd serves git, and its environment can be set' '
	sshd_start one &&
	git init -q --bare srv.git &&
	git -C repo push -q "ssh://testhost$TRASH/srv.git" main &&
	git -C srv.git rev-parse main >got &&
	git -C repo rev-parse main >want &&
	test_cmp want got &&
	ssh -F "$SSHD_DIR/ssh_config" testhost "echo \$HOME" >home &&
	echo "$SSHD_DIR/home" >want &&
	test_cmp want home &&
	cat >srv.git/hooks/pre-receive <<-END &&
	#!/bin/sh
	echo "\$MARK" >"$TRASH/mark"
	END
	chmod +x srv.git/hooks/pre-receive &&
	sshd_env "MARK=set here" &&
	git -C repo push -q "ssh://testhost$TRASH/srv.git" main:other &&
	echo "set here" >want &&
	test_cmp want mark
'

test_expect_success SSHD 'two servers at once have their own ports and keys' '
	port=$SSHD_PORT &&
	sshd_start two &&
	test "$SSHD_PORT" != "$port" &&
	git ls-remote "ssh://testhost$TRASH/srv.git" &&
	cp "$TEST_ROOT/sshd-one/known_hosts" known &&
	sed "s/]:$port /]:$SSHD_PORT /" known >"$SSHD_DIR/known_hosts" &&
	test_must_fail git ls-remote "ssh://testhost$TRASH/srv.git" &&
	sshd_use one &&
	git ls-remote "ssh://testhost$TRASH/srv.git"
'

test_expect_success SSHD 'a stopped server answers no more' '
	sshd_stop &&
	test_must_fail git ls-remote "ssh://testhost$TRASH/srv.git"
'

test_done
