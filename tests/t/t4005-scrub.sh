#!/bin/sh
test_description='data at rest: server scrub, fsck --remote, quotas'
. "${0%/*}/test-lib.sh"
. "$TESTS_DIR/lib-policy.sh"

# damage FILE: flip a byte where the server's packs hold the content of FILE.
damage () {
	"$TEST_PYTHON" - "$1" <<-\END
	import glob, os, sys
	want = open(sys.argv[1], "rb").read()[1000:1200]
	for p in glob.glob("srv.git/deepops/packs/*/*.pack"):
	    b = bytearray(open(p, "rb").read())
	    at = b.find(want)
	    if at >= 0:
	        os.chmod(p, 0o644)
	        b[at] ^= 1
	        open(p, "wb").write(b)
	        break
	else:
	    raise SystemExit("content not found")
	END
}

test_expect_success 'setup: two datasets and a file, in two commits' '
	git init -q --bare srv.git && git deepops server install srv.git >out &&
	git init -q work && git -C work remote add origin ../srv.git && git -C work deepops init &&
	(
		cd work && mkdir -p data/sub other &&
		test_bytes 400000 1 >data/sub/large && test_bytes 3000 2 >data/small &&
		test_bytes 5000 3 >other/x && test_bytes 7000 4 >one.bin &&
		git deepops track -q data other one.bin && git add -A && git commit -q -m one &&
		git push -q origin HEAD:main
	)
'

test_expect_success 'what was only received is not proven; fsck --remote lets the server read it' '
	(
		cd work &&
		test_expect_code 1 git deepops fsck --remote --quick >../out &&
		commit=$(git rev-parse --short=12 HEAD) &&
		printf "not proven: %s (commit $commit)\n" data one.bin other >../want &&
		sort ../out >../got && test_cmp ../want ../got &&
		git deepops fsck --remote 2>../err && test_grep "^3 datasets on origin: sound" ../err &&
		git deepops fsck --remote --quick >../out && test_must_be_empty ../out
	)
'

test_expect_success 'usage' '
	(
		cd work && test_expect_code 129 git deepops fsck --remote --deep &&
		test_expect_code 129 git deepops fsck --remote --repair
	)
'

test_expect_success 'one byte at rest: fsck --remote names dataset, file and commit' '
	sleep 0.1 && damage work/data/sub/large &&
	(
		cd work && commit=$(git rev-parse --short=12 HEAD) &&
		test_expect_code 1 git deepops fsck --remote >../out 2>../err &&
		echo "damaged: data: sub/large (commit $commit)" >../want && test_cmp ../want ../out &&
		test_grep "^hint: git deepops push --data-only" ../err &&
		test_expect_code 1 git deepops fsck --remote --json >../fsck.json
	) &&
	"$TESTS_DIR/helper/json-shape" "$TOP_DIR/git-deepops/docs/git-deepops-fsck.1.adoc:2" fsck.json
'

test_expect_success 'the next push of the data heals it' '
	(
		cd work && git deepops push --data-only && git deepops fsck --remote 2>../err &&
		test_grep "sound" ../err
	)
'

test_expect_success 'server scrub finds it, too, and names its paths' '
	sleep 0.1 && damage work/data/small && cp -a srv.git again.git &&
	test_expect_code 1 git deepops server scrub --json again.git >scrub.json &&
	test_expect_code 1 git deepops server scrub srv.git >out 2>err &&
	test_grep "^damaged: data/small: data sha256:[0-9a-f]* in packs/.*" out &&
	test_grep "^hint: what is lost comes back with git deepops push --data-only" err &&
	rm -rf clone && git clone -q srv.git clone && (cd clone && test_expect_code 128 git deepops fetch 2>../err) &&
	(cd work && git deepops push --data-only) && git deepops server scrub srv.git 2>err && test_grep "sound" err &&
	(cd clone && git deepops fetch && git deepops checkout && cmp data/small ../work/data/small)
'

test_expect_success 'a damaged pack was written anew, its file kept beside' '
	find srv.git/deepops/packs -name "*.bad" >bad && test_file_not_empty bad &&
	git -C srv.git deepops fsck --deep
'

test_expect_success 'a slice a night reads everything in time' '
	git deepops server scrub --slice 1 --json srv.git >slice.json &&
	"$TESTS_DIR/helper/json-shape" "$TOP_DIR/git-deepops/docs/git-deepops-server.1.adoc:3" slice.json scrub.json &&
	"$TEST_PYTHON" -c "import json; d = json.load(open(\"slice.json\")); assert d[\"packs\"] == 1 and not d[\"damage\"], d" &&
	test_expect_code 129 git deepops server scrub && test_expect_code 128 git deepops server scrub work
'

test_expect_success 'role read can let it read, too; a server of before is named' '
	(
		cd work &&
		git config remote.origin.deepopsServe "git-deepops-serve --role read" &&
		git deepops fsck --remote &&
		git config remote.origin.deepopsServe "'\''$TESTS_DIR/helper/fake-serve'\'' before-prove" &&
		test_expect_code 128 git deepops fsck --remote 2>../err &&
		test_grep "^fatal: .*too old to prove what it holds" ../err && test_grep "^hint: install" ../err
	)
'

remote () {
	"$DEEPOPS_BUILD/helper/remote" "$@"
}

test_expect_success 'a quota is set, told, counts uploads that were cut off, and is lifted' '
	git init -q --bare q.git && git deepops server install q.git >out &&
	git deepops server quota q.git >out && test_grep "^quota *none" out &&
	git deepops server quota --max 2M q.git >out && test_grep "^quota *2.0 MiB" out &&
	test_expect_code 137 remote q.git begin=00112233445566778899aabbccddeeff flood=20:1 have=1:1 die >out &&
	git deepops server quota --json q.git >quota.json &&
	"$TESTS_DIR/helper/json-shape" "$TOP_DIR/git-deepops/docs/git-deepops-server.1.adoc:2" quota.json &&
	"$TEST_PYTHON" -c "
import json
q = json.load(open(\"quota.json\"))
assert q[\"uploads\"] == 1 and q[\"uploaded\"] > 1300000 and q[\"used\"] == 0 and q[\"max\"] == 2 << 20, q" &&
	git deepops server doctor q.git >out && test_grep "^ok *uploads: 1 under way or cut off, 1.3 MiB" out &&
	git -C q.git deepops fsck 2>err && test_grep "1 sessions under way or cut off hold 1.3 MiB" err &&
	test_must_fail remote q.git flood=20:2 commit 2>err && test_grep "quota is used up" err &&
	remote q.git begin=00112233445566778899aabbccddeeff flood=20:1 commit >out &&
	git deepops server quota q.git >out && test_grep "^stored *1.3 MiB" out && test_grep "^uploads *0 bytes\|^uploads *0 B" out &&
	git deepops server quota --max none q.git && remote q.git flood=20:2 commit &&
	test_expect_code 128 git deepops server quota --max much q.git && test_expect_code 129 git deepops server quota
'

test_done
