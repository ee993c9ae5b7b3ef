// audit/engine_subject.cpp - joins engine, tokenizer and the facts of the files behind one Subject.
#include "audit/engine_subject.h"

#include <algorithm>
#include <boost/json.hpp>
#include <map>

#include "base/hash.h"
#include "engine/sampler.h"
#include "models/chat.h"

namespace hearth::audit {
namespace {

// One hash over the files with one of these endings, in name order: names and contents count.
Result<std::string> hash_of(const fs::path& path, const std::vector<std::string_view>& endings) {
    std::vector<fs::path> files;
    std::error_code error;
    if (fs::is_directory(path, error)) {
        for (const auto& entry : fs::directory_iterator(path, error))
            for (const std::string_view ending : endings)
                if (entry.path().filename().string().ends_with(ending)) files.push_back(entry.path());
        if (error) return fail(io_error(path, "cannot list", error.value()));
        std::sort(files.begin(), files.end());
    } else {
        files.push_back(path);
    }
    if (files.empty()) return std::string();
    std::string joined;
    for (const fs::path& file : files) {
        HEARTH_TRY(const MappedFile mapped, MappedFile::open(file));
        joined += file.filename().string() + "\n" + hash_hex(mapped.bytes()) + "\n";
    }
    return hash_hex(std::as_bytes(std::span(joined)));
}

// The type that holds most elements of the matrices, as people say it; the rest after it.
Result<std::string> format_of(const models::Model& model) {
    std::map<std::string, std::int64_t> elems;
    for (const models::TensorSpec& spec : model.program.tensors) {
        if (spec.shape.rank() != 2) continue;
        HEARTH_TRY(const auto source, model.checkpoint.linear(spec.name, spec.shape));
        elems[source.scales ? "NVFP4" : std::string(info(source.weight.dtype).name)] += spec.shape.n_elems();
    }
    std::vector<std::pair<std::int64_t, std::string>> order;
    for (const auto& [name, n] : elems) order.emplace_back(n, name);
    std::sort(order.rbegin(), order.rend());
    std::string out;
    for (const auto& entry : order) {
        std::string name = entry.second;
        for (char& c : name) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
        out += (out.empty() ? "" : ", ") + name;
    }
    return out;
}

Result<SubjectFacts> facts_of(const engine::Engine& engine, const std::string& name) {
    const models::Model& model = engine.model();
    SubjectFacts facts;
    facts.name = name;
    facts.architecture = model.config().architecture;
    for (const models::TensorSpec& spec : model.program.tensors)
        facts.parameters += static_cast<std::uint64_t>(spec.shape.n_elems());
    facts.file_bytes = model.checkpoint.file_bytes();
    HEARTH_TRY(facts.format, format_of(model));
    const fs::path& path = model.checkpoint.path();
    HEARTH_TRY(facts.weights_hash, hash_of(path, {".safetensors", ".gguf"}));
    if (!model.checkpoint.is_gguf()) {
        HEARTH_TRY(facts.tokenizer_hash, hash_of(path, {"tokenizer.json"}));
        HEARTH_TRY(facts.template_hash, hash_of(path, {"chat_template.jinja"}));
    }
    facts.kernels =
        fmt::format("{} kernels, {}, {} threads, {} sequences together, chunks of {}", engine.kernels_name(),
                    engine.options().exact ? "float32 activations" : "quantized activations",
                    engine.options().threads, engine.options().batch_max, engine.options().chunk_tokens);
    return facts;
}

class EngineSubject final : public Subject {
  public:
    EngineSubject(std::unique_ptr<engine::Engine> engine, SubjectFacts facts)
        : engine_(std::move(engine)), facts_(std::move(facts)) {}

    const SubjectFacts& facts() const override { return facts_; }
    int vocab() const override { return static_cast<int>(model().config().vocab); }
    int context_max() const override { return engine_->options().context_max; }

    int document_start() const override {
        const text::Tokenizer& tokenizer = *model().tokenizer;
        if (tokenizer.bos()) return *tokenizer.bos();
        if (model().config().bos_id >= 0) return model().config().bos_id;
        if (const auto end = tokenizer.find("<|endoftext|>")) return *end;
        return tokenizer.eos().value_or(-1);
    }

