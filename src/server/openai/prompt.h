// server/openai/prompt.h - from messages to token ids, with one promise: the spelling of a control token, or
// of another token that the template writes (<think>, <tool_call>), inside a string of the request never
// becomes that token. The words of the assistant's own earlier turns may hold the latter.
//
// How: before the template runs, each such spelling in the request's strings is replaced by a private-use
// character that the request does not contain. The rendered text is then cut there: what the template wrote
// is read with control tokens, the replaced spellings as plain text. A spelling that would only come into
// being where the template joins two strings ("<|im_" + "end|>") is found by a second rendering, in which the
// strings' beginnings and ends that could take part are hidden too; the second is used then.
// Added tokens that are neither (spaces, HTML tags) are read in any text, as the reference tokenizer does.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/json.h"
#include "text/tokenizer.h"

namespace hearth::server::openai {

class Prompter {
  public:
    using Render = std::function<Result<std::string>(const Json& context)>;
    // The tokenizer must outlive it. `template_source` tells which added tokens the template gives a meaning.
    Prompter(const text::Tokenizer& tokenizer, Render render, std::string_view template_source = {});

    struct Prompt {
        std::string text;  // as the template wrote it
        std::vector<int> ids;
    };
    // `context` is what the template sees; strings under "messages" (but for roles), "tools" and `extra` are
    // the request's. Errors: those of the template, as usage.
    [[nodiscard]] Result<Prompt> make(const Json& messages, const Json& tools, const Json& extra) const;

    [[nodiscard]] bool is_control(int id) const { return tokenizer_.is_special(id); }
    [[nodiscard]] const text::Tokenizer& tokenizer() const { return tokenizer_; }

  private:
    const text::Tokenizer& tokenizer_;
    Render render_;
    std::vector<std::string> spellings_;  // of control tokens and the template's others, longest first
    std::vector<std::string> controls_;   // of control tokens alone, longest first
    bool starts_[256] = {};
    std::string bos_, eos_;
};

}  // namespace hearth::server::openai
