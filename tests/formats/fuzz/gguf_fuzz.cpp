// tests/formats/fuzz/gguf_fuzz.cpp - any bytes are a GGUF file or an error; what opens can be read and
// decoded.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "formats/gguf.h"
#include "quant/formats.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto file = hearth::formats::Gguf::parse(std::as_bytes(std::span(data, size)), "fuzz");
    if (!file) return 0;
    for (const auto& pair : file->metadata()) {
        static_cast<void>(file->integer(pair.key, 0, 1000));
        static_cast<void>(file->number(pair.key));
        if (const auto array = file->array(pair.key))
            for (std::uint64_t i = 0; i < (*array)->n && i < 16; ++i) static_cast<void>((*array)->at(i));
    }
    for (const auto& entry : file->entries()) {
        const hearth::TensorView view = file->view(entry);
        if (view.bytes.size() > 1u << 16) continue;  // blocks decode to at most eight times their bytes
        std::vector<float> values(static_cast<std::size_t>(view.shape.n_elems()));
        static_cast<void>(hearth::quant::decode(view, values));
    }
    return 0;
}
