#!/bin/sh
test_description='what a rule asks beyond the level: gates, the same code, data; and the note that says so'
. "${0%/*}/test-lib.sh"
. "$TESTS_DIR/lib-policy.sh"

reset () {
	git -C work checkout -q -f main && git -C work fetch -q &&
	git -C work reset -q --hard origin/main && git -C work clean -q -fdx &&
	: >work/.git/info/exclude
}

# train VALUE [FILE...]: a run that writes metrics.json with this val_acc, and other outputs.
train () {
	# shellcheck disable=SC2086 # options are words
	value=$1 n=$(wc -l <runs) && shift && options= &&
	for file; do options="$options -o $file"; done &&
	(cd work && git deepops run -i in.txt $options -m metrics.json -- sh write.sh "$value" "$n" "$@") &&
	echo x >>runs
}

: >runs

test_expect_success 'a server with a gate' '
	policy_floor >floor &&
	policy_server srv.git floor &&
	policy_clone srv.git work &&
	cat >work/write.sh <<-\END &&
	echo "{\"val_acc\": $1, \"nr\": $2}" >metrics.json
	shift
	for file; do case $file in *.sh) touch $file ;; *.*) echo "{\"val_acc\": 0.99, \"nr\": $1}" >>$file ;; esac; done
	END
	policy_commit work "a script" && policy_push work main
'

test_expect_success 'a gate holds exactly at its border' '
	policy_rule "metric = val_acc >= 0.90" &&
	train 0.90 && policy_commit work "at the border" && policy_push work main &&
	train 0.8999999999 && policy_commit work "below" && policy_refused work E-EXEC-METRIC main &&
	test_grep "it is 0.8999999999" work.said && reset &&
	policy_rule "metric = val_acc > 0.90" &&
	train 0.90 && policy_commit work "not above" && policy_refused work E-EXEC-METRIC main && reset &&
	policy_rule "metric = val_acc <= 0.90" &&
	train 0.90 && policy_commit work "at the border" && policy_push work main &&
	policy_rule "metric = val_acc < 0.90" &&
	train 0.90 && policy_commit work "not below" && policy_refused work E-EXEC-METRIC main && reset
'

test_expect_success 'a gate reads the file that is the result, not one that is thrown away' '
	policy_rule "metric = val_acc >= 0.9" "results = model.npz.deepops" &&
	train 0.5 zz.json model.npz && rm -f work/zz.json &&
	policy_forge work 00000000000000aa "s/\(\"final\":\[{\"name\":\"nr\",\"value\":\"[^\"]*\"},{\"name\":\"val_acc\",\"value\":\"\)[^\"]*/\10.99/" &&
	git -C work deepops track model.npz && policy_commit work "thrown away" &&
	policy_refused work E-EXEC-METRIC main refs/deepops/log/00000000000000aa &&
	test_grep "it is 0.5" work.said &&
	# Nor of a model whose metrics are not committed.
	git -C work checkout -q HEAD~1 -- metrics.json && policy_commit work "only the model" &&
	policy_refused work E-EXEC-METRIC main && test_grep "no result in the commit has it" work.said && reset &&
	git -C work update-ref -d refs/deepops/log/00000000000000aa &&
	train 0.95 model.npz && git -C work deepops track model.npz &&
	policy_commit work "both" && policy_push work main
'

test_expect_success 'a script, an empty file, and what only git reads are no data' '
	policy_rule "level = R1" && >work/empty && policy_commit work empty && policy_push work main &&
	for i in write.sh empty .gitattributes; do
		(cd work && git deepops run -i $i -m metrics.json -- sh write.sh 0.1 1) &&
		policy_commit work "no data" && policy_refused work E-DATA-NONE main && reset || return 1
	done &&
	(cd work && git deepops run --no-data -m metrics.json -- sh write.sh 0.1 2) &&
	policy_commit work "no data" && policy_refused work E-DATA-NONE main &&
	policy_rule "level = R1" "noData = allow" && policy_push work main
'

test_expect_success 'match = tree: lines that git-deepops writes are no code' '
	policy_rule "match = tree" "results = model.npz.deepops" &&
	train 0.7 model.npz zz.json && git -C work deepops track model.npz &&
	policy_commit work "as every user does" && policy_push work main &&
	policy_settle srv.git && git -C work deepops pull -q && git -C work log -1 >log &&
	test_grep "code=clean" log
'

test_expect_success 'match = tree: other lines, and other code, are' '
	train 0.71 model.npz zz.json && echo "*.log" >>work/.gitignore && git -C work deepops track model.npz &&
	policy_commit work "one more line" && policy_refused work E-CODE-STALE main &&
	test_grep ".gitignore differs" work.said && reset &&
	train 0.72 model.npz zz.json && echo "echo other" >>work/write.sh && git -C work deepops track model.npz &&
	policy_commit work "other code" && policy_refused work E-CODE-STALE main && test_grep "write.sh differs" work.said && reset
'

test_expect_success 'match = tree: an output is left out as far as the commit has it as recorded' '
	train 0.73 extra.json && echo "{}" >work/extra.json && policy_commit work "another output" &&
	policy_refused work E-CODE-STALE main && test_grep "extra.json differs" work.said && reset
'

test_expect_success 'match = tree: a program that ran is code, though it is called an output' '
	cp work/write.sh honest && echo "echo cheat" >>work/write.sh &&
	train 0.74 write.sh && cp honest work/write.sh && policy_commit work "honest looks" &&
	policy_refused work E-CODE-STALE main && test_grep "write.sh ran with other" work.said && reset
'

test_expect_success 'match = tree: a submodule is compared by what it held' '
	git init -q lib && (cd lib && test_commit l) &&
	(cd work && git -c protocol.file.allow=always submodule --quiet add "$TRASH/lib" lib) &&
	policy_commit work "a submodule" && policy_push work main &&
	echo dirty >work/lib/l.t && echo "# other code" >>work/write.sh &&
	train 0.75 model.npz zz.json && git -C work deepops track model.npz && git -C work/lib checkout -q . &&
	policy_commit work "not what ran" && policy_refused work E-CODE-STALE main &&
	test_grep "submodule lib had changes" work.said && reset &&
	echo dirty >work/lib/l.t && train 0.76 model.npz zz.json && git -C work deepops track model.npz &&
	git -C work/lib commit -q -a -m "what ran" && policy_commit work "with the library as it ran" &&
	policy_refused work E-CODE-STALE main && # the commit of the submodule is not here
	git -C srv.git fetch -q "$TRASH/work/lib" HEAD && git -C work fetch -q "$TRASH/work/lib" HEAD &&
	policy_push work main
'

test_expect_success 'results of several runs in one commit are of the code that is there' '
	policy_rule &&
	for i in 1 2 3; do
		(cd work && git deepops run -i in.txt -m r$i.json -- sh -c "echo {\\\"a\\\": $i} >r$i.json") || return 1
	done &&
	policy_commit work "a sweep" && policy_push work main && policy_settle srv.git &&
	git -C work deepops pull -q && git -C work log -1 >log &&
	test "$(grep -c "code=clean" log)" = 3 && test_grep ! stale log
'

test_expect_success 'lint says which keys have no effect' '
	printf "[rule \"x\"]\n\tref = refs/heads/x\n\tmode = warn\n\tmetric = a > 1\n\tmatch = tree\n" >p &&
	test_must_fail git deepops policy lint p >out &&
	test_grep "metric has no effect without results" out && test_grep "match has no effect" out
'

test_done
