#!/bin/sh
test_description='where a run stands: directories, branch and tags, logs, PATH, absolute paths'
. "${0%/*}/test-lib.sh"

last () {
	git-deepops runs -n 1 --csv --columns run | sed 1d
}

test_expect_success 'set up' '
	git init repo &&
	(
		cd repo && mkdir pkg && git checkout -q -b topic && echo "runs/" >.gitignore && git add -A && test_commit one &&
		git tag v1.2 && printf "echo v1\necho v1 >\"\$(dirname \"\$0\")/beside.txt\"\n" >pkg/train.sh && git add -A && test_commit two
	)
'

test_expect_success 'a rerun has the directories that were there, its branch and its tags' '
	(
		cd repo && mkdir -p runs/a empty work &&
		git-deepops run --no-data -o runs/a/out.txt -o empty -- sh -c "echo 1 >runs/a/out.txt; echo 2 >empty/x" &&
		git-deepops rerun --exit-code $(last) && rm -rf empty &&
		( cd work && git-deepops run --no-data -o out.txt -- sh -c "git describe --tags; git symbolic-ref HEAD >out.txt" >../../want ) &&
		git-deepops rerun --exit-code $(last) >../got && test_grep "$(cat ../want)" ../got && test_grep v1.2 ../got && rm -rf work
	)
'

test_expect_success 'a log that we ourselves were redirected into is no code' '
	(
		cd repo && git-deepops run --no-data -- sh -c "echo a; sleep 0.1; echo b" >train.log 2>&1 &&
		git-deepops show --raw $(last) >../got && test_grep ! "\"changed\"" ../got && test_grep ! "\"dirty\"" ../got &&
		git-deepops run --no-data -- sh -c "echo x >>pkg/train.sh" 2>../err &&
		test_grep "pkg/train.sh changed while the command ran" ../err && git checkout -q . && rm train.log
	)
'

test_expect_success 'PATH and recipe do not depend on how we are called' '
	(
		cd repo && git-deepops run --no-data -- sh -c "echo \$PATH" >../a && git deepops run --no-data -- sh -c "echo \$PATH" >../b &&
		test_cmp ../a ../b && test $(git-deepops runs --json | grep -o "\"recipe\": *\"[^\"]*\"" | sort -u | wc -l) -le 99 &&
		for run in $(git-deepops runs -n 2 --csv --columns run | sed 1d); do
			git-deepops show --raw $run | grep -o "\"recipe\":\"[^\"]*\""
		done | sort -u >../got && test_line_count = 1 ../got
	)
'

test_expect_success 'absolute words below the top are recorded as relative, and a rerun leaves the user alone' '
	(
		cd repo && git-deepops run --no-data -o o.txt -- sh "$PWD/pkg/train.sh" --log="$PWD/o.txt" "$PWD" "$PWD-not" &&
		git-deepops show --raw $(last) >../got &&
		test_grep "\"argv\":\\[\"sh\",\"pkg/train.sh\",\"--log=o.txt\",\".\",\"$PWD-not\"\\]" ../got &&
		echo v9 >pkg/beside.txt && echo "echo v9" >pkg/train.sh &&
		git-deepops rerun $(last) >../out && test_grep "^v1" ../out && test v9 = "$(cat pkg/beside.txt)" &&
		git checkout -q . && rm -f pkg/beside.txt &&
		( cd pkg && git-deepops run --no-data -- sh -c "sh $TRASH/repo/pkg/train.sh; pwd; echo \$PWD" ) &&
		git-deepops show --raw $(last) >../got && test_grep "\"sh ./train.sh; pwd; echo" ../got &&
		git-deepops rerun $(last) >../out && test_grep ! "$TRASH/repo" ../out && rm -f pkg/beside.txt &&
		cp pkg/train.sh prog && chmod +x prog && git add prog && git commit -q -m prog &&
		git-deepops run --no-data -- "$PWD/prog" && git-deepops show --raw $(last) >../got && test_grep "\"argv\":\\[\"./prog\"\\]" ../got && rm beside.txt
	)
'

test_expect_success 'nvidia-smi that hangs, fails, or names nothing: the count is not known' '
	mkdir smi && (
		cd repo && for body in "exec sleep 60" "exit 18" "echo Driver mismatch"; do
			printf "#!/bin/sh\n%s\n" "$body" >../smi/nvidia-smi && chmod +x ../smi/nvidia-smi &&
			PATH="$TRASH/smi:$PATH" git-deepops machine capture >../got 2>../err &&
			test_grep "^gpu.count=unknown" ../got && test_grep "GPU: " ../err || return 1
		done &&
		printf "#!/bin/sh\necho No devices were found\nexit 6\n" >../smi/nvidia-smi &&
		PATH="$TRASH/smi:$PATH" git-deepops machine capture >../got && test_grep "^gpu.count=0" ../got
	)
