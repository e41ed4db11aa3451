#!/bin/sh
test_description='each predicate of a level: a record that breaks one is refused, by its code'
. "${0%/*}/test-lib.sh"
. "$TESTS_DIR/lib-policy.sh"

w=00000000000000aa
zeros=$(printf %064d 0)

test_expect_success 'a result whose record is not on the server' '
	policy_floor >floor &&
	policy_server template.git floor &&
	policy_clone template.git work &&
	policy_push work main &&
	policy_settle template.git &&
	policy_run work 5 &&
	(cd work && git deepops push --data-only) &&
	# Nothing works in the background of the copies that are made of it.
	rm template.git/hooks/post-receive &&
	git -C work cat-file blob "$(policy_journal work):machine" >machine
'

# Record and branch come in one push, so that a refusal leaves the server as it was.
broken () {
	code=$1 &&
	shift &&
	policy_forge work $w "$@" &&
	test_must_fail git -C work push --no-verify origin refs/deepops/log/$w main >said 2>&1 &&
	test_grep -F "[$code]" said
}

# passes EDIT [PATH=FILE]...
passes () {
	rm -rf once.git && cp -r template.git once.git &&
	policy_forge work $w "$@" &&
	git -C work push -q --no-verify ../once.git refs/deepops/log/$w &&
	git -C work push -q --no-verify ../once.git main
}

# Another capture, and the record changed to have its digest.
with_machine () {
	code=$1 && sed "$2" machine >other && shift 2 &&
	broken "$code" "s/\"capture\":\"[^\"]*\"/\"capture\":\"sha256:$(
		sha256sum <other | cut -d" " -f1)\"/" machine="$TRASH/other"
}

# The hash of a git tree as gitformat-deepops-record(5) has it: treehash DIR TREE
treehash () {
	"$TEST_PYTHON" - "$1" "$2" <<-\END
	import hashlib, subprocess, sys
	def git(*a):
	    return subprocess.run(("git", "-C", sys.argv[1]) + a, stdout=subprocess.PIPE, check=True).stdout
	def tree(id):
	    rows = []
	    for line in git("ls-tree", "-z", id).split(b"\0")[:-1]:
	        head, name = line.split(b"\t", 1)
	        mode, kind, oid = head.split()
	        if kind == b"tree":
	            h = tree(oid.decode())
	        else:
	            h = hashlib.sha256(oid if kind == b"commit" else git("cat-file", "blob", oid.decode()))
	        rows.append((name, mode.lstrip(b"0"), h))
	    rows.sort()
	    out = hashlib.sha256()
	    for name, mode, h in rows:
	        out.update(mode + b" " + name + b"\0" + h.digest())
	    return out
	print(tree(sys.argv[2]).hexdigest())
	END
}

# forge_tree EDIT PATH=FILE: a forged entry whose record names the tree that it then has.
# The edit for the record is left in $edit.
forge_tree () {
	policy_forge work $w "" "$2" &&
	tree=$(git -C work rev-parse refs/deepops/log/$w:code) &&
	edit="s/\"tree\":\"[^\"]*\",\"tree_sha256\":\"[^\"]*\"/\"tree\":\"$tree\",\"tree_sha256\":\"sha256:$(
		treehash work "$tree")\"/;$1"
}

test_expect_success 'the record as it is passes' '
	passes ""
'

test_expect_success 'C1: the tree that ran' '
	broken E-CODE-TREE "" code= &&
	broken E-CODE-TREE "" "code/extra=$TRASH/machine"
'

test_expect_success 'C2: the commit it started from' '
	broken E-CODE-COMMIT "" commit= &&
	broken E-CODE-COMMIT "" "commit=$TRASH/machine" &&
	broken E-CODE-COMMIT "s/\"base_tree\":\"..../\"base_tree\":\"1111/" &&
	broken E-CODE-COMMIT "s/\"commit\":\"[^\"]*\",//" commit= &&
	forge_tree "" "code/extra=$TRASH/machine" &&
	broken E-CODE-COMMIT "$edit" "code/extra=$TRASH/machine" &&
	test_grep "said to be clean" said
