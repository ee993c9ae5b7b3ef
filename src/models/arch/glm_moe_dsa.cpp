// models/arch/glm_moe_dsa.cpp - GLM-5: latent attention over the positions that an indexer chooses, experts
// as in GLM-4.5. Source: transformers, models/glm_moe_dsa/modeling_glm_moe_dsa.py.
#include <algorithm>

#include "models/architecture.h"
#include "models/blocks.h"

namespace hearth::models {
namespace {

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
    if (!spec.layers.front() || c.latent.q_rank == 0 || spec.head_dim < c.latent.rope)
        return fail(
            Fault::out_of_range,
            "{}: expected a first layer that chooses positions, queries with a latent, and indexer heads at "
            "least as wide as what rotates, saw {} and {}",
            config.where(), spec.head_dim, c.latent.rope);
    return {};
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
const Architecture k_glm_moe_dsa = {.name = "glm_moe_dsa",
                                    .hf_class = "GlmMoeDsaForCausalLM",
                                    .model_types = "glm_moe_dsa",
                                    .eps_default = 1e-5,
                                    .read_hf = read_hf,
                                    .build = build,
                                    .notes = "GLM-5: latent attention, absorbed, and its sparse indexer"};

}  // namespace hearth::models
