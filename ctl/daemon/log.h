/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVCD_LOG_H
#define _KSVCD_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <syslog.h>

/*
 * One line an event: a message that is the same for all events of its sort,
 * and fields. Goes to the journal as fields of their own if stderr is
 * connected to it, otherwise to stderr as one JSON object.
 */
struct log_field {
	const char *key;		/* lower case, like "service" */
	const char *text;		/* NULL: the number counts */
	long long number;
};

static inline struct log_field F_TEXT(const char *key, const char *text)
{
	return (struct log_field){ .key = key, .text = text ? text : "" };
}

static inline struct log_field F_INT(const char *key, long long number)
{
	return (struct log_field){ .key = key, .number = number };
}

/* log_line(LOG_WARNING, "Object left out", F_TEXT("service", name), ...); */
#define log_line(level, message, ...)						\
	log_write(level, message,						\
		  (const struct log_field[]){ __VA_ARGS__ __VA_OPT__(,) {} })

void log_write(int level, const char *message, const struct log_field *fields);

void log_set_level(int level);			/* LOG_ERR to LOG_DEBUG */
int log_level(void);

#endif
