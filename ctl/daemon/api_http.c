// SPDX-License-Identifier: GPL-2.0
#include "api_http.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define MAX_HEADERS		((size_t)256 << 10)

/* What comes without a pause is read for so long, then others of the loop have their turn. */
#define TURN_USEC		2000

/* An answer that does not come is noticed within 20 + 3 * 10 s, whatever it is. */
#define KEEPALIVE_IDLE		20
#define KEEPALIVE_INTERVAL	10
#define KEEPALIVE_COUNT		3
#define UNACKNOWLEDGED_MS	30000

#define MAX_RETRY_AFTER		86400

#define POST_MS			10000L

#define CA_CACHE_SECONDS	60L

struct api_http {
	sd_event *event;
	sd_event_source *timer;
	CURLM *multi;
	const struct api_access *access;
	unsigned int connect_ms;
	uint64_t turn_ends;		/* CLOCK_MONOTONIC */
	char *base;
	struct curl_slist *headers;
	struct curl_slist *connect_to;
};

static void begin_turn(struct api_http *h)
{
	h->turn_ends = clock_usec(CLOCK_MONOTONIC) + TURN_USEC;
}

/* The request may be started again, and others cancelled: none of this is called by curl. */
static void end(struct api_request *r, CURLcode code)
{
	api_request_cancel(r);
	r->ops->done(r, code);
}

static void finish(struct api_http *h)
{
	struct CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(h->multi, &left))) {
		CURLcode code = msg->data.result;
		struct api_request *r;

		if (msg->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &r);
		end(r, code);
	}
}

static int on_io(sd_event_source *s, int fd, uint32_t revents, void *data)
{
	struct api_http *h = data;
	int mask = 0, running;

	(void)s;
	if (revents & (EPOLLIN | EPOLLHUP | EPOLLRDHUP))
		mask |= CURL_CSELECT_IN;
	if (revents & EPOLLOUT)
		mask |= CURL_CSELECT_OUT;
	if (revents & EPOLLERR)
		mask |= CURL_CSELECT_ERR;
	begin_turn(h);
	curl_multi_socket_action(h->multi, fd, mask, &running);
	finish(h);
	return 0;
}

static int on_timer(sd_event_source *s, uint64_t usec, void *data)
{
	struct api_http *h = data;
	int running;

	(void)s;
	(void)usec;
	begin_turn(h);
	curl_multi_socket_action(h->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	finish(h);
	return 0;
}

/*
 * A failure is not told to curl, which would give up all transfers for good;
 * the one whose socket is not followed runs into its time limit.
 */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *data, void *socket)
{
	struct api_http *h = data;
	sd_event_source *s = socket;
	uint32_t events = 0;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		curl_multi_assign(h->multi, fd, NULL);
		sd_event_source_disable_unref(s);
		return 0;
	}
	if (what & CURL_POLL_IN)
		events |= EPOLLIN;
	if (what & CURL_POLL_OUT)
		events |= EPOLLOUT;
	if (s)
		sd_event_source_set_io_events(s, events);
	else if (sd_event_add_io(h->event, &s, fd, events, on_io, h) >= 0)
		curl_multi_assign(h->multi, fd, s);
	return 0;
}

static int on_timeout(CURLM *multi, long ms, void *data)
{
	struct api_http *h = data;

	(void)multi;
	if (ms < 0)
		return sd_event_source_set_enabled(h->timer, SD_EVENT_OFF) < 0 ? -1 : 0;
	if (sd_event_source_set_time_relative(h->timer, ms * 1000ULL) < 0 ||
	    sd_event_source_set_enabled(h->timer, SD_EVENT_ONESHOT) < 0)
		return -1;
	return 0;
}

/* tls-server-name: the URL names it, and curl is told where that is. */
static int rename_server(struct api_http *h, CURLU *url)
{
	char *host = NULL, *port = NULL, *header, *to;
	int err = -1;

	if (!curl_url_get(url, CURLUPART_HOST, &host, 0) &&
	    !curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) &&
	    !curl_url_set(url, CURLUPART_HOST, h->access->tls_server_name, 0)) {
		header = xasprintf("Host: %s:%s", host, port);
		to = xasprintf("::%s:%s", host, port);
		h->headers = curl_slist_append(h->headers, header);
		h->connect_to = curl_slist_append(NULL, to);
		free(header);
		free(to);
		err = 0;
	}
	curl_free(host);
	curl_free(port);
	return err;
}

