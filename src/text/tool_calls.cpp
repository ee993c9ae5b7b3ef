// text/tool_calls.cpp - the state machine over an answer: it takes text only as far as every continuation
// would give the same parts.
#include "text/tool_calls.h"

#include <algorithm>

#include "text/answer_format.h"
#include "text/call_bodies.h"

namespace hearth::text {
namespace {

using Kind = AnswerPart::Kind;

constexpr std::string_view kSpaces = " \t\r\n";
// A closing mark inside a value is rare; a text that holds many is no call, and reading it again at each
// would take quadratic time.
constexpr int kInnerMarksMax = 32;

// The first place where one of `marks` stands in text at or after `from`.
struct Found {
    std::size_t at = std::string_view::npos;
    std::size_t mark = 0;
};
Found find_first(std::string_view text, std::size_t from, const std::vector<std::string_view>& marks) {
    Found found;
    for (std::size_t i = 0; i < marks.size(); ++i) {
        const std::size_t at = marks[i].empty() ? std::string_view::npos : text.find(marks[i], from);
        if (at < found.at) found = {at, i};
    }
    return found;
}

// How many bytes at the end of text could be the beginning of a mark.
std::size_t held_for(std::string_view text, const std::vector<std::string_view>& marks) {
    std::size_t held = 0;
    for (const std::string_view mark : marks)
        for (std::size_t n = std::min(text.size(), mark.empty() ? 0 : mark.size() - 1); n > held; --n)
            if (text.ends_with(mark.substr(0, n))) {
                held = n;
                break;
            }
    return held;
}

}  // namespace

struct AnswerParser::Impl {
    enum class State { opening, content, reasoning, calls, header, message };

    AnswerFormat format;
    AnswerOptions options;
    Marks marks;
    State state = State::content;
    std::string buffer;  // not decided yet
    std::string
        spaces;  // white space at the end of the last text: shown only when more text of its kind follows
    Kind last = Kind::content;
    bool begun = false;        // this stretch of `last` has shown a character
    bool any = false;          // something was shown before this stretch
    std::string section;       // the opening mark of the section of calls at hand
    std::size_t searched = 0;  // of the buffer, for a closing mark
    int inner_marks = 0;
    Kind message_kind = Kind::content;
    std::string recipient;  // harmony: of the message at hand
    std::vector<AnswerPart> out;

