// text/oniguruma.cpp - one pass over the expression; classes are taken apart and put together again.
#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/oniguruma.h"

#include <fmt/format.h>
#include <pcre2.h>

#include <algorithm>
#include <optional>
#include <vector>

namespace hearth::text {
namespace {

// \w as Oniguruma has it: PCRE2's knows no marks, and more numbers. In classes it lacks six of Latin-1.
constexpr std::string_view kWord = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\x{B2}\\x{B3}\\x{B9}\\x{BC}-\\x{BE}";
constexpr std::string_view kWordInClass = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}";
constexpr std::string_view kHex = "0-9A-Fa-f", kNoHex = "\\x{0}-\\x{2F}:-@G-`g-\\x{10FFFF}";
constexpr int kDepthMax = 16;  // of classes in classes; deeper ones are left as they are

// At "{Han}" or "{^Han}": "{sc:Han}", the script alone. PCRE2 from 10.40 on takes all that is used with the
// script otherwise, U+3001 and U+30FC among it; Oniguruma never does. Nothing when it names no script.
std::optional<std::string> script_class(std::string_view from) {
    const std::size_t end = from.find('}');
    if (!from.starts_with('{') || end == std::string_view::npos || end > 40) return std::nullopt;
    std::string_view name = from.substr(1, end - 1);
    const bool inverted = name.starts_with('^');
    if (inverted) name.remove_prefix(1);
    if (name.find_first_of(":=") != std::string_view::npos) return std::nullopt;
    const std::string pattern = fmt::format("\\p{{sc:{}}}", name);
    int error = 0;
    std::size_t offset = 0;
    pcre2_code* const code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                                           PCRE2_UTF | PCRE2_UCP, &error, &offset, nullptr);
    if (code == nullptr) return std::nullopt;
    pcre2_code_free(code);
    return fmt::format("{{{}sc:{}}}", inverted ? "^" : "", name);
}

bool is_hex(char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f'); }

class Translation {
  public:
    explicit Translation(std::string_view pattern) : pattern_(pattern) {}

    std::string run() {
        std::string out;
        while (at_ < pattern_.size()) {
            if (pattern_[at_] == '\\') {
                out += escape(false);
            } else if (pattern_[at_] == '[') {
                out += bracket(0);
            } else if (rest().starts_with("(?")) {
                out += group();
            } else if (rest().starts_with("{,") && rest().size() > 2 && rest()[2] >= '0' &&
                       rest()[2] <= '9') {
                out += "{0,";
                at_ += 2;
            } else {
                out.push_back(pattern_[at_++]);
            }
        }
        return out;
    }

  private:
    [[nodiscard]] std::string_view rest() const { return pattern_.substr(at_); }

    // From a backslash to behind what it escapes.
    std::string escape(bool in_class) {
        if (at_ + 1 >= pattern_.size()) return std::string(1, pattern_[at_++]);
        const char c = pattern_[at_ + 1];
        at_ += 2;
        const auto set = [&](std::string_view members, bool inverted) {
            return in_class ? std::string(members) : fmt::format("[{}{}]", inverted ? "^" : "", members);
        };
        if (c == 'w' || c == 'W') return set(in_class ? kWordInClass : kWord, c == 'W');
        if (c == 'b' && !in_class) return fmt::format("(?:(?<=[{0}])(?![{0}])|(?<![{0}])(?=[{0}]))", kWord);
        if (c == 'B' && !in_class) return fmt::format("(?:(?<=[{0}])(?=[{0}])|(?<![{0}])(?![{0}]))", kWord);
        if (c == 'h') return set(kHex, false);
        if (c == 'H') return in_class ? std::string(kNoHex) : set(kHex, true);
        if (c == 'v') return "\\x{B}";
        if (c == 'Q' || c == 'E') return std::string(1, c);
        if (c == 'u' && rest().size() >= 4 && std::all_of(rest().begin(), rest().begin() + 4, is_hex)) {
            at_ += 4;
            return fmt::format("\\x{{{}}}", pattern_.substr(at_ - 4, 4));
        }
        std::string out = {'\\', c};
        if (c != 'p' && c != 'P') return out;
        if (const auto script = script_class(rest())) {
            out += *script;
            at_ += rest().find('}') + 1;
        }
        return out;
    }

    // "(?m" and "(?i-m:" : m is what others call s.
    std::string group() {
        std::string out = "(?";
        at_ += 2;
        const std::size_t end = rest().find_first_not_of("imsx-");
        if (end == std::string_view::npos || end == 0 || (rest()[end] != ')' && rest()[end] != ':'))
            return out;
        for (const char flag : rest().substr(0, end)) out.push_back(flag == 'm' ? 's' : flag);
        at_ += end;
        return out;
    }

    // From a bracket to behind the one that closes it: a class, or where classes stand in it a group that
    // takes one character.
    std::string bracket(int depth) {
        ++at_;
        const bool inverted = rest().starts_with('^');
        if (inverted) ++at_;
        std::vector<std::string> parts;  // between "&&"
        std::string members;             // of the part's own
        std::vector<std::string> nested;
        const auto finish_part = [&] {
            if (!members.empty()) nested.insert(nested.begin(), "[" + members + "]");
            std::string part;
            for (const std::string& one : nested) part += (part.empty() ? "" : "|") + one;
            parts.push_back(nested.size() == 1 ? part : "(?:" + (nested.empty() ? "(?!)" : part) + ")");
            members.clear();
            nested.clear();
        };
        if (rest().starts_with(']')) {  // one that stands first belongs to the class
            members += "\\]";
            ++at_;
        }
        bool is_plain = true;
        while (at_ < pattern_.size() && pattern_[at_] != ']') {
            if (rest().starts_with("\\W")) {
                is_plain = false;
                nested.push_back(fmt::format("[^{}]", kWordInClass));
                at_ += 2;
            } else if (pattern_[at_] == '\\') {
                members += escape(true);
            } else if (rest().starts_with("[:") && rest().find(":]") != std::string_view::npos) {
                const std::string_view name = rest().substr(0, rest().find(":]") + 2);
                members += name == "[:word:]"    ? kWordInClass
                           : name == "[:punct:]" ? "\\p{P}\\p{S}"
                           : name == "[:alpha:]" ? "\\p{Alphabetic}"
                           : name == "[:alnum:]" ? "\\p{Alphabetic}\\p{Nd}"
                                                 : name;
                at_ += name.size();
            } else if (pattern_[at_] == '[' && depth < kDepthMax) {
                is_plain = false;
                nested.push_back(bracket(depth + 1));
            } else if (rest().starts_with("&&")) {
                is_plain = false;
                at_ += 2;
                finish_part();
            } else {
                // A caret that stands first after "&&" is one of the members here.
                if (pattern_[at_] == '^' && members.empty()) members.push_back('\\');
                members.push_back(pattern_[at_++]);
            }
        }
        if (at_ >= pattern_.size()) return "[";  // PCRE2 says what is missing
        ++at_;
        if (is_plain) return fmt::format("[{}{}]", inverted ? "^" : "", members);
        finish_part();
        std::string all;
        for (std::size_t i = 0; i + 1 < parts.size(); ++i) all += "(?=" + parts[i] + ")";
        all += parts.back();
        return inverted ? "(?:(?!" + all + ")(?s:.))" : "(?:" + all + ")";
    }

    std::string_view pattern_;
    std::size_t at_ = 0;
};

}  // namespace

std::string as_pcre2(std::string_view pattern) { return Translation(pattern).run(); }

}  // namespace hearth::text
