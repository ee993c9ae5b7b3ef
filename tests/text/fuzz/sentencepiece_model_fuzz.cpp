// tests/text/fuzz/sentencepiece_model_fuzz.cpp - any bytes as a tokenizer.model, and then as a text for it.
#include "text/fuzz/encoded_text.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace hearth::text;
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    auto spec = read_sentencepiece_model(input, "fuzz");
    if (!spec) return 0;
    const auto tokenizer = Tokenizer::make(std::move(*spec));
    if (tokenizer) (void)hearth::tests::checked_ids(*tokenizer, input.substr(0, 2000), true);
    return 0;
}
