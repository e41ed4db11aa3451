#!/bin/sh
test_description='git deepops server: install, doctor, index, authorize'
. "${0%/*}/test-lib.sh"
. "$TESTS_DIR/lib-policy.sh"

test_expect_success 'install makes store, config, index and hooks, and can be run again' '
	git init -q --bare srv.git &&
	git deepops server install srv.git >out &&
	test_path_is_file srv.git/deepops/format &&
	test_path_is_file srv.git/deepops/runs.db &&
	test "$(git -C srv.git config receive.advertisePushOptions)" = true &&
	test "$(git -C srv.git config core.logAllRefUpdates)" = always &&
	test "$(git -C srv.git config core.fsync)" = committed &&
	test_must_fail git -C srv.git config receive.denyDeletes &&
	test_must_fail git -C srv.git config receive.fsckObjects &&
	seed=$(git -C srv.git config receive.certNonceSeed) &&
	test -x srv.git/hooks/pre-receive && test -x srv.git/hooks/post-receive &&
	test_path_is_missing srv.git/deepops/policy &&
	git deepops server install srv.git >out &&
	test_must_be_empty out &&
	test "$(git -C srv.git config receive.certNonceSeed)" = "$seed"
'

test_expect_success 'without a mode the default only warns' '
	policy_clone srv.git work &&
	policy_push work main &&
	(cd work && test_tick && git deepops run --no-data -- sh -c "exit 0") &&
	(cd work && test_commit more && git deepops run --no-data -- sh -c "exit 0") &&
	policy_push work main &&
	test_grep "would be refused" work.said &&
	test_grep "no policy, so R2 is asked of HEAD.s branch" work.said
'

test_expect_success '--mode enforce writes a floor, --mode warn softens it, and the other way' '
	git deepops server install --mode enforce srv.git >out &&
	test_grep "ref = refs/heads/main" srv.git/deepops/policy &&
	(cd work && test_commit again && git deepops run --no-data -- sh -c "exit 0") &&
	policy_refused work E-DATA-NONE main &&
	git deepops server install --mode warn srv.git >out &&
	policy_push work main &&
	printf "%s\n" "[rule \"a\"] ; first" "mode = off" "ref = refs/heads/a" \
		"[rule \"b\"]" "	ref = refs/heads/b" >floor &&
	git deepops server install --policy floor --mode enforce srv.git >out &&
	git deepops policy explain --policy srv.git/deepops/policy >words &&
	test "$(grep -c "mode  *enforce" words)" = 2
'

test_expect_success 'a floor that is malformed is not installed' '
	cp srv.git/deepops/policy before &&
	echo "mode = enforce" >bad &&
	test_expect_code 128 git deepops server install --policy bad srv.git 2>err &&
	test_grep "bad:1: a key before the first section" err &&
	test_cmp before srv.git/deepops/policy &&
	test_expect_code 128 git deepops server install --policy absent srv.git 2>err &&
	test_grep absent err &&
	test_expect_code 129 git deepops server install --mode maybe srv.git &&
	test_expect_code 128 git deepops server install work 2>err &&
	test_grep "bare" err &&
	test_expect_code 128 git deepops server install nothere
'

test_expect_success 'an existing hook runs first, with the input; others in the directory too' '
	git init -q --bare old.git &&
	printf "%s\n" "#!/bin/sh" "cat >>seen" "exit \$(cat status)" >old.git/hooks/pre-receive &&
	chmod +x old.git/hooks/pre-receive &&
	echo 0 >old.git/status &&
	git deepops server install old.git >out &&
	test_grep "pre-receive, after the one that was there" out &&
	test_path_is_file old.git/hooks/pre-receive.d/50-previous &&
	printf "%s\n" "#!/bin/sh" "cat >>seen2" "exit 1" >old.git/hooks/post-receive.d.sh &&
	mkdir -p old.git/hooks/post-receive.d &&
	mv old.git/hooks/post-receive.d.sh old.git/hooks/post-receive.d/10-mine &&
	chmod +x old.git/hooks/post-receive.d/10-mine &&
	git -C work push -q ../old.git main &&
	test_grep refs/heads/main old.git/seen && test_grep refs/heads/main old.git/seen2 &&
	echo 1 >old.git/status &&
	test_must_fail git -C work push ../old.git main:other &&
	git deepops server install old.git >out &&
	test_must_be_empty out
