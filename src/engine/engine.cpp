// engine/engine.cpp - the scheduler around the executor: admit what fits, decode together, fill up with
// prompt chunks.
#include "engine/engine.h"

#include <algorithm>
#include <cmath>
#include <deque>

#include "base/check.h"
#include "engine/draft_heads.h"
#include "engine/executor.h"
#include "engine/prefix_cache.h"
#include "engine/sequence.h"
#include "models/embedder.h"
#include "models/model.h"

namespace hearth::engine {
namespace {

constexpr std::uint64_t kKvBytesDefault = std::uint64_t{1} << 30;
constexpr std::size_t kWaitingMax = 4096;

}  // namespace

struct Engine::State {
    std::shared_ptr<const models::Model> model;
    EngineOptions options;
    std::unique_ptr<ThreadPool> pool;
    std::unique_ptr<KvBlocks> blocks;
    std::unique_ptr<Executor> executor;
    DraftHeads drafts;
    std::deque<std::unique_ptr<Sequence>> waiting;
    std::vector<std::unique_ptr<Sequence>> running;
    PrefixCache prefixes{0};
    bool recurs = false;                 // states that only marks and snapshots come back to
    std::vector<std::int64_t> promised;  // blocks by pool, to running sequences: none can starve half way
    std::uint64_t next_handle = 1;
    StepTotals totals;
    // What a step takes and brings, kept so that decoding allocates nothing: parts, whose they are, and the
    // logits of those that drew.
    std::vector<StepPart> parts;
    std::vector<Sequence*> owners;
    std::vector<std::vector<float>> rows;

