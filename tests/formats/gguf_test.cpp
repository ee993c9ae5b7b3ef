// tests/formats/gguf_test.cpp - files of the gguf package read here, ours read back, and every field at its
// edges.
#include "formats/gguf.h"

#include <cstring>
#include <functional>

#include "hostile.h"

namespace hearth::formats {
namespace {

using tests::fixture;
using tests::read_bytes;
using tests::TempFolder;

Result<Gguf> parse(std::string_view file) {
    return Gguf::parse(std::as_bytes(std::span(file.data(), file.size())), "f.gguf");
}
Error refused(std::string_view file) {
    const auto parsed = parse(file);
    if (parsed) {
        ADD_FAILURE() << "accepted";
        return {};
    }
    EXPECT_NE(parsed.error().message.find("f.gguf"), std::string::npos);
    EXPECT_EQ(parsed.error().message.find('\n'), std::string::npos);
    return parsed.error();
}

template <class T>
std::string raw(T value) {
    return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}
std::string text(std::string_view s) { return raw(std::uint64_t{s.size()}) + std::string(s); }

// One file, a field a member, so that each can be bent alone.
struct Parts {
    std::string magic = "GGUF";
    std::uint32_t version = 3;
    std::uint64_t n_tensors = 1, n_pairs = 1;
    std::string pairs = text("k") + raw(std::int32_t{4}) + raw(std::uint32_t{7});
    std::uint64_t name_bytes = 1;
    std::uint32_t n_dims = 2;
    std::uint64_t dims[2] = {4, 2};
    std::int32_t type = 0;
    std::uint64_t offset = 0;
    std::string data = std::string(32, 'x');

