// cli/run.cpp - hearth run MODEL [PROMPT]: one answer, or a chat with history.
#include <editline/readline.h>
#include <unistd.h>

#include <atomic>
#include <boost/json.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <iterator>

#include "base/terminal.h"
#include "cli/command.h"
#include "cli/engine_flags.h"
#include "cli/panel_keeper.h"
#include "cli/sampling_flags.h"
#include "engine/engine.h"
#include "hub/default_model.h"
#include "models/chat.h"
#include "text/tool_calls.h"

namespace hearth::cli {
namespace {

struct Options {
    std::string model, system, tools_file;
    Json tools;  // of tools_file, or null
    std::vector<std::string> prompt;
    engine::SamplingParams sampling;
    std::vector<std::string> stop;
    int tokens_max = 512, context = 0;
    bool exact = false;
    std::optional<kernels::KvType> kv;
    bool raw = false, no_panel_cache = false;
};

// Ctrl-C ends the answer, not the program; a second one at the prompt ends the chat.
std::atomic<bool> interrupted{false};
void on_interrupt(int) { interrupted = true; }

boost::json::array calls_json(const std::vector<text::ToolCall>& calls) {
    boost::json::array out;
    for (const text::ToolCall& call : calls) {
        // Templates print arguments themselves, so they get the value.
        const auto arguments = parse_json(call.arguments, "arguments");
        out.push_back({{"type", "function"},
                       {"function", {{"name", call.name}, {"arguments", arguments.value_or(Json())}}}});
    }
    return out;
}

class Chat {
  public:
    Chat(engine::Engine& engine, const Options& options, bool stream)
        : engine_(engine),
          options_(options),
          stream_(stream),
          plain_(options.raw || !engine.model().chat_template) {
        if (!plain_) {
            format_ = text::answer_format(engine.model().chat_template->chat_template.source(),
                                          &*engine.model().tokenizer);
            prompter_.emplace(*engine.model().tokenizer, *engine.model().chat_template);
        }
        if (!options.system.empty()) messages_.push_back({{"role", "system"}, {"content", options.system}});
    }

    // What was answered last, in parts.
    [[nodiscard]] const text::Answer& parts() const { return parts_; }

    Result<engine::Completion> answer(const std::string& text) {
        const std::size_t before = messages_.size();
        messages_.push_back({{"role", "user"}, {"content", text}});
        auto completion = generate(text);
        if (!completion) {
            messages_.resize(before);  // a message that could not be answered is not history
            return completion;
        }
        boost::json::object turn = {{"role", "assistant"}, {"content", parts_.content}};
        if (!parts_.reasoning.empty()) turn["reasoning_content"] = parts_.reasoning;
        if (!parts_.calls.empty()) turn["tool_calls"] = calls_json(parts_.calls);
        messages_.push_back(std::move(turn));
        return completion;
    }
    void clear() {
        messages_.clear();
        if (!options_.system.empty()) messages_.push_back({{"role", "system"}, {"content", options_.system}});
    }

  private:
    Result<engine::Completion> generate(const std::string& text) {
        engine::Request request;
        bool in_reasoning = false;
        if (plain_) {
            HEARTH_TRY(request.prompt,
                       engine_.model().tokenizer->encode(text, {.parse_special = true, .add_special = true}));
        } else {
            HEARTH_TRY(auto prompt, prompter_->make({{"messages", messages_},
                                                     {"tools", options_.tools},
                                                     {"add_generation_prompt", true}}));
            request.prompt = std::move(prompt.ids);
            in_reasoning = text::ends_in_reasoning(prompt.text, format_);
        }
        text::AnswerParser parser(format_, {.in_reasoning = in_reasoning,
                                            .read_calls = options_.tools.is_array(),
                                            .tools = &options_.tools});
        parts_ = {};
        shown_ = text::AnswerPart::Kind::content;
        request.sampling = options_.sampling;
        request.stop_strings = options_.stop;
        request.new_tokens_max = options_.tokens_max;
        interrupted = false;
        request.on_token = [&](const engine::TokenOut& out) {
            take(parser.push(out.text));
            return !interrupted.load();
        };
        HEARTH_TRY(auto completions, engine_.generate({std::move(request)}));
        take(parser.finish());
        return std::move(completions.front());
    }

