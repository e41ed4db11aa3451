#!/bin/sh
test_description='one output, row or clean-up step that goes wrong never costs the record'
. "${0%/*}/test-lib.sh"

# The raw record of the last run.
last () {
	git-deepops runs -n 1 --csv --columns run | sed 1d
}

test_expect_success 'set up' '
	git init repo && mkdir scratch &&
	(
		cd repo &&
		test_commit one &&
		ln -s ../scratch ckpt && ln -s one.t in-link && mkdir real && ln -s real inside &&
		echo "{}" >real/p.json &&
		git add -A && git commit -q -m links
	)
'

test_expect_success 'what lies behind a link is refused before the command starts, and the link named' '
	(
		cd repo &&
		for args in "-o ckpt" "-o ckpt/model.bin" "-m ckpt/m.json" "-i in-link" "-p inside/p.json" "-i ckpt/x"
		do
			test_expect_code 128 git-deepops run $args -- sh -c "echo >../started" 2>../err &&
			test_grep "is a symbolic link" ../err &&
			test_grep "^hint: " ../err || { echo "$args"; cat ../err; return 1; }
		done &&
		test_path_is_missing ../started &&
		test_expect_code 128 git-deepops run --no-data -o inside/x.bin -- true 2>../err &&
		test_grep "hint: name what it stands for: -o .real/x.bin. (from" ../err
	)
'

# Each command leaves something at `bad` that cannot be kept, beside a good output and a metric.
for kind in fifo link linkdir socket nodir
do
	case $kind in
	fifo) make="mkfifo bad" ;;
	link) make="ln -s /nowhere bad" ;;
	linkdir) make="rm -rf d; ln -s ../scratch d; echo w >d/bad" ;;
	socket) make="python3 -c \"import socket; socket.socket(socket.AF_UNIX).bind(\\\"bad\\\")\"" ;;
	nodir) make="rm -rf d; echo file >d" ;;
	esac
	out=bad
	case $kind in linkdir | nodir) out=d/bad ;; esac
	export kind make out
	test_expect_success "an output that cannot be kept ($kind): the rest is recorded" '
		(
			cd repo && rm -rf bad d good.txt && mkdir d &&
			git-deepops run --no-data -o $out -o good.txt -- \
				sh -c "$make; echo good >good.txt; echo \"{\\\"loss\\\": 3}\" >>\$DEEPOPS_METRICS" 2>../err &&
			git-deepops show --raw $(last) >../got &&
			test_grep "\"path\":\"$out\",\"role\":\"output\"}" ../got &&
			test_grep "sha256:$(echo good | sha256sum | cut -c1-64)" ../got &&
			test_grep "{\"name\":\"loss\",\"value\":\"3\"}" ../got &&
			if test $kind != nodir
			then
				test_grep "\"notices\":\\[\"output $out is " ../got
			else
				test_grep "output d/bad was not written" ../err
			fi &&
			{ ls .git/deepops/spool >../got 2>/dev/null; test_must_be_empty ../got; } &&
			rm -rf bad d
		)
	'
done

test_expect_success 'a file and a directory that nobody may read' '
	(
		cd repo &&
		test_unprivileged git-deepops run --no-data -o f -o d -o good.txt -- \
			sh -c "echo 1 >f; chmod 0 f; mkdir d d/x; chmod 0 d/x; echo good >good.txt" &&
		git-deepops show --raw $(last) >../got && chmod -R u+rwx f d && rm -rf f d &&
		test_grep "output d is not recorded: .*output f is not recorded: .*Permission denied" ../got &&
		test_grep "sha256:$(echo good | sha256sum | cut -c1-64)" ../got
	)
'

test_expect_success 'a clean filter that fails costs the id of its file alone' '
	(
		cd repo &&
		git config filter.broken.clean false && git config filter.broken.required true &&
		echo "*.brk filter=broken" >.git/info/attributes &&
		git-deepops run --no-data -o a.brk -o b.txt -- sh -c "echo 1 >a.brk; echo 2 >b.txt" &&
		git-deepops show --raw $(last) >../got &&
		test_grep "{\"blob\":\"$(echo 2 | git hash-object --stdin)\",\"bytes\":2,\"files\":1,\"id\":\"[^\"]*\",\"path\":\"b.txt\"" ../got &&
		test_grep "{\"bytes\":2,\"files\":1,\"id\":\"[^\"]*\",\"path\":\"a.brk\"" ../got &&
		test_grep "git.s id of output a.brk is not known" ../got &&
		rm .git/info/attributes a.brk b.txt
	)
'

test_expect_success '$DEEPOPS_METRICS beyond what is read at once: last values, and the whole in the store' '
	(
		cd repo &&
		git-deepops run --no-data -- sh -c "
			awk \"BEGIN { for (i = 1; i <= 400000; i++) printf \\\"{\\\\\\\"step\\\\\\\": %d, \\\\\\\"loss\\\\\\\": %d.5, \\\\\\\"acc\\\\\\\": 0.25}\\n\\\", i, 400000 - i }\" >\$DEEPOPS_METRICS" 2>../err &&
		git-deepops show --raw $(last) >../got &&
		test_grep "{\"name\":\"loss\",\"value\":\"0.5\"}" ../got &&
		test_grep "{\"name\":\"step\",\"value\":\"400000\"}" ../got &&
		git cat-file -p refs/deepops/log/$(cat .git/deepops/writer):metrics.jsonl.deepops >../got &&
		test_grep "bytes = 1[0-9]*" ../got
	)
'