'

test_expect_success 'C4: the hash of the tree' '
	broken E-CODE-HASH "s/\"tree_sha256\":\"[^\"]*\"/\"tree_sha256\":\"sha256:$zeros\"/"
'

test_expect_success 'C6: the script' '
	broken E-CODE-SCRIPT "s/\"train.sh\"/\"elsewhere.sh\"/" &&
	broken E-CODE-SCRIPT "s/\"train.sh\"/\"..\/train.sh\"/" &&
	broken E-CODE-SCRIPT "s/\"train.sh\"/\"\/home\/me\/other.sh\"/" &&
	broken E-CODE-SCRIPT "s/\[\"sh\"/[\"\/home\/me\/sh\"/" &&
	broken E-CODE-SCRIPT "s/\[\"sh\"/[\"bin\/sh\"/" &&
	passes "s/\[\"sh\"/[\"\/usr\/bin\/sh\"/;s/\"recipe\":\"[^\"]*\",//"
'

# A record without what was seen to run.
unseen='s/"programs":\[[^]]*\],//;s/"recipe":"[^"]*",//'

test_expect_success 'C6: programs that were seen, and commands that leave open what ran' '
	broken E-CODE-SCRIPT "s/\"from\":\"tree\"/\"from\":\"outside\"/" &&
	broken E-CODE-SCRIPT "s/\(\"programs\":\[.*\"path\":\"\)train.sh/\1gone.sh/" &&
	broken E-CODE-SCRIPT "s/\(\"from\":\"tree\",\"id\":\"sha256:\)[0-9a-f]*/\1$zeros/" &&
	test_grep "bytes that are not in the code tree" said &&
	passes "$unseen" &&
	for argv in \"env\",\"sh\",\"train.sh\" \"nice\",\"sh\",\"train.sh\" \"timeout\",\"9\",\"sh\",\"train.sh\" \
		\"sh\",\"-c\",\"sh\ train.sh\" \"bash\",\"-e\",\"train.sh\" \"python3\",\"-\" \"sh\"
	do
		broken E-CODE-SCRIPT "$unseen;s/\"argv\":\[[^]]*\]/\"argv\":[$argv]/" || return 1
		test_grep "not observed" said || return 1
	done
'

test_expect_success 'C6: options of a shell in one word' '
	edit="s/\"recipe\":\"[^\"]*\",//;s/\"argv\":\[[^]]*\]/\"argv\"" &&
	for argv in \"bash\",\"-euo\",\"pipefail\",\"train.sh\" \"bash\",\"-lc\",\"sh\ train.sh\" \"sh\",\"-e\",\"train.sh\"
	do
		passes "$edit:[$argv]/" || return 1
	done &&
	broken E-CODE-SCRIPT "$edit:[\"bash\",\"-euo\",\"pipefail\",\"gone.sh\"]/" &&
	test_grep "gone.sh is in neither" said
'

test_expect_success 'C7: a key in the record' '
	broken E-CODE-SECRET "s/\"train.sh\"/&,\"AKIA""ABCDEFGHIJKLMNOP\"/"
'

test_expect_success 'C8: what was captured stayed as it was' '
	broken E-CODE-CHANGED "s/\"closure\":{/&\"changed\":[\"train.sh\"],/" &&
	broken E-CODE-PARTIAL "s/\"recipe\":/\"partial\":\"the submodule\",&/"
'

test_expect_success 'D1: what was read' '
	broken E-DATA-MISMATCH "s/\"bytes\":5,/\"bytes\":6,/" &&
	broken E-DATA-MISMATCH "s/\(\"id\":\"sha256:\)[0-9a-f]*\(\",\"path\":\"in.txt\"\)/\1$zeros\2/" &&
	broken E-DATA-MISMATCH "" "inputs/7=$TRASH/machine"
