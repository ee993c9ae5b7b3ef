// tests/text/fuzz/tokenizer_json_fuzz.cpp - any bytes as a tokenizer.json, and then as a text for it. What
// encodes must decode, as bytes, to what normalization made of it or, without, to the text itself.
#include "text/fuzz/encoded_text.h"
#include "text/utf8.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace hearth::text;
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    auto spec = read_tokenizer_json(input, {}, "fuzz");
    if (!spec) return 0;
    const bool plain = spec->byte_level && spec->normalizer.empty() && spec->pre_tokenizer.empty() &&
                       spec->added.empty() && !spec->unk;
    const auto tokenizer = Tokenizer::make(std::move(*spec));
    if (!tokenizer) return 0;
    const std::string_view text = input.substr(0, 2000);
    const auto ids = hearth::tests::checked_ids(*tokenizer, text, false);
    if (ids && plain && tokenizer->decode_bytes(*ids) != replace_invalid(text)) std::abort();
    return 0;
}
