// tests/engine/panel_cache_test.cpp - kept panels give the bits that packing anew gives, for every family; a
// cache of other files, of another version, cut off or changed anywhere is not used.
#include "models/panel_cache.h"

#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "base/hash.h"
#include "fixtures.h"

namespace hearth::models {
namespace {

class Folder {
  public:
    explicit Folder(const std::string& fixture)
        : path_(fs::temp_directory_path() / fmt::format("hearth-panels-{}-{}", fixture, getpid())) {
        fs::remove_all(path_);
        fs::copy(tests::fixture("models") / fixture, path_, fs::copy_options::recursive);
    }
    ~Folder() { fs::remove_all(path_); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    [[nodiscard]] const fs::path& path() const { return path_; }

  private:
    fs::path path_;
};

std::shared_ptr<const Model> load(const fs::path& path, bool use_kept = true) {
    ThreadPool pool({.threads = 2, .pin = false});
    auto model = load_model(path, pool, {.need_tokenizer = false, .use_kept_panels = use_kept});
    EXPECT_TRUE(model.has_value()) << (model ? "" : model.error().message);
    return model ? *model : nullptr;
}

Result<Kept> keep(const Model& model) {
    return keep_panels(model.checkpoint, model.matrices(), {.bytes_min = 0});
}

std::string whole(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

void write(const fs::path& path, std::string_view bytes) {
    std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

void expect_same_panels(const Model& got, const Model& want) {
    const auto a = got.matrices(), b = want.matrices();
    ASSERT_EQ(a.size(), b.size());
    EXPECT_EQ(got.weight_bytes, want.weight_bytes);
    for (std::size_t i = 0; i < a.size(); ++i) {
        ASSERT_EQ(a[i].name, b[i].name);
        const kernels::PackedMatrix &x = *a[i].matrix, &y = *b[i].matrix;
        EXPECT_EQ(x.kind, y.kind);
        EXPECT_EQ(x.source, y.source);
        EXPECT_EQ(x.rows, y.rows);
        EXPECT_EQ(x.cols_padded, y.cols_padded);
        EXPECT_EQ(x.scale, y.scale);
        ASSERT_EQ(x.bytes(), y.bytes());
        EXPECT_EQ(0, std::memcmp(x.panels, y.panels, static_cast<std::size_t>(x.bytes()))) << a[i].name;
    }
}

class PanelCacheTest : public testing::TestWithParam<std::string> {};

TEST_P(PanelCacheTest, GivesTheSameBits) {
    const Folder folder(GetParam());
    const auto ids = tests::read_ids(folder.path() / "ids.json");
    std::vector<fs::path> paths = {folder.path()};
    if (fs::exists(folder.path() / "model.gguf")) paths.push_back(folder.path() / "model.gguf");
    for (const fs::path& path : paths) {
        const auto packed = load(path);
        ASSERT_NE(packed, nullptr);
        EXPECT_EQ(packed->kept.size(), 0u);
        const auto kept = keep(*packed);
        ASSERT_OK(kept);
        EXPECT_EQ(*kept, Kept::written);
        const auto mapped = load(path);
        ASSERT_NE(mapped, nullptr);
        EXPECT_EQ(mapped->kept.size(), mapped->matrices().size()) << "every matrix came out of the cache";
        expect_same_panels(*mapped, *packed);
        const auto a = tests::score_all(*tests::open(packed, {.threads = 2}), ids);
        const auto b = tests::score_all(*tests::open(mapped, {.threads = 2}), ids);
        ASSERT_EQ(a.size(), b.size());
        EXPECT_EQ(0, std::memcmp(a.data(), b.data(), a.size() * sizeof(float)));
    }
}

INSTANTIATE_TEST_SUITE_P(Models, PanelCacheTest, testing::ValuesIn(tests::model_fixtures()),
                         [](const auto& row) {
                             std::string name = row.param;
                             std::replace_if(
                                 name.begin(), name.end(), [](char c) { return !std::isalnum(c); }, '_');
                             return name;
                         });

// Every file that decides the weights, and the time of a copy.
TEST(PanelCache, IsOfTheseContents) {
    const Folder folder("qwen3-quantized");
    const auto packed = load(folder.path());
    ASSERT_NE(packed, nullptr);
    ASSERT_OK(keep(*packed));
    ASSERT_GT(load(folder.path())->kept.size(), 0u);
    ASSERT_GE(packed->checkpoint.files().size(), 2u);
    for (const fs::path& file : packed->checkpoint.files()) {
        const std::string bytes = whole(file);
        const auto time = fs::last_write_time(file);
        fs::last_write_time(file, time + std::chrono::hours(1));
        EXPECT_GT(load(folder.path())->kept.size(), 0u) << file << " was touched, no more";
        std::string changed = bytes;
        if (file.extension() == ".json")
            changed.insert(changed.find('{') + 1, " ");
        else
            changed.back() = static_cast<char>(changed.back() ^ 1);
        write(file, changed);
        fs::last_write_time(file, time + std::chrono::hours(2));
        const auto now = load(folder.path());
        ASSERT_NE(now, nullptr);
        EXPECT_EQ(now->kept.size(), 0u) << file << " has changed";
        expect_same_panels(*now, *load(folder.path(), false));
        write(file, bytes);
        fs::last_write_time(file, time);
        EXPECT_GT(load(folder.path())->kept.size(), 0u);
    }
}

TEST(PanelCache, CutOffAnywhereIsNotUsed) {
    const Folder folder("qwen3-tied");
    const auto packed = load(folder.path());
    ASSERT_NE(packed, nullptr);
    ASSERT_OK(keep(*packed));
    const fs::path path = panel_cache_path(folder.path());
    const std::string bytes = whole(path);
    ThreadPool pool({.threads = 1, .pin = false});
    const std::size_t step = std::max<std::size_t>(1, bytes.size() / 400);
    for (std::size_t n = 0; n < bytes.size(); n += n < 64 ? 1 : step) {
        write(path, std::string_view(bytes).substr(0, n));
        EXPECT_EQ(PanelCache::open(packed->checkpoint, pool).size(), 0u) << n << " of " << bytes.size();
    }
    write(path, bytes);
    EXPECT_GT(PanelCache::open(packed->checkpoint, pool).size(), 0u);
}

// A byte of panels is found by its hash; one of the header makes another header or none: never other numbers.
TEST(PanelCache, ChangedAnywhereIsNotUsedOrTheSame) {
    const Folder folder("qwen3-tied");
    const auto packed = load(folder.path(), false);
    ASSERT_NE(packed, nullptr);
    ASSERT_OK(keep(*packed));
    const fs::path path = panel_cache_path(folder.path());
    const std::string bytes = whole(path);
    std::uint64_t header = 0;
    std::memcpy(&header, bytes.data(), sizeof header);
    ThreadPool pool({.threads = 1, .pin = false});
    std::size_t refused = 0;
    for (std::size_t at = 0; at < bytes.size(); at += at < 8 + header ? 3 : bytes.size() / 200) {
        for (const int change : {1, 0x80}) {
            std::string changed = bytes;
            changed[at] = static_cast<char>(changed[at] ^ change);
            write(path, changed);
            const PanelCache cache = PanelCache::open(packed->checkpoint, pool);
            if (cache.size() == 0) ++refused;
            for (const NamedMatrix& named : packed->matrices()) {
                const auto* kept = cache.find(named.name, named.matrix->rows, named.matrix->cols);
                if (kept == nullptr) continue;
                ASSERT_EQ(kept->bytes(), named.matrix->bytes()) << "byte " << at;
                EXPECT_EQ(kept->kind, named.matrix->kind) << "byte " << at;
                EXPECT_EQ(kept->scale, named.matrix->scale) << "byte " << at;
                EXPECT_EQ(0, std::memcmp(kept->panels, named.matrix->panels,
                                         static_cast<std::size_t>(kept->bytes())))
                    << "byte " << at;
            }
        }
    }
    EXPECT_GT(refused, 100u);
}

TEST(PanelCache, MetadataThatLieAreRefused) {
    const Folder folder("qwen3-tied");
    const auto packed = load(folder.path(), false);
    ASSERT_NE(packed, nullptr);
    ASSERT_OK(keep(*packed));
    const fs::path path = panel_cache_path(folder.path());
    ThreadPool pool({.threads = 1, .pin = false});
    const auto file = formats::Safetensors::open(path);
    ASSERT_OK(file);
    const auto metadata = file->metadata();
    const auto entry = file->entries().front();
    const std::vector<std::byte> data(file->view(entry).bytes.begin(), file->view(entry).bytes.end());
    // Lies with a right check: what is behind it must hold as well.
    const auto with = [&](const std::string& key, const std::string& value) {
        auto changed = metadata;
        if (value.empty())
            changed.erase(key);
        else
            changed[key] = value;
        const std::string checked = changed["sources"] + changed["matrices"];
        if (key != "check") changed["check"] = hash_hex(std::as_bytes(std::span(checked)));
        auto writer = formats::SafetensorsWriter::create(
            path, {{entry.name, DType::u8, Shape{static_cast<std::int64_t>(data.size())}}}, changed);
        EXPECT_TRUE(writer && writer->append(data) && writer->commit());
        return PanelCache::open(packed->checkpoint, pool).size();
    };
    EXPECT_EQ(with("format", metadata.at("format")), 1u) << "one matrix of it, unchanged, will do";
    for (const auto& [key, unused] : metadata) {
        EXPECT_EQ(with(key, ""), 0u) << key;
        for (const char* value : {"x", "[]", "{}", "[{}]", "null", "[1]", "[[]]"})
            EXPECT_EQ(with(key, value), 0u) << key << " " << value;
    }
    const auto matrix = [&](std::string_view members) {
        return with("matrices", fmt::format(R"({{"{}": {{{}}}}})", entry.name, members));
    };
    for (const char* members :
         {R"("kind": 99, "source": "bf16", "rows": 16, "cols": 16)",
          R"("kind": -1, "source": "bf16", "rows": 16, "cols": 16)",
          R"("kind": 1, "source": "bf17", "rows": 16, "cols": 16)",
          R"("kind": 1, "source": "bf16", "rows": 0, "cols": 16)",
          R"("kind": 1, "source": "bf16", "rows": 4611686018427387904, "cols": 4611686018427387904)",
          R"("kind": 1, "source": "bf16", "rows": 1099511627776, "cols": 1099511627776)",
          R"("kind": 1, "source": "bf16", "rows": 16, "cols": 1000000)",
          R"("kind": 1, "source": "bf16", "rows": 16, "cols": 16, "hash": "")"})
        EXPECT_EQ(matrix(members), 0u) << members;
}

TEST(PanelCache, IsWrittenWholeOrNotAtAll) {
    const Folder folder("qwen3-tied");
    const auto model = load(folder.path());
    ASSERT_NE(model, nullptr);
    const fs::path path = panel_cache_path(folder.path());
    const auto count = [&] {
        return std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator());
    };
    const auto before = count();
    EXPECT_EQ(keep_panels(model->checkpoint, model->matrices()).value(), Kept::too_small);
    int calls = 0;
    for (const int stop_at : {1, 2, 30}) {
        calls = 0;
        const auto stopped =
            keep_panels(model->checkpoint, model->matrices(),
                        {.bytes_min = 0, .go_on = [&](std::uint64_t) { return ++calls < stop_at; }});
        ASSERT_OK(stopped);
        EXPECT_EQ(*stopped, Kept::stopped);
        EXPECT_EQ(count(), before) << "nothing stays behind";
    }
    // What a killed process left goes; what a running one writes stays.
    const pid_t child = fork();
    if (child == 0) _exit(0);
    ASSERT_EQ(waitpid(child, nullptr, 0), child);
    const fs::path dead = path.string() + fmt::format(".partial-{}", child);
    const fs::path alive = path.string() + ".partial-1", other = path.string() + ".partial-resumed";
    for (const fs::path& left : {dead, alive, other}) write(left, "x");
    EXPECT_EQ(keep(*model).value(), Kept::written);
    EXPECT_FALSE(fs::exists(dead));
    EXPECT_TRUE(fs::exists(alive));
    EXPECT_TRUE(fs::exists(other));
    EXPECT_EQ(count(), before + 3);
    // A place that cannot be written.
    fs::remove(path);
    fs::create_directory(path);
    EXPECT_FALSE(keep(*model).has_value());
    EXPECT_EQ(load(folder.path())->kept.size(), 0u);
}

}  // namespace
}  // namespace hearth::models
