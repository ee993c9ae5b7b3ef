// text/normalizer.cpp - the steps one by one; normal forms segment by segment through utf8proc, so that
// origins stay near the truth.
#include "text/normalizer.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>

#include "base/limits.h"
#include "text/unicode.h"
#include "text/utf8.h"

namespace hearth::text {
namespace {

using Kind = NormalizerStep::Kind;

// Characters below U+0300 never join the one before them in any normal form, so a text can be cut there.
constexpr char32_t kFirstJoining = 0x300;

// Utf8proc's own reordering is quadratic in a run of combining marks; a stable sort of each run is the same.
void reorder_marks(std::vector<utf8proc_int32_t>& points) {
    const auto combining = [](utf8proc_int32_t c) { return utf8proc_get_property(c)->combining_class; };
    for (std::size_t i = 0; i < points.size();) {
        if (combining(points[i]) == 0) {
            ++i;
            continue;
        }
        std::size_t end = i;
        while (end < points.size() && combining(points[end]) != 0) ++end;
        std::stable_sort(points.begin() + static_cast<std::ptrdiff_t>(i),
                         points.begin() + static_cast<std::ptrdiff_t>(end),
                         [&](utf8proc_int32_t a, utf8proc_int32_t b) { return combining(a) < combining(b); });
        i = end;
    }
}

void append_segment(std::string& out, std::string_view segment, Kind form) {
    int options = UTF8PROC_STABLE;
    const bool compose = form == Kind::nfc || form == Kind::nfkc;
    options |= compose ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE;
    if (form == Kind::nfkc || form == Kind::nfkd) options |= UTF8PROC_COMPAT;
    const auto flags = static_cast<utf8proc_option_t>(options);
    std::vector<utf8proc_int32_t> points;
    for (std::size_t at = 0; at < segment.size();) {
        const CodePoint c = read_code_point(segment, at);
        at += c.bytes;
        std::array<utf8proc_int32_t, 32> parts{};  // the longest decomposition has 18
        const auto n = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c.value), parts.data(),
                                               static_cast<utf8proc_ssize_t>(parts.size()), flags, nullptr);
        if (n < 0 || n > static_cast<utf8proc_ssize_t>(parts.size())) {
            points.push_back(static_cast<utf8proc_int32_t>(c.value));
            continue;
        }
        points.insert(points.end(), parts.begin(), parts.begin() + n);
    }
    reorder_marks(points);
    auto size = static_cast<utf8proc_ssize_t>(points.size());
    if (compose) size = utf8proc_normalize_utf32(points.data(), size, flags);
    for (utf8proc_ssize_t i = 0; i < size; ++i)
        append_code_point(out, static_cast<char32_t>(points[static_cast<std::size_t>(i)]));
}

// Calls each(begin, end) for the segments of valid UTF-8 text.
template <class Each>
void for_each_segment(std::string_view text, Each&& each) {
    std::size_t begin = 0;
    for (std::size_t at = 0; at < text.size();) {
        const CodePoint c = read_code_point(text, at);
        if (at > begin && c.value < kFirstJoining) {
            each(begin, at);
            begin = at;
        }
        at += c.bytes;
    }
    if (begin < text.size()) each(begin, text.size());
}

