// SPDX-License-Identifier: GPL-2.0
/* How a request ended, in the terms of this source. */
#include <string.h>

#include "api.h"

const char *api_error_name(enum api_error error)
{
	static const char *const names[N_API_ERRORS] = {
		[API_ERROR_NONE] = "none",
		[API_ERROR_NAME] = "name",
		[API_ERROR_CONNECT] = "connect",
		[API_ERROR_TLS] = "tls",
		[API_ERROR_TIMEOUT] = "timeout",
		[API_ERROR_SILENCE] = "silence",
		[API_ERROR_BROKEN] = "broken",
		[API_ERROR_UNAUTHORIZED] = "unauthorized",
		[API_ERROR_FORBIDDEN] = "forbidden",
		[API_ERROR_GONE] = "gone",
		[API_ERROR_THROTTLED] = "throttled",
		[API_ERROR_STATUS] = "status",
		[API_ERROR_TOO_LARGE] = "too_large",
		[API_ERROR_UNREADABLE] = "unreadable",
		[API_ERROR_TOKEN] = "token",
		[API_ERROR_LOCAL] = "local",
	};

	return names[error];
}

const char *api_event_name(enum api_event event)
{
	static const char *const names[N_API_EVENTS] = {
		"ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR",
	};

	return names[event];
}

static enum api_error error_of_code(CURLcode code)
{
	switch (code) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return API_ERROR_NAME;
	case CURLE_COULDNT_CONNECT:
		return API_ERROR_CONNECT;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_CLIENTCERT:
		return API_ERROR_TLS;
	case CURLE_OPERATION_TIMEDOUT:
		return API_ERROR_TIMEOUT;
	case CURLE_WRITE_ERROR:
		return API_ERROR_TOO_LARGE;
	case CURLE_OUT_OF_MEMORY:
		return API_ERROR_LOCAL;
	default:
		return API_ERROR_BROKEN;
	}
}

static enum api_error error_of_status(long status)
{
	switch (status) {
	case 401:
		return API_ERROR_UNAUTHORIZED;
	case 403:
		return API_ERROR_FORBIDDEN;
	case 410:
		return API_ERROR_GONE;
	case 429:
	case 503:
		return API_ERROR_THROTTLED;
	default:
		return API_ERROR_STATUS;
	}
}

/* In the words of the server, if it has some. */
static void end_with_status(struct api_kind *k)
{
	long status = k->request.status;
	bool repaired;
	struct err e;
	json_t *root = k->in.len ? api_parse(k->in.data, k->in.len, &repaired, &e) : NULL;
	const char *message = api_text(root, NULL, "message");

	if (status == 400 && !k->no_field && message && strstr(message, "spec.clusterIP")) {
		k->no_field = true;
		k->expected = true;
	} else if (k->phase == API_STREAMING && (status == 400 || status == 422)) {
		k->no_stream = true;
		k->expected = true;
	}
	api_end(k, error_of_status(status), "status %ld%s%.300s", status, message ? ": " : "",
		message ? message : "");
	json_decref(root);
}

void api_judge(struct api_kind *k, CURLcode code)
{
	if (k->error)
		return;
	k->code = code;
	if (k->request.status && k->request.status != 200)
		end_with_status(k);
	else if (code)
		api_end(k, error_of_code(code), "%s", k->request.error[0] ? k->request.error :
			curl_easy_strerror(code));
	else if (k->phase == API_STREAMING)
		api_end(k, API_ERROR_BROKEN, "the stream ended before its list did");
	else if (k->phase == API_LISTING)
		api_list_page(k);
}
