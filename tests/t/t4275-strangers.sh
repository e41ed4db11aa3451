#!/bin/sh
test_description='records and retractions of strangers block nobody, and say whose they are'
. "${0%/*}/test-lib.sh"
. "$TESTS_DIR/lib-policy.sh"

w=00000000000000aa

# forge_many N WRITER [PYTHON]: a journal of N records made from the tip of the clone's own; PYTHON
# may change `rec` (bytes of the record, without prev and recipe) and `parts` (path: bytes), n counts.
forge_many () {
	(
		cd work &&
		"$TEST_PYTHON" - "$1" "$2" "$(cat .git/deepops/writer)" "${3-pass}" <<-\END
		import hashlib, re, subprocess, sys
		count, writer, own, change = int(sys.argv[1]), sys.argv[2].encode(), sys.argv[3], sys.argv[4]
		def git(*a, data=None):
		    return subprocess.run(("git",) + a, input=data, stdout=subprocess.PIPE, check=True).stdout
		tip = git("rev-parse", "refs/deepops/log/" + own).decode().strip()
		base = git("cat-file", "blob", tip + ":record.json")
		tree = git("ls-tree", "-z", tip).split(b"\0")[:-1]
		out, prev = [], None
		for n in range(1, count + 1):
		    rec, parts = re.sub(rb"\"prev\":\"[^\"]*\",", b"", base), {}
		    rec = re.sub(rb"\"writer\":\"[0-9a-f]*\"", b"\"writer\":\"" + writer + b"\"", rec)
		    rec = re.sub(rb"\"run\":\"[0-9a-f]*\"", b"\"run\":\"%s%016x\"" % (writer, n), rec)
		    rec = re.sub(rb"\"seq\":\d+", b"\"seq\":%d" % n, rec)
		    exec(change)
		    if prev:
		        rec = rec.replace(b"\"recipe\":", b"\"prev\":\"" + prev + b"\",\"recipe\":", 1)
		    prev = b"sha256:" + hashlib.sha256(rec).hexdigest().encode()
		    parts[b"record.json"] = rec
		    out.append(b"commit refs/heads/forged\ncommitter a <a@b> %d +0000\ndata 1\nx\n" % (1700000000 + n))
		    if n == 1:
		        for entry in tree:
		            meta, path = entry.split(b"\t")
		            mode, kind, oid = meta.split(b" ")
		            if path not in parts:
		                out.append(b"M %s %s %s\n" % (mode, oid, path))
		    for path, data in parts.items():
		        out.append(b"M 100644 inline %s\ndata %d\n" % (path, len(data)) + data + b"\n")
		git("update-ref", "-d", "refs/heads/forged")
		git("fast-import", "--quiet", data=b"".join(out))
		END
		git update-ref "refs/deepops/log/$2" refs/heads/forged && git update-ref -d refs/heads/forged
	)
}

test_expect_success 'a server that enforces, and a run whose branch is not pushed yet' '
	policy_floor >floor &&
	policy_server srv.git floor &&
	policy_clone srv.git work &&
	policy_push work main &&
	policy_run work 5 && (cd work && git deepops push --data-only) &&
	policy_push_only work "$(policy_journal work)" && policy_settle srv.git &&
	cp -r srv.git template.git && old=$(git -C srv.git rev-parse main)
'

# From here on each test begins with the server as it was.
fresh () {
	policy_settle srv.git && rm -rf srv.git && cp -r template.git srv.git
}

test_expect_success 'hundreds of worthless records of the same content, dated ahead, hide nothing' '
	fresh &&
	for other in $w 00000000000000ab; do
		forge_many 400 $other "rec = re.sub(rb\"\\\"exit\\\":0\", b\"\\\"exit\\\":1\", rec).replace(b\"\\\"started\\\":\\\"20\", b\"\\\"started\\\":\\\"99\")" &&
		policy_push_only work refs/deepops/log/$other || return 1
	done &&
	policy_settle srv.git &&
	policy_push_only work main
'

test_expect_success 'nor do they when nobody had the time to judge them' '
	fresh && chmod -x srv.git/hooks/post-receive &&
	policy_push_only work refs/deepops/log/$w &&
	policy_push_only work refs/deepops/log/00000000000000ab &&
	policy_push_only work main
'

test_expect_success 'a list without end is refused; one that got in costs the row of its run' '
	fresh && forge_many 1 $w "
