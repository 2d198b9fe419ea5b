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
      forward_(model, compute, experts, options.predispatch),
      run_(model.config) {
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

result<void> executor::check(const part& p, std::uint32_t first) const {
  for (const auto t : p.tokens)
    if (t >= model_.config.vocab)
      return fail(errc::usage, "token id {} is outside the vocabulary of {}", t,
                  model_.config.vocab);
  const auto depth = depth_of(p.tokens, p.parents);
  if (depth > p.to->max_context() - first)
    return fail(errc::usage, "{} tokens after {} do not fit the context of {}", depth, first,
                p.to->max_context());
  return {};
}

// ---- one pass -----------------------------------------------------------------------------------

result<void> executor::run(std::span<const part> parts, const std::stop_token& stop) {
  LARQL_TRY_VOID(begin(run_, parts));
  while (!is_done(run_))
    LARQL_TRY_VOID(advance(run_, stop));
  finish(run_);
  return {};
}

// ---- running passes -----------------------------------------------------------------------------

// Where the next tokens of a sequence go: behind those that are being read.
std::uint32_t executor::end_of(const sequence& s) const noexcept {
  auto end = s.size();
  for (const auto* r : running_)
    for (const auto& p : r->parts_)
      if (p.to == &s && !p.left_out && p.parents.empty())
        end = std::max(end, p.first + static_cast<std::uint32_t>(p.tokens.size()));
  return end;
}

result<void> executor::begin(running_pass& r, std::span<const part> parts) {
  LARQL_CHECK(!parts.empty() && !r.active_);
  parts_.clear();
  for (const auto& p : parts) {
    const auto first = end_of(*p.to);
    LARQL_TRY_VOID(check(p, first));
    parts_.push_back({p.tokens, first, &p.to->cache(), p.parents});
  }
  for (const auto& p : parts_)
    LARQL_TRY_VOID(
        p.parents.empty()
            ? p.cache->prepare(p.first, p.first + static_cast<std::uint32_t>(p.tokens.size()))
            : p.cache->prepare_drafts());
  r.parts_.clear();
  r.ahead_.clear();
  for (auto i = std::size_t{0}; i < parts.size(); ++i) {
    const auto& p = parts[i];
    auto& own = r.parts_.emplace_back();
    own.to = p.to;
    own.tokens.assign(p.tokens.begin(), p.tokens.end());
    own.parents.assign(p.parents.begin(), p.parents.end());
    own.first = parts_[i].first;
    own.stop = p.stop;
    if (parts_[i].first == p.to->size())
      continue;
    for (const auto* other : running_)
      for (const auto& o : other->parts_)
        if (o.to == p.to)
          r.ahead_.push_back(other);
  }
  r.stops_ = std::make_shared<running_pass::stop_count>();
  r.stops_->left = r.parts_.size();
  for (auto& p : r.parts_)
    if (p.stop.stop_possible())
      p.on_stop = std::make_unique<std::stop_callback<running_pass::count_stop>>(
          p.stop, running_pass::count_stop{r.stops_});
  r.condemned_ = condemned_makers();
  forward_.begin(r.pass_, parts_);
  r.active_ = true;
  running_.push_back(&r);
  return {};
}

bool executor::is_done(const running_pass& r) const noexcept {
  return forward_.is_done(r.pass_) || r.rows() == 0;
}

// A pass enters a layer after the attention there of the passes ahead.
bool executor::is_behind(const running_pass& r) const noexcept {
  return std::any_of(r.ahead_.begin(), r.ahead_.end(), [&](const running_pass* a) {
    return !forward_.is_done(a->pass_) && a->rows() != 0 &&
           a->pass_.layers_started() <= r.pass_.layers_started();
  });
}

bool executor::would_wait(const running_pass& r) const noexcept {
  return r.pass_.is_waiting() ? !r.pass_.is_ready() : is_behind(r);
}

// Rows whose stop is requested, and those whose earlier tokens were given up.
void executor::leave_out_stopped(running_pass& r) {
  auto first = std::size_t{0}; // row
  for (auto& p : r.parts_) {
    if (p.left_out)
      continue;
    if (!p.is_void && !p.stop.stop_requested()) {
      first += p.tokens.size();
      continue;
    }
    forward_.leave_out(r.pass_, first, p.tokens.size());
    p.left_out = true;
    for (auto* other : running_)
      for (auto& o : other->parts_)
        if (o.to == p.to && o.first > p.first)
          o.is_void = true;
  }
}

result<void> executor::advance(running_pass& r, const std::stop_token& given) {
  LARQL_CHECK(r.active_ && !is_done(r));
  const auto stop = given.stop_possible() ? given : r.stops_->all.get_token();
  auto done = result<void>{};
  if (r.pass_.is_waiting()) {
    done = forward_.finish_layer(r.pass_, stop);
    learn(r.pass_);
  } else {
    LARQL_CHECK(!is_behind(r));
    leave_out_stopped(r);
    if (r.rows() != 0)
      done = forward_.start_layer(r.pass_, stop);
  }
  if (!done)
    drop(r);
  return done;
}

void executor::finish(running_pass& r) {
  LARQL_CHECK(r.active_ && is_done(r));
  const auto from = experts::provenance{r.pass_.makers(), r.condemned_};
  auto rows = r.rows() == 0 ? std::span<const float>{} : r.pass_.hidden_rows();
  for (auto& p : r.parts_) {
    if (p.left_out)
      continue;
    const auto own = rows.first(p.tokens.size() * model_.config.hidden);
    rows = rows.subspan(own.size());
    if (p.is_void)
      p.left_out = true;
    else if (p.parents.empty())
      p.to->commit(p.tokens, own, from);
    else
      p.to->commit_drafts(p.tokens, p.parents, own, from);
  }
  costs_.add(r.rows(), r.stats());
  retire(r);
}

void executor::drop(running_pass& r) {
  r.pass_.cancel();
  for (auto& p : r.parts_) {
    if (p.left_out)
      continue;
    p.left_out = true;
    for (auto* other : running_)
      for (auto& o : other->parts_)
        if (o.to == p.to && o.first > p.first)
          o.is_void = true;
  }
  retire(r);
}

void executor::retire(running_pass& r) {
  stats_.add(r.stats());
  r.active_ = false;
  for (auto& p : r.parts_)
    p.on_stop.reset();
  std::erase(running_, &r);
  for (auto* other : running_)
    std::erase(other->ahead_, &r);
}

// ---- chunks -------------------------------------------------------------------------------------

result<void> executor::append(sequence& to, std::span<const std::uint32_t> tokens,
                              const std::stop_token& stop,
                              const std::function<void(std::uint32_t)>& on_chunk) {
  LARQL_TRY_VOID(check({&to, tokens}, to.size()));
  auto first = to.size(); // of the next chunk
  while (!tokens.empty() || !chunks_.empty()) {
    auto step = result<void>{};
    while (step && !tokens.empty()) {
      const auto plan = next_chunks(tokens.size());
      if (chunks_.size() >= plan.passes)
        break;
      const auto next = tokens.first(std::min<std::size_t>(tokens.size(), plan.rows));
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
      costs_.add(done.pass->rows(), done.pass->stats());
      to.commit(done.tokens, done.pass->hidden_rows(), {done.pass->makers(), done.condemned});
      spare_passes_.push_back(std::move(done.pass));
      if (on_chunk)
        on_chunk(to.size());
    }
  }
  return {};
}

// For the tokens that no chunk has yet, and those of the chunks in flight.
flight executor::next_chunks(std::size_t tokens) const {
  if (options_.predispatch != 0)
    return {1, options_.chunk};
  if (!options_.adapts)
    return {options_.chunks_in_flight, options_.chunk};
  for (const auto& c : chunks_)
    tokens += c.tokens.size();
  return choose_flight(costs_, static_cast<std::uint32_t>(tokens), options_.chunk,
                       options_.chunks_in_flight);
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
      auto done = forward_.finish_layer(pass, stop);
      learn(pass);
      return done;
    }
    if (i == 0 || pass.layers_started() < chunks_[i - 1].pass->layers_started() ||
        forward_.is_done(*chunks_[i - 1].pass))
      return forward_.start_layer(pass, stop);
  }
  auto done = forward_.finish_layer(*chunks_.front().pass, stop);
  learn(*chunks_.front().pass);
  return done;
}

// The first layer of all says enough to have more in flight.
void executor::learn(const gemma4::forward::pass& p) {
  if (!costs_.is_known())
    costs_.add(p.rows(), p.stats());
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
