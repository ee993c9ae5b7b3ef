// audit/texts.h - perplexity of one model, or perplexity and divergence of two, over the same tokens.
// The models take turns document by document, so that memory holds the logits of one piece, never of a text.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/statistics.h"
#include "audit/subject.h"
#include "base/result.h"

namespace hearth::audit {

// How a file becomes documents. paragraphs: parted by an empty line ("\n\n"), newlines at either end
// stripped, empty ones dropped. whole: the file is one document.
enum class Parting { paragraphs, whole };
std::vector<std::string> part(std::string_view text, Parting parting);

struct TextOptions {
    std::int64_t window_tokens = 512;  // a longer document is cut into windows of this many tokens; each
                                       // is scored alone after the start token, so each token counts once
    std::int64_t documents_max = 0;    // 0: all
    std::uint64_t logits_bytes_max = std::uint64_t{512} << 20;  // of the base, kept while the variant runs
};

// What one window's tokens scored. A window is a whole document unless that was longer than window_tokens.
struct WindowScores {
    std::size_t document = 0;
    std::vector<int> ids;                           // the scored tokens, without the start token
    std::vector<double> nll_base, nll_variant, kl;  // nats; the last two only with a variant
    std::vector<std::uint8_t> same_top;
};

using TextProgress = std::function<void(std::uint64_t tokens)>;

// Scores the documents. Called with no variant it leaves its members empty. Errors: unsupported (the models
// do not share a vocabulary), corrupt (a logit that is not a number, an infinite divergence), those of the
// subjects.
Result<std::vector<WindowScores>> score_texts(Subject& base, Subject* variant,
                                              const std::vector<std::string>& documents,
                                              const TextOptions& options, const TextProgress& progress);

struct Estimate {
    double value = 0;
    Interval interval;
};

inline constexpr int kHistogramLog10Min = -10;  // bins of half a decade over log10 KL
inline constexpr int kHistogramLog10Max = 2;
inline constexpr int kHistogramBins = 2 * (kHistogramLog10Max - kHistogramLog10Min);

struct Divergence {
    Estimate mean;                                // nats, over tokens; interval by document
    Estimate same_top;                            // share of tokens
    double median = 0, p99 = 0, max = 0;          // quantile_sorted
    std::size_t max_document = 0, max_token = 0;  // where the maximum stands
    std::int64_t zeros = 0;                       // tokens with exactly 0
    std::int64_t below = 0;                       // tokens above 0 but under the first bin
    std::array<std::int64_t, kHistogramBins> histogram{};
};

struct TextSummary {
    std::int64_t documents = 0, windows = 0, tokens = 0;
    Estimate perplexity_base;  // exp of the mean nll; interval by document
    std::optional<Estimate> perplexity_variant;
    std::optional<Estimate> perplexity_ratio;  // variant / base, paired by document
    std::optional<Divergence> divergence;
    bool clusters_are_windows = false;  // one document alone: its windows are resampled instead
};
TextSummary summarise(const std::vector<WindowScores>& windows, std::uint64_t seed);

}  // namespace hearth::audit
