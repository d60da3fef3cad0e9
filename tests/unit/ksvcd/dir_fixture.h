/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVCD_DIR_FIXTURE_H
#define _KSVCD_DIR_FIXTURE_H

#include "daemon/source_dir.h"
#include "test.h"

/* A loaded machine may be slow; nothing waits longer than it has to. */
#define PATIENCE	60

struct held {
	enum kind kind;
	char name[256];
	char value[64];			/* of the label v */
};

/* What the sink has been told since follow(), and how. */
extern struct seen {
	struct held held[1024];
	size_t n;
	int begun[N_KINDS], ended[N_KINDS];
	int puts, dels, broken;
	char last_broken[1024];
} seen;

/* Called with each object, for what happens meanwhile. */
extern void (*meanwhile)(void);

extern sd_event *loop;
extern char *dir;

/* A source of the path; of the directory "manifests", made for it. */
void follow(const char *path);
void start(void);
void stop(void);

/* "NAME=V ..." of Services, others with their kind before. */
const char *state(void);

double now(void);

/* Runs the loop until a condition holds. */
#define until(cond) ({							\
	double end_ = now() + PATIENCE;					\
	while (!(cond) && now() < end_)					\
		sd_event_run(loop, 100000);				\
	expect_(cond, __FILE__, __LINE__, #cond);			\
})

void until_state_at(int line, const char *wanted);
#define until_state(wanted)	until_state_at(__LINE__, wanted)

/* All that is pending happens. */
void idle(void);

/* "NAME=V ..." as Services of the namespace a, in YAML. */
char *services(const char *list);

/* Files by their names in the directory; of such Services; by a rename. */
char *in_dir(const char *name);
void put_text(const char *name, const char *content);
void put(const char *name, const char *list);
void replace(const char *name, const char *list);

#endif
