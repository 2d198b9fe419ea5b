#include "runtime/models/gemma4/kv_block.hpp"

#include <algorithm>
#include <cstring>

namespace larql::gemma4 {

namespace {

constexpr std::size_t most_slab_bytes = 8 << 20;
constexpr std::size_t most_slab_blocks = 16;
constexpr std::size_t huge_page_bytes = 2 << 20;

} // namespace

struct kv_block::slab {
  reserved_memory memory;
  std::size_t block_bytes = 0;
  std::size_t blocks = 0;
  std::vector<std::byte*> free; ///< has room for all blocks, so that giving back never allocates
};

kv_block::~kv_block() {
  home_->give_back(from_, data_);
}

std::shared_ptr<kv_pool> kv_pool::create(std::uint64_t max_bytes, bool wipes) {
  return std::shared_ptr<kv_pool>{new kv_pool{max_bytes, wipes}};
}

kv_pool::kv_pool(std::uint64_t max_bytes, bool wipes) : max_bytes_(max_bytes), wipes_(wipes) {}
kv_pool::~kv_pool() = default;

result<kv_block::slab*> kv_pool::slab_with_room(std::size_t bytes) {
  for (const auto& s : slabs_)
    if (s->block_bytes == bytes && !s->free.empty())
      return s.get();
  auto fresh = std::make_unique<kv_block::slab>();
  fresh->block_bytes = bytes;
  fresh->blocks = std::clamp<std::size_t>(most_slab_bytes / bytes, 1, most_slab_blocks);
  LARQL_TRY(fresh->memory, reserved_memory::reserve(fresh->blocks * bytes));
  if (fresh->memory.size_bytes() >= huge_page_bytes)
    fresh->memory.prefer_huge_pages();
  for (auto i = fresh->blocks; i-- > 0;) // the first block is taken first
    fresh->free.push_back(fresh->memory.data() + i * bytes);
  slabs_.push_back(std::move(fresh));
  return slabs_.back().get();
}

result<kv_block_ptr> kv_pool::take(std::size_t bytes) {
  const auto lock = std::scoped_lock{mutex_};
  if (max_bytes_ != 0 && used_bytes_ + bytes > max_bytes_)
    return fail(errc::unavailable, "KV memory: {} of {} bytes are in use, {} more are needed",
                used_bytes_, max_bytes_, bytes);
  LARQL_TRY(auto* const from, slab_with_room(bytes));
  auto* const data = from->free.back();
  auto out = std::make_shared<kv_block>(shared_from_this(), *from, data, bytes);
  from->free.pop_back();
  used_bytes_ += bytes;
  return out;
}

void kv_pool::give_back(kv_block::slab& from, std::byte* data) noexcept {
  if (wipes_)
    ::explicit_bzero(data, from.block_bytes);
  const auto lock = std::scoped_lock{mutex_};
  used_bytes_ -= from.block_bytes;
  from.free.push_back(data);
  if (from.free.size() < from.blocks)
    return;
  const auto is_spare = [&](const auto& s) {
    return s->block_bytes == from.block_bytes && s->free.size() == s->blocks;
  };
  if (std::count_if(slabs_.begin(), slabs_.end(), is_spare) > 1)
    std::erase_if(slabs_, [&](const auto& s) { return s.get() == &from; });
}

std::uint64_t kv_pool::used_bytes() const {
  const auto lock = std::scoped_lock{mutex_};
  return used_bytes_;
}

} // namespace larql::gemma4