static int set_base(struct api_http *h, struct err *e)
{
	CURLU *url = curl_url();
	char *text = NULL;
	int err = 0;

	if (!url || curl_url_set(url, CURLUPART_URL, h->access->server, 0))
		err = err_set(e, "%s: is no URL", h->access->server);
	else if (h->access->tls_server_name && rename_server(h, url))
		err = err_set(e, "%s: is no name for TLS", h->access->tls_server_name);
	else if (curl_url_get(url, CURLUPART_URL, &text, 0))
		err = err_set(e, "%s: is no URL", h->access->server);
	if (!err) {
		size_t len = strlen(text);

		while (len && text[len - 1] == '/')
			len--;
		h->base = xstrndup(text, len);
	}
	curl_free(text);
	curl_url_cleanup(url);
	return err;
}

struct api_http *api_http_new(sd_event *event, const struct api_access *access,
			      unsigned int connect_ms, struct err *e)
{
	struct api_http *h = xcalloc(1, sizeof(*h));

	h->event = sd_event_ref(event);
	h->access = access;
	h->connect_ms = connect_ms;
	curl_global_init(CURL_GLOBAL_DEFAULT);
	h->multi = curl_multi_init();
	if (!h->multi || sd_event_add_time_relative(event, &h->timer, CLOCK_MONOTONIC, 0, 1000,
						    on_timer, h) < 0) {
		err_set(e, "the HTTP client could not be set up");
		goto free;
	}
	sd_event_source_set_enabled(h->timer, SD_EVENT_OFF);
	h->headers = curl_slist_append(NULL, "Accept: application/json");
	h->headers = curl_slist_append(h->headers, "Content-Type: application/json");
	if (set_base(h, e))
		goto free;
	curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
	curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
	curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
	return h;
free:
	api_http_free(h);
	return NULL;
}

void api_http_free(struct api_http *h)
{
	if (!h)
		return;
	curl_multi_cleanup(h->multi);
	sd_event_source_disable_unref(h->timer);
	curl_slist_free_all(h->headers);
	curl_slist_free_all(h->connect_to);
	free(h->base);
	sd_event_unref(h->event);
	free(h);
	curl_global_cleanup();
}

static size_t on_header(char *data, size_t size, size_t n, void *arg)
{
	struct api_request *r = arg;
	size_t len = size * n;

	r->header_size += len;
	if (r->header_size > MAX_HEADERS)
		return 0;
	/* The line that ends them; 1xx is followed by another answer. */
	if (!r->status && (len == 1 || len == 2) && data[len - 1] == '\n') {
		long status = 0;

		curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
		if (status >= 200) {
			r->status = status;
			r->ops->started(r);
		}
	}
	return len;
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
	struct api_request *r = arg;

	if (clock_usec(CLOCK_MONOTONIC) >= r->http->turn_ends) {
		sd_event_source_set_enabled(r->resume, SD_EVENT_ONESHOT);
		return CURL_WRITEFUNC_PAUSE;
	}
	return r->ops->received(r, data, size * n) ? 0 : size * n;
}

/* What was held back comes at once; only a failure of that is not told by the transfer itself. */
static int on_resume(sd_event_source *s, void *data)
{
	struct api_request *r = data;
	struct api_http *h = r->http;
	CURLcode code;

	(void)s;
	begin_turn(h);
	code = curl_easy_pause(r->easy, CURLPAUSE_CONT);
	if (code)
		end(r, code);
	finish(h);
	return 0;
}

static int on_connect(void *data, curl_socket_t fd, curlsocktype purpose)
{
	int count = KEEPALIVE_COUNT, unacknowledged = UNACKNOWLEDGED_MS;

	(void)data;
	if (purpose == CURLSOCKTYPE_IPCXN) {
		setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
		setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacknowledged,
			   sizeof(unacknowledged));
	}
	return CURL_SOCKOPT_OK;
}

int api_request_init(struct api_request *r, struct api_http *h,
		     const struct api_request_ops *ops)
{
	memset(r, 0, sizeof(*r));
	r->http = h;
	r->ops = ops;
	r->easy = curl_easy_init();
	if (!r->easy || sd_event_add_defer(h->event, &r->resume, on_resume, r) < 0)
		return -1;
	sd_event_source_set_enabled(r->resume, SD_EVENT_OFF);
	return 0;
}

void api_request_clean(struct api_request *r)
{
	api_request_cancel(r);
	sd_event_source_disable_unref(r->resume);
	curl_easy_cleanup(r->easy);
	r->easy = NULL;
}