'

test_expect_success 'a hook whose program is gone refuses' '
	git init -q --bare gone.git && git deepops server install gone.git >out &&
	sed "s,/git-deepops-pre-receive,/not-there-pre-receive,g" gone.git/hooks/pre-receive >hook &&
	cat hook >gone.git/hooks/pre-receive &&
	test_must_fail git -C work push ../gone.git main 2>err &&
	test_grep "is not installed on the server" err
'

test_expect_success 'doctor proves that refusal works' '
	git init -q --bare well.git && git deepops server install well.git >out &&
	git deepops server doctor well.git >out &&
	test_grep "^ok *probe: a push without a record was refused" out &&
	git deepops server doctor --json well.git >json &&
	"$TEST_PYTHON" -c "import json; assert json.load(open(\"json\"))[\"version\"] == 1"
'

test_expect_success 'doctor finds what is broken, and says how to mend it' '
	chmod -x well.git/hooks/pre-receive &&
	test_expect_code 1 git deepops server doctor well.git >out &&
	test_grep "^broken *pre-receive: not executable" out &&
	chmod +x well.git/hooks/pre-receive &&
	rm well.git/deepops/runs.db &&
	test_expect_code 1 git deepops server doctor well.git >out &&
	test_grep "^broken *index" out && test_grep "mend: git deepops server index" out &&
	git deepops server index well.git && git deepops server doctor well.git >out &&
	git clone -q well.git well-clone && git -C well-clone deepops init &&
	for spoil in "head -c 5000 /dev/zero" false
	do
		rm well.git/deepops/catalogue.db && { $spoil >well.git/deepops/catalogue.db || rm well.git/deepops/catalogue.db; } &&
		test_expect_code 1 git deepops server doctor well.git >out &&
		test_grep "^broken *store: .*catalogue.db" out &&
		test_grep "mend: where it is: git -C $TRASH/well.git deepops fsck --repair" out &&
		test_expect_code 128 git deepops server install well.git 2>err && test_grep "^hint: .*deepops fsck --repair" err &&
		test_expect_code 128 git -C well-clone deepops remote check 2>err &&
		test_grep "^hint: .*deepops fsck --repair" err &&
		test_expect_code 1 git -C well.git deepops fsck --repair && git -C well.git deepops fsck && git deepops server doctor well.git >out || return 1
	done &&
	echo "[rule]" >well.git/deepops/policy &&
	test_expect_code 1 git deepops server doctor well.git >out &&
	test_grep "^broken *floor policy" out
'

test_expect_success 'authorize prints a line that holds the key to one repository' '
	ssh-keygen -q -t ed25519 -N "" -C alice@laptop -f key &&
	git deepops server authorize srv.git alice push <key.pub >line &&
	test_line_count = 1 line &&
	test_grep "^restrict,command=\"[^\"]*git-deepops-serve[^\"]* --user alice --role push [^\"]*srv.git[^\"]*\" ssh-ed25519 " line &&
	test_expect_code 128 git deepops server authorize srv.git alice owner <key.pub &&
	test_expect_code 128 git deepops server authorize srv.git "a b" push <key.pub &&
	test_expect_code 128 git deepops server authorize srv.git alice push <key 2>err &&
	test_grep "not one public key" err &&
	sed "s/^/command=\"sh\" /" key.pub >options &&
	test_expect_code 128 git deepops server authorize srv.git alice push <options
'

test_expect_success 'index brings back what was lost' '
	rm -f srv.git/deepops/runs.db && git -C srv.git update-ref -d refs/notes/deepops &&
	git deepops server index srv.git >out &&
	test_grep "^records 3, roots " out &&
	git -C srv.git notes --ref=deepops list >notes &&
	test_file_not_empty notes &&
	git deepops server index --rebuild srv.git >out &&
	test_grep "^records 3" out
'

test_expect_success 'usage' '
	test_expect_code 129 git deepops server 2>err && test_grep "install, doctor" err &&
	test_expect_code 129 git deepops server frobnicate &&
	test_expect_code 129 git deepops server index
'

test_done
