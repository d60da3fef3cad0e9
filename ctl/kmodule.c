// SPDX-License-Identifier: GPL-2.0
#include "kmodule.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#define MODULE_MAX_SIZE	((size_t)64 << 20)

extern char **environ;

/* The exit status, or -1. What the command prints on success is not wanted. */
static int run(const char *const *argv)
{
	posix_spawn_file_actions_t actions;
	int status, r;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	r = posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (r)
		return -1;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int modprobe(const char *option, const char *module, struct err *e)
{
	const char *const argv[] = { "modprobe", option, module, NULL };
	int r = run(argv);

	if (r)
		return err_set(e, "modprobe %s %s failed with status %d", option, module, r);
	return 0;
}

/* The value of a modinfo field in the file, or NULL. */
static const char *modinfo(const char *file, size_t size, const char *field)
{
	size_t n = strlen(field);
	const char *at = file, *end = file + size;

	while ((at = memmem(at, end - at, field, n))) {
		if (at > file && !at[-1] && memchr(at, '\0', end - at))
			return at + n;
		at += n;
	}
	return NULL;
}

static int load_dependencies(const char *list, struct err *e)
{
	char *copy = xstrdup(list), *save, *name;
	int err = 0;

	for (name = strtok_r(copy, ",", &save); name && !err; name = strtok_r(NULL, ",", &save))
		err = modprobe("-q", name, e);
	free(copy);
	return err;
}

static int check_file(const char *path, const char *file, size_t size, struct err *e)
{
	const char *name = modinfo(file, size, "name=");
	const char *vermagic = modinfo(file, size, "vermagic=");
	const char *depends = modinfo(file, size, "depends=");
	struct utsname u;
	size_t n;

	if (size < 4 || memcmp(file, "\177ELF", 4) || !name || !vermagic || !depends)
		return err_set(e, "%s: not an uncompressed kernel module", path);
	if (strcmp(name, "ksvc"))
		return err_set(e, "%s: is the module %.60s, not ksvc", path, name);
	uname(&u);
	n = strlen(u.release);
	if (strncmp(vermagic, u.release, n) || vermagic[n] != ' ')
		return err_set(e, "%s: is for kernel %.*s, not %s", path,
			       (int)strcspn(vermagic, " "), vermagic, u.release);
	return load_dependencies(depends, e);
}

int kmodule_prepare(const char *path, struct err *e)
{
	size_t size;
	char *file;
	int err;

	if (!path)
		return modprobe("--show-depends", "ksvc", e);
	file = read_file(path, MODULE_MAX_SIZE, &size, e);
	if (!file)
		return -1;
	err = check_file(path, file, size, e);
	free(file);
	return err;
}

int kmodule_unload(struct err *e)
{
	if (!syscall(SYS_delete_module, "ksvc", O_NONBLOCK))
		return 0;
	err_set(e, "unloading ksvc: %s", strerror(errno));
	return errno == EAGAIN ? KMODULE_BUSY : -1;
}

int kmodule_load(const char *path, struct err *e)
{
	int fd, r;

	if (!path)
		return modprobe("-q", "ksvc", e);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_set(e, "%s: %s", path, strerror(errno));
	r = syscall(SYS_finit_module, fd, "", 0);
	if (r)
		err_set(e, "loading %s: %s; see the kernel log", path, strerror(errno));
	close(fd);
	return r;
}
