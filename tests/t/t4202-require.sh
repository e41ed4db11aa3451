#!/bin/sh
test_description='which commits are compared: tip, every, first-parent, merges'
. "${0%/*}/test-lib.sh"
. "$TESTS_DIR/lib-policy.sh"

test_expect_success 'a server and a clone with a result' '
	policy_floor >floor &&
	policy_server srv.git floor &&
	policy_clone srv.git work &&
	policy_run work 5 &&
	policy_push work main
'

test_expect_success 'a merge counts only where it differs from both parents' '
	policy_rule "require = every" &&
	(
		cd work &&
		git checkout -q -b side &&
		test_commit x &&
		git checkout -q main &&
		test_commit y
	) &&
	policy_run work 12 &&
	policy_push work main &&
	(
		cd work && git checkout -q side && test_tick && git merge -q -m merge main &&
		git checkout -q main && git merge -q --ff-only side
	) &&
	policy_push work main
'

test_expect_success 'a merge that writes a result itself is refused' '
	(
		cd work &&
		git checkout -q -b other &&
		test_commit z &&
		git checkout -q main &&
		test_commit w &&
		git merge -q --no-ff --no-commit other &&
		echo "{\"acc\": 1}" >metrics.json &&
		git add metrics.json && git commit -q -m "evil merge"
	) &&
	policy_refused work E-EXEC-NORECORD main &&
	test_grep "evil merge" work.said &&
	policy_rule "require = first-parent" &&
	policy_refused work E-EXEC-NORECORD main &&
	policy_rule "require = tip" &&
	policy_refused work E-EXEC-NORECORD main &&
	git -C work reset -q --hard origin/main
'

test_expect_success 'every commit is judged by every, only the end by tip' '
	cp work/metrics.json good &&
	echo "{\"acc\": 2}" >work/metrics.json && policy_commit work "for a while" &&
	cp good work/metrics.json && policy_commit work "good again" &&
	policy_rule "require = every" &&
	policy_refused work E-EXEC-NORECORD main &&
	test_grep "for a while" work.said &&
	test_grep "refused (1 of 2 commits)" work.said &&
	policy_rule "require = tip" &&
	policy_push work main
'

test_expect_success 'first-parent looks at what a merge brings, not at the commits it merges' '
	policy_rule "require = first-parent" &&
	(
		cd work &&
		git checkout -q -b detour &&
		echo "{\"acc\": 3}" >metrics.json && test_tick && git commit -q -am "for a while" &&
		cp ../good metrics.json && test_tick && git commit -q -am "good again" &&
		git checkout -q main && test_tick && git merge -q --no-ff -m detour detour
	) &&
	policy_push work main
'

test_expect_success 'a new branch is compared with the judged commits it grew from' '
	policy_floor >floor &&
	printf "\tref = refs/heads/release/*\n" >>floor &&
	git deepops server install --policy floor srv.git >out &&
	policy_push work main:refs/heads/release/1 &&
	git -C work checkout -q -b two &&
	(cd work && test_commit on-two) &&
	policy_push work two:refs/heads/release/2 &&
	echo "{\"acc\": 4}" >work/metrics.json && policy_commit work invented &&
	policy_refused work E-EXEC-NORECORD two:refs/heads/release/3 &&
	test_grep "refused (1 of 1 commit)" work.said
'

test_expect_success 'in an empty repository everything is new' '
	policy_server empty.git floor &&
	(cd work && git deepops push --data-only ../empty.git 2>&1 | cat) &&
	test_must_fail git -C work push --no-verify ../empty.git two:refs/heads/main >out 2>&1 &&
	test_grep -F "[E-EXEC-NORECORD]" out
'

test_expect_success 'history before since is not judged' '
	git -C work checkout -q main &&
	printf "\tsince = %s\n" "$(git -C work rev-parse main)" >>floor &&
	git deepops server install --policy floor empty.git >out &&
	git -C work push --no-verify ../empty.git main:refs/heads/main &&
	policy_floor >floor &&
	printf "\tsince = 2999-01-01\n" >>floor &&
	git deepops server install --policy floor empty.git >out &&
	git -C work push --no-verify ../empty.git two:refs/heads/main >out 2>&1 &&
	test_grep "would be refused" out
'

test_expect_success 'match = tree asks for the code as committed' '
	policy_rule "match = tree" "exempt = docs/**" &&
	policy_train work 31 &&
	mkdir -p work/docs && echo text >work/docs/a &&
	policy_commit work "result and docs" &&
	policy_push work main &&
	policy_train work 32 &&
	echo "# other code" >>work/train.sh &&
	policy_commit work "result and other code" &&
	policy_refused work E-CODE-STALE main &&
	test_grep "train.sh differs" work.said
'

test_expect_success 'a metric has a gate, and ignored files may be refused' '
	git -C work reset -q --hard origin/main &&
	policy_rule "metric = acc >= 0.5" &&
	policy_run work 40 &&
	policy_refused work E-EXEC-METRIC main &&
	policy_run work 60 &&
	policy_push work main &&
	policy_rule "ignored = refuse" &&
	echo "*.tmp" >>work/.gitignore && echo x >work/x.tmp &&
	policy_run work 61 &&
	policy_refused work E-CODE-IGNORED main &&
	rm work/x.tmp &&
	policy_run work 62 &&
	policy_push work main
'

test_expect_success 'since = COMMIT: what is older needs no record, nor does going back to it' '
	policy_floor >floor && policy_server old.git &&
	policy_clone old.git oldwork && echo "{\"acc\": 0.1}" >oldwork/metrics.json && policy_commit oldwork "long ago" &&
	git deepops server install --policy floor old.git >out &&
	policy_refused oldwork E-EXEC-NORECORD main && tr -s " \n" " " <oldwork.said | sed "s/remote: //g" >line &&
	test_grep "since = COMMIT" line &&
	# An id of the other length names nothing here, and is not cut to one that does.
	{ cat floor && printf "\tsince = %s%024d\n" "$(git -C oldwork rev-parse HEAD)" 0; } >floor64 &&
	git deepops server install --policy floor64 old.git >out &&
	policy_refused oldwork E-EXEC-NORECORD main &&
	{ cat floor && printf "\tsince = %s\n" "$(git -C oldwork rev-parse HEAD)"; } >floor2 &&
	git deepops server install --policy floor2 old.git >out &&
	policy_push oldwork main && policy_run oldwork 5 && policy_push oldwork main &&
	echo "{\"acc\": 0.1}" >oldwork/metrics.json && policy_commit oldwork "back to what was" &&
	policy_push oldwork main &&
	echo "{\"acc\": 0.2}" >oldwork/metrics.json && policy_commit oldwork "invented" &&
	policy_refused oldwork E-EXEC-NORECORD main
'

test_done
