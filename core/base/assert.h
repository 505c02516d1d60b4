/*
 * ASSERT stays on in production: a broken invariant aborts the role, which PID 1 restarts.
 * Bad input is never an assertion.
 */
#ifndef BASE_ASSERT_H
#define BASE_ASSERT_H

void assert_failed(const char *file, int line, const char *expr) __attribute__((noreturn, cold));

#define ASSERT(expr) (__builtin_expect(!(expr), 0) ? assert_failed(__FILE__, __LINE__, #expr) : (void)0)

#endif
