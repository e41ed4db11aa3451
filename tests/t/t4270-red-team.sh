#!/bin/sh
test_description='a result that no run wrote, put where a clone with its data reads one'
. "${0%/*}/test-lib.sh"
. "$TESTS_DIR/lib-policy.sh"

# Each attack begins from what the server has, and leaves nothing behind.
reset () {
	git -C work checkout -q -f main && git -C work fetch -q &&
	git -C work reset -q --hard origin/main && git -C work clean -q -fdx &&
	: >work/.git/info/exclude
}

# attack NAME CODE COMMANDS: run in the clone; all is committed, and must be refused past our own
# hook, with all data there.
attack () {
	test_expect_success "refused: $1" "
		(cd work && $3) &&
		policy_commit work '$1' &&
		git -C work deepops push --data-only &&
		policy_refused work $2 --no-verify main &&
		reset
	"
}

# honest NAME COMMANDS: the same with what a run wrote passes.
honest () {
	test_expect_success "accepted: $1" "
		(cd work && $2) &&
		policy_commit work '$1' &&
		policy_push work main
	"
}

test_expect_success 'a server with results in all forms' '
	cat >floor <<-\END &&
	[rule "main"]
		ref = refs/heads/main
		ref = refs/heads/release/*
		mode = enforce
		results = metrics.json
		results = model.npz.deepops
		results = exp/*/score.json
		results = pool/**/*.deepops
		noData = allow
	END
	policy_server srv.git floor &&
	policy_clone srv.git work &&
	cat >work/all.sh <<-\END &&
	n=$1
	echo "{\"acc\": 0.$n}" >metrics.json
	mkdir -p out exp/a pool
	echo "{\"acc\": 0.1$n}" >out/metrics.json
	echo "{\"acc\": 0.2$n}" >exp/a/score.json
	echo "weights $n" >model.npz
	echo "pool $n" >pool/m.bin
	END
	policy_commit work "write everything" &&
	policy_push work main
'

honest "results as a run wrote them" '
	git deepops run --no-data -m metrics.json -o model.npz -o out/metrics.json -o exp/a/score.json \
		-o pool/m.bin -- sh all.sh 5 &&
	git deepops track model.npz pool/m.bin'

# ---- a file, its pointer, and the directory above ----
attack "metrics.json becomes a dataset of its own" E-EXEC-NORECORD '
	echo "{\"acc\": 0.99}" >metrics.json && git rm -q --cached metrics.json && git deepops track metrics.json'
attack "a second metrics.json beside the first, as a pointer" E-EXEC-NORECORD '
	git rm -q metrics.json && echo "{\"acc\": 0.99}" >metrics.json && git deepops track metrics.json &&
	git checkout -q HEAD -- metrics.json'
attack "model.npz in git instead of its pointer" E-EXEC-NORECORD '
	git deepops untrack model.npz && echo fake >model.npz && git add -f model.npz'
attack "model.npz as a directory" E-EXEC-NORECORD '
	git deepops untrack model.npz && rm -f model.npz && mkdir model.npz && echo fake >model.npz/0 && git add -f model.npz'
attack "a pointer of a pattern with a star, in git" E-EXEC-NORECORD '
	git deepops untrack pool/m.bin && echo fake >pool/m.bin && git add -f pool/m.bin'
attack "the directory of a result becomes a dataset" E-EXEC-NORECORD '
	git rm -q -r --cached out && mkdir -p out && echo "{\"acc\": 0.99}" >out/metrics.json && git deepops track out'
attack "the directory of a result that a pattern leads to becomes a dataset" E-EXEC-NORECORD '
	git rm -q -r --cached exp && echo "{\"acc\": 0.99}" >exp/a/score.json && git deepops track exp'
attack "a result as a link in a dataset" E-EXEC-NORECORD '
	git rm -q -r --cached exp && rm exp/a/score.json && echo fake >exp/a/x && ln -s x exp/a/score.json && git deepops track exp'
