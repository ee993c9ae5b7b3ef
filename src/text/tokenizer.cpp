// text/tokenizer.cpp - puts the parts together: added tokens, normalization, words, the model; and the way
// back.
#include "text/tokenizer.h"

#include <limits>

#include "base/limits.h"
#include "text/quote.h"
#include "text/tokenizer_impl.h"
#include "text/utf8.h"

namespace hearth::text {

Result<Tokenizer> Tokenizer::make(TokenizerSpec spec) {
    auto impl = std::make_unique<Impl>();
    impl->spec = std::move(spec);
    HEARTH_TRY_STATUS(impl->index());
    return Tokenizer(std::move(impl));
}

Tokenizer::Tokenizer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

// The word's parts before any merge: bytes, or characters by their spelling.
void Tokenizer::Impl::split_symbols(std::string_view word, std::vector<Part>& parts) const {
    parts.clear();
    const auto put = [&](int id, std::size_t begin, std::size_t size) {
        parts.push_back({id, static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(size)});
    };
    if (spec.byte_level) {
        for (std::size_t i = 0; i < word.size(); ++i)
            put(id_of_byte[static_cast<unsigned char>(word[i])], i, 1);
        return;
    }
    const bool plain = spec.continuing_prefix.empty() && spec.word_suffix.empty();
    std::string spelling;
    for (std::size_t at = 0; at < word.size();) {
        const std::size_t size = read_code_point(word, at).bytes;
        std::string_view symbol = word.substr(at, size);
        if (!plain) {
            spelling = at > 0 ? spec.continuing_prefix : "";
            spelling += symbol;
            if (at + size == word.size()) spelling += spec.word_suffix;
            symbol = spelling;
        }
        const int id = pieces.find(symbol);
        if (id == kNoToken && has_all_bytes && spec.model == TokenizerSpec::Model::bpe) {
            // As the reference: a character's bytes take part in merges, if there are any of them.
            // So do those of its prefix and suffix, which stand for no bytes of the word.
            for (std::size_t i = 0; i < symbol.size(); ++i)
                put(id_of_byte[static_cast<unsigned char>(symbol[i])], std::min(at + i, at + size - 1), 1);
        } else {
            put(id, at, size);
        }
        at += size;
    }
}

void Tokenizer::Impl::model_word(std::string_view word, Scratch& scratch) const {
    std::vector<Part>& parts = scratch.parts;
    switch (spec.model) {
        case TokenizerSpec::Model::unigram:
            return segment_unigram(pieces, spec.scores, unknown_score, word, parts);
        case TokenizerSpec::Model::wordpiece:
            return segment_wordpiece(pieces, spec.word_prefix, spec.continuing_prefix, spec.word_chars_max,
                                     word, parts);
        case TokenizerSpec::Model::wordlevel:
            parts.assign(1, {pieces.find(word), 0, static_cast<std::uint32_t>(word.size())});
            return;
        case TokenizerSpec::Model::bpe:
            split_symbols(word, parts);
            return scratch.merger.merge(parts, [&](const Part& a, const Part& b) {
                const Merge* merge = merges.find(a.id, b.id);
                return merge == nullptr ? std::nullopt : std::optional(*merge);
            });
        case TokenizerSpec::Model::concatenation:
            split_symbols(word, parts);
            return scratch.merger.merge(parts, [&](const Part& a, const Part& b) -> std::optional<Merge> {
                const int id = pieces.find(word.substr(a.begin, a.bytes + b.bytes));
                if (id == kNoToken) return std::nullopt;
                return Merge{rank_of[static_cast<std::size_t>(id)], id};
            });
    }
}

Status Tokenizer::Impl::encode_word(std::string_view word, std::size_t word_at, const TracedText& text,
                                    const EncodeOptions& options, Scratch& scratch, Encoding& out) const {
    const auto emit = [&](int id, std::size_t begin, std::size_t end) {
        end = std::min(end, word.size());
        out.ids.push_back(id);
        out.offsets.emplace_back(text.origin_of(word_at + begin), text.origin_of(word_at + end));
    };
    if (spec.ignore_merges) {
        if (const int whole = pieces.find(word); whole != kNoToken)
            scratch.parts.assign(1, {whole, 0, static_cast<std::uint32_t>(word.size())});
        else
            model_word(word, scratch);
    } else {
        model_word(word, scratch);
    }
    // A model may have control tokens among its pieces: a quoted one is read character by character.
    const auto refused = [&](const Part& part) {
        if (part.id == kNoToken || (spec.unk && part.id == *spec.unk)) return false;
        const std::size_t begin = text.origin_of(word_at + part.begin);
        const std::size_t end =
            text.origin_of(word_at + std::min<std::size_t>(part.begin + part.bytes, word.size()));
        return is_refused(options, begin, std::max(end, begin + 1), part.id,
                          special[static_cast<std::size_t>(part.id)] != 0);
    };
    if (!options.quoted.empty() && std::any_of(scratch.parts.begin(), scratch.parts.end(), refused))
        return respell(word, word_at, text, options, scratch, out, refused);
    const std::vector<Part>& parts = scratch.parts;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const std::size_t begin = parts[i].begin;
        std::size_t end = begin + parts[i].bytes;
        if (parts[i].id != kNoToken) {
            emit(parts[i].id, begin, end);
        } else if (has_all_bytes && !spec.byte_level) {
            for (std::size_t k = begin; k < end; ++k)
                emit(id_of_byte[static_cast<unsigned char>(word[k])], k, k + 1);
        } else if (spec.unk) {
            for (; spec.fuse_unknown && i + 1 < parts.size() && parts[i + 1].id == kNoToken; ++i)
                end += parts[i + 1].bytes;
            emit(*spec.unk, begin, end);
        } else {
            return fail(Fault::unsupported, "{}: expected a token for each byte, saw none for 0x{:02X}",
                        spec.where, static_cast<unsigned char>(word[begin]));
        }
    }
    return {};
}

