// text/decoder.cpp - StreamDecoder: text as soon as its characters are whole.
#include "text/tokenizer.h"
#include "text/utf8.h"

namespace hearth::text {

std::string StreamDecoder::push(int id) {
    if (skip_special_ && tokenizer_->is_special(id)) return {};
    held_ += tokenizer_->next_bytes(id, state_);
    std::string out;
    std::size_t at = 0;
    while (at < held_.size()) {
        const CodePoint c = read_code_point(held_, at);
        if (c.truncated) break;
        append_code_point(out, c.value);
        at += c.bytes;
    }
    held_.erase(0, at);
    return out;
}

std::string StreamDecoder::flush() {
    std::string out = replace_invalid(held_);
    held_.clear();
    state_ = {};
    return out;
}

}  // namespace hearth::text