bool is_ascii(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

TracedText to_normal_form(const TracedText& from, Kind form) {
    if (is_ascii(from.text)) return from;
    Rewrite out(from);
    std::string segment;
    for_each_segment(from.text, [&](std::size_t begin, std::size_t end) {
        segment.clear();
        append_segment(segment, std::string_view(from.text).substr(begin, end - begin), form);
        out.put(begin, end, segment);
    });
    return out.finish();
}

// each(c) appends what becomes of the character to its second argument; gives false to leave it as it is.
template <class Each>
TracedText map_characters(const TracedText& from, Each&& each) {
    Rewrite out(from);
    std::string instead;
    for (std::size_t at = 0; at < from.text.size();) {
        const CodePoint c = read_code_point(from.text, at);
        instead.clear();
        if (each(c.value, instead))
            out.put(at, at + c.bytes, instead);
        else
            out.keep(at, at + c.bytes);
        at += c.bytes;
    }
    return out.finish();
}

TracedText without(const TracedText& from, Classes any) {
    return map_characters(from, [any](char32_t c, std::string&) { return (classes(c) & any) != 0; });
}

TracedText lowercase(const TracedText& from) {
    return map_characters(from, [](char32_t c, std::string& instead) {
        std::string one;
        append_code_point(one, c);
        instead = to_lower(one);
        return true;
    });
}

TracedText strip(const TracedText& from, bool left, bool right) {
    std::size_t begin = 0, end = from.text.size();
    const auto is_space = [&](std::size_t at) {
        return (classes(read_code_point(from.text, at).value) & kSpace) != 0;
    };
    while (left && begin < end && is_space(begin)) begin += read_code_point(from.text, begin).bytes;
    while (right && begin < end) {
        std::size_t last = end - 1;
        while (last > begin && (static_cast<unsigned char>(from.text[last]) & 0xC0) == 0x80) --last;
        if (!is_space(last)) break;
        end = last;
    }
    return slice(from, begin, end);
}

// The blocks that the reference's BertNormalizer calls Chinese (as BERT's own tokenization.py, but for one
// digit).
bool is_chinese(char32_t c) {
    constexpr std::pair<char32_t, char32_t> kBlocks[] = {
        {0x4E00, 0x9FFF},   {0x3400, 0x4DBF},   {0x20000, 0x2A6DF}, {0x2A700, 0x2B73F},
        {0x2B740, 0x2B81F}, {0x2B920, 0x2CEAF}, {0xF900, 0xFAFF},   {0x2F800, 0x2FA1F}};
    return std::any_of(std::begin(kBlocks), std::end(kBlocks),
                       [c](const auto& block) { return c >= block.first && c <= block.second; });
}

TracedText bert(const NormalizerStep& step, TracedText text) {
    if (step.clean_text) {
        text = map_characters(text, [](char32_t c, std::string& instead) {
            if ((classes(c) & kRemovedByBert) != 0) return true;
            if ((classes(c) & kSpace) == 0) return false;
            instead = " ";
            return true;
        });
    }
    if (step.chinese_chars) {
        text = map_characters(text, [](char32_t c, std::string& instead) {
            if (!is_chinese(c)) return false;
            instead = " ";
            append_code_point(instead, c);
            instead += ' ';
            return true;
        });
    }
    if (step.accents_go) text = without(to_normal_form(text, Kind::nfd), kAccent);
    return step.lowercase ? lowercase(text) : text;
}

// The rules of nmt that tokenizers' Nmt has: some controls go, others and odd spaces become a space.
TracedText nmt(const TracedText& from) {
    return map_characters(from, [](char32_t c, std::string& instead) {
        if ((c >= 0x1 && c <= 0x8) || c == 0xB || (c >= 0xE && c <= 0x1F) || c == 0x7F || c == 0x8F ||
            c == 0x9F)
            return true;
        constexpr char32_t kSpaces[] = {0x9,    0xA,    0xC,    0xD,    0x1680, 0x200B, 0x200C, 0x200D,
                                        0x200E, 0x200F, 0x2028, 0x2029, 0x2581, 0xFEFF, 0xFFFD};
        if (std::find(std::begin(kSpaces), std::end(kSpaces), c) == std::end(kSpaces)) return false;
        instead = " ";
        return true;
    });
}

// Where the grapheme that begins at `at` ends.
std::size_t grapheme_end(std::string_view text, std::size_t at) {
    CodePoint c = read_code_point(text, at);
    utf8proc_int32_t state = 0;
    std::size_t end = at + c.bytes;
    while (end < text.size()) {
        const CodePoint next = read_code_point(text, end);
        if (utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(c.value),
                                             static_cast<utf8proc_int32_t>(next.value), &state))
            break;
        c = next;
        end += c.bytes;
    }
    return end;
}

// As `tokenizers` does it: a grapheme of fewer than six bytes is looked up whole, and what its beginning maps
// to stands for all of it; else character by character.
TracedText map_graphemes(const TracedText& from, const Charsmap& map) {
    constexpr std::size_t kWholeBytesMax = 5;
    const std::string_view text = from.text;
    Rewrite out(from);
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = grapheme_end(text, at);
        if (end - at <= kWholeBytesMax)
            if (const auto match = map.shortest(text.substr(at, end - at))) {
                out.put(at, end, match->replacement);
                at = end;
                continue;
            }
        while (at < end) {
            const std::size_t next = at + read_code_point(text, at).bytes;
            const auto match = map.shortest(text.substr(at, next - at));
            out.put(at, next, match ? match->replacement : text.substr(at, next - at));
            at = next;
        }
    }
    return out.finish();
}

// As SentencePiece does it: the longest match at each place.
TracedText map_longest(const TracedText& from, const Charsmap& map) {
    const std::string_view text = from.text;
    Rewrite out(from);
    for (std::size_t at = 0; at < text.size();) {
        const auto match = map.longest(text.substr(at));
        const std::size_t end = at + (match ? match->bytes : read_code_point(text, at).bytes);
        out.put(at, end, match ? match->replacement : text.substr(at, end - at));
        at = end;
    }
    return out.finish();
}

}  // namespace