    Result<std::string> render(std::string_view question) override {
        const Json message = {{"role", "user"}, {"content", std::string(question)}};
        return models::render_chat(
            model(), {{"messages", boost::json::array{message}}, {"add_generation_prompt", true}});
    }

    Result<std::vector<int>> encode(std::string_view text, bool specials) override {
        return model().tokenizer->encode(text, {.parse_special = specials});
    }

    Status score(std::span<const int> ids, std::int64_t first, const LogitsSink& sink) override {
        return engine_->score(ids, sink, {.first_position = first});
    }

    Result<std::vector<std::vector<double>>> score_continuations(
        std::span<const int> prompt, std::span<const std::vector<int>> continuations) override {
        const auto chunk = static_cast<std::size_t>(engine_->options().chunk_tokens);
        const auto fits = [&](const std::vector<int>& ids) { return ids.size() <= chunk; };
        if (std::all_of(continuations.begin(), continuations.end(), fits))
            return engine_->score_continuations(prompt, continuations);
        // The engine takes a continuation in one step; one that is longer than a step is scored as a text.
        std::vector<std::vector<double>> out;
        for (const std::vector<int>& continuation : continuations) {
            std::vector<int> ids(prompt.begin(), prompt.end());
            ids.insert(ids.end(), continuation.begin(), continuation.end());
            std::vector<double>& scores = out.emplace_back();
            const auto first = static_cast<std::int64_t>(prompt.size()) - 1;
            HEARTH_TRY_STATUS(score(ids, first, [&](std::int64_t p, std::span<const float> logits) {
                if (scores.size() == continuation.size()) return;
                const int id = ids[static_cast<std::size_t>(p) + 1];
                scores.push_back(static_cast<double>(logits[static_cast<std::size_t>(id)]) -
                                 engine::log_sum_exp(logits));
            }));
        }
        return out;
    }

    // Keeps the engine's batch full and its queue short, whatever the number of prompts.
    Result<std::vector<Answer>> generate(std::span<const std::vector<int>> prompts, int new_tokens_max,
                                         const std::function<void()>& finished) override {
        std::vector<Answer> answers(prompts.size());
        std::size_t submitted = 0, done = 0;
        Status fault;
        const auto in_flight_max = 2 * static_cast<std::size_t>(engine_->options().batch_max);
        while (done < prompts.size()) {
            while (submitted < prompts.size() && submitted - done < in_flight_max) {
                engine::Request request;
                request.prompt = prompts[submitted];
                request.new_tokens_max = new_tokens_max;
                const auto take = [&, i = submitted](Result<engine::Completion> completion) {
                    ++done;
                    if (!completion) {
                        fault = fail(completion.error());
                        return;
                    }
                    answers[i] = {std::move(completion->ids), std::move(completion->text),
                                  completion->reason == engine::StopReason::stop};
                    if (finished) finished();
                };
                HEARTH_TRY_STATUS(engine_->submit(std::move(request), take));
                ++submitted;
            }
            HEARTH_TRY_STATUS(engine_->step());
            HEARTH_TRY_STATUS(fault);
        }
        return answers;
    }

  private:
    [[nodiscard]] const models::Model& model() const { return engine_->model(); }
    std::unique_ptr<engine::Engine> engine_;
    SubjectFacts facts_;
};

}  // namespace

Result<std::unique_ptr<Subject>> make_subject(std::unique_ptr<engine::Engine> engine,
                                              const std::string& name) {
    const models::Model& model = engine->model();
    if (!model.tokenizer) return fail(Fault::unsupported, "{}: expected a tokenizer, saw none", name);
    if (!model.chat_template)
        return fail(Fault::unsupported, "{}: expected a chat template, which tasks are put through, saw none",
                    name);
    HEARTH_TRY(SubjectFacts facts, facts_of(*engine, name));
    return std::make_unique<EngineSubject>(std::move(engine), std::move(facts));
}

Result<std::unique_ptr<Subject>> open_subject(const fs::path& path, const std::string& name,
                                              engine::EngineOptions options) {
    options.exact = true;
    ThreadPool pool({.threads = options.threads});
    HEARTH_TRY(const auto model, models::load_model(path, pool));
    HEARTH_TRY(auto engine, engine::Engine::open(model, options));
    return make_subject(std::move(engine), name);
}

}  // namespace hearth::audit