test_expect_success 'something else at $DEEPOPS_METRICS' '
	(
		cd repo &&
		git-deepops run --no-data -- sh -c "mkfifo \$DEEPOPS_METRICS" &&
		git-deepops show --raw $(last) >../got && test_grep "DEEPOPS_METRICS: no regular file" ../got &&
		git-deepops run --no-data -- sh -c "mkdir \$DEEPOPS_METRICS" &&
		git-deepops show --raw $(last) >../got && test_grep "DEEPOPS_METRICS: no regular file" ../got
	)
'

test_expect_success 'the command replaces its own repository: what it made is recorded' '
	(
		cd repo &&
		test_expect_code 3 git-deepops run --no-data -o good.txt -- sh -c "
			echo better >good.txt; mv .git/index .git/index.away; mkdir .git/index; exit 3" 2>../err &&
		rmdir .git/index && mv .git/index.away .git/index &&
		git-deepops show --raw $(last) >../got &&
		test_grep "sha256:$(echo better | sha256sum | cut -c1-64)" ../got &&
		test_grep "which outputs are tracked is not known" ../got
	)
'

test_expect_success 'recover without a known end: metrics so far and the outputs that are there' '
	(
		cd repo && rm -f good.txt &&
		test_expect_code 137 env DEEPOPS_KILL_AT=run-ended \
			git-deepops run --no-data -o good.txt -o none.txt -- sh -c "
				echo so far >good.txt; echo \"{\\\"loss\\\": 7}\" >>\$DEEPOPS_METRICS" &&
		git-deepops recover >../out 2>../err && test_grep "its end is not known" ../out &&
		git-deepops show --raw $(last) >../got &&
		test_grep "sha256:$(echo so far | sha256sum | cut -c1-64)" ../got &&
		test_grep "{\"name\":\"loss\",\"value\":\"7\"}" ../got &&
		test_grep "output good.txt is as recover found it" ../got &&
		test_grep ! "\"exit\"" ../got
	)
'

test_expect_success 'recover of a run with an output that cannot be kept ends in a record' '
	(
		cd repo && rm -rf bad &&
		test_expect_code 137 env DEEPOPS_KILL_AT=run-end-spooled \
			git-deepops run --no-data -o bad -- sh -c "mkfifo bad" &&
		git-deepops recover >../out && test_grep "recorded, exit 0" ../out &&
		git-deepops show --raw $(last) >../got && test_grep "output bad is not recorded" ../got &&
		git-deepops recover 2>../err && test_grep "nothing to recover" ../err && rm bad
	)
'

test_expect_success 'typos are found before the command starts' '
	(
		cd repo &&
		for args in "-m m.json:tol=0.1" "-o out:abs0.1" "-o out:rel=1%" "-o out:abs=-1" "-o out:ignored" "-m m.txt" "-m m.yaml"
		do
			test_expect_code 129 git-deepops run --no-data $args -- sh -c "echo >../started" 2>../err || return 1
		done &&
		test_path_is_missing ../started &&
		git-deepops run --no-data -o a:b:bitwise -- sh -c "echo 1 >a:b" && rm a:b
	)
'

test_expect_success 'what lay where an output goes is pinned where HEAD has something else, and a rerun begins with it' '
	(
		cd repo && rm -f good.txt a.brk b.txt && git status --porcelain >../got && test_must_be_empty ../got &&
		echo "print 1" >nb.txt && echo clean >clean.txt && echo x >run.sh &&
		git add nb.txt clean.txt run.sh && git commit -q -m nb &&
		echo "print 2" >nb.txt && echo 5 >ck.txt && mkdir res && echo old >res/old &&
		git-deepops run --no-data -o nb.txt -o ck.txt -o res -o clean.txt -- sh -c "
			cat nb.txt ck.txt >all && cp all nb.txt && cp all ck.txt && cp all res/new && rm all && echo 2 >clean.txt" &&
		git-deepops show --raw $(last) >../got &&
		test_grep "{\"bytes\":8,\"files\":1,\"id\":\"sha256:$(echo print 2 | sha256sum | cut -c1-64)\",\"path\":\"nb.txt\",\"role\":\"before\"}" ../got &&
		test_grep "\"path\":\"ck.txt\",\"role\":\"before\"" ../got &&
		test_grep "\"path\":\"res\",\"role\":\"before\"" ../got &&
		test_grep ! "\"path\":\"clean.txt\",\"role\":\"before\"" ../got &&
		test_grep ! "\"dirty\"" ../got &&
		git-deepops rerun --exit-code $(last) >../out && test_grep "verdict: identical" ../out &&
		git checkout -q . && rm -rf res ck.txt
	)
'

test_expect_success 'so is a file whose change git was told not to see, and a tracked dataset' '
	(
		cd repo && mkdir d && echo 1 >d/a && git-deepops track d && git add -A && git commit -q -m d &&
		echo 2 >>d/a && git update-index --assume-unchanged nb.txt && echo "print 3" >nb.txt &&
		git-deepops run --no-data -o nb.txt -o d -- sh -c "cat nb.txt >>d/a; echo 4 >nb.txt" &&
		git-deepops show --raw $(last) >../got &&
		test_grep "\"path\":\"nb.txt\",\"role\":\"before\"" ../got &&
		test_grep "\"path\":\"d\",\"role\":\"before\"" ../got &&
		git-deepops rerun --exit-code $(last) >../out && test_grep "verdict: identical" ../out &&
		git update-index --no-assume-unchanged nb.txt && git checkout -q .
	)
'

test_done
