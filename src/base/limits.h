// base/limits.h - every bound on input from outside, in one place. Each has a test on both sides.
#pragma once

#include <chrono>
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
// Patterns of a tokenizer's own: the longest of the field has 500 bytes; steps of one match, by PCRE2's
// count.
inline constexpr std::size_t kPatternBytesMax = 16u << 10;
inline constexpr std::uint32_t kPatternStepsMax = 10'000'000;
inline constexpr std::uint32_t kPatternHeapKibMax = 256u << 10;
// How many times as long a text may become by normalization: NFKD makes 33 bytes of 3 (U+FDFA).
inline constexpr std::size_t kNormalizedGrowthMax = 64;

// JSON from files and from requests.
inline constexpr std::size_t kJsonDepthMax = 128;

// Templates (Jinja). The heaviest template of the census uses under 1/100 of these.
inline constexpr std::size_t kTemplateSourceBytesMax = 4u << 20;
inline constexpr std::uint64_t kTemplateStepsMax = 50'000'000;
inline constexpr std::uint64_t kTemplateOutputBytesMax = 64u << 20;
inline constexpr int kTemplateDepthMax = 200;

// HTTP connections. A stream's backlog is what a slow reader may leave unread before it is cut off.
inline constexpr std::size_t kHttpHeadersMax = 100;
inline constexpr std::size_t kHttpConnectionsMax = 1'024;
inline constexpr std::size_t kHttpBacklogBytesMax = 4u << 20;
inline constexpr std::chrono::seconds kHttpHeaderTime{10};   // for a whole head, from its first byte
inline constexpr std::chrono::seconds kHttpBodyGapTime{60};  // between bytes of a body
inline constexpr std::chrono::seconds kHttpBodyTime{600};    // for a whole body
inline constexpr std::chrono::seconds kHttpIdleTime{75};     // between requests of one connection
inline constexpr std::chrono::seconds kHttpWriteTime{60};    // for the client to take what was written
inline constexpr std::chrono::seconds kHttpPingTime{15};     // silence in a stream before a comment is sent
inline constexpr std::chrono::seconds kHttpDrainTime{20};    // for running answers when the server stops

// HTTP requests.
inline constexpr std::size_t kHttpHeaderBytesMax = 16u << 10;
inline constexpr std::size_t kHttpBodyBytesMax = 32u << 20;
inline constexpr std::size_t kMessagesMax = 10'000;
inline constexpr std::size_t kToolsMax = 1'000;
inline constexpr std::size_t kStopStringsMax = 64;
inline constexpr std::size_t kStopStringBytesMax = 1'024;
inline constexpr std::size_t kLogitBiasMax = 1'000;
inline constexpr int kTopLogprobsMax = 20;
inline constexpr int kChoicesMax = 16;               // `n`
inline constexpr std::size_t kRequestQueueMax = 64;  // answers waiting for a place in the batch

}  // namespace hearth