'

test_expect_success 'D3, D4, D5: selections, outputs, any input' '
	broken E-DATA-SELECTION "s/\"path\":\"in.txt\",/&\"query\":\"label = 1\",/" &&
	broken E-DATA-OUTPUT "s/\"id\":\"[^\"]*\",\(\"path\":\"metrics.json\"\)/\1/" &&
	broken E-DATA-OUTPUT "" outputs/0= &&
	test_grep "metrics.json has no pointer" said &&
	broken E-DATA-NONE "s/\"role\":\"input\"/\"role\":\"params\"/" &&
	broken E-DATA-NONE "s/\"outputs\":/\"no_data\":true,&/"
'

test_expect_success 'M1: a spec that is named' '
	broken E-MACHINE-SPEC "s/\(\"machine\":{.*\)},\(\"metrics\"\)/\1,\"spec\":\"sha256:$zeros\"},\2/"
'

test_expect_success 'M2: the capture and its packages' '
	broken E-MACHINE-MISSING "" machine= &&
	broken E-MACHINE-MISSING "" "machine=$TRASH/floor" &&
	with_machine E-MACHINE-CAPTURE "1!G;h;\$!d" &&
	with_machine E-MACHINE-PACKAGE "s/^\(os.pkg.dpkg.bash:[^ ]*\) .*/\1 none/" &&
	test_grep "dpkg.bash" said &&
	with_machine E-MACHINE-PACKAGE "/^os.pkg/d"
'

test_expect_success 'M3: the hardware' '
	with_machine E-MACHINE-HARDWARE /^cpu.flags/d &&
	with_machine E-MACHINE-HARDWARE /^kernel.release/d &&
	with_machine E-MACHINE-HARDWARE /^kernel.machine/d &&
	with_machine E-MACHINE-HARDWARE "s/^gpu.count=0/gpu.count=1/" &&
	with_machine E-MACHINE-HARDWARE "s/^gpu.count=0/gpu.00.model=A\\ngpu.count=1/" &&
	test_grep "lacks gpu.driver" said &&
	with_machine E-MACHINE-HARDWARE "s/^gpu.count=0/gpu.00.model=A\\ngpu.count=2\\ngpu.driver=1/" &&
	test_grep "lacks gpu.01.model" said
'

test_expect_success 'X1, X2, X7: end and times' '
	broken E-EXEC-END "s/\"exit\":0,//" &&
	broken E-EXEC-TIMES "s/,\"wall_ms\":[0-9]*//" &&
	broken E-EXEC-TIMES "s/\"cpu_ms\":[0-9]*,//" &&
	broken E-EXEC-TIMES "s/\"max_rss\":[0-9]*,//" &&
	broken E-EXEC-TIMES "s/\"ended\":\"..../\"ended\":\"2999/" &&
	broken E-EXEC-TIMES "s/\"ended\":\"..../\"ended\":\"1999/"
'

test_expect_success 'X3: the logs' '
	broken E-EXEC-LOGS "" "stdout=$TRASH/machine" &&
	broken E-EXEC-LOGS "s/\"stderr\":{[^}]*}/\"stderr\":{\"bytes\":0}/" &&
	broken E-EXEC-PARTS "s/\"metrics\":{/&\"series\":\"sha256:$zeros\",/;s/\(\"series\":[^,]*\),\(\"final\":[^]]*]\)/\2,\1/"
'

test_expect_success 'X4: the recipe is that of the record' '
	broken E-EXEC-PARTS "s/\"recipe\":\"[^\"]*\"/\"recipe\":\"sha256:$zeros\"/"
'

