#include "runtime/generate/sequence.hpp"

#include "runtime/base/check.hpp"

#include <algorithm>

namespace larql::generate {

sequence::sequence(gemma4::kv_cache cache, std::uint32_t hidden, std::uint64_t snapshot_bytes)
    : cache_(std::move(cache)), hidden_(hidden), snapshot_bytes_(snapshot_bytes) {}

result<std::unique_ptr<sequence>> sequence::create(const gemma4::model& model,
                                                   std::shared_ptr<gemma4::kv_pool> pool,
                                                   const sequence_options& options) {
  if (options.max_context == 0 || options.max_context > 1u << 24)
    return fail(errc::usage, "context is {}, expected 1 to 16777216", options.max_context);
  return std::unique_ptr<sequence>{
      new sequence{gemma4::kv_cache{model.config, options.kv, options.max_context, std::move(pool)},
                   model.config.hidden, options.snapshot_bytes}};
}

// ---- going back ---------------------------------------------------------------------------------

sequence::way_back sequence::find_way_back(std::uint32_t count) const {
  if (count >= size())
    return {size()};
  if (cache_.has_window(count))
    return {count};
  // The latest position before `count` from which a snapshot lets the sequence go on.
  auto out = way_back{};
  for (const auto& s : snapshots_)
    if (const auto end = std::min(count, s.window.end);
        end > out.reached && cache_.fits(s.window, end))
      out = {end, &s.window};
  return out;
}

std::uint32_t sequence::reach(std::uint32_t count) const {
  return find_way_back(count).reached;
}

std::uint32_t sequence::truncate(std::uint32_t count) {
  if (count >= size())
    return size();
  const auto [reached, from] = find_way_back(count);
  if (from != nullptr)
    cache_.restore(*from, reached);
  cache_.forget_from(reached);
  ahead_.clear();
  tokens_.resize(reached);
  std::erase_if(origins_, [end = reached](const origin& o) { return o.first >= end; });
  // Later positions of the snapshots are of the text that is forgotten.
  for (auto& s : snapshots_)
    s.window.end = std::min(s.window.end, reached);
  std::erase_if(snapshots_, [&](const snapshot& s) {
    return s.window.end == 0 || !cache_.fits(s.window, s.window.end);
  });
  const auto rows = reached > first_row_ ? reached - first_row_ : 0;
  rows_.resize(std::min(rows_.size(), std::size_t{rows} * hidden_));
  draft_tokens_.clear();
  return reached;
}

void sequence::mark(boundary kind, std::uint32_t position) {
  LARQL_CHECK(position <= size());
  if (position == 0 || !cache_.has_window(position))
    return;
  std::erase_if(snapshots_, [&](const snapshot& s) {
    return s.window.end == position || (kind == boundary::system && s.kind == boundary::system);
  });
  const auto after = std::find_if(snapshots_.begin(), snapshots_.end(),
                                  [&](const snapshot& s) { return s.window.end > position; });
  snapshots_.insert(after, {kind, cache_.window(position)});
  drop_snapshots();
}

void sequence::mark_ahead(boundary kind, std::uint32_t position) {
  if (position <= size())
    mark(kind, position);
  else
    ahead_.push_back({kind, position});
}

// A pass may have gone beyond the position; sliding layers still hold all of the pass.
void sequence::mark_reached() {
  for (const auto& m : ahead_)
    if (m.position <= size())
      mark(m.kind, m.position);
  std::erase_if(ahead_, [&](const marked_position& m) { return m.position <= size(); });
}

// The oldest go first. Of a turn's end more is hoped than of any other place in the text, and the
// system's boundary is of use as long as the conversation lasts.
void sequence::drop_snapshots() {
  const auto oldest = [&](boundary kind) {
    return std::find_if(snapshots_.begin(), snapshots_.end(),
                        [&](const snapshot& s) { return s.kind == kind; });
  };
  const auto turns = std::count_if(snapshots_.begin(), snapshots_.end(),
                                   [](const snapshot& s) { return s.kind == boundary::turn; });
  for (auto more = static_cast<std::size_t>(turns); more > kept_turns; --more)
    snapshots_.erase(oldest(boundary::turn));
  while (!snapshots_.empty() && bytes_of_snapshots() > snapshot_bytes_) {
    auto victim = oldest(boundary::interval);
    if (victim == snapshots_.end())
      victim = oldest(boundary::turn);
    snapshots_.erase(victim != snapshots_.end() ? victim : snapshots_.begin());
  }
}

// ---- sharing ------------------------------------------------------------------------------------

std::unique_ptr<sequence> sequence::fork(std::uint32_t count) const {
  const auto [reached, from] = find_way_back(count);
  auto out = std::unique_ptr<sequence>{new sequence{cache_.empty_copy(), hidden_, snapshot_bytes_}};
  if (reached == 0)
    return out;
  out->cache_.adopt(cache_.prefix(reached, from));
  out->tokens_.assign(tokens_.begin(), tokens_.begin() + reached);
  out->origins_ = origins_before(reached);
  for (const auto& s : snapshots_)
    if (s.window.end <= reached)
      out->snapshots_.push_back(s);
  if (const auto row = row_at(size() - 1); row && reached == size())
    out->keep_rows(reached - 1, *row);
  return out;
}

sequence::prefix sequence::share(std::uint32_t count) const {
  const auto [reached, from] = find_way_back(count);
  LARQL_CHECK(reached != 0);
  return {{tokens_.begin(), tokens_.begin() + reached},
          cache_.prefix(reached, from),
          origins_before(reached)};
}

void sequence::adopt(prefix p) {
  LARQL_CHECK(tokens_.empty() && p.tokens.size() == p.kv.end);
  cache_.adopt(std::move(p.kv));
  tokens_ = std::move(p.tokens);
  origins_ = std::move(p.origins);
}

experts::maker_set sequence::prefix::makers() const noexcept {
  auto out = experts::maker_set{0};
  for (const auto& o : origins)
    out |= o.from.makers;
  return out;
}

// ---- rows ---------------------------------------------------------------------------------------

std::optional<std::span<const float>> sequence::row_at(std::uint32_t position) const noexcept {
  const auto i = std::size_t{position} - first_row_;
  if (position < first_row_ || position >= size() || (i + 1) * hidden_ > rows_.size())
    return std::nullopt;
  return std::span{rows_}.subspan(i * hidden_, hidden_);
}

std::span<const float> sequence::draft_row(std::uint32_t draft) const {
  LARQL_CHECK(draft < drafts());
  return std::span{draft_rows_}.subspan(std::size_t{draft} * hidden_, hidden_);
}

void sequence::keep_rows(std::uint32_t first, std::span<const float> rows) {
  first_row_ = first;
  rows_.assign(rows.begin(), rows.end());
}

// Only the clock tells apart what a node made before and after a check; a set of makers alone would
// not. Positions that were made here have an entry only behind others.
void sequence::note_origin(const origin& o) {
  if (o.from.makers != 0 || (!origins_.empty() && origins_.back().from.makers != 0))
    origins_.push_back(o);
}

std::vector<sequence::origin> sequence::origins_before(std::uint32_t end) const {
  auto out = std::vector<origin>{};
  for (const auto& o : origins_)
    if (o.first < end)
      out.push_back(o);
  return out;
}

std::uint32_t sequence::void_from(const experts::maker_ledger& ledger) const {
  for (const auto& o : origins_)
    if (ledger.is_void(o.from, o.when))
      return o.first;
  return size();
}

bool sequence::drafts_are_void(const experts::maker_ledger& ledger) const {
  return drafts() != 0 && ledger.is_void(draft_origin_.from, draft_origin_.when);
}

void sequence::commit(std::span<const std::uint32_t> tokens, std::span<const float> rows,
                      const experts::provenance& from) {
  LARQL_CHECK(rows.size() == tokens.size() * hidden_);
  keep_rows(size(), rows);
  note_origin({size(), from, std::chrono::steady_clock::now()});
  tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
  draft_tokens_.clear();
  mark_reached();
  cache_.forget_before(size());
}

void sequence::commit_drafts(std::span<const std::uint32_t> tokens,
                             std::span<const std::int32_t> parents, std::span<const float> rows,
                             const experts::provenance& from) {
  LARQL_CHECK(parents.size() == tokens.size() && rows.size() == tokens.size() * hidden_);
  draft_tokens_.assign(tokens.begin(), tokens.end());
  draft_parents_.assign(parents.begin(), parents.end());
  draft_rows_.assign(rows.begin(), rows.end());
  draft_origin_ = {0, from, std::chrono::steady_clock::now()};
}

result<void> sequence::accept(std::span<const std::uint32_t> branch) {
  auto parent = std::int32_t{-1};
  for (const auto draft : branch) {
    LARQL_CHECK(draft < drafts() && draft_parents_[draft] == parent);
    parent = static_cast<std::int32_t>(draft);
  }
  const auto first = size();
  const auto count = static_cast<std::uint32_t>(branch.size());
  if (count == 0) {
    draft_tokens_.clear();
    return {};
  }
  LARQL_TRY_VOID(cache_.prepare(first, first + count));
  note_origin({first, draft_origin_.from, draft_origin_.when});
  first_row_ = first;
  rows_.clear();
  for (auto i = 0u; i < count; ++i) {
    cache_.accept(branch[i], first + i);
    const auto row = draft_row(branch[i]);
    rows_.insert(rows_.end(), row.begin(), row.end());
    tokens_.push_back(draft_tokens_[branch[i]]);
  }
  draft_tokens_.clear();
  mark_reached();
  cache_.forget_before(size());
  return {};
}

// ---- memory -------------------------------------------------------------------------------------

namespace {

// Bytes of distinct blocks.
std::uint64_t bytes_of(std::vector<const gemma4::kv_block*>& blocks) {
  std::sort(blocks.begin(), blocks.end());
  blocks.erase(std::unique(blocks.begin(), blocks.end()), blocks.end());
  auto sum = std::uint64_t{0};
  for (const auto* b : blocks)
    sum += b->size_bytes();
  return sum;
}

} // namespace

void sequence::release_scratch() {
  rows_ = {};
  draft_rows_ = {};
  draft_tokens_.clear();
  cache_.release_drafts();
}

void sequence::list_blocks(std::vector<const gemma4::kv_block*>& out) const {
  cache_.list_blocks(out);
  for (const auto& s : snapshots_)
    for (const auto& layer : s.window.layers)
      for (const auto& block : layer)
        out.push_back(block.get());
}

std::uint64_t sequence::kv_bytes() const {
  return cache_.size_bytes() + bytes_of_snapshots();
}

// Of blocks that only snapshots hold.
std::uint64_t sequence::bytes_of_snapshots() const {
  auto all = std::vector<const gemma4::kv_block*>{};
  cache_.list_blocks(all);
  const auto own = bytes_of(all);
  list_blocks(all);
  return bytes_of(all) - own;
}

} // namespace larql::generate
