// text/vocabulary.cpp - from a tokenizer's spec to its tables: tokens by spelling, by byte and by rank.
#include <algorithm>
#include <cmath>
#include <limits>

#include "base/limits.h"
#include "text/byte_alphabet.h"
#include "text/quote.h"
#include "text/tokenizer_impl.h"

namespace hearth::text {
namespace {

using Model = TokenizerSpec::Model;

// SentencePiece's unknown character scores this much less than the worst token (unigram_model.cc).
constexpr double kUnknownPenalty = 10;

// The byte that "<0xAB>" is spelled for.
std::optional<unsigned char> byte_of_name(std::string_view spelling) {
    if (spelling.size() != 6 || !spelling.starts_with("<0x") || spelling[5] != '>') return std::nullopt;
    const auto digit = [](char c) {
        return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
    };
    const int high = digit(spelling[3]), low = digit(spelling[4]);
    if (high < 0 || low < 0) return std::nullopt;
    return static_cast<unsigned char>(high * 16 + low);
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
    if (from.empty()) return;
    for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
        text.replace(at, from.size(), to);
}

// What BERT's decoder calls cleaning up, in its order.
void clean_up(std::string& text) {
    constexpr std::pair<std::string_view, std::string_view> kRules[] = {
        {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},   {" n't", "n't"},
        {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
    for (const auto& [from, to] : kRules) replace_all(text, from, to);
}

}  // namespace

Status Tokenizer::Impl::index_tokens() {
    const std::size_t n = spec.tokens.size();
    bytes.resize(n);
    special.resize(n);
    is_added.resize(n);
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
        if (token.special) special[static_cast<std::size_t>(token.id)] = 1;
        is_added[static_cast<std::size_t>(token.id)] = 1;
    }
    for (TokenizerSpec::Added normal : spec.added) {
        normal.special =
            special[static_cast<std::size_t>(normal.id)] != 0;  // whichever of its contents says so
        if (!normal.normalized) {
            finder.add(normal);
            continue;
        }
        HEARTH_TRY(const TracedText content, normalizer.run({normal.content, {}, 0}));
        normal.content = content.text;
        normalized_finder.add(normal);
    }
    return {};
}

// What a token adds to a text.
std::string Tokenizer::Impl::decoded(int id, bool is_first) const {
    const Decoding& decoding = spec.decoding;
    std::string text = spec.tokens[static_cast<std::size_t>(id)];
    if (spec.byte_level) {
        auto raw = bytes_of_spelling(text);
        return raw ? std::move(*raw) : text;
    }
    if (decoding.byte_letters) {
        auto raw = bytes_of_spelling(text);
        return raw ? std::move(*raw) : text;
    }
    if (decoding.bytes)
        if (const auto byte = byte_of_name(text)) return std::string(1, static_cast<char>(*byte));
    const bool at_first = is_first && decoding.start != Decoding::Start::strip;
    if (decoding.spaced && !at_first) {
        if (!spec.continuing_prefix.empty() && text.starts_with(spec.continuing_prefix))
            text.erase(0, spec.continuing_prefix.size());
        else
            text.insert(0, " ");
    }
    if (!decoding.word_suffix.empty() && text.ends_with(decoding.word_suffix))
        text.replace(text.size() - decoding.word_suffix.size(), std::string::npos, " ");
    replace_all(text, decoding.metaspace, at_first ? "" : " ");
    if (decoding.clean_up) clean_up(text);
    return text;
}

std::string Tokenizer::Impl::first_bytes(int id) const {
    const auto index = static_cast<std::size_t>(id);
    if (const auto added = id_of_added.find(spec.tokens[index]);
        added != id_of_added.end() && added->second == id)
        return spec.tokens[index];
    return decoded(id, true);
}

// What text can become: control tokens and tokens of no text are left out. An added token of a byte-level
// vocabulary is spelled as its text, not in the byte alphabet, unless the two agree; `bytes` tells.
void Tokenizer::Impl::index_surfaces() {
    const std::size_t n = spec.tokens.size();
    for (std::size_t id = 0; id < n; ++id)
        if (!spec.tokens[id].empty()) bytes[id] = decoded(static_cast<int>(id), false);
    std::vector<bool> left_out(n);
    for (const TokenizerSpec::Added& token : spec.added) {
        // What the vocabulary of the model has not, no word becomes.
        const std::string& spelling = spec.tokens[static_cast<std::size_t>(token.id)];
        if (spec.added_in_model ? spelling.empty() : token.special)
            left_out[static_cast<std::size_t>(token.id)] = true;
        std::string& text = bytes[static_cast<std::size_t>(token.id)];
        text = spec.decoding.spaced ? " " + token.content : token.content;
        if (spec.tokens[static_cast<std::size_t>(token.id)].empty())
            spec.tokens[static_cast<std::size_t>(token.id)] = token.content;
    }
    if (spec.unk && !spec.decoding.unknown.empty() && static_cast<std::size_t>(*spec.unk) < n)
        bytes[static_cast<std::size_t>(*spec.unk)] = spec.decoding.unknown;
    for (const int id : spec.unmatched)
        if (id >= 0 && static_cast<std::size_t>(id) < n) left_out[static_cast<std::size_t>(id)] = true;
    id_of_byte.fill(kNoToken);
    surfaces.resize(n);
    for (std::size_t id = 0; id < n; ++id) {
        const auto own = static_cast<int>(id);
        if (spec.byte_level) {
            const auto raw = bytes_of_spelling(spec.tokens[id]);
            if (!raw || raw->empty() || (!spec.added_in_model && *raw != bytes[id]) || left_out[id]) continue;
            if (raw->size() == 1) id_of_byte[static_cast<unsigned char>(raw->front())] = own;
            surfaces[id] = *raw;
            continue;
        }
        const auto byte = spec.byte_fallback ? byte_of_name(spec.tokens[id]) : std::nullopt;
        if (byte) id_of_byte[*byte] = own;
        if (!left_out[id] && is_valid_utf8(spec.tokens[id])) surfaces[id] = spec.tokens[id];
    }
    has_all_bytes = std::none_of(id_of_byte.begin(), id_of_byte.end(), [](int id) { return id == kNoToken; });
    if (spec.byte_level && spec.model == Model::bpe && !spec.ignore_merges)
        return;  // bytes and merges will do
    for (std::size_t id = 0; id < n; ++id) pieces.add(surfaces[id], static_cast<int>(id));
    pieces.finish();
}

Status Tokenizer::Impl::index_merges() {
    merges = MergeTable(spec.merges.size());
    const auto id_of = [&](std::string_view spelling) {
        const auto found = id_of_spelling.find(spelling);
        return found == id_of_spelling.end() ? kNoToken : found->second;
    };
    std::string joined;
    for (std::size_t i = 0; i < spec.merges.size(); ++i) {
        const auto& [left, right] = spec.merges[i];
        // What continues a word is spelled with its prefix, which the whole does not repeat.
        const bool prefixed = !spec.continuing_prefix.empty() && right.starts_with(spec.continuing_prefix);
        joined.assign(left).append(right, prefixed ? spec.continuing_prefix.size() : 0);
        const int a = id_of(left), b = id_of(right), whole = id_of(joined);
        const std::string* unknown = a == kNoToken       ? &left
                                     : b == kNoToken     ? &right
                                     : whole == kNoToken ? &joined
                                                         : nullptr;
        if (unknown != nullptr)
            return fail(Fault::corrupt, "{}: merge {}: expected tokens of the vocabulary, saw {}", spec.where,
                        i, quoted(*unknown));
        if (whole == a || whole == b)
            return fail(Fault::corrupt, "{}: merge {}: expected a token longer than its parts, saw {} again",
                        spec.where, i, quoted(joined));
        merges.insert(a, b, {static_cast<std::uint32_t>(i), whole});
    }
    spec.merges.clear();
    spec.merges.shrink_to_fit();
    return {};
}

Status Tokenizer::Impl::index_scores() {
    const std::size_t n = spec.tokens.size();
    if (spec.scores.size() != n)
        return fail(Fault::corrupt, "{}: expected a score for each of {} tokens, saw {}", spec.where, n,
                    spec.scores.size());
    std::vector<double> order;
    double least = std::numeric_limits<double>::infinity();
    for (std::size_t id = 0; id < n; ++id) {
        if (!std::isfinite(spec.scores[id]))
            return fail(Fault::corrupt, "{}: score of token {}: expected a finite number", spec.where, id);
        if (surfaces[id].empty()) continue;
        least = std::min(least, spec.scores[id]);
        order.push_back(spec.scores[id]);
    }
    unknown_score = (order.empty() ? 0 : least) - kUnknownPenalty;
    std::sort(order.begin(), order.end(), std::greater<>());
    order.erase(std::unique(order.begin(), order.end()), order.end());
    rank_of.resize(n);
    for (std::size_t id = 0; id < n; ++id)
        rank_of[id] = static_cast<std::uint32_t>(
            std::lower_bound(order.begin(), order.end(), spec.scores[id], std::greater<>()) - order.begin());
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

Status Tokenizer::Impl::index() {
    if (spec.tokens.empty() || spec.tokens.size() > kVocabMax)
        return fail(Fault::corrupt, "{}: expected 1 to {} tokens, saw {}", spec.where, kVocabMax,
                    spec.tokens.size());
    if (spec.merges.size() > kVocabMax)
        return fail(Fault::corrupt, "{}: expected at most {} merges, saw {}", spec.where, kVocabMax,
                    spec.merges.size());
    HEARTH_TRY(normalizer, Normalizer::make(std::move(spec.normalizer), spec.where));
    HEARTH_TRY(pre_tokenizer, PreTokenizer::make(spec.pre_tokenizer, spec.where));
    HEARTH_TRY_STATUS(index_tokens());
    HEARTH_TRY_STATUS(index_added());
    index_surfaces();
    if (spec.model == Model::bpe) HEARTH_TRY_STATUS(index_merges());
    if (spec.model == Model::unigram || spec.model == Model::concatenation) HEARTH_TRY_STATUS(index_scores());
    return check_ids();
}

}  // namespace hearth::text
