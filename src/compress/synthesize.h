// compress/synthesize.h - a model of any shape and type with random weights, for benchmarks and tests that
// need sizes, not sense. The bytes depend on shape, type and seed alone.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/file.h"
#include "base/json.h"
#include "compress/quantize.h"
#include "models/fp8_scales.h"
#include "tensor/dtype.h"

namespace hearth::compress {

struct SynthesisOptions {
    Json config;       // config.json: llama, qwen3 or qwen3_moe
    std::string name;  // general.name
    fs::path target;   // FILE.gguf, or a folder
    OutFormat out_format = OutFormat::gguf;
    DType type = DType::nvfp4;           // of the linears
    DType embedding_type = DType::bf16;  // of the embedding and of a head that is tied to it
    DType head_type = DType::bf16;       // of a head of its own
    // FP8 in a folder: rows and columns that share a scale; 0 columns: whole rows. Nothing: one scale a
    // matrix.
    std::optional<models::ScaleBlock> scale_block;
    std::uint64_t seed = 0;
    bool replace = false;
    int threads = 0;
    // Bytes done, of how many, and the tensor at hand.
    std::function<void(std::uint64_t done, std::uint64_t total, std::string_view name)> on_progress;
};

struct Synthesis {
    std::string target, architecture;
    std::uint64_t parameters = 0, tensors = 0, bytes = 0;  // bytes: of the tensors
    double seconds = 0;
    [[nodiscard]] double bits_per_weight() const {
        return parameters == 0 ? 0 : 8 * static_cast<double>(bytes) / static_cast<double>(parameters);
    }
};

// Linears are drawn from N(0, 0.02^2), as models are initialised, norms from N(1, 0.05^2). A quantized linear
// is made of blocks drawn from a bank of several thousand, each the reference encoding of such weights:
// seconds, not minutes, and what a reader decodes has the natural spread. A linear whose rows are no whole
// blocks stays BF16. Memory is a fixed few MB. Errors: usage (a type that the container lacks, an existing
// target), corrupt, unsupported, disk_full, io.
Result<Synthesis> synthesize(const SynthesisOptions& options);

}  // namespace hearth::compress
