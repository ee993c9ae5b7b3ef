// text/traced_text.h - text on its way to tokens, and where in the caller's text each byte comes from.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace hearth::text {

// Text made from a part of the caller's text. `origin` maps each byte, and the end, to a byte offset of the
// caller's text; empty when the text is that part, byte for byte, and begins at `base`.
struct TracedText {
    std::string text;
    std::vector<std::size_t> origin;
    std::size_t base = 0;

    [[nodiscard]] std::size_t origin_of(std::size_t at) const {
        return origin.empty() ? base + at : origin[at];
    }
};

// Builds a text out of pieces of another: kept bytes stay where they came from, new ones stand for the place
// where the replaced ones began.
class Rewrite {
  public:
    explicit Rewrite(const TracedText& from) : from_(from) { out_.text.reserve(from.text.size()); }

    void keep(std::size_t begin, std::size_t end) {
        out_.text.append(from_.text, begin, end - begin);
        for (std::size_t i = begin; i < end; ++i) out_.origin.push_back(from_.origin_of(i));
    }
    // What stood at [begin, end) is now `text`.
    void put(std::size_t begin, std::size_t end, std::string_view text) {
        if (std::string_view(from_.text).substr(begin, end - begin) == text) return keep(begin, end);
        out_.text += text;
        out_.origin.insert(out_.origin.end(), text.size(), from_.origin_of(begin));
    }
    [[nodiscard]] std::size_t size() const { return out_.text.size(); }
    // `end`: where the text ended in the one it was made from.
    TracedText finish(std::size_t end) {
        out_.origin.push_back(from_.origin_of(end));
        return std::move(out_);
    }
    TracedText finish() { return finish(from_.text.size()); }

  private:
    const TracedText& from_;
    TracedText out_;
};

}  // namespace hearth::text