attack "a directory of results as a link in a dataset" E-EXEC-NORECORD '
	git rm -q -r --cached exp && rm -r exp/a && mkdir exp/x && echo fake >exp/x/score.json && ln -s x exp/a && git deepops track exp'
attack "the model in a dataset of another name" E-EXEC-NORECORD '
	mkdir other && echo fake >other/model.npz && git deepops track other'

test_expect_success 'refused: first deleted, then there in another form' '
	(cd work && git rm -q metrics.json && git rm -q -r out && git deepops untrack model.npz) &&
	policy_commit work "all deleted" && policy_push work main &&
	for form in "echo 1 >metrics.json && git deepops track metrics.json" \
		"echo fake >model.npz && git add -f model.npz" \
		"mkdir out && echo fake >out/metrics.json && git deepops track out"
	do
		(cd work && eval "$form") && policy_commit work "$form" &&
		git -C work deepops push --data-only &&
		policy_refused work E-EXEC-NORECORD --no-verify main && reset || return 1
	done
'

honest "the same content comes back, as datasets too" '
	sh all.sh 5 && git deepops track model.npz metrics.json && git deepops track out'
attack "a new version of that dataset" E-EXEC-NORECORD '
	echo "{\"acc\": 0.99}" >out/metrics.json && git deepops track out'
honest "a dataset that was the output of a run, with results in it" '
	git deepops run --no-data -o out -- sh -c "mkdir -p out; echo {} >out/metrics.json; echo other >out/x"'
honest "out of the dataset, into git" '
	git deepops checkout && git deepops untrack out && git deepops untrack metrics.json && git add -f out metrics.json'
honest "data beside it" 'mkdir data && echo 1 >data/a && echo 2 >data/b && git deepops track data'

# ---- links and submodules ----
attack "the directory of a result becomes a link into a dataset" E-EXEC-NORECORD '
	rm -r out && ln -s data out'
attack "a dataset becomes a link" E-EXEC-NORECORD '
	git deepops untrack data && rm -rf data && ln -s elsewhere data'
attack "the directory of a result becomes a submodule" E-EXEC-NORECORD '
	git init -q ../inner 2>/dev/null; (cd ../inner && echo fake >metrics.json && git add -A && git commit -q --allow-empty -m x) &&
	git rm -q -r out && git -c protocol.file.allow=always submodule --quiet add ../inner out'
attack "a model becomes a link" E-EXEC-NORECORD '
	git deepops untrack model.npz && rm -f model.npz && ln -s in.txt model.npz'

test_expect_success 'refused: what a link names becomes a directory afterwards' '
	(cd work && echo text >elsewhere && ln -s ../elsewhere exp/b) && policy_commit work "a link to a file" &&
	policy_push work main &&
	(cd work && rm elsewhere && mkdir elsewhere && echo fake >elsewhere/score.json) &&
	policy_commit work "the file becomes a directory" &&
	policy_refused work E-EXEC-NORECORD main && test_grep "exp/b is a symbolic link" work.said && reset &&
	(cd work && rm elsewhere) && policy_commit work "the file goes" &&
	policy_refused work E-EXEC-NORECORD main && reset &&
	(cd work && git rm -q exp/b elsewhere) && policy_commit work "both go" && policy_push work main
'

# ---- what a record names ----
test_expect_success 'refused: a clean filter changes the committed bytes' '
	(
		cd work && echo "metrics.json filter=better" >.git/info/attributes &&
		git config filter.better.clean "sed s/0.5/0.9/" &&
		git deepops run --no-data -m metrics.json -- sh -c "echo \"{\\\"acc\\\": 0.51}\" >metrics.json"
	) &&
	policy_commit work filtered &&
	git -C work show HEAD:metrics.json >committed && test_grep 0.91 committed &&
	policy_refused work E-DATA-FILTERED main &&
	git -C work config --unset filter.better.clean && rm work/.git/info/attributes && reset
