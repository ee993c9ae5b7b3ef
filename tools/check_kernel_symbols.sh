#!/usr/bin/env bash
# Each kernel object must export its one table and nothing else: an inline function compiled for AVX-512 that leaked
# out could replace the baseline copy for the whole program.
set -euo pipefail
build=${1:?usage: check_kernel_symbols.sh BUILD_FOLDER}
found=0
while IFS= read -r object; do
    found=$((found + 1))
    symbols=$(nm --defined-only --extern-only "$object" | awk '{print $3}' | grep -vE '^(__odr_asan|__asan|_*odr)' || true)
    wanted=hearth_$(basename "$object" | sed 's/^isa_/kernels_/; s/\.cpp\.o$//')
    if [ "$symbols" != "$wanted" ]; then
        echo "error: $object exports: $symbols; expected $wanted alone" >&2
        exit 1
    fi
done < <(find "$build" -name 'isa_*.cpp.o' -o -name 'dots_*.cpp.o')
[ "$found" -gt 0 ] || { echo "error: no kernel objects under $build" >&2; exit 1; }
echo "kernel symbols: $found objects export one symbol each"
