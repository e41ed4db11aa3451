#!/bin/sh
test_description='make install, uninstall and dist; what the binaries are made of'
. "${0%/*}/test-lib.sh"

test_need PLAIN '! nm -D "$DEEPOPS_BUILD/git-deepops" | grep -q "__[atu]b*san_"' \
	'a build without sanitizers'
test_need CHECKOUT 'git -C "$TOP_DIR" rev-parse --verify HEAD:Makefile' 'the sources in git'

# The build under test, with the variables it was made with: nothing is compiled again.
build () {
	eval "$DEEPOPS_MAKE -C \"\$TOP_DIR\" \"\$@\""
}

test_expect_success 'install puts programs, pages and completion under DESTDIR and PREFIX' '
	build install DESTDIR="$TRASH/root" PREFIX=/usr &&
	(cd root && find . -type f) | sort >installed &&
	grep -x "./usr/bin/git-deepops" installed &&
	grep -x "./usr/bin/git-deepops-serve" installed &&
	grep -x "./usr/bin/git-deepops-pre-receive" installed &&
	grep -x "./usr/bin/git-deepops-post-receive" installed &&
	grep -x "./usr/share/bash-completion/completions/git-deepops" installed &&
	grep -x "./usr/share/zsh/site-functions/_git-deepops" installed &&
	! grep -v "^./usr/" installed
'

test_expect_success ASCIIDOCTOR 'every source of a page is installed as a page' '
	for page in "$TOP_DIR"/git-deepops/docs/*.[157].adoc
	do
		name=${page##*/} &&
		name=${name%.adoc} &&
		echo "./usr/share/man/man${name##*.}/$name"
	done | sort >want &&
	grep "/man/" installed >got &&
	test_cmp want got
'

test_expect_success 'the installed program runs from there' '
	root/usr/bin/git-deepops version >out &&
	test_grep "^git-deepops" out &&
	PATH="$TRASH/root/usr/bin:$PATH" git deepops version >out2 &&
	test_cmp out out2
'

test_expect_success 'uninstall removes every file' '
	build uninstall DESTDIR="$TRASH/root" PREFIX=/usr &&
	(cd root && find . -type f) >left &&
	test_must_be_empty left
'

test_expect_success 'the chunk server is not linked with libgit2' '
	ldd "$DEEPOPS_BUILD/git-deepops-serve" >libs &&
	test_grep "libsqlite3" libs &&
	test_grep ! "libgit2" libs &&
	ldd "$DEEPOPS_BUILD/git-deepops" >libs &&
	test_grep "libgit2" libs
'

test_expect_success PLAIN 'the binaries are hardened' '
	for name in git-deepops git-deepops-serve git-deepops-pre-receive git-deepops-post-receive
	do
		readelf -W -hld "$DEEPOPS_BUILD/$name" >elf &&
		nm -D "$DEEPOPS_BUILD/$name" >imports &&
		test_grep "Type: *DYN" elf &&
		test_grep "GNU_RELRO" elf &&
		test_grep "BIND_NOW" elf &&
		test_grep "GNU_STACK .* RW " elf &&
		test_grep ! "GNU_STACK .* RWE" elf &&
		test_grep "__stack_chk_fail" imports &&
		test_grep "__snprintf_chk" imports &&
		test_grep "__memcpy_chk" imports || return 1
	done
'

test_expect_success CHECKOUT 'dist packs what git has, and that builds outside of git' '
	build dist >out &&
	git -C "$TOP_DIR" ls-tree -r --name-only HEAD | sort >want &&
	mkdir dist &&
	tar -C dist -xzf "$DEEPOPS_BUILD"/git-deepops-*.tar.gz &&
	(cd dist/git-deepops-* && find . -type f -o -type l) | sed "s,^\./,," | sort >got &&
	test_cmp want got &&
	# The plain build: make exports the SAN=... it was given.
	env -u SAN make -C dist/git-deepops-* build/obj/git-deepops/lib/repo/hooks.o &&
	dist/git-deepops-*/tests/lint/run layers banned lengths
'

test_expect_success 'plain make names what is missing and how to get it' '
	mkdir bin &&
	cat >bin/pkg-config <<-\END &&
	#!/bin/sh
	case "$*" in
	*libssh2*) exit 1 ;;
	*) exec /usr/bin/pkg-config "$@" ;;
	esac
	END
	chmod +x bin/pkg-config &&
	test_must_fail env PATH="$TRASH/bin:$PATH" \
		make -C "$TOP_DIR" B="$TRASH/empty" >out 2>&1 &&
	test_grep "apt-get install .*libssh2-1-dev" out &&
	test_grep ! "libgit2-dev" out
'

test_expect_success 'setup says what it would install, and nothing when all is there' '
	"$TOP_DIR/contrib/setup" -n check >out 2>&1 &&
	test_must_be_empty out &&
	test_expect_code 129 "$TOP_DIR/contrib/setup" -n nonsense
'

test_done
