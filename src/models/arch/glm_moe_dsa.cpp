// models/arch/glm_moe_dsa.cpp - GLM-5: latent attention over the positions that an indexer chooses, experts
// as in GLM-4.5. Source: transformers, models/glm_moe_dsa/modeling_glm_moe_dsa.py.
#include <algorithm>

#include "models/arch/latent_modules.h"
#include "models/architecture.h"
#include "models/blocks.h"

namespace hearth::models {
namespace {

Status check_indexer(const ModelConfig& c, const std::string& where) {
    const ModelConfig::Indexer& spec = c.indexer;
    if (spec.layers.front() && c.latent.q_rank > 0 && spec.head_dim >= c.latent.rope) return {};
    return fail(
        Fault::out_of_range,
        "{}: expected a first layer that chooses positions, queries with a latent, and indexer heads at "
        "least as wide as what rotates, saw {} and {}",
        where, spec.head_dim, c.latent.rope);
}

// Which layers choose: a list, a pattern of F and S, or every so many layers.
Status read_indexer(const JsonCursor& config, ModelConfig& c) {
    ModelConfig::Indexer& spec = c.indexer;
    HEARTH_TRY(spec.n_heads, read_count(config, "index_n_heads", 32, kHeadsMax));
    HEARTH_TRY(spec.head_dim, read_count(config, "index_head_dim", 128, kHeadDimMax));
    HEARTH_TRY(spec.top_k, read_count(config, "index_topk", 2048, static_cast<int>(kContextMax)));
    HEARTH_TRY(const int every, read_count(config, "index_topk_freq", 1, kLayersMax));
    HEARTH_TRY(const std::int64_t skip, config.integer_or("index_skip_topk_offset", 2, 0, kLayersMax));
    HEARTH_TRY(const std::string pattern, config.string_or("index_topk_pattern", ""));
    for (int i = 0; i < c.n_layers; ++i) {
        const auto at = static_cast<std::size_t>(i);
        spec.layers.push_back(at < pattern.size() ? pattern[at] == 'F'
                                                  : std::max<std::int64_t>(i - skip + 1, 0) % every == 0);
    }
    if (const auto types = config.find("indexer_types")) {
        HEARTH_TRY(const std::size_t n, types->array_size());
        for (std::size_t i = 0; i < std::min(n, spec.layers.size()); ++i) {
            HEARTH_TRY(const JsonCursor type, types->at(i));
            HEARTH_TRY(const std::string text, type.string());
            spec.layers[i] = text == "full";
        }
    }
    return check_indexer(c, config.where());
}

Status read_gguf(const GgufKeys& keys, ModelConfig& c) {
    HEARTH_TRY_STATUS(read_gguf_latent(keys, c));
    ModelConfig::Indexer& spec = c.indexer;
    HEARTH_TRY(const std::int64_t n_heads, keys.integer("attention.indexer.head_count", kHeadsMax));
    HEARTH_TRY(const std::int64_t head_dim, keys.integer("attention.indexer.key_length", kHeadDimMax));
    HEARTH_TRY(const std::int64_t top_k, keys.integer("attention.indexer.top_k", kContextMax));
    spec.n_heads = static_cast<int>(n_heads);
    spec.head_dim = static_cast<int>(head_dim);
    spec.top_k = static_cast<int>(top_k);
    for (int i = 0; i < c.n_layers; ++i)
        spec.layers.push_back(keys.has_tensor(fmt::format("blk.{}.indexer.proj.weight", i)));
    return check_indexer(c, keys.where());
}

Status read_hf(const JsonCursor& config, ModelConfig& c) {
    HEARTH_TRY_STATUS(
        read_hf_latent(config, c, {.q_rank = 2048, .kv_rank = 512, .nope = 192, .rope = 64, .v_dim = 256}));
    c.rope_interleaved = true;
    HEARTH_TRY_STATUS(read_sigmoid_router(config, c, {}));
    return read_indexer(config, c);
}

void layer(ProgramBuilder& b, const ModelConfig& c, ValueId x) {
    latent_block(b, c, x);
    feed_forward_with_shared(b, c, x);
}

Program build(const ModelConfig& c) { return decoder(c, layer); }

}  // namespace

extern const Architecture k_glm_moe_dsa;
const Architecture k_glm_moe_dsa = {
    .name = "glm_moe_dsa",
    .hf_class = "GlmMoeDsaForCausalLM",
    .model_types = "glm_moe_dsa",
    .gguf_names = "glm-dsa",
    .eps_default = 1e-5,
    .read_hf = read_hf,
    .read_gguf = read_gguf,
    .gguf_modules = kLatentModules,
    .build = build,
    .draft_layer = layer,
    .notes = "GLM-5: latent attention, absorbed, and its sparse indexer; multi-token prediction"};

}  // namespace hearth::models
