# shellcheck shell=sh
# lib-data.sh - a bare repository, a clone of it, and data that goes from one to the other
#
#	. "${0%/*}/test-lib.sh"
#	. "$TESTS_DIR/lib-data.sh"
#
#	new_pair one &&				one.git and its clone one, set up
#	(cd one && track_and_commit 1 && git push origin main) &&
#	arrived one.git main one/data

# new_pair NAME
new_pair () {
	git init -q --bare "$1.git" &&
	git clone -q "$1.git" "$1" 2>/dev/null &&
	git -C "$1" deepops init
}

# make_data SEED [DIR]: a file that is one chunk, and one of several.
make_data () {
	mkdir -p "${2-data}" &&
	test_bytes 20000 "$1" >"${2-data}/a" &&
	test_bytes 300000 "${1}1" >"${2-data}/b"
}

# track_and_commit SEED
track_and_commit () {
	make_data "$1" &&
	git deepops track data &&
	git add -A &&
	git commit -q -m "data $1"
}

# arrived SERVER BRANCH DATA: a fresh clone gets the data.
arrived () {
	rm -rf there &&
	git clone -q -b "$2" "$1" there &&
	git -C there deepops init &&
	(cd there && git deepops fetch && git deepops checkout) &&
	diff -r "$3" there/data
}
