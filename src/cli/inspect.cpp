// cli/inspect.cpp - hearth inspect FILE: the tensors, types, sizes and metadata of a safetensors or GGUF
// file.
#include <boost/json.hpp>
#include <map>

#include "base/terminal.h"
#include "cli/command.h"
#include "formats/gguf.h"
#include "formats/safetensors.h"
#include "text/utf8.h"

namespace hearth::cli {
namespace {

constexpr std::size_t kValueShown = 100;  // characters of a value in the text output
constexpr std::uint64_t kElemsShown = 6;  // elements of an array there

struct Row {
    std::string name;
    DType dtype;
    Shape shape;
    std::uint64_t bytes;
};
struct Contents {
    std::string path, format;
    std::uint64_t file_bytes = 0;
    std::vector<Row> tensors;
    boost::json::object metadata;
};

// Values come from outside: what is no UTF-8 becomes U+FFFD.
std::string printable_utf8(std::string_view raw) { return text::replace_invalid(raw); }

Json to_json_value(const formats::GgufScalar& scalar) {
    return std::visit(
        [](const auto& value) -> Json {
            if constexpr (std::is_same_v<std::decay_t<decltype(value)>, std::string>)
                return Json(printable_utf8(value));
            else
                return Json(value);
        },
        scalar);
}
Json to_json_value(const formats::GgufValue& value) {
    if (const auto* scalar = std::get_if<formats::GgufScalar>(&value.value)) return to_json_value(*scalar);
    const auto& array = std::get<formats::GgufArray>(value.value);
    boost::json::array out;
    for (std::uint64_t i = 0; i < array.n; ++i) out.push_back(to_json_value(array.at(i)));
    return out;
}

Result<Contents> read(const fs::path& path) {
    Contents contents;
    contents.path = path.string();
    std::error_code ignored;
    bool gguf = path.extension() == ".gguf";
    if (!gguf && !fs::is_directory(path, ignored) && path.extension() != ".json") {
        HEARTH_TRY(const MappedFile file, MappedFile::open(path));
        const auto head = file.bytes().first(std::min<std::size_t>(4, file.bytes().size()));
        gguf = std::string_view(reinterpret_cast<const char*>(head.data()), head.size()) == "GGUF";
    }
    if (gguf) {
        HEARTH_TRY(const auto file, formats::Gguf::open(path));
        contents.format = "GGUF";
        contents.file_bytes = file.file_bytes();
        for (const auto& pair : file.metadata())
            contents.metadata[printable_utf8(pair.key)] = to_json_value(pair.value);
        for (const auto& entry : file.entries())
            contents.tensors.push_back(
                {printable_utf8(entry.name), entry.dtype, entry.shape, file.view(entry).bytes.size()});
        return contents;
    }
    HEARTH_TRY(const auto file, formats::Safetensors::open(path));
    contents.format = "safetensors";
    contents.file_bytes = file.file_bytes();
    for (const auto& [key, text] : file.metadata()) contents.metadata[key] = text;
    for (const auto& entry : file.entries())
        contents.tensors.push_back({entry.name, entry.dtype, entry.shape, file.view(entry).bytes.size()});
    return contents;
}

Json to_json_value(const Contents& contents) {
    boost::json::array tensors;
    for (const Row& row : contents.tensors) {
        boost::json::array shape;
        for (const std::int64_t dim : row.shape.dims()) shape.emplace_back(dim);
        tensors.push_back({{"name", row.name},
                           {"type", info(row.dtype).name},
                           {"shape", std::move(shape)},
                           {"bytes", row.bytes}});
    }
    return {{"path", contents.path},
            {"format", contents.format},
            {"file_bytes", contents.file_bytes},
            {"metadata", contents.metadata},
            {"tensors", std::move(tensors)}};
}

// A value on one line, shortened. to_json escapes what could move a terminal's cursor.
std::string short_text(const Json& value) {
    const auto shortened = [](std::string text) {
        if (text.size() <= kValueShown) return text;
        text.resize(kValueShown);
        return printable_utf8(text) + "...";
    };
    if (!value.is_array()) return shortened(to_json(value));
    const boost::json::array& all = value.get_array();
    boost::json::array first(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(std::min<std::uint64_t>(
                                                            kElemsShown, all.size())));
    return fmt::format("{} elements: {}", all.size(), shortened(to_json(first)));
}

// As in JSON, without the quotes.
std::string escaped(std::string_view text) {
    const std::string quoted = to_json(Json(text));
    return quoted.substr(1, quoted.size() - 2);
}

std::string text_of(const Contents& contents) {
    using enum Table::Align;
    std::string out =
        fmt::format("{}: {}, {}, {} tensors\n", contents.path, contents.format,
                    bytes_text(static_cast<double>(contents.file_bytes)), contents.tensors.size());
    if (!contents.metadata.empty()) {
        Table table({{"key"}, {"value"}});
        for (const auto& member : contents.metadata)
            table.add({escaped(member.key()), short_text(member.value())});
        out += "\n" + table.text();
    }
    if (contents.tensors.empty()) return out;
    struct Sum {
        std::int64_t tensors = 0, elems = 0;
        std::uint64_t bytes = 0;
    };
    std::map<std::string_view, Sum> sums;
    Table tensors({{"tensor"}, {"type"}, {"shape"}, {"bytes", right}});
    for (const Row& row : contents.tensors) {
        tensors.add(
            {row.name, std::string(info(row.dtype).name), row.shape.text(), fmt::format("{}", row.bytes)});
        Sum& sum = sums[info(row.dtype).name];
        sum.tensors += 1;
        sum.elems += row.shape.n_elems();
        sum.bytes += row.bytes;
    }
    Table types({{"type"}, {"tensors", right}, {"elements", right}, {"bytes", right}});
    for (const auto& [name, sum] : sums)
        types.add({std::string(name), fmt::format("{}", sum.tensors), fmt::format("{}", sum.elems),
                   bytes_text(static_cast<double>(sum.bytes))});
    return out + "\n" + tensors.text() + "\n" + types.text();
}

Action setup(CLI::App& app, const GlobalOptions& global) {
    auto path = std::make_shared<std::string>();
    app.add_option("FILE", *path, "a .safetensors or .gguf file, an index, or a model folder")->required();
    return [path, &global]() -> Result<int> {
        HEARTH_TRY(const Contents contents, read(*path));
        HEARTH_TRY_STATUS(global.json ? print_json(to_json_value(contents)) : print(text_of(contents)));
        return 0;
    };
}

}  // namespace

const Command kInspect = {"inspect", "the tensors, types, sizes and metadata of a model file", setup};

}  // namespace hearth::cli
