// text/regex.cpp - PCRE2 behind regex.h.
#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/regex.h"

#include <pcre2.h>

#include <array>
#include <string>

#include "base/limits.h"

namespace hearth::text {

struct Regex::Compiled {
    std::string where;
    pcre2_code* code = nullptr;
    pcre2_match_context* context = nullptr;
    Compiled() = default;
    Compiled(const Compiled&) = delete;
    Compiled& operator=(const Compiled&) = delete;
    ~Compiled() {
        pcre2_match_context_free(context);
        pcre2_code_free(code);
    }
};

Result<Regex> Regex::compile(std::string_view pattern, bool literal, std::string_view where) {
    if (pattern.size() > kPatternBytesMax)
        return fail(Fault::out_of_range, "{}: expected a pattern of at most {} bytes, saw {}", where,
                    kPatternBytesMax, pattern.size());
    int error = 0;
    std::size_t offset = 0;
    const auto options = PCRE2_UTF | (literal ? PCRE2_LITERAL : PCRE2_UCP);
    auto compiled = std::make_shared<Compiled>();
    compiled->where = where;
    compiled->code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), options,
                                   &error, &offset, nullptr);
    if (compiled->code == nullptr) {
        std::array<PCRE2_UCHAR, 256> message{};
        pcre2_get_error_message(error, message.data(), message.size());
        return fail(Fault::unsupported, "{}: expected a regular expression, saw an error at byte {}: {}",
                    where, offset, reinterpret_cast<const char*>(message.data()));
    }
    compiled->context = pcre2_match_context_create(nullptr);
    if (compiled->context == nullptr) return fail(Fault::no_memory, "{}: no memory for a pattern", where);
    pcre2_set_match_limit(compiled->context, kPatternStepsMax);
    pcre2_set_depth_limit(compiled->context, kPatternStepsMax);
    pcre2_set_heap_limit(compiled->context, kPatternHeapKibMax);
    Regex regex;
    regex.compiled_ = std::move(compiled);
    return regex;
}

Result<std::optional<std::pair<std::size_t, std::size_t>>> Regex::find(std::string_view text,
                                                                       std::size_t from) const {
    const std::unique_ptr<pcre2_match_data, void (*)(pcre2_match_data*)> match(
        pcre2_match_data_create(1, nullptr), pcre2_match_data_free);
    if (match == nullptr) return fail(Fault::no_memory, "{}: no memory for a match", compiled_->where);
    const int rc = pcre2_match(compiled_->code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from,
                               PCRE2_NO_UTF_CHECK, match.get(), compiled_->context);
    if (rc == PCRE2_ERROR_NOMATCH) return std::nullopt;
    if (rc < 0)
        return fail(
            Fault::out_of_range,
            "{}: expected a match within {} steps, saw the pattern stop at byte {} of the text (code {})",
            compiled_->where, kPatternStepsMax, from, rc);
    const std::size_t* offsets = pcre2_get_ovector_pointer(match.get());
    return std::pair(offsets[0], offsets[1]);
}

}  // namespace hearth::text