import json
one = json.loads(re.search(rb\"\\\"outputs\\\":(\\[.*?\\])\", rec).group(1))[0]
items = [dict(one, path=\"o%06d\" % i) for i in range(12000)]
text = json.dumps(items, separators=(\",\", \":\"), sort_keys=True).encode()
parts[b\"outputs.json\"] = text + b\"\\n\"
rec = re.sub(rb\"\\\"outputs\\\":\\[.*?\\],\", b\"\", rec)
digest = b\"sha256:\" + hashlib.sha256(parts[b\"outputs.json\"]).hexdigest().encode()
rec = rec.replace(b\"\\\"tool\\\":\", b\"\\\"spill\\\":{\\\"outputs\\\":\\\"\" + digest + b\"\\\"},\\\"tool\\\":\", 1)
" &&
	test_must_fail git -C work push --no-verify origin refs/deepops/log/$w 2>err &&
	tr "\n" " " <err | sed "s/remote: *//g; s/  */ /g" >flat &&
	test_grep "lists 12000 outputs; at most 10000" flat &&
	git -C srv.git fetch -q ../work refs/deepops/log/$w:refs/deepops/log/$w &&
	git deepops server index srv.git &&
	policy_push_only work main
'

# However heavy a record is, the hook does not look at its code, machine and parts again.
test_expect_success 'a verdict is made once, by the server, and is what the hook goes by' '
	fresh &&
	"$TEST_PYTHON" -c "
import sqlite3
db = sqlite3.connect(\"srv.git/deepops/runs.db\")
n = db.execute(\"UPDATE verdict SET findings = ?\", (b\"E-CODE-TREE 16 -\\nas it was judged\",)).rowcount
db.execute(\"UPDATE entry SET found = 1\")
db.commit()
assert n == 1, n
" &&
	policy_refused work E-CODE-TREE main && test_grep "as it was judged" work.said &&
	git deepops server index --rebuild srv.git && policy_push_only work main
'

test_expect_success 'a bad record of her commit, by another, does not matter beside a good one' '
	fresh && forge_many 1 $w "parts[b\"machine\"] = b\"x\"" &&
	policy_push_only work refs/deepops/log/$w && policy_settle srv.git &&
	policy_push_only work main
'

test_expect_success 'her own bad record does, until she takes it back' '
	fresh && own=$(cat work/.git/deepops/writer) &&
	(
		cd work && cp -r .git/deepops ../deepops.save && git reset -q --hard HEAD~1 &&
		git deepops run -i in.txt -m metrics.json -- sh train.sh && git deepops push --data-only &&
		test_expect_code 1 git deepops run -o never -i in.txt -- sh -c "echo 1 >>train.sh; exit 1" ; git reset -q --hard ORIG_HEAD
	) &&
	policy_push_only work "$(policy_journal work)" && policy_settle srv.git &&
	policy_refused work E-CODE-CHANGED main &&
	run=$(sed -n "s/.*fix:  git deepops retract \([0-9a-f]*\) .*/\1/p" work.said | head -1) &&
	(cd work && git deepops retract "$run") && policy_push work main
'

test_expect_success 'a retraction by a stranger: the refusal says who' '
	policy_run work 6 && (cd work && git deepops push --data-only) &&
	policy_push_only work "$(policy_journal work)" && policy_settle srv.git &&
	rm -rf template.git && cp -r srv.git template.git &&
	run=$(git -C work cat-file blob "$(policy_journal work):record.json" |
		sed "s/.*\"run\":\"\([0-9a-f]*\)\".*/\1/") &&
	git clone -q srv.git mallory && (
		cd mallory && git deepops init >/dev/null && git deepops fetch >/dev/null 2>&1; git fetch -q &&
		GIT_AUTHOR_NAME=Mallory git deepops retract "$run"
	) &&
	policy_push_only mallory "$(policy_journal mallory)" && policy_settle srv.git &&
	policy_refused work E-EXEC-NORECORD main &&
	tr "\n" " " <work.said | sed "s/remote: *//g; s/  */ /g" >flat &&
	test_grep "was retracted by Mallory <author@example.org> (journal $(cat mallory/.git/deepops/writer))" flat
'

test_expect_success 'retract = writer: only the journal that has a run takes it back' '
	policy_rule "retract = writer" &&
	policy_push_only work main &&
	fresh && policy_rule "retract = writer" &&
	(cd work && git deepops retract "$run") && policy_push_only work "$(policy_journal work)" &&
	policy_refused work E-EXEC-NORECORD main &&
	git deepops policy explain --policy floor >words && test_grep "retracting by the run.s own journal" words
'

test_expect_success 'what every reader of a journal would stumble over is refused when it is pushed' '
	fresh && (
		cd work && tip=$(git rev-parse "$(policy_journal .)") && empty=$(git mktree </dev/null) &&
		for name in machine stdout.deepops metrics.tsv commit; do
			tree=$({ git ls-tree $tip | grep -v "	$name\$"; printf "040000 tree %s\t%s\n" $empty $name; } | git mktree) &&
			git update-ref refs/deepops/log/$w $(git commit-tree -m x -p $tip^ $tree) &&
			test_must_fail git push --no-verify origin refs/deepops/log/$w:$(policy_journal .) 2>../err &&
			tr "\n" " " <../err | sed "s/remote: *//g; s/  */ /g" >../flat &&
			test_grep -F "[E-RECORD-MALFORMED]" ../flat && test_grep "$name of entry [0-9a-f]* is a directory" ../flat ||
			exit 1
		done
	)
'

test_expect_success 'a hundred thousand loose tags' '
	fresh && id=$(git -C srv.git rev-parse main) && mkdir -p srv.git/refs/tags/x &&
	"$TEST_PYTHON" -c "
import sys
for i in range(100000):
    with open(\"srv.git/refs/tags/x/%d\" % i, \"w\") as f: f.write(sys.argv[1] + \"\\n\")
" $id &&
	policy_push_only work main && rm -rf srv.git
'

test_done