test_expect_success 'R1 asks only that the three are named' '
	sed "s/results/level = R1\n\tresults/" floor >floor1 &&
	git deepops server install --policy floor1 template.git >out &&
	passes "" machine= &&
	broken E-CODE-PARTIAL "s/\"recipe\":/\"partial\":\"the submodule\",&/" &&
	git deepops server install --policy floor template.git >out
'

test_expect_success 'C3: every submodule, those of submodules too' '
	git init -q inner && (cd inner && test_commit deep) &&
	git init -q sub && (cd sub && test_commit text && git submodule -q add "$TRASH/inner" inner && git commit -q -m inner) &&
	(cd work && git submodule -q add "$TRASH/sub" sub && git submodule -q update --init --recursive) &&
	policy_commit work "a submodule" &&
	policy_run work 6 &&
	(cd work && git deepops push --data-only) &&
	passes "" &&
	broken E-CODE-MODULE "" modules/0= &&
	broken E-CODE-MODULE "" modules/1= &&
	broken E-CODE-MODULE "" "modules/1/extra=$TRASH/machine"
'

test_expect_success 'a dirty run passes, but not with a key in a file of its own' '
	(
		cd work &&
		echo 7 >seed && test_tick && git commit -q -am dirty &&
		echo "note" >notes.txt &&
		git deepops run -i in.txt -m metrics.json -- sh train.sh &&
		git deepops push --data-only &&
		git add metrics.json && git commit -q -m "results of a dirty run"
	) &&
	passes "" &&
	echo "key = AKIA""ABCDEFGHIJKLMNOP" >key.txt &&
	forge_tree "" "code/key.txt=$TRASH/key.txt" &&
	broken E-CODE-SECRET "$edit" "code/key.txt=$TRASH/key.txt" &&
	test_grep "key.txt holds what looks like an AWS" said &&
	# Without a commit all files are those of the run.
	forge_tree "s/\"base_tree\":\"[^\"]*\",//;s/\"commit\":\"[^\"]*\",\"dirty\":true,//" \
		"code/key.txt=$TRASH/key.txt" &&
	broken E-CODE-SECRET "$edit" "code/key.txt=$TRASH/key.txt" commit=
'

test_expect_success 'D4: what a run wrote is on the remote' '
	policy_run work 9 &&
	test_must_fail git -C work push --no-verify origin "$(policy_journal work)" main >said 2>&1 &&
	test_grep -F "[E-DATA-INCOMPLETE]" said &&
	test_grep "data: metrics.json (sha256:............\.\.\.) is recorded but not on" said
'

test_expect_success 'C4: more code than the hook reads, until the server has hashed it' '
	(
		cd work && mkdir big &&
		for i in $(test_seq 65); do { echo $i && head -c 1048576 /dev/zero; } >big/$i || exit 1; done &&
		git add big && test_tick && git commit -q -m big
	) &&
	policy_run work 10 && (cd work && git deepops push --data-only) &&
	broken E-CODE-SIZE "" && test_grep "git deepops server index" said && test_grep ! retract said &&
	rm -rf once.git && cp -r template.git once.git && rm -f once.git/hooks/post-receive &&
	git -C work push -q --no-verify ../once.git "$(policy_journal work)" &&
	test_must_fail git -C work push --no-verify ../once.git main 2>err && test_grep -F "[E-CODE-SIZE]" err &&
	git deepops server index once.git &&
	git -C work push -q --no-verify ../once.git main
'

# Cut to 40 digits they would be the ids of what is here.
test_expect_success 'git ids of 64 digits are well-formed, and name nothing here; of two lengths they are refused' '
	pad=$(printf %024d 0) id="\"\([0-9a-f]\{40\}\)\"" &&
	broken E-CODE-TREE "s/$id/\"\1$pad\"/g" &&
	test_grep ! -F "[E-RECORD-MALFORMED]" said &&
	broken E-RECORD-MALFORMED "s/$id/\"\1$pad\"/" &&
	test_grep "code.base_tree: 64 hex digits, other git ids have 40" said
'

test_done
