#!/bin/sh
test_description='check: what the server will say, in any clone; run: the level that it will find'
. "${0%/*}/test-lib.sh"
. "$TESTS_DIR/lib-policy.sh"

test_expect_success 'a server whose own policy asks for more than the tree says' '
	policy_floor >floor &&
	policy_server srv.git floor &&
	policy_clone srv.git work &&
	policy_push work main &&
	policy_run work 5 && policy_push work main &&
	policy_settle srv.git
'

test_expect_success 'a clone without init gets the records, and the verdict of the server' '
	git clone -q "file://$TRASH/srv.git" plain &&
	(cd plain && git deepops check --range HEAD~2..HEAD --ref refs/heads/main >../out 2>../err) &&
	test_grep "nothing to refuse" out && test_grep "own policy is that of 20" err
'

test_expect_success 'where the records cannot be had, that is said' '
	git clone -q "file://$TRASH/srv.git" cut && git -C cut config remote.origin.url "$TRASH/nowhere.git" &&
	git -C cut config deepops.url "$TRASH/srv.git/deepops" &&
	(cd cut && test_expect_code 128 git deepops check --range HEAD~1..HEAD --ref refs/heads/main >../out 2>../err) &&
	test_grep "hint: git fetch" err
'

test_expect_success 'a shallow clone cannot say what is new' '
	git clone -q --depth 1 "file://$TRASH/srv.git" shallow &&
	(cd shallow && test_expect_code 128 git deepops check --range HEAD 2>../err) &&
	test_grep "this clone is shallow" err && test_grep "hint: git fetch --unshallow" err &&
	git -C shallow fetch -q --unshallow &&
	(cd shallow && git deepops check --range HEAD~1..HEAD >../out) && test_grep "nothing to refuse" out
'

test_expect_success 'what the floor refuses is known before the push; data that the push sends is no reason' '
	policy_invent 9 &&
	(cd work && test_expect_code 1 git deepops check >../out 2>../err) &&
	test_grep "E-EXEC-NORECORD" out && test_grep "the server.s policy:1" out &&
	git -C work reset -q --hard origin/main &&
	policy_run work 6 &&
	(cd work && git deepops check >../out 2>../err) && test_grep "nothing to refuse" out &&
	test_grep "git push sends them first" err && policy_push work main
'

test_expect_success 'run says what will be missing, with the words of the server' '
	(cd work && git deepops run -o never -- sh train.sh 2>../err) &&
	test_grep "level R1" err && test_grep "for R2: the run did not write never" err && test_grep "declares no input" err &&
	(cd work && git deepops run -i in.txt -m metrics.json -- sh train.sh 2>../err) &&
	test_grep "level R2 once" err
'

test_expect_success 'all commands and the note of the server say the same level' '
	echo "echo outside" >outside.sh &&
	(
		cd work &&
		git deepops run -i in.txt --title out-of-tree -m metrics.json -- sh "$TRASH/outside.sh" 2>../err &&
		test_grep "level R1" ../err &&
		run=$(git deepops runs --where title=out-of-tree --csv --columns run | sed 1d) &&
		git deepops show $run >../shown && test_grep "^level  *R1$" ../shown &&
		test_grep "^for R2 .*outside.sh" ../shown &&
		for again in first second
		do
			git deepops runs --json --where title=out-of-tree >../json &&
			test_grep "\"level\":\"R1\"" ../json &&
			git deepops runs --csv --columns title,level >../csv &&
			test_grep "^out-of-tree,R1$" ../csv || return 1
		done &&
		git deepops runs --csv --columns title --where level=R1 >../csv && test_grep out-of-tree ../csv &&
		git deepops runs --csv --columns title --where level=R2 >../csv && test_grep ! out-of-tree ../csv &&
		git deepops push -q
	) &&
	policy_settle srv.git && git -C srv.git notes --ref=deepops show main >note &&
	test_grep "level=R1" note
'

test_expect_success 'what is known before the command is said before it' '
	(cd work && git deepops run -i in.txt -- sh "$TRASH/outside.sh" >../out 2>&1) &&
	test_grep "outside.sh is outside the tree" out && test_grep "level R1" out &&
	test "$(grep -n "is outside the tree" out | head -n 1 | cut -d: -f1)" -lt "$(grep -n "^outside" out | cut -d: -f1)" &&
	(cd work && git deepops run --no-data -- sh train.sh 2>../err) &&
	test_grep "rule .main. for refs/heads/main counts no run that reads no data" err &&
	policy_rule "noData = allow" && rm -r work/.git/deepops/floor &&
	(cd work && git deepops check >../out 2>&1; git deepops run --no-data -- sh train.sh 2>../err) &&
	test_grep ! "counts no run" err
'

test_done
