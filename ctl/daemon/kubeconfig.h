/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVCD_KUBECONFIG_H
#define _KSVCD_KUBECONFIG_H

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "lib/util.h"

/* A certificate or a key: in a file, which may change, or as text. */
struct api_pem {
	char *file;
	char *text;
};

/* How to reach a Kubernetes API server, and who to say one is. */
struct api_access {
	char *server;			/* a URL without a slash at its end */
	char *tls_server_name;
	char *proxy;
	bool insecure;			/* the server's certificate is not verified */
	struct api_pem ca, cert, key;
	char *user, *password;
	char *token;			/* as of the last reading, or NULL */
	char *token_file;
	struct {
		struct timespec changed;
		ino_t inode;
		off_t size;
		uint64_t read;		/* on the caller's clock, in us */
	} token_state;
};

/*
 * From a kubeconfig, YAML or JSON; the named context or, for NULL, the current
 * one. server, if not NULL, replaces the one of the file, and with a path of
 * NULL is all there is. 0, or -1 with a message that names file and field.
 */
int api_access_kubeconfig(struct api_access *a, const char *path, const char *context,
			  const char *server, struct err *e);

#define API_SERVICE_ACCOUNT	"/var/run/secrets/kubernetes.io/serviceaccount"

/* As a pod's service account; directory is NULL for the usual one. */
int api_access_in_cluster(struct api_access *a, const char *directory, const char *server,
			  struct err *e);

/* As a service account if neither kubeconfig nor server is given. */
int api_access_init(struct api_access *a, const char *kubeconfig, const char *server,
		    struct err *e);

/*
 * Brings a->token up to date with its file: if that has changed, a minute has
 * passed, or always. On -1 the message says why, and the old token stays.
 */
int api_access_token(struct api_access *a, uint64_t now, bool always, struct err *e);

/* Whether both lead to one server as one user; what files hold may differ. */
bool api_access_same(const struct api_access *a, const struct api_access *b);

void api_access_clean(struct api_access *a);

#endif
