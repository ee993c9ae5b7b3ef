// tests/engine/allocations_test.cpp - decoding asks for no memory: every operator new of the program is
// counted while sequences decode.
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>

#include "fixtures.h"

namespace {
std::atomic<long> n_allocations{0};

void* counted(std::size_t size, std::size_t alignment) {
    n_allocations.fetch_add(1, std::memory_order_relaxed);
    size = (std::max<std::size_t>(size, 1) + alignment - 1) / alignment * alignment;
    void* data =
        alignment <= alignof(std::max_align_t) ? std::malloc(size) : std::aligned_alloc(alignment, size);
    if (data == nullptr) throw std::bad_alloc();
    return data;
}
}  // namespace

void* operator new(std::size_t size) { return counted(size, 1); }
void* operator new[](std::size_t size) { return counted(size, 1); }
void* operator new(std::size_t size, std::align_val_t by) {
    return counted(size, static_cast<std::size_t>(by));
}
void* operator new[](std::size_t size, std::align_val_t by) {
    return counted(size, static_cast<std::size_t>(by));
}
void operator delete(void* data) noexcept { std::free(data); }
void operator delete[](void* data) noexcept { std::free(data); }
void operator delete(void* data, std::size_t) noexcept { std::free(data); }
void operator delete[](void* data, std::size_t) noexcept { std::free(data); }
void operator delete(void* data, std::align_val_t) noexcept { std::free(data); }
void operator delete[](void* data, std::align_val_t) noexcept { std::free(data); }
void operator delete(void* data, std::size_t, std::align_val_t) noexcept { std::free(data); }
void operator delete[](void* data, std::size_t, std::align_val_t) noexcept { std::free(data); }

namespace hearth::engine {
namespace {

class Allocations : public ::testing::TestWithParam<const char*> {};

TEST_P(Allocations, DecodingMakesNoneButWhereListsGrow) {
    constexpr int kSequences = 3, kWarmUp = 12, kSteps = 64;
    const auto model = tests::load(tests::fixture("models") / GetParam());
    ASSERT_NE(model, nullptr);
    const auto engine = tests::open(model, {.threads = 2, .prefixes_max = 0});
    ASSERT_NE(engine, nullptr);
    for (int i = 0; i < kSequences; ++i) {
        Request request;
        request.prompt = {3 + i, 5, 7};
        request.new_tokens_max = kWarmUp + kSteps + 8;
        request.ignore_eos = true;
        const auto handle = engine->submit(
            std::move(request), [](const Result<Completion>& done) { EXPECT_TRUE(done.has_value()); });
        ASSERT_OK(handle);
    }
    for (int i = 0; i < kWarmUp; ++i) ASSERT_OK(engine->step());
    const std::uint64_t drawn = engine->totals().output_tokens;
    const long before = n_allocations.load();
    for (int i = 0; i < kSteps; ++i) (void)engine->step();
    const long made = n_allocations.load() - before;
    EXPECT_EQ(engine->totals().output_tokens - drawn, static_cast<std::uint64_t>(kSequences * kSteps));
    // A sequence's lists, of tokens and of blocks, double now and then: not once in a step.
    EXPECT_LT(made, kSteps / 2);
    RecordProperty("allocations", static_cast<int>(made));
}

INSTANTIATE_TEST_SUITE_P(Models, Allocations,
                         ::testing::Values("qwen3-tied", "qwen3_moe-renorm", "qwen3_5-tied"),
                         [](const auto& which) {
                             std::string name = which.param;
                             for (char& c : name)
                                 if (c == '-') c = '_';
                             return name;
                         });

}  // namespace
}  // namespace hearth::engine
