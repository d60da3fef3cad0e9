/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVC_K8S_READ_H
#define _KSVC_K8S_READ_H

#include "jread.h"
#include "k8s.h"

/* Between the files that read objects. All return 0, or -1 with the error set. */
struct k8s_meta {
	const char *ns, *name;
	const char *version;		/* or NULL */
	json_t *labels, *annotations;
};

/*
 * k8s_read.c; messages start with the object from then on. On failure, ns and
 * name are set if they could be read.
 */
int k8s_read_meta(struct jread *r, const json_t *root, const char *kind,
		  struct k8s_meta *meta);
int k8s_read_ports(struct jread *r, const json_t *o, bool slice,
		   struct k8s_port **ports, size_t *n);
int k8s_read_string(struct jread *r, const json_t *array, const char *key, size_t i,
		    const char **s);

/* The text of an annotation, or NULL; what is no text is left out with a warning. */
const char *k8s_annotation(struct k8s *k, struct jread *r, const struct k8s_meta *meta,
			   const char *key);

/* Warns of a field instead of refusing it, in the words of jread_fail(). */
void k8s_warn_field(struct k8s *k, const struct jread *r, const char *key,
		    const char *fmt, ...) __printf(4, 5);

/* k8s_service.c, k8s_slice.c: fill s, which is zero and to be freed by the caller. */
int k8s_read_service(struct k8s *k, struct jread *r, const json_t *root,
		     const struct k8s_meta *meta, struct k8s_service *s);
int k8s_read_slice(struct k8s *k, struct jread *r, const json_t *root,
		   const struct k8s_meta *meta, struct k8s_slice *s,
		   const char **service);

/* k8s_store.c: k8s_put() of what the reader has come to. */
int k8s_put_read(struct k8s *k, enum k8s_kind kind, struct jread *r, const json_t *root);

#endif
