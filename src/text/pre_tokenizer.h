// text/pre_tokenizer.h - the steps that cut a normalized text into the words that a model works on.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/splitter.h"
#include "text/tokenizer_spec.h"
#include "text/traced_text.h"

namespace hearth::text {

// Words of a text, in order; steps that change the text change it for all words.
struct Words {
    TracedText text;
    std::vector<ByteRange> ranges;
};

class PreTokenizer {
  public:
    // Errors: unsupported (a pattern that does not compile), corrupt.
    static Result<PreTokenizer> make(const std::vector<PreTokenizerStep>& steps, std::string_view where);
    // Errors: out_of_range (a pattern that needs too many steps).
    [[nodiscard]] Result<Words> run(TracedText text) const;

  private:
    struct Step {
        PreTokenizerStep spec;
        Splitter splitter;
    };
    std::vector<Step> steps_;
};

}  // namespace hearth::text
