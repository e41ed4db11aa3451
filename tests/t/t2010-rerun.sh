#!/bin/sh
test_description='git deepops rerun: bring a run back and compare'
. "${0%/*}/test-lib.sh"

newest () {
	git deepops runs --csv --columns run -n 1 --where "kind=${1-run}" | sed -n 2p
}

test_expect_success 'set up' '
	git init repo &&
	(
		cd repo &&
		cat >train.sh <<-\END &&
		sum=$(cat data.csv | wc -l)
		printf "{\"rows\": %d, \"acc\": 0.5}\n" "$sum" >metrics.json
		printf "model %s %s" "$sum" "$1" >model.bin
		END
		echo *.bin >.gitignore && echo metrics.json >>.gitignore && echo data.csv >>.gitignore &&
		seq 1 100 >data.csv &&
		git add train.sh .gitignore && test_tick && git commit -qm one &&
		git deepops run -i data.csv -o model.bin -m metrics.json -- sh train.sh lr=1
	)
'

test_expect_success 'the same again is identical, byte by byte' '
	(
		cd repo &&
		git deepops rerun --exit-code $(newest) >../out &&
		tail -n 1 ../out >../got && echo "verdict: identical" >../want && test_cmp ../want ../got &&
		test_grep "^metrics.json: identical" ../out &&
		test_grep "^model.bin: identical" ../out &&
		git deepops show $(newest rerun) >../got &&
		test_grep "^verdict *identical" ../got
	)
'

test_expect_success 'dirty code, changed since: what ran is what comes back' '
	(
		cd repo &&
		echo "printf dirty >model.bin" >>train.sh &&
		git deepops run -i data.csv -o model.bin -m metrics.json --title dirty -- sh train.sh lr=1 &&
		git checkout -q train.sh && echo other >data.csv && rm -f model.bin metrics.json &&
		git deepops rerun --exit-code $(newest) >../out &&
		test_grep "^verdict: identical" ../out &&
		test_path_is_missing model.bin &&
		echo other >../want && test_cmp ../want data.csv &&
		git status --porcelain >../got && test_must_be_empty ../got &&
		seq 1 100 >data.csv
	)
'

test_expect_success 'an output that differs is named, --exit-code says 1' '
	(
		cd repo &&
		git deepops run --no-data -o out.txt -- sh -c "od -An -N16 -tx1 /dev/urandom >out.txt" &&
		run=$(newest) &&
		test_expect_code 1 git deepops rerun --exit-code $run >../out &&
		test_grep "^out.txt: different: sha256" ../out &&
		tail -n 1 ../out >../got && echo "verdict: different" >../want && test_cmp ../want ../got &&
		git deepops rerun $run >../out &&
		test_grep "^verdict: different" ../out
	)
'

test_expect_success 'tolerances declared before: abs, rel, ignore' '
	(
		cd repo &&
		echo 0 >../step &&
		git deepops run --no-data -o a.json:abs=0.5 -o b.csv:rel=0.1 -o c.txt:ignore -- sh -c "
			n=\$(cat $TRASH/step)
			echo \"{\\\"loss\\\": 1.\$n, \\\"name\\\": \\\"x\\\"}\" >a.json
			echo \"loss,10\$n\" >b.csv
			echo \$n >c.txt" &&
		run=$(newest) &&
		echo 4 >../step &&
		git deepops rerun --exit-code $run >../out &&
		test_grep "^a.json: within-tolerance" ../out &&
		test_grep "^b.csv: within-tolerance" ../out &&
		test_grep ! "^c.txt" ../out &&
		tail -n 1 ../out >../got && echo "verdict: within-tolerance" >../want && test_cmp ../want ../got &&
		echo 9 >../step &&
		test_expect_code 1 git deepops rerun --exit-code $run >../out &&
		test_grep "^a.json: different: 1.9, was 1.0" ../out
	)
'

