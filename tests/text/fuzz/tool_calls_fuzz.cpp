// tests/text/fuzz/tool_calls_fuzz.cpp - any bytes as an answer of each family, whole and cut in two: the same
// parts.
#include <cstdint>
#include <cstdlib>

#include "text/tool_calls.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace hearth::text;
    if (size < 2) return 0;
    const AnswerFormat format{static_cast<CallSyntax>(data[0] % 11), "<think>", "</think>"};
    const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
    const Answer whole = parse_answer(format, {}, text);
    Answer parts;
    AnswerParser parser(format, {});
    const std::size_t cut = text.size() * data[1] / 255;
    for (const std::string_view piece : {text.substr(0, cut), text.substr(cut)})
        for (AnswerPart& part : parser.push(piece)) append(parts, std::move(part));
    for (AnswerPart& part : parser.finish()) append(parts, std::move(part));
    if (!(parts == whole)) std::abort();
    return 0;
}
