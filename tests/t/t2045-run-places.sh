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

test_done
