#!/bin/sh
test_description='results that are not what they seem, and commits that nobody judged'
. "${0%/*}/test-lib.sh"
. "$TESTS_DIR/lib-policy.sh"

reset () {
	git -C work checkout -q -f main && git -C work fetch -q &&
	git -C work reset -q --hard origin/main && git -C work clean -q -fd
}

# commit_tree MESSAGE: commit what stands in work's index.
commit_index () {
	(cd work && test_tick && git commit -q -m "$1")
}

# A tree whose entries have modes that git's commands would not write: raw_commit MODE BLOB NAME
raw_commit () {
	(
		cd work &&
		tree=$(
			{
				git ls-tree HEAD | grep -v "	$3\$"
				printf "%s blob %s\t%s\n" "$1" "$2" "$3"
			} | "$TEST_PYTHON" -c "
import hashlib, subprocess, sys
rows = []
for line in sys.stdin:
    head, name = line.rstrip(\"\n\").split(\"\t\")
    mode, kind, oid = head.split()
    rows.append((name + (\"/\" if kind == \"tree\" else \"\"), name, mode.lstrip(\"0\"), oid))
rows.sort()
raw = b\"\".join(m.encode() + b\" \" + n.encode() + b\"\0\" + bytes.fromhex(o) for _, n, m, o in rows)
p = subprocess.run([\"git\", \"hash-object\", \"--literally\", \"-t\", \"tree\", \"-w\", \"--stdin\"], input=raw, stdout=-1, check=True)
print(p.stdout.decode().strip())
") &&
		test_tick &&
		git update-ref HEAD "$(git commit-tree -p HEAD -m raw "$tree")"
	)
}

test_expect_success 'a server and a clone with results' '
	cat >floor <<-\END &&
	[rule "main"]
		ref = refs/heads/main
		ref = refs/heads/release/*
		mode = enforce
		results = /metrics.json
		results = models/*/m.json
		results = *.deepops
		results = deep/**/x.json
		exempt = models/tmp
	END
	policy_server srv.git floor &&
	policy_clone srv.git work &&
	policy_push work main &&
	# What this run writes is the name of a file, as the target of a link would be.
	(
		cd work && echo 1 >seed && git commit -q --allow-empty -m link &&
		git deepops run -i in.txt -o name.txt -- sh -c "printf other.json >name.txt" &&
		rm name.txt
	) &&
	policy_run work 5 &&
	policy_push work main
'

test_expect_success 'a symbolic link is no result, whatever a run has written' '
	echo "{\"acc\": 0.99}" >work/other.json &&
	rm work/metrics.json && ln -s other.json work/metrics.json &&
	policy_commit work link &&
	policy_refused work E-EXEC-NORECORD main &&
	test_grep "metrics.json is a symbolic link" work.said &&
	reset
'

test_expect_success 'turning a result into a link is a change, though the bytes are the same' '
	printf other.json >work/metrics.json && policy_commit work "the name as a result" &&
	policy_push work main &&
	echo "{\"acc\": 0.99}" >work/other.json && rm work/metrics.json && ln -s other.json work/metrics.json &&
	policy_commit work "the name as a link" &&
	policy_refused work E-EXEC-NORECORD main &&
	reset &&
	chmod +x work/metrics.json && policy_commit work "executable" &&
	policy_push work main
'

test_expect_success 'nor in the guise of another mode' '
	blob=$(git -C work rev-parse HEAD:metrics.json) &&
	for mode in 120755 160755; do
		raw_commit $mode $blob metrics.json &&
		test_must_fail git -C work push --no-verify origin main >work.said 2>&1 || return 1
		test_grep -E "E-EXEC-NORECORD|did not receive|remote unpack failed" work.said &&
		reset || return 1
	done
'

test_expect_success 'a submodule is no result' '
	commit=$(git -C work rev-parse HEAD) &&
	git -C work rm -q --cached metrics.json &&
	git -C work update-index --add --cacheinfo 160000,$commit,metrics.json &&
	commit_index module &&
	policy_refused work E-EXEC-NORECORD main &&
	test_grep "metrics.json is a submodule" work.said &&
	reset
'

test_expect_success 'a link or submodule where results would stand hides them' '
	mkdir -p work/elsewhere/a && echo fake >work/elsewhere/a/m.json &&
	ln -s elsewhere work/models && policy_commit work "link to the models" &&
	policy_refused work E-EXEC-NORECORD main &&
	test_grep "models is a symbolic link" work.said &&
	reset &&
	mkdir -p work/elsewhere/a work/models && echo fake >work/elsewhere/a/m.json &&
	ln -s ../elsewhere/a work/models/a && policy_commit work "link to a model" &&
	policy_refused work E-EXEC-NORECORD main &&
	test_grep "models/a is a symbolic link" work.said &&
	reset &&
	git -C work update-index --add --cacheinfo 160000,$commit,models && commit_index module &&
	policy_refused work E-EXEC-NORECORD main &&
	test_grep "models is a submodule" work.said &&
	reset &&
	mkdir -p work/models/a work/docs && ln -s a work/models/tmp && ln -s ../docs work/docs/self &&
	ln -s /mnt/data work/data && ln -s in.txt work/models/a/notes && policy_commit work "harmless links" &&
	policy_push work main
'

test_expect_success 'renamed, moved, or in another case: what matches is a result' '
	git -C work mv metrics.json kept.txt && commit_index moved &&
	policy_push work main &&
	echo "{\"acc\": 0.97}" >work/kept.txt && git -C work add kept.txt &&
	git -C work mv kept.txt metrics.json && commit_index "moved back" &&
	policy_refused work E-EXEC-NORECORD main &&
	reset &&
	mkdir -p work/models/x && echo fake >work/models/x/m.json && policy_commit work nested &&
	policy_refused work E-EXEC-NORECORD main &&
	reset
'

test_expect_success 'two entries of one name: each is looked at' '
	good=$(git -C work rev-parse HEAD:kept.txt) && bad=$(echo fake | git -C work hash-object -w --stdin) &&
	raw_commit 100644 $good metrics.json &&
	(
		cd work && tree=$({ git ls-tree HEAD; printf "100644 blob %s\tmetrics.json\n" $bad; } |
			sort -k4 | git mktree) &&
		git update-ref HEAD $(git commit-tree -p HEAD -m twice $tree)
	) &&
	test_must_fail git -C work push --no-verify origin main >work.said 2>&1 &&
	test_grep "E-EXEC-NORECORD" work.said &&
	reset
'

test_expect_success 'a pointer is covered by the dataset it stands for, not by its bytes' '
	(
		cd work && mkdir -p d && echo one >d/1 && git deepops track d && git add -A && git reset -q &&
		mkdir -p e && echo two >e/1 && git deepops track e && cat e.deepops >../e.pointer &&
		git rm -q --cached -f e.deepops 2>/dev/null; rm -rf e e.deepops d d.deepops
		git checkout -q .
	) &&
	blob=$(git -C work hash-object -w ../e.pointer) &&
	policy_forge work 00000000000000aa "s/\"blob\":\"[0-9a-f]*\"/\"blob\":\"$blob\"/" &&
	cp e.pointer work/e.deepops && git -C work add -f e.deepops && commit_index pointer &&
	test_must_fail git -C work push --no-verify origin refs/deepops/log/00000000000000aa main >work.said 2>&1 &&
	test_grep -F "[E-DATA-INCOMPLETE]" work.said &&
	test_grep "the data of e.deepops is not on the remote" work.said &&
	git -C work deepops push --data-only &&
	test_must_fail git -C work push --no-verify origin refs/deepops/log/00000000000000aa main >work.said 2>&1 &&
	test_grep -F "[E-EXEC-NORECORD]" work.said &&
	test_grep "e.deepops was changed" work.said &&
	git -C work update-ref -d refs/deepops/log/00000000000000aa && reset
'

n=0
# On main a result was there for a while, and then right again: with tip only the end was judged.
for require in tip first-parent every; do
	test_expect_success "a commit inside judged history is not a judged one ($require)" '
		printf "\trequire = %s\n" tip >line && cat floor line >floor2 &&
		git deepops server install --policy floor2 srv.git >out &&
		n=$((n + 1)) && policy_run work 6$n && policy_push work main &&
		git -C work branch -f early &&
		good=$(cat work/metrics.json) &&
		(
			cd work && git checkout -q -b side &&
			echo "{\"acc\": 1.$n}" >metrics.json && test_tick && git commit -q -am "for a while" &&
			git branch -f inner && echo "$good" >metrics.json &&
			test_tick && git commit -q -am "right again" &&
			git checkout -q main && test_commit m-$require && git merge -q --no-ff -m merge side &&
			git branch -q -D side
		) &&
		policy_push work early:refs/heads/release/$require &&
		policy_push work main &&
		printf "\trequire = %s\n" $require >line && cat floor line >floor2 &&
		git deepops server install --policy floor2 srv.git >out &&
		# A new ref there, a ref that moves there, and one that grows from there.
		policy_refused work E-EXEC-NORECORD inner:refs/heads/release/new &&
		test_grep "metrics.json was changed" work.said &&
		policy_refused work E-EXEC-NORECORD inner:refs/heads/release/$require &&
		(
			cd work && git checkout -q -b grown inner && test_commit grown-$require &&
			git checkout -q main
		) &&
		policy_refused work E-EXEC-NORECORD grown:refs/heads/release/new &&
		# What was judged once is judged still.
		policy_push work main:refs/heads/release/a$require early:refs/heads/release/b$require &&
		policy_push work main:refs/heads/release/$require &&
		git -C work branch -q -D grown inner early && reset
	'
done

test_expect_success 'a branch that the server knows by another name' '
	git -C srv.git symbolic-ref refs/heads/trunk refs/heads/main &&
	echo "{\"acc\": 0.95}" >work/metrics.json && policy_commit work "by another name" &&
	policy_refused work E-EXEC-NORECORD main:refs/heads/trunk &&
	test_grep "push to refs/heads/main refused" work.said &&
	policy_refused work E-REF-DELETE :refs/heads/trunk &&
	sed "s,main\$,trunk," floor >floor2 && git deepops server install --policy floor2 srv.git >out &&
	policy_refused work E-EXEC-NORECORD main:refs/heads/trunk &&
	test_grep "push to refs/heads/trunk refused" work.said &&
	git deepops server install --policy floor srv.git >out &&
	reset &&
	(cd work && test_commit harmless) &&
	policy_push work main:refs/heads/trunk &&
	test "$(git -C srv.git rev-parse main)" = "$(git -C work rev-parse main)" &&
	git -C srv.git symbolic-ref HEAD refs/heads/trunk &&
	mkdir -p work/.deepops && printf "[rule \"x\"]\n\tref = refs/heads/topic\n\tmode = enforce\n\tresults = r\n" >work/.deepops/policy &&
	policy_commit work "a policy" && policy_push work main &&
	echo x >work/r && policy_commit work "a result" &&
	policy_refused work E-EXEC-NORECORD main:refs/heads/topic &&
	# A detached HEAD names no branch, so there is only the floor.
	git -C srv.git update-ref --no-deref HEAD "$(git -C srv.git rev-parse main)" &&
	policy_push work main:refs/heads/topic &&
	echo "{\"acc\": 0.9}" >work/metrics.json && policy_commit work fake &&
	policy_refused work E-EXEC-NORECORD main &&
	git -C srv.git symbolic-ref HEAD refs/heads/main &&
	git -C srv.git symbolic-ref -d refs/heads/trunk && reset
'

test_expect_success 'a run that declares no data has none, whatever else could be read' '
	(
		cd work && mkdir -p data2 && echo one >data2/1 && git deepops track data2 && git add -A &&
		test_tick && git commit -q -m dataset &&
		git deepops run --no-data -m metrics.json -- sh -c "echo 1 >metrics.json" &&
		git add -A && git commit -q -m "from nothing"
	) &&
	policy_refused work E-DATA-NONE main &&
	reset
'

test_done
