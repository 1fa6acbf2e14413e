// SPDX-License-Identifier: BSD-2-Clause
#include "10-kernel-target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

__asm__(".text\n"
	"call_plain: plain: push %rbp; mov %rsp,%rbp; pop %rbp; plain_end: ret\n"
	"call_recurse: recurse: push %rbx; mov %edi,%ebx; dec %ebx; jle 1f; mov %ebx,%edi;\n"
	"  call call_recurse; 1: pop %rbx; recurse_end: ret\n"
	"call_leave: leave: push %rax; pop %rax; test %edi,%edi; jne 2f; leave_end: ret\n"
	"  2: pop %rax; jmp *%rax\n"
	"call_label: label: push %rbp; pop %rbp; label_end: ret\n"
	"call_begin: begin: push %rbp; pop %rbp; ret\n"
	"call_finish: finish: push %rbp; pop %rbp; ret\n"
	"call_dropped: dropped: push %rbp; pop %rbp; ret\n"
	"call_indirect: indirect: push %rbp; pop %rbp; indirect_end: ret\n"
	"call_answer: answer: push %rbp; pop %rbp; xor %edi,%edi; answer_end: ret\n"
	"call_number: number: push %rbp; pop %rbp; lea (%rdi,%rdi,2),%rax; number_end: ret\n"
	"call_set: set: push %rbp; pop %rbp; lea (%rdi,%rdi,2),%rax; set_end: ret\n"
	"call_from: from: push %rbp; pop %rbp; from_end: ret\n"
	"call_till: till: push %rbp; pop %rbp; xor %edi,%edi; till_end: ret\n"
	"halts: hlt; ret\n"
	".globl call_plain, plain, plain_end, call_recurse, recurse, recurse_end\n"
	".globl call_leave, leave, leave_end, call_label, label, label_end\n"
	".globl call_begin, begin, call_finish, finish, call_dropped, dropped\n"
	".globl call_indirect, indirect, indirect_end, halts\n"
	".globl call_answer, answer, answer_end, call_number, number, number_end\n"
	".globl call_set, set, set_end, call_from, from, from_end, call_till, till, till_end\n");

/* ---- profile ------------------------------------------------------------------------ */

static const char *const func_names[N_FUNCS] = {
	"plain",    "recurse", "leave",  "label", "future",
	"indirect", "answer",  "number", "set",   "from",  "till", "halts"
};

static struct profile_choice outcomes[] = { { "returned", "done" },
					    { "panicked", "panic" },
					    { "cancelled", "dropped" } };
static struct profile_choice decisions[] = { { "true", "approve" }, { "false", "reject" } };
static struct profile_choice accepts[] = { { "1", "yes" }, { "0", "no" } };
static struct profile_choice answers[] = { { "Ok.5", "five" },
					   { "Ok.6", "six" },
					   { "Err", "failed" } };
static struct profile_choice depths[] = { { "1", "odd" },  { "2", "even" }, { "3", "odd" },
					  { "4", "even" }, { "5", "odd" },  { "6", "even" },
					  { "7", "odd" },  { "8", "even" } };
static struct profile_choice kinds[] = { { "1", "share" }, { "2", "vote" } };
static char *depth_values[] = { "odd", "even" };
static char *kind_values[] = { "share", "vote" };
static struct profile_source depth_source = { .func = F_RECURSE,
					      .on = PROFILE_END_RETURN,
					      .number = 1 };
static struct profile_source number_source = { .func = F_NUMBER, .on = PROFILE_END_RETURN };
static struct profile_source delta_source = {
	.func = F_NUMBER, .on = PROFILE_END_RETURN, .number = 1, .labels = { { false, 2 } }
};
static struct profile_source result_source = { .func = F_NUMBER,
					       .on = PROFILE_END_RETURN,
					       .number = 3 };
static struct profile_source last_source = { .func = F_SET, .on = PROFILE_END_RETURN };
static struct profile_source set_delta_source = {
	.func = F_SET, .on = PROFILE_END_RETURN, .number = 1, .labels = { { false, 2 } }
};
static struct profile_source set_result_source = { .func = F_SET,
						   .on = PROFILE_END_RETURN,
						   .number = 3 };
