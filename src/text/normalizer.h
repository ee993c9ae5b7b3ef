// text/normalizer.h - the steps that change a text before it is cut into words.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/charsmap.h"
#include "text/regex.h"
#include "text/tokenizer_spec.h"
#include "text/traced_text.h"

namespace hearth::text {

// Invalid UTF-8 becomes U+FFFD.
TracedText make_valid(std::string_view text);

// text[begin, end) as a text of its own.
TracedText slice(const TracedText& from, std::size_t begin, std::size_t end);

// A normal form of a text alone: nfc, nfd, nfkc or nfkd.
std::string normal_form(std::string_view text, NormalizerStep::Kind form);

// The steps of a tokenizer's normalizer, ready to run.
class Normalizer {
  public:
    // Errors: corrupt (a character map), unsupported (a pattern that does not compile).
    static Result<Normalizer> make(std::vector<NormalizerStep> steps, std::string_view where);
    [[nodiscard]] bool empty() const { return steps_.empty(); }
    // Errors: out_of_range (a pattern that needs too many steps, a text that grows beyond
    // kNormalizedGrowthMax).
    [[nodiscard]] Result<TracedText> run(TracedText text) const;

  private:
    struct Step {
        NormalizerStep spec;
        Regex regex;
        std::optional<Charsmap> charsmap;
    };
    [[nodiscard]] Result<TracedText> run(const Step& step, const TracedText& text) const;
    std::string where_;
    std::vector<Step> steps_;
};

}  // namespace hearth::text
