// text/tokenizer.cpp - puts the parts together: added tokens, normalization, words, merges; and the way back.
#include "text/tokenizer.h"

#include <algorithm>
#include <array>
#include <limits>
#include <unordered_map>

#include "base/limits.h"
#include "text/added_tokens.h"
#include "text/bpe.h"
#include "text/byte_alphabet.h"
#include "text/normalizer.h"
#include "text/quote.h"
#include "text/splitter.h"

namespace hearth::text {

struct Tokenizer::Impl {
    TokenizerSpec spec;
    std::vector<std::string> bytes;                            // by id
    std::vector<unsigned char> special;                        // by id
    std::unordered_map<std::string_view, int> id_of_spelling;  // views into spec.tokens
    std::unordered_map<std::string_view, int> id_of_word;  // raw bytes, for ignore_merges; views into bytes
    std::unordered_map<std::string, int> id_of_added;
    std::array<int, 256> id_of_byte{};
    AddedTokenFinder finder, normalized_finder;
    std::vector<Splitter> splitters;
    MergeTable merges;

    Status index_tokens();
    Status index_added();
    void index_words();
    Status index_merges();
    Status check_ids() const;
    Status encode_stretch(const TracedText& text, Encoding& out) const;
    Status encode_word(std::string_view word, std::size_t word_at, const TracedText& text, WordMerger& merger,
                       std::vector<Part>& parts, Encoding& out) const;
};

Status Tokenizer::Impl::index_tokens() {
    const std::size_t n = spec.tokens.size();
    bytes.resize(n);
    special.resize(n);
    id_of_spelling.reserve(n);
    for (std::size_t id = 0; id < n; ++id) {
        const std::string& spelling = spec.tokens[id];
        if (spelling.empty()) continue;
        if (spelling.size() > kTokenBytesMax)
            return fail(Fault::out_of_range, "{}: token {}: expected at most {} bytes, saw {}", spec.where,
                        id, kTokenBytesMax, spelling.size());
        const auto [other, is_new] = id_of_spelling.emplace(spelling, static_cast<int>(id));
        if (!is_new)
            return fail(Fault::corrupt, "{}: token {}: expected a token of its own, saw that of id {} again",
                        spec.where, id, other->second);
        auto raw = bytes_of_spelling(spelling);
        bytes[id] = raw ? std::move(raw).value() : spelling;
    }
    return {};
}

Status Tokenizer::Impl::index_added() {
    for (std::size_t i = 0; i < spec.added.size(); ++i) {
        const TokenizerSpec::Added& token = spec.added[i];
        if (token.id < 0 || static_cast<std::size_t>(token.id) >= spec.tokens.size())
            return fail(Fault::corrupt, "{}: added token {}: expected an id below {}, saw {}", spec.where, i,
                        spec.tokens.size(), token.id);
        if (token.content.empty() || token.content.size() > kTokenBytesMax)
            return fail(Fault::corrupt, "{}: added token {}: expected 1 to {} bytes of content, saw {}",
                        spec.where, i, kTokenBytesMax, token.content.size());
        if (!is_valid_utf8(token.content))
            return fail(Fault::corrupt, "{}: added token {}: expected UTF-8, saw other bytes", spec.where, i);
        if (!id_of_added.emplace(token.content, token.id).second)
            return fail(Fault::corrupt, "{}: added token {}: expected a content of its own, saw {} again",
                        spec.where, i, quoted(token.content));
        const auto id = static_cast<std::size_t>(token.id);
        bytes[id] = token.content;
        special[id] = token.special;
        if (!token.normalized) {
            finder.add(token);
            continue;
        }
        TokenizerSpec::Added normal = token;
        if (spec.normalization != TokenizerSpec::Normalization::none)
            normal.content = normalize(token.content, spec.normalization);
        normalized_finder.add(normal);
    }
    return {};
}

// What BPE can make: the tokens of single bytes, and those of whole words for ignore_merges. An added token
// is spelled as its text, not in the byte-level alphabet, unless the two agree; `bytes` tells.
void Tokenizer::Impl::index_words() {
    id_of_byte.fill(-1);
    for (std::size_t id = 0; id < bytes.size(); ++id) {
        const auto raw = bytes_of_spelling(spec.tokens[id]);
        if (!raw || raw->empty() || *raw != bytes[id]) continue;
        if (raw->size() == 1) id_of_byte[static_cast<unsigned char>(raw->front())] = static_cast<int>(id);
        if (spec.ignore_merges && special[id] == 0) id_of_word.emplace(bytes[id], static_cast<int>(id));
    }
}

Status Tokenizer::Impl::index_merges() {
    merges = MergeTable(spec.merges.size());
    const auto id_of = [&](std::string_view spelling) {
        const auto found = id_of_spelling.find(spelling);
        return found == id_of_spelling.end() ? -1 : found->second;
    };
    std::string joined;
    for (std::size_t i = 0; i < spec.merges.size(); ++i) {
        const auto& [left, right] = spec.merges[i];
        joined.assign(left).append(right);
        const int a = id_of(left), b = id_of(right), whole = id_of(joined);
        const std::string* unknown = a < 0 ? &left : b < 0 ? &right : whole < 0 ? &joined : nullptr;
        if (unknown != nullptr)
            return fail(Fault::corrupt, "{}: merge {}: expected tokens of the vocabulary, saw {}", spec.where,
                        i, quoted(*unknown));
        merges.insert(a, b, {static_cast<std::uint32_t>(i), whole});
    }
    spec.merges.clear();
    spec.merges.shrink_to_fit();
    return {};
}

Status Tokenizer::Impl::check_ids() const {
    const auto known = [&](int id) { return id >= 0 && static_cast<std::size_t>(id) < spec.tokens.size(); };
    const std::pair<const char*, const std::optional<int>*> named[] = {
        {"bos", &spec.bos}, {"eos", &spec.eos}, {"pad", &spec.pad}, {"unk", &spec.unk}};
    for (const auto& [name, id] : named)
        if (*id && !known(**id))
            return fail(Fault::corrupt, "{}: {} token: expected an id below {}, saw {}", spec.where, name,
                        spec.tokens.size(), **id);
    for (const auto* around : {&spec.prefix, &spec.suffix})
        for (const int id : *around)
            if (!known(id))
                return fail(Fault::corrupt, "{}: post-processor: expected ids below {}, saw {}", spec.where,
                            spec.tokens.size(), id);
    return {};
}

Result<Tokenizer> Tokenizer::make(TokenizerSpec spec) {
    if (spec.tokens.empty() || spec.tokens.size() > kVocabMax)
        return fail(Fault::corrupt, "{}: expected 1 to {} tokens, saw {}", spec.where, kVocabMax,
                    spec.tokens.size());
    if (spec.merges.size() > kVocabMax)
        return fail(Fault::corrupt, "{}: expected at most {} merges, saw {}", spec.where, kVocabMax,
                    spec.merges.size());
    auto impl = std::make_unique<Impl>();
    impl->spec = std::move(spec);
    HEARTH_TRY_STATUS(impl->index_tokens());
    HEARTH_TRY_STATUS(impl->index_added());
    impl->index_words();
    HEARTH_TRY_STATUS(impl->index_merges());
    HEARTH_TRY_STATUS(impl->check_ids());
    for (std::size_t i = 0; i < impl->spec.splits.size(); ++i) {
        HEARTH_TRY(Splitter splitter,
                   Splitter::make(impl->spec.splits[i],
                                  fmt::format("{}: pre-tokenizer split {}", impl->spec.where, i)));
        impl->splitters.push_back(std::move(splitter));
    }
    return Tokenizer(std::move(impl));
}

Tokenizer::Tokenizer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Status Tokenizer::Impl::encode_word(std::string_view word, std::size_t word_at, const TracedText& text,
                                    WordMerger& merger, std::vector<Part>& parts, Encoding& out) const {
    const auto emit = [&](int id, std::size_t begin, std::size_t end) {
        out.ids.push_back(id);
        out.offsets.emplace_back(text.origin_of(begin), text.origin_of(end));
    };
    if (spec.ignore_merges) {
        if (const auto whole = id_of_word.find(word); whole != id_of_word.end()) {
            emit(whole->second, word_at, word_at + word.size());
            return {};
        }
    }
    parts.clear();
    for (const char c : word) {
        const auto byte = static_cast<unsigned char>(c);
        const int id = id_of_byte[byte] >= 0 ? id_of_byte[byte] : spec.unk.value_or(-1);
        if (id < 0)
            return fail(Fault::unsupported, "{}: expected a token for each byte, saw none for 0x{:02X}",
                        spec.where, byte);
        parts.push_back({id, 1});
    }
    merger.merge(merges, parts);
    for (const Part& part : parts) {
        emit(part.id, word_at, word_at + part.bytes);
        word_at += part.bytes;
    }
    return {};
}

Status Tokenizer::Impl::encode_stretch(const TracedText& text, Encoding& out) const {
    std::vector<ByteRange> words = {{0, text.text.size()}}, next;
    for (const Splitter& splitter : splitters) {
        next.clear();
        for (const ByteRange& word : words) HEARTH_TRY_STATUS(splitter.split(text.text, word, next));
        words.swap(next);
    }
    WordMerger merger;
    std::vector<Part> parts;
    for (const auto& [begin, end] : words) {
        const std::string_view word = std::string_view(text.text).substr(begin, end - begin);
        HEARTH_TRY_STATUS(encode_word(word, begin, text, merger, parts, out));
    }
    return {};
}

namespace {
void prefix_space(TracedText& text) {
    if (text.text.starts_with(' ')) return;
    const std::size_t at = text.origin_of(0);
    if (text.origin.empty())  // spell the origins out: the new byte breaks the plain rule
        for (std::size_t i = 0; i <= text.text.size(); ++i) text.origin.push_back(text.base + i);
    text.text.insert(text.text.begin(), ' ');
    text.origin.insert(text.origin.begin(), at);
}
}  // namespace

Result<Encoding> Tokenizer::encode_with_offsets(std::string_view given, EncodeOptions options) const {
    constexpr std::size_t kTextBytesMax = std::numeric_limits<std::int32_t>::max() / 4;
    if (given.size() > kTextBytesMax)
        return fail(Fault::out_of_range, "text to tokenize: expected at most {} bytes, saw {}", kTextBytesMax,
                    given.size());
    const Impl& impl = *impl_;
    Encoding out;
    const auto put = [&](int id, std::size_t begin, std::size_t end) {
        out.ids.push_back(id);
        out.offsets.emplace_back(begin, end);
    };
    if (options.add_special)
        for (const int id : impl.spec.prefix) put(id, 0, 0);
    const TracedText valid = make_valid(given);
    std::vector<Stretch> stretches, inner;
    impl.finder.cut(valid.text, options.parse_special, stretches);
    for (const Stretch& stretch : stretches) {
        const auto [begin, end] = stretch.range;
        if (stretch.id) {
            put(*stretch.id, valid.origin_of(begin), valid.origin_of(end));
            continue;
        }
        const TracedText normal = normalize(valid, begin, end, impl.spec.normalization);
        inner.clear();
        impl.normalized_finder.cut(normal.text, options.parse_special, inner);
        for (const Stretch& part : inner) {
            const auto [from, to] = part.range;
            if (part.id) {
                put(*part.id, normal.origin_of(from), normal.origin_of(to));
                continue;
            }
            TracedText plain = normalize(normal, from, to, TokenizerSpec::Normalization::none);
            if (impl.spec.add_prefix_space) prefix_space(plain);
            HEARTH_TRY_STATUS(impl.encode_stretch(plain, out));
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

std::string Tokenizer::decode_bytes(std::span<const int> ids, bool skip_special) const {
    std::string out;
    for (const int id : ids)
        if (!skip_special || !is_special(id)) out += piece_bytes(id);
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
