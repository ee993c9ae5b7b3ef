// audit/texts.cpp - the pass over the documents, and what its numbers come to.
#include "audit/texts.h"

#include <algorithm>
#include <cmath>

#include "audit/divergence.h"

namespace hearth::audit {
namespace {

struct Piece {  // rows [begin, end) of a window whose ids include the start token
    std::int64_t begin = 0, end = 0;
};

Error broken(std::size_t document, std::size_t token, std::string_view what) {
    return {Fault::corrupt, fmt::format("text: document {}, token {}: expected finite numbers, saw {}",
                                        document + 1, token + 1, what)};
}

class Pass {
  public:
    Pass(Subject& base, Subject* variant, const TextOptions& options)
        : base_(base), variant_(variant), options_(options), start_(base.document_start()) {}

    Status check_same_vocabulary() const {
        if (variant_ == nullptr || variant_->vocab() == base_.vocab()) return {};
        return fail(Fault::unsupported,
                    "{}: expected the {} vocabulary entries of {}, saw {}: divergence needs one vocabulary",
                    variant_->facts().name, base_.vocab(), base_.facts().name, variant_->vocab());
    }

    Result<std::vector<WindowScores>> windows_of(const std::string& text, std::size_t document) {
        HEARTH_TRY(const std::vector<int> ids, base_.encode(text, false));
        if (variant_ != nullptr) {
            HEARTH_TRY(const std::vector<int> other, variant_->encode(text, false));
            if (other != ids)
                return fail(
                    Fault::unsupported,
                    "text: document {}: {} and {} give different token ids: divergence needs one tokenizer",
                    document + 1, base_.facts().name, variant_->facts().name);
        }
        // Without a start token the first token of a window has no prediction: it opens the window unscored.
        const std::int64_t room = std::max(1, base_.context_max() - 1);
        const std::int64_t length = std::max<std::int64_t>(1, std::min(options_.window_tokens, room));
        std::vector<WindowScores> out;
        const auto total = static_cast<std::int64_t>(ids.size());
        for (std::int64_t at = 0; at < total; at += length) {
            WindowScores window;
            window.document = document;
            window.ids.assign(ids.begin() + at, ids.begin() + std::min(total, at + length));
            HEARTH_TRY_STATUS(score(window));
            if (!window.ids.empty()) out.push_back(std::move(window));
        }
        return out;
    }

  private:
    Status score(WindowScores& window) {
        std::vector<int> ids;
        if (start_ >= 0) {
            ids.push_back(start_);
            ids.insert(ids.end(), window.ids.begin(), window.ids.end());
        } else {
            ids = window.ids;
            window.ids.erase(window.ids.begin());
        }
        const auto rows = static_cast<std::int64_t>(ids.size()) - 1;
        if (rows <= 0) return {};
        const auto row_bytes = static_cast<std::uint64_t>(base_.vocab()) * sizeof(float);
        const auto step =
            static_cast<std::int64_t>(std::max<std::uint64_t>(1, options_.logits_bytes_max / row_bytes));
        for (std::int64_t begin = 0; begin < rows; begin += step)
            HEARTH_TRY_STATUS(score_piece(window, ids, {begin, std::min(rows, begin + step)}));
        return {};
    }

    // Rows of one piece: the base's are kept, the variant's are compared as they come.
    Status score_piece(WindowScores& window, const std::vector<int>& ids, Piece piece) {
        const std::span<const int> prefix(ids.data(), static_cast<std::size_t>(piece.end));
        const auto vocab = static_cast<std::size_t>(base_.vocab());
        Status fault;
        if (variant_ != nullptr) kept_.resize(vocab * static_cast<std::size_t>(piece.end - piece.begin));
        HEARTH_TRY_STATUS(
            base_.score(prefix, piece.begin, [&](std::int64_t p, std::span<const float> logits) {
                if (variant_ != nullptr) {
                    std::copy(logits.begin(), logits.end(),
                              kept_.begin() + (p - piece.begin) * static_cast<std::int64_t>(vocab));
                    return;
                }
                const double nll = score_row(logits, ids[static_cast<std::size_t>(p) + 1]).nll;
                if (!std::isfinite(nll) && fault)
                    fault = fail(broken(window.document, window.nll_base.size(), "others in the logits"));
                window.nll_base.push_back(nll);
            }));
        if (variant_ == nullptr) return fault;
        HEARTH_TRY_STATUS(
            variant_->score(prefix, piece.begin, [&](std::int64_t p, std::span<const float> logits) {
                const std::span<const float> row(
                    kept_.data() + static_cast<std::size_t>(p - piece.begin) * vocab, vocab);
                const PairScore pair = compare_rows(row, logits, ids[static_cast<std::size_t>(p) + 1]);
                if (!std::isfinite(pair.nll_base + pair.nll_variant + pair.kl) && fault)
                    fault = fail(broken(window.document, window.kl.size(),
                                        fmt::format("nll {} and {}, divergence {}", pair.nll_base,
                                                    pair.nll_variant, pair.kl)));
                window.nll_base.push_back(pair.nll_base);
                window.nll_variant.push_back(pair.nll_variant);
                window.kl.push_back(pair.kl);
                window.same_top.push_back(pair.same_top ? 1 : 0);
            }));
        return fault;
    }

