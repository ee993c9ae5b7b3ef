// tests/formats/fuzz/safetensors_fuzz.cpp - any bytes are a safetensors file or an error; what opens can be
// read.
#include <cstddef>
#include <cstdint>

#include "formats/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto file = hearth::formats::Safetensors::parse(std::as_bytes(std::span(data, size)), "fuzz");
    if (!file) return 0;
    unsigned sum = 0;
    for (const auto& entry : file->entries())
        for (const std::byte b : file->view(entry).bytes) sum += static_cast<unsigned>(b);
    volatile unsigned sink = sum;
    static_cast<void>(sink);
    return 0;
}