Status Tokenizer::Impl::respell(std::string_view word, std::size_t word_at, const TracedText& text,
                                const EncodeOptions& options, Scratch& scratch, Encoding& out,
                                const std::function<bool(const Part&)>& refused) const {
    const std::vector<Part> parts = scratch.parts;
    std::size_t plain = 0;  // where the word since the last refused part begins
    const auto encode = [&](std::size_t begin, std::size_t end) -> Status {
        if (begin == end) return {};
        return encode_word(word.substr(begin, end - begin), word_at + begin, text, options, scratch, out);
    };
    for (const Part& part : parts) {
        if (!refused(part)) continue;
        const std::size_t end = std::min<std::size_t>(part.begin + part.bytes, word.size());
        if (read_code_point(word, part.begin).bytes >= end - part.begin)
            return fail(Fault::unsupported, "{}: expected a way to write {} without control tokens, saw none",
                        spec.where, quoted(word.substr(part.begin, end - part.begin)));
        HEARTH_TRY_STATUS(encode(plain, part.begin));
        for (std::size_t at = part.begin; at < end; at += read_code_point(word, at).bytes)
            HEARTH_TRY_STATUS(encode(at, at + read_code_point(word, at).bytes));
        plain = end;
    }
    return encode(plain, word.size());
}

Status Tokenizer::Impl::encode_stretch(TracedText text, const EncodeOptions& options, Scratch& scratch,
                                       Encoding& out) const {
    HEARTH_TRY(const Words words, pre_tokenizer.run(std::move(text)));
    for (const auto& [begin, end] : words.ranges) {
        const std::string_view word = std::string_view(words.text.text).substr(begin, end - begin);
        HEARTH_TRY_STATUS(encode_word(word, begin, words.text, options, scratch, out));
    }
    return {};
}

