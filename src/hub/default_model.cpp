// hub/default_model.cpp - writes the embedded files once, whole or not at all, and checks them when found.
#include "hub/default_model.h"

#include <cstdlib>

#include "base/embedded.h"
#include "base/hash.h"
#include "base/log.h"

namespace hearth {
extern const EmbeddedFile embedded_ember[];
extern const std::size_t embedded_ember_count;
}  // namespace hearth

namespace hearth::hub {
namespace {

std::span<const EmbeddedFile> files() { return {embedded_ember, embedded_ember_count}; }

std::string content_hash() {
    std::string all;
    for (const EmbeddedFile& file : files()) all += file.name + hash_hex(file.bytes());
    return hash_hex(std::as_bytes(std::span(all))).substr(0, 16);
}

// A cache is never the truth: a file that is missing or altered makes the folder worthless.
bool is_whole(const fs::path& folder) {
    for (const EmbeddedFile& file : files()) {
        const auto seen = MappedFile::open(folder / file.name);
        if (!seen || hash_hex(seen->bytes()) != hash_hex(file.bytes())) return false;
    }
    return true;
}

}  // namespace

Result<fs::path> cache_folder() {
    const auto variable = [](const char* name) -> fs::path {
        const char* value = std::getenv(name);
        return value == nullptr ? "" : value;
    };
    if (const fs::path own = variable("HEARTH_CACHE"); !own.empty()) return own;
    if (const fs::path xdg = variable("XDG_CACHE_HOME"); !xdg.empty()) return xdg / "hearth";
    if (const fs::path home = variable("HOME"); !home.empty()) return home / ".cache" / "hearth";
    return fail(Fault::not_found,
                "expected HEARTH_CACHE, XDG_CACHE_HOME or HOME to name a folder for caches, saw none");
}

Result<fs::path> default_model() {
    HEARTH_TRY(const fs::path cache, cache_folder());
    const fs::path folder = cache / ("ember-" + content_hash()) / "ember";
    if (is_whole(folder)) return folder;
    log::info("unpacking the default model to {}", folder.string());
    HEARTH_TRY(AtomicFolder out, AtomicFolder::create(folder, true));
    for (const EmbeddedFile& file : files()) {
        const fs::path path = out.partial() / file.name;
        std::error_code error;
        fs::create_directories(path.parent_path(), error);
        HEARTH_TRY(AtomicFile copy, AtomicFile::create(path));
        HEARTH_TRY_STATUS(copy.write(file.bytes()));
        HEARTH_TRY_STATUS(copy.commit());
    }
    // Another process may have been faster; its folder is as good.
    if (auto ok = out.commit(); !ok && !is_whole(folder)) return fail(ok.error());
    return folder;
}

Result<fs::path> find_model(const std::string& model) {
    std::error_code ignored;
    if (model.empty() || (model == "ember" && !fs::exists(model, ignored))) return default_model();
    if (!fs::exists(model, ignored))
        return fail(Fault::not_found,
                    "{}: expected a model folder, a .gguf file, or \"ember\"; saw nothing there", model);
    return fs::path(model);
}

}  // namespace hearth::hub
