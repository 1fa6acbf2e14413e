// SPDX-License-Identifier: BSD-2-Clause
/*
 * The shared library in library.elf, which the unit tests look at: functions that return,
 * that jump to others in place of returning, and that read a field. It is never loaded.
 * Made by
 *
 *     gcc -O2 -shared -fPIC -nostdlib -s -Wl,--build-id=sha1 -Wl,-z,noseparate-code
 *         -Wl,-soname,library.so.1 library.c -o library.elf
 *
 * with gcc 12.2.
 */
#define NOINLINE __attribute__((noinline))
#define HIDDEN __attribute__((visibility("hidden")))

struct kind {
	long pad;
	int number;
};

struct object {
	int version;
	int state;
	int (*elsewhere)(struct object *);
	int (*handler)(struct object *);
	int server;
	long result;
	int shares[4];
	struct kind *kind;
};

int imported(struct object *o);
int lib_plain(struct object *o, int n);

/* ---- fields --------------------------------------------------------------------------- */

int lib_version(const struct object *o)
{
	return o->version;
}

long lib_result(const struct object *o)
{
	return o->result;
}

int lib_doubled(const struct object *o)
{
	return o->version * 2;
}

int lib_checked(const struct object *o)
{
	return o ? o->server : 0;
}

int lib_kind(const struct object *o)
{
	return o->kind ? o->kind->number : -7;
}

int lib_kind_sure(const struct object *o)
{
	return o->kind->number;
}

int lib_kind_or_version(const struct object *o)
{
	return o->kind ? o->kind->number : o->version;
}

int lib_counts(struct object *o)
{
	return o->state++;
}

/* ---- functions that do more than read, by which fields are found --------------------------- */

int lib_resumed(struct object *o)
{
	if (o->version == 2)
		return imported(o) == 3;
	return o->server;
}

int lib_either(struct object *o)
{
	if (o->version == 2)
		return imported(o) == 3;
	if (o->shares[0])
		return o->state;
	return o->server;
}

int lib_late(struct object *o)
{
	o->state = imported(o);
	if (o->version == 2)
		return 3;
	return o->server;
}

/* ---- ways out -------------------------------------------------------------------------- */

int lib_plain(struct object *o, int n)
{
	if (n < 0)
		return -1;
	for (int i = 0; i < n; i++)
		o->shares[i & 3] += imported(o);
	return o->shares[0];
}

/* By way of its own PLT. */
int lib_exported(struct object *o)
{
	o->state = 2;
	return lib_plain(o, 3);
}

HIDDEN NOINLINE int machine(struct object *o, int server)
{
	o->server = server;
	for (int i = 0; i < 8; i++) {
		if (imported(o) < 0)
			return -1;
		o->state++;
	}
	return 1;
}

static NOINLINE int accepts(struct object *o)
{
	return machine(o, 1);
}

static NOINLINE int connects(struct object *o)
{
	return machine(o, 0);
}

static NOINLINE int another(struct object *o)
{
	return machine(o, 2);
}

int lib_hidden(struct object *o)
{
	o->state = 3;
	return machine(o, 0);
}

int lib_imported(struct object *o)
{
	o->state = 4;
	return imported(o);
}

void lib_choose(struct object *o, int server)
{
	o->elsewhere = another;
	if (server)
		o->handler = accepts;
	else
		o->handler = connects;
}

int lib_handed(struct object *o)
{
	if (!o->handler)
		return -1;
	o->result = imported(o);
	return o->handler(o);
}

extern int (*global)(struct object *);

/* Through a pointer that no argument has. */
int lib_global(struct object *o)
{
	if (imported(o))
		return 2;
	return global(o);
}

/* A table, and no pointer. */
int lib_table(struct object *o, int n)
{
	switch (n) {
	case 0:
		return o->version;
	case 1:
		return imported(o);
	case 2:
		o->server = 7;
		return o->state;
	case 3:
		return o->shares[1] + 5;
	case 4:
		o->version = 3;
		return o->server;
	case 5:
		o->state -= 9;
		return o->shares[2] * 11;
	case 6:
		return o->shares[3] ^ o->state;
	default:
		return -1;
	}
}
