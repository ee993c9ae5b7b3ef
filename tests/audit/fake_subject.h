// tests/audit/fake_subject.h - a model made of arithmetic: bytes are tokens, logits follow from the prefix.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "audit/subject.h"

namespace hearth::audit::tests {

class FakeSubject : public Subject {
  public:
    explicit FakeSubject(std::string name, double shift = 0, int vocab = 260) : shift_(shift), vocab_(vocab) {
        facts_.name = std::move(name);
        facts_.architecture = "fake";
        facts_.format = shift == 0 ? "BF16" : "NVFP4";
        facts_.parameters = 6'000'000;
        facts_.file_bytes = shift == 0 ? 12'000'000 : 3'900'000;
        facts_.weights_hash = "00ff";
    }

    const SubjectFacts& facts() const override { return facts_; }
    int vocab() const override { return vocab_; }
    int context_max() const override { return context; }
    int document_start() const override { return start; }

    Result<std::string> render(std::string_view question) override {
        return "Q: " + std::string(question) + "\nA: ";
    }
    Result<std::vector<int>> encode(std::string_view text, bool) override {
        std::vector<int> ids;
        for (const char c : text) ids.push_back(static_cast<unsigned char>(c) + 1);
        return ids;
    }

    // logits[p][v] = 3 sin(17 v + 5 ids[p] + p) (+ shift * cos(v)), so each row differs and prefixes matter.
    Status score(std::span<const int> ids, std::int64_t first, const LogitsSink& sink) override {
        ++score_calls;
        std::vector<float> row(static_cast<std::size_t>(vocab_));
        for (auto p = static_cast<std::size_t>(first); p < ids.size(); ++p) {
            for (std::size_t v = 0; v < row.size(); ++v)
                row[v] = static_cast<float>(
                    3 * std::sin(17.0 * static_cast<double>(v) + 5.0 * ids[p] + static_cast<double>(p)) +
                    shift_ * std::cos(static_cast<double>(v)));
            if (poison) poison(p, row);
            sink(static_cast<std::int64_t>(p), row);
        }
        return {};
    }

    // A choice scores minus its length times a third, or what `scores` says of its text.
    Result<std::vector<std::vector<double>>> score_continuations(
        std::span<const int>, std::span<const std::vector<int>> continuations) override {
        std::vector<std::vector<double>> out;
        for (const auto& ids : continuations) {
            const auto known = scores.find(text_of(ids));
            if (known != scores.end())
                out.push_back({known->second, 0});
            else
                out.emplace_back(ids.size(), -1.0 / 3);
        }
        return out;
    }

    Result<std::vector<Answer>> generate(std::span<const std::vector<int>> prompts, int,
                                         const std::function<void()>& finished) override {
        std::vector<Answer> out;
        for (const auto& prompt : prompts) {
            const std::string text = text_of(prompt);
            const std::string question = text.substr(3, text.size() - 7);
            const auto known = answers.find(question);
            Answer answer;
            answer.text = known == answers.end() ? "I do not know" : known->second;
            answer.ids = *encode(answer.text, false);
            out.push_back(std::move(answer));
            if (finished) finished();
        }
        return out;
    }

    static std::string text_of(const std::vector<int>& ids) {
        std::string text;
        for (const int id : ids) text += static_cast<char>(id - 1);
        return text;
    }

    std::map<std::string, std::string> answers;
    std::map<std::string, double> scores;
    std::function<void(std::size_t, std::vector<float>&)> poison;
    int context = 4096, start = 0, score_calls = 0;

  private:
    SubjectFacts facts_;
    double shift_;
    int vocab_;
};

}  // namespace hearth::audit::tests