static void set_blob(CURL *easy, CURLoption option, char *text)
{
	struct curl_blob blob = {
		.data = text, .len = strlen(text), .flags = CURL_BLOB_COPY,
	};

	curl_easy_setopt(easy, option, &blob);
}

static void set_pem(CURL *easy, const struct api_pem *pem, CURLoption file, CURLoption blob)
{
	if (pem->text)
		set_blob(easy, blob, pem->text);
	else if (pem->file)
		curl_easy_setopt(easy, file, pem->file);
}

static void set_tls(CURL *easy, const struct api_access *a)
{
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, a->insecure ? 0L : 1L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, a->insecure ? 0L : 2L);
	curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, CA_CACHE_SECONDS);
	if (a->ca.text || a->ca.file) {
		/* The cluster's authority and no other: not those of the system. */
		curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
		curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	}
	set_pem(easy, &a->ca, CURLOPT_CAINFO, CURLOPT_CAINFO_BLOB);
	set_pem(easy, &a->cert, CURLOPT_SSLCERT, CURLOPT_SSLCERT_BLOB);
	set_pem(easy, &a->key, CURLOPT_SSLKEY, CURLOPT_SSLKEY_BLOB);
}

static void set_user(CURL *easy, const struct api_access *a)
{
	if (a->token) {
		curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
		curl_easy_setopt(easy, CURLOPT_XOAUTH2_BEARER, a->token);
	} else if (a->user) {
		curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
		curl_easy_setopt(easy, CURLOPT_USERNAME, a->user);
		curl_easy_setopt(easy, CURLOPT_PASSWORD, a->password ? a->password : "");
	}
}

static void set_options(struct api_request *r)
{
	struct api_http *h = r->http;
	CURL *easy = r->easy;

	curl_easy_setopt(easy, CURLOPT_PRIVATE, r);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, r->error);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, r);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, r);
	curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, on_connect);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	/* One connection a watch: those that share one would share its stalls. */
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_HTTP09_ALLOWED, 0L);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)h->connect_ms);
	/* Or else curl would wait for a name that does not resolve, beyond all limits. */
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, (long)KEEPALIVE_IDLE);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, (long)KEEPALIVE_INTERVAL);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "ksvcd/" KSVC_VERSION);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, h->headers);
	curl_easy_setopt(easy, CURLOPT_CONNECT_TO, h->connect_to);
	if (h->access->proxy)
		curl_easy_setopt(easy, CURLOPT_PROXY, h->access->proxy);
	set_tls(easy, h->access);
	set_user(easy, h->access);
}

int api_request_start(struct api_request *r, const char *path, const char *body)
{
	char *url = xasprintf("%s%s", r->http->base, path);

	curl_easy_reset(r->easy);
	set_options(r);
	/* A connection, and a session to resume, knows a certificate that may be another now. */
	if (r->status == 401) {
		curl_easy_setopt(r->easy, CURLOPT_FRESH_CONNECT, 1L);
		curl_easy_setopt(r->easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
	}
	curl_easy_setopt(r->easy, CURLOPT_URL, url);
	free(url);
	if (body) {
		curl_easy_setopt(r->easy, CURLOPT_COPYPOSTFIELDS, body);
		curl_easy_setopt(r->easy, CURLOPT_TIMEOUT_MS, POST_MS);
	}
	r->status = 0;
	r->header_size = 0;
	r->error[0] = '\0';
	if (curl_multi_add_handle(r->http->multi, r->easy))
		return -1;
	r->running = true;
	return 0;
}

void api_request_cancel(struct api_request *r)
{
	if (r->running)
		curl_multi_remove_handle(r->http->multi, r->easy);
	r->running = false;
	sd_event_source_set_enabled(r->resume, SD_EVENT_OFF);
}

uint64_t api_request_retry_after(const struct api_request *r)
{
	curl_off_t seconds = 0;

	curl_easy_getinfo(r->easy, CURLINFO_RETRY_AFTER, &seconds);
	if (seconds > MAX_RETRY_AFTER)
		seconds = MAX_RETRY_AFTER;
	return seconds > 0 ? (uint64_t)seconds * 1000 : 0;
}

char *api_escape(const char *s)
{
	char *escaped = curl_easy_escape(NULL, s, 0), *copy;

	copy = xstrdup(escaped ? escaped : "");
	curl_free(escaped);
	return copy;
}
