// models/checkpoint.h - a model's files seen as one: tensors by transformers' names, whatever the container.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/gguf.h"
#include "formats/safetensors.h"
#include "models/config.h"

namespace hearth::models {

// A linear's weight as its file holds it.
struct LinearSource {
    TensorView weight;  // the matrix, or NVFP4 codes (U8 [rows, cols / 2]) when `scales` is there
    std::optional<TensorView> scales;                     // NVFP4 block scales, F8_E4M3 [rows, cols / 16]
    float scale = 1;                                      // multiplies the whole matrix
    Fp8Scales fp8;                                        // of rows or blocks
    std::shared_ptr<const std::vector<std::byte>> owned;  // behind `weight` when no file holds it so
    [[nodiscard]] std::uint64_t bytes() const {
        return weight.bytes.size() + (scales ? scales->bytes.size() : 0) + fp8.values.size() * sizeof(float);
    }
};

// All its numbers, `scale` not applied. Errors: unsupported (a type that cannot be decoded).
Result<std::vector<float>> decoded(const LinearSource& source);

class Checkpoint {
  public:
    // `path`: a folder with config.json and safetensors, or a .gguf file. Views live as long as this.
    static Result<Checkpoint> open(const fs::path& path);

    [[nodiscard]] const ModelConfig& config() const { return config_; }
    [[nodiscard]] const fs::path& path() const { return path_; }
    [[nodiscard]] bool is_gguf() const { return gguf_ != nullptr; }
    [[nodiscard]] std::uint64_t file_bytes() const;
    // All that decides the weights: tensors' files in order, and config.json of a folder.
    [[nodiscard]] std::vector<fs::path> files() const;

    // By transformers' full name. Errors: corrupt (absent).
    [[nodiscard]] Result<TensorView> tensor(std::string_view name) const;
    [[nodiscard]] bool has(std::string_view name) const { return find(name).has_value(); }
    // Norms, biases and other small tensors that are used as numbers. Errors: corrupt (absent, another number
    // of elements than `shape`).
    [[nodiscard]] Result<LinearSource> vector(std::string_view name, const Shape& shape) const;
    // A linear by its name with ".weight", in every quantized form that files have: plain, FP8 with one
    // scale, scales of rows or of blocks, NVFP4 of ModelOpt and of compressed-tensors, GGUF blocks with an
    // optional `.scale`. Errors: corrupt (absent, FP8 without scales, shapes that do not fit `shape`, a scale
    // that is no positive number). An expert's matrix,
    // "...experts.3.gate_proj.weight", is cut out of whatever stack the file has (expert_tensors.h).
    [[nodiscard]] Result<LinearSource> linear(std::string_view name, const Shape& shape) const;
    // GGUF's permuted q/k rows: which file row each row is; empty when they are in order.
    [[nodiscard]] std::vector<std::int32_t> row_order(std::string_view name) const;

  private:
    [[nodiscard]] std::optional<TensorView> find(std::string_view name) const;
    [[nodiscard]] Result<LinearSource> whole_linear(std::string_view name, const Shape& shape) const;
    void find_prefixes();
    void find_draft_layers();
    [[nodiscard]] std::string spelled(std::string_view name) const;
    [[nodiscard]] std::optional<std::string> spelled_draft(std::string_view name) const;
    [[nodiscard]] Result<float> scalar(std::string_view name, const TensorView& view) const;
    Status add_fp8_scales(std::string_view name, const std::optional<TensorView>& scales,
                          LinearSource& to) const;
    fs::path path_;
    ModelConfig config_;
    std::unique_ptr<formats::Safetensors> safetensors_;
    std::string trunk_ = "model.", head_ = "lm_head.";  // how the files spell these prefixes
    std::unique_ptr<formats::Gguf> gguf_;
};

}  // namespace hearth::models