    void run(bool at_end);
    bool step(bool at_end);
    void text(Kind kind, std::string_view piece);
    void stretch(Kind kind);
    void emit_calls(std::vector<ToolCall> calls);
    bool plain_step(bool at_end);
    bool opening_step(bool at_end);
    bool calls_step(bool at_end);
    bool mistral_step(bool at_end);
    bool harmony_header(bool at_end);
    bool harmony_message(bool at_end);
    void give_up_section(std::size_t end);
};

// White space around a stretch belongs to the format; but an answer that is content alone is kept as it is.
void AnswerParser::Impl::text(Kind kind, std::string_view piece) {
    if (piece.empty()) return;
    if (kind != last) stretch(kind);
    const bool trims = any || kind == Kind::reasoning;
    if (trims && !begun) {
        const std::size_t first = piece.find_first_not_of(kSpaces);
        if (first == std::string_view::npos) return;
        piece.remove_prefix(first);
    }
    const std::size_t last_shown = piece.find_last_not_of(kSpaces);
    if (last_shown == std::string_view::npos) {
        spaces += piece;
        return;
    }
    begun = true;
    out.push_back({kind, spaces + std::string(piece.substr(0, last_shown + 1)), {}});
    spaces = piece.substr(last_shown + 1);
}

// A stretch of another kind begins: white space at the end of the one before is dropped.
void AnswerParser::Impl::stretch(Kind kind) {
    any = any || begun || kind != Kind::content || last != Kind::content;
    last = kind;
    begun = false;
    spaces.clear();
}

void AnswerParser::Impl::emit_calls(std::vector<ToolCall> calls) {
    for (ToolCall& call : calls) out.push_back({Kind::call, {}, std::move(call)});
    any = true;
    begun = false;
    spaces.clear();
}

// Content or reasoning, up to the next mark.
bool AnswerParser::Impl::plain_step(bool at_end) {
    const Kind kind = state == State::reasoning ? Kind::reasoning : Kind::content;
    std::vector<std::string_view> wanted;
    if (kind == Kind::reasoning) {
        wanted.push_back(format.reasoning_close);
    } else {
        if (options.read_calls) wanted = marks.open;
        wanted.push_back(format.reasoning_open);
    }
    const Found found = find_first(buffer, 0, wanted);
    if (found.at == std::string::npos) {
        const std::size_t take = buffer.size() - (at_end ? 0 : held_for(buffer, wanted));
        text(kind, std::string_view(buffer).substr(0, take));
        buffer.erase(0, take);
        return false;
    }
    text(kind, std::string_view(buffer).substr(0, found.at));
    const std::string mark(wanted[found.mark]);
    buffer.erase(0, found.at + mark.size());
    if (kind == Kind::reasoning) {
        state = State::content;
        stretch(Kind::content);
    } else if (mark == format.reasoning_open) {
        state = State::reasoning;
        stretch(Kind::reasoning);
    } else {
        state = State::calls;
        section = mark;
        searched = 0;
        inner_marks = 0;
    }
    return true;
}

// Llama 3 marks nothing: an answer that begins with a brace may be a call, and its end tells.
bool AnswerParser::Impl::opening_step(bool at_end) {
    const std::size_t first = buffer.find_first_not_of(kSpaces);
    if (first == std::string::npos && !at_end) return false;
    const bool brace = first != std::string::npos && buffer[first] == '{';
    state = brace ? State::calls : State::content;
    section.clear();
    return true;
}

// What was taken for a call is content after all.
void AnswerParser::Impl::give_up_section(std::size_t end) {
    text(Kind::content, section);
    text(Kind::content, std::string_view(buffer).substr(0, end));
    buffer.erase(0, end);
    state = State::content;
}

bool AnswerParser::Impl::calls_step(bool at_end) {
    if (format.calls == CallSyntax::mistral) return mistral_step(at_end);
    std::vector<ToolCall> calls;
    const std::string_view all = buffer;
    for (;;) {
        const Found found = find_first(all, searched, marks.close);
        if (found.at == std::string::npos) break;
        const std::size_t end = found.at + marks.close[found.mark].size();
        const BodyState body = read_calls(format.calls, all.substr(0, found.at), options.tools, calls);
        if (body == BodyState::incomplete && ++inner_marks <= kInnerMarksMax) {
            searched = end;  // the mark stood inside a value
            continue;
        }
        if (body != BodyState::whole) {
            give_up_section(end);
        } else {
            emit_calls(std::move(calls));
            buffer.erase(0, end);
            state = State::content;
        }
        return true;
    }
    if (!at_end) {
        // Where a closing mark may be cut, it is looked for again.
        searched = std::max(searched, all.size() - held_for(all, marks.close));
        return false;
    }
    if (read_calls(format.calls, all, options.tools, calls) == BodyState::whole) {
        emit_calls(std::move(calls));
        buffer.clear();
        state = State::content;
    } else {
        give_up_section(buffer.size());
    }
    return true;
}

bool AnswerParser::Impl::mistral_step(bool at_end) {
    std::vector<ToolCall> calls;
    std::size_t end = 0;
    const BodyState body = read_mistral_calls(buffer, calls, end);
    if (body == BodyState::incomplete && !at_end) return false;
    if (body == BodyState::whole) {
        emit_calls(std::move(calls));
        buffer.erase(0, end);
        state = State::content;
    } else {
        give_up_section(body == BodyState::incomplete ? buffer.size() : end);
    }
    return true;
}

// <|start|>ROLE to=R<|channel|>CHANNEL to=R <|constrain|>TYPE<|message|>: up to the message. The first header
// has no <|start|>, because the prompt ended with it.
bool AnswerParser::Impl::harmony_header(bool at_end) {
    constexpr std::string_view kMessage = "<|message|>", kChannel = "<|channel|>", kStart = "<|start|>";
    const std::string_view all = buffer;
    const bool could_begin = all.starts_with(kChannel) || all.starts_with(kStart) ||
                             kChannel.starts_with(all.substr(0, kChannel.size())) ||
                             kStart.starts_with(all.substr(0, kStart.size())) || all.starts_with(" to=") ||
                             std::string_view(" to=").starts_with(all);
    const std::size_t at = all.find(kMessage);
    if (at == std::string_view::npos && could_begin && !at_end) return false;
    message_kind = Kind::content;
    recipient.clear();
    state = State::message;
    if (at == std::string_view::npos || !could_begin) {  // no header: the answer is plain text
        if (at_end) {
            text(Kind::content, all);
            buffer.clear();
        }
        return !buffer.empty();
    }
    const std::string_view header = all.substr(0, at);
    const std::size_t channel = header.find(kChannel);
    const std::string_view name =
        channel == std::string_view::npos ? "" : header.substr(channel + kChannel.size());
    if (name.starts_with("analysis")) message_kind = Kind::reasoning;
    if (const std::size_t to = header.find("to="); to != std::string_view::npos) {
        const std::string_view rest = header.substr(to + 3);
        recipient = rest.substr(0, rest.find_first_of(" <\n"));
    }
    stretch(message_kind);
    buffer.erase(0, at + kMessage.size());
    return true;
}

bool AnswerParser::Impl::harmony_message(bool at_end) {
    const std::vector<std::string_view> ends = {"<|end|>", "<|call|>", "<|return|>", "<|start|>"};
    const Found found = find_first(buffer, 0, ends);
    const bool is_call = recipient.starts_with("functions.") && options.read_calls;
    if (found.at == std::string::npos && is_call && !at_end) return false;
    const std::size_t take = found.at != std::string::npos ? found.at
                             : at_end || is_call           ? buffer.size()
                                                           : buffer.size() - held_for(buffer, ends);
    const std::string_view body = std::string_view(buffer).substr(0, take);
    if (is_call) {
        const auto arguments = parse_json(body, "arguments");
        if (arguments && arguments->is_object())
            emit_calls({{recipient.substr(std::string_view("functions.").size()), to_json(*arguments)}});
        else
            text(Kind::content, body);
    } else {
        text(message_kind, body);
    }
    const bool ended = found.at != std::string::npos;
    // <|start|> belongs to the next header.
    buffer.erase(0, take + (ended && ends[found.mark] != "<|start|>" ? ends[found.mark].size() : 0));
    if (ended) state = State::header;
    return ended;
}

bool AnswerParser::Impl::step(bool at_end) {
    switch (state) {
        case State::opening:
            return opening_step(at_end);
        case State::content:
        case State::reasoning:
            return plain_step(at_end);
        case State::calls:
            return calls_step(at_end);
        case State::header:
            return !buffer.empty() && harmony_header(at_end);
        case State::message:
            return harmony_message(at_end);
    }
    return false;
}

void AnswerParser::Impl::run(bool at_end) {
    while (step(at_end)) {
    }
}

AnswerParser::AnswerParser(AnswerFormat format, AnswerOptions options) : impl_(std::make_unique<Impl>()) {
    impl_->marks = marks_of(format.calls);
    if (format.calls == CallSyntax::harmony)
        impl_->state = Impl::State::header;
    else if (options.in_reasoning && !format.reasoning_close.empty())
        impl_->state = Impl::State::reasoning;
    else if (format.calls == CallSyntax::bare_json && options.read_calls)
        impl_->state = Impl::State::opening;
    if (impl_->state == Impl::State::reasoning) impl_->last = Kind::reasoning;
    impl_->format = std::move(format);
    impl_->options = options;
}
AnswerParser::AnswerParser(AnswerParser&&) noexcept = default;
AnswerParser& AnswerParser::operator=(AnswerParser&&) noexcept = default;
AnswerParser::~AnswerParser() = default;

std::vector<AnswerPart> AnswerParser::push(std::string_view text) {
    impl_->buffer += text;
    impl_->run(false);
    return std::exchange(impl_->out, {});
}

std::vector<AnswerPart> AnswerParser::finish() {
    impl_->run(true);
    // An answer that is content alone keeps the white space at its end.
    if (!impl_->any && impl_->last == Kind::content && !impl_->spaces.empty())
        impl_->out.push_back({Kind::content, std::exchange(impl_->spaces, {}), {}});
    return std::exchange(impl_->out, {});
}

void append(Answer& answer, AnswerPart part) {
    switch (part.kind) {
        case Kind::content:
            answer.content += part.text;
            return;
        case Kind::reasoning:
            answer.reasoning += part.text;
            return;
        case Kind::call:
            answer.calls.push_back(std::move(part.call));
            return;
    }
}

Answer parse_answer(const AnswerFormat& format, const AnswerOptions& options, std::string_view text) {
    Answer answer;
    AnswerParser parser(format, options);
    constexpr std::size_t kPieceBytes = 4096;  // what was read is dropped piece by piece
    for (std::size_t at = 0; at < text.size(); at += kPieceBytes)
        for (AnswerPart& part : parser.push(text.substr(at, kPieceBytes))) append(answer, std::move(part));
    for (AnswerPart& part : parser.finish()) append(answer, std::move(part));
    return answer;
}

}  // namespace hearth::text
