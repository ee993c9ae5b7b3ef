// models/embedder.h - how hidden states become an embedding: pooling, dense layers, unit length. Read from
// the files that sentence-transformers keeps beside a model, or from GGUF.
#pragma once

#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "models/config.h"

namespace hearth::models {

struct Embedder {
    enum class Pooling { mean, first, last } pooling = Pooling::mean;
    struct Dense {
        std::int64_t rows = 0, cols = 0;
        std::vector<float> weight, bias;  // [rows, cols], [rows] or empty
    };
    std::vector<Dense> dense;
    bool normalize = true;
    [[nodiscard]] Result<std::vector<float>> finish(std::vector<float> pooled) const;
};

// modules.json and the folders it names, or of a GGUF file its pooling_type and tensors dense_2 and dense_3;
// where they say nothing: the mean where all positions see each other, else the last, and unit length.
// Errors: corrupt, unsupported (a pooling or activation that is not known).
Result<Embedder> load_embedder(const fs::path& model, const ModelConfig& config);

}  // namespace hearth::models
