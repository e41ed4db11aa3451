#!/bin/sh
test_description='what a dataset keeps: any name, modes, links, empty things, zeros; byte-identical pointers'
. "${0%/*}/test-lib.sh"

# Make the same files under $1, in the order of $2 (a sort option).
make_tree () {
	mkdir -p "$1" &&
	cat >list <<-\END &&
	a/plain
	a/with blank
	a/ lead and trail 
	b/-dash
	b/--
	b/"quoted"
	b/back\slash
	b/*
	c/.hidden
	c/.gitignore
	c/.gitattributes
	c/deep/er/and/deeper/file
	top
	END
	sort ${2:+"$2"} list | while IFS= read -r name
	do
		mkdir -p "$1/$(dirname "$name")" &&
		echo "content of $name" >"$1/$name" || exit 1
	done &&
	printf "1" >"$1/$(printf "a/new\nline\tand\ttab")" &&
	printf "2" >"$1/$(printf "a/not-utf8-\377\376")" &&
	printf "3" >"$1/$(printf "a/\001\177")" &&
	printf "4" >"$1/a/caf$(printf "\303\251")" &&
	: >"$1/empty" && mkdir "$1/b/empty dir" && mkdir -p "$1/z/y/x" &&
	printf "#!/bin/sh\n" >"$1/run me" && chmod 755 "$1/run me" &&
	ln -s top "$1/link" && ln -s /nowhere/at/all "$1/a/dangling" && ln -s ../b "$1/a/dir-link" &&
	truncate -s 3000000 "$1/b/zeros" && printf end >>"$1/b/zeros" &&
	test_bytes 1000000 5 >"$1/b/large" &&
	cp "$1/b/large" "$1/b/copy" && ln "$1/b/large" "$1/b/hard"
}

test_expect_success 'setup: files of every kind' '
	git init -q repo && cd repo &&
	make_tree data "" &&
	git deepops track data 2>../warnings &&
	git commit -q -m one
'

test_expect_success 'names that are no clean UTF-8 are warned about, on one line' '
	test "$(grep -c "not UTF-8 or holds control bytes" warnings)" -eq 3 &&
	test_grep "1 link leads out of the dataset" warnings &&
	test_grep "not-utf8-" warnings &&
	test_grep ! "$(printf "\001")" warnings
'

test_expect_success 'checkout brings everything back' '
	cd repo &&
	mv data ../original &&
	git deepops status >../out && test_grep "^missing *data" ../out &&
	git deepops checkout -q &&
	(cd ../original && find . -printf "%y %#m %s %l %p\0" | sort -z) >../want &&
	(cd data && find . -printf "%y %#m %s %l %p\0" | sort -z) >../got &&
	grep -zv "^d" ../want >../want-files && grep -zv "^d" ../got >../got-files &&
	test_cmp_bin ../want-files ../got-files &&
	(cd data && find . -type d | sort) >../got && (cd ../original && find . -type d | sort) >../want &&
	test_cmp ../want ../got &&
	diff -r --no-dereference ../original data &&
	git deepops status --exit-code &&
	git deepops status -z | tr "\0" "\n" | grep -x "clean data"
'

test_expect_success 'zeros take no room' '
	cd repo &&
	test "$(stat -c %b data/b/zeros)" -lt 600 &&
	test "$(stat -c %s data/b/zeros)" = 3000003
'

test_expect_success 'a hard link came back as a file of its own' '
	test "$(stat -c %h repo/data/b/hard)" = 1
'

test_expect_success 'sha256sum agrees' '
	cd repo &&
	git deepops sha256sums data >../sums &&
	sha256sum --quiet -c ../sums
'

test_expect_success 'other order, other times, one processor: the same pointer' '
	git init -q elsewhere && cd elsewhere && echo unrelated >f && git add f && git commit -q -m f &&
	make_tree data -r &&
	find data -exec touch -h -d "2001-01-01 00:00:00" {} + &&
	taskset -c "$(taskset -cp $$ | sed "s/.*: *//; s/[,-].*//")" git deepops track -q data 2>/dev/null &&
	test_cmp ../repo/data.deepops data.deepops
'

test_expect_success 'the same, read again without any cache' '
	cd elsewhere && cp data.deepops ../before &&
	rm .git/deepops/state.db && git deepops track -q data 2>/dev/null &&
	test_cmp ../before data.deepops
'

test_expect_success 'the dataset id does not depend on the split' '
	cd elsewhere &&
	git deepops track -n data 2>/dev/null | sed "s/.* //" >../id &&
	mkdir grown && echo 1 >grown/1 && git deepops track -q grown &&
	rm -r grown && cp -a data grown && git deepops track grown 2>/dev/null | sed "s/.* //" >../other &&
	test "$(grep -c "^\[shard" grown.deepops)" = 1 &&
	test "$(grep -c "^\[shard" data.deepops)" = 5 &&
	test_cmp ../id ../other
'

test_expect_success 'autocrlf does not touch a pointer' '
	git init -q crlf && cd crlf &&
	git config core.autocrlf true && git config core.eol crlf &&
	printf "kept\r\n" >.gitignore &&
	make_tree data "" && git deepops track -q data 2>/dev/null && git commit -q -m one &&
	test_cmp ../repo/data.deepops data.deepops &&
	rm data.deepops && git checkout -- data.deepops &&
	test_cmp ../repo/data.deepops data.deepops &&
	git status --porcelain >../out && test_grep ! data ../out &&
	git check-ignore -q data && git check-ignore -q kept
'

test_expect_success 'changes that only modes and kinds show' '
	cd repo &&
	chmod +x data/top && rm data/link && echo file >data/link && rm -r data/z && echo file >data/z &&
	rmdir "data/b/empty dir" &&
	git deepops diff >../out &&
	cat >../want <<-\END &&
	D	"data/b/empty dir/"
	M	data/link
	M	data/top
	A	data/z
	D	data/z/y/x/
	END
	sed "s/\"//g" ../out >../got && sed "s/\"//g" ../want >../want2 && test_cmp ../want2 ../got &&
	git deepops track -q data 2>/dev/null && git commit -q -am two &&
	git deepops checkout -q HEAD~1 && diff -r --no-dereference ../original data &&
	git deepops checkout -q HEAD && test "$(cat data/link data/z)" = "file
file" && test -x data/top
'

test_done
