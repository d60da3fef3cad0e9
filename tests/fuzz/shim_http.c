// SPDX-License-Identifier: GPL-2.0
#include "shim.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/api_http.h"
#include "fuzz.h"

struct api_http {
	sd_event *event;
};

unsigned long shim_requests;
uint64_t shim_retry_after;

struct api_http *api_http_new(sd_event *event, const struct api_access *access,
			      unsigned int connect_ms, struct err *e)
{
	struct api_http *h = xcalloc(1, sizeof(*h));

	(void)e;
	check(access->server && connect_ms);
	h->event = event;
	return h;
}

void api_http_free(struct api_http *h)
{
	free(h);
}

int api_request_init(struct api_request *r, struct api_http *h,
		     const struct api_request_ops *ops)
{
	memset(r, 0, sizeof(*r));
	r->http = h;
	r->ops = ops;
	r->easy = (CURL *)r;
	return 0;
}

void api_request_clean(struct api_request *r)
{
	r->running = false;
	r->easy = NULL;
}

/* What of an answer gets into a request must not become another one. */
int api_request_start(struct api_request *r, const char *path, const char *body)
{
	(void)body;
	check(!r->running);
	check(*path == '/');
	for (const char *p = path; *p; p++)
		check(*p > ' ' && *p < 0x7f && *p != '#');
	r->status = 0;
	r->error[0] = '\0';
	r->running = true;
	shim_requests++;
	return 0;
}

void api_request_cancel(struct api_request *r)
{
	r->running = false;
}

uint64_t api_request_retry_after(const struct api_request *r)
{
	check(!r->running);
	return shim_retry_after;
}

char *api_escape(const char *s)
{
	char *escaped = curl_easy_escape(NULL, s, 0), *copy = xstrdup(escaped ? escaped : "");

	curl_free(escaped);
	return copy;
}
