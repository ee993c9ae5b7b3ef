// base/limits.h - every bound on input from outside, in one place. Each has a test on both sides.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hearth {

// Files. The safetensors reference caps its header at 100 MB.
inline constexpr std::uint64_t kSafetensorsHeaderBytesMax = 100'000'000;
inline constexpr std::uint64_t kGgufStringBytesMax = 1u << 30;
inline constexpr std::uint64_t kGgufArrayElemsMax = 1u << 30;
inline constexpr std::uint64_t kGgufKeyBytesMax = 65'535;
inline constexpr std::uint64_t kGgufNameBytesMax = 1'024;  // ggml writes at most 63; other writers go further
inline constexpr std::uint64_t kGgufAlignmentMax = 1u << 20;
inline constexpr int kTensorDimsMax = 8;
inline constexpr std::uint64_t kTextFileBytesMax = 256u << 20;  // tokenizer.json of 150k tokens is 11 MB

// Tokenizers. The largest vocabulary of the field has 262,144 tokens, the longest token under 1 KB.
inline constexpr std::size_t kTokenBytesMax = 1u << 20;
inline constexpr std::size_t kVocabMax = 1u << 24;
// Patterns of a tokenizer's own: the longest of the field has 500 bytes; steps of one match, by PCRE2's count.
inline constexpr std::size_t kPatternBytesMax = 16u << 10;
inline constexpr std::uint32_t kPatternStepsMax = 10'000'000;
inline constexpr std::uint32_t kPatternHeapKibMax = 256u << 10;

// JSON from files and from requests.
inline constexpr std::size_t kJsonDepthMax = 128;

// Templates (Jinja). The heaviest template of the census uses under 1/100 of these.
inline constexpr std::uint64_t kTemplateStepsMax = 50'000'000;
inline constexpr std::uint64_t kTemplateOutputBytesMax = 64u << 20;
inline constexpr int kTemplateDepthMax = 200;

// HTTP requests.
inline constexpr std::size_t kHttpHeaderBytesMax = 16u << 10;
inline constexpr std::size_t kHttpBodyBytesMax = 32u << 20;
inline constexpr std::size_t kMessagesMax = 10'000;
inline constexpr std::size_t kToolsMax = 1'000;
inline constexpr std::size_t kStopStringsMax = 64;
inline constexpr std::size_t kStopStringBytesMax = 1'024;
inline constexpr std::size_t kLogitBiasMax = 1'000;
inline constexpr int kTopLogprobsMax = 20;

}  // namespace hearth
