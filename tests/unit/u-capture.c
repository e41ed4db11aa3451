/* SPDX-License-Identifier: MIT */
/* u-capture.c - a machine capture of a made-up root, its canonical form, the environment */
#include "machine/capture_internal.h"

#include <unistd.h>

#include "base/io.h"
#include "base/path.h"
#include "base/tempfile.h"
#include "base/xalloc.h"
#include "tap.h"

static char root[] = "/tmp/u-capture.XXXXXX";

static void put(const char *path, const char *text)
{
	struct buf full = BUF_INIT, dir = BUF_INIT;
	struct err e = ERR_INIT;

	buf_addf(&full, "%s/%s", root, path);
	path_dirname(&dir, full.p);
	if (path_mkdirs(dir.p, 0755, &e) < 0 ||
	    tempfile_write(full.p, 0644, text, strlen(text), &e) < 0)
		ok(false, "%s", e.msg);
	buf_release(&full);
	buf_release(&dir);
}

static void value_is(const struct capture *c, const char *key, const char *want)
{
	struct buf b = BUF_INIT;

	if (!capture_value(c->text.p, c->text.len, key, &b))
		buf_addstr(&b, "(absent)");
	is_str(b.p, want, key);
	buf_release(&b);
}

static void made_up_root(void)
{
	struct capture_opts o = {root, NULL, NULL};
	struct chunkid first;
	struct capture c;
	struct err e = ERR_INIT;

	put("etc/os-release", "NAME=\"x\"\nID=debian\nVERSION_ID=\"12\"\n");
	put("etc/debian_version", "12.2\n");
	put("var/lib/dpkg/status",
	    "Package: a\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1:2-3\n\n"
	    "Package: gone\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 1\n\n"
	    "Package: lib\nStatus: hold ok installed\nArchitecture: amd64\nVersion: 9\n\n"
	    "Package: bare\nStatus: install ok installed\nArchitecture: all\nVersion: 5\n");
	put("var/lib/dpkg/info/a.md5sums", "x");
	put("var/lib/dpkg/info/lib:amd64.md5sums", "y");
	put("var/lib/dpkg/info/python3-old.list",
	    "/usr/lib/python3/dist-packages/old-2.0.egg-info\n/usr/lib/python3/dist-packages/"
	    "old\n");
	put("usr/lib/python3/dist-packages/new-1.5.dist-info/RECORD", "r");
	put("usr/lib/python3/dist-packages/old-2.0.egg-info", "Name: old\n");
	put("usr/lib/python3/dist-packages/lone.egg-info/PKG-INFO", "Name: lone\nVersion: 7\n");
	put("usr/lib/python3/dist-packages/new.egg-info/PKG-INFO", "Name: new\nVersion: 1.5\n");

	capture_init(&c);
	ok(capture_machine(&o, &c, &e) == 0, "captured: %s", e.msg);
	value_is(&c, "os.id", "debian");
	value_is(&c, "os.version", "12.2");
	value_is(&c, "os.pkg.dpkg.a:amd64",
		 "1:2-3 sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881");
	value_is(&c, "os.pkg.dpkg.lib:amd64",
		 "9 sha256:a1fce4363854ff888cff4b8e7875d600c2682390412a8cf79b37d0b11148b0fa");
	value_is(&c, "os.pkg.dpkg.bare:all", "5 none");
	value_is(&c, "os.pkg.dpkg.gone:amd64", "(absent)");
	value_is(&c, "os.pkg.python./usr/lib/python3/dist-packages/new",
		 "1.5 sha256:454349e422f05297191ead13e21d3db520e5abef52055e4964b82fb213f593a1");
	value_is(&c, "os.pkg.python./usr/lib/python3/dist-packages/old", "2.0 dpkg:python3-old");
	value_is(&c, "os.pkg.python./usr/lib/python3/dist-packages/lone", "7 none");
	is_u64(c.packages, 6, "packages are counted, one of two infos of the same name");
	is_u64(c.undigested, 2, "and those without a digest");
	ok(capture_check(c.text.p, c.text.len, &e) == 0, "it is in canonical form: %s", e.msg);
	first = c.id;
	capture_release(&c);
	ok(capture_machine(&o, &c, &e) == 0 && chunkid_equal(&first, &c.id), "twice the same");
	capture_release(&c);
}

