// SPDX-License-Identifier: GPL-2.0
/* Manifests in a directory, and what becomes of them, in a loop of its own. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "dir_fixture.h"
#include "daemon/log.h"

static void listing(void)
{
	start();
	idle();
	expect(seen.begun[KIND_SERVICE] == 1 && seen.ended[KIND_SERVICE] == 1);
	expect(seen.begun[KIND_SLICE] == 1 && seen.ended[KIND_SLICE] == 1);
	expect(!seen.begun[KIND_NODE] && !seen.begun[KIND_SERVICE_CIDR]);
	stop();
	put("a.yaml", "x=1");
	put("b.yml", "y=1");
	put("c.txt", "z=1");
	put(".hidden.yaml", "z=1");
	put_text("d.json",
		 "{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": ["
		 "{\"apiVersion\": \"v1\", \"kind\": \"Service\", \"metadata\": {\"name\": \"j\"}},"
		 "{\"apiVersion\": \"v1\", \"kind\": \"Secret\", \"metadata\": {\"name\": \"m\"}},"
		 "{\"apiVersion\": \"v1\", \"kind\": \"Node\", \"metadata\": {\"name\": \"n1\"}},"
		 "{\"apiVersion\": \"v1\", \"kind\": \"Node\", \"metadata\": {\"name\": \"n2\"}},"
		 "{\"apiVersion\": \"networking.k8s.io/v1\", \"kind\": \"ServiceCIDR\","
		 " \"metadata\": {\"name\": \"k\"}}]}"
		 "{\"apiVersion\": \"discovery.k8s.io/v1\", \"kind\": \"EndpointSliceList\","
		 " \"items\": [{\"metadata\": {\"name\": \"s\", \"namespace\": \"a\"}}]}");
	follow(dir);
	until(seen.ended[KIND_SLICE]);
	until_state("a/x=1 a/y=1 j= EndpointSlice a/s= Node n1= ServiceCIDR k=");
	idle();
	expect(seen.puts == 6 && !seen.dels && !seen.broken);
	stop();
}

static void changes(void)
{
	start();
	put("a.yaml", "x=1 y=1 z=1");
	until_state("a/x=1 a/y=1 a/z=1");
	expect(seen.puts == 3);
	replace("a.yaml", "x=1 y=2 w=1");
	until_state("a/w=1 a/x=1 a/y=2");
	expect(seen.puts == 5 && seen.dels == 1);
	put("a.yaml", "y=2");
	until_state("a/y=2");
	expect(seen.puts == 5);
	rename(in_dir("a.yaml"), in_dir("b.yaml"));
	idle();
	until_state("a/y=2");
	expect(seen.puts == 5 && seen.dels == 3);
	rename(in_dir("b.yaml"), in_dir("b.txt"));
	until_state("");
	put("a.yaml", "x=3");
	put("b.yaml", "y=3");
	until_state("a/x=3 a/y=3");
	unlink(in_dir("a.yaml"));
	until_state("a/y=3");
	expect(!link(in_dir("b.txt"), in_dir("c.yaml")));
	until(seen.broken == 1);
	unlink(in_dir("b.yaml"));
	until_state("a/y=2");
	expect(seen.begun[KIND_SERVICE] == 1 && seen.ended[KIND_SERVICE] == 1);
	stop();
}

static void in_pieces(void)
{
	char *content = services("x=1 y=1");
	size_t half = strstr(content, "name: y") - content;
	int fd;

	start();
	put("b.yaml", "b=1");
	until_state("a/b=1");
	fd = open(in_dir("a.yaml"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	expect(write(fd, content, half) > 0);
	put("b.yaml", "b=2");
	until_state("a/b=2");
	expect(!seen.broken);
	expect(write(fd, content + half, strlen(content) - half) > 0);
	idle();
	until_state("a/b=2");
	close(fd);
	until_state("a/b=2 a/x=1 a/y=1");
	/* Deleted, and begun anew: the beginning is not taken for all. */
	unlink(in_dir("a.yaml"));
	fd = open(in_dir("a.yaml"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	expect(write(fd, content, half) > 0);
	idle();
	expect(!seen.broken);
	expect_text(state(), "a/b=2 a/x=1 a/y=1");
	expect(write(fd, content + half, strlen(content) - half) > 0);
	close(fd);
	/* The same length at the same moment is a change all the same. */
	for (int i = 0; i < 20; i++) {
		put("a.yaml", text("x=%d", i % 10));
		until_state(text("a/b=2 a/x=%d", i % 10));
	}
	expect(!seen.broken);
	stop();
}

/* As kubelet changes a ConfigMap's volume. */
static void swap_volume(const char *version, const char *a, const char *b)
{
	char *data = in_dir(version);

	mkdir(data, 0700);
	if (a)
		put(text("%s/a.yaml", version), a);
	if (b)
		put(text("%s/b.yaml", version), b);
	expect(!symlink(version, in_dir("..data_tmp")));
	expect(!rename(in_dir("..data_tmp"), in_dir("..data")));
}

static void volume(void)
{
	start();
	swap_volume("..1", "x=1 y=1", "z=1");
	expect(!symlink("..data/a.yaml", in_dir("a.yaml")));
	expect(!symlink("..data/b.yaml", in_dir("b.yaml")));
	until_state("a/x=1 a/y=1 a/z=1");
	expect(seen.puts == 3);
	/* y moves, and is never away. */
	swap_volume("..2", "x=2", "y=1 z=1");
	remove_tree(in_dir("..1"));
	until_state("a/x=2 a/y=1 a/z=1");
	idle();
	expect(seen.puts == 4 && !seen.dels && !seen.broken);
	swap_volume("..3", NULL, "z=1");
	unlink(in_dir("a.yaml"));
	remove_tree(in_dir("..2"));
	until_state("a/z=1");
	expect(!seen.broken);
	stop();
	/* The same of a single file. */
	follow(in_dir("b.yaml"));
	until_state("a/z=1");
	swap_volume("..4", NULL, "z=2");
	remove_tree(in_dir("..3"));
	until_state("a/z=2");
	expect(!seen.broken && !seen.dels);
	stop();
}

static void broken_files(void)
{
	start();
	put("a.yaml", "x=1 y=1");
	put("b.yaml", "z=1");
	until_state("a/x=1 a/y=1 a/z=1");
	put_text("a.yaml", text("%s---\n\tno: yaml", services("x=2")));
	until(seen.broken == 1);
	expect_part(seen.last_broken, "a.yaml: line 7");
	put_text("b.yaml", "{\"kind\": ");
	until(seen.broken == 2);
	put_text("b.yaml", "");
	until(seen.broken == 3);
	expect_part(seen.last_broken, "b.yaml: is empty");
	idle();
	expect_text(state(), "a/x=1 a/y=1 a/z=1");
	put("a.yaml", "x=2");
	until_state("a/x=2 a/z=1");
	put_text("b.yaml", "# nothing\n");
	until_state("a/x=2");
	expect(seen.broken == 3);
	expect(seen.ended[KIND_SERVICE] == 1);
	stop();
	put_text("b.yaml", "}");
	follow(dir);
	until(seen.ended[KIND_SERVICE] == 1);
	until_state("a/x=2");
	expect(seen.broken == 1);
	stop();
}

static void hostile_files(void)
{
	char *deep = text("%200000s", "");
	int fd;

	start();
	put("z.yaml", "z=1");
	until_state("a/z=1");
	memset(deep, '[', strlen(deep));
	put_text("a.json", deep);
	until(seen.broken == 1);
	for (size_t i = 0; deep[i]; i++)
		deep[i] = "- "[i % 2];
	put_text("b.yaml", deep);
	until(seen.broken == 2);
	put_text("c.yaml", "a: &a [x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b]\n"
		 "d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n"
		 "f: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: [*f,*f,*f,*f,*f,*f,*f,*f,*f,*f]\n"
		 "h: [*f,*f,*f,*f,*f,*f,*f,*f,*f,*f,*f,*f,*f,*f,*f,*f,*f,*f,*f,*f]\n");
	until(seen.broken == 3);
	put_file(in_dir("d.yaml"), "a: \xff\xfe\x00\x01", 7);
	until(seen.broken == 4);
	fd = open(in_dir("e.json"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	expect(!ftruncate(fd, (64 << 20) + 1));
	close(fd);
	until(seen.broken == 5);
	expect_part(seen.last_broken, "e.json: larger than 64 MB");
	put("z.yaml", "z=2");
	until_state("a/z=2");
	stop();
}

static void bad_objects(void)
{
	static const char *const objects[][2] = {
		{ "5", "not a Kubernetes object" },
		{ "kind: Service", "apiVersion: must be a string" },
		{ "{apiVersion: v1, kind: 5}", "kind: must be a string" },
		{ "{apiVersion: v1}", "kind: must be a string" },
		{ "{apiVersion: v1, kind: Service}", "metadata: must be an object" },
		{ "{apiVersion: v1, kind: Service, metadata: []}", "metadata: must be an object" },
		{ "{apiVersion: v1, kind: Service, metadata: {}}", "metadata.name: must be" },
		{ "{apiVersion: v1, kind: Service, metadata: {name: 5}}",
		  "metadata.name: must be" },
		{ "{apiVersion: v1, kind: Service, metadata: {name: a/b}}",
		  "metadata.name: must be" },
		{ "{apiVersion: v1, kind: Service, metadata: {name: a, namespace: [x]}}",
		  "metadata.namespace: must be" },
		{ "{apiVersion: v1, kind: List, items: {}}", "items: must be a list" },
		{ "{apiVersion: v1, kind: List, items: [1]}", "not a Kubernetes object" },
		{ "{apiVersion: discovery.k8s.io/v1beta1, kind: EndpointSlice}",
		  "apiVersion: \"discovery.k8s.io/v1beta1\" is not supported" },
	};
	char *content = services("x=1");

	start();
	for (size_t i = 0; i < ARRAY_SIZE(objects); i++) {
		put_text("a.yaml", text("%s---\n%s\n%s", content, objects[i][0], services("y=1")));
		until(seen.broken == (int)i + 1);
		expect_part(seen.last_broken, objects[i][1]);
		expect_part(seen.last_broken, "a.yaml: ");
		idle();
		expect_text(state(), "a/x=1 a/y=1");
	}
	put_text("a.yaml", text("%s---\n{apiVersion: v1, kind: Service, metadata: {name: a%0253d}}",
				content, 0));
	until(seen.broken == ARRAY_SIZE(objects) + 1);
	for (int i = 0; i < 100; i++)
		content = text("%s---\nkind: Service\n", content);
	put_text("a.yaml", content);
	until(seen.broken == ARRAY_SIZE(objects) + 22);
	expect_part(seen.last_broken, "a.yaml: 80 more such objects");
	stop();
}

static void same_object(void)
{
	start();
	put("b.yaml", "x=b y=1");
	until_state("a/x=b a/y=1");
	put("c.yaml", "x=c");
	until(seen.broken == 1);
	expect_part(seen.last_broken, "c.yaml: Service a/x: is in ");
	expect_part(seen.last_broken, "b.yaml, too, which counts");
	put("a.yaml", "x=a");
	until_state("a/x=a a/y=1");
	expect(seen.broken == 2);
	expect_part(seen.last_broken, "b.yaml: Service a/x: is in ");
	put("b.yaml", "x=B y=2");
	until_state("a/x=a a/y=2");
	unlink(in_dir("a.yaml"));
	until_state("a/x=B a/y=2");
	/* c has become broken; its object is that of last time. */
	put("b.yaml", "y=2");
	until_state("a/x=c a/y=2");
	expect(!seen.dels);
	put("b.yaml", "y=2 x=b");
	until_state("a/x=b a/y=2");
	put_text("c.yaml", "[");
	idle();
	put("b.yaml", "y=3");
	until_state("a/x=b a/y=3");
	idle();
	expect(!seen.dels);
	unlink(in_dir("c.yaml"));
	until_state("a/y=3");
	put("b.yaml", "y=4 x=1 x=2");
	until_state("a/x=1 a/y=4");
	expect_part(seen.last_broken, "b.yaml: Service a/x: is in the file twice");
	stop();
}

static void no_directory(void)
{
	char *away;

	dir = text("%s/manifests", temp_dir());
	away = text("%s/away", temp_dir());
	follow(dir);
	idle();
	expect(!seen.begun[KIND_SERVICE]);
	mkdir(dir, 0700);
	put("a.yaml", "x=1 y=1");
	until_state("a/x=1 a/y=1");
	until(seen.ended[KIND_SERVICE] == 1);
	/* Moved away, and another one in its place. */
	expect(!rename(dir, away));
	idle();
	expect_text(state(), "a/x=1 a/y=1");
	mkdir(dir, 0700);
	put("a.yaml", "x=2");
	put("b.yaml", "z=1");
	until_state("a/x=2 a/z=1");
	/* What happens in the old one is nobody's business. */
	unlink(text("%s/a.yaml", away));
	idle();
	/* Deleted and made again. */
	remove_tree(dir);
	idle();
	mkdir(dir, 0700);
	put("b.yaml", "z=2");
	until_state("a/z=2");
	put("b.yaml", "z=3");
	until_state("a/z=3");
	expect(seen.begun[KIND_SERVICE] == 1 && seen.ended[KIND_SERVICE] == 1 && !seen.broken);
	stop();
}

/* Of a directory further up nothing is told. */
static void moved_path(void)
{
	char *parent = text("%s/up", temp_dir()), *away = text("%s/away", temp_dir());

	mkdir(parent, 0700);
	dir = text("%s/manifests", parent);
	mkdir(dir, 0700);
	put("a.yaml", "x=1");
	put("b.yaml", "y=1");
	follow(dir);
	until_state("a/x=1 a/y=1");
	put("a.yaml", "x=2");
	put("b.yaml", "y=2");
	expect(!rename(parent, away));
	idle();
	expect(!seen.dels);
	mkdir(parent, 0700);
	mkdir(dir, 0700);
	put("a.yaml", "x=3");
	until_state("a/x=3");
	stop();
}

static void make_socket(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	expect(!bind(fd, (struct sockaddr *)&sun, sizeof(sun)));
	close(fd);
}

/* Lines of the log go to a file while fn runs. */
static char *logged(void (*fn)(void))
{
	char *path = text("%s/log", temp_dir()), *s;
	int saved = dup(STDERR_FILENO), fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct err e;
	size_t len;

	dup2(fd, STDERR_FILENO);
	log_set_level(LOG_WARNING);
	fn();
	log_set_level(LOG_ERR);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(fd);
	s = read_file(path, 1 << 20, &len, &e);
	unlink(path);
	path = text("%s", s);
	free(s);
	return path;
}

static void until_x(void)
{
	until_state("a/x=1");
	idle();
	put("x.yaml", "x=2");
	until_state("a/x=2");
}

static size_t count(const char *s, const char *part)
{
	size_t n = 0;

	for (; (s = strstr(s, part)); s++)
		n++;
	return n;
}

static void special_files(void)
{
	char *lines;

	start();
	expect(!mkfifo(in_dir("a.yaml"), 0600));
	make_socket(in_dir("b.json"));
	mkdir(in_dir("c.yaml"), 0700);
	expect(!symlink("/dev/zero", in_dir("d.yaml")));
	expect(!symlink("nowhere", in_dir("e.yaml")));
	expect(!symlink("f.yaml", in_dir("f.yaml")));
	put("x.yaml", "x=1");
	lines = logged(until_x);
	expect(count(lines, "Not a regular file") == 4 && count(lines, "\n") == 4);
	expect_part(lines, "/a.yaml\"");
	expect_part(lines, "/d.yaml\"");
	expect(!seen.broken && seen.ended[KIND_SERVICE] == 1);
	/* Something else in its place. */
	replace("a.yaml", "a=1");
	until_state("a/a=1 a/x=2");
	unlink(in_dir("x.yaml"));
	expect(!mkfifo(in_dir("x.yaml"), 0600));
	until_state("a/a=1");
	stop();
}

static void single_file(void)
{
	dir = text("%s/one", temp_dir());
	mkdir(dir, 0700);
	follow(in_dir("some.conf"));
	idle();
	expect(!seen.begun[KIND_SERVICE]);
	put("some.conf", "x=1");
	put("other.yaml", "y=1");
	until_state("a/x=1");
	until(seen.ended[KIND_SERVICE] == 1);
	replace("some.conf", "x=2");
	until_state("a/x=2");
	unlink(in_dir("some.conf"));
	until_state("");
	put("some.conf", "x=3");
	until_state("a/x=3");
	stop();
}

static void linked_file(void)
{
	char *target = text("%s/target", temp_dir());

	start();
	put_file(target, services("x=1"), strlen(services("x=1")));
	expect(!symlink(target, in_dir("a.yaml")));
	expect(!symlink(target, in_dir("b.yaml")));
	until_state("a/x=1");
	until(seen.broken == 1);
	put_file(target, services("x=2"), strlen(services("x=2")));
	until_state("a/x=2");
	unlink(in_dir("b.yaml"));
	idle();
	put_text(".new", services("x=3"));
	expect(!rename(in_dir(".new"), target));
	until_state("a/x=3");
	put_file(target, services("x=4"), strlen(services("x=4")));
	until_state("a/x=4");
	unlink(target);
	until_state("");
	stop();
}

/* A file that comes into being complete, of which nothing is told but that it is there. */
static void unnamed_file(void)
{
	const struct timespec old[2] = {};
	char *content = services("x=1");
	int fd;

	start();
	idle();
	fd = open(dir, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0) {
		puts("# no unnamed files here");
		stop();
		return;
	}
	expect(write(fd, content, strlen(content)) > 0 && !futimens(fd, old));
	expect(!linkat(AT_FDCWD, text("/proc/self/fd/%d", fd), AT_FDCWD, in_dir("a.yaml"),
		       AT_SYMLINK_FOLLOW));
	until_state("a/x=1");
	close(fd);
	stop();
}

/* More events than the kernel keeps. */
static void overflow(void)
{
	char *a, *b;
	int n = 0;
	FILE *f = fopen("/proc/sys/fs/inotify/max_queued_events", "re");

	expect(f && fscanf(f, "%d", &n) == 1);
	if (f)
		fclose(f);
	if (n > 100000) {
		puts("# too many events for the queue of this machine");
		return;
	}
	start();
	a = in_dir("a.yaml");
	b = in_dir("b.yaml");
	put("a.yaml", "a=1");
	put("b.yaml", "b=1");
	put("d.yaml", "d=1");
	until_state("a/a=1 a/b=1 a/d=1");
	for (int i = 0; i < n / 2 + 100; i++) {
		close(open(a, O_WRONLY | O_CLOEXEC));
		close(open(b, O_WRONLY | O_CLOEXEC));
	}
	put("a.yaml", "a=2");
	put("c.yaml", "c=1");
	unlink(in_dir("d.yaml"));
	until_state("a/a=2 a/b=1 a/c=1");
	expect(!seen.broken);
	stop();
}

static void many_files(void)
{
	start();
	for (int i = 0; i < 300; i++)
		put(text("f%03d.yaml", i), text("s%03d=1", i));
	until(seen.n == 300);
	for (int i = 0; i < 300; i += 2)
		unlink(in_dir(text("f%03d.yaml", i)));
	put("f001.yaml", "s001=2");
	until(seen.n == 150 && strstr(state(), "a/s001=2"));
	expect(seen.puts == 301 && seen.dels == 150);
	stop();
	follow(dir);
	until(seen.ended[KIND_SLICE]);
	expect(seen.puts == 150 && !seen.broken);
	stop();
}

#define RESTLESS	8

static void write_again(void)
{
	for (int i = 0; i < RESTLESS; i++)
		put(text("f%d.yaml", i), text("s%d=%d", i, seen.puts));
}

static void restless_files(void)
{
	start();
	write_again();
	put("f0.yaml", "s0=0 x=0");
	meanwhile = write_again;
	until(seen.ended[KIND_SERVICE] == 1 && seen.dels == 1);
	expect(seen.puts > RESTLESS && seen.puts < 500);
	meanwhile = NULL;
	for (int i = 0; i < RESTLESS; i++)
		put(text("f%d.yaml", i), "end=1");
	until(seen.n == 1);
	until_state("a/end=1");
	stop();
}

const struct test source_dir_tests[] = {
	{ "dir: listing", listing },
	{ "dir: changes", changes },
	{ "dir: written in pieces", in_pieces },
	{ "dir: a ConfigMap's volume", volume },
	{ "dir: broken files", broken_files },
	{ "dir: hostile files", hostile_files },
	{ "dir: bad objects", bad_objects },
	{ "dir: the same object twice", same_object },
	{ "dir: no directory", no_directory },
	{ "dir: its path moved", moved_path },
	{ "dir: special files", special_files },
	{ "dir: single file", single_file },
	{ "dir: links", linked_file },
	{ "dir: unnamed file", unnamed_file },
	{ "dir: lost events", overflow },
	{ "dir: many files", many_files },
	{ "dir: restless files", restless_files },
	{}
};
