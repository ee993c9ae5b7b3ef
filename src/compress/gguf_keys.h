// compress/gguf_keys.h - a Hugging Face model's config and tokenizer as GGUF keys.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "formats/gguf.h"

namespace hearth::compress {

struct GgufModel {
    std::string architecture;  // "llama", "qwen3"
    std::int64_t head_dim = 0;
    std::vector<formats::GgufPair> pairs;  // general.* and <architecture>.*
    std::vector<float> rope_divisors;      // of llama3 scaling, for rope_freqs.weight; else empty
};

// Errors: unsupported (an architecture or RoPE scaling without a mapping), corrupt, out_of_range.
Result<GgufModel> gguf_model(const Json& config, const std::string& where, std::string_view model_name);

// tokenizer.* keys from tokenizer.json, tokenizer_config.json, generation_config.json and
// chat_template.jinja. Errors: not_found, corrupt, unsupported (a tokenizer that is no byte-level BPE).
Result<std::vector<formats::GgufPair>> gguf_vocabulary(const fs::path& folder, const Json& config);

}  // namespace hearth::compress
