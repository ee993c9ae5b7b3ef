// text/regex.h - regular expressions from outside, run by PCRE2 under limits.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace hearth::text {

class Regex {
  public:
    // UTF-8 with Unicode classes. `literal`: the pattern is a text, not an expression. Errors: unsupported.
    static Result<Regex> compile(std::string_view pattern, bool literal, std::string_view where);

    // The first match at or after `from`, as byte offsets; `text` must be valid UTF-8 and `from` on a
    // character. Errors: out_of_range when it takes too many steps.
    [[nodiscard]] Result<std::optional<std::pair<std::size_t, std::size_t>>> find(std::string_view text,
                                                                                  std::size_t from) const;

  private:
    struct Compiled;
    std::shared_ptr<const Compiled> compiled_;
};

}  // namespace hearth::text