    [[nodiscard]] std::string bytes() const {
        std::string out = magic + raw(version) + raw(n_tensors) + raw(n_pairs) + pairs + raw(name_bytes) +
                          "t" + raw(n_dims) + raw(dims[0]) + raw(dims[1]) + raw(type) + raw(offset);
        out.resize((out.size() + 31) / 32 * 32, '\0');
        return out + data;
    }
};
std::string bent(const std::function<void(Parts&)>& bend) {
    Parts parts;
    bend(parts);
    return parts.bytes();
}

// Values: tools/fixtures/make_format_fixtures.py.
TEST(Gguf, ReadsEveryTypeOfTheReferenceWriter) {
    for (const char* name : {"formats/types.gguf", "formats/aligned.gguf"}) {
        const auto file = Gguf::open(fixture(name));
        ASSERT_OK(file);
        EXPECT_EQ(file->string("general.architecture").value(), "test");
        EXPECT_EQ(file->integer("k.u8", 0, 255).value(), 200);
        EXPECT_EQ(file->integer("k.i8", -128, 127).value(), -100);
        EXPECT_EQ(file->integer("k.u16", 0, 65535).value(), 60000);
        EXPECT_EQ(file->integer("k.i16", -32768, 0).value(), -30000);
        EXPECT_EQ(file->integer("k.u32", 0, INT64_MAX).value(), 4000000000);
        EXPECT_EQ(file->integer("k.i32", INT64_MIN, 0).value(), -2000000000);
        EXPECT_EQ(file->number("k.f32").value(), 1.5);
        EXPECT_EQ(file->number("k.f64").value(), 0.1);
        EXPECT_EQ(file->number("k.i64").value(), -0x1p63);
        EXPECT_TRUE(file->boolean("k.bool").value());
        EXPECT_EQ(file->string("k.string").value(), "h\u00e9llo");
        EXPECT_EQ(file->integer("k.u64", 0, INT64_MAX).error().fault, Fault::out_of_range);
        EXPECT_EQ(file->integer("k.u8", 0, 199).error().fault, Fault::out_of_range);
        EXPECT_EQ(file->integer("k.string", 0, 9).error().fault, Fault::corrupt);
        EXPECT_EQ(file->string("gone").error().fault, Fault::corrupt);
        EXPECT_EQ(std::get<std::int64_t>(file->array("k.ints").value()->at(1)), -2);
        EXPECT_EQ(std::get<double>(file->array("k.floats").value()->at(1)), 1.5);
        EXPECT_EQ(std::get<bool>(file->array("k.bools").value()->at(0)), true);
        EXPECT_EQ(std::get<std::string>(file->array("k.strings").value()->at(2)), "\u00e9");
        ASSERT_EQ(file->entries().size(), 3u);
        EXPECT_EQ(file->find("plain")->shape, Shape({2, 3}));
        EXPECT_EQ(file->find("half")->dtype, DType::f16);
        EXPECT_EQ(file->find("blocks")->dtype, DType::q8_0);
        EXPECT_EQ(file->find("blocks")->shape, Shape({2, 64}));
        EXPECT_EQ(file->find("gone"), nullptr);
        const auto bytes = file->view(*file->find("plain")).bytes;
        float values[6];
        ASSERT_EQ(bytes.size(), sizeof values);
        std::memcpy(values, bytes.data(), sizeof values);
        EXPECT_EQ(values[5], 5.0f);
    }
}

TEST(Gguf, ReadsSplitsFromTheFirstPart) {
    const auto file = Gguf::open(fixture("formats/split-00001-of-00003.gguf"));
    ASSERT_OK(file);
    ASSERT_EQ(file->entries().size(), 5u);
    EXPECT_EQ(file->string("k.string").value(), "first part only");
    for (int i = 0; i < 5; ++i) {
        const auto bytes = file->view(*file->find("t" + std::to_string(i))).bytes;
        float value = -1;
        std::memcpy(&value, bytes.data() + 28, 4);
        EXPECT_EQ(value, static_cast<float>(i));
    }
    EXPECT_EQ(Gguf::open(fixture("formats/split-00002-of-00003.gguf")).error().fault, Fault::usage);
    const TempFolder folder;
    const auto copy = [&](const char* from, const char* to) {
        EXPECT_OK(write_whole(folder.path() / to, read_bytes(fixture(from))));
    };
    copy("formats/split-00001-of-00003.gguf", "split-00001-of-00003.gguf");
    EXPECT_EQ(Gguf::open(folder.path() / "split-00001-of-00003.gguf").error().fault, Fault::not_found);
    copy("formats/split-00002-of-00003.gguf", "split-00002-of-00003.gguf");
    copy("formats/split-00002-of-00003.gguf", "split-00003-of-00003.gguf");  // part 2 twice
    EXPECT_FALSE(Gguf::open(folder.path() / "split-00001-of-00003.gguf").has_value());
    copy("formats/split-00001-of-00003.gguf", "alone.gguf");
    EXPECT_EQ(Gguf::open(folder.path() / "alone.gguf").error().fault, Fault::corrupt);
}

TEST(Gguf, WritesWhatTheReferenceWrites) {
    // The same keys and tensors in the same order give the same bytes as the gguf package.
    const TempFolder folder;
    for (const std::uint32_t alignment : {32u, 128u}) {
        const fs::path source = fixture(alignment == 32 ? "formats/types.gguf" : "formats/aligned.gguf");
        const auto file = Gguf::open(source);
        ASSERT_OK(file);
        std::vector<GgufWriter::Declaration> declared;
        for (const auto& entry : file->entries()) declared.push_back({entry.name, entry.dtype, entry.shape});
        const fs::path path = folder.path() / "copy.gguf";
        auto writer = GgufWriter::create(path, file->metadata(), declared, alignment);
        ASSERT_OK(writer);
        for (const auto& entry : file->entries()) {
            const auto bytes = file->view(entry).bytes;
            ASSERT_OK(writer->append(bytes.first(bytes.size() / 2)));
            ASSERT_OK(writer->append(bytes.subspan(bytes.size() / 2)));
        }
        ASSERT_OK(writer->commit());
        const auto copy = Gguf::open(path);
        ASSERT_OK(copy);
        ASSERT_EQ(copy->metadata().size(), file->metadata().size());
        for (const auto& entry : file->entries()) {
            const auto a = file->view(entry), b = copy->view(*copy->find(entry.name));
            EXPECT_TRUE(std::equal(a.bytes.begin(), a.bytes.end(), b.bytes.begin(), b.bytes.end()));
        }
        if (alignment == 32) {
            EXPECT_EQ(read_bytes(path), read_bytes(source));
        }
    }
}

TEST(Gguf, WritesSplitsThatOpen) {
    const TempFolder folder;
    const fs::path prefix = folder.path() / "m";
    const float values[2] = {1, 2};
    for (int part = 0; part < 2; ++part) {
        const std::vector<GgufPair> keys = {
            {"split.no", {GgufType::u16, GgufScalar(static_cast<std::uint64_t>(part))}},
            {"split.count", {GgufType::u16, GgufScalar(std::uint64_t{2})}},
            {"split.tensors.count", {GgufType::i32, GgufScalar(std::int64_t{2})}}};
        auto writer = GgufWriter::create(gguf_split_path(prefix, part, 2), keys,
                                         {{"t" + std::to_string(part), DType::f32, {2}}});
        ASSERT_OK(writer);
        ASSERT_OK(writer->append(std::as_bytes(std::span(values))));
        ASSERT_OK(writer->commit());
    }
    const auto file = Gguf::open(folder.path() / "m-00001-of-00002.gguf");
    ASSERT_OK(file);
    EXPECT_EQ(file->entries().size(), 2u);
}

TEST(Gguf, WriterRefusesWhatTheFormatCannotHold) {
    const TempFolder folder;
    const auto create = [&](std::vector<GgufWriter::Declaration> tensors, std::uint32_t alignment = 32) {
        return GgufWriter::create(folder.path() / "w.gguf", {}, std::move(tensors), alignment);
    };
    EXPECT_OK(create({{std::string(63, 'n'), DType::f32, {1}}}));
    EXPECT_EQ(create({{std::string(64, 'n'), DType::f32, {1}}}).error().fault, Fault::usage);
    EXPECT_EQ(create({{"a", DType::f32, {1, 1, 1, 1, 1}}}).error().fault, Fault::usage);
    EXPECT_EQ(create({{"a", DType::q8_0, {64, 33}}}).error().fault, Fault::usage);
    EXPECT_EQ(create({{"a", DType::f8_e4m3, {64}}}).error().fault, Fault::usage);
    EXPECT_EQ(create({{"a", DType::f32, {1}}, {"a", DType::f32, {1}}}).error().fault, Fault::usage);
    EXPECT_EQ(create({}, 48).error().fault, Fault::usage);
    {
        auto writer = create({{"a", DType::f32, {2}}, {"b", DType::f32, {2}}});
        ASSERT_OK(writer);
        const std::vector<std::byte> bytes(12);
        EXPECT_EQ(writer->append(bytes).error().fault, Fault::internal);  // reaches into b
        EXPECT_EQ(writer->commit().error().fault, Fault::internal);
    }
    EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(Gguf, EveryTruncationIsAnError) {
    const std::string file = read_bytes(fixture("formats/types.gguf"));
    const auto whole = parse(file);
    ASSERT_OK(whole);
    const GgufEntry& last = whole->entries().back();
    const std::size_t padding =
        32 - whole->view(last).bytes.size() % 32;  // after the last tensor; may be missing
    for (std::size_t n = 0; n < file.size() - padding; ++n)
        EXPECT_FALSE(parse(file.substr(0, n)).has_value()) << n;
    // A vocabulary alone: every cut within its keys is seen.
    const std::string vocabulary = "GGUF" + raw(3u) + raw(std::uint64_t{0}) + raw(std::uint64_t{1}) +
                                   text("tokens") + raw(std::int32_t{9}) + raw(std::int32_t{8}) +
                                   raw(std::uint64_t{2}) + text("a") + text("b");
    ASSERT_TRUE(parse(vocabulary).has_value());
    for (std::size_t n = 0; n < vocabulary.size(); ++n)
        EXPECT_FALSE(parse(vocabulary.substr(0, n)).has_value()) << n;
}

TEST(Gguf, HeadAtItsEdges) {
    ASSERT_TRUE(parse(Parts().bytes()).has_value());
    EXPECT_TRUE(parse(bent([](Parts& p) { p.version = 2; })).has_value());
    EXPECT_EQ(refused(bent([](Parts& p) { p.magic = "GGML"; })).fault, Fault::corrupt);
    for (const std::uint32_t version : {0u, 1u, 4u, ~0u})
        EXPECT_EQ(refused(bent([&](Parts& p) { p.version = version; })).fault, Fault::unsupported);
    EXPECT_NE(refused(bent([](Parts& p) { p.version = 3u << 24; })).message.find("big-endian"),
              std::string::npos);
    for (const std::uint64_t edge : tests::kEdges) {
        if (edge > 1) refused(bent([&](Parts& p) { p.n_tensors = edge; }));
        if (edge != 1) refused(bent([&](Parts& p) { p.n_pairs = edge; }));
    }
}

TEST(Gguf, TensorFieldsAtTheirEdges) {
    for (const std::uint64_t edge : tests::kEdges) {
        if (edge != 1) refused(bent([&](Parts& p) { p.name_bytes = edge; }));
        if (edge > 8) {
            refused(bent([&](Parts& p) { p.dims[0] = edge; }));
            refused(bent([&](Parts& p) { p.dims[1] = edge; }));
            refused(bent([&](Parts& p) { p.dims[0] = p.dims[1] = edge; }));
        }
        if (edge != 0) refused(bent([&](Parts& p) { p.offset = edge; }));
        const std::uint64_t aligned = edge / 32 * 32 + 32;
        if (aligned != 0) refused(bent([&](Parts& p) { p.offset = aligned; }));
    }
    // Sizes whose bytes wrap 64 bits though their count does not.
    refused(bent([](Parts& p) { p.dims[0] = 1ull << 62, p.dims[1] = 1; }));
    refused(bent([](Parts& p) { p.dims[0] = 1ull << 31, p.dims[1] = 1ull << 31; }));
    refused(bent([](Parts& p) { p.dims[0] = 0, p.dims[1] = ~0ull; }));
    EXPECT_TRUE(parse(bent([](Parts& p) { p.dims[0] = 0; })).has_value());  // an empty tensor
    for (const std::uint32_t n : {0u, 1u, 5u, 6u, 1u << 31, ~0u})
        refused(bent([&](Parts& p) { p.n_dims = n; }));
    for (const std::int32_t type : {-1, 4, 5, 31, 33, 36, 38, 43, 1000, INT32_MAX, INT32_MIN})
        EXPECT_EQ(refused(bent([&](Parts& p) { p.type = type; })).fault, Fault::unsupported) << type;
    EXPECT_EQ(refused(bent([](Parts& p) { p.type = 8; })).fault,
              Fault::corrupt);  // a row of 4 in blocks of 32
    refused(bent([](Parts& p) { p.data.resize(31); }));
}

TEST(Gguf, ValuesAtTheirEdges) {
    const auto with = [](const std::string& pair) { return bent([&](Parts& p) { p.pairs = pair; }); };
    for (const std::uint64_t edge : tests::kEdges) {
        if (edge != 1) refused(with(raw(edge) + "k" + raw(std::int32_t{4}) + raw(7u)));
        if (edge != 3) refused(with(text("k") + raw(std::int32_t{8}) + raw(edge) + "abc"));
        if (edge != 3)
            refused(with(text("k") + raw(std::int32_t{9}) + raw(std::int32_t{0}) + raw(edge) + "abc"));
        if (edge != 1)
            refused(with(text("k") + raw(std::int32_t{9}) + raw(std::int32_t{8}) + raw(edge) + text("abc")));
    }
    EXPECT_TRUE(
        parse(with(text("k") + raw(std::int32_t{9}) + raw(std::int32_t{0}) + raw(std::uint64_t{3}) + "abc")));
    for (const std::int32_t type : {-1, 13, 100, INT32_MAX, INT32_MIN}) {
        refused(with(text("k") + raw(type) + raw(7u)));
        refused(with(text("k") + raw(std::int32_t{9}) + raw(type) + raw(std::uint64_t{1}) + raw(7u)));
    }
    EXPECT_EQ(
        refused(with(text("k") + raw(std::int32_t{9}) + raw(std::int32_t{9}) + raw(std::uint64_t{1}))).fault,
        Fault::unsupported);
    refused(with(text("k") + raw(std::int32_t{7}) + "\x02"));  // a boolean that is neither
    refused(
        with(text("k") + raw(std::int32_t{9}) + raw(std::int32_t{7}) + raw(std::uint64_t{2}) + "\x01\xff"));
    refused(with(text("") + raw(std::int32_t{4}) + raw(7u)));
    refused(with(text("a\nb") + raw(std::int32_t{4}) + raw(7u)));
    const std::string pair = text("k") + raw(std::int32_t{4}) + raw(7u);
    EXPECT_NE(refused(bent([&](Parts& p) { p.pairs = pair + pair, p.n_pairs = 2; })).message.find("k again"),
              std::string::npos);
}

TEST(Gguf, AlignmentAtItsEdges) {
    const auto with = [](std::int32_t type, const std::string& value) {
        return bent([&](Parts& p) { p.pairs = text("general.alignment") + raw(type) + value; });
    };
    for (const std::uint32_t alignment : {1u, 8u, 32u})
        EXPECT_TRUE(parse(with(4, raw(alignment))).has_value());
    for (const std::uint32_t alignment : {0u, 3u, 33u, 48u, 1u << 21, 1u << 31, ~0u})
        refused(with(4, raw(alignment)));
    refused(with(10, raw(std::uint64_t{32})));
    refused(with(8, text("32")));
}

TEST(Gguf, TensorsMayNotOverlapOrShareNames) {
    const auto two = [](const std::string& second_name, std::uint64_t first, std::uint64_t second) {
        std::string out = "GGUF" + raw(3u) + raw(std::uint64_t{2}) + raw(std::uint64_t{0});
        const auto tensor = [&](const std::string& name, std::uint64_t offset) {
            out += text(name) + raw(1u) + raw(std::uint64_t{16}) + raw(std::int32_t{0}) + raw(offset);
        };
        tensor("a", first);
        tensor(second_name, second);
        out.resize((out.size() + 31) / 32 * 32, '\0');
        return out + std::string(128, 'x');
    };
    EXPECT_TRUE(parse(two("b", 0, 64)).has_value());
    EXPECT_TRUE(parse(two("b", 64, 0)).has_value());
    EXPECT_NE(refused(two("a", 0, 64)).message.find("a again"), std::string::npos);
    EXPECT_NE(refused(two("b", 0, 32)).message.find("inside another tensor"), std::string::npos);
    refused(two("b", 0, 0));
    refused(two("b", 0, 96));  // past the end
    refused(two("b", 0, 65));  // unaligned
}

TEST(Gguf, RealVocabulariesOpen) {
    HEARTH_NEEDS_SHARED("data/vocabs/gpt-2.gguf");
    for (const char* name : {"gpt-2", "llama-bpe", "qwen2", "qwen35", "gemma-4", "bert-bge"}) {
        const auto file = Gguf::open(tests::shared("data/vocabs") / (std::string(name) + ".gguf"));
        ASSERT_OK(file);
        EXPECT_GT(file->array("tokenizer.ggml.tokens").value()->n, 1000u) << name;
    }
}

}  // namespace
}  // namespace hearth::formats
