#include "runtime/models/gemma4/kv_cache.hpp"

#include "runtime/base/check.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>

namespace larql::gemma4 {

namespace {

constexpr std::uint32_t block_of(std::uint32_t position) noexcept {
  return position / kv_block_positions;
}

constexpr std::uint32_t blocks_for(std::uint32_t positions) noexcept {
  return (positions + kv_block_positions - 1) / kv_block_positions;
}

} // namespace

kv_cache::kv_cache(const vindex::model_config& model, kv_format format, std::uint32_t max_context,
                   std::shared_ptr<kv_pool> pool)
    : format_(format), window_(model.window), max_context_(max_context), pool_(std::move(pool)) {
  for (auto l = 0u; l < model.layers; ++l) {
    auto& s = layers_.emplace_back();
    s.sliding = model.sliding[l];
    s.heads = model.kv_heads_of(l);
    s.row_bytes = model.head_dim_of(l) * (format == kv_format::f16 ? 2u : 4u);
  }
}

// The first position that a sliding layer's row at `position` sees.
std::uint32_t kv_cache::first_visible(std::uint32_t position) const noexcept {
  return position + 1 - std::min(window_, position + 1);
}

// ---- positions ----------------------------------------------------------------------------------

result<void> kv_cache::prepare(std::uint32_t first, std::uint32_t end) {
  LARQL_CHECK(first <= end && end <= max_context_);
  for (auto& s : layers_)
    LARQL_TRY_VOID(prepare(s, first, end));
  return {};
}

result<void> kv_cache::prepare(layer_store& s, std::uint32_t first, std::uint32_t end) {
  if (s.blocks.empty())
    s.first_block = block_of(first);
  for (auto b = block_of(first); b < blocks_for(end); ++b) {
    const auto i = b - s.first_block;
    LARQL_CHECK(i <= s.blocks.size());
    if (i == s.blocks.size()) {
      LARQL_TRY(auto block, pool_->take(s.block_bytes()));
      s.blocks.push_back(std::move(block));
    } else if (s.blocks[i].use_count() > 1) {
      // Its other holders, which may be other threads, only read.
      LARQL_TRY(auto block, pool_->take(s.block_bytes()));
      std::memcpy(block->data(), s.blocks[i]->data(), s.block_bytes());
      s.blocks[i] = std::move(block);
    }
  }
  // The last other holder of a block may have read it in another thread just now.
  std::atomic_thread_fence(std::memory_order_acquire);
  return {};
}

kv_cache::slot kv_cache::at(std::uint32_t layer, std::uint32_t head,
                            std::uint32_t position) noexcept {
  auto& s = layers_[layer];
  auto* block = s.blocks[block_of(position) - s.first_block]->data();
  const auto offset =
      (std::size_t{head} * kv_block_positions + position % kv_block_positions) * s.row_bytes;
  return {block + offset, block + s.block_bytes() / 2 + offset};
}

void kv_cache::read(std::uint32_t layer, std::uint32_t first, std::uint32_t end,
                    std::vector<kv_run>& out) const {
  const auto& s = layers_[layer];
  while (first < end) {
    const auto* block = s.blocks[block_of(first) - s.first_block]->data();
    const auto in_block = first % kv_block_positions;
    const auto count = std::min(end - first, kv_block_positions - in_block);
    const auto offset = in_block * s.row_bytes;
    out.push_back({first, count, block + offset, block + s.block_bytes() / 2 + offset,
                   kv_block_positions * s.row_bytes});
    first += count;
  }
}

void kv_cache::forget_from(std::uint32_t end) noexcept {
  for (auto& s : layers_) {
    const auto blocks = blocks_for(end);
    const auto kept = blocks > s.first_block ? std::size_t{blocks - s.first_block} : 0;
    s.blocks.resize(std::min(s.blocks.size(), kept));
  }
}

void kv_cache::forget_before(std::uint32_t end) noexcept {
  const auto needed = first_visible(end);
  const auto keep_from = block_of(needed - std::min(needed, slack_positions));
  for (auto& s : layers_) {
    if (!s.sliding || keep_from <= s.first_block)
      continue;
    const auto gone = std::min<std::size_t>(keep_from - s.first_block, s.blocks.size());
    s.blocks.erase(s.blocks.begin(), s.blocks.begin() + static_cast<std::ptrdiff_t>(gone));
    s.first_block += static_cast<std::uint32_t>(gone);
  }
}

bool kv_cache::has_window(std::uint32_t end) const noexcept {
  return std::all_of(layers_.begin(), layers_.end(), [&](const layer_store& s) {
    return !s.sliding || end == 0 ||
           (s.first_block * kv_block_positions <= first_visible(end) &&
            s.first_block + s.blocks.size() >= blocks_for(end));
  });
}

kv_window kv_cache::window(std::uint32_t end) const {
  LARQL_CHECK(has_window(end));
  auto out = kv_window{};
  out.end = end;
  // A block more than needed: a later text may part from this one a few positions before the end.
  const auto needed = first_visible(end);
  const auto from = block_of(needed - std::min(needed, slack_positions));
  out.layers.resize(layers_.size());
  for (auto l = std::size_t{0}; l < layers_.size(); ++l) {
    const auto& s = layers_[l];
    if (!s.sliding)
      continue;
    const auto first = std::max(from, s.first_block);
    out.first = first * kv_block_positions;
    out.layers[l].assign(s.blocks.begin() + (first - s.first_block),
                         s.blocks.begin() + (blocks_for(end) - s.first_block));
  }
  return out;
}

bool kv_cache::fits(const kv_window& w, std::uint32_t end) const noexcept {
  return end <= w.end && w.first <= first_visible(end);
}

void kv_cache::restore(const kv_window& w, std::uint32_t end) {
  LARQL_CHECK(fits(w, end));
  for (auto l = std::size_t{0}; l < layers_.size(); ++l) {
    auto& s = layers_[l];
    if (!s.sliding)
      continue;
    s.first_block = block_of(w.first);
    s.blocks = w.layers[l];
  }
  forget_from(end);
}

// ---- prefixes -----------------------------------------------------------------------------------

std::vector<kv_cache::prefix_shape> kv_cache::shape_of_prefix(std::uint32_t end) const {
  auto out = std::vector<prefix_shape>{};
  const auto needed = first_visible(end);
  const auto from = block_of(needed - std::min(needed, slack_positions));
  for (const auto& s : layers_) {
    const auto first = s.sliding ? from : 0;
    out.push_back({first, blocks_for(end) - first, s.block_bytes()});
  }
  return out;
}

kv_prefix kv_cache::prefix(std::uint32_t end, const kv_window* w) const {
  LARQL_CHECK(w == nullptr ? has_window(end) : fits(*w, end));
  const auto own = w == nullptr ? window(end) : kv_window{};
  const auto& windows = w == nullptr ? own : *w;
  auto out = kv_prefix{};
  out.end = end;
  for (auto l = std::size_t{0}; l < layers_.size(); ++l) {
    const auto& from = layers_[l].sliding ? windows.layers[l] : layers_[l].blocks;
    const auto first = layers_[l].sliding ? block_of(windows.first) : layers_[l].first_block;
    const auto count = std::min<std::size_t>(from.size(), blocks_for(end) - first);
    out.layers.push_back(
        {first, {from.begin(), from.begin() + static_cast<std::ptrdiff_t>(count)}});
  }
  return out;
}

bool kv_cache::can_adopt(const kv_prefix& p) const noexcept {
  if (p.layers.size() != layers_.size() || p.end > max_context_)
    return false;
  for (auto l = std::size_t{0}; l < layers_.size(); ++l) {
    const auto& [first, blocks] = p.layers[l];
    const auto needed = layers_[l].sliding ? block_of(first_visible(p.end)) : 0;
    if (first > needed || first + blocks.size() != blocks_for(p.end))
      return false;
    for (const auto& b : blocks)
      if (b->size_bytes() != layers_[l].block_bytes())
        return false;
  }
  return true;
}

void kv_cache::adopt(kv_prefix p) {
  LARQL_CHECK(can_adopt(p));
  for (auto l = std::size_t{0}; l < layers_.size(); ++l) {
    layers_[l].first_block = p.layers[l].first_block;
    layers_[l].blocks = std::move(p.layers[l].blocks);
  }
}

kv_cache kv_cache::empty_copy() const {
  auto out = kv_cache{};
  for (const auto& s : layers_) {
    auto& to = out.layers_.emplace_back();
    to.sliding = s.sliding;
    to.heads = s.heads;
    to.row_bytes = s.row_bytes;
  }
  out.format_ = format_;
  out.window_ = window_;
  out.max_context_ = max_context_;
  out.pool_ = pool_;
  return out;
}

// ---- drafts -------------------------------------------------------------------------------------

result<void> kv_cache::prepare_drafts() {
  for (auto& s : layers_) {
    if (s.drafts.size_bytes() != 0)
      continue;
    LARQL_TRY(s.drafts, reserved_memory::reserve(2 * s.row_bytes * s.heads * max_drafts));
  }
  return {};
}

void kv_cache::release_drafts() noexcept {
  for (auto& s : layers_)
    s.drafts = {};
}

kv_cache::slot kv_cache::draft_at(std::uint32_t layer, std::uint32_t head,
                                  std::uint32_t draft) noexcept {
  auto& s = layers_[layer];
  auto* keys = s.drafts.data() + (std::size_t{head} * max_drafts + draft) * s.row_bytes;
  return {keys, keys + s.drafts.size_bytes() / 2};
}

kv_run kv_cache::read_draft(std::uint32_t layer, std::uint32_t draft,
                            std::uint32_t position) const noexcept {
  const auto& s = layers_[layer];
  const auto* keys = s.drafts.data() + draft * s.row_bytes;
  return {position, 1, keys, keys + s.drafts.size_bytes() / 2, max_drafts * s.row_bytes};
}

void kv_cache::accept(std::uint32_t draft, std::uint32_t position) noexcept {
  for (auto l = 0u; l < layers_.size(); ++l)
    for (auto h = 0u; h < layers_[l].heads; ++h) {
      const auto from = draft_at(l, h, draft);
      const auto to = at(l, h, position);
      std::memcpy(to.key, from.key, layers_[l].row_bytes);
      std::memcpy(to.value, from.value, layers_[l].row_bytes);
    }
}

// ---- memory -------------------------------------------------------------------------------------

std::uint64_t kv_cache::size_bytes() const noexcept {
  auto sum = std::uint64_t{0};
  for (const auto& s : layers_)
    sum += s.blocks.size() * s.block_bytes() + s.drafts.size_bytes();
  return sum;
}

void kv_cache::list_blocks(std::vector<const kv_block*>& out) const {
  for (const auto& s : layers_)
    for (const auto& block : s.blocks)
      out.push_back(block.get());
}

} // namespace larql::gemma4
