// models/config_keys.h - reading configs key by key: the two containers' shared keys, and what arch/*.cpp
// read beyond them.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "formats/gguf.h"
#include "models/config.h"

namespace hearth::models {

// Bounds no real model comes near, and below which no sum in this program overflows.
inline constexpr std::int64_t kWidthMax = 1 << 20, kVocabSizeMax = 1 << 24, kContextMax = 1 << 26;
inline constexpr int kDraftLayersMax = 16;
inline constexpr int kLayersMax = 4096, kHeadsMax = 4096, kHeadDimMax = 4096, kExpertsMax = 4096;
inline constexpr std::int64_t kExpertsOfAllLayersMax = 200'000;

Status check(const ModelConfig& config, const std::string& where);
Status check_rope(const RopeConfig& rope, const std::string& where);

// transformers' rope_parameters (5.x, nested by layer type where types differ) or rope_theta and
// rope_scaling. `theta` and `partial`: the class defaults. Errors: corrupt, out_of_range, unsupported (a
// rope_type).
Result<RopeConfig> read_hf_rope(const JsonCursor& config, double theta = 10000, double partial = 1,
                                std::string_view layer_type = {});
double yarn_mscale(double factor, double mscale);  // YaRN's growth of attention: 0.1 mscale ln(factor) + 1
// By layer, from `layer_types`; empty when it is absent. Errors: corrupt (another length, no strings).
Result<std::vector<std::string>> read_layer_types(const JsonCursor& config, int n_layers);
// c.sliding from layer_types, else from `layer_slides(i)`.
Status read_sliding(const JsonCursor& config, ModelConfig& c, const std::function<bool(int)>& layer_slides);
// An integer that may be absent or null (then `fallback`), from 1 to max.
Result<int> read_count(const JsonCursor& config, std::string_view key, int fallback, int max);

// A GGUF's metadata of its own architecture: key("rope.freq_base") is "llama.rope.freq_base".
class GgufKeys {
  public:
    GgufKeys(const formats::Gguf& file, std::string prefix, std::string where)
        : file_(&file), prefix_(std::move(prefix)), where_(std::move(where)) {}
    [[nodiscard]] const formats::Gguf& file() const { return *file_; }
    [[nodiscard]] const std::string& where() const { return where_; }
    [[nodiscard]] std::string key(std::string_view suffix) const {
        return prefix_ + "." + std::string(suffix);
    }
    [[nodiscard]] bool has(std::string_view suffix) const { return file_->find_key(key(suffix)) != nullptr; }
    [[nodiscard]] Result<std::int64_t> integer(std::string_view suffix, std::int64_t max) const {
        return file_->integer(key(suffix), 1, max);
    }
    [[nodiscard]] Result<std::int64_t> integer_or(std::string_view suffix, std::int64_t fallback,
                                                  std::int64_t max) const;
    [[nodiscard]] Result<double> number_or(std::string_view suffix, double fallback) const;
    [[nodiscard]] Result<bool> boolean_or(std::string_view suffix, bool fallback) const;
    // A number for each layer: files have one for all, or a list, booleans as 0 and 1; empty: absent. Errors:
    // corrupt (another type, a list that is too short).
    [[nodiscard]] Result<std::vector<double>> of_layers(std::string_view suffix, int n_layers) const;
    [[nodiscard]] bool has_tensor(std::string_view name) const { return file_->find(name) != nullptr; }

  private:
    const formats::Gguf* file_;
    std::string prefix_, where_;
};

}  // namespace hearth::models
