// server/openai/prompt.cpp - see prompt.h.
#include "server/openai/prompt.h"

#include <algorithm>
#include <boost/json.hpp>
#include <optional>

#include "text/tool_calls.h"

namespace hearth::server::openai {
namespace {

// Plane 16's private-use characters stand for hidden spellings. In UTF-8 each is F4 then three bytes.
constexpr char32_t kFirstStandIn = 0x100000, kLastStandIn = 0x10FFFD;

std::string utf8_of(char32_t c) {
    return {static_cast<char>(0xF0 | (c >> 18)), static_cast<char>(0x80 | ((c >> 12) & 0x3F)),
            static_cast<char>(0x80 | ((c >> 6) & 0x3F)), static_cast<char>(0x80 | (c & 0x3F))};
}

// Which stand-in a text has at `at`, if it is of plane 16.
std::optional<char32_t> plane_16_at(std::string_view text, std::size_t at) {
    if (text.size() - at < 4 || static_cast<unsigned char>(text[at]) != 0xF4) return std::nullopt;
    char32_t c = 4;
    for (std::size_t i = 1; i < 4; ++i) c = c << 6 | (static_cast<unsigned char>(text[at + i]) & 0x3Fu);
    return c;
}

// The stand-ins of one prompt: one character for each distinct text that is hidden.
class StandIns {
  public:
    void avoid(std::string_view text) {
        for (std::size_t at = text.find('\xF4'); at != std::string_view::npos; at = text.find('\xF4', at + 1))
            if (const auto c = plane_16_at(text, at)) taken_[*c] = true;
    }
    Result<std::string> of(std::string_view hidden) {
        const auto [at, is_new] = by_text_.try_emplace(std::string(hidden));
        if (is_new) {
            while (next_ <= kLastStandIn && taken_.contains(next_)) ++next_;
            if (next_ > kLastStandIn)
                return fail(Fault::usage, "messages: too many private-use characters to render safely");
            at->second = next_;
            by_character_[next_++] = at->first;
        }
        return utf8_of(at->second);
    }
    [[nodiscard]] const std::string* hidden_at(std::string_view text, std::size_t at) const {
        const auto c = plane_16_at(text, at);
        const auto found = c ? by_character_.find(*c) : by_character_.end();
        return found == by_character_.end() ? nullptr : &found->second;
    }
    [[nodiscard]] bool empty() const { return by_character_.empty(); }