static struct profile_source balance_sources[] = {
	{ .func = F_PLAIN, .on = PROFILE_END_RETURN },
	{ .func = F_ANSWER, .on = PROFILE_END_RETURN, .down = true },
};
static struct profile_source span_sources[] = {
	{ .func = F_FROM, .begins = true, .at_start = true },
	{ .func = F_TILL, .on = PROFILE_END_RETURN },
};
static char *answer_values[] = { "failed", "five", "six" };
static char *leave_values[] = { "dropped", "done", "panic" };
static char *decision_values[] = { "approve", "reject" };
static char *accept_values[] = { "no", "yes" }; /* in another order than its choices */
static struct profile_source plain_source = { .func = F_PLAIN, .on = PROFILE_END_RETURN };
static struct profile_source leave_source = { .func = F_LEAVE, .on = 7 };
static struct profile_source label_source = { .func = F_LABEL,
					      .on = PROFILE_END_RETURN,
					      .labels = { { false, 0 }, { false, 1 } } };
static struct profile_source future_source = { .func = F_FUTURE, .on = PROFILE_END_RETURN };
static struct profile_source answer_source = { .func = F_ANSWER, .on = PROFILE_END_RETURN };
static struct profile_metric metrics[N_METRICS] = {
	[M_PLAIN_SECONDS] = { .name = "plain_seconds",
			      .type = PROFILE_HISTOGRAM,
			      .bounds = { 1e-6, 1e-3, 1 },
			      .n_bounds = 3,
			      .sources = &plain_source,
			      .n_sources = 1 },
	[M_LEAVE_TOTAL] = { .name = "leave_total",
			    .type = PROFILE_COUNTER,
			    .labels = { { "outcome", leave_values, 3 } },
			    .n_labels = 1,
			    .sources = &leave_source,
			    .n_sources = 1 },
	[M_LABEL_TOTAL] = { .name = "label_total",
			    .type = PROFILE_COUNTER,
			    .labels = { { "decision", decision_values, 2 },
					{ "accepted", accept_values, 2 } },
			    .n_labels = 2,
			    .sources = &label_source,
			    .n_sources = 1 },
	[M_FUTURE_SECONDS] = { .name = "future_seconds",
			       .type = PROFILE_HISTOGRAM,
			       .bounds = { 0.05, 0.5, 5 },
			       .n_bounds = 3,
			       .sources = &future_source,
			       .n_sources = 1 },
	[M_ANSWER_TOTAL] = { .name = "answer_total",
			     .type = PROFILE_COUNTER,
			     .labels = { { "result", answer_values, 3 } },
			     .n_labels = 1,
			     .sources = &answer_source,
			     .n_sources = 1 },
	[M_DEPTH_TOTAL] = { .name = "depth_total",
			    .type = PROFILE_COUNTER,
			    .is_of_numbers = true,
			    .labels = { { "parity", depth_values, 2 } },
			    .n_labels = 1,
			    .sources = &depth_source,
			    .n_sources = 1 },
	[M_NUMBER_TOTAL] = { .name = "number_total",
			     .type = PROFILE_COUNTER,
			     .is_of_numbers = true,
			     .sources = &number_source,
			     .n_sources = 1 },
	[M_NUMBER] = { .name = "number",
		       .type = PROFILE_HISTOGRAM,
		       .is_of_numbers = true,
		       .bounds = { 0, 1, 10, 4294967296, 9007199254740992 },
		       .n_bounds = 5,
		       .sources = &number_source,
		       .n_sources = 1 },
	[M_DELTA_TOTAL] = { .name = "delta_total",
			    .type = PROFILE_COUNTER,
			    .is_of_numbers = true,
			    .labels = { { "kind", kind_values, 2 } },
			    .n_labels = 1,
			    .sources = &delta_source,
			    .n_sources = 1 },
	[M_RESULT_TOTAL] = { .name = "result_total",
			     .type = PROFILE_COUNTER,
			     .is_of_numbers = true,
			     .sources = &result_source,
			     .n_sources = 1 },
	[M_LAST] = { .name = "last",
		     .type = PROFILE_GAUGE,
		     .is_of_numbers = true,
		     .sources = &last_source,
		     .n_sources = 1 },
	[M_DELTA] = { .name = "delta",
		      .type = PROFILE_GAUGE,
		      .is_of_numbers = true,
		      .labels = { { "kind", kind_values, 2 } },
		      .n_labels = 1,
		      .sources = &set_delta_source,
		      .n_sources = 1 },
	[M_RESULT] = { .name = "result",
		       .type = PROFILE_GAUGE,
		       .is_of_numbers = true,
		       .sources = &set_result_source,
		       .n_sources = 1 },
	[M_BALANCE] = { .name = "balance",
			.type = PROFILE_GAUGE,
			.sources = balance_sources,
			.n_sources = 2 },
	[M_SPAN] = { .name = "span_seconds",
		     .type = PROFILE_HISTOGRAM,
		     .is_of_spans = true,
		     .within = 3600,
		     .late = 3600,
		     .bounds = { 1e-9, 3600 },
		     .n_bounds = 2,
		     .sources = span_sources,
		     .n_sources = 2 },
};

