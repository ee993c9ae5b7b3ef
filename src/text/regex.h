// text/regex.h - regular expressions from outside, run by PCRE2 under limits.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace hearth::text {

class Regex {
  public:
    // UTF-8 with Unicode classes. `literal`: the pattern is a text, not an expression. Errors: unsupported.
    static Result<Regex> compile(std::string_view pattern, bool literal, std::string_view where);

    // A text to search: valid UTF-8, which must outlive it. Where PCRE2's Unicode is of another year than the
    // reference tokenizer's, a character is shown to it as another of the same length and of the class that
    // the reference gives it (unicode.h).
    class Subject {
      public:
        explicit Subject(std::string_view text);
        [[nodiscard]] std::string_view text() const {
            return shown_.empty() ? given_ : std::string_view(shown_);
        }

      private:
        std::string_view given_;
        std::string shown_;  // empty when nothing had to be changed
    };

    // The first match at or after `from`, as byte offsets; `from` is on a character. Errors: out_of_range
    // when it takes too many steps.
    [[nodiscard]] Result<std::optional<std::pair<std::size_t, std::size_t>>> find(const Subject& subject,
                                                                                  std::size_t from) const;

  private:
    struct Compiled;
    std::shared_ptr<const Compiled> compiled_;
};

}  // namespace hearth::text
