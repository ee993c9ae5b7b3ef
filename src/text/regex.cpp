// text/regex.cpp - PCRE2 behind regex.h.
#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/regex.h"

#include <pcre2.h>

#include <array>
#include <atomic>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/limits.h"
#include "text/oniguruma.h"
#include "text/unicode.h"
#include "text/utf8.h"

namespace hearth::text {
namespace {
// One class of characters, or white space; lives as long as the program.
pcre2_code* property(const char* name) {
    const std::string pattern = name == nullptr ? "\\s" : fmt::format("\\p{{{}}}", name);
    int error = 0;
    std::size_t offset = 0;
    pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                                     PCRE2_UTF | PCRE2_UCP, &error, &offset, nullptr);
    HEARTH_CHECK(code != nullptr, "PCRE2 knows the general categories and Han");
    return code;
}

// Room for one match, made once a thread.
pcre2_match_data* match_data() {
    thread_local const std::unique_ptr<pcre2_match_data, void (*)(pcre2_match_data*)> match(
        pcre2_match_data_create(1, nullptr), pcre2_match_data_free);
    return match.get();
}
}  // namespace

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
    const std::string translated = literal ? std::string(pattern) : as_pcre2(pattern);
    int error = 0;
    std::size_t offset = 0;
    const auto options = PCRE2_UTF | (literal ? PCRE2_LITERAL : PCRE2_UCP | PCRE2_MULTILINE);
    auto compiled = std::make_shared<Compiled>();
    compiled->where = where;
    compiled->code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                                   options, &error, &offset, nullptr);
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

namespace {

// The classes that PCRE2 gives a character, in the bits of unicode.h.
constexpr Classes kCompared = kLetter | kMark | kNumber | kPunctuation | kSymbol | kSpace | kHan;

Classes classes_in_pcre2(char32_t c) {
    static const std::pair<pcre2_code*, Classes> kinds[] = {
        {property("Lu"), kUpper},    {property("Ll"), kLower},       {property("Lt"), kTitle},
        {property("Lm"), kModifier}, {property("Lo"), kOtherLetter}, {property("M"), kMark},
        {property("N"), kNumber},    {property("P"), kPunctuation},  {property("S"), kSymbol},
        {property("sc:Han"), kHan},  {property(nullptr), kSpace}};
    std::string text;
    append_code_point(text, c);
    pcre2_match_data* const match = match_data();
    if (match == nullptr) return 0;
    Classes found = 0;
    for (const auto& [code, bit] : kinds)
        if (pcre2_match(code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), 0, PCRE2_NO_UTF_CHECK,
                        match, nullptr) > 0)
            found = static_cast<Classes>(found | bit);
    return found;
}

// 0: not looked at yet; 1: PCRE2 agrees about the character; 2: it does not. Any thread may fill it in.
std::atomic<unsigned char>& agreement(char32_t c) {
    static std::vector<std::atomic<unsigned char>> known(0x110000);
    return known[c];
}

bool pcre2_agrees(char32_t c) {
    auto& known = agreement(c);
    unsigned char state = known.load(std::memory_order_relaxed);
    if (state == 0) {
        state = (classes(c) & kCompared) == classes_in_pcre2(c) ? 1 : 2;
        known.store(state, std::memory_order_relaxed);
    }
    return state == 1;
}

// Characters that have been what they are since Unicode 7, for each class in two, three and four bytes. Where
// a class has none of some length, U+FFFE and its like stand in: of no class at all.
char32_t stand_in(Classes wanted, std::uint32_t bytes) {
    struct Row {
        Classes bit;
        char32_t two, three, four;
    };
    // Ideographs that are new are letters; of two bytes there are none.
    constexpr Row kRows[] = {{kHan, 0x378, 0x4E00, 0x20000},        {kUpper, 0xC0, 0x1E00, 0x10400},
                             {kLower, 0xE0, 0x1E01, 0x10428},       {kTitle, 0x1C5, 0x1F88, 0x1FFFE},
                             {kModifier, 0x2B0, 0x1D2C, 0x16B40},   {kOtherLetter, 0x1BB, 0xE01, 0x10000},
                             {kMark, 0x300, 0x1DC0, 0x101FD},       {kNumber, 0xB2, 0x2150, 0x10107},
                             {kPunctuation, 0xA1, 0x2010, 0x10100}, {kSymbol, 0xA2, 0x2190, 0x1D000},
                             {kSpace, 0xA0, 0x2000, 0x1FFFE}};
    for (const Row& row : kRows)
        if ((wanted & row.bit) != 0) return bytes == 2 ? row.two : bytes == 3 ? row.three : row.four;
    return bytes == 2 ? 0x378 : bytes == 3 ? 0xFFFE : 0x1FFFE;
}

}  // namespace

Regex::Subject::Subject(std::string_view text) : given_(text) {
    for (std::size_t at = 0; at < text.size();) {
        if (static_cast<unsigned char>(text[at]) < 0x80) {
            ++at;
            continue;
        }
        const CodePoint c = read_code_point(text, at);
        if (!pcre2_agrees(c.value)) {
            if (shown_.empty()) shown_ = text;
            std::string instead;
            append_code_point(instead, stand_in(classes(c.value), c.bytes));
            shown_.replace(at, c.bytes, instead);
        }
        at += c.bytes;
    }
}

Result<std::optional<std::pair<std::size_t, std::size_t>>> Regex::find(const Subject& subject,
                                                                       std::size_t from) const {
    const std::string_view text = subject.text();
    pcre2_match_data* const match = match_data();
    if (match == nullptr) return fail(Fault::no_memory, "{}: no memory for a match", compiled_->where);
    const int rc = pcre2_match(compiled_->code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from,
                               PCRE2_NO_UTF_CHECK, match, compiled_->context);
    if (rc == PCRE2_ERROR_NOMATCH) return std::nullopt;
    if (rc < 0)
        return fail(
            Fault::out_of_range,
            "{}: expected a match within {} steps, saw the pattern stop at byte {} of the text (code {})",
            compiled_->where, kPatternStepsMax, from, rc);
    const std::size_t* offsets = pcre2_get_ovector_pointer(match);
    return std::pair(offsets[0], offsets[1]);
}

}  // namespace hearth::text
