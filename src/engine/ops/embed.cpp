// engine/ops/embed.cpp - rows of the embedding in, the rows whose logits are wanted out.
#include <cstring>

#include "base/check.h"
#include "engine/executor.h"

namespace hearth::engine {

void Executor::embed(const models::Op& op, std::span<const StepPart> parts) {
    const Buffer& out = buffer(op.out);
    const models::LoadedTensor& table = model_->tensors[static_cast<std::size_t>(op.weight)];
    std::int64_t row = 0;
    for (const StepPart& part : parts)
        for (const int id : part.tokens)
            models::embedding_row(table, id, {out.row(row++), static_cast<std::size_t>(out.width)});
}

void Executor::given(const models::Op& op, std::span<const StepPart> parts) {
    const Buffer& out = buffer(op.out);
    const auto width = static_cast<std::size_t>(out.width);
    std::int64_t row = 0;
    for (const StepPart& part : parts) {
        HEARTH_CHECK(part.given.size() == part.tokens.size() * width, "a row comes with each token");
        for (std::size_t t = 0; t < part.tokens.size(); ++t)
            std::memcpy(out.row(row++), part.given.data() + t * width, width * sizeof(float));
    }
}

void Executor::embed_positions(const models::Op& op) {
    const Buffer& out = buffer(op.out);
    const models::LoadedTensor& table = model_->tensors[static_cast<std::size_t>(op.weight)];
    for (std::size_t row = 0; row < places_.size(); ++row)
        models::embedding_row(table, places_[row].position,
                              {out.row(static_cast<std::int64_t>(row)), static_cast<std::size_t>(out.width)});
}

void Executor::add_row(const models::Op& op, std::int64_t n_rows) {
    const Buffer& out = buffer(op.out);
    std::vector<float> added(static_cast<std::size_t>(out.width));
    models::embedding_row(model_->tensors[static_cast<std::size_t>(op.weight)], 0, added);
    each_row(n_rows, [&](std::int64_t row) { kernels_->add(out.row(row), added.data(), out.width); });
}

void Executor::select_rows(const models::Op& op, std::int64_t n_rows) {
    const Buffer& out = buffer(op.out);
    for (std::int64_t row = 0; row < n_rows; ++row)
        std::memcpy(out.row(row), buffer(op.a).row(selected_[static_cast<std::size_t>(select_begin_ + row)]),
                    static_cast<std::size_t>(out.width) * sizeof(float));
}

}  // namespace hearth::engine
