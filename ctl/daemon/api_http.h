/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVCD_API_HTTP_H
#define _KSVCD_API_HTTP_H

#include <curl/curl.h>
#include <systemd/sd-event.h>

#include "kubeconfig.h"

/* Requests to the API server, through libcurl on the event loop. */
struct api_http;
struct api_request;

struct api_request_ops {
	/* The headers of the answer are complete, and its status known. */
	void (*started)(struct api_request *r);
	/* Nonzero breaks the request off: done() follows, with CURLE_WRITE_ERROR. */
	int (*received)(struct api_request *r, const char *data, size_t len);
	/* The only one that may start and cancel requests. */
	void (*done)(struct api_request *r, CURLcode code);
};

/* One at a time; may be used again and again. */
struct api_request {
	struct api_http *http;
	const struct api_request_ops *ops;
	CURL *easy;
	sd_event_source *resume;	/* what was held back goes on */
	bool running;
	long status;			/* 0 before the headers are complete */
	size_t header_size;
	char error[CURL_ERROR_SIZE];
};

/* access stays the caller's. The event loop's thread must ignore SIGPIPE. */
struct api_http *api_http_new(sd_event *event, const struct api_access *access,
			      unsigned int connect_ms, struct err *e);
void api_http_free(struct api_http *h);		/* all requests were cancelled */

int api_request_init(struct api_request *r, struct api_http *h,
		     const struct api_request_ops *ops);
void api_request_clean(struct api_request *r);

/*
 * path begins with a slash. body: JSON to be posted, with an answer within 10 s;
 * NULL to get. Nothing is called back before the next turn of the loop.
 */
int api_request_start(struct api_request *r, const char *path, const char *body);
void api_request_cancel(struct api_request *r);

/* What the server asked for by Retry-After, in ms. */
uint64_t api_request_retry_after(const struct api_request *r);

/* For use in a query; caller frees. */
char *api_escape(const char *s);

#endif
