// SPDX-License-Identifier: GPL-2.0
#include "test.h"

#include <stdlib.h>
#include <string.h>

static void scalars(void)
{
	expect_text(documents("a: 1\nb: \"1\"\nc: '1'\nd: one\ne: -12\nf: +3\n"),
		    "{\"a\":1,\"b\":\"1\",\"c\":\"1\",\"d\":\"one\",\"e\":-12,\"f\":3}\n");
	expect_text(documents("- true\n- False\n- yes\n- off\n- \"true\"\n- truE\n"),
		    "[true,false,true,false,\"true\",\"truE\"]\n");
	expect_text(documents("- null\n- ~\n-\n- Null\n- 'null'\n- \"\"\n"),
		    "[null,null,null,null,\"null\",\"\"]\n");
	expect_text(documents("- 0x1F\n- 010\n- 0o10\n- 0b101\n- 08\n- 1.5\n- 1e3\n- .5\n"),
		    "[31,8,8,5,8.0,1.5,1000.0,0.5]\n");
	expect_text(documents("- 1.2.3.4\n- 1:30\n- 2001:db8::1\n- 2026-01-01\n- -\n- .\n- .inf\n"),
		    "[\"1.2.3.4\",\"1:30\",\"2001:db8::1\",\"2026-01-01\",[null],\".\",\".inf\"]\n");
	expect_text(documents("- 9223372036854775807\n- !!str 5\n"),
		    "[9223372036854775807,\"5\"]\n");
	expect_text(documents("- |\n  two\n  lines\n- >\n  one\n  line\n"),
		    "[\"two\\nlines\\n\",\"one line\\n\"]\n");
}

static void structure(void)
{
	expect_text(documents("a:\n  - b: {c: [1, 2]}\n    d:\n  - []\n"),
		    "{\"a\":[{\"b\":{\"c\":[1,2]},\"d\":null},[]]}\n");
	expect_text(documents("---\na: 1\n---\nb: 2\n...\n---\n# nothing\n---\nc: 3\n"),
		    "{\"a\":1}\n{\"b\":2}\n{\"c\":3}\n");
	expect_text(documents("\xef\xbb\xbf" "a: 1\n"), "{\"a\":1}\n");
	expect_text(documents("1: one\ntrue: yes\n"), "{\"1\":\"one\",\"true\":true}\n");
	expect_part(documents("a: 1\na: 2\n"), "duplicate key \"a\"");
	expect_part(documents("? [a]\n: 1\n"), "a key that is no scalar");
	expect_part(documents("<<: {a: 1}\n"), "merge keys");
	expect_part(documents("a: !!binary aGk=\n"), "tags");
	expect_part(documents("a: !foo {}\n"), "tags");
}

static void aliases(void)
{
	expect_text(documents("a: &x {b: 1}\nc: *x\n"), "{\"a\":{\"b\":1},\"c\":{\"b\":1}}\n");
	expect_text(documents("- &x 1\n- *x\n- &x 2\n- *x\n"), "[1,1,2,2]\n");
	expect_part(documents("- &x [*x]\n"), "alias *x");
	expect_part(documents("- *nothing\n"), "alias *nothing");
	expect_part(documents("---\n- &x 1\n---\n- *x\n"), "alias *x");
	expect_part(documents("&x a: 1\n*x : 2\n"), "alias");
}

static void alias_bomb(void)
{
	char input[4096], *p = input;

	p += sprintf(p, "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
	for (int i = 1; i < 12; i++)
		p += sprintf(p, "a%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n", i, i,
			     i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
	expect_part(documents(input), "aliases stand for too many values");
	/* High instead of broad. */
	p = input + sprintf(input, "a0: &a0 [x]\n");
	for (int i = 1; i < 100; i++)
		p += sprintf(p, "a%d: &a%d [*a%d]\n", i, i, i - 1);
	expect_part(documents(input), "nested deeper than 64");
}

static char *repeated(const char *part, size_t n)
{
	size_t len = strlen(part);
	char *s = text("%*s", (int)(n * len), "");

	for (size_t i = 0; i < n; i++)
		memcpy(s + i * len, part, len);
	return s;
}

static void depth(void)
{
	expect_part(documents(text("a: %s", repeated("[", 100000))), "nested deeper than 64");
	expect_part(documents(text("a: %s", repeated("{a: ", 1000))), "nested deeper than 64");
	expect_part(documents(repeated("- ", 1000)), "nested deeper than 64");
	expect_part(documents(text("- %s%s\n", repeated("[", 62), repeated("]", 62))), "[[[[");
	expect_part(documents(repeated("[", 100000)), "error:");
	expect_part(documents(text("%s1%s", repeated("[", 65), repeated("]", 65))),
		    "nested deeper than 64");
	expect_part(documents(text("%s1%s", repeated("[", 64), repeated("]", 64))), "[[[[1");
	expect_part(documents(repeated("{\"a\":", 3000)), "error:");
}

static void many_anchors(void)
{
	size_t size;
	char *s, *result;
	FILE *f = open_memstream(&s, &size);

	for (int i = 0; i < 5000; i++)
		fprintf(f, "- &a%d x\n", i);
	fclose(f);
	result = documents(s);
	expect_part(result, "anchors");
	free(s);
}

static void broken(void)
{
	static const char *const bad[] = {
		"a: [1, 2", "a: {b: 1", "a: \"x", "\ta: 1", "a: b: c", "- a\nb: 1", "a: 'x", "@",
		"%YAML 3.0\n---\na: 1", "a: \xff", "a: \xed\xa0\x80", "key: *", "a: |\nb", "&",
		"? ? ? ", "[a", "]", "}", "- - -\n  - }",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		expect_part(documents(bad[i]), "error: ");
	expect_part(documents_of("a: \"x\0y\"", 8), "error: ");
	expect_part(documents_of("a: x\0y", 6), "error: ");
	expect_part(documents("a: \"\\0\""), "no text");
	expect_part(documents("\"\\0\": a"), "no text");
	expect_part(documents(""), "is empty");
	expect_part(documents(" \n\t "), "is empty");
	expect_part(documents("a: 1\n b: 2"), "line ");
}

static void json(void)
{
	expect_text(documents(" {\"a\": [1, \"1\", true, null, 1.5]} "),
		    "{\"a\":[1,\"1\",true,null,1.5]}\n");
	expect_text(documents("{\"a\":1}\n{\"b\":2}[3]"), "{\"a\":1}\n{\"b\":2}\n[3]\n");
	expect_part(documents("{\"a\":1,\"a\":2}"), "error: line 1");
	expect_part(documents("{\"a\":1} x"), "error: line");
	expect_part(documents("{\"a\":"), "error: line");
	expect_part(documents("{\"a\": \"\\u0000\"}"), "error: ");
	expect_part(documents("{\"a\": \"\xff\"}"), "error: ");
	expect_part(documents("{\"a\": 99999999999999999999}"), "error: ");
	expect_part(documents("{\"a\": 1e999}"), "error: ");
	expect_part(documents_of("{\"a\": 1}\0", 10), "error: ");
}

const struct test yaml_tests[] = {
	{ "yaml: scalars", scalars },
	{ "yaml: structure and documents", structure },
	{ "yaml: aliases", aliases },
	{ "yaml: alias bombs", alias_bomb },
	{ "yaml: depth, and that of JSON", depth },
	{ "yaml: number of anchors", many_anchors },
	{ "yaml: broken input", broken },
	{ "json: values and errors", json },
	{}
};
