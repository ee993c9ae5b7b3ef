// models/model.h - a model ready to run: its program, its weights packed for the kernels, its tokenizer and
// template.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/pack.h"
#include "models/checkpoint.h"
#include "models/config.h"
#include "models/panel_cache.h"
#include "models/program.h"
#include "models/tokenizer_files.h"
#include "tensor/arena.h"

namespace hearth::models {

// One tensor of the program, loaded: a matrix for the kernels, a vector, or the embedding's rows in their
// file.
struct LoadedTensor {
    kernels::PackedMatrix matrix;   // rows > 0 when some linear reads it
    std::span<const float> vector;  // norms and biases
    TensorView rows;                // the embedding, as stored; its rows are decoded when looked up
    float rows_scale = 1;
    // Latent attention: a head's keys as [rank, nope], so that queries can take them in, and its values
    // [v_dim, rank].
    std::vector<kernels::PackedMatrix> key_heads, value_heads;
};

// A program and its weights: what an executor runs.
struct Network {
    Program program;
    std::vector<LoadedTensor> tensors;  // by TensorId
};

class Model : public Network {
  public:
    [[nodiscard]] const ModelConfig& config() const { return checkpoint.config(); }

    std::string name;       // the folder's or file's name, for APIs and reports
    Checkpoint checkpoint;  // keeps the files mapped
    PanelCache kept;        // keeps mapped the panels of an earlier start
    // Multi-token prediction, where it was asked for and the files have it. Head k makes of the hidden state
    // at p and token p + k + 1 the logits of token p + k + 2. Embedding and head are the model's own.
    std::vector<Network> draft_heads;
    Arena arena;                                  // what the packed weights live in
    std::optional<text::Tokenizer> tokenizer;     // absent in bare weights
    std::optional<LoadedTemplate> chat_template;  // absent in base models
    std::uint64_t weight_bytes = 0;  // as packed: what decoding one token reads, embedding rows aside

    [[nodiscard]] std::vector<NamedMatrix> matrices()
        const;  // its own that are packed, by names of their own
};

struct LoadOptions {
    bool need_tokenizer = true;  // false: weights alone will do (logits, bench)
    bool hidden_states = false;  // the last norm's output in place of logits (embeddings); no head is loaded
    bool draft_heads = false;    // multi-token prediction as well, where the files have it
    // Packed weights that an earlier start kept beside the model are used. Audits pack anew.
    bool use_kept_panels = false;
};

// Loads and packs a model. Errors: not_found, corrupt, unsupported, no_memory, each naming file and tensor.
Result<std::shared_ptr<const Model>> load_model(const fs::path& path, ThreadPool& pool,
                                                LoadOptions options = {});

// One row of the embedding as float32. `id` is inside the vocabulary.
void embedding_row(const LoadedTensor& embedding, std::int64_t id, std::span<float> out);

}  // namespace hearth::models