    [[nodiscard]] const text::Tokenizer* tokenizer() const {
        return model->tokenizer ? &*model->tokenizer : nullptr;
    }
    Status check_ids(std::span<const int> ids) const;
    Status check_request(const Request& request) const;
    Status check_writes() const;  // that the model has a head
    [[nodiscard]] std::int64_t step_tokens() const {
        return std::max(options.chunk_tokens, options.batch_max);
    }
    // Blocks that a sequence may come to hold in a pool of states.
    [[nodiscard]] std::int64_t needed(std::size_t of, std::int64_t n_tokens) const {
        return blocks->pool(of).blocks_needed(n_tokens, step_tokens());
    }
    // Room for n more tokens, from the prefix cache where it is in the way.
    Status reserve(SequenceState& sequence, std::int64_t n_tokens);
    void admit();
    void retire();
    void count(std::uint64_t prompt_tokens, std::uint64_t drawn, double seconds);  // a step
};

Result<std::unique_ptr<Engine>> Engine::open(std::shared_ptr<const models::Model> model,
                                             EngineOptions options) {
    auto state = std::make_unique<State>();
    const auto& config = model->config();
    if (!options.kv) options.kv = options.exact ? kernels::kKvF32 : kernels::kKvBf16;
    options.batch_max = std::clamp(options.batch_max, 1, 4096);
    options.chunk_tokens = std::clamp(options.chunk_tokens, 1, 65'536);
    const std::uint64_t budget = options.kv_bytes_max > 0 ? options.kv_bytes_max : kKvBytesDefault;
    if (options.context_max < 0 || options.context_max > config.context_max)
        return fail(Fault::out_of_range, "context: expected 1 to {} tokens, saw {}", config.context_max,
                    options.context_max);
    if (model->program.bidirectional)  // a text is one step
        options.chunk_tokens =
            static_cast<int>(options.context_max > 0 ? options.context_max : config.context_max);
    const std::int64_t step_tokens = std::max(options.chunk_tokens, options.batch_max);
    HEARTH_TRY(const models::PoolSizes sizes,
               models::size_pools(models::state_pools(model->program, *options.kv),
                                  {.context = options.context_max,
                                   .context_limit = config.context_max,
                                   .sequences = options.batch_max,
                                   .step_tokens = step_tokens,
                                   .bytes_max = budget}));
    options.context_max = static_cast<int>(sizes.context_max);
    HEARTH_TRY(KvBlocks blocks, KvBlocks::make(model->program, *options.kv, sizes.n_blocks));
    state->pool = std::make_unique<ThreadPool>(ThreadPool::Options{.threads = options.threads});
    options.threads = state->pool->size();
    state->blocks = std::make_unique<KvBlocks>(std::move(blocks));
    state->promised.resize(state->blocks->n_pools());
    if (!model->program.bidirectional)
        state->prefixes = PrefixCache(static_cast<std::size_t>(std::max(0, options.prefixes_max)));
    for (std::size_t i = 0; i < state->blocks->n_pools(); ++i)
        state->recurs |= state->blocks->pool(i).kind == models::StatePool::Kind::recurrent;
    HEARTH_TRY(state->executor, Executor::make(model, *state->blocks, *state->pool, step_tokens,
                                               options.context_max, options.exact));
    HEARTH_TRY(state->drafts, DraftHeads::make(model, *state->pool,
                                               {.step_tokens = step_tokens,
                                                .context_max = options.context_max,
                                                .kv = *options.kv,
                                                .exact = options.exact}));
    state->model = std::move(model);
    state->options = options;
    return std::unique_ptr<Engine>(new Engine(std::move(state)));
}

Engine::Engine(std::unique_ptr<State> state) : state_(std::move(state)) {}
Engine::~Engine() = default;

const models::Model& Engine::model() const { return *state_->model; }
const EngineOptions& Engine::options() const { return state_->options; }
std::uint64_t Engine::kv_bytes() const { return state_->blocks->bytes(); }
std::string Engine::kernels_name() const { return state_->executor->kernels().isa; }

Status Engine::State::check_ids(std::span<const int> ids) const {
    if (ids.empty()) return fail(Fault::usage, "expected at least one token, saw none");
    const std::int64_t vocab = model->config().vocab;
    for (std::size_t i = 0; i < ids.size(); ++i)
        if (ids[i] < 0 || ids[i] >= vocab)
            return fail(Fault::out_of_range, "token {}: expected an id from 0 to {}, saw {}", i, vocab - 1,
                        ids[i]);
    if (static_cast<std::int64_t>(ids.size()) > options.context_max)
        return fail(Fault::out_of_range, "expected at most {} tokens of context, saw {}", options.context_max,
                    ids.size());
    return {};
}

Status Engine::State::check_writes() const {
    if (model->program.output_width() == model->config().vocab && !model->program.bidirectional) return {};
    return fail(Fault::unsupported, "{} gives embeddings, not text: expected a model with a head",
                model->name);
}

Status Engine::State::check_request(const Request& request) const {
    HEARTH_TRY_STATUS(check_writes());
    HEARTH_TRY_STATUS(check_ids(request.prompt));
    HEARTH_TRY_STATUS(engine::check(request.sampling, model->config().vocab));
    if (request.new_tokens_max < 1)
        return fail(Fault::out_of_range, "new_tokens_max: expected at least 1, saw {}",
                    request.new_tokens_max);
    if (static_cast<std::int64_t>(request.prompt.size()) >= options.context_max)
        return fail(Fault::out_of_range, "expected a prompt shorter than the context of {} tokens, saw {}",
                    options.context_max, request.prompt.size());
    for (const std::string& stop : request.stop_strings)
        if (stop.empty())
            return fail(Fault::usage, "stop: expected strings of at least one character, saw \"\"");
    return {};
}

Status Engine::score(std::span<const int> ids, const LogitsSink& sink, ScoreOptions options) {
    State& s = *state_;
    HEARTH_CHECK(s.running.empty(), "score and generate do not mix");
    HEARTH_TRY_STATUS(s.check_ids(ids));
    if (options.draft_head < 0 || options.draft_head > s.drafts.size())
        return fail(Fault::out_of_range,
                    "{}: expected one of {} multi-token-prediction heads that were loaded, saw {}",
                    s.model->name, s.drafts.size(), options.draft_head);
    const bool drafts = options.draft_head > 0;
    SequenceState sequence(*s.blocks);
    std::vector<SequenceState> draft_states = s.drafts.begin();
    const auto chunk = static_cast<std::size_t>(s.options.chunk_tokens);
    std::size_t n = 0;
    for (std::size_t at = 0; at < ids.size(); at += n) {
        const auto begin = static_cast<std::int64_t>(at);
        std::int64_t prompt_left = options.prefill_tokens - begin;
        if (s.model->program.bidirectional) prompt_left = INT64_MAX;
        n = prompt_left <= 0 ? 1 : std::min({chunk, ids.size() - at, static_cast<std::size_t>(prompt_left)});
        const auto n_tokens = static_cast<std::int64_t>(n);
        HEARTH_TRY_STATUS(s.reserve(sequence, n_tokens));
        const std::int64_t first = std::clamp<std::int64_t>(options.first_position - begin, 0, n_tokens);
        const StepPart part{&sequence, ids.subspan(at, n), drafts ? n_tokens : first};
        s.executor->run({&part, 1}, [&](std::size_t, std::int64_t token, std::span<const float> logits) {
            sink(begin + token, logits);
        });
        if (!drafts) continue;
        std::vector<float> hidden;
        for (std::int64_t row = 0; row < n_tokens; ++row) {
            const auto of_row = s.executor->hidden(row);
            hidden.insert(hidden.end(), of_row.begin(), of_row.end());
        }
        HEARTH_TRY_STATUS(s.drafts.follow(draft_states, hidden, ids.subspan(at + 1), options.draft_head - 1,
                                          [&](std::int64_t row, std::span<const float> logits) {
                                              if (row >= first) sink(begin + row, logits);
                                          }));
    }
    return {};
}

Result<std::vector<std::vector<double>>> Engine::score_continuations(
    std::span<const int> prompt, std::span<const std::vector<int>> continuations) {
    State& s = *state_;
    HEARTH_CHECK(s.running.empty(), "score and generate do not mix");
    HEARTH_TRY_STATUS(s.check_writes());
    HEARTH_TRY_STATUS(s.check_ids(prompt));
    std::vector<std::vector<double>> scores(continuations.size());
    for (const auto& ids : continuations) {
        HEARTH_TRY_STATUS(s.check_ids(ids));
        if (static_cast<std::int64_t>(prompt.size() + ids.size()) > s.options.context_max)
            return fail(Fault::out_of_range, "expected at most {} tokens of context, saw {}",
                        s.options.context_max, prompt.size() + ids.size());
    }
    // The prompt once; its last logits score every first token.
    SequenceState base(*s.blocks);
    const auto score_one = [&](std::size_t i, std::size_t token, std::span<const float> logits, double norm) {
        const int id = continuations[i][token];
        scores[i].push_back(static_cast<double>(logits[static_cast<std::size_t>(id)]) - norm);
    };
    const auto chunk = static_cast<std::size_t>(s.options.chunk_tokens);
    for (std::size_t at = 0; at < prompt.size(); at += chunk) {
        const auto tokens = prompt.subspan(at, std::min(chunk, prompt.size() - at));
        const bool last = at + tokens.size() == prompt.size();
        const auto n = static_cast<std::int64_t>(tokens.size());
        HEARTH_TRY_STATUS(s.reserve(base, n));
        const StepPart part{&base, tokens, last ? n - 1 : n};
        s.executor->run({&part, 1}, [&](std::size_t, std::int64_t, std::span<const float> logits) {
            const double norm = log_sum_exp(logits);
            for (std::size_t i = 0; i < continuations.size(); ++i) score_one(i, 0, logits, norm);
        });
    }
    // Then the continuations, each on a fork, as many together as a step takes. The last token predicts
    // nothing.
    for (std::size_t first = 0; first < continuations.size();) {
        std::vector<SequenceState> forks;
        std::vector<StepPart> parts;
        std::vector<std::size_t> which;
        std::size_t n_tokens = 0, next = first;
        forks.reserve(continuations.size());
        for (; next < continuations.size(); ++next) {
            const auto tokens = std::span(continuations[next]).first(continuations[next].size() - 1);
            if (tokens.empty()) continue;
            if (tokens.size() > chunk)
                return fail(Fault::out_of_range, "expected continuations of at most {} tokens, saw {}",
                            chunk + 1, continuations[next].size());
            if (n_tokens + tokens.size() > chunk) break;
            forks.push_back(base.fork());
            HEARTH_TRY_STATUS(s.reserve(forks.back(), static_cast<std::int64_t>(tokens.size())));
            parts.push_back({nullptr, tokens, 0});
            which.push_back(next);
            n_tokens += tokens.size();
        }
        for (std::size_t i = 0; i < parts.size(); ++i) parts[i].state = &forks[i];
        if (!parts.empty())
            s.executor->run(parts, [&](std::size_t part, std::int64_t token, std::span<const float> logits) {
                score_one(which[part], static_cast<std::size_t>(token) + 1, logits, log_sum_exp(logits));
            });
        first = next;
    }
    return scores;
}

Result<std::vector<float>> Engine::embed(std::span<const int> ids, const models::Embedder& embedder) {
    using Pooling = models::Embedder::Pooling;
    const std::int64_t width = state_->model->program.output_width(), n = std::ssize(ids);
    std::vector<double> sum(static_cast<std::size_t>(width));
    const auto sink = [&](std::int64_t position, std::span<const float> hidden) {
        if (embedder.pooling == Pooling::first && position != 0) return;
        for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += static_cast<double>(hidden[i]);
    };
    HEARTH_TRY_STATUS(score(ids, sink, {.first_position = embedder.pooling == Pooling::last ? n - 1 : 0}));
    const double count = embedder.pooling == Pooling::mean ? static_cast<double>(n) : 1;
    std::vector<float> pooled;
    for (const double x : sum) pooled.push_back(static_cast<float>(x / count));
    return embedder.finish(std::move(pooled));
}

Result<std::uint64_t> Engine::submit(Request request, Done done) {
    State& s = *state_;
    HEARTH_TRY_STATUS(s.check_request(request));
    if (s.waiting.size() >= kWaitingMax)
        return fail(Fault::busy, "the queue holds its limit of {} requests; try again later", kWaitingMax);
    const auto room = s.options.context_max - static_cast<std::int64_t>(request.prompt.size());
    request.new_tokens_max = static_cast<int>(std::min<std::int64_t>(request.new_tokens_max, room));
    if (!request.ignore_eos) {
        const auto& eos = s.model->config().eos_ids;
        request.stop_ids.insert(request.stop_ids.end(), eos.begin(), eos.end());
    }
    const std::uint64_t handle = s.next_handle++;
    s.waiting.push_back(
        std::make_unique<Sequence>(handle, std::move(request), std::move(done), *s.blocks, s.tokenizer()));
    return handle;
}

void Engine::cancel(std::uint64_t handle) {
    for (auto& sequence : state_->waiting)
        if (sequence->handle() == handle) sequence->cancel();
    for (auto& sequence : state_->running)
        if (sequence->handle() == handle) sequence->cancel();
}

Status Engine::State::reserve(SequenceState& sequence, std::int64_t n_tokens) {
    Status room = sequence.reserve(n_tokens);
    while (!room && prefixes.drop_oldest()) room = sequence.reserve(n_tokens);
    return room;
}

void Engine::State::admit() {
    while (!waiting.empty() && static_cast<int>(running.size()) < options.batch_max) {
        const std::int64_t tokens_max = waiting.front()->tokens_max();
        bool fits = true;
        for (std::size_t i = 0; i < promised.size(); ++i)
            fits = fits && promised[i] + needed(i, tokens_max) <= blocks->n_blocks(i);
        if (!waiting.front()->finished() && !fits) break;
        for (std::size_t i = 0; i < promised.size(); ++i) promised[i] += needed(i, tokens_max);
        running.push_back(std::move(waiting.front()));
        waiting.pop_front();
        running.back()->begin(prefixes.begin(*blocks, running.back()->prompt()));
        totals.cached_tokens += static_cast<std::uint64_t>(running.back()->state.length());
    }
}

void Engine::State::retire() {
    for (auto& sequence : running)
        if (sequence->finished()) {
            for (std::size_t i = 0; i < promised.size(); ++i)
                promised[i] -= needed(i, sequence->tokens_max());
            std::vector<int> tokens = sequence->computed();  // before the state goes
            prefixes.keep(std::move(tokens), std::move(sequence->state));
            sequence->deliver();
        }
    std::erase_if(running, [](const auto& sequence) { return sequence->finished(); });
}

void Engine::State::count(std::uint64_t prompt_tokens, std::uint64_t drawn, double seconds) {
    totals.prefill_tokens += prompt_tokens;
    totals.output_tokens += drawn;
    if (prompt_tokens > 0) {
        totals.prefill_seconds += seconds;
    } else {
        totals.decode_tokens += drawn;
        totals.decode_seconds += seconds;
    }
}

const StepTotals& Engine::totals() const { return state_->totals; }

Result<bool> Engine::step() {
    State& s = *state_;
    s.admit();
    s.retire();  // what was cancelled before it ran
    if (s.running.empty()) return !s.waiting.empty();
    const auto start = std::chrono::steady_clock::now();
    std::uint64_t prompt_tokens = 0, drawn = 0;
    s.parts.clear();
    s.owners.clear();
    std::size_t room = static_cast<std::size_t>(std::max(s.options.chunk_tokens, s.options.batch_max));
    // Sequences that decode come first.
    for (const bool prefill : {false, true}) {
        if (prefill && !s.parts.empty())
            room = std::min(room, static_cast<std::size_t>(chunk_beside_decoding(s.options.chunk_tokens)));
        for (auto& sequence : s.running) {
            if (sequence->in_prefill() != prefill || room == 0) continue;
            const auto pending = sequence->pending();
            const auto tokens = pending.first(std::min(pending.size(), room));
            HEARTH_TRY_STATUS(s.reserve(sequence->state, static_cast<std::int64_t>(tokens.size())));
            const auto n = static_cast<std::int64_t>(tokens.size());
            s.parts.push_back({&sequence->state, tokens, tokens.size() == pending.size() ? n - 1 : n});
            s.owners.push_back(sequence.get());
            room -= tokens.size();
            if (prefill) prompt_tokens += tokens.size();
        }
    }
    // Tokens are drawn after the step: a draw appends to the list that `tokens` points into.
    if (s.rows.size() < s.parts.size()) s.rows.resize(s.parts.size());
    for (auto& row : s.rows) row.clear();
    s.executor->run(s.parts, [&s](std::size_t part, std::int64_t, std::span<const float> logits) {
        s.rows[part].assign(logits.begin(), logits.end());
    });
    for (std::size_t i = 0; i < s.parts.size(); ++i) {
        Sequence& owner = *s.owners[i];
        // States that recur cannot go back from the answer's end to the prompt's: a snapshot can.
        if (s.recurs && owner.state.length() == std::ssize(owner.prompt()))
            s.prefixes.keep(owner.computed(), owner.state.fork());
        if (!s.rows[i].empty() && !owner.finished()) {
            owner.take(s.rows[i]);
            ++drawn;
        }
    }
    s.count(prompt_tokens, drawn,
            std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    s.retire();
    return true;
}

Result<std::vector<Completion>> Engine::generate(std::vector<Request> requests) {
    for (std::size_t i = 0; i < requests.size(); ++i)
        if (auto ok = state_->check_request(requests[i]); !ok)
            return fail(ok.error().at(fmt::format("request {}", i)));
    std::vector<Completion> completions(requests.size());
    std::size_t submitted = 0;
    for (bool busy = true; busy || submitted < requests.size();) {
        while (submitted < requests.size() && state_->waiting.size() < kWaitingMax / 2) {
            const std::size_t i = submitted++;
            HEARTH_TRY(const auto handle,
                       submit(std::move(requests[i]), [&completions, i](Result<Completion> done) {
                           if (done) completions[i] = std::move(*done);
                       }));
            (void)handle;
        }
        HEARTH_TRY(busy, step());
    }
    return completions;
}

}  // namespace hearth::engine