struct profile *target_profile(void)
{
	struct profile *profile = mem_alloc(sizeof(*profile));

	profile->n_funcs = N_FUNCS;
	for (size_t f = 0; f < N_FUNCS; f++)
		profile->funcs[f].name = (char *)func_names[f];
	profile->funcs[F_LEAVE].n_values = 1;
	profile->funcs[F_LEAVE].values[0] = (struct profile_value){
		.kind = PROFILE_VALUE_OUTCOME, .path = "", .choices = outcomes, .n_choices = 3
	};
	profile->funcs[F_LABEL].n_values = 2;
	profile->funcs[F_LABEL].values[0] = (struct profile_value){ .path = "vote.approve",
								    .choices = decisions,
								    .n_choices = 2 };
	profile->funcs[F_LABEL].values[1] = (struct profile_value){ .path = "vote.inner.accepted",
								    .choices = accepts,
								    .n_choices = 2 };
	profile->funcs[F_ANSWER].n_values = 1;
	profile->funcs[F_ANSWER].values[0] = (struct profile_value){
		.kind = PROFILE_VALUE_RETURN, .path = "", .choices = answers, .n_choices = 3
	};
	profile->funcs[F_RECURSE].n_values = 2;
	profile->funcs[F_RECURSE].values[0] =
		(struct profile_value){ .path = "depth", .choices = depths, .n_choices = 8 };
	profile->funcs[F_RECURSE].values[1] =
		(struct profile_value){ .path = "depth", .is_number = true };
	profile->funcs[F_NUMBER].n_values = profile->funcs[F_SET].n_values = 4;
	profile->funcs[F_NUMBER].values[0] =
		(struct profile_value){ .path = "n", .is_number = true };
	profile->funcs[F_NUMBER].values[1] =
		(struct profile_value){ .path = "numbers.delta", .is_number = true };
	profile->funcs[F_NUMBER].values[2] =
		(struct profile_value){ .path = "numbers.kind", .choices = kinds, .n_choices = 2 };
	profile->funcs[F_NUMBER].values[3] = (struct profile_value){ .kind = PROFILE_VALUE_RETURN,
								     .path = "number",
								     .is_number = true };
	for (size_t f = F_FROM; f <= F_TILL; f++) {
		profile->funcs[f].n_values = 1;
		profile->funcs[f].values[0] =
			(struct profile_value){ .path = "text", .is_key = true };
	}
	memcpy(profile->funcs[F_SET].values, profile->funcs[F_NUMBER].values,
	       sizeof(profile->funcs[F_SET].values));
	profile->metrics = metrics;
	profile->n_metrics = N_METRICS;
	return profile;
}

/* ---- plan --------------------------------------------------------------------------- */

static uint64_t file_offset(const void *code)
{
	unsigned long from, to, offset, at = (unsigned long)code;
	FILE *maps = fopen("/proc/self/maps", "r");
	uint64_t found = 0;
	char line[512];

	while (maps && !found && fgets(line, sizeof(line), maps))
		if (sscanf(line, "%lx-%lx %*s %lx", &from, &to, &offset) == 3 && at >= from &&
		    at < to)
			found = at - from + offset;
	if (maps)
		fclose(maps);
	return found;
}

static struct plan_site *add_site(struct plan *plan, unsigned func, enum abi_site_kind kind,
				  const char *code, struct abi_recipe key)
{
	struct plan_site *site = &plan->sites[plan->n_sites++];

	*site = (struct plan_site){ .kind = kind,
				    .func = func,
				    .instance = func,
				    .offset = file_offset(code),
				    .n_bytes = 1,
				    .key = key,
				    .saved = { .reg = ABI_REG_NONE } };
	memcpy(site->bytes, code, 1);
	return site;
}

static struct plan_choice choice(uint64_t raw, const char *text)
{
	return (struct plan_choice){ .raw = raw, .label = mem_strdup(text) };
}

