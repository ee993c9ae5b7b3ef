// base/check.h - assertions for our own bugs. Data from outside must never reach one: it gets a Result.
#pragma once

namespace hearth {
[[noreturn]] void check_failed(const char* file, int line, const char* condition, const char* why);
}

// Always on: prints where and why, then aborts.
#define HEARTH_CHECK(condition, why)                                                   \
    do {                                                                               \
        if (!(condition)) ::hearth::check_failed(__FILE__, __LINE__, #condition, why); \
    } while (false)

// On in the dev and sanitizer builds: for hot loops.
#if defined(HEARTH_DEBUG_CHECKS)
#define HEARTH_DCHECK(condition, why) HEARTH_CHECK(condition, why)
#else
#define HEARTH_DCHECK(condition, why) \
    do {                              \
    } while (false)
#endif
