// text/sentencepiece_model.cpp - reads tokenizer.model, SentencePiece's protocol buffer, without a schema
// compiler. Source of the field numbers: sentencepiece, src/sentencepiece_model.proto; of the wire format:
// protobuf's encoding.
#include <bit>
#include <cstring>
#include <limits>

#include "base/limits.h"
#include "text/tokenizer_spec.h"
#include "text/utf8.h"

namespace hearth::text {
namespace {

using Model = TokenizerSpec::Model;

enum PieceType { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };
enum ModelType { kUnigram = 1, kBpe = 2 };

// One field of a message: its number, and its value as the wire type has it.
struct Field {
    std::uint32_t number = 0;
    std::uint64_t value = 0;  // varint, fixed32, fixed64
    std::string_view bytes;   // length-delimited
};

// Walks the fields of a message. Errors: corrupt, with the byte where it stands in the file.
class Message {
  public:
    Message(std::string_view bytes, std::size_t base, std::string_view where)
        : bytes_(bytes), base_(base), where_(where) {}

    [[nodiscard]] bool done() const { return at_ == bytes_.size(); }
    Result<Field> next() {
        HEARTH_TRY(const std::uint64_t key, varint());
        Field field{static_cast<std::uint32_t>(key >> 3), 0, {}};
        if (key >> 3 == 0 || key >> 3 > std::numeric_limits<std::uint32_t>::max())
            return broken("a field number");
        switch (key & 7) {
            case 0: {
                HEARTH_TRY(field.value, varint());
                return field;
            }
            case 1:
            case 5: {
                const std::size_t n = (key & 7) == 1 ? 8 : 4;
                if (bytes_.size() - at_ < n) return broken("a number");
                std::memcpy(&field.value, bytes_.data() + at_, n);
                at_ += n;
                return field;
            }
            case 2: {
                HEARTH_TRY(const std::uint64_t n, varint());
                if (n > bytes_.size() - at_) return broken("a length within the file");
                field.bytes = bytes_.substr(at_, static_cast<std::size_t>(n));
                at_ += field.bytes.size();
                return field;
            }
            default:
                return broken("a wire type of 0, 1, 2 or 5");
        }
    }
    // A message that is this field, which next() gave last.
    [[nodiscard]] Message inner(const Field& field) const {
        return {field.bytes, base_ + at_ - field.bytes.size(), where_};
    }

