// text/pieces.cpp - the sorted index, Viterbi and the greedy match behind pieces.h.
#include "text/pieces.h"

#include <limits>
#include <string>

#include "text/utf8.h"

namespace hearth::text {

void Pieces::add(std::string_view spelling, int id) {
    if (spelling.empty()) return;
    if (!ids_.emplace(spelling, id).second) return;
    sorted_.emplace_back(spelling, id);
    bytes_max_ = std::max(bytes_max_, spelling.size());
}

void Pieces::finish() {
    std::sort(sorted_.begin(), sorted_.end());  // string_view compares bytes as unsigned
    first_.assign(257, 0);
    for (const Entry& entry : sorted_) ++first_[static_cast<unsigned char>(entry.first[0]) + std::size_t{1}];
    for (std::size_t i = 1; i < first_.size(); ++i) first_[i] += first_[i - 1];
}

void segment_unigram(const Pieces& pieces, const std::vector<double>& scores, double unknown,
                     std::string_view word, std::vector<Part>& parts) {
    struct Node {
        double score = -std::numeric_limits<double>::infinity();
        std::uint32_t from = 0;
        int id = kNoToken;
        bool reached = false;
    };
    std::vector<Node> nodes(word.size() + 1);
    nodes[0] = {0, 0, kNoToken, true};
    const auto reach = [&](std::size_t from, std::size_t to, double score, int id) {
        Node& node = nodes[to];
        const double sum = nodes[from].score + score;
        if (!node.reached || sum > node.score) node = {sum, static_cast<std::uint32_t>(from), id, true};
    };
    for (std::size_t at = 0; at < word.size();) {
        const std::size_t character = read_code_point(word, at).bytes;
        bool has_single = false;
        pieces.for_each_prefix(word.substr(at), [&](std::size_t bytes, int id) {
            reach(at, at + bytes, scores[static_cast<std::size_t>(id)], id);
            has_single = has_single || bytes == character;
        });
        if (!has_single) reach(at, at + character, unknown, kNoToken);
        at += character;
    }
    parts.clear();
    for (std::size_t end = word.size(); end > 0;) {
        const Node& node = nodes[end];
        const auto bytes = static_cast<std::uint32_t>(end - node.from);
        if (node.id == kNoToken && !parts.empty() && parts.back().id == kNoToken) {
            parts.back().begin = node.from;  // neighbours without a token are one
            parts.back().bytes += bytes;
        } else {
            parts.push_back({node.id, node.from, bytes});
        }
        end = node.from;
    }
    std::reverse(parts.begin(), parts.end());
}

void segment_wordpiece(const Pieces& pieces, std::string_view beginning, std::string_view continuing,
                       std::size_t chars_max, std::string_view word, std::vector<Part>& parts) {
    parts.clear();
    const auto whole = [&] { parts.assign(1, {kNoToken, 0, static_cast<std::uint32_t>(word.size())}); };
    std::size_t n_chars = 0;
    for (std::size_t at = 0; at < word.size(); at += read_code_point(word, at).bytes)
        if (++n_chars > chars_max) return whole();
    std::string spelling;
    for (std::size_t at = 0; at < word.size();) {
        const std::string_view prefix = at == 0 ? beginning : continuing;
        spelling.assign(prefix).append(word.substr(at, pieces.bytes_max()));
        std::size_t longest = 0;
        int id = kNoToken;
        pieces.for_each_prefix(spelling, [&](std::size_t bytes, int found) {
            if (bytes <= prefix.size()) return;
            longest = bytes - prefix.size();
            id = found;
        });
        if (id == kNoToken) return whole();
        parts.push_back({id, static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(longest)});
        at += longest;
    }
}

}  // namespace hearth::text
