#!/bin/sh
test_description='git deepops run: what is captured, executed and recorded'
. "${0%/*}/test-lib.sh"

# The record of the newest run, or of the run named.
record () {
	git deepops show --raw "${1:-$(newest)}"
}

newest () {
	git deepops runs --csv --columns run -n 1 | sed -n 2p
}

# field RECORD-FILE EXPRESSION: a Perl expression over the decoded record $r.
field () {
	perl -MJSON::PP -0777 -ne "\$r = decode_json(\$_); \$v = $2; print qq{\$v\n}" "$1"
}

journal () {
	git for-each-ref --format='%(refname)' refs/deepops/log
}

# start_run NAME ARGS...: in the background, in repo, with output to NAME.out and NAME.err.
start_run () {
	name=$1
	shift
	( cd repo && exec git-deepops run "$@" >"../$name.out" 2>"../$name.err" ) &
	pid=$!
}

wait_for () {
	tries=0
	until test -s "$1"
	do
		tries=$((tries + 1))
		test $tries -lt 200 || test_fail_ "no $1 after 10 s" || return 1
		sleep 0.05
	done
}

test_expect_success 'set up' '
	git init repo &&
	(
		cd repo &&
		cat >train.sh <<-\END &&
		echo "to stdout"
		echo "to stderr" >&2
		printf "{\"acc\": 0.931, \"loss\": {\"val\": 0.25, \"train\": NaN}}\n" >metrics.json
		printf "weights" >model.bin
		END
		test_commit script train.sh "$(cat train.sh)"
	)
'

test_expect_success 'a clean run is recorded and changes nothing else' '
	(
		cd repo &&
		git status --porcelain >before &&
		git rev-parse HEAD >>before &&
		git stash list >>before &&
		git ls-files -s >>before &&
		rm -f before.index && cp .git/index before.index &&
		git deepops run --no-data -o model.bin -m metrics.json --title "first one" --tag base \
			-- sh train.sh >../out 2>../err &&
		echo "to stdout" >../want &&
		test_cmp ../want ../out &&
		test_grep "^to stderr$" ../err &&
		test_grep "^run [0-9a-f]\{12\}: ok in .*acc=0.931.*level R2" ../err &&
		record >../record &&
		field ../record "\$r->{code}{commit}" >../got &&
		git rev-parse HEAD >../want &&
		test_cmp ../want ../got &&
		test_cmp_bin before.index .git/index &&
		rm before before.index &&
		git stash list >../got && test_must_be_empty ../got &&
		git branch --list >../got && test_line_count = 1 ../got
	)
'

test_expect_success 'the record says what happened' '
	field record "join q{ }, @{\$r->{command}{argv}}" >got &&
	echo "sh train.sh" >want && test_cmp want got &&
	field record "join q{ }, \$r->{exec}{exit}, \$r->{title}, @{\$r->{tags}}" >got &&
	echo "0 first one base" >want && test_cmp want got &&
	field record "join q{ }, map { \"\$_->{name}=\$_->{value}\" } @{\$r->{metrics}{final}}" >got &&
	echo "acc=0.931 loss.train=nan loss.val=0.25" >want && test_cmp want got &&
	field record "join q{ }, map { \"\$_->{role}:\$_->{path}\" } @{\$r->{outputs}}" >got &&
	echo "metrics:metrics.json output:model.bin" >want && test_cmp want got &&
	field record "\$r->{outputs}[1]{id}" >got &&
	echo "sha256:$(printf weights | sha256sum | cut -d" " -f1)" >want && test_cmp want got &&
	field record "\$r->{outputs}[1]{blob}" >got &&
	git -C repo hash-object model.bin >want && test_cmp want got &&
	id=sha256:$(sha256sum <record | cut -d" " -f1) &&
	git -C repo deepops show $id >show &&
	test_grep "record  *$id" show
'

test_expect_success 'as Markdown nothing that a user wrote is markup' '
	git init -q md && git -C md commit -q --allow-empty -m one &&
	(
		cd md && git deepops run -q --no-data --title "a|b <i>*x*" -- true &&
		git deepops show --md "$(git deepops runs | sed -n "1s/ .*//p")" >../show
	) &&
	test_grep -F "| title | a\\|b \\<i\\>\\*x\\* |" show
'

