// SPDX-License-Identifier: GPL-2.0
#define SD_JOURNAL_SUPPRESS_LOCATION

#include "log.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <systemd/sd-journal.h>
#include <time.h>
#include <unistd.h>

#include "lib/util.h"
#include "log_format.h"

/* What a pipe takes whole: lines of several writers stay apart, and none blocks. */
#define LINE_SIZE	PIPE_BUF
#define MAX_FIELDS	32
#define JOURNAL_TEXT	16384
#ifndef JOURNAL_SOCKET
#define JOURNAL_SOCKET	"/run/systemd/journal/socket"
#endif
#define CUT		"\xe2\x80\xa6"	/* an ellipsis */
#define NO_CHARACTER	"\xef\xbf\xbd"

static int log_limit = LOG_INFO;
static bool force_json;
static unsigned long long dropped;

void log_set_level(int level)
{
	log_limit = level < LOG_ERR ? LOG_ERR : level > LOG_DEBUG ? LOG_DEBUG : level;
}

int log_level(void)
{
	return log_limit;
}

void log_set_json(bool on)
{
	force_json = on;
}

static size_t character(const char *s, size_t len)
{
	for (size_t n = 1; n <= 4 && n <= len; n++)
		if (utf8_valid(s, n))
			return n;
	return 0;
}

/* Valid UTF-8 of at most max bytes and the mark of a cut. */
static char *clean(const char *s, size_t max)
{
	size_t len = strnlen(s, max + 4), n = 0;
	char *to = xcalloc(3 * len + sizeof(CUT), 1), *p = to;

	while (n < len && n + (character(s + n, len - n) ?: 1) <= max) {
		size_t c = character(s + n, len - n);

		memcpy(p, c ? s + n : NO_CHARACTER, c ? c : 3);
		p += c ? c : 3;
		n += c ? c : 1;
	}
	if (s[n])
		memcpy(p, CUT, sizeof(CUT) - 1);
	return to;
}

static const char *level_name(int level)
{
	static const char *const names[] = {
		[LOG_ERR] = "error", [LOG_WARNING] = "warning", [LOG_NOTICE] = "notice",
		[LOG_INFO] = "info", [LOG_DEBUG] = "debug",
	};

	return level < LOG_ERR ? "error" : names[level];
}

static json_t *now(void)
{
	char text[48], seconds[32];
	struct timespec ts;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	strftime(seconds, sizeof(seconds), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text, sizeof(text), "%s.%06uZ", seconds,
		 (unsigned int)(ts.tv_nsec / 1000) % 1000000);
	return json_string(text);
}

/* What is there stays: no field takes the place of the time. */
static void add_member(json_t *o, const char *key, json_t *value)
{
	if (json_object_get(o, key))
		json_decref(value);
	else
		json_object_set_new(o, key, value);
}

static void add_text(json_t *o, const char *key, const char *text, size_t max)
{
	char *valid = clean(text, max);

	add_member(o, key, json_string(valid));
	free(valid);
}

static char *json_line(int level, const char *message, const struct log_field *fields,
		       size_t max)
{
	json_t *o = json_object();
	char *line;

	add_member(o, "time", now());
	add_member(o, "level", json_string(level_name(level)));
	add_text(o, "message", message, max);
	for (size_t i = 0; i < MAX_FIELDS && fields[i].key; i++) {
		if (fields[i].text)
			add_text(o, fields[i].key, fields[i].text, max);
		else
			add_member(o, fields[i].key, json_integer(fields[i].number));
	}
	if (dropped)
		add_member(o, "lines_dropped", json_integer(dropped));
	line = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	return line;
}

/* A reader that does not read costs lines, never time. */
static bool write_line(const char *line, size_t len)
{
	struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };
	ssize_t n;

	do {
		if (poll(&p, 1, 0) != 1 || p.revents != POLLOUT)
			return false;
		n = write(STDERR_FILENO, line, len);
	} while (n < 0 && errno == EINTR);
	return n > 0;
}

static void to_stderr(int level, const char *message, const struct log_field *fields)
{
	size_t max = LINE_SIZE, len = 0;
	char *line = NULL;

	do {
		free(line);
		line = json_line(level, message, fields, max);
		len = line ? strlen(line) + 1 : 0;
		max /= 2;
	} while (len > LINE_SIZE && max);
	if (!len || len > LINE_SIZE) {
		dropped++;
		free(line);
		return;
	}
	line[len - 1] = '\n';
	if (write_line(line, len))
		dropped = 0;
	else
		dropped++;
	free(line);
}

static bool is_journal(void)
{
	unsigned long long dev, inode;
	const char *stream = getenv("JOURNAL_STREAM");
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &dev, &inode) == 2 &&
	       !fstat(STDERR_FILENO, &st) && st.st_dev == dev && st.st_ino == inode;
}

/* sd_journal_sendv() would wait for one that does not read. */
static bool journal_reads(void)
{
	const struct sockaddr_un to = { .sun_family = AF_UNIX, .sun_path = JOURNAL_SOCKET };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	bool reads = true;

	if (fd < 0)
		return true;
	if (!connect(fd, (const struct sockaddr *)&to, sizeof(to)))
		reads = poll(&p, 1, 0) != 0;
	close(fd);
	return reads;
}

struct entry {
	struct iovec parts[MAX_FIELDS + 4];
	int n;
};

static void add_part(struct entry *entry, char *text)
{
	entry->parts[entry->n].iov_base = text;
	entry->parts[entry->n++].iov_len = strlen(text);
}

static char *field_text(const struct log_field *f)
{
	return f->text ? clean(f->text, JOURNAL_TEXT) : xasprintf("%lld", f->number);
}

static char *journal_field(const struct log_field *f)
{
	char *value = field_text(f), *s = xasprintf("KSVC_%s=%s", f->key, value);

	for (char *p = s; *p != '='; p++)
		*p = *p >= 'a' && *p <= 'z' ? *p - ('a' - 'A') :
		     (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ? *p : '_';
	free(value);
	return s;
}

/* What journalctl shows of an entry when it is not told otherwise. */
static char *journal_message(const char *message, const struct log_field *fields)
{
	size_t size;
	char *s;
	FILE *f = open_memstream(&s, &size);

	if (!f)
		return xstrdup("MESSAGE=");
	fprintf(f, "MESSAGE=%s", message);
	for (size_t i = 0; i < MAX_FIELDS && fields[i].key; i++) {
		char *value = field_text(&fields[i]);

		fprintf(f, "%s%s=%s", i ? " " : ": ", fields[i].key, value);
		free(value);
	}
	fclose(f);
	return s;
}

static void to_journal(int level, const char *message, const struct log_field *fields)
{
	struct entry entry = {};

	add_part(&entry, journal_message(message, fields));
	add_part(&entry, xasprintf("PRIORITY=%d", level));
	add_part(&entry, xstrdup("SYSLOG_IDENTIFIER=ksvcd"));
	add_part(&entry, xasprintf("KSVC_EVENT=%s", message));
	for (size_t i = 0; i < MAX_FIELDS && fields[i].key; i++)
		add_part(&entry, journal_field(&fields[i]));
	if (!journal_reads() || sd_journal_sendv(entry.parts, entry.n) < 0)
		to_stderr(level, message, fields);
	for (int i = 0; i < entry.n; i++)
		free(entry.parts[i].iov_base);
}

void log_write(int level, const char *message, const struct log_field *fields)
{
	int saved = errno;

	if (level > log_limit)
		return;
	if (!force_json && is_journal())
		to_journal(level, message, fields);
	else
		to_stderr(level, message, fields);
	errno = saved;
}
