// models/config.h - what a model's config says, in one shape for every family and container.
// Sources: transformers' config.json (both spellings of RoPE) and GGUF's <arch>.* keys.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "formats/gguf.h"
#include "models/fp8_scales.h"

namespace hearth::models {

struct RopeConfig {
    // proportional: all pairs, but only the first `partial` of them at a frequency above zero (Gemma 4).
    enum class Scaling { none, linear, llama3, yarn, proportional };
    double theta = 10000;
    double partial = 1;  // share of a head's dimensions that rotate, the first ones
    Scaling scaling = Scaling::none;
    double factor = 1;                                 // linear, llama3, yarn
    double low_freq_factor = 1, high_freq_factor = 4;  // llama3
    double original_context = 8192;                    // llama3, yarn
    double beta_fast = 32, beta_slow = 1;              // yarn
    bool truncate = true;                              // yarn: whole dimensions at the ramp's ends
    double mscale_all_dim = 0;                         // yarn: latent attention's scores grow by its square
    double attention_factor = 1;                       // yarn: multiplies cosine and sine
    // Per pair, empty: none: GGUF's rope_freqs.weight or LongRoPE's short factors; and LongRoPE's long ones,
    // for contexts beyond the original.
    std::vector<float> frequency_divisors = {}, long_divisors = {};
};

// How a token picks experts.
struct RouterConfig {
    enum class Scoring { softmax, sigmoid, softmax_of_chosen } scoring = Scoring::softmax;
    int n_experts = 0, top_k = 0;
    bool renormalise = false;  // weights of the chosen sum to one
    double epsilon = 0;        // added to that sum
    double scale = 1;          // multiplies the weights
    int n_groups = 1, groups_kept = 1;
};

struct ModelConfig {
    std::string architecture;  // our name, a row of arch/list.def: "qwen3"
    std::int64_t vocab = 0, d_model = 0, d_ff = 0, context_max = 0;
    int n_layers = 0, n_heads = 0, n_kv_heads = 0, head_dim = 0;
    double rms_eps = 1e-6;
    float norm_plus = 0;  // added to norm weights when they are loaded: 1 where files hold w of (1 + w)
    RopeConfig rope;
    std::optional<RopeConfig> local_rope = {};  // of layers with a window, where it differs
    bool tied_embeddings = false;               // the head is the embedding matrix
    bool attention_bias = false;                // q, k, v
    bool output_bias = false;                   // o
    bool mlp_bias = false;
    // Layers that look back only over `window` positions.
    int window = 0;
    std::vector<bool> sliding;  // by layer; empty: none
    [[nodiscard]] int window_of(int layer) const {
        return !sliding.empty() && sliding[static_cast<std::size_t>(layer)] ? window : 0;
    }
    int full_head_dim = 0, full_kv_heads = 0;  // of layers without a window, where they differ
    int sliding_heads = 0;                     // of queries in layers with a window, where they differ
    std::vector<float> expert_limits = {}, mlp_limits = {};  // by layer: clamps of activations; empty: none
    double query_scale = 0;                                  // of attention scores; 0: head_dim^-0.5
    double embedding_scale = 1, final_softcap = 0;
    // Gemma 4: width of what each layer is told about the token, layers at the end that read earlier ones'
    // keys and values, whether those have MLPs twice as wide, and whether full layers take their values from
    // their keys.
    std::int64_t per_layer_width = 0, per_layer_vocab = 0;
    int n_shared_kv_layers = 0;
    bool wide_shared_mlp = false, values_are_keys = false;
    // Layers with a recurrent state in place of keys and values (Qwen3-Next, Qwen3.5).
    struct LinearAttention {
        int k_heads = 0, v_heads = 0, k_dim = 0, v_dim = 0, taps = 0;
        bool tiled = false, decay_is_ready = false;  // as GGUF files hold them
        // Qwen3-Next: rows of queries, keys, values and gates, and of rates, stand by key head in one matrix.
        bool grouped = false, grouped_rates = false;
        std::vector<bool> layers = {};  // which
    } linear;
    struct Latent {  // DeepSeek: widths of latent attention
        int q_rank = 0, kv_rank = 0, nope = 0, rope = 0, v_dim = 0;
        bool split = false;  // GGUF: matrices of keys, turned, and of values apart
    } latent;
    struct Indexer {  // DeepSeek sparse attention: which positions a query may see
        int n_heads = 0, head_dim = 0, top_k = 0;
        std::vector<bool> layers = {};  // which choose; the others see what the last of these chose
    } indexer;
    bool rope_interleaved = false;                        // pairs (2i, 2i + 1)
    bool qk_norm = false;                                 // where the family leaves it to the config
    double query_scale_beta = 0, query_scale_period = 1;  // Ministral 3
    // Mixture of experts.
    RouterConfig router;
    std::int64_t expert_d_ff = 0, shared_expert_d_ff = 0;
    float expert_limit = 0;  // clamps inside an expert's activation; 0: none
    bool experts_interleaved =
        false;                 // gpt-oss in safetensors: stacks [E, in, out], gate and up rows by turns
    std::vector<bool> sparse;  // by layer; empty: none
    [[nodiscard]] bool is_sparse(int layer) const {
        return !sparse.empty() && sparse[static_cast<std::size_t>(layer)];
    }
    // Layers of multi-token prediction that the files hold after the others; lists by layer go on over them.
    int n_draft_layers = 0;
    bool draft_own_heads = false;   // each has a head of its own, else the model's
    bool bidirectional = false;     // every position sees every other, within windows on both sides
    bool gated_mlp = true;          // where the family leaves it to the config
    bool gelu_tanh = false;         // GELU by its tanh, where the family leaves it to the config
    bool headless = false;          // rows give hidden states, not logits
    bool norm_bias = false;         // of layer norms, where the family leaves it to the config
    std::int64_t type_vocab = 0;    // BERT: rows of the table of token types; text alone has type 0
    bool has_other_towers = false;  // a vision or audio part that is left aside
    std::vector<int> eos_ids;       // tokens that end an answer, from every file that names some
    int bos_id = -1;
    // The text of quantization_config in config.json or hf_quant_config.json; empty when there is none.
    std::string quantization_method;
    ScaleBlock scale_block;  // of FP8 with scales of blocks

    [[nodiscard]] std::int64_t q_width() const { return std::int64_t{n_heads} * head_dim; }
    [[nodiscard]] std::int64_t kv_width() const { return std::int64_t{n_kv_heads} * head_dim; }
};

// Errors: corrupt, out_of_range, unsupported - each with the place.
Result<ModelConfig> read_hf_config(const Json& config, const std::string& where);
Result<ModelConfig> read_gguf_config(const formats::Gguf& file, const std::string& where);

// Adds the end tokens that `eos_token_id` of a config names (a number or a list) and that are not there yet.
Status add_eos_ids(const JsonCursor& config, ModelConfig& to);

// Angular frequency of each pair of dimensions, scaling applied, float32 as transformers has it: half of the
// dimensions that rotate. `context`: positions that a text may reach. LongRoPE has one set of frequencies for
// texts within the original context and one for longer ones; keys that are kept cannot change theirs, so an
// engine takes one for good, as others do.
std::vector<float> rope_frequencies(const RopeConfig& rope, int head_dim, std::int64_t context);
// Pairs of a head's dimensions that rotate.
[[nodiscard]] inline int rotary_pairs(const RopeConfig& rope, int head_dim) {
    if (rope.scaling == RopeConfig::Scaling::proportional) return head_dim / 2;
    return (static_cast<int>(head_dim * rope.partial) + 1) / 2;
}

}  // namespace hearth::models
