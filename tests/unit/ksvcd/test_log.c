// SPDX-License-Identifier: GPL-2.0
/* Lines on stderr, and entries of a journal that is played here. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/log.h"
#include "daemon/log_format.h"
#include "test.h"

static char entry[65536];
static int journal_answer;

/* Takes the place of the library's. */
int sd_journal_sendv(const struct iovec *parts, int n);
int sd_journal_sendv(const struct iovec *parts, int n)
{
	*entry = '\0';
	for (int i = 0; i < n; i++)
		snprintf(entry + strlen(entry), sizeof(entry) - strlen(entry), "%.*s\n",
			 (int)parts[i].iov_len, (char *)parts[i].iov_base);
	return journal_answer;
}

static int saved_stderr = -1, reader = -1;

static void capture(void)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK))
		abort();
	saved_stderr = dup(STDERR_FILENO);
	dup2(fds[1], STDERR_FILENO);
	close(fds[1]);
	reader = fds[0];
}

static char *captured(void)
{
	static char buf[1 << 17];
	ssize_t n = read(reader, buf, sizeof(buf) - 1);

	buf[n > 0 ? n : 0] = '\0';
	return buf;
}

static void release(void)
{
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	close(reader);
	log_set_level(LOG_INFO);
	log_set_json(false);
	unsetenv("JOURNAL_STREAM");
}

static json_t *line(void)
{
	char *s = captured();
	json_t *o = json_loads(s, 0, NULL);

	expect(*s && s[strlen(s) - 1] == '\n' && strchr(s, '\n') == s + strlen(s) - 1);
	expect(strlen(s) <= PIPE_BUF);
	expect(json_is_object(o));
	return o;
}

static const char *member(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return text("%s", s ? s : "none");
}

static void fields(void)
{
	const char *time;
	json_t *o;

	capture();
	errno = ENOENT;
	log_line(LOG_WARNING, "Object left out", F_TEXT("service", "a/\"b\""), F_INT("n", -5),
		 F_TEXT("empty", NULL), F_TEXT("time", "no"));
	expect(errno == ENOENT);
	o = line();
	release();
	expect_text(member(o, "message"), "Object left out");
	expect_text(member(o, "level"), "warning");
	expect_text(member(o, "service"), "a/\"b\"");
	expect_text(member(o, "empty"), "");
	expect(json_integer_value(json_object_get(o, "n")) == -5);
	time = member(o, "time");
	expect(strlen(time) == strlen("2026-01-02T03:04:05.000006Z") && time[10] == 'T');
	expect(time[19] == '.' && time[26] == 'Z' && !strncmp(time, "20", 2));
	json_decref(o);
}

static void levels(void)
{
	capture();
	log_line(LOG_DEBUG, "no");
	expect_text(captured(), "");
	log_set_level(LOG_DEBUG);
	log_line(LOG_DEBUG, "yes");
	expect_part(captured(), "\"level\":\"debug\"");
	log_set_level(LOG_ERR);
	log_line(LOG_WARNING, "no");
	expect_text(captured(), "");
	log_line(LOG_ERR, "yes");
	expect_part(captured(), "\"level\":\"error\"");
	log_set_level(100);
	expect(log_level() == LOG_DEBUG);
	log_set_level(-1);
	expect(log_level() == LOG_ERR);
	log_line(LOG_CRIT, "yes");
	expect_part(captured(), "\"level\":\"error\"");
	release();
}

