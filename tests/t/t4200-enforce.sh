#!/bin/sh
test_description='an enforced push: results need records, records need their triple'
. "${0%/*}/test-lib.sh"
. "$TESTS_DIR/lib-policy.sh"

test_expect_success 'a server and a clone' '
	policy_floor >floor &&
	policy_server srv.git floor &&
	policy_clone srv.git work &&
	policy_push work main
'

test_expect_success 'a result without a record is refused, with the command that mends it' '
	echo "{\"acc\": 0.99}" >work/metrics.json &&
	policy_commit work invented &&
	policy_refused work E-EXEC-NORECORD main &&
	test_grep "metrics.json was changed, and no recorded run wrote it" work.said &&
	test_grep "fix:  git deepops run -o metrics.json" work.said &&
	test_grep "refused (1 of 1 commit)" work.said &&
	test_grep "  invented" work.said &&
	test_grep "why: rule \"main\" asks R2/T0" work.said &&
	git -C work reset -q --hard HEAD~1
'

test_expect_success 'nothing is wider than 72 columns, all of it is ASCII' '
	sed -n "s/^remote: //p" work.said | sed "s/ *$//" >text &&
	test_file_not_empty text &&
	! grep -n "^.\{73,\}" text &&
	LC_ALL=C test_grep ! "[^ -~]" text
'

test_expect_success 'a result with a record passes' '
	policy_run work 5 &&
	policy_push work main &&
	test "$(git -C srv.git rev-parse main)" = "$(git -C work rev-parse main)"
'

test_expect_success 'the server notes the run with the level it found' '
	policy_settle srv.git &&
	git -C srv.git notes --ref=deepops show main >note &&
	test_grep "Deepops-Run: .* ok .*acc=0.5 .* level=R2/T0 rec=" note
'

test_expect_success 'a record whose input is not on the remote is refused' '
	policy_run work 6 &&
	echo more >>work/in.txt &&
	policy_run work 7 &&
	policy_push_only work "refs/deepops/log/*" &&
	test_must_fail git -C work push --no-verify origin main >work.said 2>&1 &&
	test_grep -F "[E-DATA-INCOMPLETE]" work.said &&
	test_grep "data: in.txt (sha256:............\.\.\.) is recorded but not on the" work.said &&
	test_grep "fix:  git deepops push --data-only && git push" work.said
'

test_expect_success 'the mend that the message names is enough' '
	(cd work && git deepops push --data-only && git push) >out 2>&1 &&
	test "$(git -C srv.git rev-parse main)" = "$(git -C work rev-parse main)"
'

test_expect_success 'the same bytes as an older result need no new run' '
	echo 5 >work/seed &&
	echo "{\"acc\": 0.5}" >work/metrics.json &&
	policy_commit work "back to 5" &&
	policy_push work main
'

test_expect_success 'deleting a result needs no record' '
	git -C work rm -q metrics.json &&
	policy_commit work "no result" &&
	policy_push work main
'

test_expect_success 'a failed run blocks nothing, and its output is no result' '
	(
		cd work &&
		printf "%s\n" "echo bad >metrics.json" "exit 3" >fail.sh &&
		git add fail.sh && test_tick && git commit -q -m "fails" &&
		test_expect_code 3 git deepops run -i in.txt -m metrics.json -- sh fail.sh &&
		rm -f metrics.json
	) &&
	policy_push work main &&
	echo bad >work/metrics.json &&
	policy_commit work "result of a failed run" &&
	policy_refused work E-EXEC-FAILED main &&
	test_grep "which failed" work.said &&
	git -C work reset -q --hard HEAD~1 &&
	policy_run work 8 &&
	policy_push work main
'

test_expect_success 'a run without data is refused where noData = refuse, until it is retracted' '
	(
		cd work &&
		echo 9 >seed && test_tick && git commit -q -am "no data" &&
		git deepops run --no-data -- sh -c "exit 0"
	) &&
	policy_refused work E-DATA-NONE main &&
	fix=$(sed -n "s/^remote: *fix:  \(git deepops retract [0-9a-f]*\) .*/\1/p" work.said) &&
	test -n "$fix" &&
	(cd work && $fix) &&
	policy_push work main
'

test_done
