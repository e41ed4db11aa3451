#!/bin/sh
test_description='make install, uninstall and dist; what the binaries are linked with'
. "${0%/*}/test-lib.sh"

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
