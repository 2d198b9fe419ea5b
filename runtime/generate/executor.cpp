#include "runtime/generate/executor.hpp"

#include "runtime/base/check.hpp"
#include "runtime/base/log.hpp"

#include <algorithm>

namespace larql::generate {

executor::executor(const gemma4::model& model, kernels::compute compute,
                   experts::expert_port& experts, const executor_options& options)
    : model_(model),
      options_(options),
      makers_(experts.makers()),
      forward_(model, compute, experts),
      pass_(model.config) {
  const auto us = [](std::chrono::nanoseconds t) { return static_cast<float>(t.count()) * 1e-3f; };
  forward_.on_calls = [this, us](const experts::call_stats& layer) {
    layer_times_.add({us(layer.slowest), us(layer.slowest_compute)});
  };
}

result<std::unique_ptr<executor>> executor::create(const gemma4::model& model,
                                                   kernels::compute compute,
                                                   experts::expert_port& experts,
                                                   const executor_options& options) {
  if (options.chunk == 0 || options.chunk > 1u << 16)
    return fail(errc::usage, "prefill chunk is {}, expected 1 to 65536", options.chunk);
  if (options.chunks_in_flight == 0 || options.chunks_in_flight > 16)
    return fail(errc::usage, "chunks in flight are {}, expected 1 to 16", options.chunks_in_flight);
  return std::unique_ptr<executor>{new executor{model, compute, experts, options}};
}

namespace {

// Tokens of the longest branch of a tree, or of all parts of a row of tokens.
std::size_t depth_of(std::span<const std::uint32_t> tokens, std::span<const std::int32_t> parents) {
  if (parents.empty())
    return tokens.size();
  LARQL_CHECK(parents.size() == tokens.size() && parents.size() <= gemma4::kv_cache::max_drafts);
  std::size_t depths[gemma4::kv_cache::max_drafts] = {};
  for (auto i = std::size_t{0}; i < parents.size(); ++i)
    depths[i] = parents[i] < 0 ? 1 : depths[parents[i]] + 1;
  return *std::max_element(std::begin(depths), std::end(depths));
}

} // namespace

result<void> executor::check(const part& p) const {
  for (const auto t : p.tokens)
    if (t >= model_.config.vocab)
      return fail(errc::usage, "token id {} is outside the vocabulary of {}", t,
                  model_.config.vocab);
  const auto depth = depth_of(p.tokens, p.parents);
  if (depth > p.to->max_context() - p.to->size())
    return fail(errc::usage, "{} tokens after {} do not fit the context of {}", depth, p.to->size(),
                p.to->max_context());
  return {};
}

// ---- one pass -----------------------------------------------------------------------------------

result<void> executor::run(std::span<const part> parts, const std::stop_token& stop) {
  LARQL_CHECK(!parts.empty());
  parts_.clear();
  for (const auto& p : parts) {
    LARQL_TRY_VOID(check(p));
    const auto first = p.to->size();
    parts_.push_back({p.tokens, first, &p.to->cache(), p.parents});
  }
  for (const auto& p : parts_)
    LARQL_TRY_VOID(
        p.parents.empty()
            ? p.cache->prepare(p.first, p.first + static_cast<std::uint32_t>(p.tokens.size()))
            : p.cache->prepare_drafts());
  const auto condemned = condemned_makers();
  auto done = forward_.run(pass_, parts_, stop);
  stats_.add(pass_.stats());
  LARQL_TRY_VOID(std::move(done));
  const auto from = experts::provenance{pass_.makers(), condemned};
  auto rows = pass_.hidden_rows();
  for (const auto& p : parts) {
    const auto own = rows.first(p.tokens.size() * model_.config.hidden);
    if (p.parents.empty())
      p.to->commit(p.tokens, own, from);
    else
      p.to->commit_drafts(p.tokens, p.parents, own, from);
    rows = rows.subspan(own.size());
  }
  return {};
}

// ---- chunks -------------------------------------------------------------------------------------

result<void> executor::append(sequence& to, std::span<const std::uint32_t> tokens,
                              const std::stop_token& stop,
                              const std::function<void(std::uint32_t)>& on_chunk) {
  LARQL_TRY_VOID(check({&to, tokens}));
  auto first = to.size(); // of the next chunk
  while (!tokens.empty() || !chunks_.empty()) {
    auto step = result<void>{};
    while (step && !tokens.empty() && chunks_.size() < options_.chunks_in_flight) {
      const auto next = tokens.first(std::min<std::size_t>(tokens.size(), options_.chunk));
      step = begin_chunk(to, first, next);
      first += static_cast<std::uint32_t>(next.size());
      tokens = tokens.subspan(next.size());
    }
    if (step)
      step = advance_chunks(stop);
    if (!step) {
      drop_chunks();
      return step;
    }
    while (!chunks_.empty() && forward_.is_done(*chunks_.front().pass)) {
      auto done = std::move(chunks_.front());
      chunks_.pop_front();
      stats_.add(done.pass->stats());
      to.commit(done.tokens, done.pass->hidden_rows(), {done.pass->makers(), done.condemned});
      spare_passes_.push_back(std::move(done.pass));
      if (on_chunk)
        on_chunk(to.size());
    }
  }
  return {};
}

result<void> executor::begin_chunk(sequence& to, std::uint32_t first,
                                   std::span<const std::uint32_t> tokens) {
  LARQL_TRY_VOID(to.cache().prepare(first, first + static_cast<std::uint32_t>(tokens.size())));
  if (spare_passes_.empty())
    spare_passes_.push_back(std::make_unique<gemma4::forward::pass>(model_.config));
  auto pass = std::move(spare_passes_.back());
  spare_passes_.pop_back();
  const auto rows = gemma4::sequence_part{tokens, first, &to.cache()};
  forward_.begin(*pass, {&rows, 1});
  chunks_.push_back({std::move(pass), tokens, condemned_makers()});
  return {};
}

// Takes one chunk a step further: the oldest that need not wait, else the oldest. A chunk enters a
// layer after the attention there of the chunk before it.
result<void> executor::advance_chunks(const std::stop_token& stop) {
  for (auto i = std::size_t{0}; i < chunks_.size(); ++i) {
    auto& pass = *chunks_[i].pass;
    if (forward_.is_done(pass))
      continue;
    if (pass.is_waiting()) {
      if (!pass.is_ready())
        continue;
      return forward_.finish_layer(pass, stop);
    }
    if (i == 0 || pass.layers_started() < chunks_[i - 1].pass->layers_started() ||
        forward_.is_done(*chunks_[i - 1].pass))
      return forward_.start_layer(pass, stop);
  }
  return forward_.finish_layer(*chunks_.front().pass, stop);
}

void executor::drop_chunks() {
  for (auto& c : chunks_) {
    c.pass->cancel();
    stats_.add(c.pass->stats());
    spare_passes_.push_back(std::move(c.pass));
  }
  chunks_.clear();
}

// A node may be condemned while the rest is read again, so it is looked at once more.
result<std::uint32_t> executor::renew(sequence& s, const std::stop_token& stop) {
  auto read = std::uint32_t{0};
  if (makers_ == nullptr)
    return read;
  for (;;) {
    const auto first = s.void_from(*makers_);
    if (first == s.size())
      return read;
    const auto tokens = std::vector<std::uint32_t>{s.tokens().begin(), s.tokens().end()};
    const auto kept = s.truncate(first);
    const auto rest = std::span{tokens}.subspan(kept);
    log_warning("answer",
                "{} of {} tokens are read again from position {}: a node that had a part "
                "in them has given wrong answers",
                rest.size(), tokens.size(), kept);
    LARQL_TRY_VOID(append(s, rest, stop));
    read += static_cast<std::uint32_t>(rest.size());
  }
}

// ---- logits -------------------------------------------------------------------------------------

result<std::span<const float>> executor::logits(std::span<const row> rows) {
  LARQL_CHECK(!rows.empty());
  rows_.clear();
  for (const auto& r : rows) {
    const auto numbers =
        r.is_draft ? std::optional{r.of->draft_row(r.position)} : r.of->row_at(r.position);
    LARQL_CHECK(numbers.has_value());
    rows_.insert(rows_.end(), numbers->begin(), numbers->end());
  }
  return forward_.logits_of(rows_);
}

result<std::span<const float>> executor::last_logits(const sequence& of) {
  LARQL_CHECK(of.size() != 0);
  const auto last = row{&of, of.size() - 1};
  return logits({&last, 1});
}

gemma4::pass_stats executor::stats() const {
  auto out = stats_;
  out.times.head = forward_.head_time();
  return out;
}

} // namespace larql::generate