  private:
    std::unordered_map<char32_t, bool> taken_;
    std::unordered_map<std::string, char32_t> by_text_;
    std::unordered_map<char32_t, std::string> by_character_;
    char32_t next_ = kFirstStandIn;
};

// Calls `change` on each string of the request and, if asked, on keys (templates print those of tools). Not
// on roles and types: templates compare them, and what they may be was checked.
enum class Keys { keep, change };
Status each_string(Json& value, Keys keys, const std::function<Status(std::string&)>& change) {
    if (value.is_string()) {
        std::string text(value.get_string());
        HEARTH_TRY_STATUS(change(text));
        value = text;
    } else if (value.is_array()) {
        for (Json& one : value.get_array()) HEARTH_TRY_STATUS(each_string(one, keys, change));
    } else if (value.is_object()) {
        boost::json::object out;
        out.reserve(value.get_object().size());
        for (auto& [key, member] : value.get_object()) {
            std::string name(key);
            if (keys == Keys::change) HEARTH_TRY_STATUS(change(name));
            const bool compared = key == "role" || (key == "type" && keys == Keys::keep);
            if (!compared) HEARTH_TRY_STATUS(each_string(member, keys, change));
            out[name] = std::move(member);
        }
        value = std::move(out);
    }
    return {};
}

// The same for a whole request; `own`: the string is of a turn that the assistant wrote, where templates look
// for thoughts and calls.
Status each_member(Json& request, Keys keys, const std::function<Status(std::string&, bool own)>& change) {
    boost::json::object& members = request.get_object();
    Json messages = nullptr;
    if (Json* all = members.if_contains("messages"); all != nullptr && all->is_array()) {
        messages = std::move(*all);
        members.erase("messages");
        for (Json& message : messages.get_array()) {
            const Json* role = message.is_object() ? message.get_object().if_contains("role") : nullptr;
            const bool own = role != nullptr && role->is_string() && role->get_string() == "assistant";
            HEARTH_TRY_STATUS(
                each_string(message, keys, [&](std::string& text) { return change(text, own); }));
        }
    }
    HEARTH_TRY_STATUS(each_string(request, keys, [&](std::string& text) { return change(text, false); }));
    if (!messages.is_null()) request.get_object()["messages"] = std::move(messages);
    return {};
}

// How many bytes at the end of `text` begin `spelling`, without being all of it; and the mirror of that.
std::size_t tail_overlap(std::string_view text, std::string_view spelling) {
    for (std::size_t n = std::min(text.size(), spelling.size() - 1); n > 0; --n)
        if (text.substr(text.size() - n) == spelling.substr(0, n)) return n;
    return 0;
}
std::size_t head_overlap(std::string_view text, std::string_view spelling) {
    for (std::size_t n = std::min(text.size(), spelling.size() - 1); n > 0; --n)
        if (text.substr(0, n) == spelling.substr(spelling.size() - n)) return n;
    return 0;
}

bool continues_character(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

struct Spellings {
    const std::vector<std::string>& all;
    const bool* starts;

    [[nodiscard]] const std::string* at(std::string_view text, std::size_t at) const {
        if (!starts[static_cast<unsigned char>(text[at])]) return nullptr;
        for (const std::string& spelling : all)
            if (text.substr(at).starts_with(spelling)) return &spelling;
        return nullptr;
    }
    // The control tokens that stand in a text, in order.
    [[nodiscard]] std::vector<const std::string*> in(std::string_view text) const {
        std::vector<const std::string*> found;
        for (std::size_t i = 0; i < text.size();) {
            const std::string* one = at(text, i);
            if (one != nullptr) found.push_back(one);
            i += one != nullptr ? one->size() : 1;
        }
        return found;
    }
};

Result<std::string> hide_whole(std::string_view text, const Spellings& spellings, StandIns& stand_ins) {
    std::string out;
    for (std::size_t i = 0; i < text.size();) {
        const std::string* one = spellings.at(text, i);
        if (one == nullptr) {
            out += text[i++];
            continue;
        }
        HEARTH_TRY(const std::string c, stand_ins.of(*one));
        out += c;
        i += one->size();
    }
    return out;
}

// Hides what could become part of a control token where the string meets its neighbours.
Result<std::string> hide_ends(std::string text, const Spellings& spellings, StandIns& stand_ins, bool& any) {
    std::size_t head = 0, tail = 0;
    for (const std::string& spelling : spellings.all) head = std::max(head, head_overlap(text, spelling));
    while (head < text.size() && continues_character(text[head])) ++head;
    for (const std::string& spelling : spellings.all)
        tail = std::max(tail, tail_overlap(std::string_view(text).substr(head), spelling));
    while (tail > 0 && tail < text.size() - head && continues_character(text[text.size() - tail])) ++tail;
    // A string that lies wholly inside a spelling is covered by its head or, if neither end fits, harmless
    // only alone: hide it as well when it is short enough to be an inner part.
    if (head == 0 && tail == 0 && !text.empty())
        for (const std::string& spelling : spellings.all)
            if (text.size() < spelling.size() && spelling.find(text) != std::string::npos) head = text.size();
    if (head == 0 && tail == 0) return text;
    any = true;
    std::string out;
    if (head > 0) {
        HEARTH_TRY(const std::string c, stand_ins.of(std::string_view(text).substr(0, head)));
        out += c;
    }
    out += text.substr(head, text.size() - head - tail);
    if (tail > 0) {
        HEARTH_TRY(const std::string c, stand_ins.of(std::string_view(text).substr(text.size() - tail)));
        out += c;
    }
    return out;
}

}  // namespace

Prompter::Prompter(const text::Tokenizer& tokenizer, Render render, std::string_view template_source)
    : tokenizer_(tokenizer), render_(std::move(render)) {
    const std::vector<std::string> marks = text::answer_format(template_source).marks();
    for (int id = 0; id < tokenizer.vocab_size(); ++id) {
        const std::string& spelling = tokenizer.piece_bytes(id);
        if (!tokenizer.is_added(id) || spelling.empty()) continue;
        const bool is_mark = spelling.find_first_not_of(" \t\r\n") != std::string::npos &&
                             (template_source.find(spelling) != std::string_view::npos ||
                              std::find(marks.begin(), marks.end(), spelling) != marks.end());
        if (tokenizer.is_special(id) || is_mark) spellings_.push_back(spelling);
        if (tokenizer.is_special(id)) controls_.push_back(spelling);
    }
    for (auto* all : {&spellings_, &controls_})
        std::sort(all->begin(), all->end(), [](const std::string& a, const std::string& b) {
            return a.size() != b.size() ? a.size() > b.size() : a < b;
        });
    for (const std::string& spelling : spellings_) starts_[static_cast<unsigned char>(spelling[0])] = true;
    if (tokenizer.bos()) bos_ = tokenizer.piece_bytes(*tokenizer.bos());
    if (tokenizer.eos()) eos_ = tokenizer.piece_bytes(*tokenizer.eos());
}

Result<Prompter::Prompt> Prompter::make(const Json& messages, const Json& tools, const Json& extra) const {
    const Spellings spellings{spellings_, starts_};
    boost::json::object context;
    if (extra.is_object()) context = extra.get_object();
    context["messages"] = messages;
    if (tools.is_array()) context["tools"] = tools;
    StandIns stand_ins;
    stand_ins.avoid(to_json(context));
    Json outside = std::move(context);
    const Spellings controls{controls_, starts_};
    HEARTH_TRY_STATUS(each_member(outside, Keys::change, [&](std::string& text, bool own) -> Status {
        HEARTH_TRY(text, hide_whole(text, own ? controls : spellings, stand_ins));
        return {};
    }));
    bool any_end = false;
    Json careful = outside;
    HEARTH_TRY_STATUS(each_member(careful, Keys::keep, [&](std::string& text, bool own) -> Status {
        HEARTH_TRY(text, hide_ends(std::move(text), own ? controls : spellings, stand_ins, any_end));
        return {};
    }));
    const auto render = [&](Json what) -> Result<std::string> {
        auto& object = what.get_object();
        object["add_generation_prompt"] = true;
        // What the tokenizer does not know, the renderer may.
        if (!bos_.empty()) object["bos_token"] = bos_;
        if (!eos_.empty()) object["eos_token"] = eos_;
        auto text = render_(what);
        if (!text && text.error().fault != Fault::no_memory)
            return fail(Fault::usage, "messages: the chat template refused them: {}", text.error().message);
        return text;
    };
    HEARTH_TRY(std::string rendered, render(outside));
    if (any_end) {
        HEARTH_TRY(std::string again, render(careful));
        if (spellings.in(again) != spellings.in(rendered)) rendered = std::move(again);
    }

    Prompt prompt;
    std::size_t plain = 0;
    const auto take = [&](std::string_view piece, bool control) -> Status {
        if (piece.empty()) return {};
        const text::QuotedRange whole[] = {{0, piece.size()}};
        text::EncodeOptions options{.parse_special = control};
        if (!control) options.quoted = whole;
        HEARTH_TRY(const auto ids, tokenizer_.encode(piece, options));
        for (const int id : ids)
            if (!control && tokenizer_.is_special(id))
                return fail(Fault::usage, "messages: a control token's spelling cannot be read as text here");
        prompt.ids.insert(prompt.ids.end(), ids.begin(), ids.end());
        prompt.text += piece;
        return {};
    };
    for (std::size_t at = rendered.find('\xF4'); at != std::string::npos;
         at = rendered.find('\xF4', at + 1)) {
        const std::string* hidden = stand_ins.hidden_at(rendered, at);
        if (hidden == nullptr) continue;
        HEARTH_TRY_STATUS(take(std::string_view(rendered).substr(plain, at - plain), true));
        HEARTH_TRY_STATUS(take(*hidden, false));
        plain = at + 4;
    }
    HEARTH_TRY_STATUS(take(std::string_view(rendered).substr(plain), true));
    return prompt;
}

}  // namespace hearth::server::openai
