#!/bin/sh
test_description='damage to the local store is found, named with its path, and never reaches the work tree'
. "${0%/*}/test-lib.sh"

test_expect_success 'setup' '
	git init -q repo && cd repo &&
	mkdir -p data/sub && test_bytes 500000 1 >data/sub/large && test_bytes 3000 2 >data/sub/small && seq 1 5000 >data/text &&
	git deepops track -q data && git commit -q -m one && git deepops fsck && cp -a .git/deepops ../sound
'

flip () {
	"$TEST_PYTHON" -c "
import sys
f = open(sys.argv[1], \"r+b\"); f.seek(int(sys.argv[2])); b = f.read(1); f.seek(-1, 1); f.write(bytes([b[0] ^ 64]))" "$1" "$2"
}

restore () {
	rm -rf .git/deepops && cp -a ../sound .git/deepops
}

test_expect_success 'a corrupt byte anywhere in any pack is found' '
	cd repo && git deepops fsck --deep &&
	for pack in $(cd .git/deepops && find packs -name "*.pack")
	do
		size=$(stat -c %s .git/deepops/$pack) && chmod u+w .git/deepops/$pack || exit 1
		for part in 1 3 8 20 50 80 95 99
		do
			flip .git/deepops/$pack $((size * part / 100)) &&
			test_expect_code 1 git deepops fsck --deep >../out 2>../err || exit 1
			cat ../out ../err >../said
			test_grep "$(basename $pack .pack | cut -c1-12)\|data" ../said || exit 1
			restore && chmod u+w .git/deepops/$pack
		done
	done
'

test_expect_success 'and named with the path it belongs to' '
	cd repo && restore &&
	"$TEST_PYTHON" - <<-\END &&
	import glob, os
	want = open("data/sub/small", "rb").read()[1000:1100]
	for p in glob.glob(".git/deepops/packs/*/*.pack"):
	    os.chmod(p, 0o644)
	    b = bytearray(open(p, "rb").read())
	    at = b.find(want)
	    if at >= 0:
	        b[at] ^= 1
	        open(p, "wb").write(b)
	        break
	else:
	    raise SystemExit("content not found")
	END
	test_expect_code 1 git deepops fsck >../out 2>&1 && test_grep "data/sub/small" ../out && test_grep ! "data/text" ../out
'

test_expect_success 'damaged content never reaches the work tree' '
	cd repo && cp data/sub/small ../small && rm data/sub/small && test_expect_code 128 git deepops checkout 2>../err &&
	test_path_is_missing data/sub/small && find data -name ".tmp*" >../out && test_must_be_empty ../out &&
	test_expect_code 128 git deepops cat data/sub/small >../out 2>../err && test_must_be_empty ../out
'

# mends TITLE COMMAND: after the damage done to $pack, --repair and track make all well.
mends () {
	restore && pack=$(find .git/deepops/packs -name "*.pack" -size +100k) && chmod u+w "$pack" && eval "$2" &&
	test_expect_code 1 git deepops fsck >../out && test_expect_code 1 git deepops fsck --repair >../out 2>../err &&
	test_grep "^hint: git deepops fetch" ../err && git deepops track -q data && git deepops fsck --deep &&
	git diff --exit-code && rm -r data && git deepops checkout -q && diff -r ../data data || { echo "not mended: $1"; return 1; }
}

test_expect_success 'what --repair has taken out, track stores again: then the store is sound' '
	cd repo && cp -a data ../data && cp ../small ../data/sub/small && restore && git deepops checkout -q &&
	mends "a payload" "flip \$pack 1000" &&
	mends "the header" "flip \$pack 3" &&
	mends "the footer" "flip \$pack \$((\$(stat -c %s \$pack) - 10))" &&
	mends "cut short" "truncate -s -60000 \$pack" &&
	mends "nothing left" ": >\$pack" &&
	mends "removed" "rm \$pack"
'

# only_repair: what made the store unreadable is named, changed by nothing, and mended by --repair.
only_repair () {
	find .git/deepops -type f ! -name state.db | sort | xargs sha256sum >../before &&
	test_expect_code 128 git deepops checkout --force data 2>../err && test_grep "^hint: where it is: git -C .* deepops fsck --repair" ../err &&
	test_expect_code 1 git deepops fsck >../out && test_grep "damaged: catalogue.db: .*$1" ../out &&
	find .git/deepops -type f ! -name state.db | sort | xargs sha256sum >../after && diff ../before ../after &&
	mend=$(sed -n "s/^hint: where it is: //p" ../err) && test_expect_code 1 eval "$mend" >../out 2>&1 &&
	git deepops fsck --deep && git deepops checkout -q --force data
}

test_expect_success 'a damaged index is found, and made anew when that is asked for' '
	cd repo && restore && seg=$(echo .git/deepops/segments/*) && chmod u+w $seg && flip $seg 200 &&
	only_repair "segments/" &&
	restore && flip .git/deepops/catalogue.db 3 && only_repair "not a database" &&
	restore && rm .git/deepops/catalogue.db && only_repair missing &&
	restore && rm -r .git/deepops/segments && only_repair "missing segment" &&
	restore && flip .git/deepops/catalogue.db 20 && test_expect_code 1 git deepops fsck >../out && test_grep "damaged: catalogue.db" ../out &&
	test_expect_code 1 git deepops fsck --repair &&
	git deepops fsck --deep && git deepops status --exit-code
'

test_expect_success 'a pack that the catalogue does not name is found' '
	cd repo && restore && cp -a .git/deepops/packs ../packs && rm -rf .git/deepops && mkdir new && echo 1 >new/a &&
	git deepops track -q new && git deepops fsck && cp -a ../packs .git/deepops/ &&
	test_expect_code 1 git deepops fsck >../out && test_grep "damaged: packs/.*: the catalogue does not name it" ../out &&
	test_expect_code 1 git deepops fsck --repair >../out 2>&1 && git deepops fsck --deep && rm -r data && git deepops checkout -q data &&
	git rm -q --cached new.deepops && rm -r new new.deepops && git checkout -q -f HEAD
'

test_expect_success 'fsck makes no store where there is none' '
	git init -q --bare none.git && git -C none.git deepops fsck --deep && test_path_is_missing none.git/deepops
'

test_expect_success 'tracking the file again heals the store' '
	cd repo && restore && git deepops fsck --deep && git deepops checkout -q && cmp ../small data/sub/small
'

test_done