test_expect_success 'the journal entry holds the code, the machine and the logs' '
	(
		cd repo &&
		ref=$(journal) &&
		git rev-parse "$ref:code/train.sh" >../got &&
		git rev-parse HEAD:train.sh >../want && test_cmp ../want ../got &&
		git cat-file blob "$ref:stdout" >../got &&
		echo "to stdout" >../want && test_cmp ../want ../got &&
		git cat-file blob "$ref:machine" | sha256sum | cut -d" " -f1 >../got &&
		field ../record "substr(\$r->{machine}{capture}, 7)" >../want && test_cmp ../want ../got &&
		git cat-file blob "$ref:commit" | git hash-object -t commit --stdin >../got &&
		git rev-parse HEAD >../want && test_cmp ../want ../got &&
		test_must_fail git rev-parse -q --verify "$ref:code/model.bin" &&
		git log -1 --format=%s "$ref" >../got &&
		test_grep "first one" ../got
	)
'

test_expect_success 'git deepops logs shows both streams' '
	(
		cd repo &&
		git deepops logs $(newest) >../got &&
		echo "to stdout" >../want && test_cmp ../want ../got &&
		git deepops logs --stderr $(newest) >../got &&
		echo "to stderr" >../want && test_cmp ../want ../got
	)
'

test_expect_success 'a dirty tree is captured exactly: staged, changed, deleted, untracked' '
	git init dirty &&
	(
		cd dirty &&
		test_commit kept && test_commit changed && test_commit staged && test_commit gone &&
		printf "*.log\n" >.gitignore && git add .gitignore && test_tick && git commit -qm ignore &&
		echo new >changed.t && echo new >staged.t && git add staged.t && rm gone.t &&
		mkdir -p "with space" && echo u >"with space/un tracked" &&
		printf x >"$(printf "lat\351n")" && ln -s kept.t link && echo i >ignored.log &&
		git status --porcelain >../before &&
		git deepops run --no-data -- true &&
		git status --porcelain >../after && test_cmp ../before ../after &&
		ref=$(journal) &&
		git ls-tree -r -z --name-only "$ref:code" | tr "\0" "\n" >../got &&
		printf "%s\n" .gitignore changed.t kept.t "$(printf "lat\351n")" link staged.t \
			"with space/un tracked" >../want &&
		test_cmp ../want ../got &&
		git cat-file blob "$ref:code/changed.t" >../got && echo new >../want && test_cmp ../want ../got &&
		record >../record &&
		field ../record "\$r->{code}{dirty} && \$r->{code}{ignored}{count}" >../got &&
		echo 1 >../want && test_cmp ../want ../got
	)
'

test_expect_success 'detached HEAD, unborn branch, subdirectory' '
	(
		cd dirty &&
		git checkout -q --detach &&
		mkdir -p sub && cd sub &&
		git deepops run --no-data -- pwd >../../got &&
		echo "$TRASH/dirty/sub" >../../want && test_cmp ../../want ../../got &&
		record >../../record &&
		field ../../record "(defined \$r->{code}{branch} ? 1 : 0) . \$r->{command}{cwd}" >../../got &&
		echo 0sub >../../want && test_cmp ../../want ../../got
	) &&
	git init unborn &&
	(
		cd unborn &&
		echo a >a &&
		git deepops run --no-data -- cat a &&
		record >../record &&
		field ../record "join q{ }, map { defined \$r->{code}{\$_} ? 1 : 0 } qw(commit base_tree tree)" >../got &&
		echo "0 0 1" >../want && test_cmp ../want ../got
	)
'

test_expect_success 'the exit code of the command is ours, and a failed run is a record' '
	(
		cd repo &&
		test_expect_code 3 git deepops run --no-data -- sh -c "exit 3" &&
		record >../record &&
		field ../record "\$r->{exec}{exit}" >../got &&
		echo 3 >../want && test_cmp ../want ../got &&
		test_expect_code 143 git deepops run --no-data -- sh -c "kill -TERM \$\$" &&
		record >../record &&
		field ../record "\$r->{exec}{signal}" >../got &&
		echo 15 >../want && test_cmp ../want ../got
	)
'

test_expect_success 'a signal to us reaches the whole group of the command' '
	start_run signal --no-data -- sh -c "
		trap \"echo got it; exit 7\" TERM
		sleep 30 &
		echo ready >../ready
		wait" &&
	wait_for ready &&
	kill -TERM $pid &&
	test_expect_code 7 wait $pid &&
	echo "got it" >want && test_cmp want signal.out
'