static void not_text(void)
{
	json_t *o;

	capture();
	log_line(LOG_INFO, "m", F_TEXT("a", "x\xffy\xc3"), F_TEXT("b", "\xed\xa0\x80"),
		 F_TEXT("c", "d\xc3\xa9j\xc3\xa0\n\x01"));
	o = line();
	release();
	expect_text(member(o, "a"), "x\xef\xbf\xbdy\xef\xbf\xbd");
	expect_text(member(o, "b"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	expect_text(member(o, "c"), "d\xc3\xa9j\xc3\xa0\n\x01");
	json_decref(o);
}

static void long_lines(void)
{
	static const char *const units[] = { "x", "\x01", "\xe2\x82\xac", "\xff", "\"" };
	struct log_field many[64] = {};
	json_t *o;

	capture();
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		char *s = text("%20000s", "");
		size_t len = strlen(units[i]);

		for (size_t at = 0; at + len <= 20000; at += len)
			memcpy(s + at, units[i], len);
		log_line(LOG_INFO, "m", F_TEXT("a", s), F_TEXT("b", s), F_TEXT("z", "end"));
		o = line();
		expect_part(member(o, "a"), "\xe2\x80\xa6");
		expect_text(member(o, "z"), "end");
		json_decref(o);
	}
	for (size_t i = 0; i < ARRAY_SIZE(many) - 1; i++)
		many[i] = F_TEXT(text("key%zu", i), text("%1000s", ""));
	log_write(LOG_INFO, "m", many);
	o = line();
	expect(json_object_get(o, "key31") && !json_object_get(o, "key32"));
	json_decref(o);
	release();
}

/* Pipes in their normal state block; a log must not. */
static void nobody_reads(void)
{
	char *all;

	capture();
	fcntl(STDERR_FILENO, F_SETFL, 0);
	for (int i = 0; i < 5000; i++)
		log_line(LOG_INFO, "flood", F_INT("i", i));
	all = captured();
	expect_part(all, "\"i\":0}");
	expect(strlen(all) <= 1 << 17);
	log_line(LOG_INFO, "after");
	expect_part(captured(), "\"lines_dropped\":");
	log_line(LOG_INFO, "after");
	expect(!strstr(captured(), "lines_dropped"));
	/* Nor does one who has gone end the daemon. */
	close(reader);
	log_line(LOG_INFO, "lost");
	reader = open("/dev/null", O_RDONLY);
	release();
	capture();
	log_line(LOG_INFO, "back");
	captured();
	release();
}

static void be_journal(int by_device, int by_inode)
{
	struct stat st;

	fstat(STDERR_FILENO, &st);
	setenv("JOURNAL_STREAM", text("%llu:%llu", (unsigned long long)st.st_dev + by_device,
				      (unsigned long long)st.st_ino + by_inode), 1);
}

static void journal(void)
{
	capture();
	be_journal(0, 0);
	log_line(LOG_NOTICE, "Object left out", F_TEXT("service", "a/b"), F_INT("odd-key 1", 7),
		 F_TEXT("bad", "\xff"));
	expect_text(captured(), "");
	expect_text(entry, "MESSAGE=Object left out: service=a/b odd-key 1=7 bad=\xef\xbf\xbd\n"
		    "PRIORITY=5\nSYSLOG_IDENTIFIER=ksvcd\nKSVC_EVENT=Object left out\n"
		    "KSVC_SERVICE=a/b\nKSVC_ODD_KEY_1=7\nKSVC_BAD=\xef\xbf\xbd\n");
	*entry = '\0';
	log_set_json(true);
	log_line(LOG_NOTICE, "m");
	expect_part(captured(), "\"message\":\"m\"");
	expect_text(entry, "");
	log_set_json(false);
	journal_answer = -ENOBUFS;
	log_line(LOG_NOTICE, "n");
	expect_part(captured(), "\"message\":\"n\"");
	journal_answer = 0;
	/* Somebody else's stream, or none. */
	be_journal(1, 0);
	log_line(LOG_NOTICE, "o");
	expect_part(captured(), "\"message\":\"o\"");
	be_journal(0, 1);
	log_line(LOG_NOTICE, "o");
	expect_part(captured(), "\"message\":\"o\"");
	setenv("JOURNAL_STREAM", "x", 1);
	log_line(LOG_NOTICE, "p");
	expect_part(captured(), "\"message\":\"p\"");
	release();
}

/* The queue of a socket that nobody reads is as full as several others can make it. */
static int full_socket(int *writers, size_t n)
{
	const struct sockaddr_un at = { .sun_family = AF_UNIX, .sun_path = "journal" };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	expect(!bind(fd, (const struct sockaddr *)&at, sizeof(at)));
	for (size_t i = 0; i < n; i++) {
		writers[i] = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		expect(!connect(writers[i], (const struct sockaddr *)&at, sizeof(at)));
		while (send(writers[i], "x", 1, 0) == 1)
			;
	}
	return fd;
}

static void journal_hangs(void)
{
	int cwd = open(".", O_RDONLY | O_CLOEXEC), writers[16], fd;

	expect(!chdir(temp_dir()));
	fd = full_socket(writers, ARRAY_SIZE(writers));
	capture();
	be_journal(0, 0);
	*entry = '\0';
	log_line(LOG_NOTICE, "a");
	expect_part(captured(), "\"message\":\"a\"");
	expect_text(entry, "");
	while (recv(fd, (char[1]){}, 1, MSG_DONTWAIT) == 1)
		;
	log_line(LOG_NOTICE, "b");
	expect_text(captured(), "");
	expect_part(entry, "MESSAGE=b\n");
	setenv("JOURNAL_STREAM", "x", 1);
	release();
	for (size_t i = 0; i < ARRAY_SIZE(writers); i++)
		close(writers[i]);
	close(fd);
	expect(!fchdir(cwd));
	close(cwd);
}

const struct test log_tests[] = {
	{ "log: fields", fields },
	{ "log: levels", levels },
	{ "log: what is not text", not_text },
	{ "log: long lines", long_lines },
	{ "log: nobody reads", nobody_reads },
	{ "log: journal", journal },
	{ "log: a journal that does not read", journal_hangs },
	{}
};
