// cli/tokenize.cpp - hearth tokenize MODEL [FILE|-]: text to token ids with pieces and byte offsets, and
// back.
#include <boost/json.hpp>
#include <charconv>

#include "base/limits.h"
#include "base/terminal.h"
#include "cli/command.h"
#include "cli/input.h"
#include "hub/default_model.h"
#include "models/tokenizer_files.h"
#include "text/quote.h"
#include "text/utf8.h"

namespace hearth::cli {
namespace {

struct Options {
    std::string model, file = "-";
    bool ids = false, special = false, add_special = false, decode = false;
};

// Ids between anything that a list of numbers may have around them: white space, commas, brackets.
Result<std::vector<int>> parse_ids(std::string_view input, int vocab_size) {
    constexpr std::string_view kBetween = " \t\r\n,[]";
    std::vector<int> ids;
    for (std::size_t at = input.find_first_not_of(kBetween); at != std::string_view::npos;) {
        const std::size_t end = std::min(input.find_first_of(kBetween, at), input.size());
        const std::string_view word = input.substr(at, end - at);
        int id = -1;
        const auto parsed = std::from_chars(word.data(), word.data() + word.size(), id);
        if (parsed.ec != std::errc() || parsed.ptr != word.data() + word.size() || id < 0 || id >= vocab_size)
            return fail(Fault::usage, "ids: byte {}: expected a token id below {}, saw {}", at, vocab_size,
                        text::quoted(word));
        ids.push_back(id);
        at = input.find_first_not_of(kBetween, end);
    }
    return ids;
}

Result<int> decode(const text::Tokenizer& tokenizer, std::string_view input, bool json) {
    HEARTH_TRY(const std::vector<int> ids, parse_ids(input, tokenizer.vocab_size()));
    if (json) {
        HEARTH_TRY_STATUS(print_json({{"text", tokenizer.decode(ids)}}));
        return 0;
    }
    HEARTH_TRY_STATUS(print(tokenizer.decode_bytes(ids)));
    return 0;
}

Status print_ids(const std::vector<int>& ids) {
    std::string line;
    for (const int id : ids) line += (line.empty() ? "" : " ") + std::to_string(id);
    return print(line + "\n");
}

Status print_json_tokens(const text::Tokenizer& tokenizer, const text::Encoding& encoding) {
    boost::json::array ids, tokens;
    for (std::size_t i = 0; i < encoding.ids.size(); ++i) {
        const int id = encoding.ids[i];
        const auto [begin, end] = encoding.offsets[i];
        ids.emplace_back(id);
        tokens.push_back({{"id", id},
                          {"piece", text::replace_invalid(tokenizer.piece_bytes(id))},
                          {"begin", begin},
                          {"end", end},
                          {"special", tokenizer.is_special(id)}});
    }
    return print_json(
        {{"n_tokens", encoding.ids.size()}, {"ids", std::move(ids)}, {"tokens", std::move(tokens)}});
}

Status print_table(const text::Tokenizer& tokenizer, const text::Encoding& encoding, std::size_t n_bytes) {
    using Align = Table::Align;
    Table table(
        {{"id", Align::right}, {"begin", Align::right}, {"end", Align::right}, {"piece", Align::left}});
    for (std::size_t i = 0; i < encoding.ids.size(); ++i)
        table.add({std::to_string(encoding.ids[i]), std::to_string(encoding.offsets[i].first),
                   std::to_string(encoding.offsets[i].second),
                   text::quoted(tokenizer.piece_bytes(encoding.ids[i]), kTokenBytesMax)});
    return print(table.text() + fmt::format("{} tokens, {} bytes\n", encoding.ids.size(), n_bytes));
}

Result<int> run(const Options& options, bool json) {
    HEARTH_TRY(const fs::path path, hub::find_model(options.model));
    HEARTH_TRY(const text::Tokenizer tokenizer, models::load_tokenizer(path));
    HEARTH_TRY(const std::string input, read_input(options.file, kTextFileBytesMax));
    if (options.decode) return decode(tokenizer, input, json);
    HEARTH_TRY(const text::Encoding encoding,
               tokenizer.encode_with_offsets(
                   input, {.parse_special = options.special, .add_special = options.add_special}));
    HEARTH_TRY_STATUS(json          ? print_json_tokens(tokenizer, encoding)
                      : options.ids ? print_ids(encoding.ids)
                                    : print_table(tokenizer, encoding, input.size()));
    return 0;
}

Action setup(CLI::App& app, const GlobalOptions& global) {
    auto options = std::make_shared<Options>();
    app.add_option("MODEL", options->model,
                   "a model folder, a tokenizer.json, tokenizer.model or tekken.json, or a .gguf")
        ->required();
    app.add_option("FILE", options->file, "the text (default: standard input)");
    app.add_flag("--ids", options->ids, "the bare ids on one line");
    app.add_flag("--special", options->special, "read control tokens that stand in the text");
    app.add_flag("--add-special", options->add_special, "put BOS and EOS around it, as the tokenizer says");
    app.add_flag("--decode", options->decode, "the way back: ids in, their text out, byte for byte");
    return [options, &global]() -> Result<int> { return run(*options, global.json); };
}

}  // namespace

const Command kTokenize{"tokenize", "token ids of a text, with pieces and byte offsets, and back", setup};

}  // namespace hearth::cli
