// text/splitter.cpp - the matchers of the GPT-2, Llama 3 and Qwen patterns, and the general way through
// PCRE2. Each own matcher tries its pattern's alternatives in order, as a backtracking engine would.
#include "text/splitter.h"

#include <array>
#include <utility>

#include "text/unicode.h"
#include "text/utf8.h"

namespace hearth::text {
namespace {

using Behavior = PreTokenizerStep::Behavior;
using Match = PreTokenizerStep::Match;

// A character and where the next one begins. At the end of the text: no classes, next == at.
struct Seen {
    char32_t value = 0;
    Classes bits = 0;
    std::size_t next = 0;
    bool end = true;
    [[nodiscard]] bool is(Classes any) const { return (bits & any) != 0; }
    [[nodiscard]] bool is_newline() const { return value == '\n' || value == '\r'; }
};

Seen see(std::string_view text, std::size_t at) {
    if (at >= text.size()) return {0, 0, at, true};
    static const auto ascii = [] {
        std::array<Classes, 128> table{};
        for (std::size_t c = 0; c < table.size(); ++c) table[c] = classes(static_cast<char32_t>(c));
        return table;
    }();
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte < 0x80) return {byte, ascii[byte], at + 1, false};
    const CodePoint c = read_code_point(text, at);
    return {c.value, classes(c.value), at + c.bytes, false};
}

template <class Predicate>
std::size_t run_end(std::string_view text, std::size_t at, Predicate&& wanted) {
    for (Seen s = see(text, at); !s.end && wanted(s); s = see(text, at)) at = s.next;
    return at;
}

// After the apostrophe at `at`: 's 't 're 've 'm 'll 'd. Gives the end of the match, or 0.
std::size_t contraction_end(std::string_view text, std::size_t at, bool any_case) {
    const auto letter = [&](const Seen& s) -> char32_t {
        if (!any_case) return s.value;
        if (s.value == 0x17F) return 's';  // the long s folds to s, the only such letter among these
        return s.value >= 'A' && s.value <= 'Z' ? s.value + ('a' - 'A') : s.value;
    };
    const Seen first = see(text, at + 1);
    if (first.end) return 0;
    const char32_t a = letter(first);
    if (a == 's' || a == 't' || a == 'm' || a == 'd') return first.next;
    const Seen second = see(text, first.next);
    if (second.end) return 0;
    const char32_t b = letter(second);
    if ((a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l')) return second.next;
    return 0;
}

// \s+(?!\S)|\s+ : a run of white space, without its last character when text follows and the run has two.
std::size_t space_end(std::string_view text, std::size_t at) {
    std::size_t last = at, end = at;
    for (Seen s = see(text, at); !s.end && s.is(kSpace); s = see(text, end)) {
        last = end;
        end = s.next;
    }
    return end == text.size() || last == at ? end : last;
}

std::size_t gpt2_end(std::string_view text, std::size_t at) {
    const Seen first = see(text, at);
    if (first.value == '\'')
        if (const std::size_t end = contraction_end(text, at, false)) return end;
    const std::size_t body = first.value == ' ' ? first.next : at;
    const Seen s = see(text, body);
    if (s.is(kLetter)) return run_end(text, body, [](const Seen& c) { return c.is(kLetter); });
    if (s.is(kNumber)) return run_end(text, body, [](const Seen& c) { return c.is(kNumber); });
    if (!s.end && !s.is(kSpace))
        return run_end(text, body, [](const Seen& c) { return !c.is(kSpace | kLetter | kNumber); });
    return space_end(text, at);
}

// Llama 3 and Qwen: `digits_max` numbers a word; `letters` is what words are made of.
std::size_t llama3_end(std::string_view text, std::size_t at, int digits_max, Classes letters) {
    const Seen first = see(text, at);
    if (first.value == '\'')
        if (const std::size_t end = contraction_end(text, at, true)) return end;
    const auto is_letter = [letters](const Seen& c) { return c.is(letters); };
    if (!first.is_newline() && !first.is(kLetter | kNumber) && see(text, first.next).is(letters))
        return run_end(text, first.next, is_letter);
    if (first.is(letters)) return run_end(text, at, is_letter);
    if (first.is(kNumber)) {
        std::size_t end = at;
        for (int i = 0; i < digits_max; ++i) {
            const Seen s = see(text, end);
            if (!s.is(kNumber)) break;
            end = s.next;
        }
        return end;
    }
    const std::size_t body = first.value == ' ' ? first.next : at;
    const auto is_other = [letters](const Seen& c) {
        return !c.is(static_cast<Classes>(kSpace | kNumber | letters));
    };
    const Seen s = see(text, body);
    if (!s.end && is_other(s))
        return run_end(text, run_end(text, body, is_other), [](const Seen& c) { return c.is_newline(); });
    // \s*[\r\n]+ : up to the last newline of the white space.
    std::size_t after_newline = at;
    for (Seen w = see(text, at); !w.end && w.is(kSpace); w = see(text, w.next))
        if (w.is_newline()) after_newline = w.next;
    return after_newline > at ? after_newline : space_end(text, at);
}

// Collects matches and the gaps between them, joined as the behavior says.
class Collector {
  public:
    Collector(Behavior behavior, bool invert, std::size_t base, std::vector<ByteRange>& out)
        : behavior_(behavior), invert_(invert), base_(base), out_(out), first_(out.size()) {}

    void add(std::size_t begin, std::size_t end, bool matched) {
        if (begin == end) return;
        matched = matched != invert_;
        const bool has_last = out_.size() > first_;
        bool join = false;
        switch (behavior_) {
            case Behavior::isolated:
                break;
            case Behavior::removed:
                if (matched) return;
                break;
            case Behavior::merged_with_previous:
                join = has_last && matched && !last_matched_;
                break;
            case Behavior::merged_with_next:
                // From the right: a match joins the gap after it, of several matches only the last.
                join = has_last && !matched && last_matched_;
                break;
            case Behavior::contiguous:
                join = has_last && matched == last_matched_;
                break;
        }
        last_matched_ = matched;
        const bool after_cut = std::exchange(cut_, false);
        if (join && !after_cut)
            out_.back().second = base_ + end;
        else
            out_.emplace_back(base_ + begin, base_ + end);
    }

    // What comes next is joined to nothing before it.
    void cut() { cut_ = true; }

  private:
    Behavior behavior_;
    bool invert_, cut_ = false;
    std::size_t base_;
    std::vector<ByteRange>& out_;
    std::size_t first_;
    bool last_matched_ = false;
};

// A word begins where another script does. What goes with any script stays with the word before it; before
// the first word it belongs to none, and the reference loses it.
void cut_by_script(std::string_view text, Collector& collector) {
    Script running = kAnyScript;
    std::size_t word = 0;
    for (std::size_t at = 0; at < text.size();) {
        const CodePoint c = read_code_point(text, at);
        const Script own = script(c.value);
        if (own != kAnyScript && own != running) {
            collector.add(word, at, running != kAnyScript);
            running = own;
            word = at;
        }
        at += c.bytes;
    }
    collector.add(word, text.size(), running != kAnyScript);
}

}  // namespace

Result<Splitter> Splitter::make(const PreTokenizerStep& split, std::string_view where) {
    Splitter splitter;
    splitter.behavior_ = split.behavior;
    splitter.invert_ = split.invert;
    switch (split.match) {
        case Match::spaces:
            splitter.matcher_ = Matcher::spaces;
            return splitter;
        case Match::punctuation:
            splitter.matcher_ = Matcher::punctuation;
            return splitter;
        case Match::words:
            splitter.matcher_ = Matcher::words;
            return splitter;
        case Match::scripts:
            splitter.matcher_ = Matcher::scripts;
            return splitter;
        case Match::literal:
            return make_with_pcre2(split, where);
        case Match::regex:
            break;
    }
    constexpr std::pair<std::string_view, Matcher> kKnown[] = {
        {kPatternGpt2, Matcher::gpt2},
        {kPatternLlama3, Matcher::llama3},
        {kPatternQwen2, Matcher::qwen2},
        {kPatternQwen35, Matcher::qwen35},
    };
    for (const auto& [pattern, matcher] : kKnown) {
        if (split.pattern != pattern) continue;
        splitter.matcher_ = matcher;
        return splitter;
    }
    return make_with_pcre2(split, where);
}

Result<Splitter> Splitter::make_with_pcre2(const PreTokenizerStep& split, std::string_view where) {
    Splitter splitter;
    splitter.behavior_ = split.behavior;
    splitter.invert_ = split.invert;
    HEARTH_TRY(splitter.regex_, Regex::compile(split.pattern, split.match == Match::literal, where));
    return splitter;
}

Result<std::vector<ByteRange>> Splitter::split(std::string_view text,
                                               const std::vector<ByteRange>& words) const {
    std::vector<ByteRange> out;
    out.reserve(words.size());
    if (matcher_ != Matcher::pcre2) {
        for (const auto& [begin, end] : words) split_by_matcher(text.substr(begin, end - begin), begin, out);
        return out;
    }
    // A word is matched alone: `^`, `$` and what looks around see its ends.
    for (const auto& [begin, end] : words) {
        const std::string_view word = text.substr(begin, end - begin);
        HEARTH_TRY_STATUS(split_by_regex(Regex::Subject(word), word, begin, out));
    }
    return out;
}

void Splitter::split_by_matcher(std::string_view text, std::size_t base, std::vector<ByteRange>& out) const {
    Collector collector(behavior_, invert_, base, out);
    const auto of_class = [&](Classes bits) {
        for (std::size_t at = 0; at < text.size();) {
            const Seen c = see(text, at);
            if (c.is(bits)) {
                collector.add(at, c.next, true);
                at = c.next;
                continue;
            }
            const std::size_t end = run_end(text, at, [bits](const Seen& other) { return !other.is(bits); });
            collector.add(at, end, false);
            at = end;
        }
    };
    if (matcher_ == Matcher::spaces) return of_class(kSpace);
    if (matcher_ == Matcher::punctuation) return of_class(kBertPunctuation);
    if (matcher_ == Matcher::scripts) return cut_by_script(text, collector);
    for (std::size_t at = 0; at < text.size();) {
        std::size_t end = at;
        bool matched = true;
        if (matcher_ == Matcher::words) {
            const Seen s = see(text, at);
            const auto kind = [](const Seen& c) { return c.is(kWord) ? 1 : c.is(kSpace) ? 0 : 2; };
            matched = kind(s) != 0;
            end = run_end(text, at, [&](const Seen& c) { return kind(c) == kind(s); });
        } else {
            end = matcher_ == Matcher::gpt2     ? gpt2_end(text, at)
                  : matcher_ == Matcher::llama3 ? llama3_end(text, at, 3, kLetter)
                  : matcher_ == Matcher::qwen2  ? llama3_end(text, at, 1, kLetter)
                                                : llama3_end(text, at, 1, kLetter | kMark);
        }
        collector.add(at, end, matched);
        at = end;
    }
}

Status Splitter::split_by_regex(const Regex::Subject& subject, std::string_view text, std::size_t base,
                                std::vector<ByteRange>& out) const {
    Collector collector(behavior_, invert_, base, out);
    std::size_t at = 0, gap = 0;  // gap: where the text since the last match begins
    while (at <= text.size()) {
        HEARTH_TRY(const auto match, regex_.find(subject, at));
        if (!match) break;
        const auto [begin, end] = *match;
        if (end == begin) {  // it cuts, unless it stands right behind a match; go on at the next character
            if (begin > gap || gap == 0) {
                collector.add(gap, begin, false);
                collector.cut();
                gap = begin;
            }
            at = end < text.size() ? end + read_code_point(text, end).bytes : text.size() + 1;
            continue;
        }
        collector.add(gap, begin, false);
        collector.add(begin, end, true);
        gap = at = end;
    }
    collector.add(gap, text.size(), false);
    return {};
}

}  // namespace hearth::text
