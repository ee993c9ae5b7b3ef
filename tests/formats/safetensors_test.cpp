// tests/formats/safetensors_test.cpp - files of the safetensors package read here, ours read back, and
// hostile headers.
#include "formats/safetensors.h"

#include <unistd.h>

#include <cstring>

#include "formats/npy.h"
#include "hostile.h"

namespace hearth::formats {
namespace {

using tests::fixture;
using tests::TempFolder;

std::string with_header(std::string_view header, std::string_view data = {}) {
    const std::uint64_t length = header.size();
    std::string file(8, '\0');
    std::memcpy(file.data(), &length, 8);
    return file.append(header).append(data);
}
Result<Safetensors> parse(std::string_view file) {
    return Safetensors::parse(std::as_bytes(std::span(file.data(), file.size())), "f.safetensors");
}
Error refused(std::string_view file) {
    const auto parsed = parse(file);
    if (parsed) {
        ADD_FAILURE() << "accepted: " << file.substr(8);
        return {};
    }
    EXPECT_NE(parsed.error().message.find("f.safetensors"), std::string::npos);
    EXPECT_EQ(parsed.error().message.find('\n'), std::string::npos);
    return parsed.error();
}

// Values: tools/fixtures/make_format_fixtures.py writes 1, 2, 3... in every type.
TEST(Safetensors, ReadsEveryTypeOfTheReferenceWriter) {
    const auto file = Safetensors::open(fixture("formats/dtypes.safetensors"));
    ASSERT_OK(file);
    EXPECT_EQ(file->entries().size(), 18u);
    EXPECT_EQ(file->metadata().at("note"), "every type");
    const std::pair<const char*, DType> rows[] = {{"t.float64", DType::f64},
                                                  {"t.float32", DType::f32},
                                                  {"t.float16", DType::f16},
                                                  {"t.bfloat16", DType::bf16},
                                                  {"t.float8_e4m3fn", DType::f8_e4m3},
                                                  {"t.float8_e5m2", DType::f8_e5m2},
                                                  {"t.float8_e8m0fnu", DType::f8_e8m0},
                                                  {"t.int64", DType::i64},
                                                  {"t.int32", DType::i32},
                                                  {"t.int16", DType::i16},
                                                  {"t.int8", DType::i8},
                                                  {"t.uint64", DType::u64},
                                                  {"t.uint32", DType::u32},
                                                  {"t.uint16", DType::u16},
                                                  {"t.uint8", DType::u8},
                                                  {"t.bool", DType::boolean}};
    for (const auto& [name, dtype] : rows) {
        const SafetensorsEntry* entry = file->find(name);
        ASSERT_NE(entry, nullptr) << name;
        EXPECT_EQ(entry->dtype, dtype) << name;
        EXPECT_EQ(entry->shape, Shape({2, 3})) << name;
        EXPECT_EQ(file->view(*entry).bytes.size(), 6u * static_cast<unsigned>(info(dtype).block_bytes));
    }
    const auto ints = file->view(*file->find("t.int16")).bytes;
    std::int16_t values[6];
    std::memcpy(values, ints.data(), sizeof values);
    EXPECT_EQ(values[0], 1);
    EXPECT_EQ(values[5], 6);
    EXPECT_EQ(file->find("scalar")->shape, Shape());
    EXPECT_EQ(file->view(*file->find("empty")).bytes.size(), 0u);
    EXPECT_EQ(file->find("absent"), nullptr);
}

TEST(Safetensors, ReadsShardsThroughTheIndexOrTheFolder) {
    for (const char* path : {"formats/sharded", "formats/sharded/model.safetensors.index.json"}) {
        const auto model = Safetensors::open(fixture(path));
        ASSERT_OK(model);
        EXPECT_EQ(model->entries().size(), 3u);
        const TensorView c = model->view(*model->find("c.weight"));
        std::int32_t values[2];
        ASSERT_EQ(c.bytes.size(), sizeof values);
        std::memcpy(values, c.bytes.data(), sizeof values);
        EXPECT_EQ(values[1], 2);
        EXPECT_EQ(model->files().size(), 2u);
    }
}

TEST(Safetensors, WritesWhatItReads) {
    const TempFolder folder;
    const auto source = Safetensors::open(fixture("formats/dtypes.safetensors"));
    ASSERT_OK(source);
    std::vector<SafetensorsWriter::Declaration> declared;
    for (const auto& entry : source->entries()) declared.push_back({entry.name, entry.dtype, entry.shape});
    const fs::path path = folder.path() / "copy.safetensors";
    auto writer = SafetensorsWriter::create(path, declared, source->metadata());
    ASSERT_OK(writer);
    for (const auto& entry : source->entries()) ASSERT_OK(writer->append(source->view(entry).bytes));
    EXPECT_FALSE(fs::exists(path));
    ASSERT_OK(writer->commit());
    const auto copy = Safetensors::open(path);
    ASSERT_OK(copy);
    EXPECT_EQ(copy->metadata(), source->metadata());
    for (const auto& entry : source->entries()) {
        const auto a = source->view(entry), b = copy->view(*copy->find(entry.name));
        EXPECT_EQ(a.dtype, b.dtype);
        EXPECT_EQ(a.shape, b.shape);
        EXPECT_TRUE(std::equal(a.bytes.begin(), a.bytes.end(), b.bytes.begin(), b.bytes.end()));
    }
}

TEST(Safetensors, WriterHoldsToItsDeclaration) {
    const TempFolder folder;
    const fs::path path = folder.path() / "w.safetensors";
    const std::vector<std::byte> bytes(9);
    {
        auto writer = SafetensorsWriter::create(path, {{"a", DType::f32, {2}}}, {});
        ASSERT_OK(writer);
        EXPECT_EQ(writer->append(bytes).error().fault, Fault::internal);
        EXPECT_EQ(writer->commit().error().fault, Fault::internal);
    }
    EXPECT_TRUE(fs::is_empty(folder.path()));  // neither the file nor its partial twin
    EXPECT_EQ(
        SafetensorsWriter::create(path, {{"a", DType::f32, {2}}, {"a", DType::f32, {2}}}, {}).error().fault,
        Fault::usage);
    EXPECT_EQ(SafetensorsWriter::create(path, {{"a", DType::q8_0, {32}}}, {}).error().fault, Fault::usage);
}

TEST(Safetensors, EveryTruncationIsAnError) {
    const std::string file = tests::read_bytes(fixture("formats/dtypes.safetensors"));
    ASSERT_TRUE(parse(file).has_value());
    for (std::size_t n = 0; n < file.size(); ++n) EXPECT_FALSE(parse(file.substr(0, n)).has_value()) << n;
    EXPECT_FALSE(parse(file + '\0').has_value());  // nor may anything follow
}

TEST(Safetensors, HeaderLengthAtItsEdges) {
    const std::string file = with_header(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", "x");
    ASSERT_TRUE(parse(file).has_value());
    for (const std::uint64_t length : tests::kEdges) {
        std::string bad = file;
        std::memcpy(bad.data(), &length, 8);
        EXPECT_EQ(refused(bad).fault, Fault::corrupt) << length;
    }
    EXPECT_FALSE(parse(with_header("")).has_value());
    EXPECT_TRUE(parse(with_header("{}")).has_value());
    EXPECT_TRUE(parse(with_header("{}      ")).has_value());
}

TEST(Safetensors, NumbersAtTheirEdges) {
    const auto entry = [](const std::string& shape, const std::string& offsets) {
        return with_header(
            R"({"a":{"dtype":"F32","shape":[)" + shape + R"(],"data_offsets":[)" + offsets + "]}}",
            "12345678");
    };
    ASSERT_TRUE(parse(entry("2", "0,8")).has_value());
    ASSERT_TRUE(parse(entry("1,2,1", "0,8")).has_value());
    for (const std::uint64_t edge : tests::kEdges) {
        const std::string n = std::to_string(edge);
        refused(entry(n, "0,8"));
        if (edge != 1) refused(entry("2," + n, "0,8"));
        refused(entry("0," + n, "0,8"));
        refused(entry(n + "," + n, "0,8"));
        if (edge != 0) refused(entry("2", n + ",8"));
        refused(entry("2", "0," + n));
        refused(entry("2", "8," + n));
    }
    for (const char* shape : {"-1", "-2,-1", "1.5", "\"2\"", "null", "[2]", "1e300", "2,1,1,1,1,1,1,1,1"})
        refused(entry(shape, "0,8"));
    for (const char* offsets : {"8,0", "0", "0,8,8", "-8,0", "0,8.5", "\"0\",8", "4,8", "0,4"})
        refused(entry("2", offsets));
}

TEST(Safetensors, TilingIsExact) {
    const auto two = [](const std::string& first, const std::string& second) {
        return with_header(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[)" + first +
                               R"(]},"b":{"dtype":"U8","shape":[2],"data_offsets":[)" + second + "]}}",
                           "1234");
    };
    ASSERT_TRUE(parse(two("0,2", "2,4")).has_value());
    ASSERT_TRUE(parse(two("2,4", "0,2")).has_value());
    EXPECT_NE(refused(two("0,2", "1,3")).message.find("inside another tensor"), std::string::npos);
    EXPECT_NE(refused(two("0,2", "0,2")).message.find("inside another tensor"), std::string::npos);
    const std::string gap = with_header(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})", "123");
    EXPECT_NE(refused(gap).message.find("after a gap"), std::string::npos);
    refused(
        with_header(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", "123"));  // bytes left over
}

TEST(Safetensors, NamesTypesAndStructure) {
    const std::string a = R"({"dtype":"U8","shape":[1],"data_offsets":[0,1]})";
    EXPECT_NE(refused(with_header(R"({"a":)" + a + R"(,"a":)" + a + "}", "x")).message.find("\"a\" again"),
              std::string::npos);
    refused(with_header(R"({"a":{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}})", "x"));
    EXPECT_EQ(refused(with_header(R"({"a":{"dtype":"F4","shape":[1],"data_offsets":[0,1]}})", "x")).fault,
              Fault::unsupported);
    for (const char* dtype : {"\"\"", "7", "null", "\"u8\"", "\"Q8_0\"", "{}"})
        refused(with_header(
            std::string(R"({"a":{"dtype":)") + dtype + R"(,"shape":[1],"data_offsets":[0,1]}})", "x"));
    for (const char* header :
         {"[]", "7", "null", "\"a\"", "{\"a\":7}", "{\"a\":[]}", "{\"a\":{}}", "{\"a\":null}",
          "{\"__metadata__\":7}", "{\"__metadata__\":{\"k\":7}}", "{\"\":{}}", "{\"a\\u0000\":{}}",
          "{\"a\\n\":{}}", "{} x", "{", "\xff", "{\"\xff\":1}"})
        refused(with_header(header));
    refused(with_header(R"({"a":{"dtype":"U8","shape":[1]}})", "x"));
}

TEST(Safetensors, DeepAndHugeJson) {
    refused(with_header(std::string(1 << 20, '[')));
    std::string nested = "{\"a\":";
    for (int i = 0; i < 100'000; ++i) nested += "{\"a\":";
    refused(with_header(nested));
    refused(with_header("{\"a\":\"" + std::string(1 << 22, 'x') + "\"}"));
    std::string wide = "{";
    for (int i = 0; i < 100'000; ++i)
        wide += "\"t" + std::to_string(i) + "\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},";
    wide.back() = '}';
    EXPECT_TRUE(
        parse(with_header(wide)).has_value());  // many tensors are no crime, and take no quadratic time
}

TEST(Safetensors, IndexStaysInItsFolder) {
    const TempFolder folder;
    const auto open_with = [&](const std::string& index) {
        EXPECT_OK(write_whole(folder.path() / "model.safetensors.index.json", index));
        return Safetensors::open(folder.path());
    };
    EXPECT_OK(write_whole(folder.path() / "one.safetensors",
                          with_header(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", "x")));
    EXPECT_OK(write_whole(folder.path() / "two.safetensors",
                          with_header(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", "y")));
    EXPECT_OK(open_with(R"({"weight_map":{"a":"one.safetensors"}})"));
    for (const char* shard :
         {"../one.safetensors", "/etc/passwd", "..", ".", "", "a/b", "a\\\\b", "one\\u0000"}) {
        const auto model = open_with(std::string(R"({"weight_map":{"a":")") + shard + "\"}}");
        ASSERT_FALSE(model.has_value()) << shard;
        EXPECT_EQ(model.error().fault, Fault::corrupt) << shard;
    }
    EXPECT_EQ(open_with(R"({"weight_map":{"a":"gone.safetensors"}})").error().fault, Fault::not_found);
    EXPECT_NE(
        open_with(R"({"weight_map":{"b":"one.safetensors"}})").error().message.find("expected the tensor b"),
        std::string::npos);
    // The same name in two shards, and a name that the map puts into the wrong one.
    EXPECT_FALSE(open_with(R"({"weight_map":{"a":"one.safetensors","b":"two.safetensors"}})").has_value());
    for (const char* index :
         {"{}", "[]", R"({"weight_map":7})", R"({"weight_map":{"a":7}})", "{\"weight_map\":"})
        EXPECT_FALSE(open_with(index).has_value()) << index;
}

TEST(Safetensors, MissingFilesAreNamed) {
    const TempFolder folder;
    EXPECT_EQ(Safetensors::open(folder.path()).error().fault, Fault::not_found);
    EXPECT_EQ(Safetensors::open(folder.path() / "x.safetensors").error().fault, Fault::not_found);
}

// NumPy's own bytes for zeros((2, 3), float32) + [[0, 1, 2], [3, 4, 5]]: numpy 2.4, np.save.
TEST(Npy, IsWhatNumpyWrites) {
    const TempFolder folder;
    const float values[6] = {0, 1, 2, 3, 4, 5};
    auto writer = NpyWriter::create(folder.path() / "m.npy", 2, 3);
    ASSERT_OK(writer);
    EXPECT_OK(writer->append(std::span(values, 2)));
    EXPECT_FALSE(writer->commit().has_value());
    EXPECT_OK(writer->append(std::span(values + 2, 4)));
    EXPECT_OK(writer->commit());
    std::string head = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
    head.resize(117, ' ');
    std::string expected = std::string("\x93NUMPY\x01\x00\x76\x00", 10) + head + "\n";
    expected.append(reinterpret_cast<const char*>(values), sizeof values);
    EXPECT_EQ(tests::read_bytes(folder.path() / "m.npy"), expected);
}

}  // namespace
}  // namespace hearth::formats
