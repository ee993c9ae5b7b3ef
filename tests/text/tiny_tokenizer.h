// tests/text/tiny_tokenizer.h - a byte-level tokenizer without merges: a token a byte, and a few tokens more.
#pragma once

#include <gtest/gtest.h>

#include "text/byte_alphabet.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

namespace hearth::tests {

// 256 bytes, then control tokens, then an added token that is none.
inline text::Tokenizer tiny_tokenizer() {
    text::TokenizerSpec spec;
    spec.where = "tiny";
    for (const char32_t letter : text::kLetterOfByte) {
        std::string spelling;
        text::append_code_point(spelling, letter);
        spec.tokens.push_back(spelling);
    }
    for (const char* name : {"<|start|>", "<|end|>", "<|eos|>", "<think>"}) {
        text::TokenizerSpec::Added added;
        added.id = static_cast<int>(spec.tokens.size());
        added.content = name;
        added.special = std::string_view(name) != "<think>";
        spec.added.push_back(added);
        spec.tokens.emplace_back(name);
    }
    spec.eos = 258;
    auto made = text::Tokenizer::make(std::move(spec));
    if (!made) {
        ADD_FAILURE() << made.error().message;
        std::abort();
    }
    return std::move(*made);
}
inline constexpr int kTinyStart = 256, kTinyEnd = 257, kTinyVocab = 260;

}  // namespace hearth::tests