  private:
    [[nodiscard]] tl::unexpected<Error> broken(std::string_view expected) const {
        return fail(Fault::corrupt, "{}: byte {}: expected {}", where_, base_ + at_, expected);
    }
    Result<std::uint64_t> varint() {
        std::uint64_t value = 0;
        for (int shift = 0; shift < 64 && at_ < bytes_.size(); shift += 7) {
            const auto byte = static_cast<unsigned char>(bytes_[at_++]);
            value |= std::uint64_t{byte & 0x7Fu} << shift;
            if (byte < 0x80) return value;
        }
        return broken("a number of at most ten bytes");
    }
    std::string_view bytes_;
    std::size_t base_, at_ = 0;
    std::string_view where_;
};

struct Settings {
    std::uint64_t model_type = kUnigram;
    bool byte_fallback = false, space_first = true, remove_spaces = true, escape_spaces = true,
         space_last = false;
    std::int64_t unk = 0, bos = 1, eos = 2, pad = -1;
    std::string charsmap, unknown = " \u2047 ";
};

Status read_piece(Message message, TokenizerSpec& spec, std::string_view where) {
    std::string spelling;
    float score = 0;
    std::uint64_t type = kNormal;
    while (!message.done()) {
        HEARTH_TRY(const Field field, message.next());
        if (field.number == 1) spelling = field.bytes;
        if (field.number == 2) score = std::bit_cast<float>(static_cast<std::uint32_t>(field.value));
        if (field.number == 3) type = field.value;
    }
    const std::size_t index = spec.tokens.size();
    if (index >= kVocabMax) return fail(Fault::corrupt, "{}: expected at most {} pieces", where, kVocabMax);
    if (spelling.empty() || !is_valid_utf8(spelling))
        return fail(Fault::corrupt, "{}: piece {}: expected a text in UTF-8", where, index);
    const auto id = static_cast<int>(index);
    if (type == kControl || type == kUserDefined || type == kUnknown)
        spec.added.push_back({.id = id, .content = spelling, .special = type != kUserDefined});
    if (type == kControl || type == kUnknown || type == kUnused || type == kByte)
        spec.unmatched.push_back(id);
    if (type == kUnknown) spec.unk = id;
    spec.tokens.push_back(std::move(spelling));
    spec.scores.push_back(static_cast<double>(score));
    return {};
}

Status read_trainer(Message message, Settings& settings) {
    while (!message.done()) {
        HEARTH_TRY(const Field field, message.next());
        const auto id = [&] { return std::int64_t{static_cast<std::int32_t>(field.value)}; };
        if (field.number == 3) settings.model_type = field.value;
        if (field.number == 24) settings.space_last = field.value != 0;
        if (field.number == 35) settings.byte_fallback = field.value != 0;
        if (field.number == 40) settings.unk = id();
        if (field.number == 41) settings.bos = id();
        if (field.number == 42) settings.eos = id();
        if (field.number == 43) settings.pad = id();
        if (field.number == 44) settings.unknown = field.bytes;
    }
    return {};
}

Status read_normalizer(Message message, Settings& settings) {
    while (!message.done()) {
        HEARTH_TRY(const Field field, message.next());
        if (field.number == 2) settings.charsmap = field.bytes;
        if (field.number == 3) settings.space_first = field.value != 0;
        if (field.number == 4) settings.remove_spaces = field.value != 0;
        if (field.number == 5) settings.escape_spaces = field.value != 0;
    }
    return {};
}

Status apply(Settings settings, TokenizerSpec& spec) {
    if (settings.model_type != kUnigram && settings.model_type != kBpe)
        return fail(Fault::unsupported, "{}: model_type: expected unigram (1) or BPE (2), saw {}", spec.where,
                    settings.model_type);
    if (settings.space_last || !settings.escape_spaces)
        return fail(Fault::unsupported, "{}: expected spaces that are escaped and stand before words",
                    spec.where);
    spec.model = settings.model_type == kBpe ? Model::concatenation : Model::unigram;
    spec.byte_fallback = spec.decoding.bytes = settings.byte_fallback;
    const auto known = [&](std::int64_t id) -> std::optional<int> {
        if (id < 0 || static_cast<std::uint64_t>(id) >= spec.tokens.size()) return std::nullopt;
        return static_cast<int>(id);
    };
    spec.decoding.unknown = std::move(settings.unknown);
    if (!spec.unk) spec.unk = known(settings.unk);
    spec.bos = known(settings.bos);
    spec.eos = known(settings.eos);
    spec.pad = known(settings.pad);
    if (!settings.charsmap.empty())
        spec.normalizer.push_back({.kind = NormalizerStep::Kind::charsmap,
                                   .content = std::move(settings.charsmap),
                                   .by_grapheme = false});
    if (settings.remove_spaces) remove_extra_spaces(spec);
    escape_spaces(spec, settings.space_first);
    return {};
}

}  // namespace

void remove_extra_spaces(TokenizerSpec& spec) {
    for (const auto& [pattern, content] : {std::pair(" {2,}", " "), std::pair("^ | $", "")})
        spec.normalizer.push_back({.kind = NormalizerStep::Kind::replace,
                                   .pattern = pattern,
                                   .content = content,
                                   .literal = false});
}

void escape_spaces(TokenizerSpec& spec, bool space_first) {
    if (space_first) {
        spec.normalizer.push_back({.kind = NormalizerStep::Kind::prepend, .content = " "});
        spec.decoding.strip_left = 1;
    }
    spec.normalizer.push_back(
        {.kind = NormalizerStep::Kind::replace, .pattern = " ", .content = std::string(kMetaspace)});
    spec.decoding.metaspace = kMetaspace;
}

Result<TokenizerSpec> read_sentencepiece_model(std::string_view bytes, std::string_view where) {
    TokenizerSpec spec;
    spec.where = where;
    spec.byte_level = false;
    spec.fuse_unknown = true;
    Settings settings;
    Message model(bytes, 0, where);
    while (!model.done()) {
        HEARTH_TRY(const Field field, model.next());
        if (field.number == 1) HEARTH_TRY_STATUS(read_piece(model.inner(field), spec, where));
        if (field.number == 2) HEARTH_TRY_STATUS(read_trainer(model.inner(field), settings));
        if (field.number == 3) HEARTH_TRY_STATUS(read_normalizer(model.inner(field), settings));
    }
    if (spec.tokens.empty()) return fail(Fault::corrupt, "{}: expected pieces, saw none", where);
    HEARTH_TRY_STATUS(apply(std::move(settings), spec));
    return spec;
}

}  // namespace hearth::text
