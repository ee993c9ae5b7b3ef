// compress/quantize.h - a model into a smaller type, tensor by tensor: memory for the largest tensor, not the
// model.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "compress/target_type.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

namespace hearth::compress {

enum class OutFormat {
    hf,    // a folder: safetensors in ModelOpt's layout, configs and tokenizer beside them (NVFP4 alone)
    gguf,  // one file
};

struct Options {
    fs::path source;  // a folder with config.json and safetensors, or a .gguf file (for GGUF output)
    fs::path target;
    DType type = DType::nvfp4;  // one of target_types()
    bool mix = false;           // q4_k alone: the mix Q4_K_M, head and embedding included
    OutFormat out_format = OutFormat::hf;
    bool replace = false;           // an existing target
    int threads = 0;                // 0: the cores this process may use
    std::vector<std::string> keep;  // further globs over tensor names that stay as they are
    // Source bytes done, of how many, and the tensor at hand.
    std::function<void(std::uint64_t done, std::uint64_t total, std::string_view name)> on_progress;
};

struct TensorRecord {
    std::string name;  // as the target spells it
    Shape shape;       // of the weights
    DType from, to;
    std::uint64_t bytes_before = 0, bytes_after = 0;
    double relative_rmse = 0;  // root of sum (w - q)^2 / sum w^2; 0 for tensors that were copied
    std::string kept_because;  // empty when it was quantized; FP8 that is kept becomes BF16
};

struct Report {
    std::string source, target;
    std::string type;  // as --type takes it
    OutFormat out_format = OutFormat::hf;
    std::vector<TensorRecord> tensors;                // in the order of the target
    std::vector<std::string> left_out;                // source tensors that the target has no place for
    std::uint64_t bytes_before = 0, bytes_after = 0;  // of the tensors
    std::size_t resumed_tensors = 0;  // quantized by an earlier run that was interrupted, and kept
    double seconds = 0;
    [[nodiscard]] double bits_per_weight() const;            // of everything
    [[nodiscard]] double bits_per_quantized_weight() const;  // of what was quantized
};

// The target appears whole or not at all. A run that was killed leaves its beginning in
// `<target>.partial-resumed` and a journal; the next with the same source and recipe goes on there and writes
// the same bytes. A record of every tensor goes with it: hearth_quantization.json in the folder, or
// <target>.hearth_quantization.json beside the file. Errors: usage, not_found, corrupt, unsupported, busy
// (another process writes this target), disk_full, io.
Result<Report> quantize(const Options& options);

Json to_json_value(const Report& report);

}  // namespace hearth::compress
