// SPDX-License-Identifier: BSD-2-Clause
/*
 * From bytes to a tree. The text is looked at three times: for characters that
 * do not belong into it, as a stream of events for the parts of YAML that this
 * language leaves out, and then as a document.
 */
#include <string.h>

#include "base/utf8.h"
#include "profile/tree.h"

/* Says where the first character is that no text file should have. */
static bool check_characters(struct fault_page *page)
{
	uint32_t code;

	for (size_t at = 0, n; at < page->size; at += n) {
		n = utf8_decode(page->text + at, page->size - at, &code);
		if (n == 0) {
			fault_add(page, fault_span_of_bytes(page, at, 1),
				  "byte 0x%02x is not UTF-8; save the file as UTF-8",
				  (unsigned char)page->text[at]);
			return false;
		}
		if (code == '\t' || code == '\n' || code == '\r' || !utf8_is_control(code))
			continue;
		fault_add(page, fault_span_of_bytes(page, at, n),
			  "the control character U+%04X does not belong here", (unsigned)code);
		return false;
	}
	return true;
}

/* The tabs in front of a line's first word, none where there is no word. */
static struct fault_span indenting_tabs(const struct fault_page *page, size_t line)
{
	struct fault_span span = { .line = line };
	size_t size;
	const char *text = fault_line(page, line, &size);

	while (span.column < size && text[span.column] == ' ')
		span.column++;
	while (span.column + span.width < size && text[span.column + span.width] == '\t')
		span.width++;
	return span;
}

/* YAML allows no tabs in front of a line's first word. Where that is the fault,
 * names each such line, not only the first one that the parser met. */
static bool check_tabs(struct fault_page *page, size_t met)
{
	if (indenting_tabs(page, met).width == 0)
		return false;
	for (size_t line = 0; line < page->n_lines; line++) {
		struct fault_span span = indenting_tabs(page, line);
		size_t size;
		const char *text = fault_line(page, line, &size);
		bool blank =
			span.column + span.width == size || text[span.column + span.width] == '#';

		if (span.width > 0 && (line == met || !blank))
			fault_add(page, span, "a tab indents this line; YAML wants spaces");
	}
	return true;
}

static void add_syntax_fault(struct fault_page *page, const yaml_parser_t *parser)
{
	const yaml_mark_t *mark = &parser->problem_mark;
	const char *problem = parser->problem ? parser->problem : "cannot be read";

	if (parser->error == YAML_READER_ERROR) {
		fault_add(page, fault_span_of_bytes(page, parser->problem_offset, 1),
			  "not YAML: %s", problem);
		return;
	}
	if (check_tabs(page, mark->line))
		return;
	if (parser->context && parser->context_mark.line < mark->line)
		fault_add(page, fault_span_of_word(page, mark->line, mark->column),
			  "not YAML: %s, %s that begins on line %zu", problem, parser->context,
			  parser->context_mark.line + 1);
	else
		fault_add(page, fault_span_of_word(page, mark->line, mark->column),
			  "not YAML: %s%s%s", problem, parser->context ? ", " : "",
			  parser->context ? parser->context : "");
}

static const char *left_out(const yaml_event_t *event)
{
	const yaml_char_t *anchor = NULL, *tag = NULL;

	switch (event->type) {
	case YAML_ALIAS_EVENT:
		return "aliases (*name) are not part of this language; quote a pattern that begins with *";
	case YAML_SCALAR_EVENT:
		anchor = event->data.scalar.anchor;
		tag = event->data.scalar.tag;
		break;
	case YAML_SEQUENCE_START_EVENT:
		anchor = event->data.sequence_start.anchor;
		tag = event->data.sequence_start.tag;
		break;
	case YAML_MAPPING_START_EVENT:
		anchor = event->data.mapping_start.anchor;
		tag = event->data.mapping_start.tag;
		break;
	default:
		break;
	}
	if (anchor)
		return "anchors (&name) are not part of this language";
	return tag ? "tags (!name) are not part of this language" : NULL;
}

struct stream {
	size_t depth, documents;
	bool usable; /* a tree can be made of it and walked */
};

static void add_event_fault(struct fault_page *page, const yaml_event_t *event, const char *what)
{
	const yaml_mark_t *from = &event->start_mark;

	fault_add(page, fault_span_of_word(page, from->line, from->column), "%s", what);
}

static void check_event(struct fault_page *page, const yaml_event_t *event, struct stream *stream)
{
	const char *what = left_out(event);

	if (what)
		add_event_fault(page, event, what);
	switch (event->type) {
	case YAML_ALIAS_EVENT:
		stream->usable = false; /* a tree with loops and shared parts */
		break;
	case YAML_DOCUMENT_START_EVENT:
		if (stream->documents++ == 1)
			add_event_fault(page, event,
					"a second document begins here; there may be one only");
		break;
	case YAML_SEQUENCE_START_EVENT:
	case YAML_MAPPING_START_EVENT:
		if (++stream->depth > TREE_DEPTH_MAX) {
			add_event_fault(page, event, "too many levels of lists and mappings");
			stream->usable = false;
		}
		break;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		stream->depth--;
		break;
	default:
		break;
	}
}

static void set_input(yaml_parser_t *parser, const struct fault_page *page)
{
	yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(parser, (const unsigned char *)page->text, page->size);
}

/* Reads the stream once as events. Stops at what cannot be gone past. */
static bool check_events(struct fault_page *page)
{
	struct stream stream = { .usable = true };
	yaml_parser_t parser;
	yaml_event_t event;
	bool more = true;

	if (!yaml_parser_initialize(&parser))
		return false;
	set_input(&parser, page);
	while (more) {
		if (!yaml_parser_parse(&parser, &event)) {
			add_syntax_fault(page, &parser);
			stream.usable = false;
			break;
		}
		check_event(page, &event, &stream);
		more = event.type != YAML_STREAM_END_EVENT && stream.depth <= TREE_DEPTH_MAX;
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
	return stream.usable;
}

bool tree_load(struct tree *tree, struct fault_page *page, const char *if_empty)
{
	yaml_parser_t parser;
	bool loaded;

	*tree = (struct tree){ .page = page };
	if (!check_characters(page) || !check_events(page) || !yaml_parser_initialize(&parser))
		return false;
	set_input(&parser, page);
	loaded = yaml_parser_load(&parser, &tree->document);
	if (!loaded)
		add_syntax_fault(page, &parser);
	yaml_parser_delete(&parser);
	if (!loaded)
		return false;
	tree->root = yaml_document_get_root_node(&tree->document);
	if (tree->root &&
	    !(tree->root->type == YAML_SCALAR_NODE && tree->root->data.scalar.length == 0))
		return true;
	fault_add(page, (struct fault_span){}, "%s", if_empty);
	tree_free(tree);
	return false;
}