TracedText make_valid(std::string_view text) {
    if (is_valid_utf8(text)) return {std::string(text), {}, 0};
    TracedText out;
    for (std::size_t at = 0; at < text.size();) {
        const CodePoint c = read_code_point(text, at);
        append_code_point(out.text, c.value);
        out.origin.resize(out.text.size(), at);
        // A valid character keeps its bytes' own places.
        if (c.valid)
            for (std::uint32_t i = 1; i < c.bytes; ++i) out.origin[out.text.size() - c.bytes + i] = at + i;
        at += c.bytes;
    }
    out.origin.push_back(text.size());
    return out;
}

TracedText slice(const TracedText& from, std::size_t begin, std::size_t end) {
    TracedText out;
    out.text = from.text.substr(begin, end - begin);
    out.base = from.base + begin;
    if (!from.origin.empty())
        out.origin.assign(from.origin.begin() + static_cast<std::ptrdiff_t>(begin),
                          from.origin.begin() + static_cast<std::ptrdiff_t>(end) + 1);
    return out;
}

std::string normal_form(std::string_view text, Kind form) {
    std::string out;
    for_each_segment(text, [&](std::size_t begin, std::size_t end) {
        append_segment(out, text.substr(begin, end - begin), form);
    });
    return out;
}

Result<Normalizer> Normalizer::make(std::vector<NormalizerStep> steps, std::string_view where) {
    Normalizer out;
    out.where_ = where;
    for (std::size_t i = 0; i < steps.size(); ++i) {
        Step step;
        const std::string place = fmt::format("{}: normalizer {}", where, i);
        if (steps[i].kind == Kind::charsmap) {
            HEARTH_TRY(step.charsmap, Charsmap::make(std::move(steps[i].content), place));
        }
        if (steps[i].kind == Kind::replace) {
            if (steps[i].pattern.empty())
                return fail(Fault::corrupt, "{}: expected a pattern, saw none", place);
            HEARTH_TRY(step.regex, Regex::compile(steps[i].pattern, steps[i].literal, place));
        }
        step.spec = std::move(steps[i]);
        out.steps_.push_back(std::move(step));
    }
    return out;
}

Result<TracedText> Normalizer::run(const Step& step, const TracedText& text) const {
    switch (step.spec.kind) {
        case Kind::nfc:
        case Kind::nfd:
        case Kind::nfkc:
        case Kind::nfkd:
            return to_normal_form(text, step.spec.kind);
        case Kind::lowercase:
            return lowercase(text);
        case Kind::strip_accents:
            return without(text, kCombining);
        case Kind::strip:
            return strip(text, step.spec.left, step.spec.right);
        case Kind::prepend: {
            if (text.text.empty()) return text;
            Rewrite out(text);
            out.put(0, 0, step.spec.content);
            out.keep(0, text.text.size());
            return out.finish();
        }
        case Kind::charsmap:
            return step.spec.by_grapheme ? map_graphemes(text, *step.charsmap)
                                         : map_longest(text, *step.charsmap);
        case Kind::bert:
            return bert(step.spec, text);
        case Kind::nmt:
            return nmt(text);
        case Kind::replace:
            break;
    }
    Rewrite out(text);
    const Regex::Subject subject(text.text);
    std::size_t kept = 0;
    for (std::size_t at = 0; at <= text.text.size();) {
        HEARTH_TRY(const auto match, step.regex.find(subject, at));
        if (!match) break;
        out.keep(kept, match->first);
        out.put(match->first, match->second, step.spec.content);
        kept = match->second;
        at = kept;
        if (match->first == match->second)  // an empty match: on to the next character
            at += at < text.text.size() ? read_code_point(text.text, at).bytes : 1;
        if (out.size() > kNormalizedGrowthMax * (text.text.size() + 64))
            return fail(Fault::out_of_range, "{}: expected a text at most {} times as long, saw more", where_,
                        kNormalizedGrowthMax);
    }
    out.keep(std::min(kept, text.text.size()), text.text.size());
    return out.finish();
}

Result<TracedText> Normalizer::run(TracedText text) const {
    const std::size_t bytes_max = kNormalizedGrowthMax * (text.text.size() + 64);
    for (const Step& step : steps_) {
        HEARTH_TRY(text, run(step, text));
        if (text.text.size() > bytes_max)
            return fail(Fault::out_of_range, "{}: expected a text at most {} times as long, saw more", where_,
                        kNormalizedGrowthMax);
    }
    return text;
}

}  // namespace hearth::text