    // Reasoning is shown dimmed, a call on a line of its own.
    void take(std::vector<text::AnswerPart> parts) {
        for (text::AnswerPart& part : parts) {
            if (stream_) {
                std::string shown = part.kind == text::AnswerPart::Kind::reasoning
                                        ? tinted(part.text, Tint::dim)
                                    : part.kind == text::AnswerPart::Kind::call
                                        ? fmt::format("{}({})", part.call.name, part.call.arguments)
                                        : part.text;
                if (part.kind != shown_ && !(parts_ == text::Answer())) shown.insert(0, "\n");
                shown_ = part.kind;
                std::fwrite(shown.data(), 1, shown.size(), stdout);
                std::fflush(stdout);
            }
            append(parts_, std::move(part));
        }
    }

    engine::Engine& engine_;
    const Options& options_;
    boost::json::array messages_;
    bool stream_, plain_;
    text::AnswerFormat format_;
    std::optional<models::Prompter> prompter_;  // when not plain
    text::Answer parts_;
    text::AnswerPart::Kind shown_ = text::AnswerPart::Kind::content;
};

std::string speed_line(const engine::Completion& c) {
    const auto rate = [](std::size_t n, double seconds) {
        return seconds > 0 ? static_cast<double>(n) / seconds : 0;
    };
    const auto evaluated = static_cast<std::size_t>(c.prompt_tokens - c.cached_tokens);
    return fmt::format("{} prompt tokens{} at {:.0f}/s, {} new tokens at {:.0f}/s", c.prompt_tokens,
                       c.cached_tokens > 0 ? fmt::format(" ({} known already)", c.cached_tokens) : "",
                       rate(evaluated, c.prefill_seconds), c.ids.size(),
                       rate(c.ids.size(), c.decode_seconds));
}

std::string_view reason_name(engine::StopReason reason) {
    switch (reason) {
        case engine::StopReason::stop:
            return "stop";
        case engine::StopReason::length:
            return "length";
        case engine::StopReason::cancelled:
            return "cancelled";
    }
    return "";
}

Result<int> one_shot(engine::Engine& engine, const Options& options, const std::string& prompt, bool json) {
    Chat chat(engine, options, !json);
    HEARTH_TRY(const engine::Completion completion, chat.answer(prompt));
    if (json) {
        boost::json::object out = {{"text", chat.parts().content},
                                   {"finish_reason", reason_name(completion.reason)},
                                   {"prompt_tokens", completion.prompt_tokens},
                                   {"completion_tokens", completion.ids.size()},
                                   {"prefill_seconds", completion.prefill_seconds},
                                   {"decode_seconds", completion.decode_seconds}};
        if (!chat.parts().reasoning.empty()) out["reasoning"] = chat.parts().reasoning;
        if (!chat.parts().calls.empty()) out["tool_calls"] = calls_json(chat.parts().calls);
        HEARTH_TRY_STATUS(print_json(out));
        return 0;
    }
    HEARTH_TRY_STATUS(print("\n"));
    if (isatty(STDERR_FILENO) != 0) fmt::print(stderr, "{}\n", tinted(speed_line(completion), Tint::dim));
    return 0;
}

constexpr const char* kHelp =
    "/clear forgets the conversation, /exit or Ctrl-D leaves, Ctrl-C ends an answer\n";

Result<int> chat_loop(engine::Engine& engine, const Options& options) {
    Chat chat(engine, options, true);
    HEARTH_TRY_STATUS(print(fmt::format("{} - {}", engine.model().name, kHelp)));
    using_history();
    for (;;) {
        interrupted = false;
        const std::unique_ptr<char, decltype(&std::free)> line(readline("> "), &std::free);
        if (line == nullptr || interrupted) return print("\n").map([] { return 0; });
        const std::string text = line.get();
        if (text.find_first_not_of(" \t") == std::string::npos) continue;
        add_history(text.c_str());
        if (text == "/exit" || text == "/quit") return 0;
        if (text == "/help") {
            HEARTH_TRY_STATUS(print(kHelp));
        } else if (text == "/clear") {
            chat.clear();
        } else if (const auto completion = chat.answer(text)) {
            HEARTH_TRY_STATUS(print("\n" + tinted(speed_line(*completion), Tint::dim) + "\n"));
        } else {
            fmt::print(stderr, "hearth: {}\n",
                       completion.error().message);  // too long, say: the chat goes on
        }
    }
}

Result<int> answer(engine::Engine& engine, const Options& options, bool json) {
    if (!options.prompt.empty()) {
        std::string prompt;
        for (const std::string& word : options.prompt) prompt += (prompt.empty() ? "" : " ") + word;
        return one_shot(engine, options, prompt, json);
    }
    if (isatty(STDIN_FILENO) != 0 && !json) return chat_loop(engine, options);
    std::string prompt{std::istreambuf_iterator<char>(std::cin), {}};
    while (!prompt.empty() && prompt.back() == '\n') prompt.pop_back();
    if (prompt.empty()) return fail(Fault::usage, "stdin: expected a prompt, saw nothing");
    return one_shot(engine, options, prompt, json);
}

Result<int> run(const Options& options, const GlobalOptions& global) {
    HEARTH_TRY(const fs::path path, hub::find_model(options.model));
    ThreadPool pool({.threads = global.threads});
    HEARTH_TRY(const auto model,
               models::load_model(path, pool, {.use_kept_panels = !options.no_panel_cache}));
    HEARTH_TRY(const auto engine, engine::Engine::open(model, {.threads = global.threads,
                                                               .batch_max = 1,
                                                               .context_max = options.context,
                                                               .exact = options.exact,
                                                               .kv = options.kv}));
    std::signal(SIGINT, on_interrupt);
    std::optional<PanelKeeper> keeper;
    if (!options.no_panel_cache) keeper.emplace(model);
    HEARTH_TRY(const int code, answer(*engine, options, global.json));
    interrupted = false;  // of the answer: the next Ctrl-C is for the wait
    if (keeper) keeper->finish([] { return interrupted.load(); });
    return code;
}

Action setup(CLI::App& app, const GlobalOptions& global) {
    auto options = std::make_shared<Options>();
    app.add_option("MODEL", options->model, "a model folder, a .gguf file, or ember (the default)");
    app.add_option("PROMPT", options->prompt, "the message; without one: stdin, or a chat on a terminal");
    app.add_option("--system", options->system, "a system message");
    app.add_option("--tools", options->tools_file,
                   "a JSON file with the tools that the model may call, as the chat API takes them");
    app.add_option("--max-tokens", options->tokens_max, "of an answer")
        ->check(CLI::Range(1, 1 << 26))
        ->capture_default_str();
    app.add_option("--context", options->context,
                   "tokens of conversation and answer together (default: the model's)")
        ->check(CLI::Range(1, 1 << 26));
    add_engine_flags(app, options->exact, options->kv);
    app.add_option("--stop", options->stop,
                   "ends the answer where this text appears (may be given several times)");
    app.add_flag("--raw", options->raw, "no chat template: the model continues the text");
    app.add_flag(kNoPanelCache, options->no_panel_cache, kNoPanelCacheHelp);
    add_sampling_flags(app, options->sampling);
    return [options, &global]() -> Result<int> {
        if (!options->tools_file.empty()) {
            HEARTH_TRY(const std::string text, read_text(options->tools_file, kTextFileBytesMax));
            HEARTH_TRY(options->tools, parse_json(text, options->tools_file));
            if (!options->tools.is_array())
                return fail(JsonCursor(options->tools, options->tools_file).wrong("an array of tools"));
        }
        return run(*options, global);
    };
}

}  // namespace

const Command kRun = {"run", "chat with a model, or get one answer", setup};

}  // namespace hearth::cli
