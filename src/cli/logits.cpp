// cli/logits.cpp - hearth logits MODEL --ids FILE.json --out FILE.npy: the engine's numbers, for checks from
// outside.
#include <boost/json.hpp>

#include "base/terminal.h"
#include "cli/command.h"
#include "cli/engine_flags.h"
#include "cli/input.h"
#include "engine/engine.h"
#include "formats/npy.h"
#include "hub/default_model.h"
#include "models/model.h"

namespace hearth::cli {
namespace {

struct Options {
    std::string model, ids, out;
    std::int64_t prefill = -1;
    int chunk = 256, draft_head = 0;
    bool exact = true;
    std::optional<kernels::KvType> kv;
};

Result<int> run(const Options& options, const GlobalOptions& global) {
    HEARTH_TRY(const std::vector<int> ids, read_ids(options.ids));
    const auto n_tokens = static_cast<std::int64_t>(ids.size());
    if (options.prefill > n_tokens)
        return fail(Fault::out_of_range, "--prefill: expected 0 to {} tokens, saw {}", n_tokens,
                    options.prefill);
    ThreadPool pool({.threads = global.threads});
    HEARTH_TRY(const fs::path path, hub::find_model(options.model));
    HEARTH_TRY(
        const auto model,
        models::load_model(path, pool, {.need_tokenizer = false, .draft_heads = options.draft_head > 0}));
    if (options.draft_head > 0 && options.draft_head >= n_tokens)
        return fail(Fault::out_of_range,
                    "--mtp: expected a head whose next token is in the text of {}, saw {}", n_tokens,
                    options.draft_head);
    const std::int64_t n_rows = n_tokens - options.draft_head;
    HEARTH_TRY(const auto engine, engine::Engine::open(model, {.threads = global.threads,
                                                               .batch_max = 1,
                                                               .chunk_tokens = options.chunk,
                                                               .context_max = static_cast<int>(n_tokens),
                                                               .exact = options.exact,
                                                               .kv = options.kv}));
    HEARTH_TRY(formats::NpyWriter file,
               formats::NpyWriter::create(options.out, n_rows, model->program.output_width()));
    Status written;
    Progress progress("logits", static_cast<std::uint64_t>(n_rows), "tokens");
    const std::int64_t prefill = options.prefill < 0 ? n_tokens : options.prefill;
    HEARTH_TRY_STATUS(
        engine->score(ids,
                      [&](std::int64_t, std::span<const float> logits) {
                          if (written) written = file.append(logits);
                          progress.advance(1);
                      },
                      {.first_position = 0, .prefill_tokens = prefill, .draft_head = options.draft_head}));
    HEARTH_TRY_STATUS(written);
    HEARTH_TRY_STATUS(file.commit());
    if (global.json) {
        HEARTH_TRY_STATUS(print_json({{"out", options.out},
                                      {"n_tokens", n_tokens},
                                      {"rows", n_rows},
                                      {"mtp", options.draft_head},
                                      {"vocab", model->program.output_width()},
                                      {"prefill", prefill},
                                      {"exact", options.exact},
                                      {"kernels", engine->kernels_name()}}));
    } else {
        HEARTH_TRY_STATUS(print(
            fmt::format("{}: float32 [{}, {}], {} tokens as a prompt, {} decoded one by one\n", options.out,
                        n_rows, model->program.output_width(), prefill, n_tokens - prefill)));
    }
    return 0;
}

Action setup(CLI::App& app, const GlobalOptions& global) {
    auto options = std::make_shared<Options>();
    app.add_option("MODEL", options->model, "a model folder or a .gguf file")->required();
    app.add_option("--ids", options->ids, "token ids: a JSON file that holds a list")->required();
    app.add_option("--out", options->out, "where to write float32 [n_tokens, vocab] as .npy")->required();
    app.add_option("--prefill", options->prefill,
                   "the first N tokens as a prompt, the rest decoded one by one (default: all)")
        ->check(CLI::NonNegativeNumber);
    app.add_option("--chunk", options->chunk, "prompt tokens evaluated together")
        ->check(CLI::Range(1, 65536));
    app.add_option("--mtp", options->draft_head,
                   "of the K-th multi-token-prediction head: row p predicts token p + 1 + K, and the last K "
                   "tokens have no row")
        ->check(CLI::Range(1, 64));
    add_kv_flag(app, options->kv);
    app.add_flag(
        "--exact,!--fast", options->exact,
        "float32 activations for every format (the default), or quantized ones as run and serve use");
    return [options, &global] { return run(*options, global); };
}

}  // namespace

const Command kLogits = {"logits", "logits of given tokens as a .npy file, for checks from outside", setup};

}  // namespace hearth::cli