Result<Encoding> Tokenizer::encode_with_offsets(std::string_view given, EncodeOptions options) const {
    constexpr std::size_t kTextBytesMax = std::numeric_limits<std::int32_t>::max() / 4;
    if (given.size() > kTextBytesMax)
        return fail(Fault::out_of_range, "text to tokenize: expected at most {} bytes, saw {}", kTextBytesMax,
                    given.size());
    const Impl& impl = *impl_;
    Encoding out;
    Impl::Scratch scratch;
    const auto put = [&](int id, std::size_t begin, std::size_t end) {
        out.ids.push_back(id);
        out.offsets.emplace_back(begin, end);
    };
    if (options.add_special)
        for (const int id : impl.spec.prefix) put(id, 0, 0);
    const TracedText valid = make_valid(given);
    std::vector<Stretch> stretches, inner;
    impl.finder.cut(valid, options, stretches);
    for (const Stretch& stretch : stretches) {
        const auto [begin, end] = stretch.range;
        if (stretch.id) {
            put(*stretch.id, valid.origin_of(begin), valid.origin_of(end));
            continue;
        }
        HEARTH_TRY(const TracedText normal, impl.normalizer.run(slice(valid, begin, end)));
        inner.clear();
        impl.normalized_finder.cut(normal, options, inner);
        for (const Stretch& part : inner) {
            const auto [from, to] = part.range;
            if (part.id)
                put(*part.id, normal.origin_of(from), normal.origin_of(to));
            else
                HEARTH_TRY_STATUS(impl.encode_stretch(slice(normal, from, to), options, scratch, out));
        }
    }
    if (options.add_special)
        for (const int id : impl.spec.suffix) put(id, given.size(), given.size());
    return out;
}

Result<std::vector<int>> Tokenizer::encode(std::string_view text, EncodeOptions options) const {
    HEARTH_TRY(Encoding encoding, encode_with_offsets(text, options));
    return std::move(encoding.ids);
}

std::string Tokenizer::next_bytes(int id, TextState& state) const {
    const Decoding& decoding = impl_->spec.decoding;
    const std::string& piece = piece_bytes(id);
    if (!decoding.word_suffix.empty()) {
        std::string text = (state.space_due ? " " : "") + piece;
        state.space_due = text.ends_with(' ');
        if (state.space_due) text.pop_back();
        return text;
    }
    if (state.begun && state.strip_left == 0) return piece;
    if (id < 0 || id >= vocab_size() || impl_->spec.tokens[static_cast<std::size_t>(id)].empty()) return {};
    if (!state.begun) {
        state.begun = true;
        if (decoding.start != Decoding::Start::strip) return impl_->first_bytes(id);
        state.strip_left = decoding.strip_left;
    }
    if (id == impl_->spec.unk && !decoding.unknown.empty()) {
        state.strip_left = 0;
        return piece;
    }
    std::size_t spaces = 0;
    while (spaces < piece.size() && piece[spaces] == ' ' && state.strip_left > 0)
        ++spaces, --state.strip_left;
    if (spaces < piece.size()) state.strip_left = 0;
    return piece.substr(spaces);
}

std::string Tokenizer::decode_bytes(std::span<const int> ids, bool skip_special) const {
    std::string out;
    TextState state;
    for (const int id : ids)
        if (!skip_special || !is_special(id)) out += next_bytes(id, state);
    return out;
}

std::string Tokenizer::decode(std::span<const int> ids, bool skip_special) const {
    return replace_invalid(decode_bytes(ids, skip_special));
}

const std::string& Tokenizer::piece_bytes(int id) const {
    static const std::string kNone;
    return id >= 0 && id < vocab_size() ? impl_->bytes[static_cast<std::size_t>(id)] : kNone;
}

bool Tokenizer::is_special(int id) const {
    return id >= 0 && id < vocab_size() && impl_->special[static_cast<std::size_t>(id)] != 0;
}

bool Tokenizer::is_added(int id) const {
    return id >= 0 && id < vocab_size() && impl_->is_added[static_cast<std::size_t>(id)] != 0;
}

int Tokenizer::vocab_size() const { return static_cast<int>(impl_->bytes.size()); }
std::optional<int> Tokenizer::bos() const { return impl_->spec.bos; }
std::optional<int> Tokenizer::eos() const { return impl_->spec.eos; }
std::optional<int> Tokenizer::pad() const { return impl_->spec.pad; }
std::optional<int> Tokenizer::unk() const { return impl_->spec.unk; }

std::optional<int> Tokenizer::find(std::string_view content) const {
    if (const auto added = impl_->id_of_added.find(std::string(content)); added != impl_->id_of_added.end())
        return added->second;
    const auto token = impl_->id_of_spelling.find(content);
    return token == impl_->id_of_spelling.end() ? std::nullopt : std::optional(token->second);
}

}  // namespace hearth::text
