# Compiler flags for every target: warnings, sanitizers, ccache. Never -ffast-math: results must be the same bits.
find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
endif()

add_library(hearth_flags INTERFACE)
target_include_directories(hearth_flags INTERFACE ${CMAKE_SOURCE_DIR}/src)
target_compile_options(hearth_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion
  $<$<BOOL:${HEARTH_WERROR}>:-Werror>
  -ffp-contract=off)  # A compiler that fuses a*b+c as it likes would give each build its own bits.
# GCC 12 warns falsely of these when it inlines std::string and std::variant (GCC bugs 105651, 105562).
target_compile_options(hearth_flags INTERFACE
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict -Wno-maybe-uninitialized -Wno-stringop-overflow -Wno-stringop-overread>)
if(HEARTH_SANITIZE)
  add_compile_options(-fsanitize=${HEARTH_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${HEARTH_SANITIZE})
endif()
# What has no hot loops links this: a sanitizer's build compiles it without optimisation, in half the time. A fuzzer
# is a hot loop.
add_library(hearth_unhurried INTERFACE)
if(HEARTH_SANITIZE AND NOT HEARTH_FUZZ)
  target_compile_options(hearth_unhurried INTERFACE -O0)
endif()
if(HEARTH_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
