// tests/text/fuzz/tekken_json_fuzz.cpp - any bytes as a tekken.json, and then as a text for it.
#include <cstdint>
#include <cstdlib>

#include "text/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace hearth::text;
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    auto spec = read_tekken_json(input, "fuzz");
    if (!spec) return 0;
    const auto tokenizer = Tokenizer::make(std::move(*spec));
    if (!tokenizer) return 0;
    const std::string_view text = input.substr(0, 2000);
    const auto encoding = tokenizer->encode_with_offsets(text, {.parse_special = true, .add_special = true});
    if (!encoding) return 0;
    for (const auto& [begin, end] : encoding->offsets)
        if (begin > end || end > text.size()) std::abort();
    StreamDecoder stream(*tokenizer);
    std::string streamed;
    for (const int id : encoding->ids) streamed += stream.push(id);
    if (streamed + stream.flush() != tokenizer->decode(encoding->ids)) std::abort();
    return 0;
}
