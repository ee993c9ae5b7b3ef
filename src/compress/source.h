// compress/source.h - what is to be quantized: a Hugging Face folder or a GGUF file, as one list of tensors.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "formats/gguf.h"
#include "formats/safetensors.h"
#include "models/fp8_scales.h"

namespace hearth::compress {

struct SourceTensor {
    std::string name;                  // as the source spells it
    std::string hf_name;               // as transformers spells it, where we know; else the same
    DType dtype = DType::f32;          // nvfp4 for a linear that is NVFP4 already
    Shape shape;                       // of the weights: an NVFP4 linear counts weights, not bytes
    TensorView view;                   // the bytes; of NVFP4: codes (Hugging Face) or blocks (GGUF)
    std::optional<TensorView> scales;  // NVFP4 of the Hugging Face layouts: E4M3, [out, in / 16]; FP8's
    float tensor_scale = 1;            // NVFP4
    std::uint64_t bytes = 0;           // in the source, scales and all
    std::uint32_t file = 0;            // which shard
    models::ScaleBlock scale_block;    // FP8: codes that share one of the scales
    // What it is when it is not quantized: FP8 codes lose their scales, and no format of theirs is written.
    [[nodiscard]] DType kept_as() const { return dtype == DType::f8_e4m3 ? DType::bf16 : dtype; }
};

// Reads a shard at a time: tensors are in the order of their bytes.
class Source {
  public:
    // Errors: not_found, corrupt, unsupported (quantized in a way other than NVFP4 or FP8 E4M3).
    static Result<Source> open(const fs::path& path);

    [[nodiscard]] const fs::path& path() const { return path_; }
    [[nodiscard]] bool is_gguf() const { return gguf_.has_value(); }
    [[nodiscard]] const formats::Gguf& gguf() const { return *gguf_; }
    [[nodiscard]] const std::vector<SourceTensor>& tensors() const { return tensors_; }
    [[nodiscard]] const Json& config() const { return config_; }  // config.json; null for GGUF
    // Tensors that mean nothing once FP8 is gone: scales of activations.
    [[nodiscard]] const std::vector<std::string>& left_out() const { return left_out_; }
    // Linears that share one tensor scale, by hf_name: those that the model's program puts into one fused
    // group. Errors: unsupported (an architecture without a program), corrupt.
    [[nodiscard]] Result<std::map<std::string, int>> fused_groups() const;
    // The files that the result depends on, with sizes and times: another answer means another source.
    [[nodiscard]] Result<Json> fingerprint() const;
    // The system may take back the memory that the tensor's file pages hold; they are read again when looked
    // at.
    void release(const SourceTensor& tensor) const;
    [[nodiscard]] std::vector<std::string> shard_names() const;  // of safetensors
    [[nodiscard]] const std::map<std::string, std::string>& metadata() const {
        return safetensors_->metadata();
    }

  private:
    Status read_safetensors();
    Status read_gguf();
    [[nodiscard]] Status refuse_other_quantization() const;
    Status add_nvfp4(const formats::SafetensorsEntry& codes, std::string_view module, bool reciprocal);
    Status add_fp8(const formats::SafetensorsEntry& codes, models::ScaleBlock configured);
    fs::path path_;
    std::optional<formats::Safetensors> safetensors_;
    std::optional<formats::Gguf> gguf_;
    Json config_;
    std::vector<SourceTensor> tensors_;
    std::vector<std::string> left_out_;
};

}  // namespace hearth::compress
