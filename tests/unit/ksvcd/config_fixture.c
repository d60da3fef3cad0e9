// SPDX-License-Identifier: GPL-2.0
#include "config_fixture.h"

#include <stdlib.h>
#include <string.h>

#include "test.h"

struct config got;

void done_config(void)
{
	config_free(&got);
}

static const char *without_path(const char *error, const char *path)
{
	const char *at = strstr(error, path);
	const char *rest;

	if (!at)
		return text("%s", error);
	rest = without_path(at + strlen(path), path);
	return text("%.*sFILE%s", (int)(at - error), error, rest);
}

const char *configure(const char *flags, const char *file)
{
	char *path = text("%s/config.yaml", temp_dir());
	char *words = text("%s", flags), *save = NULL;
	char *argv[64] = { "ksvcd" };
	struct err e = {};
	int argc = 1;

	if (file) {
		put_file(path, file, strlen(file));
		argv[argc++] = "--config";
		argv[argc++] = path;
	}
	for (char *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	done_config();
	return config_parse(&got, argc, argv, &e) ? without_path(e.text, path) : "";
}

const char *configure_file(const char *flags, const char *body)
{
	return configure(flags, text("apiVersion: kubeproxy.config.k8s.io/v1alpha1\n"
				     "kind: KubeProxyConfiguration\n%s", body));
}

const char *notes(void)
{
	char *s = text("%s", "");

	for (size_t i = 0; i < got.n_notes; i++)
		s = text("%s%s%s:%d", s, i ? " " : "", got.notes[i].key, got.notes[i].line);
	return s;
}