    Subject& base_;
    Subject* variant_;
    const TextOptions& options_;
    int start_;
    std::vector<float> kept_;  // [piece rows, vocab]
};

double sum(const std::vector<double>& values) {
    double total = 0;
    for (const double v : values) total += v;
    return total;
}

// One cluster a document, or one a window when there is a single document.
template <class Sum>
std::vector<Cluster> clusters_of(const std::vector<WindowScores>& windows, bool by_window, Sum&& sum_of) {
    std::vector<Cluster> out;
    std::size_t last = 0;
    for (const WindowScores& w : windows) {
        if (out.empty() || by_window || w.document != last) out.emplace_back();
        last = w.document;
        out.back().sum += sum_of(w);
        out.back().count += static_cast<double>(w.ids.size());
    }
    return out;
}

Estimate exponential(const std::vector<Cluster>& clusters, std::uint64_t seed) {
    const Interval log = bootstrap_ratio(clusters, seed);
    return {std::exp(ratio(clusters)), {std::exp(log.low), std::exp(log.high)}};
}

Divergence divergence_of(const std::vector<WindowScores>& windows, bool by_window, std::uint64_t seed) {
    Divergence d;
    const auto kl = clusters_of(windows, by_window, [](const WindowScores& w) { return sum(w.kl); });
    const auto top = clusters_of(windows, by_window, [](const WindowScores& w) {
        return static_cast<double>(std::count(w.same_top.begin(), w.same_top.end(), 1));
    });
    d.mean = {ratio(kl), bootstrap_ratio(kl, seed)};
    d.same_top = {ratio(top), bootstrap_ratio(top, seed)};
    std::vector<double> all;
    std::size_t before = 0, last = 0;  // tokens of the document in its earlier windows
    for (const WindowScores& w : windows) {
        if (w.document != last) before = 0;
        last = w.document;
        for (std::size_t i = 0; i < w.kl.size(); ++i) {
            const double value = w.kl[i];
            if (all.empty() || value > d.max) {
                d.max = value;
                d.max_document = w.document;
                d.max_token = before + i;
            }
            all.push_back(value);
            if (value <= 0) {
                ++d.zeros;
                continue;
            }
            const double place = std::floor((std::log10(value) - kHistogramLog10Min) * 2);
            if (place < 0)
                ++d.below;
            else
                ++d.histogram[std::min(static_cast<std::size_t>(place), d.histogram.size() - 1)];
        }
        before += w.kl.size();
    }
    std::sort(all.begin(), all.end());
    d.median = quantile_sorted(all, 0.5);
    d.p99 = quantile_sorted(all, 0.99);
    return d;
}

}  // namespace

std::vector<std::string> part(std::string_view text, Parting parting) {
    // Files come with either newline; one is meant.
    std::string plain;
    plain.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\r') {
            plain += '\n';
            if (i + 1 < text.size() && text[i + 1] == '\n') ++i;
        } else {
            plain += text[i];
        }
    }
    if (parting == Parting::whole) return plain.empty() ? std::vector<std::string>() : std::vector{plain};
    std::vector<std::string> out;
    for (std::size_t at = 0; at <= plain.size();) {
        const std::size_t end = std::min(plain.find("\n\n", at), plain.size());
        const std::size_t first = plain.find_first_not_of('\n', at);
        if (first < end) {
            const std::size_t last = plain.find_last_not_of('\n', end - 1);
            out.push_back(plain.substr(first, last - first + 1));
        }
        at = end + 2;
    }
    return out;
}

Result<std::vector<WindowScores>> score_texts(Subject& base, Subject* variant,
                                              const std::vector<std::string>& documents,
                                              const TextOptions& options, const TextProgress& progress) {
    Pass pass(base, variant, options);
    HEARTH_TRY_STATUS(pass.check_same_vocabulary());
    std::vector<WindowScores> out;
    std::size_t count = documents.size();
    if (options.documents_max > 0) count = std::min(count, static_cast<std::size_t>(options.documents_max));
    for (std::size_t d = 0; d < count; ++d) {
        HEARTH_TRY(auto windows, pass.windows_of(documents[d], d));
        for (WindowScores& w : windows) {
            if (progress) progress(w.ids.size());
            out.push_back(std::move(w));
        }
    }
    if (out.empty()) return fail(Fault::usage, "text: expected at least one token to score, saw none");
    return out;
}

TextSummary summarise(const std::vector<WindowScores>& windows, std::uint64_t seed) {
    TextSummary s;
    s.windows = static_cast<std::int64_t>(windows.size());
    for (std::size_t i = 0; i < windows.size(); ++i) {
        if (i == 0 || windows[i].document != windows[i - 1].document) ++s.documents;
        s.tokens += static_cast<std::int64_t>(windows[i].ids.size());
    }
    s.clusters_are_windows = s.documents == 1;
    const bool by_window = s.clusters_are_windows;
    const auto clusters = [&](auto&& of) { return clusters_of(windows, by_window, of); };
    s.perplexity_base = exponential(clusters([](const WindowScores& w) { return sum(w.nll_base); }), seed);
    if (windows.empty() || windows.front().kl.empty()) return s;
    s.perplexity_variant =
        exponential(clusters([](const WindowScores& w) { return sum(w.nll_variant); }), seed);
    s.perplexity_ratio = exponential(
        clusters([](const WindowScores& w) { return sum(w.nll_variant) - sum(w.nll_base); }), seed);
    s.divergence = divergence_of(windows, by_window, seed);
    return s;
}

}  // namespace hearth::audit