'

test_expect_success 'refused: a record whose blob is not what its id says' '
	echo "{\"acc\": 0.99}" >work/metrics.json &&
	blob=$(git -C work hash-object -w metrics.json) &&
	policy_commit work doctored &&
	policy_forge work 00000000000000aa "s/\"blob\":\"[0-9a-f]*\"/\"blob\":\"$blob\"/g" &&
	git -C work push --no-verify -q origin refs/deepops/log/00000000000000aa &&
	policy_settle srv.git &&
	policy_refused work E-DATA-FILTERED main &&
	reset
'

test_expect_success 'refused: data that the server never had, whatever kind of record names it' '
	(
		cd work && echo never >model.npz && git deepops track model.npz &&
		id=$(sed -n "s/.*\(sha256:[0-9a-f]*\).*/\1/p" model.npz.deepops | head -n 1) && echo "$id" >../id
	) &&
	policy_commit work "a model that only its pointer is known of" &&
	git -C work deepops run --no-data -o made.txt -- sh -c "echo x >made.txt" && rm work/made.txt &&
	policy_forge work 00000000000000ab "s/\"kind\":\"run\"/\"kind\":\"rerun\"/;s/\(\"outputs\":\[{[^}]*\"id\":\"\)[^\"]*/\1$(cat id)/;s/\"recipe\":\"[^\"]*\",//" outputs/0= &&
	git -C work push --no-verify -q origin refs/deepops/log/00000000000000ab &&
	policy_settle srv.git &&
	test_must_fail git -C work push --no-verify origin main >work.said 2>&1 &&
	test_grep -F "[E-DATA-INCOMPLETE]" work.said && test_grep "model.npz.deepops" work.said &&
	reset
'

test_expect_success 'refused: a file that holds the text of a dataset stands for no dataset' '
	(
		cd work && mkdir -p pool/fake && echo fake >pool/fake/weights && git deepops track pool/fake &&
		git deepops push --data-only &&
		printf "deepops-node 1\n100644 file sha256:%s 5 1 weights\n" "$(printf "fake\n" | sha256sum | cut -c1-64)" >node.txt &&
		grep -F "$(sha256sum <node.txt | cut -c1-64)" pool/fake.deepops &&
		git deepops run --no-data -o text -- cp node.txt text
	) &&
	rm work/node.txt work/text &&
	policy_commit work "a dataset whose id is that of a file" &&
	policy_refused work E-EXEC-NORECORD main &&
	reset
'

test_expect_success 'a hundred records that do not count hide none that does' '
	(
		cd work && echo "{\"acc\": 0.7}" >good &&
		git deepops run --no-data -m metrics.json -- cp good metrics.json &&
		for i in $(test_seq 1 105); do
			git deepops run -m metrics.json -- cp good metrics.json 2>/dev/null || exit 1
		done &&
		rm good
	) &&
	policy_commit work "the result of all of them" &&
	policy_push work main
'

test_expect_success 'and where none counts, it is said how many were looked at' '
	(
		cd work && echo "{\"acc\": 0.8}" >bad &&
		for i in 1 2 3; do git deepops run -m metrics.json -- cp bad metrics.json || exit 1; done && rm bad
	) &&
	policy_commit work "worthless" &&
	policy_refused work E-DATA-NONE main &&
	test_grep "none of 3 records" work.said && reset
'

test_expect_success 'a result of a retracted run: the run is named' '
	(
		cd work && echo "{\"acc\": 0.6}" >good &&
		git deepops run --no-data -m metrics.json -- cp good metrics.json && rm good &&
		git deepops runs | sed -n "1s/ .*//p" >../run && git deepops retract "$(cat ../run)"
	) &&
	policy_commit work retracted &&
	policy_refused work E-EXEC-NORECORD main &&
	test_grep "$(cat run).* was retracted by" work.said && reset
'

test_done
