#!/bin/sh
test_description='datasets as inputs and as results: shards, pointers, versions'
. "${0%/*}/test-lib.sh"
. "$TESTS_DIR/lib-policy.sh"

test_expect_success 'a clone with a dataset of three shards' '
	cat >floor <<-\END &&
	[rule "main"]
		ref = refs/heads/main
		mode = enforce
		results = models/**/*.deepops
		results = metrics.json
	END
	policy_server srv.git floor &&
	policy_clone srv.git work &&
	(
		cd work &&
		for d in a b c; do mkdir -p "data/$d" && echo $d >"data/$d/1" && echo "$d 2" >"data/$d/2"; done &&
		printf "%s\n" "mkdir -p models/m" "cat data/*/* seed >models/m/weights" \
			"echo \"{\\\"n\\\": \$(cat seed)}\" >metrics.json" >fit.sh &&
		git deepops track data && test_tick && git add -A && git commit -q -m data
	) &&
	test "$(grep -c "^.shard" work/data.deepops)" = 3 &&
	policy_push work main
'

test_expect_success 'a shard that is missing is counted' '
	(
		cd work &&
		echo more >>data/b/1 && git deepops track data && test_tick && git commit -q -am "data 2" &&
		git deepops run -i data -m metrics.json -- sh fit.sh && rm -r models &&
		git add -A && git commit -q -m result
	) &&
	test_must_fail git -C work push --no-verify origin "$(policy_journal work)" main 2>err &&
	test_grep -F "[E-DATA-INCOMPLETE]" err &&
	sed "s/^remote: //; s/ *$//" err | tr -s " \n" " " >line &&
	test_grep "data (sha256:............\.\.\.) is recorded but 1 of its 3 shards is not on the remote" line &&
	# That one shard is here, and the push sends it.
	(cd work && git deepops check --policy ../floor >../check 2>../err) &&
	test_grep "nothing to refuse" check && test_grep "git push sends them first" err &&
	policy_push work main
'

test_expect_success 'a dataset that a run wrote is a result, known by what it holds' '
	(
		cd work && mkdir -p models/m && echo old >models/m/weights &&
		git deepops track models/m && test_tick && git add -A && git commit -q -m "untrained model"
	) &&
	policy_refused work E-EXEC-NORECORD main &&
	test_grep models/m.deepops work.said &&
	(
		cd work && git reset -q --soft origin/main &&
		test_tick && git commit -q -m "model and its first run" &&
		git deepops run -i data -o models/m -m metrics.json -- sh fit.sh &&
		git add -A && test_tick && git commit -q -m "trained"
	) &&
	policy_push work main &&
	policy_settle srv.git &&
	git -C srv.git notes --ref=deepops list "$(git -C work rev-parse main)"
'

test_expect_success 'the pointer of another split is the same result' '
	(
		cd work &&
		mkdir models/m/x models/m/y && echo 1 >models/m/x/1 && echo 2 >models/m/y/2 && rm models/m/weights &&
		git deepops track models/m && git commit -q -am "by hand"
	) &&
	policy_refused work E-EXEC-NORECORD main &&
	git -C work reset -q --hard origin/main && (cd work && git deepops checkout models/m)
'

test_expect_success 'C5: the code tree and the input are one version' '
	(
		cd work && echo 41 >seed && test_tick && git commit -q -am "seed 41" &&
		git deepops run -i data -m metrics.json -- sh -c "cat data/a/1 >metrics.json" &&
		git deepops push --data-only && git add metrics.json && git commit -q -m "seed 41 result"
	) &&
	old=$(git -C work rev-parse main~6:data.deepops 2>/dev/null ||
		git -C work log --format=%H --diff-filter=A -- data.deepops | sed "s/\$/:data.deepops/") &&
	git -C work cat-file blob "$old" >old.pointer &&
	! cmp -s old.pointer work/data.deepops &&
	writer=00000000000000aa &&
	policy_forge work $writer "" inputs/0= &&
	test_must_fail git -C work push --no-verify origin refs/deepops/log/$writer main 2>err &&
	test_grep -F "[E-DATA-MISMATCH]" err && test_grep "data has no pointer in the journal" err &&
	policy_forge work $writer "" "inputs/0=$TRASH/old.pointer" &&
	test_must_fail git -C work push --no-verify origin refs/deepops/log/$writer main 2>err &&
	test_grep -F "[E-DATA-MISMATCH]" err &&
	id=$(cd work && git deepops ls --json "$old" 2>/dev/null | sed -n "s/.*\"dataset\": *\"\(sha256:[0-9a-f]*\)\".*/\1/p") &&
	other=sha256:$(printf "%064d" 7) &&
	policy_forge work $writer "s/\"id\":\"sha256:[0-9a-f]*\",\"path\":\"data\"/\"id\":\"$other\",\"path\":\"data\"/" &&
	test_must_fail git -C work push --no-verify origin refs/deepops/log/$writer main 2>err &&
	test_grep -F "[E-CODE-POINTER]" err &&
	policy_push work main
'

test_expect_success 'check in a fresh clone reads what it lacks from the remote' '
	git clone -q srv.git fresh && (cd fresh && git deepops init >/dev/null && git fetch -q) &&
	(
		cd fresh &&
		rm -f .git/deepops/runs.db &&
		git deepops check --range main~1..main --policy ../floor >../out
	) &&
	test_grep "nothing to refuse" out
'

test_done