'

test_expect_success 'bytes that git stores otherwise are kept as they ran, but not those of a filter driver' '
	(
		cd repo && echo "*.crlf text eol=crlf" >.gitattributes && printf "one\r\ntwo\r\n" >a.crlf &&
		echo "*.enc filter=rot" >>.gitattributes && git config filter.rot.clean "tr a-z n-za-m" && git config filter.rot.smudge "tr a-z n-za-m" &&
		echo secret >b.enc && git add -A && git commit -q -m filters &&
		printf "one\ntwo\r\n" >a.crlf &&
		git-deepops run --no-data -o o.txt -- sh -c "cat a.crlf b.enc >o.txt" &&
		j=refs/deepops/log/$(cat .git/deepops/writer) &&
		git cat-file -p $j:filtered/0 >../got && test_cmp a.crlf ../got &&
		test_must_fail git cat-file -e $j:filtered/1 &&
		git grep -q secret $j -- filtered && return 1
		git-deepops rerun --exit-code $(last) && rm -f o.txt
	)
'

test_expect_success 'results of earlier runs that are not committed are no code of the next' '
	(
		cd repo && git checkout -q . && git status --porcelain >../got && test_must_be_empty ../got && echo 1 >old.json && git add -A && git commit -q -m old &&
		for seed in 1 2 3; do
			git-deepops run --no-data -m m$seed.json -o dir$seed -o old.json -o big$seed.bin -S seed=$seed -- sh -c "
				echo \"{\\\"loss\\\": $seed}\" | tee m$seed.json >old.json; mkdir dir$seed; echo $seed >dir$seed/x.txt; head -c 6000000 /dev/zero | tr \\\\0 $seed >big$seed.bin" || return 1
			git-deepops show --raw $(last) >../raw$seed && grep -o "\"tree\":\"[0-9a-f]*\"" ../raw$seed >../tree$seed || return 1
		done &&
		test_cmp ../tree1 ../tree3 && test_grep ! "\"dirty\"" ../raw3 && test_grep ! "\"large\"" ../raw3 &&
		test_grep "\"path\":\"m1.json\",\"role\":\"tracked\"" ../raw3 && test_grep "\"path\":\"dir2\",\"role\":\"tracked\"" ../raw3 &&
		test_grep "\"path\":\"big1.bin\",\"role\":\"tracked\"" ../raw3 &&
		git-deepops rerun --exit-code $(last) &&
		echo "{}" >m1.json && git-deepops run --no-data -- true && git-deepops show --raw $(last) >../got && test_grep "\"dirty\"" ../got &&
		git-deepops run --no-data -o gen.sh -- sh -c "echo echo gen >gen.sh" && rm m1.json &&
		git-deepops run --no-data -- sh gen.sh && git cat-file -e refs/deepops/log/$(cat .git/deepops/writer):code/gen.sh
	)
'

test_expect_success 'recover removes the directory of a rerun that was killed, and no other' '
	mkdir tmp && (
		cd repo && TMPDIR=$TRASH/tmp && export TMPDIR &&
		git-deepops run --no-data -o k.txt -- sh -c "echo 1 >k.txt" && run=$(last) &&
		test_expect_code 137 env DEEPOPS_KILL_AT=run-started git-deepops rerun $run &&
		test_expect_code 137 env DEEPOPS_KILL_AT=run-begin git-deepops rerun $run &&
		ls ../tmp >../got && test_line_count = 2 ../got && sleep 0.2 &&
		git-deepops rerun --keep $run && git-deepops recover 2>../err && test_grep "removed 2 directories" ../err &&
		ls ../tmp >../got && test_line_count = 1 ../got && ls .git/deepops/reruns >../got && test_must_be_empty ../got &&
		rm -rf ../tmp/* k.txt
	)
'

test_expect_success 'a program that no run holds: the rerun says what to do' '
	(
		cd repo && echo .venv >>.gitignore && mkdir -p .venv/bin && cp /bin/true .venv/bin/python && git add -A && git commit -q -m ignore &&
		git-deepops run --no-data -- .venv/bin/python &&
		test_expect_code 128 git-deepops rerun $(last) 2>../err && test_grep "hint: .venv/bin/python is not of the code" ../err
	)
'

test_done
