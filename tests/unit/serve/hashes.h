/* SPDX-License-Identifier: BSD-2-Clause */
/* For tests: bcrypt hashes. */
#ifndef TESTS_SERVE_HASHES_H
#define TESTS_SERVE_HASHES_H

/* "secret", at the lowest cost: a millisecond. */
#define HASH_SECRET "$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"
#define HASH_SECRET_2A "$2a$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"
/* "secret", with another salt. */
#define HASH_AGAIN "$2b$05$ABCDEFGHIJKLMNOPQRSTUu6etqWyiSjMSF4tl3grqWcjDUkRhrNJe"
/* "other", at a cost that takes seconds. */
#define HASH_SLOW "$2y$16$abcdefghijklmnopqrstuuHpTOArd3bvDww5jzdoIApBqwnPIuKNG"

#endif
