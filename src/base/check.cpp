// base/check.cpp - prints the broken assumption and stops.
#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace hearth {
void check_failed(const char* file, int line, const char* condition, const char* why) {
    std::fprintf(stderr, "hearth: a bug of ours: %s:%d: %s (%s)\n", file, line, condition, why);
    std::abort();
}
}  // namespace hearth
