#!/bin/sh
test_description='a run survives the death of its supervisor at any instant'
. "${0%/*}/test-lib.sh"

count_runs () {
	git-deepops runs -n 0 --csv --columns run | sed 1d | wc -l
}

test_expect_success 'set up' '
	git init repo &&
	(
		cd repo &&
		test_commit one &&
		mkdir data && echo 1 >data/a && echo 2 >data/b &&
		echo x >untracked
	)
'

grep -rhoE 'killpoint\("run-[a-z-]*"\)' "$TOP_DIR/git-deepops" | sed 's/.*"\(.*\)".*/\1/' |
	sort -u >"$TRASH/points"

test_expect_success 'there are at least ten kill points in a run' '
	test_line_count -ge 10 points
'

# Nothing acknowledged is lost: a run whose command started has exactly one record after recover,
# and the same command run again succeeds.
for point in $(cat "$TRASH/points")
do
	export point
	test_expect_success "killed at $point: recover, and run again" '
		(
			cd repo &&
			rm -f started &&
			before=$(count_runs) &&
			DEEPOPS_KILL_AT=$point git-deepops run --no-data -o out.txt -- \
				sh -c "echo >../started; echo hello; echo result >out.txt" \
				>../out 2>../err
			test $? -eq 137 || { cat ../err; return 1; }
			# An orphaned command may take a moment to see that nobody listens.
			sleep 0.2 &&
			git-deepops recover >../recovered 2>../err &&
			after=$(count_runs) &&
			cat ../recovered ../err &&
			case $point in
			run-started | run-ended | run-end-spooled | run-outputs-stored | run-journal-* | run-recorded | run-noted)
				test $after -eq $((before + 1)) ;;
			*)
				test $after -le $((before + 1)) ;;
			esac &&
			{ ls .git/deepops/spool >../got 2>/dev/null; test_must_be_empty ../got; } &&
			git for-each-ref refs/deepops/spool >../got && test_must_be_empty ../got &&
			git-deepops run --no-data -o out.txt -- sh -c "echo result >out.txt" &&
			test $(count_runs) -eq $((after + 1)) &&
			git-deepops recover 2>../err && test_grep "nothing to recover" ../err
		) &&
		rm -f started repo/out.txt
	'
done

test_expect_success 'a known end is recorded with its exit code, an unknown one as unknown' '
	(
		cd repo &&
		test_expect_code 137 env DEEPOPS_KILL_AT=run-end-spooled \
			git-deepops run --no-data --title known -- sh -c "echo out; exit 5" &&
		git deepops recover >../got && test_grep "recorded, exit 5" ../got &&
		run=$(git deepops runs --where title=known --csv --columns run | sed 1d) &&
		git deepops logs $run >../got && echo out >../want && test_cmp ../want ../got &&
		git deepops show $run >../got && test_grep "level *R1" ../got &&
		test_expect_code 137 env DEEPOPS_KILL_AT=run-ended \
			git-deepops run --no-data --title unknown -- true &&
		git deepops recover >../got && test_grep "its end is not known" ../got
	)
'

test_expect_success 'outputs are those of the work tree in which it ran' '
	(
		cd repo &&
		git worktree add -q ../linked &&
		( cd ../linked && test_expect_code 137 env DEEPOPS_KILL_AT=run-end-spooled \
			git-deepops run --no-data --title linked -o out.txt -- sh -c "echo there >out.txt" ) &&
		echo here >out.txt &&
		git deepops recover &&
		git deepops show --raw $(git deepops runs --where title=linked --csv --columns run | sed 1d) >../got &&
		test_grep "sha256:$(echo there | sha256sum | cut -c1-64)" ../got &&
		( cd ../linked && test_expect_code 137 env DEEPOPS_KILL_AT=run-end-spooled \
			git-deepops run --no-data --title gone -o out.txt -- sh -c "echo x >out.txt" ) &&
		git worktree remove --force ../linked && echo again >out.txt &&
		git deepops recover 2>../err &&
		test_grep "output out.txt went with the work tree" ../err &&
		git deepops show --raw $(git deepops runs --where title=gone --csv --columns run | sed 1d) >../got &&
		test_grep "\"exit\":0" ../got && test_grep ! "\"blob\"" ../got &&
		rm out.txt
	)
'

test_expect_success 'a spool that is damaged is named with the way out of it' '
	(
		cd repo &&
		test_expect_code 137 env DEEPOPS_KILL_AT=run-end-spooled git-deepops run --no-data -- true &&
		echo x >.git/deepops/spool/$(ls .git/deepops/spool)/record.json &&
		test_expect_code 128 git deepops recover 2>../err &&
		test_grep "fatal: run [0-9a-f]*: record:" ../err &&
		test_grep "hint: to give it up: rm -r" ../err &&
		git deepops run --no-data -- true &&
		eval "$(sed -n "s/.*give it up: //p" ../err)" &&
		git deepops recover 2>../err && test_grep "nothing to recover" ../err &&
		git for-each-ref refs/deepops/spool >../got && test_must_be_empty ../got
	)
'

test_expect_success 'git gc does not take what a run still needs' '
	(
		cd repo &&
		echo only here >captured &&
		test_expect_code 137 env DEEPOPS_KILL_AT=run-end-spooled \
			git-deepops run --no-data --title gc -- true &&
		rm captured &&
		git gc -q --prune=now &&
		git deepops recover >../got && test_grep "recorded" ../got &&
		ref=$(git for-each-ref --format="%(refname)" refs/deepops/log) &&
		git cat-file blob "$ref:code/captured" >../got &&
		echo only here >../want && test_cmp ../want ../got
	)
'

test_expect_success 'a run that goes on is named and left alone' '
	(
		cd repo &&
		( exec git-deepops run --no-data -- sh -c "echo >../up; exec sleep 30" >/dev/null 2>&1 ) &
		pid=$!
		tries=0
		until test -s up; do tries=$((tries + 1)); test $tries -lt 200 || return 1; sleep 0.05; done
		cd repo &&
		git deepops recover >../got 2>../err &&
		test_grep "its supervisor still runs" ../err &&
		kill -9 $pid && { wait $pid; :; } &&
		git deepops recover >../got 2>../err &&
		test_grep "its command still runs as process" ../err &&
		child=$(sed -n "s/.*as process \([0-9]*\).*/\1/p" ../err) &&
		kill $child && sleep 0.1 &&
		git deepops recover >../got &&
		test_grep "recorded, its end is not known" ../got
	)
'

test_done