test_expect_success 'the exit code of the command is the exit code, another end is another result' '
	(
		cd repo &&
		test_expect_code 4 git deepops run --no-data -- sh -c "exit 4" &&
		test_expect_code 4 git deepops rerun $(newest) >../out &&
		test_grep "^verdict: not-comparable" ../out &&
		echo 0 >../step &&
		git deepops run --no-data -- sh -c "exit \$(cat $TRASH/step)" &&
		echo 6 >../step &&
		test_expect_code 6 git deepops rerun $(newest) >../out &&
		test_grep "^(exit): different" ../out
	)
'

test_expect_success 'parameters and recorded environment come back' '
	(
		cd repo &&
		OMP_NUM_THREADS=3 git deepops run --no-data -S lr=0.1 -o env.txt -- \
			sh -c "cat \$DEEPOPS_PARAMS; echo \$OMP_NUM_THREADS >env.txt" >../want &&
		OMP_NUM_THREADS=1 git deepops rerun --exit-code $(newest) >../out &&
		head -n 1 ../out >../got && test_cmp ../want ../got &&
		test_grep "^verdict: identical" ../out
	)
'

test_expect_success 'submodules and nested repositories are part of the code' '
	git init sub && ( cd sub && test_commit inner ) &&
	(
		cd repo &&
		git submodule --quiet add ../sub mod && test_tick && git commit -qm sub &&
		echo changed >>mod/inner.t &&
		git deepops run --no-data -o out.txt -- sh -c "cat mod/inner.t >out.txt" &&
		git -C mod checkout -q inner.t &&
		git deepops rerun --exit-code $(newest) >../out &&
		test_grep "^verdict: identical" ../out
	)
'

test_expect_success 'large untracked files come back from the store' '
	(
		cd repo &&
		git config deepops.snapshotLimit 10k &&
		test_bytes 50000 1 >large.dat &&
		git deepops run --no-data -o out.txt -- sh -c "cksum large.dat >out.txt" &&
		ref=$(git for-each-ref --format="%(refname)" refs/deepops/log) &&
		test_must_fail git rev-parse -q --verify "$ref:code/large.dat" &&
		rm large.dat &&
		git deepops rerun --exit-code $(newest) >../out &&
		test_grep "^verdict: identical" ../out
	)
'

test_expect_success 'the fresh directory goes, or stays with --keep' '
	(
		cd repo &&
		mkdir ../tmp &&
		TMPDIR=$TRASH/tmp git deepops rerun $(newest) &&
		ls ../tmp >../got && test_must_be_empty ../got &&
		TMPDIR=$TRASH/tmp git deepops rerun --keep $(newest) 2>../err &&
		dir=$(sed -n "s/^kept: //p" ../err) &&
		test_path_is_file "$dir/out.txt" &&
		git -C "$dir" rev-parse HEAD >../got &&
		git rev-parse HEAD >../want && test_cmp ../want ../got
	)
'

test_expect_success 'interrupted before the command begins, it removes its directory' '
	mkdir bin interrupted &&
	cat >bin/git <<-END &&
	#!/bin/sh
	case " \$* " in
	*" checkout-index "*) kill -TERM \$PPID ;;
	esac
	exec "$(command -v git)" "\$@"
	END
	chmod +x bin/git &&
	(
		cd repo &&
		run=$(newest) &&
		TMPDIR="$TRASH/interrupted" && PATH="$TRASH/bin:$PATH" && export TMPDIR PATH &&
		test_expect_code 143 git-deepops rerun $run >../out 2>../err
	) &&
	ls -A interrupted >left &&
	test_must_be_empty left &&
	test_must_be_empty out
'

test_expect_success 'what is no run is refused' '
	(
		cd repo &&
		test_expect_code 128 git deepops rerun ffffffff 2>../err >../out &&
		test_grep "no run .ffffffff" ../err &&
		test_grep "^verdict: not-executed" ../out &&
		test_expect_code 129 git deepops rerun
	)
'

test_done