test_expect_success 'a command that cannot be started leaves no record' '
	(
		cd repo &&
		git deepops runs -n 0 --csv >../before &&
		test_expect_code 128 git deepops run --no-data -- no-such-command-here 2>../err &&
		test_grep "no-such-command-here: command not found" ../err &&
		git deepops runs -n 0 --csv >../after && test_cmp ../before ../after &&
		ls .git/deepops/spool >../got && test_must_be_empty ../got &&
		git for-each-ref refs/deepops/spool >../got && test_must_be_empty ../got
	)
'

test_expect_success 'usage errors are named' '
	(
		cd repo &&
		test_expect_code 129 git deepops run 2>../err &&
		test_expect_code 129 git deepops run --frobnicate -- true 2>../err &&
		test_grep -e "--frobnicate" ../err &&
		test_expect_code 129 git deepops run --no-data -i x -- true &&
		test_expect_code 128 git deepops run -i nothing-there -- true 2>../err &&
		test_grep "nothing-there" ../err &&
		mkdir -p plain && echo x >plain/x &&
		test_expect_code 128 git deepops run -i plain -- true 2>../err &&
		test_grep "plain is a directory that is not tracked" ../err &&
		test_grep "git deepops track" ../err &&
		test_expect_code 128 git deepops run -i . -- true 2>../err &&
		test_grep "the work tree is no input" ../err &&
		test_expect_code 129 git deepops run --no-data -o a -m a -- true 2>../err &&
		for o in "-o .git" "-o .git/x" "-i .git/config" "-p .git/config" "-o .GIT/x"
		do
			test_expect_code 128 git deepops run $o -- true 2>../err &&
			test_grep "lies in a .git" ../err || return 1
		done &&
		rm -r plain
	)
'

test_expect_success 'a key in the arguments or in a new file refuses the run' '
	(
		cd repo &&
		key=AKIA$(printf "ABCDEFGHIJKLMNOP") &&
		test_expect_code 128 git deepops run --no-data -- touch ran "$key" 2>../err &&
		test_grep "argument 2" ../err &&
		test_expect_code 128 git deepops run --no-data --title "$key" -- touch ran 2>../err &&
		test_grep "the title holds" ../err &&
		test_expect_code 128 git deepops run --no-data --tag "$key" -- touch ran &&
		test_expect_code 128 git deepops run --no-data -S "k=$key" -- touch ran 2>../err &&
		test_grep "parameter k holds" ../err &&
		TORCH_HOME=$key test_expect_code 128 git deepops run --no-data -- touch ran 2>../err &&
		test_grep "environment variable TORCH_HOME holds" ../err &&
		test_grep ! "$key" ../err &&
		echo "aws_key = $key" >settings.ini &&
		test_expect_code 128 git deepops run --no-data -- touch ran 2>../err &&
		test_grep "settings.ini.*AWS access key" ../err &&
		test_path_is_missing ran &&
		rm settings.ini
	)
'

test_expect_success 'a key in a changed submodule refuses the run too' '
	git init sub && ( cd sub && test_commit inner ) &&
	git init with-sub &&
	(
		cd with-sub &&
		git submodule --quiet add ../sub mod && test_tick && git commit -qm sub &&
		printf "AKIA%s\n" ABCDEFGHIJKLMNOP >mod/credentials &&
		test_expect_code 128 git deepops run --no-data -- true 2>../err &&
		test_grep "submodule mod: credentials holds" ../err &&
		rm mod/credentials &&
		git deepops run --no-data -- true
	)
'

test_expect_success 'what cannot be captured refuses the run; --allow-partial records it as R0' '
	git init partial &&
	(
		cd partial &&
		test_commit one && mkdir venv && ( cd venv && seq 1 20001 | xargs touch ) &&
		test_expect_code 128 git deepops run --no-data -- true 2>../err &&
		test_grep "venv" ../err &&
		test_grep "hint: " ../err &&
		git deepops run --no-data --allow-partial -- true 2>../err &&
		test_grep "warning: the code is not recorded" ../err &&
		test_grep "level R0" ../err &&
		record >../record &&
		field ../record "defined \$r->{partial} && !defined \$r->{code}{tree} ? 1 : 0" >../got &&
		echo 1 >../want && test_cmp ../want ../got &&
		test_expect_code 128 git deepops rerun $(newest) >../out 2>../err &&
		test_grep "has no code tree" ../err
	)
'

