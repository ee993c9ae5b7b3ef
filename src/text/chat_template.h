// text/chat_template.h - a model's chat template: a conversation in, the text that the model reads out.
#pragma once

#include <cstdint>
#include <ctime>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/limits.h"
#include "base/result.h"
#include "text/quoted_text.h"

namespace hearth::text {

struct RenderOptions {
    std::optional<std::time_t> now = {};  // what strftime_now tells; the clock's time if not given
    std::uint64_t steps_max = kTemplateStepsMax;
};

// Jinja2 as `transformers` sets it up for chat templates (docs/tokenizers-and-templates.md says how).
// Immutable; may render from any number of threads at once.
class ChatTemplate {
  public:
    // `where` names the template in errors. Errors: corrupt (with the line), out_of_range.
    static Result<ChatTemplate> parse(std::string_view source, std::string_view where);

    // `context`: an object with messages, tools, add_generation_prompt, bos_token, eos_token and whatever
    // else the template reads. Texts in it, keys of objects too, count as written by others, in messages of
    // the role "assistant" by the model; but for bos_token, eos_token and the roles that templates
    // know, which some put together with control tokens. Errors: usage (the template refuses the conversation
    // or fails on it), unsupported, out_of_range (a budget is spent).
    [[nodiscard]] Result<QuotedText> render(const Json& context, const RenderOptions& options = {}) const;

    [[nodiscard]] const std::string& source() const { return source_; }

    ChatTemplate(ChatTemplate&&) noexcept;
    ChatTemplate& operator=(ChatTemplate&&) noexcept;
    ChatTemplate(const ChatTemplate&) = delete;
    ChatTemplate& operator=(const ChatTemplate&) = delete;
    ~ChatTemplate();

  private:
    struct Parsed;
    ChatTemplate(std::string source, std::string where, std::unique_ptr<const Parsed> parsed);
    std::string source_, where_;
    std::unique_ptr<const Parsed> parsed_;
};

}  // namespace hearth::text
