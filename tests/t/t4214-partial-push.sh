#!/bin/sh
test_description='pushes of which git takes only a part: what it leaves out proves nothing'
. "${0%/*}/test-lib.sh"
. "$TESTS_DIR/lib-policy.sh"

w=00000000000000aa

# A client of its own: send REF... of work, whole but for the object OMIT.  REF=OLD=NEW:
# say that the ref was OLD, which need not be true.
# send OMIT REF...
send () {
	"$TEST_PYTHON" - "$@" >said 2>&1 <<-\END
	import subprocess, sys
	def git(*a, data=None):
	    return subprocess.run(("git", "-C", "work") + a, input=data, stdout=-1, check=True).stdout
	def line(data):
	    return b"%04x" % (len(data) + 4) + data
	omit, refs = sys.argv[1], sys.argv[2:]
	server = subprocess.Popen(["git", "receive-pack", "srv.git"], stdin=-1, stdout=-1)
	have = {}
	while True:
	    n = int(server.stdout.read(4), 16)
	    if not n:
	        break
	    id, name = server.stdout.read(n - 4).split(b"\0")[0].split()
	    have[name.decode()] = id.decode()
	head = b""
	new = []
	for ref in refs:
	    ref, old, id = (ref + "==").split("=")[:3]
	    new.append(git("rev-parse", id or ref).decode().strip())
	    caps = b"" if head else b"\0report-status"
	    old = git("rev-parse", old).decode().strip() if old else have.get(ref, "0" * 40)
	    head += line(("%s %s %s" % (old, new[-1], ref)).encode() + caps)
	known = ["^" + h for h in set(have.values()) if subprocess.run(
	    ["git", "-C", "work", "cat-file", "-e", h], stderr=-3).returncode == 0]
	ids = [l.split()[0] for l in git("rev-list", "--objects", *new, *known).splitlines()]
	pack = git("pack-objects", "--stdout", "-q",
	           data=b"".join(i + b"\n" for i in ids if i.decode() != omit))
	out = server.communicate(head + b"0000" + pack)[0]
	print(out.decode())
	END
}

test_expect_success 'a server, and a clone whose record is not there yet' '
	policy_floor >floor &&
	policy_server srv.git floor &&
	policy_clone srv.git work &&
	policy_push work main &&
	policy_run work 5 &&
	(cd work && git deepops push --data-only) &&
	policy_settle srv.git
'

test_expect_success 'a journal that lacks an object, with the branch that needs it' '
	echo "nobody reads this" >extra &&
	policy_forge work $w "" "zzz=$TRASH/extra" &&
	before=$(git -C srv.git rev-parse main) &&
	send "$(git hash-object extra)" refs/deepops/log/$w refs/heads/main &&
	test_must_fail git -C srv.git rev-parse -q --verify refs/deepops/log/$w &&
	test "$(git -C srv.git rev-parse main)" = "$before" &&
	git -C srv.git fsck
'

test_expect_success 'nor do they pass together when they are whole: the journal goes first' '
	test_must_fail git -C work push --no-verify origin refs/deepops/log/$w main >said 2>&1 &&
	test_grep -F "[E-RECORD-PENDING]" said &&
	test_grep "fix:  git deepops push" said &&
	git -C work push -q --no-verify origin refs/deepops/log/$w &&
	git -C work push -q --no-verify origin main &&
	policy_settle srv.git
'

test_expect_success 'a retraction that comes along excuses nothing' '
	(
		cd work && echo 6 >seed && test_tick && git commit -q -am "no data" &&
		git deepops run --no-data -- sh -c "exit 0" 2>../said &&
		git push -q --no-verify origin "$(cd .. && policy_journal work)" &&
		git deepops retract "$(sed -n "s/^run \([0-9a-f]*\):.*/\1/p" ../said)"
	) &&
	git -C srv.git for-each-ref refs/deepops >before &&
	test_must_fail git -C work push --no-verify origin "$(policy_journal work)" main >said 2>&1 &&
	test_grep -F "[E-DATA-NONE]" said &&
	git -C srv.git for-each-ref refs/deepops >after && test_cmp before after &&
	policy_push work main
'

test_expect_success 'what the client says a ref was is not believed: not as the policy before the push' '
	mkdir -p work/.deepops && sed "s,ref = .*,ref = refs/heads/*," floor >work/.deepops/policy &&
	policy_commit work policy && policy_push work main &&
	before=$(git -C srv.git rev-parse main) &&
	git -C work checkout -q -b evil &&
	sed "s,enforce,off," floor >work/.deepops/policy && policy_commit work "another policy" &&
	echo "{\"acc\": 0.93}" >work/metrics.json && policy_commit work invented &&
	send none refs/heads/main=evil~1=evil~1 refs/heads/topic=0000000000000000000000000000000000000000=evil &&
	test_grep "E-EXEC-NORECORD" said &&
	test_must_fail git -C srv.git rev-parse -q --verify refs/heads/topic &&
	test "$(git -C srv.git rev-parse main)" = "$before"
'

test_expect_success 'nor as history that was judged' '
	printf "\tref = refs/heads/dev\n\trequire = every\n" | cat floor - >every &&
	git deepops server install --policy every srv.git >out &&
	git -C srv.git config deepops.treePolicy false &&
	policy_push work main:refs/heads/dev &&
	git -C work checkout -q -B evil main && echo "{\"acc\": 0.92}" >work/metrics.json &&
	policy_commit work invented &&
	send none refs/heads/dev=evil=evil refs/heads/main=$before=evil &&
	test_grep "E-EXEC-NORECORD" said &&
	test "$(git -C srv.git rev-parse main)" = "$before"
'

test_done