/* What the first site of label() reads: one byte, and a field behind a pointer. */
static void add_values(struct plan_site *site)
{
	site->n_values = 2;
	site->values = mem_array(2, sizeof(*site->values));
	for (unsigned v = 0; v < 2; v++) {
		struct plan_test *test = &site->values[v].tests[0];

		site->values[v].slot = v;
		site->values[v].n_tests = 1;
		test->choices = mem_array(2, sizeof(*test->choices));
		test->n_choices = 2;
		test->choices[0] = choice(1, v ? "yes" : "approve");
		test->choices[1] = choice(0, v ? "no" : "reject");
	}
	site->values[0].tests[0].recipe = (struct abi_recipe){
		.reg = ABI_REG_RDI, .width = 1, .tail = offsetof(struct vote, approve)
	};
	site->values[1].tests[0].recipe =
		(struct abi_recipe){ .reg = ABI_REG_RDI,
				     .n_steps = 1,
				     .width = 4,
				     .add = { offsetof(struct vote, inner) },
				     .tail = offsetof(struct inner, accepted) };
}

/* What the last site of answer() reads through the pointer that the first one
 * saved: the tag, and for tag 0 the code. */
static void add_result(struct plan_site *site)
{
	struct plan_value *value = mem_alloc(sizeof(*value));

	site->values = value;
	site->n_values = 1;
	value->n_tests = 2;
	value->tests[0].recipe = (struct abi_recipe){ .reg = ABI_REG_SAVED, .width = 1 };
	value->tests[0].choices = mem_array(2, sizeof(*value->tests[0].choices));
	value->tests[0].n_choices = 2;
	value->tests[0].choices[0].next = 1;
	value->tests[0].choices[1] = choice(1, "failed");
	value->tests[1].recipe = (struct abi_recipe){ .reg = ABI_REG_SAVED,
						      .width = 4,
						      .tail = offsetof(struct result, code) };
	value->tests[1].choices = mem_array(2, sizeof(*value->tests[1].choices));
	value->tests[1].n_choices = 2;
	value->tests[1].choices[0] = choice(5, "five");
	value->tests[1].choices[1] = choice(6, "six");
}

static struct plan_value read_number(unsigned slot, const char *text, enum plan_reading reading,
				     struct abi_recipe recipe)
{
	struct plan_value value = {
		.slot = slot, .reading = reading, .n_tests = 1, .text = (char *)text
	};

	value.tests[0].recipe = recipe;
	return value;
}

/* recurse()'s depth as a label and as a number. */
static void add_depth(struct plan_site *site)
{
	struct abi_recipe edi = { .reg = ABI_REG_RDI, .width = 4, .in_register = 1 };
	struct plan_test *test;

	site->n_values = 2;
	site->values = mem_array(2, sizeof(*site->values));
	site->values[0] = read_number(1, "depth", PLAN_NUMBER, edi);
	site->values[1] = (struct plan_value){ .n_tests = 1, .text = "depth" };
	test = &site->values[1].tests[0];
	test->recipe = edi;
	test->n_choices = ARRAY_SIZE(depths);
	test->choices = mem_array(test->n_choices, sizeof(*test->choices));
	for (size_t i = 0; i < test->n_choices; i++)
		test->choices[i] = choice(i + 1, depths[i].label);
}

/* What number() is given: a register, and a signed number and a label behind a pointer. */
static void add_numbers(struct plan_site *site)
{
	struct plan_test *test;

	site->n_values = 3;
	site->values = mem_array(3, sizeof(*site->values));
	site->values[0] = read_number(
		0, "n", PLAN_NUMBER,
		(struct abi_recipe){ .reg = ABI_REG_RDI, .width = 8, .in_register = 1 });
	site->values[1] = read_number(1, "numbers.delta", PLAN_SIGNED,
				      (struct abi_recipe){ .reg = ABI_REG_RSI, .width = 4 });
	site->values[2] = (struct plan_value){ .slot = 2, .n_tests = 1, .text = "numbers.kind" };
	test = &site->values[2].tests[0];
	test->recipe = (struct abi_recipe){ .reg = ABI_REG_RSI,
					    .width = 1,
					    .tail = offsetof(struct numbers, kind) };
	test->n_choices = 2;
	test->choices = mem_array(2, sizeof(*test->choices));
	test->choices[0] = choice(1, "share");
	test->choices[1] = choice(2, "vote");
}

/* What it returns. */
static void add_number_result(struct plan_site *site)
{
	site->n_values = 1;
	site->values = mem_array(1, sizeof(*site->values));
	site->values[0] = read_number(
		3, "result number", PLAN_NUMBER,
		(struct abi_recipe){ .reg = ABI_REG_RAX, .width = 4, .in_register = 1 });
}

