// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>

#include "api.h"

/* Left out: S1 headless Services, S2 those of other proxies, and the slices of both, S3. */
#define NOT_HEADLESS	"fieldSelector=spec.clusterIP%21%3DNone&"
#define NOT_FOREIGN	"labelSelector=%21service.kubernetes.io%2Fservice-proxy-name"
#define NOT_LABELLED	NOT_FOREIGN "%2C%21service.kubernetes.io%2Fheadless"

static const struct {
	const char *path, *selector;
} resources[N_KINDS] = {
	[KIND_SERVICE] = { "/api/v1/services", NOT_FOREIGN "&" },
	[KIND_SLICE] = { "/apis/discovery.k8s.io/v1/endpointslices", NOT_LABELLED "&" },
	[KIND_NODE] = { "/api/v1/nodes", "" },
	[KIND_SERVICE_CIDR] = { "/apis/networking.k8s.io/v1/servicecidrs", "" },
};

static char *selector(const struct api_kind *k)
{
	char *name, *s;

	if (k->kind != KIND_NODE)
		return xasprintf("%s%s", k->kind == KIND_SERVICE && !k->no_field ? NOT_HEADLESS : "",
				 resources[k->kind].selector);
	name = api_escape(k->api->config.node_name);
	s = xasprintf("fieldSelector=metadata.name%%3D%s&", name);
	free(name);
	return s;
}

/*
 * Without a resourceVersion, a list is as new as the store: one that is only
 * as new as some cache could go back behind what was seen before.
 */
char *api_list_path(const struct api_kind *k)
{
	char *from = k->next_page ? api_escape(k->next_page) : NULL;
	char *select = selector(k);
	char *path = xasprintf("%s?%slimit=%u%s%s", resources[k->kind].path, select,
			       k->page_objects, from ? "&continue=" : "", from ? from : "");

	free(from);
	free(select);
	return path;
}

char *api_watch_path(struct api_kind *k)
{
	unsigned int ms = k->api->config.watch_ms + api_random(k->api->config.watch_ms);
	unsigned int seconds = ms < 1000 ? 1 : ms / 1000;
	char *select = selector(k), *version = NULL, *path;

	k->watch_until = api_now(k) +
			 (seconds * 1000ULL + k->api->config.watch_grace_ms) * 1000;
	if (k->version[0])
		version = api_escape(k->version);
	path = xasprintf("%s?%swatch=true&allowWatchBookmarks=true&timeoutSeconds=%u&%s%s",
			 resources[k->kind].path, select, seconds,
			 version ? "resourceVersion=" :
			 "sendInitialEvents=true&resourceVersionMatch=NotOlderThan",
			 version ? version : "");
	free(version);
	free(select);
	return path;
}
