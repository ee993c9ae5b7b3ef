// cli/serve.cpp - hearth serve MODEL: the OpenAI API on this machine.
#include <boost/json.hpp>
#include <ctime>

#include "base/hash.h"
#include "base/log.h"
#include "base/terminal.h"
#include "cli/engine_flags.h"
#include "cli/panel_keeper.h"
#include "cli/serving.h"
#include "engine/engine.h"
#include "hub/default_model.h"
#include "models/chat.h"
#include "server/service.h"

namespace hearth::cli {
namespace {

constexpr std::uint64_t kKeyFileBytesMax = 1 << 20;

Result<std::vector<std::string>> api_keys(const ServeOptions& options) {
    std::vector<std::string> keys;
    if (!options.api_key.empty()) {
        HEARTH_TRY(keys, server::read_api_keys(options.api_key, "--api-key"));
    }
    if (!options.api_key_file.empty()) {
        HEARTH_TRY(const std::string text, read_text(options.api_key_file, kKeyFileBytesMax));
        HEARTH_TRY(const auto more, server::read_api_keys(text, options.api_key_file));
        keys.insert(keys.end(), more.begin(), more.end());
    }
    return keys;
}

// Changes with the program, the model's shape and how its weights are packed. Two fine-tunes of one shape
// share it, unless their names or sizes differ.
std::string fingerprint(const models::Model& model) {
    const std::string text =
        fmt::format("{} {} {} {} {}", HEARTH_VERSION, model.name, model.config().architecture,
                    model.checkpoint.file_bytes(), model.weight_bytes);
    return "fp_" + hash_hex(std::as_bytes(std::span(text))).substr(0, 12);
}

Status say_ready(const ServeOptions& options, const server::Service& service,
                 const server::openai::ServedModel& served, const engine::Engine& engine, bool with_key,
                 bool json) {
    const bool v6 = options.host.find(':') != std::string::npos;
    const std::string url =
        fmt::format("http://{}:{}/v1", v6 ? "[" + options.host + "]" : options.host, service.port());
    if (json)
        return print(to_json({{"ready", true},
                              {"url", url},
                              {"model", served.id},
                              {"port", service.port()},
                              {"context", served.context_max},
                              {"batch", engine.options().batch_max},
                              {"threads", engine.options().threads},
                              {"kv_bytes", engine.kv_bytes()}}) +
                     "\n");
    return print(
        fmt::format("Serving {} at {} ({} tokens of context, {} answers at once). Try:\n"
                    "  curl {}/chat/completions {}-d '{{\"messages\": [{{\"role\": \"user\", \"content\": "
                    "\"Hello\"}}]}}'\n",
                    tinted(served.id, Tint::bold), tinted(url, Tint::bold), served.context_max,
                    engine.options().batch_max, url, with_key ? "-H \"Authorization: Bearer $KEY\" " : ""));
}

}  // namespace

Result<int> serve(const ServeOptions& options, const GlobalOptions& global) {
    // What can be wrong on the command line is found before a model is loaded.
    HEARTH_TRY(auto keys, api_keys(options));
    HEARTH_TRY(const auto address, server::resolve_listen_address(options.host));
    if (!address.loopback && keys.empty()) return fail(server::key_needed(options.host));
    HEARTH_TRY(const fs::path path, hub::find_model(options.model));
    std::shared_ptr<const models::Model> model;
    {
        ThreadPool pool({.threads = global.threads});
        HEARTH_TRY(model, models::load_model(path, pool, {.use_kept_panels = !options.no_panel_cache}));
    }
    if (!model->chat_template)
        return fail(Fault::unsupported, "{}: expected a chat template, which the chat API needs, saw none",
                    path.string());
    HEARTH_TRY(const auto engine, engine::Engine::open(model, {.threads = global.threads,
                                                               .batch_max = options.batch,
                                                               .context_max = options.context,
                                                               .exact = options.exact,
                                                               .kv = options.kv,
                                                               .prefixes_max = options.prefixes}));
    const std::string& template_source = model->chat_template->chat_template.source();
    const models::Prompter prompter(*model->tokenizer, *model->chat_template);
    server::openai::ServedModel served;
    served.id = options.alias.empty() ? model->name : options.alias;
    served.fingerprint = fingerprint(*model);
    served.created = static_cast<std::int64_t>(std::time(nullptr));
    served.vocab = static_cast<int>(model->config().vocab);
    served.context_max = engine->options().context_max;
    served.prompter = &prompter;
    served.answer_format = text::answer_format(template_source, &*model->tokenizer);

    server::ServiceOptions service_options;
    service_options.http.host = options.host;
    service_options.http.port = static_cast<std::uint16_t>(options.port);
    service_options.http.stop_on_signals = true;
    service_options.http.drain_time = std::chrono::seconds(options.drain_seconds);
    service_options.api_keys = std::move(keys);
    service_options.engine = {.running_max = engine->options().batch_max,
                              .waiting_max = static_cast<std::size_t>(options.queue)};
    const bool with_key = !service_options.api_keys.empty();
    if (!options.quiet) log::set_level(log::Level::info);
    HEARTH_TRY(const auto service,
               server::Service::open(served, server::stepper_of(*engine), std::move(service_options)));
    HEARTH_TRY_STATUS(say_ready(options, *service, served, *engine, with_key, global.json));
    std::optional<PanelKeeper> keeper;
    if (!options.no_panel_cache) keeper.emplace(model);
    service->run();
    return 0;
}

void add_serve_flags(CLI::App& app, ServeOptions& options) {
    app.add_option("--host", options.host, "the address to listen on; beyond loopback a key is needed")
        ->capture_default_str();
    app.add_option("--port", options.port, "0: any free one")
        ->check(CLI::Range(0, 65535))
        ->capture_default_str();
    app.add_option("--api-key", options.api_key, "the key that clients must send")->envname("HEARTH_API_KEY");
    app.add_option("--api-key-file", options.api_key_file, "a file of keys, one a line");
    app.add_option("--alias", options.alias, "the model's name in the API (default: its folder's or file's)");
    app.add_option("--batch", options.batch, "answers decoded together")
        ->check(CLI::Range(1, 1024))
        ->capture_default_str();
    app.add_option("--context", options.context,
                   "tokens of prompt and answer together (default: the model's)")
        ->check(CLI::Range(1, 1 << 26));
    add_engine_flags(app, options.exact, options.kv);
    app.add_option("--prefixes", options.prefixes,
                   "ended answers kept for prompts that begin alike, while memory lasts; 0: none")
        ->check(CLI::Range(0, 65'536))
        ->capture_default_str();
    app.add_flag(kNoPanelCache, options.no_panel_cache, kNoPanelCacheHelp);
    app.add_option("--queue", options.queue, "answers that may wait; more get 429")
        ->check(CLI::Range(0, 100'000))
        ->capture_default_str();
    app.add_option("--drain", options.drain_seconds,
                   "seconds that running answers have when the server stops")
        ->check(CLI::Range(0, 3600))
        ->capture_default_str();
    app.add_flag("--quiet", options.quiet, "no access log");
}

namespace {

Action setup(CLI::App& app, const GlobalOptions& global) {
    auto options = std::make_shared<ServeOptions>();
    app.add_option("MODEL", options->model, "a model folder, a .gguf file, or ember (the default)");
    add_serve_flags(app, *options);
    return [options, &global] { return serve(*options, global); };
}

}  // namespace

const Command kServe = {"serve", "answer the OpenAI API", setup};

}  // namespace hearth::cli
