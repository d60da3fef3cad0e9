// SPDX-License-Identifier: GPL-2.0
/* What a service has besides lists. */
#include <string.h>

#include "model.h"

static const char *const policies[] = { "cluster", "local", NULL };
static const char *const removals[] = { "keep", "reset", NULL };
static const char *const schedulers[] = {
	[KSVC_SCHEDULER_RANDOM] = "random",
	[KSVC_SCHEDULER_RR] = "rr",
	[KSVC_SCHEDULER_WRR] = "wrr",
	[KSVC_SCHEDULER_LC] = "lc",
	[KSVC_SCHEDULER_SH] = "sh",
	[KSVC_SCHEDULER_MAGLEV] = "maglev",
	NULL
};

static const struct {
	const char *name;
	uint32_t flag;			/* of the service's flags, or 0: */
	size_t offset;			/* a member of its own */
	const char *const *words;	/* or NULL: */
	uint32_t max;			/* a number up to this */
} options[] = {
	[OPTION_INTERNAL_POLICY] = {
		"internal-policy", KSVC_SERVICE_FLAGS_INTERNAL_LOCAL, 0, policies, 0 },
	[OPTION_EXTERNAL_POLICY] = {
		"external-policy", KSVC_SERVICE_FLAGS_EXTERNAL_LOCAL, 0, policies, 0 },
	[OPTION_AFFINITY] = {
		"affinity", 0, offsetof(struct service, affinity), NULL, KSVC_MAX_AFFINITY },
	[OPTION_SCHEDULER] = {
		"scheduler", 0, offsetof(struct service, scheduler), schedulers, 0 },
	[OPTION_MAGLEV_SIZE] = {
		"maglev-size", 0, offsetof(struct service, maglev_size), NULL,
		KSVC_MAX_MAGLEV_SIZE },
	[OPTION_ON_REMOVE] = {
		"on-remove", KSVC_SERVICE_FLAGS_RESET, 0, removals, 0 },
};

const char *option_name(enum service_option o)
{
	return options[o].name;
}

bool option_has_words(enum service_option o)
{
	return options[o].words;
}

uint32_t option_get(const struct service *s, enum service_option o)
{
	if (options[o].flag)
		return !!(s->flags & options[o].flag);
	return *(const uint32_t *)((const char *)s + options[o].offset);
}

void option_set(struct service *s, enum service_option o, uint32_t value)
{
	if (!options[o].flag)
		*(uint32_t *)((char *)s + options[o].offset) = value;
	else if (value)
		s->flags |= options[o].flag;
	else
		s->flags &= ~options[o].flag;
}

const char *option_format(const struct service *s, enum service_option o, char *buf)
{
	const char *const *words = options[o].words;
	uint32_t value = option_get(s, o);

	for (uint32_t i = 0; words && words[i]; i++)
		if (i == value)
			return words[i];
	snprintf(buf, OPTION_STRLEN, "%u", value);
	return buf;
}

static int refuse_word(const char *const *words, const char *text, struct err *e)
{
	char list[128] = "";

	for (size_t i = 0; words[i]; i++) {
		strcat(list, !i ? "" : words[i + 1] ? ", " : " or ");
		strcat(list, words[i]);
	}
	return err_set(e, "must be %s, not \"%.40s\"", list, text);
}

int option_parse(struct service *s, enum service_option o, const char *text, struct err *e)
{
	const char *const *words = options[o].words;
	unsigned long value = 0;

	if (!words && parse_uint(text, options[o].max, &value))
		return err_set(e, "must be 0 to %u, not \"%.40s\"", options[o].max, text);
	while (words && words[value] && strcmp(words[value], text))
		value++;
	if (words && !words[value])
		return refuse_word(words, text, e);
	option_set(s, o, value);
	return 0;
}
