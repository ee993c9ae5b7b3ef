// tests/text/fuzz/tool_calls_fuzz.cpp - any bytes as an answer of each family, whole and cut anywhere: the
// same parts.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "text/tool_calls.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace hearth::text;
    if (size < 4) return 0;
    const AnswerFormat format{static_cast<CallSyntax>(data[0] % 11), "<think>", "</think>"};
    const AnswerOptions options{.in_reasoning = (data[1] & 1) != 0, .read_calls = (data[1] & 2) == 0};
    const std::string_view text(reinterpret_cast<const char*>(data) + 4, size - 4);
    const Answer whole = parse_answer(format, options, text);
    Answer parts;
    AnswerParser parser(format, options);
    // Pieces of two sizes by turns; of none: byte by byte.
    const std::size_t sizes[] = {data[2] % 64u, data[3] % 16u + 1u};
    for (std::size_t at = 0, turn = 0; at < text.size(); ++turn) {
        const std::size_t piece = std::max<std::size_t>(sizes[turn % 2], 1);
        for (AnswerPart& part : parser.push(text.substr(at, piece))) append(parts, std::move(part));
        at += piece;
    }
    for (AnswerPart& part : parser.finish()) append(parts, std::move(part));
    if (!(parts == whole)) std::abort();
    return 0;
}