test_expect_success '--secret keeps a value out of arguments and logs, not off the terminal' '
	(
		cd repo &&
		export API_PASSWORD=correct-horse-battery &&
		git deepops run --no-data --secret API_PASSWORD -- sh -c "echo is \$API_PASSWORD" x \
			correct-horse-battery >../out &&
		test_grep "is correct-horse-battery" ../out &&
		git deepops logs $(newest) >../got &&
		echo "is ***" >../want && test_cmp ../want ../got &&
		record >../record &&
		test_grep ! correct-horse ../record &&
		test_grep "\*\*\*" ../record &&
		test_grep "API_PASSWORD" ../record
	)
'

test_expect_success 'parameters come from files and -S, and reach the command' '
	(
		cd repo &&
		cat >params.yaml <<-\END &&
		# how to train
		lr: 1e-3
		model:
		  layers: 4
		  name: "a b"
		seeds:
		- 7
		- 8
		seed: 42
		END
		git deepops run --no-data -p params.yaml -S lr=3e-4 -- sh -c "cat \$DEEPOPS_PARAMS" >../out &&
		echo "{\"lr\":3e-4,\"model.layers\":4,\"model.name\":\"a b\",\"seed\":42,\"seeds.0\":7,\"seeds.1\":8}" >../want &&
		tr -d " " <../out | sed "s/ab/a b/" >../got &&
		tr -d " " <../want | sed "s/ab/a b/" >../want2 && test_cmp ../want2 ../got &&
		record >../record &&
		field ../record "join q{ }, map { \"\$_->{name}=\$_->{value}\" } @{\$r->{determinism}{seeds}}" >../got &&
		echo "seed=42" >../want && test_cmp ../want ../got &&
		test_grep "1e-3" params.yaml &&
		printf "a: !x 1\n" >params.yaml &&
		test_expect_code 128 git deepops run --no-data -p params.yaml -- true 2>../err &&
		test_grep "params.yaml:1: a tag" ../err && test_grep "hint: -i .*params.yaml.* keeps the file whole" ../err &&
		rm params.yaml
	)
'

test_expect_success 'metrics from CSV and from $DEEPOPS_METRICS, with their series' '
	(
		cd repo &&
		git deepops run --no-data -m log.csv -- sh -c "
			printf \"epoch,loss\n1,0.5\n2,0.25\n\" >log.csv
			echo \"{\\\"acc\\\": 0.5}\" >>\"\$DEEPOPS_METRICS\"
			echo \"{\\\"acc\\\": 0.75}\" >>\"\$DEEPOPS_METRICS\"" &&
		record >../record &&
		field ../record "join q{ }, map { \"\$_->{name}=\$_->{value}\" } @{\$r->{metrics}{final}}" >../got &&
		echo "acc=0.75 epoch=2 loss=0.25" >../want && test_cmp ../want ../got &&
		git cat-file blob "$(journal):metrics.tsv" >../got &&
		printf "name\trow\tvalue\nepoch\t1\t1\nloss\t1\t0.5\nepoch\t2\t2\nloss\t2\t0.25\nacc\t1\t0.5\nacc\t2\t0.75\n" >../want &&
		test_cmp ../want ../got &&
		rm log.csv
	)
'

test_expect_success 'names that are not UTF-8 cost nothing' '
	git init odd &&
	(
		cd odd &&
		test_commit one &&
		out=$(printf "caf\351.txt") && metric=$(printf "caf\351") &&
		out=$out metric=$metric git deepops run --no-data -o "$out" -m m.csv -S "p$metric=$metric" \
			--title "$metric" --tag "$metric" -- \
			sh -c "echo x >\"\$out\"; printf \"%s\n0.5\n\" \"\$metric\" >m.csv" &&
		git deepops run --no-data -- true &&
		git deepops runs --json >../json && perl -MJSON::PP -0777 -ne "
			\$r = (grep { \$_->{title} } @{decode_json(\$_)->{runs}})[0];
			print join(q{ }, %{\$r->{metrics}}, %{\$r->{params}}, \$r->{title},
				(map { \$_->{path} } @{\$r->{outputs}})), qq{\n}" ../json >../got &&
		printf "%s\n" "\"caf\\351\" 0.5 \"pcaf\\351\" \"caf\\351\" \"caf\\351\" \"caf\\351.txt\" m.csv" >../want &&
		test_cmp ../want ../got &&
		git deepops runs --csv --columns "metric.$metric" --where "tag:$metric AND metric.$metric=0.5" >../got &&
		test_grep "^0.5$" ../got
	)
'

