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
	"halts: hlt; ret\n"
	".globl call_plain, plain, plain_end, call_recurse, recurse, recurse_end\n"
	".globl call_leave, leave, leave_end, call_label, label, label_end\n"
	".globl call_begin, begin, call_finish, finish, call_dropped, dropped\n"
	".globl call_indirect, indirect, indirect_end, halts\n"
	".globl call_answer, answer, answer_end\n");

/* ---- profile ------------------------------------------------------------------------ */

static const char *const func_names[N_FUNCS] = { "plain",  "recurse",  "leave",  "label",
						 "future", "indirect", "answer", "halts" };

static struct profile_choice outcomes[] = { { "returned", "done" },
					    { "panicked", "panic" },
					    { "cancelled", "dropped" } };
static struct profile_choice decisions[] = { { "true", "approve" }, { "false", "reject" } };
static struct profile_choice accepts[] = { { "1", "yes" }, { "0", "no" } };
static struct profile_choice answers[] = { { "Ok.5", "five" },
					   { "Ok.6", "six" },
					   { "Err", "failed" } };
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
	add_site(plan, F_RECURSE, ABI_SITE_START, recurse, rsp);
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