/* What from() and till() are given. */
static void add_key(struct plan_site *site)
{
	struct abi_recipe rdi = { .reg = ABI_REG_RDI, .width = 8, .in_register = 1 };

	site->n_values = 1;
	site->values = mem_array(1, sizeof(*site->values));
	site->values[0] = read_number(0, "text", PLAN_KEY_TEXT, rdi);
	site->values[0].n_tests = 2;
	site->values[0].tests[1].recipe = rdi;
	site->values[0].tests[1].recipe.reg = ABI_REG_RSI;
}

struct plan *target_plan(int with_halts)
{
	struct abi_recipe rsp = { .reg = ABI_REG_RSP }, rdi = { .reg = ABI_REG_RDI };
	struct abi_recipe behind_rdi = { .reg = ABI_REG_RDI, .n_steps = 1 };
	struct plan *plan = mem_alloc(sizeof(*plan));

	plan->binary = mem_strdup("the target");
	plan->n_funcs = plan->n_rows = N_FUNCS;
	plan->funcs = mem_array(N_FUNCS, sizeof(*plan->funcs));
	plan->rows = mem_array(N_FUNCS, sizeof(*plan->rows));
	for (unsigned f = 0; f < N_FUNCS; f++) {
		plan->funcs[f].name = mem_strdup(func_names[f]);
		plan->rows[f].func = f;
	}
	plan->sites = mem_array(2 * N_FUNCS + 1, sizeof(*plan->sites));
	add_site(plan, F_PLAIN, ABI_SITE_START, plain, rsp);
	add_site(plan, F_PLAIN, ABI_SITE_RETURN, plain_end, rsp);
	add_depth(add_site(plan, F_RECURSE, ABI_SITE_START, recurse, rsp));
	add_site(plan, F_RECURSE, ABI_SITE_RETURN, recurse_end, rsp);
	add_site(plan, F_LEAVE, ABI_SITE_START, leave, rsp);
	add_site(plan, F_LEAVE, ABI_SITE_RETURN, leave_end, rsp);
	add_values(add_site(plan, F_LABEL, ABI_SITE_START, label, rsp));
	add_site(plan, F_LABEL, ABI_SITE_RETURN, label_end, rsp);
	add_site(plan, F_FUTURE, ABI_SITE_START, begin, rdi);
	add_site(plan, F_FUTURE, ABI_SITE_RETURN, finish, rdi);
	add_site(plan, F_FUTURE, ABI_SITE_CANCEL, dropped, rdi);
	add_site(plan, F_INDIRECT, ABI_SITE_START, indirect, behind_rdi);
	add_site(plan, F_INDIRECT, ABI_SITE_RETURN, indirect_end, behind_rdi);
	add_site(plan, F_ANSWER, ABI_SITE_START, answer, rsp)->saved = rdi;
	add_result(add_site(plan, F_ANSWER, ABI_SITE_RETURN, answer_end, rsp));
	add_numbers(add_site(plan, F_NUMBER, ABI_SITE_START, number, rsp));
	add_number_result(add_site(plan, F_NUMBER, ABI_SITE_RETURN, number_end, rsp));
	add_numbers(add_site(plan, F_SET, ABI_SITE_START, set, rsp));
	add_number_result(add_site(plan, F_SET, ABI_SITE_RETURN, set_end, rsp));
	add_key(add_site(plan, F_FROM, ABI_SITE_START, from, rsp));
	add_site(plan, F_FROM, ABI_SITE_RETURN, from_end, rsp);
	add_key(add_site(plan, F_TILL, ABI_SITE_START, till, rsp));
	add_site(plan, F_TILL, ABI_SITE_RETURN, till_end, rsp);
	if (with_halts)
		add_site(plan, F_HALTS, ABI_SITE_START, halts, rsp);
	return plan;
}

void target_plan_free(struct plan *plan)
{
	for (size_t i = 0; i < plan->n_sites; i++) {
		for (size_t v = 0; v < plan->sites[i].n_values; v++) {
			struct plan_test *tests = plan->sites[i].values[v].tests;

			for (size_t t = 0; t < ABI_TESTS_MAX; t++) {
				for (size_t c = 0; c < tests[t].n_choices; c++)
					free(tests[t].choices[c].label);
				free(tests[t].choices);
			}
		}
		free(plan->sites[i].values);
	}
	for (size_t f = 0; f < plan->n_funcs; f++)
		free(plan->funcs[f].name);
	free(plan->binary);
	free(plan->funcs);
	free(plan->rows);
	free(plan->sites);
	free(plan);
}
