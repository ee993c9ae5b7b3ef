// text/pre_tokenizer.cpp - runs the steps; words that are changed make a new text.
#include "text/pre_tokenizer.h"

#include "text/byte_alphabet.h"
#include "text/utf8.h"

namespace hearth::text {
namespace {

using Kind = PreTokenizerStep::Kind;
using Prepend = PreTokenizerStep::Prepend;

Words prefix_spaces(const Words& from) {
    Rewrite out(from.text);
    Words to;
    for (const auto& [begin, end] : from.ranges) {
        const std::size_t at = out.size();
        if (from.text.text[begin] != ' ') out.put(begin, begin, " ");
        out.keep(begin, end);
        to.ranges.emplace_back(at, out.size());
    }
    to.text = out.finish();
    return to;
}

Words metaspaces(const PreTokenizerStep& step, const Words& from) {
    const std::string_view text = from.text.text, meta = step.pattern;
    Rewrite out(from.text);
    Words to;
    for (const auto& [begin, end] : from.ranges) {
        std::size_t word = out.size();
        const bool has = text[begin] == ' ' || text.substr(begin, end - begin).starts_with(meta);
        const bool wanted = step.prepend == Prepend::always ||
                            (step.prepend == Prepend::first && from.text.origin_of(begin) == 0);
        if (wanted && !has) out.put(begin, begin, meta);
        for (std::size_t at = begin; at < end;) {
            const bool is_space = text[at] == ' ';
            const bool is_meta = is_space || text.substr(at, end - at).starts_with(meta);
            const std::size_t next = is_meta && !is_space ? at + meta.size() : at + 1;
            // A word begins at each metaspace; the one put first stands with what follows it.
            if (step.cut && is_meta && out.size() > word) {
                to.ranges.emplace_back(word, out.size());
                word = out.size();
            }
            if (is_space)
                out.put(at, next, meta);
            else
                out.keep(at, next);
            at = next;
        }
        if (out.size() > word) to.ranges.emplace_back(word, out.size());
    }
    to.text = out.finish();
    return to;
}

Words byte_letters(const Words& from) {
    Rewrite out(from.text);
    Words to;
    for (const auto& [begin, end] : from.ranges) {
        const std::size_t at = out.size();
        for (std::size_t i = begin; i < end; ++i) {
            std::string letter;
            append_code_point(letter, kLetterOfByte[static_cast<unsigned char>(from.text.text[i])]);
            out.put(i, i + 1, letter);
        }
        to.ranges.emplace_back(at, out.size());
    }
    to.text = out.finish();
    return to;
}

}  // namespace

Result<PreTokenizer> PreTokenizer::make(const std::vector<PreTokenizerStep>& steps, std::string_view where) {
    PreTokenizer out;
    for (std::size_t i = 0; i < steps.size(); ++i) {
        Step step{steps[i], {}};
        const std::string place = fmt::format("{}: pre-tokenizer {}", where, i);
        if (step.spec.kind == Kind::split) {
            HEARTH_TRY(step.splitter, Splitter::make(step.spec, place));
        } else if (step.spec.kind == Kind::metaspace && step.spec.pattern.empty()) {
            return fail(Fault::corrupt, "{}: expected a replacement for spaces, saw none", place);
        }
        out.steps_.push_back(std::move(step));
    }
    return out;
}

Result<Words> PreTokenizer::run(TracedText text) const {
    Words words;
    words.text = std::move(text);
    if (!words.text.text.empty()) words.ranges.emplace_back(0, words.text.text.size());
    for (const Step& step : steps_) {
        switch (step.spec.kind) {
            case Kind::split: {
                HEARTH_TRY(words.ranges, step.splitter.split(words.text.text, words.ranges));
                break;
            }
            case Kind::prefix_space:
                words = prefix_spaces(words);
                break;
            case Kind::byte_letters:
                words = byte_letters(words);
                break;
            case Kind::metaspace:
                words = metaspaces(step.spec, words);
                break;
        }
    }
    return words;
}

}  // namespace hearth::text