test_expect_success 'whatever the command brings about, its record can be written' '
	git init much &&
	(
		cd much &&
		deep=$(printf "%0200d/%0200d/%0200d" 1 2 3) &&
		mkdir -p $deep && for i in $(test_seq 110); do echo $i >$deep/$i || exit 1; done &&
		git config core.autocrlf input && mkdir crlf &&
		for i in $(test_seq 700); do printf "x\r\n" >crlf/some_module_$i.py || exit 1; done &&
		git add -A 2>/dev/null && test_tick && git commit -qm x &&
		git deepops run --no-data -m m.json -- perl -e "
			open F, q(>m.json);
			print F q({), join(q(,), map { q(\") . q(x) x 600 . qq(\$_\":\$_) } 1..190), q(});
			close F;
			for (1..110) { open F, qq(>>$deep/\$_); print F q(more) }" 2>../err &&
		test_grep "more metrics than a record holds" ../err &&
		test_grep "level R1" ../err &&
		record >../record &&
		test "$(wc -c <../record)" -le 65536 &&
		field ../record "\$r->{spill}{filtered} && !\$r->{code}{filtered} ? 1 : 0" >../got &&
		echo 1 >../want && test_cmp ../want ../got &&
		git cat-file blob "$(journal):filtered.json" >../list &&
		test_grep "crlf/some_module_700.py" ../list &&
		field ../record "grep { /^and 1?[0-9]{2} more\$/ } @{\$r->{closure}{changed}}" >../got &&
		test_cmp ../want ../got &&
		git deepops recover 2>../err && test_grep "nothing to recover" ../err &&
		test_expect_code 128 git deepops run --no-data -- true $(test_seq 10000) 2>../err &&
		test_grep "arguments, .* are too long for a record" ../err &&
		test_grep "hint: put a long list into a file" ../err &&
		ls .git/deepops/spool >../got && test_must_be_empty ../got
	)
'

test_expect_success 'files that change under the run are named, the level is R1' '
	(
		cd repo &&
		git deepops run --no-data -- sh -c "echo more >>train.sh" 2>../err &&
		test_grep "level R1" ../err &&
		record >../record &&
		field ../record "join q{ }, @{\$r->{closure}{changed}}" >../got &&
		echo train.sh >../want && test_cmp ../want ../got &&
		git checkout -q train.sh
	)
'

test_expect_success 'no input and no --no-data is level R1, with the way up' '
	(
		cd repo &&
		git deepops run -- true 2>../err &&
		test_grep "level R1" ../err &&
		test_grep "hint: for R2: .*-i" ../err
	)
'

test_expect_success 'an output that is not written is said, and so is one from before' '
	(
		cd repo &&
		git deepops run --no-data -o not-there -o model.bin -- true 2>../err &&
		test_grep "output not-there was not written" ../err &&
		test_grep "output model.bin was not written" ../err &&
		record >../record &&
		field ../record "join q{ }, map { defined \$_->{id} ? 1 : 0 } @{\$r->{outputs}}" >../got &&
		echo "0 0" >../want && test_cmp ../want ../got
	)
'

test_expect_success 'a directory that the command left as it was is no output of it' '
	(
		cd repo &&
		mkdir -p old/sub && echo x >old/sub/file &&
		git deepops run --no-data -o old -- true 2>../err &&
		test_grep "output old was not written" ../err &&
		git deepops run --no-data -o old -- sh -c "echo y >old/sub/file" 2>../err &&
		test_grep ! "not written" ../err &&
		rm -r old
	)
'

test_expect_success 'each output has the git id of its own file' '
	(
		cd repo &&
		git deepops run --no-data -o out -o out.json -- \
			sh -c "mkdir out; echo 1 >out/x; echo 22 >out.json" &&
		record >../record &&
		field ../record "join q{ }, map { qq{\$_->{path}:} . (\$_->{blob} // q{}) } @{\$r->{outputs}}" >../got &&
		echo "out: out.json:$(git hash-object out.json)" >../want && test_cmp ../want ../got &&
		rm -r out out.json
	)
'

test_expect_success 'an output that cannot be recorded does not cost the record' '
	(
		cd repo &&
		git deepops run --no-data -o link -o pipe -o dir -o kept -- sh -c "
			ln -s kept link; mkfifo pipe; mkdir dir; mkfifo dir/pipe; echo x >kept" 2>../err &&
		test_grep "output link is a symbolic link" ../err &&
		test_grep "output pipe is not recorded: .*no regular file" ../err &&
		test_grep "output dir is not recorded: .*dir/pipe" ../err &&
		record >../record &&
		field ../record "join q{ }, map { \$_->{path} } grep { \$_->{id} } @{\$r->{outputs}}" >../got &&
		echo kept >../want && test_cmp ../want ../got &&
		rm -r link pipe dir kept
	)
'

test_expect_success 'a long log keeps head and tail in the journal and all of it in the store' '
	(
		cd repo &&
		git deepops run --no-data -- seq 1 40000 >../out &&
		seq 1 40000 >../want && test_cmp ../want ../out &&
		git cat-file -s "$(journal):stdout" >../got &&
		test "$(cat ../got)" -lt 70000 &&
		git deepops logs $(newest) >../got && test_cmp ../want ../got
	)
'

test_expect_success 'a reader that has seen enough of a list or log is no error' '
	(
		cd repo &&
		run=$(git deepops runs --csv --columns run,what | sed -n "s/,seq$//p" | head -n 1) &&
		{ git-deepops logs $run 2>../err; echo $? >../code; } | head -n 1 >../got &&
		echo 1 >../want && test_cmp ../want ../got && test_must_be_empty ../err &&
		test_grep "^\(0\|141\)$" ../code &&
		test_expect_code 128 git-deepops logs $run >/dev/full 2>../err &&
		test_grep "writing to stdout: No space left" ../err && test_line_count = 1 ../err
	)
'

test_expect_success 'a reader that goes away ends the command' '
	(
		cd repo &&
		git-deepops run --no-data -- yes | head -n 1 >../got
	) &&
	echo y >want && test_cmp want got
'

test_expect_success 'six runs at once lose no record' '
	(
		cd repo &&
		git deepops runs -n 0 --csv --columns run >../before &&
		for i in 1 2 3 4 5 6
		do
			git-deepops run --no-data --title "at once $i" -- true 2>../err.$i &
		done &&
		wait &&
		git deepops runs -n 0 --csv --columns run >../after &&
		test $(wc -l <../after) -eq $(($(wc -l <../before) + 6)) &&
		git deepops runs -n 0 --csv --columns title >../got &&
		for i in 1 2 3 4 5 6
		do
			test_grep "at once $i" ../got || return 1
		done &&
		git fsck >../out 2>&1
	)
'

test_expect_success '--dry-run shows the plan and keeps nothing' '
	(
		cd repo &&
		git for-each-ref >../before &&
		git deepops run -n -o model.bin -S a=1 -- touch ran >../got &&
		test_path_is_missing ran &&
		test_grep "^code [0-9a-f]\{40\}" ../got &&
		test_grep "^output model.bin" ../got &&
		test_grep "^param a=1" ../got &&
		git for-each-ref >../after && test_cmp ../before ../after
	)
'

test_expect_success 'git deepops runs filters, sorts and prints JSON' '
	(
		cd repo &&
		git deepops runs --json --where "tag:base AND metric.acc>0.9" >../got.json &&
		perl -MJSON::PP -0777 -ne "
			\$d = decode_json(\$_);
			print \$d->{version}, q{ }, scalar @{\$d->{runs}}, q{ }, \$d->{runs}[0]{title}, q{ },
				\$d->{runs}[0]{metrics}{acc}, qq{\n}" ../got.json >../got &&
		echo "1 1 first one 0.931" >../want && test_cmp ../want ../got &&
		git deepops runs --where "started>=2020-01-31 AND started<2100-01-31T08:00:00Z AND tag:base" >../got &&
		test_file_not_empty ../got &&
		git deepops runs --where "started<2020-01-31" >../got &&
		test_must_be_empty ../got &&
		test_expect_code 128 git deepops runs --where "started>soon" 2>../err &&
		test_expect_code 128 git deepops runs --where "this and that" 2>../err &&
		test_grep "this and that" ../err &&
		git deepops runs HEAD --csv --columns run >../got &&
		git deepops runs -n 0 --csv --columns run >../want && test_cmp ../want ../got &&
		git deepops runs HEAD..HEAD >../got && test_must_be_empty ../got
	)
'

test_expect_success 'a note stands on the commit' '
	(
		cd dirty &&
		git checkout -q main &&
		git config notes.displayRef refs/notes/deepops &&
		git log -1 >../got &&
		test_grep "Deepops-Run: [0-9a-f]\{12\} ok true .*code=dirty data=none machine=.*rec=[0-9a-f]\{12\}$" ../got
	)
'

test_done