static void cached(void)
{
	struct capture_opts o = {root, root, NULL};
	struct chunkid first;
	struct capture c;
	struct err e = ERR_INIT;
	struct buf path = BUF_INIT;

	capture_init(&c);
	ok(capture_machine(&o, &c, &e) == 0, "captured with a cache: %s", e.msg);
	first = c.id;
	capture_release(&c);
	buf_addf(&path, "%s/var/lib/dpkg/info/a.md5sums", root);
	unlink(path.p);
	/* The list of info/ changed: the cache must not answer. */
	ok(capture_machine(&o, &c, &e) == 0 && !chunkid_equal(&first, &c.id),
	   "a removed md5sums file is noticed");
	capture_release(&c);
	put("var/lib/dpkg/info/a.md5sums", "x");
	ok(capture_machine(&o, &c, &e) == 0 && chunkid_equal(&first, &c.id), "and its return");
	capture_release(&c);
	ok(capture_machine(&o, &c, &e) == 0 && chunkid_equal(&first, &c.id), "also from the cache");
	is_u64(c.undigested, 2, "which knows what has no digest");
	capture_release(&c);
	buf_release(&path);
}

static bool canonical(const char *text)
{
	return capture_check(text, strlen(text), NULL) == 0;
}

static void this_machine(void)
{
	struct capture_opts o = {NULL, NULL, "python3"};
	struct capture c;
	struct err e = ERR_INIT;
	struct buf b = BUF_INIT;

	capture_init(&c);
	ok(capture_machine(&o, &c, &e) == 0, "this machine: %s", e.msg);
	ok(capture_check(c.text.p, c.text.len, &e) == 0, "canonical: %s", e.msg);
	ok(capture_value(c.text.p, c.text.len, "kernel.release", &b) == 1, "kernel %s", b.p);
	ok(capture_value(c.text.p, c.text.len, "gpu.count", &b) == 1, "GPU count is known");
	ok(c.threads > 0 && *c.device, "class %s", c.device);
	capture_release(&c);
	buf_release(&b);
	ok(canonical("cpu.model=a\nos.id=b\n"), "sorted is canonical");
	ok(!canonical("os.id=b\ncpu.model=a\n"), "unsorted is not");
	ok(!canonical("os.id=b\nos.id=c\n"), "nor a key twice");
	ok(!canonical("os.id=b"), "nor without the last LF");
	ok(!canonical("os.id=\n"), "nor an empty value");
	ok(!canonical("foo.id=b\n"), "nor an unknown facet");
	ok(!canonical("os.id=\x1b[0m\n"), "nor control bytes");
	ok(!canonical(""), "nor nothing");
}

static void environment(void)
{
	char *env[] = {(char[]){"PATH=/bin"},
		       (char[]){"CUDA_VISIBLE_DEVICES=0"},
		       (char[]){"SLURM_JWT=x"},
		       (char[]){"HOME=/root"},
		       (char[]){"LC_ALL=C"},
		       (char[]){"PYTHON_API_KEY=x"},
		       NULL};
	struct strvec values = STRVEC_INIT, names = STRVEC_INIT;

	capture_env(env, &values, &names);
	is_u64(values.nr, 3, "three may be recorded");
	is_str(values.v[0], "CUDA_VISIBLE_DEVICES=0", "sorted");
	is_u64(names.nr, 3, "of the others the names");
	is_str(names.v[1], "PYTHON_API_KEY", "a secret's name is no value");
	strvec_release(&values);
	strvec_release(&names);
}

static void owner_is(const char *path, const char *want, const char *label)
{
	struct strvec paths = STRVEC_INIT, owners = STRVEC_INIT;

	strvec_push(&paths, path);
	capture_owners(root, &paths, &owners);
	is_str(owners.nr == 1 ? owners.v[0] : "(none)", want, label);
	strvec_release(&paths);
	strvec_release(&owners);
}

/* Which package a program belongs to is asked of dpkg once, until dpkg changes. */
static void owners_are_kept(void)
{
	struct strvec lines = STRVEC_INIT, none = STRVEC_INIT;
	struct buf text = BUF_INIT;
	struct chunkid stamp, other;

	if (access("/var/lib/dpkg/info", F_OK) < 0)
		return;
	capture_packages_stamp("", &none, &text);
	chunkid_of(&stamp, text.p, text.len);
	chunkid_of(&other, "older", 5);
	owner_is("/usr/bin/never was", "", "what no package has");
	ok(capture_cache_load(root, "owners", &stamp, &lines), "is kept");
	is_str(lines.nr == 2 ? lines.v[1] : "", "/usr/bin/never was ", "with its path");
	strvec_push(&lines, "/usr/bin/planted one");
	capture_cache_save(root, "owners", &stamp, &lines);
	owner_is("/usr/bin/planted", "one", "what is kept is not asked again");
	capture_cache_save(root, "owners", &other, &lines);
	owner_is("/usr/bin/planted", "", "unless dpkg changed");
	put("owners", "deepops-cache 1\n");
	owner_is("/usr/bin/planted", "", "a cache that is cut off is none");
	strvec_release(&lines);
	buf_release(&text);
}

int main(void)
{
	struct err e = ERR_INIT;

	if (!mkdtemp(root))
		return 1;
	made_up_root();
	cached();
	owners_are_kept();
	this_machine();
	environment();
	if (path_remove_tree(root, &e) < 0)
		ok(false, "%s", e.msg);
	return done_testing();
}
